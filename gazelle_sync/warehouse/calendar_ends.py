"""Reads instants outside the calendar of `gazelle_sync.montreal` (`infinity`, the year 1 or 9999) as its nearest end.

Python cannot represent some of them, and psycopg raises an error. A single such row, typed by hand or moved by a faulty
conversion, must not end a command or keep a check from reading all other rows. Dates are limited to Python's own range.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import psycopg
from psycopg.abc import AdaptContext
from psycopg.adapt import Loader
from psycopg.pq import Format

from gazelle_sync.montreal import FIRST, LAST


def is_calendar_end(instant: datetime) -> bool:
    """Whether an instant (aware UTC, or naive) is an end of the calendar, and so may be read from one outside it."""
    return instant.replace(tzinfo=UTC) in (FIRST, LAST)


class _Bounded(Loader):
    """Loads with psycopg's own loader and limits the result; gives an end where that loader raises."""

    first: date = FIRST
    last: date = LAST

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        loader = psycopg.adapters.get_loader(oid, Format.TEXT)
        assert loader is not None  # noqa: S101 - psycopg knows PostgreSQL's own types
        self._load = loader(oid, context).load

    def load(self, data: Any) -> Any:
        try:
            return min(max(self._load(data), self.first), self.last)
        except psycopg.DataError:
            text = bytes(data)
            return self.first if text.startswith(b"-") or text.endswith(b"BC") else self.last


class _WallClock(_Bounded):
    first, last = FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None)


class _Day(_Bounded):
    first, last = date.min, date.max


def clamp_to_calendar(connection: psycopg.Connection[Any]) -> None:
    """Make a connection read instants and dates outside the calendar as its nearest end."""
    for name, loader in (("timestamptz", _Bounded), ("timestamp", _WallClock), ("date", _Day)):
        connection.adapters.register_loader(name, loader)
