"""The judge of what was made, changed and ended at Gazelle: reads the sandbox and the rows, without the push's code."""

from __future__ import annotations

from collections.abc import Iterator

from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.newcomers_editor import (
    HELD,
    NAMES,
    SAID,
    VISITS,
    WORDS,
    Made,
    NewcomersEditor,
    known_tables,
    said,
)
from gazelle_sync_tests.faults.push_subject import Found, Subject
from gazelle_sync_tests.support.newcomers import TABLES
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record

CANCELED = "CANCELED"


def at_any_time(office: EditedShop, editor: NewcomersEditor) -> Iterator[Found]:
    """What is wrong that must be right after every run."""
    yield from _Oracle(office, editor).at_any_time()


def after_quiet(office: EditedShop, editor: NewcomersEditor) -> Iterator[Found]:
    """What is wrong that must be right once everything is healthy and nothing is left to push."""
    oracle = _Oracle(office, editor)
    yield from oracle.at_any_time()
    yield from oracle.after_quiet()


class _Oracle:
    """Both sides at one moment."""

    def __init__(self, office: EditedShop, editor: NewcomersEditor) -> None:
        editor.look()
        self._editor = editor
        self._rows = {table: editor.rows(table) for table in TABLES}
        self._records = {table: editor.records(table) for table in TABLES}
        self._log = office.shop.rows("sync_gazelle_logs")
        self._states = {(one["source_table"], one["local_id"]) for one in office.shop.rows("push_state")}
        self._conflicts = office.conflicts()

    def at_any_time(self) -> Iterator[Found]:
        for one in self._editor.made:
            found, twins = self._of_word(one), [it for it in self._editor.made if it.word == one.word]
            if len(found) > len(twins):
                yield f.DOUBLED, f"{one.word!r} of {one.table} was made {len(found)} times for {len(twins)} rows"
            if one.table == VISITS and (title := self._editor.titles.get(str(one.record))):
                record = self._records[VISITS].get(str(one.record))
                if record is not None and record.get("title") != title:
                    yield f.TEXT_LOST, f"{one.word!r}: the title {title!r}, which somebody gave it at Gazelle, is gone"
        yield from ((f.SILENT, words) for words in self._silent())

    def _of_word(self, one: Made) -> list[Record]:
        """The records that say a row's word and have not ended."""
        field = WORDS[one.table]
        return [
            record
            for record in self._records[one.table].values()
            if str(record.get(field) or "").startswith(one.word) and record["status"] != CANCELED
        ]

    def _silent(self) -> Iterator[str]:
        """Rows that say that everything is at Gazelle, while it is not."""
        for one in self._editor.made:
            if self._is_doubtful(one) or one.record in self._editor.gone:
                continue
            row = self._rows[one.table].get(one.id)
            if one.is_deleted:
                is_over = one.table == VISITS and (one.table, str(one.id)) not in self._states
                if is_over and self._of_word(one):
                    yield f"{one.word!r} was deleted here and is over, and its visit is not cancelled"
            elif row is not None and not row["needs_sync"] and row[NAMES[one.table]]:
                record = self._records[one.table].get(row[NAMES[one.table]])
                if record is None:
                    yield f"{one.word!r} names {row[NAMES[one.table]]}, which Gazelle does not have"
                    continue
                for name in SAID[one.table]:
                    ours, theirs = said(row[name]), said(record[HELD[name]])
                    if ours != theirs and theirs in self._editor.values.by_us:
                        yield f"{one.word!r}: {name} {ours!r}, and Gazelle still has our {theirs!r}"

    def _is_doubtful(self, one: Made) -> bool:
        return any(
            (row["source_table"], row["local_id"], row["status"]) == (one.table, str(one.id), "in_doubt")
            for row in self._log
        )

    def after_quiet(self) -> Iterator[Found]:
        for one in self._editor.made:
            if one.record in self._editor.gone:
                continue
            row = self._rows[one.table].get(one.id)
            if one.is_deleted:
                if (one.table, str(one.id)) in self._states:
                    yield f.UNSETTLED, f"{one.word!r} was deleted here, and that is still to be sent"
                continue
            if row is None:
                yield f.LOST, f"{one.word!r}: its row is gone"
                continue
            if row["needs_sync"] or row["sync_error"]:
                yield f.UNSETTLED, f"{one.word!r} is still due: {row['sync_error']}"
            yield from self._unequal(one, row)
        lost = {value for one in self._conflicts for value in (one["ours"], one["theirs"])}
        yield from ((f.LOSERS_UNTOLD, words) for words in self._editor.values.untold(lost))
        yield from self._of_the_log()

    def _unequal(self, one: Made, row: Record) -> Iterator[Found]:
        """Where a row and its record do not say the same."""
        record = self._records[one.table].get(row[NAMES[one.table]] or "")
        if record is None:
            if not self._was_taken_back(one):
                yield f.LOST, f"{one.word!r} of {one.table} has no record ({row[NAMES[one.table]]})"
            return
        for name in SAID[one.table]:
            if (ours := said(row[name])) != (theirs := said(record[HELD[name]])):
                yield f.SILENT, f"{one.word!r}: {name} {ours!r}, and Gazelle has {theirs!r}"
        parent = one.parent and self._rows[one.parent.table].get(one.parent.id)
        if parent and parent[NAMES[one.parent.table]] not in (None, record["clientId"]):  # type: ignore[union-attr]
            yield f.SILENT, f"{one.word!r} was made under {record['clientId']}, and not under its client"
        if one.table == VISITS and record["status"] == CANCELED:
            yield f.SILENT, f"{one.word!r} is cancelled, and nobody wanted that"

    def _was_taken_back(self, one: Made) -> bool:
        """Whether an undo took the record away: the row makes another one once somebody edits it."""
        return any(
            row["undone_at"] is not None and row["action"].startswith("create_")
            for row in self._log
            if (row["source_table"], row["local_id"]) == (one.table, str(one.id))
        )

    def _of_the_log(self) -> Iterator[Found]:
        """What the log says was made is there, and nothing is left in doubt."""
        by_place = {(one.table, str(one.id)): one for one in self._editor.made}
        for row in self._log:
            place = row["source_table"], row["local_id"]
            if place not in by_place:
                continue
            if row["status"] == "in_doubt":
                yield f.UNSETTLED, f"{place}: {row['action']} is still in doubt"
            is_there = row["status"] == "success" and row["undone_at"] is None and row["action"].startswith("create_")
            made = _made_id(row["response"])
            if is_there and made not in self._editor.gone and made not in self._records[place[0]]:
                yield f.LOST, f"{place}: the log says that {made} was made, and it is not there"


def _made_id(response: Record | None) -> str:
    """The id of what was made, in the row of the log that says so."""
    response = response or {}
    made = [one["id"] for one in response.values() if isinstance(one, dict) and "id" in one]
    return str(response.get("found") or (made[0] if made else None))


NEWCOMERS = Subject(NewcomersEditor, at_any_time, after_quiet, around=known_tables, answer=NewcomersEditor.answer)
