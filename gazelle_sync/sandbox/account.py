"""An account: its records, and the parts that answer requests about them."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from pathlib import Path

from gazelle_sync.sandbox import SANDBOX_API_KEY
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

_REMEMBERED_BYTES = 64 * 1024 * 1024


class Account:
    """An account and its API, without the network.

    Attributes:
        snapshots: States of the store that were kept under a name.
    """

    def __init__(self, path: Path, settings: Settings, *, api_key: str = SANDBOX_API_KEY) -> None:
        self.store = Store(path)
        self.settings = settings
        self.access = Access(self.store, settings, api_key)
        self.rate_limit = RateLimit(settings)
        self.faults = Faults()
        self.counters = Counters()
        self.writer = Writer(self.store, settings)
        self.snapshots: dict[str, Snapshot] = {}
        self._engines: dict[str, Engine] = {}
        self._answers: OrderedDict[bytes, tuple[bytes, Served]] = OrderedDict()
        self._answers_are_of: tuple[object, ...] = ()
        self._answers_size = 0

    def create_if_empty(self, scale: str | float, *, now: datetime, timeline: int | None = None, seed: int = 1) -> None:
        """Invent the account, unless the file holds one."""
        if not self.store.is_empty():
            return
        self.store.fill(invent(Volume.of(scale, timeline), now=now, seed=seed))
        self.store.set_meta(
            "dataset", {"scale": scale, "timeline": timeline, "seed": seed, "now": now.strftime(INSTANT)}
        )

    def engine(self) -> Engine:
        """The engine of the current dialect."""
        dialect = self.settings.dialect
        if dialect not in self._engines:
            self._engines[dialect] = Engine(self.store, self.settings, dialect)
        return self._engines[dialect]

    def answer(self, body: bytes, faults: list[Fault]) -> tuple[bytes, Served]:
        """Answer the body of a GraphQL request, data faults included.

        A body that comes again while neither records nor settings have changed gets the bytes that it got before.

        Raises:
            ValueError: The body is no JSON object.
        """
        state = (self.store.version, *vars(self.settings).values())
        if state != self._answers_are_of:
            self._answers.clear()
            self._answers_are_of, self._answers_size = state, 0
        known = None if faults else self._answers.get(body)
        if known is not None:
            answer, served = known
        else:
            request = decode(body)
            if not isinstance(request, dict):
                raise ValueError("the body is not a JSON object")
            if faults:
                for fault in faults:
                    change_request(request, fault)
                with overriding(self.settings, faults):
                    served = self.engine().serve(request, faults)
            else:
                served = self.engine().serve(request)
            for fault in faults:
                change_answer(served.payload, fault)
            answer = encode(served.payload)
            served.payload = {}
            if not faults and not served.mutated:
                self._remember(body, answer, served)
        self.counters.named(served.operation)
        self.counters.served(served, len(answer))
        return answer, served

    def _remember(self, body: bytes, answer: bytes, served: Served) -> None:
        self._answers[body] = answer, served
        self._answers_size += len(answer)
        while self._answers_size > _REMEMBERED_BYTES:
            _, (oldest, _) = self._answers.popitem(last=False)
            self._answers_size -= len(oldest)
