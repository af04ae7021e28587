"""Fields that are not simply stored: references, connections and what follows from other records.

A stored record keeps a reference as `clientId`, `userId`, … and small nested rows as lists; everything that `RESOLVERS`
does not name is read from the record under its own name.
"""

from __future__ import annotations

from collections.abc import Callable

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.pages import Listed, Rows
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
CURRENCY = {
    "id": "cur_CAD",
    "code": "CAD",
    "label": "Dollar canadien",
    "symbol": "$",
    "decimalDigits": 2,
    "divisor": 100,
}


def client(store: Store, client_id: str | None) -> Record | None:
    """A client by id, or what is left of one that was deleted and is still named: its id."""
    if client_id is None:
        return None
    return store.get("clients", client_id) or {"id": client_id, "tags": []}


def user(store: Store, user_id: str | None) -> Record | None:
    """A user by id, one that `allUsers` no longer lists included."""
    if user_id is None:
        return None
    return store.get("users", user_id) or store.get("former_users", user_id)


def _reference(kind: str, field: str) -> Resolver:
    return lambda store, record, _: store.get(kind, record.get(field))


def _client(store: Store, record: Record, _: dict[str, Json]) -> Record | None:
    return client(store, record.get("clientId"))


def _user(field: str) -> Resolver:
    return lambda store, record, _: user(store, record.get(field))


def _inline(field: str) -> Resolver:
    return lambda _, record, __: Listed(record.get(field) or ())


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
    return Listed(sorted(rows, key=lambda row: row.get("sortOrder") or 0))


def _default_contact(flag: str) -> Resolver:
    def resolve(store: Store, record: Record, _: dict[str, Json]) -> Record | None:
        rows = store.children("contacts", "clientId", record["id"])
        return next((row for row in rows if row.get(flag)), None)

    return resolve


def _client_pianos(store: Store, record: Record, arguments: dict[str, Json]) -> Rows:
    rows = store.children("pianos", "clientId", record["id"])
    wanted = arguments.get("status")
    return Listed([row for row in rows if wanted is None or row.get("status") in wanted])


def _last_invoice(store: Store, record: Record, _: dict[str, Json]) -> Record | None:
    return max(store.children("invoices", "clientId", record["id"]), key=lambda row: row["number"], default=None)


def _event_pianos(store: Store, record: Record, _: dict[str, Json]) -> Rows:
    rows = ((row, store.get("pianos", row["pianoId"])) for row in record["pianos"])
    return Listed(
        [{"isTuning": row["isTuning"], "piano": piano, "event": record} for row, piano in rows if piano is not None]
    )


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


def _group_items(store: Store, record: Record, _: dict[str, Json]) -> list[Record]:
    return store.children("products", "masterServiceGroupId", record["id"])


_FRENCH: Resolver = lambda _, __, ___: LOCALIZATIONS["fr_CA"]  # noqa: E731
_LOCALIZATION: Resolver = lambda _, record, __: LOCALIZATIONS.get(record.get("locale") or "")  # noqa: E731
_COMPANY: Resolver = lambda _, __, ___: COMPANY  # noqa: E731

RESOLVERS: dict[tuple[str, str], Resolver] = {
    ("PrivateClient", "allContacts"): _contacts,
    ("PrivateClient", "allPianos"): _client_pianos,
    ("PrivateClient", "allClientsReferred"): lambda store, record, _: store.children(
        "clients", "referralClientId", record["id"]
    ),
    ("PrivateClient", "company"): _COMPANY,
    ("PrivateClient", "defaultContact"): _default_contact("isDefault"),
    ("PrivateClient", "defaultBillingContact"): _default_contact("isBillingDefault"),
    ("PrivateClient", "defaultClientLocalization"): _FRENCH,
    ("PrivateClient", "localization"): _LOCALIZATION,
    ("PrivateClient", "lastInvoice"): _last_invoice,
    ("PrivateClient", "preferredTechnician"): _user("preferredTechnicianId"),
    ("PrivateClient", "referralClient"): _reference("clients", "referralClientId"),
    ("PrivateContact", "client"): _client,
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
    ("PrivatePiano", "client"): _client,
    ("PrivatePiano", "company"): _COMPANY,
    ("PrivatePiano", "allPianoMeasurements"): lambda store, record, _: store.children(
        "measurements", "pianoId", record["id"]
    ),
    ("PrivatePiano", "nextTuningScheduled"): _reference("events", "nextTuningScheduledId"),
    ("PrivateEvent", "client"): _client,
    ("PrivateEvent", "user"): _user("userId"),
    ("PrivateEvent", "createdBy"): _user("createdById"),
    ("PrivateEvent", "allEventPianos"): _event_pianos,
    ("PrivateTimelineEntry", "appointment"): _reference("events", "appointmentId"),
    ("PrivateTimelineEntry", "client"): _client,
    ("PrivateTimelineEntry", "estimate"): _estimate,
    ("PrivateTimelineEntry", "invoice"): _reference("invoices", "invoiceId"),
    ("PrivateTimelineEntry", "invoicePayment"): _invoice_payment,
    ("PrivateTimelineEntry", "piano"): _reference("pianos", "pianoId"),
    ("PrivateTimelineEntry", "user"): _user("userId"),
    ("PrivateUser", "localization"): _LOCALIZATION,
    ("PrivateInvoice", "allClientLogs"): lambda store, record, _: Listed(
        store.children("client_logs", "invoiceId", record["id"])
    ),
    ("PrivateInvoice", "allInvoiceItems"): _inline("items"),
    ("PrivateInvoice", "allInvoicePayments"): _inline("payments"),
    ("PrivateInvoice", "assignedTo"): _user("assignedToId"),
    ("PrivateInvoice", "client"): _client,
    ("PrivateInvoice", "company"): _COMPANY,
    ("PrivateInvoice", "contact"): _reference("contacts", "contactId"),
    ("PrivateInvoice", "createdBy"): _user("createdById"),
    ("PrivateInvoice", "currency"): lambda _, __, ___: CURRENCY,
    ("PrivateInvoiceItem", "masterServiceItem"): _reference("products", "masterServiceItemId"),
    ("PrivateInvoiceItem", "piano"): _reference("pianos", "pianoId"),
    ("PrivateInvoicePayment", "currency"): lambda _, __, ___: CURRENCY,
    ("PrivateInvoicePayment", "invoice"): _reference("invoices", "invoiceId"),
    ("PrivateMasterServiceItem", "allUsers"): lambda store, _, __: list(store.records("users")),
    ("PrivateMasterServiceItem", "masterServiceGroup"): _reference("product_groups", "masterServiceGroupId"),
    ("PrivateMasterServiceGroup", "allMasterServiceItems"): _group_items,
    ("PrivateClientLog", "client"): _client,
    ("PrivateClientLog", "createdBy"): _user("createdById"),
    ("PrivateClientLog", "invoice"): _reference("invoices", "invoiceId"),
    ("PrivateClientLog", "piano"): _reference("pianos", "pianoId"),
}
