"""The oracle of push cases: reads the sandbox and the local rows directly, without the code that pushes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from gazelle_sync.montreal import montreal_day
from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.push_editor import HERE, STATUS, THERE, PushEditor, block_of
from gazelle_sync_tests.faults.push_subject import Found
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Row

Words = Iterator[str]


def at_any_time(office: EditedShop, editor: PushEditor) -> Iterator[Found]:
    """What is wrong that must be right after every run."""
    yield from _Oracle(office, editor).at_any_time()


def after_quiet(office: EditedShop, editor: PushEditor) -> Iterator[Found]:
    """What is wrong that must be right once everything is healthy and nothing is left to push."""
    oracle = _Oracle(office, editor)
    yield from oracle.at_any_time()
    yield from oracle.after_quiet()


class _Oracle:
    """Both sides at one moment."""

    def __init__(self, office: EditedShop, editor: PushEditor) -> None:
        self._office, self._editor = office, editor
        self._rows = editor.rows()
        self._records = editor.records()
        self._comments = editor.comments()
        self._measured = editor.measured()
        self._visits = editor.visits()
        self._conflicts = office.conflicts()
        self._log = office.shop.rows("sync_gazelle_logs")

    def at_any_time(self) -> Iterator[Found]:
        yield from self._editor.prices.at_any_time()
        for (client, day), visits in self._visits.items():
            if visits > 1:
                yield f.COMMENTS_DOUBLED, f"{visits} visits to {client} for the work of {day}"
        for piano in self._editor.living:
            yield from ((f.COMMENTS_DOUBLED, f"{piano}: {words}") for words in self._doubled(piano))
            yield from ((figure, f"{piano}: {words}") for figure, words in self._foreign(piano))
            yield from ((f.TOLD, f"{piano}: {words}") for words in self._told(piano))
            states = [tag for tag in self._records[piano]["tags"] if tag in STATUS.values()]
            if len(states) > 1:
                yield f.TWO_STATES, f"{piano}: {states}"
            row = self._rows.get(piano)
            is_in_doubt = any(one["piano_id"] == piano and one["status"] == "in_doubt" for one in self._log)
            if row is not None and not row["needs_sync"] and not row["is_hidden"] and not is_in_doubt:
                yield from ((f.SILENT, f"{piano}: {words}") for words in self._unsaid(row))

    def after_quiet(self) -> Iterator[Found]:
        yield from self._editor.prices.after_quiet(
            {value for one in self._conflicts for value in (one["ours"], one["theirs"])}
        )
        for piano, row in self._rows.items():
            if piano in self._editor.gone:
                if not row["needs_sync"] and not self._was_sent(row):
                    yield f.SILENT, f"{piano} went from Gazelle first, and its row says that everything arrived"
                continue
            if row["needs_sync"] or row["sync_error"]:
                yield f.UNSETTLED, f"{piano} is still due: {row['sync_error']}"
            yield from ((f.COMMENTS_LOST, f"{piano}: {words}") for words in self._unsaid(row))
            yield from ((f.SILENT, f"{piano}: {words}") for words in self._unequal(row))
            yield from ((f.LOSERS_UNTOLD, f"{piano}: {words}") for words in self._untold(piano))
        yield from self._of_the_log()

    def _doubled(self, piano: str) -> Words:
        for text in self._editor.said[piano]:
            times, others = self._comments[piano][text], self._editor.foreign[piano][text]
            if times > others + 1:
                yield f"{times} times {text[:50]!r}, {others} of them by others"
        for (_, text), readings in self._editor.readings_of(piano):
            if self._measured[piano][readings] > 1:
                yield f"{self._measured[piano][readings]} measurements of {text[:50]!r}"

    def _foreign(self, piano: str) -> Iterator[Found]:
        record = self._records[piano]
        tags = [tag for tag in record["tags"] if tag not in STATUS.values()]
        if sorted(tags) != sorted(self._editor.tags[piano]):
            yield f.TAGS_LOST, f"tagged {record['tags']}, and people gave it {sorted(self._editor.tags[piano])}"
        lines = (record["notes"] or "").split("\n")
        for text in self._editor.texts[piano]:
            if lines.count(text) != 1:
                yield f.TEXT_LOST, f"{text!r} stands {lines.count(text)} times in its notes"
        for text, times in self._editor.foreign[piano].items():
            if self._comments[piano][text] < times:
                yield f.TEXT_LOST, f"a comment that others wrote is gone: {text[:50]!r}"

    def _told(self, piano: str) -> Words:
        record, comments = self._records[piano], self._comments[piano]
        everything = "\n".join([*comments, *record["tags"], record["notes"] or ""])
        if any(secret in everything for secret in self._editor.secrets):
            yield "what must stay in the shop is at Gazelle"
        for text in comments.keys() - self._editor.said[piano] - self._editor.foreign[piano].keys():
            yield f"nobody wrote {text[:50]!r}"

    def _unsaid(self, row: Row) -> Words:
        """What the row says, and neither comments nor measurements at Gazelle do."""
        piano = row["gazelle_id"]
        for column in ("notes", "travail", "observations"):
            text = row[column]
            if not text:
                continue
            if column != "observations" and self._comments[piano][text] <= self._editor.foreign[piano][text]:
                yield f"{column} {text[:50]!r} is not at Gazelle"
            readings = self._editor.readings.get((piano, text))
            if readings and not self._measured[piano][readings]:
                yield f"the readings of {text[:50]!r} are not at Gazelle"

    def _unequal(self, row: Row) -> Words:
        """Where a row and its record do not say the same."""
        record = self._records[row["gazelle_id"]]
        tags = [tag for tag in record["tags"] if tag in STATUS.values()]
        if row["status"] is not None and tags != [STATUS[row["status"]]]:
            yield f"status {row['status']}, and Gazelle has {tags}"
        ours, theirs = row["observations"], block_of(row["gazelle_id"], record["notes"])
        # A row that never said any (another took the place of one that was removed) leaves Gazelle's alone.
        is_spoken_of = ours is not None or "observations" in (row["base"] or {})
        if is_spoken_of and (ours or "").strip() != (theirs or ""):
            yield f"observations {str(ours)[:50]!r}, and Gazelle has {str(theirs)[:50]!r}"
        if row["travail"] and row["completed_at"]:
            day = montreal_day(row["completed_at"]).isoformat()
            served = record["calculatedLastService" if self._office.service == "event" else "manualLastService"]
            if (served or "") < day:
                yield f"served on {day}, and Gazelle says {served}"

    def _untold(self, piano: str) -> Words:
        """What one side wrote over with the other's value, without the other ever having seen it."""
        conflicts = [one for one in self._conflicts if one["external_id"] == piano]
        # A column that says nothing holds NULL, and so does the conflict that it lost.
        told = (one for one in conflicts if one["field"] == "observations")
        lost = {value or "" for one in told for value in (one["ours"], one["theirs"])}
        here, there = self._editor.here[piano], self._editor.there[piano]
        for mine, others, other in ((here, there, THERE), (there, here, HERE)):
            for text, after in itertools.pairwise(mine):
                if mine is there and not text:
                    continue  # an undo took the block away: nobody's words give way
                # Nobody at Gazelle empties a block: that is the push, on behalf of somebody here.
                is_others = after.startswith(other) or (after == "" and mine is there)
                if not text.startswith(other) and is_others and text not in (*others, *lost):
                    yield f"{text[:50]!r} gave way to {after[:50]!r}"
        if piano in self._editor.clashes:
            both = set(self._editor.clashes[piano])
            if not any(one["field"] == "status" and {one["ours"], one["theirs"]} == both for one in conflicts):
                yield f"the statuses {' and '.join(self._editor.clashes[piano])} clashed"

    def _was_sent(self, row: Row) -> bool:
        """Whether the log says that a row's texts were taken: for a record that is gone, nobody else can say."""
        sent = {
            (one["request"] or {}).get("payload", {}).get("text")
            for one in self._log
            if one["piano_id"] == row["gazelle_id"] and one["status"] == "success"
        }
        return {row["notes"], row["travail"]} - {None} <= sent

    def _of_the_log(self) -> Iterator[Found]:
        """What the log says is at Gazelle is there, and nothing is left in doubt."""
        for row in self._log:
            piano = row["piano_id"]
            if piano in self._editor.gone:
                continue
            if row["status"] == "in_doubt":
                yield f.UNSETTLED, f"{piano}: {row['action']} is still in doubt"
            is_there = row["status"] == "success" and row["undone_at"] is None
            if is_there and row["action"] in ("add_comment", "add_service"):
                text = row["request"]["payload"]["text"]
                if self._comments[piano][text] <= self._editor.foreign[piano][text]:
                    yield f.COMMENTS_LOST, f"{piano}: the log says that {text[:50]!r} was sent, and it is not there"
