"""Faults that can be injected: what networks, proxies and the API itself have been seen to do wrong.

A fault is armed through the control commands and affects the requests that match it. `INSTEAD` faults answer in the
API's place, `LATE` ones fail at once while the API goes on with the request, `OVERRIDES` make it refuse. `ALIASES`
affect one root field of a request and no other. `REQUEST` and `DATA` faults (`gazelle_sync.sandbox.wrong_answers`)
change the variables and the data of the answer, `WIRE` faults (`gazelle_sync.sandbox.wire`) damage the response that
is sent. `timeout` answers late, `token_expired` makes the access token expire.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from gazelle_sync.i18n.translator import Message
from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.settings import Refused, Settings
from gazelle_sync.sandbox.wire import INSTEAD, WIRE
from gazelle_sync.sandbox.wrong_answers import DATA, REQUEST

LATE = {"late", "half_done"}
"""Faults that answer at once, and let the request be carried out `seconds` after. `half_done`: its first half was
carried out before; without `seconds`, the rest never is."""
HALVES = {"first_half", "second_half"}
"""Only these root fields are carried out and answered, cut at `place`."""
ALIASES = {"alias_refused", "alias_null"}
"""Faults of one root field: at `place`, or the first whose arguments hold the text `about`. `alias_null`: an error, and
the work is `done` or not."""
OVERRIDES: dict[str, tuple[tuple[str, str, Json], ...]] = {
    "page_size_refused": (("page_size_limit", "max", 200),),
    "too_many_fields": (("max_root_fields", "max", 10), ("refusal_status", "code", 200)),
    "mutation_errors": (("mutation_error", "message", "Refused by the sandbox"),),
}
"""Faults that are settings for the length of one request: setting, option that gives its value, default."""


@dataclass
class Fault:
    """An armed fault.

    Attributes:
        kind: One of `KINDS`.
        times: How many requests it affects; 0: all.
        operation: Part of the operation's name, of the query's text or of the path; empty matches all.
        after: How many matching requests it leaves alone first.
        probability: Share of the matching requests that it affects, drawn from `seed`.
        options: Those of its kind: `code`, `retry_after`, `message`, `seconds`, `max`, `field`, `value`,
            `delta`, `by_id`, `place`, `about`, `done`, `location`, `orderly`.
        struck: How many requests it has affected.
    """

    kind: str
    times: int = 1
    operation: str = ""
    after: int = 0
    probability: float = 1.0
    seed: int = 1
    options: Record = field(default_factory=dict)
    id: int = 0
    struck: int = 0
    passed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            choices = ", ".join(sorted(KINDS))
            raise Refused(Message("No fault is called {name}. There are: {choices}."), name=self.kind, choices=choices)
        self._draw = random.Random(self.seed)  # noqa: S311  reproducible, not secret

    def strikes(self, *texts: str) -> bool:
        """Whether it affects the request with these texts; counts the request."""
        if self.times and self.struck >= self.times:
            return False
        if self.operation and not any(self.operation in text for text in texts):
            return False
        if self.passed < self.after:
            self.passed += 1
            return False
        if self.probability < 1 and self._draw.random() >= self.probability:
            return False
        self.struck += 1
        return True


class Faults:
    """The armed faults."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._next_id = 1

    def arm(
        self,
        kind: str,
        *,
        times: int = 1,
        operation: str = "",
        after: int = 0,
        probability: float = 1.0,
        seed: int = 1,
        **options: Json,
    ) -> Record:
        """Arm a fault; `options` are those of its kind."""
        fault = Fault(kind, times, operation, after, probability, seed, options, self._next_id)
        self._next_id += 1
        self._armed.append(fault)
        return asdict(fault)

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def listed(self) -> list[Record]:
        """The armed faults, those that affect no more requests included."""
        return [asdict(fault) for fault in self._armed]

    def striking(self, *texts: str) -> list[Fault]:
        """The faults that affect a request."""
        return [fault for fault in self._armed if fault.strikes(*texts)] if self._armed else []


@contextmanager
def overriding(settings: Settings, faults: list[Fault]) -> Iterator[None]:
    """Hold the settings as the `OVERRIDES` faults among these want them."""
    wanted = {
        name: fault.options.get(option, default)
        for fault in faults
        for name, option, default in OVERRIDES.get(fault.kind, ())
    }
    if not wanted:
        yield
        return
    before = {name: getattr(settings, name) for name in wanted}
    settings.change(**wanted)
    try:
        yield
    finally:
        settings.change(**before)


def carried_out(faults: Iterable[Fault], fields: int) -> range:
    """The places of a request's root fields that are carried out."""
    for fault in faults:
        if fault.kind in HALVES:
            cut = min(int(fault.options.get("place", fields // 2)), fields)
            return range(cut) if fault.kind == "first_half" else range(cut, fields)
    return range(fields)


def striking_alias(faults: Iterable[Fault], key: str | int, keys: list[str], arguments: Record) -> Fault | None:
    """The fault of one root field, by its key among those of all of them."""
    for fault in faults:
        if fault.kind in ALIASES:
            about = fault.options.get("about")
            chosen = min(int(fault.options.get("place", len(keys) // 2)), len(keys) - 1)
            if about in repr(arguments) if about else key == keys[chosen]:
                return fault
    return None


def change_request(request: Record, fault: Fault) -> None:
    """Change what a request asks for in place, as a `REQUEST` fault does."""
    if fault.kind in REQUEST and isinstance(request.get("variables"), dict):
        REQUEST[fault.kind](request["variables"], fault.options)


def change_answer(payload: Record, fault: Fault) -> None:
    """Change the data of an answer in place, as a `DATA` fault does."""
    if fault.kind in DATA and isinstance(payload.get("data"), dict):
        DATA[fault.kind](payload, fault.options)


KINDS = {"timeout", "token_expired"} | LATE | HALVES | ALIASES
KINDS |= INSTEAD.keys() | WIRE.keys() | REQUEST.keys() | OVERRIDES.keys() | DATA.keys()
