"""One complete body of each entity, as the operations ask for it. All of it is invented."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.reconcile.rows import Rows, Values

STAMPS = {"createdAt": "2023-05-01T12:00:00Z", "updatedAt": "2026-01-05T15:30:00Z"}
TECHNICIAN = {"id": "usr_helene", "firstName": "Hélène", "lastName": "Sansregret"}

LOCATION: dict[str, Any] = {
    "id": "loc_1", **STAMPS, "street1": "12, rue Inventée", "street2": None, "municipality": "Montréal",
    "region": "QC", "postalCode": "H0H 0H0", "countryCode": "CA", "latitude": "45.5139", "longitude": "-73.5616",
    "what3words": "juste.un.endroit", "locationType": "ADDRESS", "usageType": "GENERAL", "isBadAddress": False,
}  # fmt: skip
CONTACT: dict[str, Any] = {
    "id": "con_1", **STAMPS, "firstName": "Zoé", "middleName": "M.", "lastName": "Lévesque", "suffix": "Ph. D.",
    "title": "Mme", "role": "Directrice", "sortOrder": 1, "isDefault": True, "isBillingDefault": False,
    "archived": False, "wantsEmail": True, "wantsText": False, "wantsPhone": True,
    "defaultEmail": {"id": "eml_1", "email": "zoe@erables.example"},
    "defaultPhone": {"id": "pho_1", "phoneNumber": "514-555-0101", "extension": "12", "type": "WORK"},
    "defaultConfirmedMobilePhone": {"id": "pho_2", "phoneNumber": "514-555-0102"},
    "defaultLocation": {"id": "loc_1", "municipality": "Montréal", "postalCode": "H0H 0H0"},
    "allLocations": {"pageInfo": {"hasNextPage": False}, "nodes": [LOCATION]},
}  # fmt: skip
CLIENT: dict[str, Any] = {
    "id": "cli_1", **STAMPS, "companyName": "École des Trois-Érables", "status": "ACTIVE", "tags": ["École", "PLS"],
    "clientType": "Institution", "personalNotes": "Chien gentil", "preferenceNotes": "Avant 8 h",
    "preferredTechnicianId": "usr_helene", "preferredTechnician": TECHNICIAN, "lifecycleState": "ACTIVE",
    "noContactUntil": "2026-03-01", "noContactReason": "Travaux", "reasonInactiveCode": None,
    "reasonInactiveDetails": None, "referredBy": "Site", "referredByNotes": "2019", "referenceId": "QB-12",
    "region": "Montréal", "localization": {"locale": "fr_CA"}, "defaultClientLocalization": {"locale": "en_CA"},
    "defaultContact": {
        "id": "con_1", "firstName": "Zoé", "lastName": "Lévesque", "defaultEmail": {"email": "zoe@erables.example"},
        "defaultPhone": {"phoneNumber": "514-555-0101"},
        "defaultLocation": {"municipality": "Montréal", "postalCode": "H0H 0H0"},
    },
    "allContacts": {"pageInfo": {"hasNextPage": False}, "nodes": [CONTACT]},
}  # fmt: skip
MEASUREMENT: dict[str, Any] = {
    "id": "mea_1", **STAMPS, "takenOn": "2025-10-02", "humidity": 41, "temperature": 21,
    **{f"a{octave}Pitch": 440 for octave in range(8)}, **{f"a{octave}Dip": 10 for octave in range(8)},
    "d6SustainPlucked": 1, "d6SustainPlayed": 2, "g6SustainPlucked": 3, "g6SustainPlayed": 4, "c7SustainPlucked": 5,
    "c7SustainPlayed": 6,
}  # fmt: skip
PIANO: dict[str, Any] = {
    "id": "ins_1", **STAMPS, "client": {"id": "cli_1", "companyName": "École des Trois-Érables"}, "make": "Yamaha",
    "model": "C3", "serialNumber": "5412345", "type": "GRAND", "year": 1998, "location": "Salle 301",
    "status": "ACTIVE", "notes": "Pédale", "tags": ["TOP"], "size": "6'1\"", "useType": "Concert",
    "caseColor": "Noir", "caseFinish": "Poli", "hasIvory": False, "serviceIntervalMonths": 6,
    "calculatedLastService": "2025-10-02", "calculatedNextService": "2026-04-02", "manualLastService": None,
    "eventLastService": "2025-10-02", "nextServiceOverride": None, "damppChaserInstalled": True,
    "damppChaserHumidistatModel": "H-2", "damppChaserMfgDate": "2015-01-01", "playerInstalled": False,
    "playerMake": None, "playerModel": None, "playerSerialNumber": None, "needsRepairOrRebuilding": False,
    "totalLoss": False, "consignment": False, "rental": True, "rentalContractEndsOn": "2026-12-31",
    "potentialPerformanceLevel": 4, "lifecycleState": "ACTIVE", "referenceId": None,
    "allPianoMeasurements": [MEASUREMENT],
}  # fmt: skip
APPOINTMENT: dict[str, Any] = {
    "id": "evt_1", **STAMPS, "title": "Tire le Coyote avant 8h", "notes": "Sonner", "start": "2026-01-09T12:00:00Z",
    "duration": 90, "buffer": 15, "isAllDay": False, "timezone": "America/Toronto", "type": "APPOINTMENT",
    "status": "ACTIVE", "lifecycleState": None, "confirmedByClient": True, "confirmedAt": "2026-01-02T14:00:00Z",
    "source": "STAFF", "travelMode": "DRIVING", "addressLine": "12, rue Inventée", "recurrenceId": None,
    "client": {"id": "cli_1", "companyName": "École des Trois-Érables"}, "user": TECHNICIAN,
    "allEventPianos": {
        "pageInfo": {"hasNextPage": False},
        "nodes": [
            {"isTuning": True, "piano": {"id": "ins_1", "make": "Yamaha", "model": "C3"}},
            {"isTuning": False, "piano": {"id": "ins_2", "make": "Steinway", "model": "B"}},
        ],
    },
}  # fmt: skip
ITEM: dict[str, Any] = {
    "id": "itm_1", **STAMPS, "sequenceNumber": 1, "description": "Accord", "type": "SERVICE", "quantity": 150,
    "amount": 18000, "subTotal": 27000, "taxTotal": 4043, "total": 31043, "billable": True, "taxable": True,
    "taxes": [{"id": "x1", "taxId": "tax_1", "name": "TVQ", "rate": 9975, "total": 2693}],
    "piano": {"id": "ins_1", "make": "Yamaha", "model": "C3"},
    "masterServiceItem": {"id": "mit_1", "name": {"fr_CA": "Accord", "en_US": "Tuning"}},
}  # fmt: skip
PAYMENT: dict[str, Any] = {
    "id": "pay_1", "createdAt": "2026-01-10T03:31:00Z", "amount": 31543, "tipTotal": 500, "type": "CASH",
    "status": "SUCCEEDED", "paidAt": "2026-01-10T03:30:00Z", "notes": "Merci", "paymentSource": "MANUAL",
    "failureReason": None,
}  # fmt: skip
TAX: dict[str, Any] = {
    "id": "tax_1", "name": "TVQ", "rate": 9975, "default": True, "activeOrHistorical": "ACTIVE",
}  # fmt: skip
INVOICE: dict[str, Any] = {
    "id": "inv_1", "createdAt": "2026-01-10T03:30:00Z", "updatedAt": "2026-01-05T15:30:00Z", "number": 5121,
    "status": "OPEN", "archived": False, "dueOn": "2026-02-09", "netDays": 30, "subTotal": 27000, "taxTotal": 4043,
    "tipTotal": 0, "total": 31043, "paidTotal": 0, "dueTotal": 31043, "notes": "Merci", "topNotes": None,
    "tags": ["2026"], "client": {"id": "cli_1", "companyName": "École des Trois-Érables"},
    "contact": {"id": "con_1", "firstName": "Zoé", "lastName": "Lévesque"}, "assignedTo": TECHNICIAN,
    "allInvoiceItems": {"pageInfo": {"hasNextPage": False}, "nodes": [ITEM]},
    "allInvoicePayments": {"pageInfo": {"hasNextPage": False}, "nodes": [PAYMENT]},
}  # fmt: skip
USER: dict[str, Any] = {
    **TECHNICIAN, **STAMPS, "email": "helene@accord.example", "status": "ACTIVE", "accessLevel": "TECHNICIAN",
    "isSchedulable": True, "timezone": "America/Toronto", "region": None, "color": "#336699",
}  # fmt: skip
PRODUCT: dict[str, Any] = {
    "id": "mit_1", **STAMPS, "name": {"fr_CA": "Accord", "en_US": "Tuning"},
    "description": {"fr_CA": "Accord à 440 Hz", "en_US": "Tuning at 440 Hz"}, "amount": 18000, "duration": 90,
    "type": "LABOR_FIXED_RATE", "order": 3, "isTuning": True, "isTaxable": True, "isArchived": False,
    "isDefault": True, "isSelfSchedulable": True, "externalUrl": None,
    "masterServiceGroup": {"id": "msg_1", "name": {"fr_CA": "Accords", "en_US": "Tunings"}},
}  # fmt: skip
ENTRY: dict[str, Any] = {
    "id": "tme_1", "occurredAt": "2026-01-09T17:45:00Z", "type": "SERVICE_ENTRY_MANUAL", "summary": "Accord complet",
    "comment": "23°, 47 %, 440 Hz", "client": {"id": "cli_1"}, "piano": {"id": "ins_1"}, "invoice": {"id": "inv_1"},
    "estimate": {"id": "est_1"}, "user": TECHNICIAN,
}  # fmt: skip

BODIES = {
    "users": USER,
    "products": PRODUCT,
    "taxes": TAX,
    "clients": CLIENT,
    "pianos": PIANO,
    "invoices": INVOICE,
    "appointments": APPOINTMENT,
    "timeline": ENTRY,
}


def body_of(entity: Entity) -> dict[str, Any]:
    """A copy of an entity's body, which the test may change."""
    return copy.deepcopy(BODIES[entity.name])


