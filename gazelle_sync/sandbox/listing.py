"""The account's lists: which records a filter lets through, and in which order `sortBy` puts them.

A filter that the sandbox does not know is refused rather than ignored: a test must not pass on rows nobody filtered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from gazelle_sync.montreal import MONTREAL
from gazelle_sync.sandbox.encoding import Json, Record, encode
from gazelle_sync.sandbox.pages import Refused, Rows
from gazelle_sync.sandbox.settings import INSTANT
from gazelle_sync.sandbox.store import Store

DEFAULT_SORT = {
    "clients": "CREATED_AT_ASC",
    "pianos": "CREATED_AT_ASC",
    "events": "START_ASC",
    "invoices": "NUMBER_ASC",
}

_SORT_FIELDS = {
    "CREATED_AT": "createdAt",
    "UPDATED_AT": "updatedAt",
    "STATUS": "status",
    "START": "start",
    "NUMBER": "number",
    "TOTAL": "total",
    "DUE_TOTAL": "dueTotal",
    "INVOICE_DATE": "createdAt",
    "DUE_DATE": "dueOn",
    "LAST_SERVICE": "calculatedLastService",
    "NEXT_SERVICE": "calculatedNextService",
    "DUE_NEAR_TODAY": "calculatedNextService",
    "MAKE": "make",
    "MODEL": "model",
    "CLIENT_NAME": "companyName",
    "REGION": "region",
    "STATE": "region",
    "USER_LAST_NAME": "userId",
    "EVENT_NEAR_TODAY": "start",
}
"""A sort that is not here puts records in the order of their ids."""

Test = Callable[[Record], bool]


@dataclass(frozen=True)
class Listed:
    """Rows that are known by their ids, in order."""

    store: Store
    kind: str
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, part: slice, /) -> list[Record]:
        found = (self.store.get(self.kind, record_id) for record_id in self.ids[part])
        return [record for record in found if record is not None]


@dataclass(frozen=True)
class Timeline:
    """The whole timeline from an instant on, the newest entry first."""

    store: Store
    first: int

    def __len__(self) -> int:
        return len(self.store.timeline_order) - self.first

    def __getitem__(self, part: slice, /) -> list[Record]:
        last = len(self.store.timeline_order) - 1
        places = range(len(self))[part]
        return Listed(self.store, "timeline", [self.store.timeline_at(last - place) for place in places])[:]


def rows(store: Store, kind: str, filters: dict[str, Json] | None, sort_by: list[str] | None) -> Listed:
    """The records of a kind that pass the filters, in order."""
    order = tuple(sort_by or [DEFAULT_SORT[kind]])
    ids = store.derived((kind, order, encode(filters)), lambda: _work_out(store, kind, filters or {}, order))
    return Listed(store, kind, ids)


def timeline(store: Store, arguments: dict[str, Json]) -> Rows:
    """The timeline entries that the arguments of `allTimelineEntries` select, the newest first."""
    wanted = {name: arguments[name] for name in _TIMELINE_FILTERS if arguments.get(name) is not None}
    since = arguments.get("occurredAtGet")
    occurred_at = None if since is None else utc(since)
    if not wanted:
        return Timeline(store, store.timeline_since(occurred_at))
    ids = store.derived(("timeline", occurred_at, encode(wanted)), lambda: _select(store, wanted, occurred_at))
    return Listed(store, "timeline", ids)


def _work_out(store: Store, kind: str, filters: dict[str, Json], order: tuple[str, ...]) -> list[str]:
    tests = [_test(store, kind, name, value) for name, value in filters.items() if value is not None]
    if kind == "events" and not filters.get("status"):
        tests.append(lambda event: event.get("status") != "CANCELED")
    found = [record for record in store.records(kind) if all(test(record) for test in tests)]
    found.sort(key=lambda record: str(record["id"]))
    for sort in reversed(order):
        name, _, direction = sort.rpartition("_")
        field = _SORT_FIELDS.get(name, "id")
        # As in PostgreSQL: null comes last, hence first in a descending order.
        found.sort(key=lambda r, f=field: (r.get(f) is None, r.get(f)), reverse=direction == "DESC")  # type: ignore[misc]
    return [record["id"] for record in found]


def _select(store: Store, wanted: dict[str, Json], occurred_at: str | None) -> list[str]:
    named = next((name for name in ("pianoId", "clientId", "invoiceId") if name in wanted), None)
    if named is None:
        entries = Timeline(store, store.timeline_since(occurred_at))[:]
    else:
        entries = store.children("timeline", named, wanted[named])
    tests = [_TIMELINE_FILTERS[name](value) for name, value in wanted.items()]
    found = [
        (entry["occurredAt"], entry["id"])
        for entry in entries
        if (occurred_at is None or entry["occurredAt"] >= occurred_at) and all(test(entry) for test in tests)
    ]
    return [entry_id for _, entry_id in sorted(found, reverse=True)]


def utc(text: str) -> str:
    """An instant as it was given, written as the API writes it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as problem:
        raise Refused(f"{text!r} is not a valid CoreDateTime.") from problem
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment.microsecond:
        # Stored instants have whole seconds: the first that is not before this one is the next.
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    return moment.strftime(INSTANT)


