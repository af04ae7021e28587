"""Counters of requests and of records served, for tests and measurements."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import Counter, deque

from gazelle_sync.sandbox.encoding import Record
from gazelle_sync.sandbox.execution import Served

_KEPT_ARRIVALS = 200_000


class Counters:
    """Counts since the start, or since the last reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again from nothing."""
        self._requests: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._fields: Counter[str] = Counter()
        self._bodies: Counter[str] = Counter()
        self._stamps: Counter[str] = Counter()
        self._arrivals: deque[float] = deque(maxlen=_KEPT_ARRIVALS)

    def arrived(self) -> None:
        """A request came in, whatever becomes of it."""
        self._arrivals.append(time.monotonic())

    def refused(self, status: int) -> None:
        """A request was turned away before it was understood."""
        self._refused[str(status)] += 1

    def named(self, operation: str) -> None:
        """A request was understood."""
        self._requests[operation] += 1

    def served(self, served: Served) -> None:
        """A GraphQL request was answered."""
        self.named(served.operation)
        self._fields.update(served.fields)
        self._bodies.update(served.bodies)
        self._stamps.update(served.stamps)

    def read(self) -> Record:
        """Everything, as JSON."""
        times = list(self._arrivals)
        most = max(
            (bisect_right(times, first + 1 - 1e-9, lo=place) - place for place, first in enumerate(times)), default=0
        )
        return {
            "requests": sum(self._requests.values()),
            "by_operation": dict(self._requests),
            "by_field": dict(self._fields),
            "refused": dict(self._refused),
            "bodies": dict(self._bodies),
            "stamps": dict(self._stamps),
            "arrivals": len(times),
            "arrivals_monotonic": times,
            "max_in_a_second": most,
        }
