"""The budget of requests: at most so many in any second, over all processes that share the shop's database.

Slots are handed out by one row of `system_settings` that every process moves forward (the database's clock is the only
one they share), a little wider apart than the rate asks; a window over the instants at which this process really sent
keeps a late sender from meeting the next ones. A bucket that lets a burst through, as libraries do, keeps the
*average*: the server, which counts in its own seconds, would see eleven.
"""

from __future__ import annotations

import threading
import time
from collections import deque

import psycopg

from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement

SPACING = 1.03
"""Slots are this much wider apart than 1/rate: what is left of a second absorbs the jitter of the way to the server."""

WINDOW_S = 1.05


class Throttle:
    """Hands out permission to send; safe to share between threads.

    Args:
        rate_per_s: Requests a second; 0: no limit.
        database_url: The database whose row is shared.
    """

    def __init__(self, rate_per_s: float, database_url: str) -> None:
        self._rate = rate_per_s
        self._url = database_url
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._sent: deque[float] = deque(maxlen=max(1, int(rate_per_s)))
        self._held_until = 0.0

    def wait(self) -> None:
        """Return when a request may be sent, and count it as sent."""
        if not self._rate:
            self._sleep_until(self._held_until)
            return
        slot = time.monotonic() + self._take_slot()
        self._sleep_until(slot)
        with self._lock:
            while True:
                free = self._sent[0] + WINDOW_S if len(self._sent) == self._sent.maxlen and self._rate >= 1 else 0.0
                now = time.monotonic()
                due = max(free, self._held_until)
                if now >= due:
                    self._sent.append(now)
                    return
                time.sleep(due - now)

    def hold(self, seconds: float) -> None:
        """Let nobody send for so long (`Retry-After`)."""
        self._held_until = max(self._held_until, time.monotonic() + seconds)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _take_slot(self) -> float:
        """Seconds until the slot that is now ours."""
        with self._lock, database_errors():
            try:
                wait_s = self._ask()
            except psycopg.OperationalError:  # a pooler dropped the connection: another one, once
                self.close()
                wait_s = self._ask()
        return max(0.0, wait_s)

    def _ask(self) -> float:
        if self._connection is None:
            self._connection = connect(self._url, autocommit=True)
        row = self._connection.execute(statement("request_slot"), {"spacing_s": SPACING / self._rate}).fetchone()
        return float(row[0]) if row else 0.0

    def _sleep_until(self, instant: float) -> None:
        while (left := instant - time.monotonic()) > 0:
            time.sleep(left)
