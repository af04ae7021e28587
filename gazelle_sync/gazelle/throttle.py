"""The request budget: a maximum number of requests in any second, over all processes that share the shop's database.

There are as many tokens as requests in a window (a second). Every request has one. A process leases tokens from the
database, several in one statement (`sql/migrations/020_request_leases.sql`), uses each again and again by its own
clock, and renews the lease in the background before it ends: about three statements a second, however many requests
there are and however far the database is.

Why no window ever sees more arrivals than there are tokens: of N + 1 requests two had the same token, and two requests
with the same token arrive at least a window apart:

- *In one process*, by its monotonic clock. A request has arrived when its answer is here, or `TRANSIT_S` after it was
  written to an open connection, whichever is sooner; its token is used again a window after that. If opening the
  connection takes so long that the token was given to another request, or ran out, it is written with another one.
- *In two processes*, by the database's clock. A lease says `until` when the token is ours. We write no request later
  than a window and `TRANSIT_S` before that, so the last one arrives a window before `until`; the next holder writes
  none before `until`.
- *Between the clocks.* The database read its clock at an unknown instant between our question and its answer. Ends are
  counted from the question, starts from the answer: both errors only make us wait longer. With a distant database the
  requested term grows by the round trip, so that as much time remains to use a token.

That leaves one assumption: that a request which is written arrives within `TRANSIT_S`, or before its answer.

Tokens that are not needed are returned with the next statement, all of them when the process ends. A process that is
killed holds its tokens until their term ends: a window (they may just have been used), `USABLE_S`, and the round trip.
Two processes that want more than there is get half each; if one process holds the whole budget, the next one waits
until that term ends.

A token bucket, which keeps an average as libraries do, and an even pace of sending both let through eleven requests in
some second where ten were allowed.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from gazelle_sync.errors import DatabaseError
from gazelle_sync.warehouse.connect import database_errors, statement
from gazelle_sync.warehouse.pool import give_back, keep_connections, take

TRANSIT_S = 0.08
"""How long a written request is assumed to take to arrive, if there is no answer before. Longer values cost budget."""
USABLE_S = 0.6
"""How long a leased token may be used before its lease has to be renewed."""
LONGEST_ROUND_TRIP_S = 10.0
"""The most by which a term is extended for a slow round trip."""
PACE = 0.9
"""Requests are at least this share of 1/rate apart; ten written at once would delay each other in transit."""


@dataclass(slots=True)
class Token:
    """Permission to send one request.

    Attributes:
        number: Which token.
    """

    number: int


@dataclass(slots=True)
class _Lease:
    """A token that this process holds, or held. Instants are of the monotonic clock.

    Attributes:
        usable_until: No request is written with it later than this.
        free_at: From when it may be used (again).
        use: The last request that took it.
    """

    usable_until: float = 0.0
    free_at: float = 0.0
    use: Token | None = None


@dataclass(slots=True)
class _Demand:
    """How many tokens this process needs.

    Attributes:
        most: Number of tokens in the budget.
        used_at: When a token was last used, by the monotonic clock.
        is_short: Whether a request had to wait since the last statement.
        asked_for: Number of tokens that the last statement asked for.
    """

    most: int
    used_at: deque[float] = field(default_factory=deque)
    is_short: bool = False
    asked_for: int = 0

    def ask(self, now: float, window_s: float) -> int:
        """How many tokens to ask for: half at the start, all if a request had to wait, else one above use."""
        while self.used_at and self.used_at[0] < now - window_s:
            self.used_at.popleft()
        needed = len(self.used_at) + 1 if self.asked_for else (self.most + 1) // 2
        self.asked_for = self.most if self.is_short and self.asked_for else min(needed, self.most)
        self.is_short = False
        return self.asked_for


class Throttle:
    """Gives permission to send requests; can be shared between threads.

    Args:
        rate_per_s: Requests a second; 0: no limit. Values below one mean longer windows: 0.5 is one in two seconds.
        database_url: The database that holds the budget.
    """

    def __init__(self, rate_per_s: float, database_url: str) -> None:
        self._rate = rate_per_s
        self._url = database_url
        self._tokens = max(1, int(rate_per_s))
        self._window_s = max(1.0, 1.0 / rate_per_s) if rate_per_s else 0.0
        self._changed = threading.Condition()
        self._leases: dict[int, _Lease] = {}
        self._demand = _Demand(self._tokens)
        self._next_at = 0.0
        self._renew_at = 0.0
        self._held_until = 0.0
        # Only the thread that renews leases, one at a time, uses the attributes below.
        self._renewing: threading.Thread | None = None
        self._holder = str(uuid.uuid4())
        self._round_trip_s = 0.0
        self._is_known = False  # the database knows our holder, as far as we know
        self._keeping = ExitStack()

    def wait(self) -> Token | None:
        """Wait until a request may be sent, and return its token; None where there is no limit.

        The token counts as used from now on, or from `writing` where that is called.

        Raises:
            DatabaseError: The database that holds the budget cannot be used.
        """
        while True:
            with self._changed:
                now = time.monotonic()
                if now < self._held_until:
                    self._changed.wait(self._held_until - now)
                    continue
                if not self._rate:
                    return None
                if token := self._take(now):
                    self._renew_if_due(now)
                    return token
                self._demand.is_short = True
                pause = self._pause(now)
                if pause is not None:
                    self._renew_if_due(now)
                if pause is not None or self._renewing is not None:
                    self._changed.wait(pause)
                    continue
                self._renewing = threading.current_thread()
            self._renew()

    def writing(self, token: Token | None) -> Token | None:
        """Wait until the request may be written to its open connection, and return its token.

        It is another token if opening the connection took so long that the first one expired or went to another
        request. The open connection is kept meanwhile: opening another one would take as long again.

        Raises:
            DatabaseError: The database that holds the budget cannot be used.
        """
        while token is not None:
            with self._changed:
                lease, now = self._leases[token.number], time.monotonic()
                if lease.use is token and now <= lease.usable_until:
                    lease.free_at = now + TRANSIT_S + self._window_s
                    return token
            token = self.wait()
        return None

    def arrived(self, token: Token | None) -> None:
        """Note that the request was answered or failed: its token can be used again one window from now."""
        if token is None:
            return
        with self._changed:
            lease = self._leases[token.number]
            if lease.use is token:
                lease.free_at = min(lease.free_at, time.monotonic() + self._window_s)
                self._changed.notify()

    def hold(self, seconds: float) -> None:
        """Send nothing for some seconds (`Retry-After`)."""
        with self._changed:
            self._held_until = max(self._held_until, time.monotonic() + seconds)

    def close(self) -> None:
        """Return the tokens."""
        with self._changed:
            renewing = self._renewing
        if renewing is not None:
            renewing.join()
        if self._is_known:
            with self._changed:
                returned = self._give_back(list(self._leases))
            with suppress(DatabaseError):  # the tokens become free when their term ends
                self._ask(0, returned)
        self._keeping.close()

    # ---- called with the lock held

    def _take(self, now: float) -> Token | None:
        """Take a token that may be used now, if there is one."""
        held = [number for number, lease in self._leases.items() if now <= lease.usable_until]
        usable = [number for number in held if self._leases[number].free_at <= now]
        if not usable or now < self._next_at:
            return None
        lease = self._leases[usable[0]]
        lease.use = Token(usable[0])
        lease.free_at = now + TRANSIT_S + self._window_s
        self._demand.used_at.append(now)
        self._next_at = now + PACE * self._window_s / len(held)
        return lease.use

    def _pause(self, now: float) -> float | None:
        """Seconds until one of our tokens can be used; None: another statement is needed first."""
        free = [lease.free_at for lease in self._leases.values() if max(now, lease.free_at) <= lease.usable_until]
        return max(min(free), self._next_at) - now if free else None

    def _renew_if_due(self, now: float) -> None:
        """Renew on a thread of its own, before the leases end or as soon as there are too few."""
        can_grow = self._demand.is_short and self._demand.asked_for < self._tokens
        if self._renewing is None and (now >= self._renew_at or can_grow):
            self._renewing = threading.Thread(target=self._renew_quietly, name="request budget", daemon=True)
            self._renewing.start()

    def _give_back(self, numbers: Sequence[int]) -> dict[int, float]:
        """Stop using these tokens; return when each is free, by the monotonic clock."""
        for number in numbers:
            self._leases[number].usable_until = 0.0
        return {number: self._leases[number].free_at for number in numbers}

    # ---- called by the thread that renews

    def _renew_quietly(self) -> None:
        with suppress(DatabaseError):  # a request that finds no token renews itself, and gets the error
            self._renew()

    def _renew(self) -> None:
        """In one statement, return the tokens that are not needed, renew the others, and take more.

        Raises:
            DatabaseError: The database that holds the budget cannot be used.
        """
        try:
            with self._changed:
                now = time.monotonic()
                wanted = self._demand.ask(now, self._window_s)
                held = [number for number, lease in self._leases.items() if now <= lease.usable_until]
                surplus = max(0, len(held) - wanted)
                returned = self._give_back(sorted(held, key=lambda number: self._leases[number].free_at)[:surplus])
            (tokens, starts, ends), asked, answered = self._ask(wanted, returned)
            with self._changed:
                for number, starts_in_s, ends_in_s in zip(tokens, starts, ends, strict=True):
                    lease = self._leases.setdefault(number, _Lease())
                    lease.free_at = max(lease.free_at, answered + starts_in_s)
                    lease.usable_until = asked + ends_in_s - self._window_s - TRANSIT_S
                self._renew_at = answered + USABLE_S / 2
        finally:
            with self._changed:
                self._renewing = None
                self._changed.notify_all()

    def _ask(self, wanted: int, returned: Mapping[int, float]) -> tuple[Any, float, float]:
        """The statement's row, and the monotonic instants before and after it.

        After a statement without an answer it is unknown which tokens we hold. The next statement uses a new holder id,
        and the tokens of the old one become free when their term ends.
        """
        with database_errors():
            try:
                return self._row(wanted, returned)
            except psycopg.OperationalError:  # a pooler may have dropped the connection: try once more with another one
                return self._row(wanted, {})

    def _row(self, wanted: int, returned: Mapping[int, float]) -> tuple[Any, float, float]:
        if not self._is_known:
            self._keeping.enter_context(keep_connections())
        connection = take(self._url)
        asked = time.monotonic()
        parameters = {
            "holder": self._holder, "wanted": wanted, "tokens": self._tokens,
            # Two round trips: one for this answer, one for the renewal.
            "term_s": self._window_s + TRANSIT_S + USABLE_S + 2 * self._round_trip_s,
            "returned": list(returned), "free_in_s": [free_at - asked for free_at in returned.values()],
        }  # fmt: skip
        try:
            row = connection.execute(statement("gazelle/request_lease"), parameters).fetchone()
        except BaseException:
            connection.close()
            self._holder, self._is_known = str(uuid.uuid4()), False
            raise
        answered = time.monotonic()
        give_back(self._url, connection)
        self._is_known = True
        # A decaying maximum, so that a term is long enough for the next slow round trip.
        self._round_trip_s = min(max(answered - asked, 0.9 * self._round_trip_s), LONGEST_ROUND_TRIP_S)
        return row, asked, answered
