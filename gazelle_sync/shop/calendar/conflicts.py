"""Overlaps in Gazelle's own calendar: two events of one technician at once, found by the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gazelle_sync.i18n.translator import Translator
from gazelle_sync.montreal import montreal_day
from gazelle_sync.shop.calendar.wall_clock import wall_time
from gazelle_sync.warehouse.connect import Connection, statement


@dataclass(frozen=True)
class Overlap:
    """Two events of one technician at once.

    Attributes:
        technician: The user's id at Gazelle.
        first: The event that begins earlier.
        second: The other.
        start_at: When the overlap begins, aware UTC.
        end_at: When it ends, buffers included.
    """

    technician: str
    first: str
    second: str
    start_at: datetime
    end_at: datetime

    def as_json(self) -> dict[str, str]:
        """For a program."""
        return {
            "technician": self.technician, "external_id": self.first, "with": self.second,
            "start_at": self.start_at.isoformat(), "end_at": self.end_at.isoformat(),
        }  # fmt: skip


def overlaps(connection: Connection, since: datetime | None = None, until: datetime | None = None) -> list[Overlap]:
    """The overlaps, in the order of time.

    Args:
        connection: Of `borrow`.
        since: Aware; events that end before are left out. None: from the beginning.
        until: Aware; events that begin later are left out. None: without end.
    """
    bounds = {"since": _utc(since), "until": _utc(until)}
    return [Overlap(*row) for row in connection.execute(statement("calendar/conflicts"), bounds)]


def render_overlaps(say: Translator, overlaps: Sequence[Overlap]) -> str:
    """Overlaps for a terminal; days have their year, since an overlap may be of any."""
    if not overlaps:
        return say("Nobody is in two places at once.")
    return "\n".join(
        say(
            "{day}, {time}: {technician}, {first}, {second}",
            day=say.date(montreal_day(one.start_at), year=True),
            time=say.time(wall_time(one.start_at).time()),
            technician=one.technician,
            first=one.first,
            second=one.second,
        )
        for one in overlaps
    )


def _utc(instant: datetime | None) -> datetime | None:
    """UTC without a zone, as the database's range type `tsrange` takes it."""
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None)
