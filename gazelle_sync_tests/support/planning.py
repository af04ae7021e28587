"""Rows and records of one piano, for tests of what is planned about them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gazelle_sync.push.model import Item, Plan, Remote, Row, Values
from gazelle_sync.push.pushables import PIANO_UPDATES
from gazelle_sync.push.pushables.pianos import with_visits

NOON = datetime(2026, 7, 1, 16, 0, tzinfo=UTC)
EARLIER, LATER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
TAGS = {"top": "TOP", "normal": "NORMAL", "problematic": "PROBLEMATIQUE", "needs_replacement": "A_REMPLACER"}


def row(base: Mapping[str, Any] | None = None, **values: Any) -> Row:
    options: dict[str, Any] = {"updated_at": NOON, "updated_by": "helene@exemple.example"}
    options |= {
        name: values.pop(name) for name in ("edit_snapshot", "last_pull", "attempts", "updated_at") if name in values
    }
    return Row("pno_1", values, base=base, **options)


def remote(
    *tags: str, at: datetime = EARLIER, measurements: Mapping[str, Values] | None = None, **values: Any
) -> Remote:
    held = {"client_id": "cli_1", "tags": list(tags), "notes": None, "last_serviced": None, **values}
    if isinstance(held["last_serviced"], date):
        held["last_serviced"] = held["last_serviced"].isoformat()
    items = tuple(Item(key, value) for key, value in (measurements or {}).items())
    return Remote("pno_1", held, at, {"measurements": items})


def known(tags: tuple[str, ...] = (), notes: str | None = None) -> Values:
    """What a pull had seen."""
    return {"tags": list(tags), "notes": notes}


def plan(local: Row, theirs: Remote, *, visits: bool = False, **options: Any) -> Plan:
    return (with_visits(PIANO_UPDATES) if visits else PIANO_UPDATES).plan(local, theirs, **options)


def sent(found: Plan) -> dict[str, Any]:
    return {action.name: action.payload for action in found.actions}
