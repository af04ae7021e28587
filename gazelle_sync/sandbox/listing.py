"""The account's lists: which records they hold, and in which order `sortBy` puts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from gazelle_sync.montreal import MONTREAL
from gazelle_sync.sandbox.encoding import Json, Record, encode
from gazelle_sync.sandbox.pages import Refused
from gazelle_sync.sandbox.settings import INSTANT
from gazelle_sync.sandbox.store import Store

DEFAULT_SORT = {
    "clients": "CREATED_AT_ASC",
    "pianos": "CREATED_AT_ASC",
    "events": "START_ASC",
    "invoices": "NUMBER_ASC",
}
_SORT_FIELDS = {"CREATED_AT": "createdAt", "UPDATED_AT": "updatedAt", "START": "start", "NUMBER": "number"}


@dataclass(frozen=True)
class Listed:
    """Records of a kind that are known by their ids, in order; only those of a page are read.

    Attributes:
        size: How many there are.
        id_at: The id at a position.
    """

    store: Store
    kind: str
    size: int
    id_at: Callable[[int], str]

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, part: slice, /) -> list[Record]:
        found = (self.store.get(self.kind, self.id_at(place)) for place in range(self.size)[part])
        return [record for record in found if record is not None]


def rows(store: Store, kind: str, arguments: dict[str, Json]) -> Listed:
    """The records that the arguments of `allClients`, `allEventsBatched`, … select, in order."""
    filters, sorts = arguments.get("filters") or {}, arguments.get("sortBy") or [DEFAULT_SORT[kind]]
    ids = store.derived((kind, *sorts, encode(filters)), lambda: _select(store, kind, filters, sorts))
    return Listed(store, kind, len(ids), ids.__getitem__)


def timeline(store: Store, arguments: dict[str, Json]) -> Listed:
    """The timeline entries that the arguments of `allTimelineEntries` select, the newest first."""
    since = arguments.get("occurredAtGet")
    occurred_at = None if since is None else utc(since)
    wanted = {name: arguments[name] for name in ("clientId", "pianoId", "search") if arguments.get(name) is not None}
    if not wanted:
        last = len(store.timeline_order) - 1
        size = last + 1 - store.timeline_since(occurred_at)
        return Listed(store, "timeline", size, lambda place: store.timeline_at(last - place))
    key = ("timeline", occurred_at, encode(wanted))
    ids = store.derived(key, lambda: _select_entries(store, occurred_at or "", wanted))
    return Listed(store, "timeline", len(ids), ids.__getitem__)


def _select(store: Store, kind: str, filters: dict[str, Json], sorts: list[str]) -> list[str]:
    found = list(store.records(kind))
    if kind == "events":
        found = [event for event in found if event.get("status") != "CANCELED"]
    for name, value in filters.items():
        if value is not None:
            passes = _FILTERS[kind][name](value)
            found = [record for record in found if passes(record)]
    found.sort(key=lambda record: str(record["id"]))
    for sort in reversed(sorts):
        name, _, direction = sort.rpartition("_")
        if name not in _SORT_FIELDS:
            raise Refused(f"The sandbox does not sort by {name}.")
        field = _SORT_FIELDS[name]
        # As in PostgreSQL: null comes last, hence first in a descending order.
        found.sort(key=lambda r, f=field: (r.get(f) is None, r.get(f)), reverse=direction == "DESC")  # type: ignore[misc]
    return [record["id"] for record in found]


def _select_entries(store: Store, occurred_at: str, wanted: dict[str, Json]) -> list[str]:
    parent = next((name for name in ("pianoId", "clientId") if name in wanted), None)
    entries = store.children("timeline", parent, wanted[parent]) if parent else list(store.records("timeline"))
    client_id, text = wanted.get("clientId"), wanted.get("search", "")
    found = [
        (entry["occurredAt"], entry["id"])
        for entry in entries
        if entry["occurredAt"] >= occurred_at
        and client_id in (None, entry.get("clientId"))
        and _contains(text, entry, "summary", "comment")
    ]
    return [entry_id for _, entry_id in sorted(found, reverse=True)]


def _contains(text: str, record: Record, *fields: str) -> bool:
    return any(text.casefold() in (record.get(field) or "").casefold() for field in fields)


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


def _montreal_midnight(day: str, days_later: int = 0) -> str:
    """The instant at which a day begins in Montreal."""
    try:
        wanted = date.fromisoformat(day) + timedelta(days=days_later)
    except ValueError as problem:
        raise Refused(f"{day!r} is not a valid CoreDate.") from problem
    return datetime(wanted.year, wanted.month, wanted.day, tzinfo=MONTREAL).astimezone(UTC).strftime(INSTANT)


_Filter = Callable[[Json], Callable[[Record], bool]]


def _from(field: str, instant: str) -> Callable[[Record], bool]:
    return lambda record: (record.get(field) or "") >= instant


def _before(field: str, instant: str) -> Callable[[Record], bool]:
    return lambda record: "" < (record.get(field) or "") < instant


def _since_day(field: str) -> _Filter:
    return lambda day: _from(field, _montreal_midnight(day))


def _until_day(field: str) -> _Filter:
    return lambda day: _before(field, _montreal_midnight(day, 1))


def _one_of(field: str) -> _Filter:
    return lambda ids: lambda record: record.get(field) in ids


def _with_text(*fields: str) -> _Filter:
    return lambda text: lambda record: _contains(text, record, *fields)


_FILTERS: dict[str, dict[str, _Filter]] = {
    "events": {
        "startGte": lambda value: _from("start", utc(value)),
        "dateGet": _since_day("start"),
        "dateLet": _until_day("start"),
        "clientId": _one_of("clientId"),
        "userId": _one_of("userId"),
        "search": _with_text("title", "notes"),
    },
    "invoices": {
        "clientId": lambda client_id: _one_of("clientId")([client_id]),
        "invoiceDateGet": _since_day("createdAt"),
        "invoiceDateLet": _until_day("createdAt"),
        "search": _with_text("notes", "topNotes"),
    },
}
