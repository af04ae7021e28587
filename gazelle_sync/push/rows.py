"""A row of a shop's table, as it is read: whatever the types of its columns and whatever it holds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from gazelle_sync.montreal import FIRST, LAST, MONTREAL, midnight
from gazelle_sync.push.model import Row
from gazelle_sync.push.pushable import Pushable

NOON = timedelta(hours=12)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def row_of(values: tuple[Any, ...], pushable: Pushable) -> Row:
    """The row in what `sql/queries/push/load.sql` gives of it."""
    (
        local_id, key, updated_at, arrived_at, updated_by, revision, base, attempts, seen, pulled, parent, *columns
    ) = values  # fmt: skip
    texts = dict(zip(pushable.columns, columns, strict=True))
    said = {name: (texts[name], MONTREAL) for name in pushable.instants} | {
        "updated_at": (updated_at, UTC),
        "edited_at": (arrived_at, UTC),
    }
    instants: dict[str, datetime | None] = {}
    faults = {}
    for name, (text, zone) in said.items():
        try:
            instants[name] = _instant(text, zone)
        except (ValueError, OverflowError):
            faults[name] = ("no_instant", str(text))
    edited_at = instants.pop("edited_at", None)
    dated = instants.pop("updated_at", None) or edited_at
    return Row(
        key=key or "",
        values=texts | instants,
        updated_at=dated or datetime.now(UTC),  # where it is a fault, nothing of the row is sent
        updated_by=updated_by,
        revision=revision,
        base=base if isinstance(base, dict) else None,
        attempts=attempts,
        seen=seen,
        pulled=pulled,
        faults=faults,
        edited_at=edited_at,
        local_id=local_id,
        parent=parent,
    )


def _instant(text: str | None, zone: tzinfo) -> datetime | None:
    """An instant as PostgreSQL writes it, from a column of whatever type; a day alone is noon of it in Montreal.

    Args:
        text: As it stands in the row.
        zone: That of an instant without one.

    Raises:
        ValueError: It is no instant, or lies outside the calendar.
        OverflowError: So far outside the calendar that UTC cannot say it.
    """
    if text is None or not text.strip():
        return None
    text = text.strip()
    if _DAY.fullmatch(text):
        return midnight(date.fromisoformat(text)) + NOON
    instant = datetime.fromisoformat(text)
    instant = (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
    if not FIRST <= instant < LAST:
        raise ValueError(f"{text} lies outside the calendar")
    return instant
