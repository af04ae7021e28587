"""How the local row follows an undo: base says what Gazelle has now, and so do columns that nobody edited since.

What the row said is kept in `sync_conflicts`. What is still at Gazelle of a fact was told by another action: the log
knows its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from gazelle_sync.montreal import parse_instant
from gazelle_sync.push import rows
from gazelle_sync.push.block import Marks, read_block
from gazelle_sync.push.fields import Block, Measured, Service, StatusTag, day_of
from gazelle_sync.push.gist import alike
from gazelle_sync.push.inverse import Deed
from gazelle_sync.push.journal import Journal, Said
from gazelle_sync.push.model import Conflict, JsonValue, Remote, Row, key_of
from gazelle_sync.push.pushables import Pushable
from gazelle_sync.warehouse.connect import Connection

ROUNDS = 3
"""How often a row is compared anew because somebody edits it meanwhile."""


class Following:
    """Lets rows of one table follow.

    Args:
        connection: Autocommit.
        pushable: Whose table.
        journal: Writes over the same connection.
    """

    def __init__(self, connection: Connection, pushable: Pushable, journal: Journal) -> None:
        self._connection = connection
        self._pushable = pushable
        self._journal = journal

    def follow(self, deed: Deed, now: Remote) -> None:
        """Base says what Gazelle has now; so does the local row where nobody has edited it since."""
        for _ in range(ROUNDS):
            found = rows.load(self._connection, self._pushable, [deed.last.record])
            if not found or self._pushable.key in found[0].faults:
                return
            row = found[0]
            settles, values = self._as_gazelle_has_it(row, deed, now)
            if not values or rows.follow(self._connection, self._pushable, row, values):
                break
        else:
            values = {}  # somebody keeps editing it: it is due
        for column, value in values.items():
            ours, theirs = _as_text(row.values.get(column)), _as_text(value)
            key = key_of("undone", deed.last.id, column)
            self._journal.clash(row.key, Conflict(column, theirs, ours, theirs, "theirs", key))
        rows.settle(self._connection, self._pushable, row, settles)

    def _as_gazelle_has_it(
        self, row: Row, deed: Deed, now: Remote
    ) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
        """What becomes base, and the columns that follow."""
        settles = self._now_there(row, deed, now) if deed.is_update else {}
        settles |= self._still_said(row, deed)
        values = {}
        for column, value in settles.items():
            if column in self._pushable.columns and self._was_sent(row, column, deed):
                held = row.values.get(column)
                follows = _column_value(column, value, self._pushable)
                if not (alike(_as_text(held), _as_text(follows)) or (day_of(held) or 0) == day_of(follows)):
                    values[column] = follows
        settles |= self._readings_of(row, values)
        base = {fact: value.value if isinstance(value, Said) else value for fact, value in settles.items()}
        return base, values

    def _readings_of(self, row: Row, texts: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Readings of the texts that a row goes back to, where they are at Gazelle: they are not measured again."""
        facts: dict[str, JsonValue] = {}
        for field in self._pushable.fields:
            if not isinstance(field, Measured):
                continue
            for column in field.columns:
                said = self._journal.said(row.key, [f"readings.{column}"]).get(f"readings.{column}")
                if column in texts and said is not None and said.value and field.stands_in(texts[column], said.value):
                    facts[f"readings.{column}"] = said
        return facts

    def _now_there(self, row: Row, deed: Deed, now: Remote) -> dict[str, JsonValue]:
        """Facts that an attribute of the record tells."""
        facts: dict[str, JsonValue] = {}
        for field in self._pushable.fields:
            if isinstance(field, StatusTag) and deed.last.name == "update_tags":
                facts[field.column] = field.value_of(now.tags)
                facts[f"{field.column}.tags"] = [tag for tag in now.tags if tag in field.tags.values()]
            elif isinstance(field, Block) and deed.last.name == "update_piano":
                found = read_block(now.notes, Marks.of(field.label, row.key))
                facts[field.column] = (found.says or None) if found else None
        return facts

    def _still_said(self, row: Row, deed: Deed) -> dict[str, JsonValue]:
        """Facts that other actions told before: what the newest of those that are still at Gazelle said."""
        if deed.last.name in ("update_tags", "update_piano"):
            return {}
        base, settled = row.base or {}, dict(deed.last.settles)
        if deed.last.name == "set_serviced":
            settled |= {
                one.done_at: settled.get("serviced") for one in self._pushable.fields if isinstance(one, Service)
            }
        facts = [fact for fact, value in settled.items() if base.get(fact) == value]
        said = self._journal.said(row.key, facts)
        return {fact: said.get(fact) for fact in facts}

    def _was_sent(self, row: Row, column: str, deed: Deed) -> bool:
        """Whether the row says in a column what the deed sent, or (for a day) the day that it sent."""
        held = row.values.get(column)
        for done in deed.done:
            agreed = done.settles.get(column, done.settles.get("serviced") if done.name == "set_serviced" else None)
            if day_of(held) == agreed if isinstance(held, datetime) else alike(_as_text(held), _as_text(agreed)):
                return True
        return False


def text_of(said: Said) -> str | None:
    """The text as it was written, where the action holds it."""
    text = said.payload.get("text")
    return str(text) if text and alike(str(text), said.value) else said.value


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
