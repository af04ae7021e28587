"""Instants that Python's calendar does not hold: PostgreSQL's `infinity`, years before 1 and after 9999.

One of them, put there by hand or by a shift, must not keep a check from looking at all the other rows: it is read as
the end of the calendar that it lies beyond, and differs from what should stand there all the same.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import psycopg
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader

from gazelle_sync.warehouse.connect import Connection

FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)


def is_end(instant: datetime) -> bool:
    """Whether an instant (aware UTC, or naive) is an end of the calendar, so that it may stand for one beyond."""
    return instant.replace(tzinfo=UTC) in (FIRST, LAST)


def read_ends(connection: Connection) -> None:
    """Let a connection read what lies beyond as the end that it lies beyond."""
    for name, loader in (("timestamptz", _Instant), ("timestamp", _WallClock), ("date", _Day)):
        connection.adapters.register_loader(name, loader)


def _is_before(data: Any) -> bool:
    text = bytes(data)
    return text.startswith(b"-") or text.endswith(b"BC")


class _Instant(TimestamptzLoader):
    def load(self, data: Any) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            return FIRST if _is_before(data) else LAST


class _WallClock(TimestampLoader):
    def load(self, data: Any) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            return (FIRST if _is_before(data) else LAST).replace(tzinfo=None)


class _Day(DateLoader):
    def load(self, data: Any) -> date:
        try:
            return super().load(data)
        except psycopg.DataError:
            return date.min if _is_before(data) else date.max
