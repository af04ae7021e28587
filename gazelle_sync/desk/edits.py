"""Edits of the shop's own row about a piano. Of two people at once, the second is asked and overwrites nothing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from gazelle_sync.desk.errors import ChangedMeanwhile, NotFound, Refused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.push.pushables.pianos import PIANO_UPDATES
from gazelle_sync.shop.calendar.wall_clock import instant_of
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, together


@dataclass(frozen=True)
class Field:
    """A column that people edit.

    Attributes:
        name: Of the column.
        label: What people call it.
        hint: What becomes of it.
        kind: `choice`, `text` or `instant`.
    """

    name: str
    label: Message
    hint: Message
    kind: str = "text"

    @property
    def is_pushed(self) -> bool:
        """Whether Gazelle is to know it."""
        return self.name in PIANO_UPDATES.columns


FIELDS = {
    one.name: one
    for one in (
        Field("status", Message("Status"), Message("Becomes a tag at Gazelle."), "choice"),
        Field(
            "travail", Message("Work done"), Message("Becomes a service at Gazelle, of the day on which it was done.")
        ),
        Field("completed_at", Message("Done on"), Message("By Montreal's clock."), "instant"),
        Field("notes", Message("Notes"), Message("Become a comment at Gazelle.")),
        Field("observations", Message("Observations"), Message("Stand in the piano's notes at Gazelle.")),
        Field("a_faire", Message("To do"), Message("Between technicians: stays in the shop.")),
    )
}
STATUSES = {
    "top": Message("Top"),
    "normal": Message("Normal"),
    "problematic": Message("Problematic"),
    "needs_replacement": Message("To be replaced"),
}
LONGEST = 50_000
COMMIT: Question = ("COMMIT", None)


class FieldChanged(ChangedMeanwhile):
    """Somebody else changed the field since the page was opened.

    Attributes:
        field: Which.
        mine: What was to be written.
        row: What stands there now.
    """

    def __init__(self, message: str, field: Field, mine: str, row: dict[str, Any]) -> None:
        super().__init__(message)
        self.field = field
        self.mine = mine
        self.row = row


def shown(row: dict[str, Any] | None, field: Field) -> str:
    """What a field of a row says, as a form has it."""
    value = (row or {}).get(field.name)
    if value is None:
        return ""
    if field.kind == "instant":
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            return str(value)
        return f"{instant.astimezone(MONTREAL):%Y-%m-%dT%H:%M}" if instant.tzinfo else str(value)
    return str(value)


def mark_of(row: dict[str, Any] | None, field: Field) -> str:
    """A hash of a field's value, to tell later whether somebody changed it."""
    value = (row or {}).get(field.name) or ""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]


def write(connection: Connection, piano: str, field: Field, text: str, seen: str, who: str) -> dict[str, Any]:
    """Write a field, unless somebody else changed it since it was seen; gives what stood there before.

    Args:
        connection: Of `borrow`.
        piano: Its external id.
        field: Which.
        text: As it was typed.
        seen: The `mark_of` what the person saw.
        who: The person.

    Raises:
        NotFound: There is no such piano.
        FieldChanged: Somebody else changed it. Nothing was written.
        Refused: It cannot stand there.
    """
    value = _value(field, text)
    try:
        return _write(connection, piano, field, text, value, seen, who)
    except Refused:
        connection.rollback()
        raise


def _write(
    connection: Connection, piano: str, field: Field, text: str, value: str | datetime | None, seen: str, who: str
) -> dict[str, Any]:
    given = {"id": piano, "who": who}
    _, found = together(
        connection, (statement("desk/edit_open"), given), (statement("desk/edit_read"), given), ends=False
    )
    rows = [row for (row,) in found]
    if not rows:
        raise NotFound(gettext("There is no piano {id}.", id=piano))
    if len(rows) > 1:
        raise Refused(
            gettext(
                "Several rows of {table} are about this piano, and only one can count: `gazelle-sync doctor` says "
                "which. Until then none is edited here.",
                table=PIANO_UPDATES.table,
            )
        )
    row: dict[str, Any] = rows[0]
    is_there = shown(row, field) == shown({field.name: value}, field)
    if mark_of(row, field) != seen and not is_there:
        raise FieldChanged(
            gettext("Somebody else changed this in the meantime. Nothing was overwritten."), field, text, row
        )
    before = row.get(field.name)
    writes: list[Question] = []
    if not is_there:
        query = sql.SQL(statement("desk/edit_write")).format(column=sql.Identifier(field.name))
        writes.append((query, {**given, "value": value, "is_pushed": field.is_pushed}))
    together(connection, *writes, COMMIT)
    return {"before": before, "after": value.isoformat() if isinstance(value, datetime) else value}


def _value(field: Field, text: str) -> str | datetime | None:
    if len(text) > LONGEST:
        raise Refused(gettext("That is too long: at most {count} letters.", count=LONGEST))
    if not text.strip():
        return None
    if field.kind == "choice" and text not in STATUSES:
        raise Refused(gettext("There is no status {value}.", value=text))
    if field.kind == "instant":
        return instant_of(text.replace("T", " "), 0)
    return text
