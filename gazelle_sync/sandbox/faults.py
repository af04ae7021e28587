"""Bad days on order: what networks, proxies and the API itself have been seen to do.

A fault is armed through the control routes and strikes requests that match it. `BEFORE` faults answer instead of the
API, `OVERRIDES` make it refuse, `DATA` faults change what it answers, `WIRE` faults spoil the answer on its way.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.settings import Settings

BEFORE = {
    "status",
    "html_200",
    "html_502",
    "graphql_errors",
    "reset",
    "timeout",
    "token_expired",
}
OVERRIDES: dict[str, tuple[str, str, Json]] = {
    "page_size_refused": ("page_size_limit", "max", 200),
    "too_many_fields": ("max_root_fields", "max", 10),
    "mutation_errors": ("mutation_error", "message", "Refused by the sandbox"),
}
"""Faults that are a setting for the length of one request: setting, option that gives its value, default."""
WIRE = {"truncated", "empty_body", "invalid_utf8", "close_after", "slow_drip", "clock_skew"}


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
            `delta`, `by_id`, `place`.
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
        if fault.kind in OVERRIDES:
            name, option, default = OVERRIDES[fault.kind]
            setattr(settings, name, fault.options.get(option, default))
    try:
        yield
    finally:
        settings.change(before)


def spoil(payload: Record, fault: Fault) -> None:
    """Change the data of an answer in place, as a `DATA` fault does."""
    if fault.kind in DATA and isinstance(payload.get("data"), dict):
        DATA[fault.kind](payload, fault.options)


def _row_lists(payload: Record) -> Iterator[tuple[str, list[Json]]]:
    """The lists of records that an answer's root fields hold: response key and list."""
    for key, value in payload["data"].items():
        if isinstance(value, list):
            yield key, value
        elif isinstance(value, dict):
            for name in ("nodes", "edges"):
                if isinstance(value.get(name), list):
                    yield key, value[name]


def _records(payload: Record) -> Iterator[Record]:
    """The records of an answer's root fields."""
    for value in payload["data"].values():
        if isinstance(value, dict) and "nodes" not in value and "edges" not in value:
            yield value
    for _, rows in _row_lists(payload):
        for row in rows:
            if isinstance(row, dict):
                yield row.get("node") or row


def _connections(payload: Record) -> Iterator[Record]:
    for value in payload["data"].values():
        if isinstance(value, dict) and {"nodes", "edges", "totalCount"} & value.keys():
            yield value


def _place(rows: list[Json], options: Record) -> int:
    return min(int(options.get("place", len(rows) // 2)), len(rows) - 1)


def _repeat_row(payload: Record, options: Record) -> None:
    for _, rows in _row_lists(payload):
        if rows:
            place = _place(rows, options)
            rows.insert(place, rows[place])


def _skip_row(payload: Record, options: Record) -> None:
    for _, rows in _row_lists(payload):
        if rows:
            del rows[_place(rows, options)]


def _order_violation(payload: Record, __: Record) -> None:
    for _, rows in _row_lists(payload):
        if len(rows) > 1:
            rows[0], rows[-1] = rows[-1], rows[0]


def _total_wrong(payload: Record, options: Record) -> None:
    for connection in _connections(payload):
        if "totalCount" in connection:
            connection["totalCount"] += int(options.get("delta", 1))


def _empty_tags(payload: Record, _: Record) -> None:
    for record in _records(payload):
        if "tags" in record:
            record["tags"] = []


def _empty_account(payload: Record, options: Record) -> None:
    for key, value in payload["data"].items():
        if isinstance(value, list):
            payload["data"][key] = []
        elif isinstance(value, dict) and {"nodes", "edges", "totalCount"} & value.keys():
            nothing = {"nodes": [], "edges": [], "totalCount": 0, "pageInfo": _NO_PAGE}
            value.update({name: nothing[name] for name in value if name in nothing})
        elif options.get("by_id"):
            payload["data"][key] = None


_NO_PAGE = {"startCursor": None, "endCursor": None, "hasNextPage": False, "hasPreviousPage": False}


def _missing_field(payload: Record, options: Record) -> None:
    for record in _records(payload):
        record.pop(options.get("field", "updatedAt"), None)


def _unknown_enum(payload: Record, options: Record) -> None:
    name = options.get("field", "status")
    for record in _records(payload):
        if name in record:
            record[name] = options.get("value", "NEVER_SEEN_BEFORE")


def _null_updated_at(payload: Record, _: Record) -> None:
    for record in _records(payload):
        if "updatedAt" in record:
            record["updatedAt"] = None


def _bad_text(payload: Record, options: Record) -> None:
    text = options.get("value", "coup\u00e9 \ud83c et nul \u0000 fin")
    name = options.get("field")
    for record in _records(payload):
        wanted = [name] if name else [key for key in ("notes", "comment", "personalNotes") if key in record]
        record.update({key: text for key in wanted if key in record})


def _partial(payload: Record, options: Record) -> None:
    """One row is null, or one field of it, and an error says so."""
    message = options.get("message", "Internal error while loading a record")
    for root, rows in _row_lists(payload):
        if rows:
            place = _place(rows, options)
            path: list[str | int] = [root, "nodes", place]
            if options.get("field"):
                rows[place] = (rows[place] or {}) | {options["field"]: None}
                path.append(options["field"])
            else:
                rows[place] = None
            payload.setdefault("errors", []).append({"message": message, "path": path})
            return
    first = next(iter(payload["data"]))
    payload["data"][first] = None
    payload.setdefault("errors", []).append({"message": message, "path": [first]})


DATA: dict[str, Callable[[Record, Record], None]] = {
    "repeat_row": _repeat_row,
    "skip_row": _skip_row,
    "order_violation": _order_violation,
    "total_wrong": _total_wrong,
    "empty_tags": _empty_tags,
    "empty_account": _empty_account,
    "missing_field": _missing_field,
    "unknown_enum": _unknown_enum,
    "null_updated_at": _null_updated_at,
    "bad_text": _bad_text,
    "partial": _partial,
}
KINDS = BEFORE | WIRE | OVERRIDES.keys() | DATA.keys()
