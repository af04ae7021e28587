"""An account: its records, and the parts that answer requests about them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from gazelle_sync.sandbox.access import Access, RateLimit
from gazelle_sync.sandbox.counters import Counters
from gazelle_sync.sandbox.dataset import invent
from gazelle_sync.sandbox.drawing import Volume
from gazelle_sync.sandbox.encoding import decode, encode
from gazelle_sync.sandbox.execution import Engine, Served
from gazelle_sync.sandbox.faults import Fault, Faults, change_answer, change_request, overriding
from gazelle_sync.sandbox.mutations import Writer
from gazelle_sync.sandbox.settings import INSTANT, Settings
from gazelle_sync.sandbox.store import Snapshot, Store

_State = tuple[object, ...]
"""The version of the records, and the settings."""
_REMEMBERED_BYTES = 64 * 1024 * 1024


class Account:
    """An account and its API, without the network.

    Attributes:
        snapshots: States of the store that were kept under a name.
    """

    def __init__(
        self,
        path: Path,
        *,
        dialect: str = "published",
        scale: str | float = "seed",
        timeline: int | None = None,
        now: datetime | None = None,
    ) -> None:
        """Open the account in an SQLite file.

        Args:
            path: The file; where it holds no account, one is invented.
            dialect: `published`, or `seed` with the sorts and filters of an older API.
            scale: `seed`, `shop`, or a multiple of the seed's sizes.
            timeline: Number of timeline entries, whatever the scale.
            now: The instant around which the account is invented; None: the present one.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.store = Store(path)
        self.settings = Settings(dialect=dialect)
        self.access = Access(self.store, self.settings)
        self.rate_limit = RateLimit(self.settings)
        self.faults = Faults()
        self.counters = Counters()
        self.writer = Writer(self.store, self.settings)
        self.snapshots: dict[str, Snapshot] = {}
        self._engines: dict[str, Engine] = {}
        self._answers: dict[_State, dict[bytes, tuple[bytes, Served]]] = {}
        self._answers_size = 0
        if self.store.meta("dataset") is None:
            present = now or datetime.now(UTC)
            self.store.fill(invent(Volume.of(scale, timeline), now=present))
            about = {"scale": scale, "timeline": timeline, "now": present.strftime(INSTANT)}
            self.store.set_meta("dataset", about)

    def answer(self, body: bytes, faults: list[Fault]) -> tuple[bytes, Served]:
        """Answer the body of a GraphQL request, data faults included.

        A body that comes again while neither records nor settings have changed, or when both are again as they were at
        a snapshot, gets the bytes that it got before.

        Raises:
            ValueError: The body is no JSON object.
        """
        remembered = self._remembered()
        if not faults and body in remembered:
            answer, served = remembered[body]
        else:
            answer, served = self._work_out(body, faults)
            if not faults and not served.mutated:
                remembered[body] = answer, served
                self._answers_size += len(answer)
        self.counters.served(served)
        return answer, served

    def _remembered(self) -> dict[bytes, tuple[bytes, Served]]:
        """The answers given in the present state; what cannot come again is forgotten."""
        state = (self.store.version, *vars(self.settings).values())
        if self._answers_size > _REMEMBERED_BYTES:
            self._answers.clear()
            self._answers_size = 0
        if state not in self._answers:
            may_come_again = {snapshot.version for snapshot in self.snapshots.values()}
            for other in [other for other in self._answers if other[0] not in may_come_again]:
                self._answers_size -= sum(len(answer) for answer, _ in self._answers.pop(other).values())
            self._answers[state] = {}
        return self._answers[state]

    def _work_out(self, body: bytes, faults: list[Fault]) -> tuple[bytes, Served]:
        request = decode(body)
        if not isinstance(request, dict):
            raise ValueError("the body is not a JSON object")  # noqa: TRY004  as one that is no JSON
        for fault in faults:
            change_request(request, fault)
        dialect = self.settings.dialect
        if dialect not in self._engines:
            self._engines[dialect] = Engine(self.store, self.settings, dialect)
        with overriding(self.settings, faults):
            served = self._engines[dialect].serve(request, faults)
        for fault in faults:
            change_answer(served.payload, fault)
        answer = encode(served.payload)
        served.payload = {}
        return answer, served
