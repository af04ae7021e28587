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

LOCALIZATIONS = {
    locale: {
        "id": f"loz_{locale}",
        "locale": locale,
        "dateFormatLocale": locale,
        "timeFormatLocale": locale,
        "currencyFormat": "AFTER" if locale == "fr_CA" else "BEFORE",
        "firstDayOfWeek": "SUN",
        "isClientDefault": locale == "fr_CA",
        "isUserDefault": locale == "fr_CA",
        "createdAt": "2016-01-04T15:00:00Z",
        "updatedAt": "2016-01-04T15:00:00Z",
    }
    for locale in ("fr_CA", "en_CA")
}
COMPANY = {
    "id": "com_0sandbox",
    "name": "Les Pianos du Bac à Sable",
    "email": "atelier@pianos-bac-a-sable.example",
    "website": "https://pianos-bac-a-sable.example",
    "street1": "1, rue Imaginaire",
    "municipality": "Montréal",
    "region": "QC",
    "postalCode": "H0H 0H0",
    "countryCode": "CA",
    "countryName": "Canada",
    "createdAt": "2016-01-04T15:00:00Z",
}


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


def _named(store: Store, kind: str, record_id: str | None) -> Record | None:
    """The record that an id names. Of a client that was deleted, the id is left; a user who left still answers."""
    found = store.get(kind, record_id)
    if found is not None or record_id is None:
        return found
    if kind == "users":
        return store.get("former_users", record_id)
    return {"id": record_id, "tags": []} if kind == "clients" else None


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
    if of_type == "PrivateCompany":
        return lambda *_: COMPANY
    if of_type not in KIND_OF_TYPE:
        return None
    kind, reference = KIND_OF_TYPE[of_type], f"{field}Id"

    def resolve(store: Store, record: Record, _: dict[str, Json]) -> Json:
        held = record.get(field)
        return _named(store, kind, record.get(reference)) if held is None else held

    return resolve


def _inline(field: str) -> Resolver:
    return lambda _, record, __: record.get(field) or ()


def _default(field: str) -> Resolver:
    def resolve(_: Store, record: Record, __: dict[str, Json]) -> Record | None:
        rows: list[Record] = record.get(field) or []
        return next((row for row in rows if row.get("isDefault")), rows[0] if rows else None)

    return resolve


def _location(usage: str) -> Resolver:
    def resolve(_: Store, record: Record, __: dict[str, Json]) -> Record | None:
        return next((row for row in record.get("locations") or () if row["usageType"] == usage), None)

    return resolve


def _contacts(store: Store, record: Record, arguments: dict[str, Json]) -> Rows:
    rows = store.children("contacts", "clientId", record["id"])
    if not arguments.get("includeArchived"):
        rows = [row for row in rows if not row["archived"]]
    return sorted(rows, key=lambda row: row.get("sortOrder") or 0)


def _default_contact(flag: str) -> Resolver:
    def resolve(store: Store, record: Record, _: dict[str, Json]) -> Record | None:
        rows = store.children("contacts", "clientId", record["id"])
        return next((row for row in rows if row.get(flag)), None)

    return resolve


def _client_pianos(store: Store, record: Record, arguments: dict[str, Json]) -> Rows:
    rows = store.children("pianos", "clientId", record["id"])
    wanted = arguments.get("status")
    return [row for row in rows if wanted is None or row.get("status") in wanted]


def _last_invoice(store: Store, record: Record, _: dict[str, Json]) -> Record | None:
    return max(store.children("invoices", "clientId", record["id"]), key=lambda row: row["number"], default=None)


def _event_pianos(store: Store, record: Record, _: dict[str, Json]) -> Rows:
    rows = ((row, store.get("pianos", row["pianoId"])) for row in record["pianos"])
    return [{"isTuning": row["isTuning"], "piano": piano, "event": record} for row, piano in rows if piano is not None]


def _estimate(_: Store, record: Record, __: dict[str, Json]) -> Record | None:
    if record.get("estimateId") is None:
        return None
    day = record["occurredAt"][:10]
    return {
        "id": record["estimateId"],
        "number": 1,
        "locale": "fr_CA",
        "tags": [],
        "isArchived": False,
        "estimatedOn": day,
        "expiresOn": day,
        "clientUrl": f"https://gazelle.example/e/{record['estimateId']}",
        "createdAt": record["occurredAt"],
        "updatedAt": record["occurredAt"],
    }


def _invoice_payment(store: Store, record: Record, _: dict[str, Json]) -> Record | None:
    invoice = store.get("invoices", record.get("invoiceId"))
    payments = (invoice or {}).get("payments") or ()
    return next((row for row in payments if row["id"] == record.get("invoicePaymentId")), None)


def _children(kind: str, field: str) -> Resolver:
    return lambda store, record, _: store.children(kind, field, record["id"])


def _all(kind: str) -> Resolver:
    return lambda store, _, __: list(store.records(kind))


