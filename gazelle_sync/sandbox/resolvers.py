"""Where fields get their values from: root fields, references, connections and what follows from other records.

A stored record keeps a reference as `clientId`, `userId`, … and small nested rows as lists. What `RESOLVERS` does not
name is read from the record under its own name; of a type that has ids, it is the record that `<name>Id` names.
"""

from __future__ import annotations

from collections.abc import Callable

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.listing import rows, timeline
from gazelle_sync.sandbox.pages import Rows
from gazelle_sync.sandbox.store import Store

Resolver = Callable[[Store, Record, dict[str, Json]], Json]

KIND_OF_TYPE = {
    "PrivateClient": "clients",
    "PrivateContact": "contacts",
    "PrivateEvent": "events",
    "PrivateInvoice": "invoices",
    "PrivateMasterServiceGroup": "product_groups",
    "PrivateMasterServiceItem": "products",
    "PrivatePiano": "pianos",
    "PrivatePianoMeasurement": "measurements",
    "PrivateTimelineEntry": "timeline",
    "PrivateUser": "users",
}


def resolver_of(parent: str, field: str, of_type: str) -> Resolver | None:
    """Where a field gets its value from.

    Args:
        parent: Name of the type that has the field.
        field: Its name.
        of_type: Name of its own type, without list and non-null.

    Returns:
        None where the value is stored in the record, under the field's name.
    """
    if (parent, field) in RESOLVERS:
        return RESOLVERS[parent, field]
    if of_type not in KIND_OF_TYPE:
        return None
    kind, reference = KIND_OF_TYPE[of_type], f"{field}Id"

    def resolve(store: Store, record: Record, _: dict[str, Json]) -> Json:
        held = record.get(field)
        return _named(store, kind, record.get(reference)) if held is None else held

    return resolve


def _named(store: Store, kind: str, record_id: str | None) -> Record | None:
    """The record that an id names. Of a client that was deleted, the id is left; a user who left still answers."""
    found = store.get(kind, record_id)
    if found is not None or record_id is None:
        return found
    if kind == "users":
        return store.get("former_users", record_id)
    return {"id": record_id, "tags": []} if kind == "clients" else None


def _all(kind: str) -> Resolver:
    return lambda store, _, __: list(store.records(kind))


def _list(kind: str) -> Resolver:
    return lambda store, _, arguments: rows(store, kind, arguments)


def _by_argument(kind: str, *names: str) -> Resolver:
    def find(store: Store, _: Record, arguments: dict[str, Json]) -> Record | None:
        return store.get(kind, next((arguments[name] for name in names if arguments.get(name)), None))

    return find


def _contacts(store: Store, record: Record, arguments: dict[str, Json]) -> Rows:
    rows = store.children("contacts", "clientId", record["id"])
    if not arguments.get("includeArchived"):
        rows = [row for row in rows if not row["archived"]]
    return sorted(rows, key=lambda row: row.get("sortOrder") or 0)


def _default_contact(store: Store, record: Record, _: dict[str, Json]) -> Record | None:
    rows = store.children("contacts", "clientId", record["id"])
    return next((row for row in rows if row.get("isDefault")), None)


def _event_pianos(store: Store, record: Record, _: dict[str, Json]) -> Rows:
    rows = ((row, store.get("pianos", row["pianoId"])) for row in record["pianos"])
    return [{"isTuning": row["isTuning"], "piano": piano} for row, piano in rows if piano is not None]


def _nested(field: str) -> Resolver:
    return lambda _, record, __: record.get(field) or ()


def _nested_row(field: str, name: str, value: Json, *, or_first: bool = False) -> Resolver:
    """The row of a nested list that has this value."""

    def resolve(_: Store, record: Record, __: dict[str, Json]) -> Record | None:
        rows: list[Record] = record.get(field) or []
        return next((row for row in rows if row.get(name) == value), rows[0] if rows and or_first else None)

    return resolve


def _of_one_field(name: str, field: str) -> Resolver:
    """An object of which only one field is known, from a field of the record."""
    return lambda _, record, __: record.get(field) and {name: record[field]}


RESOLVERS: dict[tuple[str, str], Resolver] = {
    ("PrivateQuery", "allClients"): _list("clients"),
    ("PrivateQuery", "allEventsBatched"): _list("events"),
    ("PrivateQuery", "allInvoices"): _list("invoices"),
    ("PrivateQuery", "allMasterServiceGroups"): _all("product_groups"),
    ("PrivateQuery", "allMasterServiceItems"): _all("products"),
    ("PrivateQuery", "allPianos"): _list("pianos"),
    ("PrivateQuery", "allTaxes"): _all("taxes"),
    ("PrivateQuery", "allTimelineEntries"): lambda store, _, arguments: timeline(store, arguments),
    ("PrivateQuery", "allUsers"): _all("users"),
    ("PrivateQuery", "client"): _by_argument("clients", "id", "clientId"),
    ("PrivateQuery", "contact"): _by_argument("contacts", "id"),
    ("PrivateQuery", "event"): _by_argument("events", "eventId"),
    ("PrivateQuery", "invoice"): _by_argument("invoices", "id"),
    ("PrivateQuery", "piano"): _by_argument("pianos", "id", "pianoId"),
    ("PrivateQuery", "pianoMeasurement"): _by_argument("measurements", "id"),
    ("PrivateClient", "allContacts"): _contacts,
    ("PrivateClient", "defaultContact"): _default_contact,
    ("PrivateClient", "defaultClientLocalization"): lambda *_: {"locale": "fr_CA"},
    ("PrivateClient", "localization"): _of_one_field("locale", "locale"),
    ("PrivateContact", "allLocations"): _nested("locations"),
    ("PrivateContact", "defaultEmail"): _nested_row("emails", "isDefault", True, or_first=True),
    ("PrivateContact", "defaultPhone"): _nested_row("phones", "isDefault", True, or_first=True),
    ("PrivateContact", "defaultConfirmedMobilePhone"): _nested_row("phones", "confirmedClass", "MOBILE"),
    ("PrivateContact", "defaultLocation"): _nested_row("locations", "usageType", "STREET"),
    ("PrivatePiano", "allPianoMeasurements"): lambda store, record, _: store.children(
        "measurements", "pianoId", record["id"]
    ),
    ("PrivateEvent", "allEventPianos"): _event_pianos,
    ("PrivateTimelineEntry", "estimate"): _of_one_field("id", "estimateId"),
    ("PrivateInvoice", "allInvoiceItems"): _nested("items"),
    ("PrivateInvoice", "allInvoicePayments"): _nested("payments"),
}
