"""Overlaps that Gazelle's own calendar holds: found by the database, on ranges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

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


def _utc(instant: datetime | None) -> datetime | None:
    """As a range in UTC without a zone wants it."""
    return None if instant is None else instant.astimezone(UTC).replace(tzinfo=None)
