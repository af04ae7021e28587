"""The shop's rows as PostgreSQL gives them: as text, since a value that no program can hold must stop no other row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from gazelle_sync.montreal import FIRST, LAST, MONTREAL, midnight
from gazelle_sync.push.model import Row
from gazelle_sync.push.pushable import Pushable

NOON = timedelta(hours=12)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def read_row(values: Sequence[Any], pushable: Pushable) -> Row:
    """A row.

    Args:
        values: What `sql/queries/push/load.sql` gives of it.
        pushable: Its table.
    """
    (
        local_id, key, updated_at, arrived_at, updated_by, revision, base, attempts, edit_snapshot, last_pull, parent,
        *columns,
    ) = values  # fmt: skip
    texts = dict(zip(pushable.columns, columns, strict=True))
    said: dict[str, tuple[str | None, tzinfo]] = {name: (texts[name], MONTREAL) for name in pushable.instants}
    said |= {"updated_at": (updated_at, UTC), "edited_at": (arrived_at, UTC)}
    instants: dict[str, datetime | None] = {}
    faults = {}
    for name, (text, zone) in said.items():
        try:
            instants[name] = _instant(text, zone)
        except (ValueError, OverflowError):
            faults[name] = ("no_instant", str(text))
    edited_at = instants.pop("edited_at", None)
    dated = instants.pop("updated_at", None) or edited_at  # where it is a fault, nothing of the row is sent
    agreed, instant = base if isinstance(base, dict) else None, dated or datetime.now(UTC)
    return Row(
        key or "", texts | instants, instant, updated_by, revision, agreed, attempts, edit_snapshot, last_pull, faults,
        edited_at, local_id, parent,
    )  # fmt: skip


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
