"""How the local row follows an undo: base says what Gazelle has now, and so do columns that nobody edited since.

What the row said is kept in `sync_conflicts`. What is still at Gazelle of a fact was told by another action: the log
knows its words.
"""

from __future__ import annotations

from datetime import datetime

from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.changes import Changes, Said
from gazelle_sync.push.fields import day_of
from gazelle_sync.push.inverse import Deed, writing
from gazelle_sync.push.model import Conflict, JsonValue, Remote, Row, key_of
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.store import Store
from gazelle_sync.push.text import same_text
from gazelle_sync.push.transports.protocol import Update

ROUNDS = 3
"""How often a row is compared anew because somebody edits it meanwhile."""


class Following:
    """Lets rows of one table follow.

    Args:
        store: Of that table.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pushable = store.pushable

    def follow(self, deed: Deed, now: Remote, changes: Changes) -> None:
        """Base says what Gazelle has now; so does the local row where nobody has edited it since.

        Args:
            deed: What was taken back.
            now: The record.
            changes: What else is to be written down with it.
        """
        if deed.makes_record:
            changes.uncreated = deed.last.record
            self._store.refuse([changes])
            return
        for attempt in range(ROUNDS):
            row = self._row(deed)
            if row is not None:
                settles, values = self._as_gazelle_has_it(row, deed, now)
                changes.row = row
                changes.follows = values if attempt < ROUNDS - 1 else {}  # somebody keeps editing it: it is due
                if changes.follows:
                    changes.follows_settle = settles
                else:
                    changes.settles = settles
                lost = [self._lost(row, deed, column, value) for column, value in changes.follows.items()]
                changes.follows_clashes = lost
            written = self._store.write([changes])
            if error := written.refused.get(changes.row.local_id):
                raise error
            if not changes.follows or changes.row.local_id in written.followed:
                return
            changes = Changes(changes.row)  # it was edited meanwhile: it is compared anew

    def _row(self, deed: Deed) -> Row | None:
        found = [row for row in self._store.load([deed.last.local_id]) if row.key == deed.last.record]
        return found[0] if found and self._pushable.record_key not in found[0].faults else None

    def _lost(self, row: Row, deed: Deed, column: str, value: JsonValue) -> Conflict:
        ours, theirs = _as_text(row.values.get(column)), _as_text(value)
        return Conflict(column, theirs, ours, theirs, "theirs", key_of("undone", deed.last.id, column))

    def _as_gazelle_has_it(
        self, row: Row, deed: Deed, now: Remote
    ) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
        """What becomes base, and the columns that follow."""
        settles = self._now_there(row, deed, now)
        settles |= self._still_said(row, deed, settles)
        values = {}
        for column, value in settles.items():
            if column in self._pushable.columns and self._was_sent(row, column, deed):
                held = row.values.get(column)
                follows = _column_value(column, value, self._pushable)
                if not (same_text(_as_text(held), _as_text(follows)) or (day_of(held) or 0) == day_of(follows)):
                    values[column] = follows
        for one in self._pushable.fields:
            if hasattr(one, "said_with"):
                settles |= one.said_with(values, lambda facts: self._store.said(row.key, facts, but=deed.ids))
        base = {fact: value.value if isinstance(value, Said) else value for fact, value in settles.items()}
        return base, values

    def _now_there(self, row: Row, deed: Deed, now: Remote) -> dict[str, JsonValue]:
        """Facts that an attribute of the record tells."""
        if not isinstance(deed.operation, Update):
            return {}
        facts: dict[str, JsonValue] = {}
        for one in writing(self._pushable, deed.operation.attribute):
            facts |= one.facts_of(row.key, now.get(deed.operation.attribute))
        return facts

    def _still_said(self, row: Row, deed: Deed, there: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """Facts that other actions told before: what the newest of those that are still at Gazelle said."""
        if there:
            return {}
        base, settled = row.base or {}, settled_by(self._pushable, deed, len(deed.done) - 1)
        facts = [fact for fact, value in settled.items() if base.get(fact) == value]
        said = self._store.said(row.key, facts, but=deed.ids)
        return {fact: said.get(fact) for fact in facts}

    def _was_sent(self, row: Row, column: str, deed: Deed) -> bool:
        """Whether the row says in a column what the deed sent, or (for a day) the day that it sent."""
        held = row.values.get(column)
        for place in range(len(deed.done)):
            agreed = settled_by(self._pushable, deed, place).get(column)
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
