"""What a scan by stamps saw, and the variables with which it asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gazelle_sync.montreal import midnight, montreal_day, parse_instant
from gazelle_sync.pull.context import EntityPull

CLOCK_NOISE = timedelta(minutes=1)
"""How far Gazelle's clock may seem off without being so: `Date` has whole seconds and says when an answer was sent."""


@dataclass
class StampScan:
    """What a scan saw.

    Attributes:
        stamps: Id → stamp, over all tries.
        is_complete: Whether one try had every page, a steady `totalCount`, and as many distinct ids.
        has_holes: Whether some record could not be given.
    """

    stamps: dict[str, datetime | None] = field(default_factory=dict)
    is_complete: bool = False
    has_holes: bool = False


def stamps_of(nodes: Iterable[Any]) -> dict[str, datetime | None]:
    """Id → stamp of records; one without id is left out."""
    return {
        n["id"]: parse_instant(n.get("updatedAt"))
        for n in nodes
        if isinstance(n, dict) and isinstance(n.get("id"), str)
    }


def sort_by(pull: EntityPull, value: str | None) -> dict[str, Any]:
    """The variable `sortBy`, where the entity's list has one."""
    return {"sortBy": [value]} if pull.entity.sort_enum and value else {}


def window_of(pull: EntityPull) -> tuple[dict[str, Any], tuple[datetime, datetime] | None]:
    """A tick's filter of appointments, and the instants between which every visit must be listed.

    The filter is by day, and nothing says of which time zone: visits within a day of its edges are read, but their
    absence proves nothing.
    """
    if not pull.entity.has_window:
        return {}, None
    first, last = _days(pull)
    sure = (midnight(first + timedelta(days=1)), midnight(last))
    if pull.features.has_date_get:
        return {"filters": {"dateGet": first.isoformat(), "dateLet": last.isoformat()}}, sure
    return since_filter(midnight(first)), sure


def window_start(pull: EntityPull) -> datetime:
    """The instant from which a tick reads appointments where the filter is an instant (`startGte`)."""
    return midnight(_days(pull)[0])


def since_filter(instant: datetime) -> dict[str, Any]:
    """The event filter of the older dialect (`startGte`): events that start at an instant or later."""
    return {"filters": {"startGte": instant.isoformat().replace("+00:00", "Z")}}


def _days(pull: EntityPull) -> tuple[date, date]:
    now = pull.client.started_at or datetime.now(UTC)
    past, future = timedelta(days=pull.settings.window_past_days), timedelta(days=pull.settings.window_future_days)
    return montreal_day(now - past), montreal_day(now + future)
