"""In which order answers were read: the newest version of a record is the one that was read last.

`updatedAt` may go back or be null, and the clock of a machine may be set back. So each run goes on where the last one
ended.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from psycopg import sql

from gazelle_sync.entities import ENTITIES
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.limits import long_statements
from gazelle_sync.warehouse.pool import Question, together
from gazelle_sync.warehouse.settings_table import setting

SETTING = "last_reading"

_TICK = timedelta(microseconds=1)


class ReadingOrder:
    """Gives each answer the `fetched_at` that says when it was read; later answers always get later instants.

    It starts at the database's clock, or just after the newest `fetched_at` that is held if that lies ahead (a clock
    that was set back must not make an old body the newest one), and runs on with the monotonic clock.

    Args:
        start: Aware UTC.
    """

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._zero = time.monotonic()
        self._last = start
        self._lock = threading.Lock()

    def next(self) -> datetime:
        """An instant later than every one before it."""
        with self._lock:
            now = self._start + timedelta(seconds=time.monotonic() - self._zero)
            self._last = max(now, self._last + _TICK)
            return self._last

    def to_store(self) -> Question:
        """The statement that stores where the order stands, for the next run (`latest_reading.sql` reads it)."""
        return setting(SETTING, self.next().isoformat())


def newest_readings(connection: Connection) -> list[datetime]:
    """The newest `fetched_at` of each entity, for use after a run that was killed: others store where they came to."""
    newest = sql.SQL("SELECT max(fetched_at) FROM {} WHERE fetched_at < '9999-01-01'")
    questions = [(newest.format(sql.Identifier(entity.staging_table)), None) for entity in ENTITIES]
    answers = together(connection, long_statements(), *questions)[1:]
    return [instant.astimezone(UTC) for [(instant,)] in answers if instant is not None]