def reconciled(name: str, **changes: object) -> Rows:
    """The rows of an entity's body, with some fields changed."""
    entity = next(entity for entity in ENTITIES if entity.name == name)
    return entity.reconcile({**body_of(entity), **changes})


def only(rows: Rows, table: str) -> Values:
    """The one row of a table."""
    (row,) = rows[table]
    return row


def connection(*nodes: object) -> dict[str, object]:
    """A nested list that is whole."""
    return {"pageInfo": {"hasNextPage": False}, "nodes": list(nodes)}


def contact(external_id: str, name: str, **changes: object) -> dict[str, object]:
    """A contact that is not the default one."""
    return {**copy.deepcopy(CONTACT), "id": external_id, "firstName": name, "isDefault": False, **changes}


def no_hints(_: object) -> Iterator[tuple[str, Values]]:
    """An entity whose bodies say nothing of their parents."""
    return iter(())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("2026-01-09T12:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "nodes", "pageInfo", "hasNextPage", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _places(inner, (*path, key))


def changed_somewhere(data: st.DataObject, body: dict[str, Any]) -> dict[str, Any]:
    """The body with something in it, at whatever depth, taken out or replaced by some JSON, up to three times."""
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(sorted(_places(body), key=str)))
        holder: Any = body
        for key in path[:-1]:
            holder = holder[key]
        if data.draw(st.booleans()) and isinstance(holder, dict):
            del holder[path[-1]]
        else:
            holder[path[-1]] = data.draw(JSON)
    return body
