"""The budget of requests: at most so many in any second, over all processes that share the shop's database.

There are as many tokens as requests a second. A request takes one, and it comes back a window after the request has
*arrived*: when its answer is here, or `TRANSIT_S` after it was to be sent, whichever is sooner. Of any N + 1 requests
two used the same token, so they arrived a window apart: no second sees more than N, however uneven the way to the
server is. (A bucket that keeps the average, as libraries do, and an even pace of sending both let eleven through.)
`sql/migrations/007_request_budget.sql` holds the tokens: the database's clock is the only one that all processes share.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import psycopg

from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement

TRANSIT_S = 0.08
"""How long a request may be on its way before its answer tells that it arrived; what is longer costs budget."""
LATE_S = 0.02
"""A process that wakes up later than this after its time gives the token back and takes another."""
PACE = 0.9
"""Requests are at least this share of 1/rate apart, so that the tokens do not come and go in bursts."""


@dataclass(frozen=True, slots=True)
class Token:
    """Leave to send one request.

    Attributes:
        number: Which token.
        free_at: Until when it is ours, seconds since 1970 by the database's clock.
    """

    number: int
    free_at: float


class Throttle:
    """Hands out permission to send; safe to share between threads.

    Args:
        rate_per_s: Requests a second; 0: no limit. Below one, seconds grow instead: 0.5 is one every two seconds.
        database_url: The database whose row is shared.
    """

    def __init__(self, rate_per_s: float, database_url: str) -> None:
        self._rate = rate_per_s
        self._url = database_url
        self._tokens = max(1, int(rate_per_s))
        self._window_s = max(1.0, 1.0 / rate_per_s) if rate_per_s else 0.0
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._held_until = 0.0

    def wait(self) -> Token | None:
        """Return when a request may be sent; None where there is no limit.

        Raises:
            DatabaseError: The budget cannot be asked.
        """
        while True:
            self._sleep_until(self._held_until)
            if not self._rate:
                return None
            token, earliest, latest = self._take()
            self._sleep_until(max(earliest, self._held_until))
            if time.monotonic() <= latest:
                return token
            self._free(token, 0.0)  # not used: at once

    def arrived(self, token: Token | None) -> None:
        """The request's answer (or its failure) is here: its token comes back a window from now."""
        if token is not None:
            self._free(token, self._window_s)

    def hold(self, seconds: float) -> None:
        """Let nobody send for so long (`Retry-After`)."""
        self._held_until = max(self._held_until, time.monotonic() + seconds)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _free(self, token: Token, after_s: float) -> None:
        self._ask("request_arrived", token=token.number, free_at=token.free_at, window_s=after_s)

    def _take(self) -> tuple[Token, float, float]:
        """A token, and the monotonic instants between which it may be used.

        The database counts from some instant between our question and its answer.
        """
        (number, free_at, wait_s), asked, answered = self._ask(
            "request_take",
            tokens=self._tokens,
            window_s=self._window_s,
            spacing_s=PACE / self._rate,
            transit_s=TRANSIT_S,
        )
        return Token(number, free_at), answered + wait_s, asked + wait_s + LATE_S

    def _ask(self, name: str, **parameters: float) -> tuple[Any, float, float]:
        """A row, and the monotonic instants before and after."""
        with self._lock, database_errors():
            try:
                return self._row(name, parameters)
            except psycopg.OperationalError:  # a pooler dropped the connection: another one, once
                self.close()
                return self._row(name, parameters)

    def _row(self, name: str, parameters: dict[str, float]) -> tuple[Any, float, float]:
        if self._connection is None:
            self._connection = connect(self._url, autocommit=True)
        asked = time.monotonic()
        row = self._connection.execute(statement(name), parameters).fetchone()
        return row, asked, time.monotonic()

    @staticmethod
    def _sleep_until(instant: float) -> None:
        while (left := instant - time.monotonic()) > 0:
            time.sleep(left)