def montreal_midnight(day: str, days_later: int = 0) -> str:
    """The instant at which a day begins in Montreal."""
    try:
        wanted = date.fromisoformat(day) + timedelta(days=days_later)
    except ValueError as problem:
        raise Refused(f"{day!r} is not a valid CoreDate.") from problem
    return datetime(wanted.year, wanted.month, wanted.day, tzinfo=MONTREAL).astimezone(UTC).strftime(INSTANT)


def _equal(field: str) -> Callable[[Json], Test]:
    return lambda value: lambda record: record.get(field) == value


def _among(field: str) -> Callable[[Json], Test]:
    return lambda values: lambda record: record.get(field) in values


def _from(field: str, *, instants: bool = False) -> Callable[[Json], Test]:
    def make(value: Json) -> Test:
        bound = montreal_midnight(value) if instants else value
        return lambda record: record.get(field) is not None and record[field] >= bound

    return make


def _until(field: str, *, instants: bool = False) -> Callable[[Json], Test]:
    def make(value: Json) -> Test:
        if not instants:
            return lambda record: record.get(field) is not None and record[field] <= value
        bound = montreal_midnight(value, 1)
        return lambda record: record.get(field) is not None and record[field] < bound

    return make


def _containing(*fields: str) -> Callable[[Json], Test]:
    def make(text: str) -> Test:
        wanted = text.casefold()
        return lambda record: any(wanted in (record.get(field) or "").casefold() for field in fields)

    return make


_TAGS: dict[str, Callable[[Json], Test]] = {
    "anyTags": lambda tags: lambda record: bool(set(tags) & set(record["tags"])),
    "allTags": lambda tags: lambda record: set(tags) <= set(record["tags"]),
    "excludeTags": lambda tags: lambda record: not set(tags) & set(record["tags"]),
}
_CREATED = {"createdGet": _from("createdAt", instants=True), "createdLet": _until("createdAt", instants=True)}
_FILTERS: dict[str, dict[str, Callable[[Json], Test]]] = {
    "clients": {
        "search": _containing("companyName", "personalNotes", "preferenceNotes"),
        "status": _among("status"),
        "clientType": _among("clientType"),
        "preferredTechnicianId": _among("preferredTechnicianId"),
        "region": _among("region"),
    }
    | _CREATED
    | _TAGS,
    "pianos": {
        "clientId": _equal("clientId"),
        "excludePianoIds": lambda ids: lambda piano: piano["id"] not in ids,
        "search": _containing("make", "model", "serialNumber", "location", "notes"),
        "type": _among("type"),
        "status": _among("status"),
        "make": _among("make"),
        "serialNumber": _among("serialNumber"),
        "yearGet": _from("year"),
        "yearLet": _until("year"),
        "useType": _equal("useType"),
    }
    | _CREATED
    | _TAGS,
    "events": {
        "startGte": lambda value: _from("start")(utc(value)),
        "startOn": _from("start", instants=True),
        "dateGet": _from("start", instants=True),
        "endOn": _until("start", instants=True),
        "dateLet": _until("start", instants=True),
        "clientId": _among("clientId"),
        "pianoId": lambda ids: lambda event: any(piano["pianoId"] in ids for piano in event["pianos"]),
        "userId": _among("userId"),
        "type": _among("type"),
        "status": _among("status"),
        "search": _containing("title", "notes"),
        "appointmentHasPiano": lambda has: lambda event: bool(event["pianos"]) == has,
        "appointmentIsCompleted": lambda done: lambda event: (event.get("status") == "COMPLETE") == done,
        "appointmentIsConfirmed": lambda sure: lambda event: (event.get("confirmedAt") is not None) == sure,
    },
    "invoices": {
        "clientId": _equal("clientId"),
        "pianoId": lambda piano: lambda invoice: any(item.get("pianoId") == piano for item in invoice["items"]),
        "search": _containing("notes", "topNotes"),
        "status": _among("status"),
        "archived": _equal("archived"),
        "invoiceDateGet": _from("createdAt", instants=True),
        "invoiceDateLet": _until("createdAt", instants=True),
        "dueDateGet": _from("dueOn"),
        "dueDateLet": _until("dueOn"),
        "totalGet": _from("total"),
        "totalLet": _until("total"),
        "invoiceIds": lambda ids: lambda invoice: invoice["id"] in ids,
        "createdBy": _among("createdById"),
        "assignedTo": _among("assignedToId"),
    }
    | _TAGS,
}
_TIMELINE_FILTERS: dict[str, Callable[[Json], Test]] = {
    "clientId": _equal("clientId"),
    "pianoId": _equal("pianoId"),
    "invoiceId": _equal("invoiceId"),
    "estimateId": _equal("estimateId"),
    "types": _among("type"),
    "search": _containing("summary", "comment"),
}
_ACTIVITY = {"clients": "clientId", "pianos": "pianoId"}


def _test(store: Store, kind: str, name: str, value: Json) -> Test:
    if name in _FILTERS[kind]:
        return _FILTERS[kind][name](value)
    if name == "hasTimelineActivityGet" and kind in _ACTIVITY:
        field = _ACTIVITY[kind]
        recent = Timeline(store, store.timeline_since(montreal_midnight(value)))
        active = {entry.get(field) for entry in recent[:]}
        return lambda record: record["id"] in active
    raise Refused(f"The sandbox does not know the filter {name} of {kind}.")
