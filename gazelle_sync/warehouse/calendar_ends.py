"""Instants outside the calendar of `gazelle_sync.montreal`: PostgreSQL's `infinity`, the years 1 and 9999.

One of them, put there by hand or by a shift, must not end a command, nor keep a check from looking at all the other
rows: every connection reads it as the end of the calendar that it lies beyond. Days end where Python's calendar does.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import psycopg
from psycopg.abc import AdaptContext
from psycopg.adapt import Loader
from psycopg.pq import Format

from gazelle_sync.montreal import FIRST, LAST


def is_end(instant: datetime) -> bool:
    """Whether an instant (aware UTC, or naive) is an end of the calendar, so that it may stand for one beyond."""
    return instant.replace(tzinfo=UTC) in (FIRST, LAST)


class _Bounded(Loader):
    """Reads as psycopg does, in C where that is there, and the ends where psycopg gives up."""

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


def read_ends(connection: psycopg.Connection[Any]) -> None:
    """Let a connection read what is beyond the calendar as the end that it is beyond."""
    for name, loader in (("timestamptz", _Bounded), ("timestamp", _WallClock), ("date", _Day)):
        connection.adapters.register_loader(name, loader)
