"""Clients, their contacts and the contacts' locations: one body gives all three tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gazelle_sync.reconcile.pages import Columns, connections, flat, ids_of, inside, keys, read_page, strings, tags_page
from gazelle_sync.reconcile.rows import (
    PERSON,
    STAMPS,
    TAG_COLUMNS,
    Body,
    FieldMap,
    Rows,
    Values,
    boolean,
    columns,
    day,
    decimal_degrees,
    identity,
    inner,
    integer,
    named,
    nodes,
    read,
    record,
    reference,
    tags,
    text,
    within,
)

CLIENT: FieldMap = (
    *STAMPS,
    ("company_name", "companyName", text),
    ("status", "status", text),
    ("client_type", "clientType", text),
    ("personal_notes", "personalNotes", text),
    ("preference_notes", "preferenceNotes", text),
    ("preferred_technician_external_id", "preferredTechnicianId", reference),
    ("lifecycle_state", "lifecycleState", text),
    ("no_contact_until", "noContactUntil", day),
    ("no_contact_reason", "noContactReason", text),
    ("reason_inactive_code", "reasonInactiveCode", text),
    ("reason_inactive_details", "reasonInactiveDetails", text),
    ("referred_by", "referredBy", text),
    ("referred_by_notes", "referredByNotes", text),
    ("reference_id", "referenceId", text),
    ("region", "region", text),
)

LANGUAGE: FieldMap = (("locale", "locale", text),)

OF_DEFAULT_CONTACT: FieldMap = (
    *PERSON,
    ("email", "defaultEmail", inner("email", text)),
    ("phone", "defaultPhone", inner("phoneNumber", text)),
    ("city", "defaultLocation", inner("municipality", text)),
    ("postal_code", "defaultLocation", inner("postalCode", text)),
)

CONTACT: FieldMap = (
    *STAMPS,
    *PERSON,
    ("middle_name", "middleName", text),
    ("suffix", "suffix", text),
    ("title", "title", text),
    ("role", "role", text),
    ("email", "defaultEmail", inner("email", text)),
    ("phone", "defaultPhone", inner("phoneNumber", text)),
    ("mobile_phone", "defaultConfirmedMobilePhone", inner("phoneNumber", text)),
    ("is_default", "isDefault", boolean),
    ("is_billing_default", "isBillingDefault", boolean),
    ("wants_email", "wantsEmail", boolean),
    ("wants_text", "wantsText", boolean),
    ("wants_phone", "wantsPhone", boolean),
    ("archived", "archived", boolean),
    ("sort_order", "sortOrder", integer),
)

LOCATION: FieldMap = (
    *STAMPS,
    ("street1", "street1", text),
    ("street2", "street2", text),
    ("municipality", "municipality", text),
    ("region", "region", text),
    ("postal_code", "postalCode", text),
    ("country_code", "countryCode", text),
    ("latitude", "latitude", decimal_degrees),
    ("longitude", "longitude", decimal_degrees),
    ("what3words", "what3words", text),
    ("location_type", "locationType", text),
    ("usage_type", "usageType", text),
    ("is_bad_address", "isBadAddress", boolean),
)

_NO_CONTACT: Body = dict.fromkeys(field for _, field, _ in OF_DEFAULT_CONTACT)

CLIENT_COLUMNS = (
    "external_id",
    "display_name",
    *columns(CLIENT, LANGUAGE, OF_DEFAULT_CONTACT),
    *TAG_COLUMNS,
)
CONTACT_COLUMNS = ("external_id", "client_external_id", *columns(CONTACT))
LOCATION_COLUMNS = ("external_id", "contact_external_id", "client_external_id", *columns(LOCATION))


def reconcile_client(body: Body) -> Rows:
    """One client, its contacts and their locations."""
    external_id = identity(body)
    contacts = nodes(body, "allContacts")
    client = read(body, CLIENT, external_id=external_id)
    client |= tags(body) | _language(body)
    client.update(_of_default_contact(body, contacts))
    client.update(_display_name(client))
    rows: Rows = {"gazelle_clients": [client]}
    if contacts is not None:
        rows["gazelle_contacts"] = _contacts(external_id, contacts)
        locations = _locations(external_id, contacts)
        if locations is not None:
            rows["gazelle_locations"] = locations
    return rows


def client_page(bodies: Sequence[Body]) -> dict[str, Columns]:
    """The same for a page."""
    ids = ids_of(bodies)
    listed = connections(bodies, "allContacts")
    contacts, clients = flat(listed, ids)
    contact_ids = ids_of(contacts)
    locations, of_contacts = flat(connections(contacts, "allLocations"), contact_ids)
    client_of = dict(zip(contact_ids, clients, strict=True))
    of_clients = [client_of[contact] for contact in of_contacts]
    return {
        "gazelle_clients": _client_columns(bodies, ids, listed),
        "gazelle_contacts": keys(external_id=contact_ids, client_external_id=clients) | read_page(contacts, CONTACT),
        "gazelle_locations": keys(
            external_id=ids_of(locations), contact_external_id=of_contacts, client_external_id=of_clients
        )
        | read_page(locations, LOCATION),
    }


def _client_columns(bodies: Sequence[Body], ids: Sequence[str], contacts: Sequence[list[Body]]) -> Columns:
    found = keys(external_id=ids) | read_page(bodies, CLIENT) | tags_page(bodies)
    own, accounts = (inside(bodies, field) for field in ("localization", "defaultClientLocalization"))
    languages = zip(own, strings(inside(own, "locale")), strings(inside(accounts, "locale")), strict=True)
    found["locale"] = text, [theirs if record is None else locale for record, locale, theirs in languages]
    defaults = [_default_contact(body, listed) for body, listed in zip(bodies, contacts, strict=True)]
    found |= read_page([_NO_CONTACT if contact is None else contact for contact in defaults], OF_DEFAULT_CONTACT)
    names = (strings(found[column][1]) for column in ("company_name", "first_name", "last_name"))
    found["display_name"] = text, [_called(*said) for said in zip(ids, *names, strict=True)]
    return found


def parents_of_client(body: Body) -> Iterator[tuple[str, Values]]:
    """The technician whom the client prefers. The id stays even when the user behind it is gone."""
    external_id = body.get("preferredTechnicianId")
    technicians = list(named(body, "preferredTechnician", "gazelle_users", PERSON))
    if external_id and all(values["external_id"] != external_id for _, values in technicians):
        yield "gazelle_users", {"external_id": text(external_id)}
    yield from technicians


def named_client(body: Body) -> Iterator[tuple[str, Values]]:
    """What a body says of the client that it names."""
    for table, values in named(body, "client", "gazelle_clients", (("company_name", "companyName", text),)):
        name = (values.get("company_name") or "").strip()
        yield table, {**values, "display_name": name} if name else values


def _language(body: Body) -> Values:
    """The client's own language, else the account's for its clients."""
    said: Values = {}
    for field in ("defaultClientLocalization", "localization"):
        if body.get(field) is not None:
            said.update(read(body, (("locale", field, inner("locale", text)),)))
        elif field in body:
            said.setdefault("locale", None)
    return said


def _of_default_contact(body: Body, contacts: list[Body] | None) -> Values:
    """Name, address and numbers of the client: those of its default contact, None where it has no contact at all."""
    if contacts is None and "defaultContact" not in body:
        return {}
    contact = _default_contact(body, contacts or [])
    if contact is None:
        return dict.fromkeys(columns(OF_DEFAULT_CONTACT))
    with within("defaultContact"):
        return read(contact, OF_DEFAULT_CONTACT)


def _default_contact(body: Body, contacts: list[Body]) -> Body | None:
    if body.get("defaultContact") is not None:
        chosen: Body = read(body, (("contact", "defaultContact", record),))["contact"]
        return next((contact for contact in contacts if contact.get("id") == chosen.get("id")), chosen)
    living = [contact for contact in contacts if contact.get("archived") is not True]
    return next((contact for contact in living if contact.get("isDefault") is True), living[0] if living else None)


def _display_name(client: Values) -> Values:
    """What to call the client: its company, else its default contact, else its id.

    Left alone where the body says too little to tell: a body without contacts must not rename a person to an id.
    """
    company, first, last = (client.get(column) for column in ("company_name", "first_name", "last_name"))
    if not (company or "").strip() and not client.keys() >= {"company_name", "first_name", "last_name"}:
        return {}
    return {"display_name": _called(client["external_id"], company, first, last)}


def _called(external_id: str, company: str | None, first: str | None, last: str | None) -> str:
    return (
        (company or "").strip() or " ".join(filter(None, ((first or "").strip(), (last or "").strip()))) or external_id
    )


def _contacts(client_external_id: str, contacts: list[Body]) -> list[Values]:
    found: dict[str, Values] = {}  # by id: a list read page by page can bring a contact twice
    for index, contact in enumerate(contacts):
        with within("allContacts", index):
            external_id = identity(contact)
            found[external_id] = read(contact, CONTACT, external_id=external_id, client_external_id=client_external_id)
    return list(found.values())


def _locations(client_external_id: str, contacts: list[Body]) -> list[Values] | None:
    """Every contact's locations, or None when one contact does not say its own: the others' would pass for all."""
    found: dict[str, Values] = {}
    for place, contact in enumerate(contacts):
        contact_id = identity(contact)
        with within("allContacts", place):
            locations = nodes(contact, "allLocations")
        if locations is None:
            return None
        for index, location in enumerate(locations):
            with within(f"allContacts[{place}].allLocations[{index}]"):
                external_id = f"{contact_id}:{index}" if location.get("id") is None else identity(location)
                found[external_id] = read(
                    location,
                    LOCATION,
                    external_id=external_id,
                    contact_external_id=contact_id,
                    client_external_id=client_external_id,
                )
    return list(found.values())
