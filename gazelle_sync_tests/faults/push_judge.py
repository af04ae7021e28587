"""Judges a push: reads the sandbox itself and the local rows, with nothing of what pushes."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

from gazelle_sync.clock import montreal_day
from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.push_people import HERE, STATUS, THERE, Sides
from gazelle_sync_tests.pushing import Office
from gazelle_sync_tests.shop import Row

Found = tuple[str, str]
"""A figure, and what is wrong, for a person."""


def at_any_time(office: Office, sides: Sides) -> Iterator[Found]:
    """What must be true after every run, whatever it met."""
    for piano in sides.living:
        yield from _doubled(office, sides, piano)
        yield from _foreign(office, sides, piano)
        row = sides.row(piano)
        if row is not None and not row["needs_sync"] and not row["is_hidden"]:
            for words in _unsaid(office, sides, row):
                yield f.SILENT, words
    yield from _told(office, sides)


def after_quiet(office: Office, sides: Sides) -> Iterator[Found]:
    """What must be true once everything is healthy and nothing is left to do."""
    yield from at_any_time(office, sides)
    for piano in sides.pianos:
        row = sides.row(piano)
        if row is None:
            continue
        if piano in sides.gone:
            if not row["needs_sync"] and sides.said[piano]:
                yield f.SILENT, f"{piano} is not at Gazelle, and its row says that everything arrived"
            continue
        if row["needs_sync"] or row["sync_error"]:
            yield f.UNSETTLED, f"{piano} is still due: {row['sync_error']}"
        if row["needs_sync"]:
            yield from ((f.COMMENTS_LOST, words) for words in _unsaid(office, sides, row))
        yield from ((f.SILENT, words) for words in _unequal(office, sides, row))
        yield from _untold(office, sides, piano)
    yield from _log(office, sides)


def _doubled(office: Office, sides: Sides, piano: str) -> Iterator[Found]:
    found, foreign = Counter(sides.comments(piano)), sides.foreign[piano]
    for text in sides.said[piano]:
        if found[text] > foreign[text] + 1:
            yield f.COMMENTS_DOUBLED, f"{piano}: {found[text]} times {text[:50]!r}, {foreign[text]} of them by others"
    measured = Counter((m["temperature"], m["a4Pitch"]) for m in office.measurements(piano))
    for (_, text), readings in ((key, value) for key, value in sides.readings.items() if key[0] == piano):
        if measured[readings] > 1:
            yield f.COMMENTS_DOUBLED, f"{piano}: {measured[readings]} measurements of {text[:50]!r}"


def _foreign(office: Office, sides: Sides, piano: str) -> Iterator[Found]:
    record = office.record(piano)
    tags = {tag for tag in record["tags"] if tag not in STATUS.values()}
    if tags != sides.tags[piano] or len(tags) != sum(tag in tags for tag in record["tags"]):
        yield f.TAGS_LOST, f"{piano}: {record['tags']}, and people gave it {sorted(sides.tags[piano])}"
    lines = (record["notes"] or "").split("\n")
    for text in sides.texts[piano]:
        if lines.count(text) != 1:
            yield f.TEXT_LOST, f"{piano}: {text!r} stands {lines.count(text)} times in its notes"
    found = Counter(sides.comments(piano))
    for text, times in sides.foreign[piano].items():
        if found[text] < times:
            yield f.TEXT_LOST, f"{piano}: a comment that others wrote is gone: {text[:50]!r}"


def _unsaid(office: Office, sides: Sides, row: Row) -> Iterator[str]:
    """What the row says, and neither comments nor measurements at Gazelle do."""
    piano = row["gazelle_id"]
    found, foreign = Counter(sides.comments(piano)), sides.foreign[piano]
    measured = {(m["temperature"], m["a4Pitch"]) for m in office.measurements(piano)}
    for column in ("notes", "travail", "observations"):
        text = row[column]
        if column != "observations" and text and found[text] <= foreign[text]:
            yield f"{piano}: {column} {text[:50]!r} is not at Gazelle"
        readings = sides.readings.get((piano, text)) if text else None
        if readings and readings not in measured:
            yield f"{piano}: the readings of {text[:50]!r} are not at Gazelle"


def _unequal(office: Office, sides: Sides, row: Row) -> Iterator[str]:
    """Where a row and its record do not say the same."""
    piano = row["gazelle_id"]
    record = office.record(piano)
    tags = [tag for tag in record["tags"] if tag in STATUS.values()]
    if row["status"] is not None and tags != [STATUS[row["status"]]]:
        yield f"{piano}: status {row['status']}, and Gazelle has {tags}"
    if sides.block(piano) != row["observations"] and (sides.block(piano) or "") != (row["observations"] or "").strip():
        yield f"{piano}: observations {str(row['observations'])[:50]!r}, and Gazelle has {str(sides.block(piano))[:50]!r}"
    if row["travail"] and row["completed_at"]:
        day = montreal_day(row["completed_at"]).isoformat()
        if (record["manualLastService"] or "") < day:
            yield f"{piano}: served on {day}, and Gazelle says {record['manualLastService']}"


def _untold(office: Office, sides: Sides, piano: str) -> Iterator[Found]:
    """What one side wrote over with the other's value, without the other ever having seen it."""
    conflicts = [c for c in office.conflicts() if c["external_id"] == piano]
    lost = {value for c in conflicts for value in (c["ours"], c["theirs"])}
    for mine, others, other in ((sides.here, sides.there, THERE), (sides.there, sides.here, HERE)):
        for text, after in itertools.pairwise(mine[piano]):
            if not text.startswith(other) and after.startswith(other) and text not in (*others[piano], *lost):
                yield f.LOSERS_UNTOLD, f"{piano}: {text[:50]!r} gave way to {after[:50]!r}"
    if piano in sides.clashes:
        both = set(sides.clashes[piano])
        if not any(c["field"] == "status" and {c["ours"], c["theirs"]} == both for c in conflicts):
            yield f.LOSERS_UNTOLD, f"{piano}: status {' and '.join(sides.clashes[piano])} clashed"


def _told(office: Office, sides: Sides) -> Iterator[Found]:
    for piano in sides.living:
        comments = sides.comments(piano)
        everything = "\n".join([*comments, *office.record(piano)["tags"], office.record(piano)["notes"] or ""])
        if any(secret in everything for secret in sides.secrets):
            yield f.TOLD, f"{piano}: what must stay in the shop is at Gazelle"
        for text in set(comments) - sides.said[piano] - set(sides.foreign[piano]):
            yield f.TOLD, f"{piano}: nobody wrote {text[:50]!r}"


def _log(office: Office, sides: Sides) -> Iterator[Found]:
    """What the log says is at Gazelle is there, and nothing is left in doubt."""
    for row in office.shop.rows("sync_gazelle_logs"):
        piano = row["piano_id"]
        if piano in sides.gone:
            continue
        if row["status"] == "in_doubt":
            yield f.UNSETTLED, f"{piano}: {row['action']} is still in doubt"
        if row["status"] == "success" and row["action"] in ("add_comment", "add_service"):
            text = row["request"]["payload"]["text"]
            if Counter(sides.comments(piano))[text] <= sides.foreign[piano][text]:
                yield f.COMMENTS_LOST, f"{piano}: the log says that {text[:50]!r} was sent, and it is not there"
