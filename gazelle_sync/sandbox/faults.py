"""Faults: what networks, proxies and the API itself have been seen to do wrong, injected on request.

A fault is armed through the control routes and strikes requests that match it. `BEFORE` faults answer instead of the
API, `LATE` ones fail at once while the API goes on with the request, `OVERRIDES` make it refuse. `ALIASES` strike one
root field of a request and no other. `REQUEST` and `DATA` faults (`gazelle_sync.sandbox.wrong_answers`) change the
variables and the data of the answer, `WIRE` faults (`gazelle_sync.sandbox.wire`) damage the response that is sent.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.settings import Settings
from gazelle_sync.sandbox.wrong_answers import DATA, REQUEST

BEFORE = {
    "status",
    "html_200",
    "html_502",
    "graphql_errors",
    "redirect",
    "reset",
    "timeout",
    "token_expired",
}
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
WIRE = {
    "truncated",
    "empty_body",
    "not_an_object",
    "invalid_utf8",
    "bad_encoding",
    "close_after",
    "cut_short",
    "slow_drip",
    "stalled",
    "clock_skew",
    "no_date",
}


@dataclass
class Fault:
    """An armed fault.

    Attributes:
        kind: One of `KINDS`.
        times: Requests that it strikes before it is spent; 0 is without end.
        operation: Part of the operation's name, of the query's text or of the path; empty matches all.
        after: Matching requests that pass unharmed first.
        probability: Share of the matching requests that it strikes, drawn from `seed`.
        options: What the kind can be told: `code`, `retry_after`, `message`, `seconds`, `max`, `field`, `value`,
            `delta`, `by_id`, `place`, `about`, `done`, `location`, `orderly`.
        struck: Requests struck so far.
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
            raise ValueError(f"no fault is called {self.kind!r}; there are {', '.join(sorted(KINDS))}")
        self._draw = random.Random(self.seed)  # noqa: S311  a dice, not a secret

    def strikes(self, *texts: str) -> bool:
        """Whether it strikes the request with these texts; counts."""
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

    def arm(self, values: Record) -> Record:
        """Arm a fault; what is no attribute of one is an option of its kind."""
        own = {"kind", "times", "operation", "after", "probability", "seed"}
        options = {name: value for name, value in values.items() if name not in own}
        fault = Fault(
            **{name: value for name, value in values.items() if name in own}, options=options, id=self._next_id
        )
        self._next_id += 1
        self._armed.append(fault)
        return asdict(fault)

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def listed(self) -> list[Record]:
        """The armed faults, spent ones included."""
        return [asdict(fault) for fault in self._armed]

    def striking(self, *texts: str) -> list[Fault]:
        """The faults that strike a request."""
        return [fault for fault in self._armed if fault.strikes(*texts)] if self._armed else []


@contextmanager
def overriding(settings: Settings, faults: list[Fault]) -> Iterator[None]:
    """Hold the settings as the `OVERRIDES` faults among these want them."""
    before = settings.as_record()
    for fault in faults:
        for name, option, default in OVERRIDES.get(fault.kind, ()):
            setattr(settings, name, fault.options.get(option, default))
    try:
        yield
    finally:
        settings.change(before)


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


KINDS = BEFORE | LATE | HALVES | ALIASES | WIRE | REQUEST.keys() | OVERRIDES.keys() | DATA.keys()