def _list(kind: str) -> Resolver:
    return lambda store, _, arguments: rows(store, kind, arguments.get("filters"), arguments.get("sortBy"))


def _tags(kind: str) -> Resolver:
    return lambda store, _, __: sorted({tag for record in store.records(kind) for tag in record["tags"]})


def _by_argument(kind: str, *names: str) -> Resolver:
    def find(store: Store, _: Record, arguments: dict[str, Json]) -> Record | None:
        return store.get(kind, next((arguments[name] for name in names if arguments.get(name)), None))

    return find


_FRENCH: Resolver = lambda _, __, ___: LOCALIZATIONS["fr_CA"]  # noqa: E731
_LOCALIZATION: Resolver = lambda _, record, __: LOCALIZATIONS.get(record.get("locale") or "")  # noqa: E731

RESOLVERS: dict[tuple[str, str], Resolver] = {
    ("PrivateQuery", "allClients"): _list("clients"),
    ("PrivateQuery", "allClientTags"): _tags("clients"),
    ("PrivateQuery", "allEvents"): lambda store, _, arguments: _list("events")(store, _, arguments)[:],
    ("PrivateQuery", "allEventsBatched"): _list("events"),
    ("PrivateQuery", "allInvoices"): _list("invoices"),
    ("PrivateQuery", "allMasterServiceGroups"): _all("product_groups"),
    ("PrivateQuery", "allMasterServiceItems"): _all("products"),
    ("PrivateQuery", "allPastAndPresentTaxes"): _all("taxes"),
    ("PrivateQuery", "allPianos"): _list("pianos"),
    ("PrivateQuery", "allPianoTags"): _tags("pianos"),
    ("PrivateQuery", "allTaxes"): _all("taxes"),
    ("PrivateQuery", "allTimelineEntries"): lambda store, _, arguments: timeline(store, arguments),
    ("PrivateQuery", "allUsers"): _all("users"),
    ("PrivateQuery", "client"): _by_argument("clients", "id", "clientId"),
    ("PrivateQuery", "contact"): _by_argument("contacts", "id"),
    ("PrivateQuery", "event"): _by_argument("events", "eventId"),
    ("PrivateQuery", "invoice"): _by_argument("invoices", "id"),
    ("PrivateQuery", "piano"): _by_argument("pianos", "id", "pianoId"),
    ("PrivateQuery", "pianoMeasurement"): _by_argument("measurements", "id"),
    ("PrivateQuery", "user"): lambda store, _, __: next(store.records("users"), None),
    ("PrivateClient", "allContacts"): _contacts,
    ("PrivateClient", "allPianos"): _client_pianos,
    ("PrivateClient", "allClientsReferred"): _children("clients", "referralClientId"),
    ("PrivateClient", "defaultContact"): _default_contact("isDefault"),
    ("PrivateClient", "defaultBillingContact"): _default_contact("isBillingDefault"),
    ("PrivateClient", "defaultClientLocalization"): _FRENCH,
    ("PrivateClient", "localization"): _LOCALIZATION,
    ("PrivateClient", "lastInvoice"): _last_invoice,
    ("PrivateContact", "allEmails"): _inline("emails"),
    ("PrivateContact", "allPhones"): _inline("phones"),
    ("PrivateContact", "allLocations"): _inline("locations"),
    ("PrivateContact", "allAddresses"): _inline("addresses"),
    ("PrivateContact", "defaultEmail"): _default("emails"),
    ("PrivateContact", "defaultPhone"): _default("phones"),
    ("PrivateContact", "defaultConfirmedMobilePhone"): lambda _, record, __: next(
        (row for row in record.get("phones") or () if row.get("confirmedClass") == "MOBILE"), None
    ),
    ("PrivateContact", "defaultAddress"): _default("addresses"),
    ("PrivateContact", "defaultBillingAddress"): _default("addresses"),
    ("PrivateContact", "defaultLocation"): _location("STREET"),
    ("PrivateContact", "defaultBillingLocation"): _location("BILLING"),
    ("PrivateContact", "defaultMailingLocation"): _location("MAILING"),
    ("PrivatePiano", "allPianoMeasurements"): _children("measurements", "pianoId"),
    ("PrivateEvent", "allEventPianos"): _event_pianos,
    ("PrivateTimelineEntry", "estimate"): _estimate,
    ("PrivateTimelineEntry", "invoicePayment"): _invoice_payment,
    ("PrivateUser", "localization"): _LOCALIZATION,
    ("PrivateInvoice", "allClientLogs"): _children("client_logs", "invoiceId"),
    ("PrivateInvoice", "allInvoiceItems"): _inline("items"),
    ("PrivateInvoice", "allInvoicePayments"): _inline("payments"),
    ("PrivateMasterServiceItem", "allUsers"): _all("users"),
    ("PrivateMasterServiceGroup", "allMasterServiceItems"): _children("products", "masterServiceGroupId"),
}
