"""What fields of every kind rest on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from gazelle_sync.montreal import montreal_day
from gazelle_sync.push.model import JsonValue, Row, Values
from gazelle_sync.push.plan import Draft


class Written(Protocol):
    """A field that writes an attribute of the record."""

    @property
    def column(self) -> str:
        """Local."""
        ...

    @property
    def attribute(self) -> str:
        """Of the record."""
        ...

    def restored(self, record: str, now: JsonValue, wrote: JsonValue, before: JsonValue) -> tuple[JsonValue, bool]:
        """The attribute with this field put back, and whether something of it is left because it was changed since.

        Args:
            record: External id.
            now: The attribute as it is.
            wrote: As we had left it.
            before: As it was before that.
        """
        ...

    def facts_of(self, record: str, value: JsonValue) -> dict[str, JsonValue]:
        """What becomes base by an attribute's value; its own column first."""
        ...

    def has_same(self, record: str, one: JsonValue, other: JsonValue) -> bool:
        """Whether two values of the attribute say the same of this field."""
        ...


def known(draft: Draft) -> Values:
    """What the last pull saw, or else our own last push."""
    if draft.row.pulled is not None:
        return draft.row.pulled
    remote = draft.base.get("remote")
    remote = remote if isinstance(remote, dict) else {}
    return {"tags": remote.get("tags") or (), "notes": "…" if remote.get("has_foreign_notes") else None}


def text_in(row: Row, column: str) -> str | None:
    """A text column; blank is as good as nothing."""
    value = row.values.get(column)
    if value is None:
        return None
    text = value if isinstance(value, str) else str(value)
    return text if text and not text.isspace() else None


def day_of(instant: JsonValue) -> str | None:
    """The Montreal day of an instant, as ISO; None where it is none."""
    return montreal_day(instant).isoformat() if isinstance(instant, datetime) else None


def as_instant(instant: datetime) -> str:
    """As the API writes instants."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
