"""How local rows follow an undo: base says what Gazelle has now, and so do columns that nobody edited since.

What a row said is kept in `sync_conflicts`. What is still at Gazelle of a fact was told by another action: the log
knows its words.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.changes import Changes, History, Said
from gazelle_sync.push.fields import day_of
from gazelle_sync.push.inverse import Deed, writing
from gazelle_sync.push.model import Conflict, JsonValue, Remote, Row, key_of
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.store import Store
from gazelle_sync.push.text import same_text
from gazelle_sync.push.transports.protocol import Update

ROUNDS = 3
"""How often a row is compared anew because somebody edits it meanwhile."""


@dataclass
class Follower:
    """What is to be written down about a row.

    Attributes:
        changes: So far.
        undone: What of it was taken back, each with the record since.
        due: Rows of the log that this undo takes back, now or later: what a text brought along goes after the text.
    """

    changes: Changes
    undone: list[tuple[Deed, Remote]] = field(default_factory=list)
    due: Collection[int] = ()


def follow(store: Store, history: History, followers: Sequence[Follower]) -> dict[str, psycopg.Error]:
    """Write it down: base says what Gazelle has now; so do rows where nobody has edited them since.

    Args:
        store: Of the table.
        history: What else is at Gazelle of the records.
        followers: One a row.

    Returns:
        Local id → why nothing could be written about a row.
    """
    refused: dict[str, psycopg.Error] = {}
    left = list(followers)
    for attempt in range(ROUNDS):
        ids = [one.changes.row.local_id for one in left if one.undone]
        rows = {row.local_id: row for row in store.load(ids)} if ids else {}
        for one in left:
            _prepare(one, rows, store.pushable, history, may_follow=attempt < ROUNDS - 1)
        written = store.write([one.changes for one in left])
        refused |= written.refused
        edited = [
            one for one in left
            if one.changes.follows and one.changes.row.local_id not in {*written.followed, *refused}
        ]  # fmt: skip
        if not edited:
            break
        left = [Follower(Changes(one.changes.row), one.undone, one.due) for one in edited]  # they are compared anew
    return refused


def _prepare(one: Follower, rows: dict[str, Row], pushable: Pushable, history: History, *, may_follow: bool) -> None:
    changes = one.changes
    row = rows.get(changes.row.local_id)
    but = [log_id for deed, _ in one.undone for log_id in deed.ids]
    settles: dict[str, JsonValue] = {}
    for deed, now in one.undone:
        if deed.makes_record:
            changes.uncreated = deed.last.record
        elif row is not None and row.key == deed.last.record and pushable.record_key not in row.faults:
            found, values = _as_gazelle_has_it(row, deed, now, pushable, history, but, one.due)
            settles |= found
            changes.follows |= values if may_follow else {}  # somebody keeps editing it: it is due
            changes.follows_clashes += [_lost(row, deed, column, value) for column, value in values.items()]
            changes.row = row
    if changes.follows:
        changes.follows_settle = settles
    else:
        changes.settles |= settles
        changes.follows_clashes = []


def _lost(row: Row, deed: Deed, column: str, value: JsonValue) -> Conflict:
    ours, theirs = _as_text(row.values.get(column)), _as_text(value)
    return Conflict(column, theirs, ours, theirs, "theirs", key_of("undone", deed.last.id, column))


def _as_gazelle_has_it(
    row: Row,
    deed: Deed,
    now: Remote,
    pushable: Pushable,
    history: History,
    but: Collection[int],
    due: Collection[int],
) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    """What becomes base, and the columns that follow."""
    settles: dict[str, JsonValue] = {}
    if isinstance(deed.operation, Update):
        for one in writing(pushable, deed.operation.attribute):
            settles |= one.facts_of(row.key, now.get(deed.operation.attribute))
    if not settles:  # other actions told before what is there: the newest of those that are still at Gazelle
        base, settled = row.base or {}, settled_by(pushable, deed, len(deed.done) - 1)
        facts = [fact for fact, value in settled.items() if base.get(fact) == value]
        settles = {fact: history.said(row.key, fact, but=but) for fact in facts}
    values = {}
    for column, value in settles.items():
        if column in pushable.columns and _was_sent(row, column, deed, pushable):
            held = row.values.get(column)
            follows = _column_value(column, value, pushable)
            if not (same_text(_as_text(held), _as_text(follows)) or (day_of(held) or 0) == day_of(follows)):
                values[column] = follows
    for field_ in pushable.fields:
        if hasattr(field_, "said_with"):
            settles |= field_.said_with(values, lambda fact: history.said(row.key, fact, but={*but, *due}))
    return {fact: value.value if isinstance(value, Said) else value for fact, value in settles.items()}, values


def _was_sent(row: Row, column: str, deed: Deed, pushable: Pushable) -> bool:
    """Whether the row says in a column what the deed sent, or (for a day) the day that it sent."""
    held = row.values.get(column)
    for place in range(len(deed.done)):
        agreed = settled_by(pushable, deed, place).get(column)
        if day_of(held) == agreed if isinstance(held, datetime) else same_text(_as_text(held), _as_text(agreed)):
            return True
    return False


def settled_by(pushable: Pushable, deed: Deed, place: int) -> dict[str, JsonValue]:
    """Facts that an action of a deed settled, with those that another action had settled for it."""
    done = deed.done[place]
    settled = dict(done.settles)
    for one in pushable.fields:
        if hasattr(one, "settles_with"):
            settled |= one.settles_with(done.name, done.settles)
    return settled


def text_of(said: Said) -> str | None:
    """The text as it was written, where the action holds it."""
    text = said.payload.get("text")
    return str(text) if text and same_text(str(text), said.value) else said.value


def _column_value(column: str, value: JsonValue, pushable: Pushable) -> JsonValue:
    """What stands in a local column for a fact: a text as it was written, an instant rather than its day."""
    if not isinstance(value, Said):
        return value
    if column in pushable.instants:
        return parse_instant(value.payload.get("created_at")) if value.value else None
    return text_of(value)


def _as_text(value: JsonValue) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat()
    return None if value is None else str(value)
