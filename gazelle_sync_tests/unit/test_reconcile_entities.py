"""Each reconciler: a complete body fills every column, and what a body does not say changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, SelectionSetNode, parse
from hypothesis import given, settings
from hypothesis import strategies as st

import gazelle_sync
from gazelle_sync.clock import MONTREAL
from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.reconcile.rows import ReconcileError, Rows, Values

STAMPS = {"createdAt": "2023-05-01T12:00:00Z", "updatedAt": "2026-01-05T15:30:00Z"}
TECHNICIAN = {"id": "usr_allan", "firstName": "Allan", "lastName": "Sutton"}

LOCATION: dict[str, Any] = {
    "id": "loc_1", **STAMPS, "street1": "1430, rue Saint-Denis", "street2": None, "municipality": "Montréal",
    "region": "QC", "postalCode": "H2X 3J8", "countryCode": "CA", "latitude": "45.5139", "longitude": "-73.5616",
    "what3words": "juste.un.endroit", "locationType": "ADDRESS", "usageType": "GENERAL", "isBadAddress": False,
}  # fmt: skip
CONTACT: dict[str, Any] = {
    "id": "con_1", **STAMPS, "firstName": "Zoé", "middleName": "M.", "lastName": "Lévesque", "suffix": "Ph. D.",
    "title": "Mme", "role": "Directrice", "sortOrder": 1, "isDefault": True, "isBillingDefault": False,
    "archived": False, "wantsEmail": True, "wantsText": False, "wantsPhone": True,
    "defaultEmail": {"id": "eml_1", "email": "zoe@vincent-dindy.qc.ca"},
    "defaultPhone": {"id": "pho_1", "phoneNumber": "514-555-0101", "extension": "12", "type": "WORK"},
    "defaultConfirmedMobilePhone": {"id": "pho_2", "phoneNumber": "514-555-0102"},
    "defaultLocation": {"id": "loc_1", "municipality": "Montréal", "postalCode": "H2X 3J8"},
    "allLocations": {"pageInfo": {"hasNextPage": False}, "nodes": [LOCATION]},
}  # fmt: skip
CLIENT: dict[str, Any] = {
    "id": "cli_1", **STAMPS, "companyName": "École Vincent-d'Indy", "status": "ACTIVE", "tags": ["École", "PLS"],
    "clientType": "Institution", "personalNotes": "Chien gentil", "preferenceNotes": "Avant 8 h",
    "preferredTechnicianId": "usr_allan", "preferredTechnician": TECHNICIAN, "lifecycleState": "ACTIVE",
    "noContactUntil": "2026-03-01", "noContactReason": "Travaux", "reasonInactiveCode": None,
    "reasonInactiveDetails": None, "referredBy": "Site", "referredByNotes": "2019", "referenceId": "QB-12",
    "region": "Montréal", "localization": {"locale": "fr_CA"}, "defaultClientLocalization": {"locale": "en_CA"},
    "defaultContact": {
        "id": "con_1", "firstName": "Zoé", "lastName": "Lévesque", "defaultEmail": {"email": "zoe@vincent-dindy.qc.ca"},
        "defaultPhone": {"phoneNumber": "514-555-0101"},
        "defaultLocation": {"municipality": "Montréal", "postalCode": "H2X 3J8"},
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
    "id": "ins_1", **STAMPS, "client": {"id": "cli_1", "companyName": "École Vincent-d'Indy"}, "make": "Yamaha",
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
    "source": "STAFF", "travelMode": "DRIVING", "addressLine": "1430, rue Saint-Denis", "recurrenceId": None,
    "client": {"id": "cli_1", "companyName": "École Vincent-d'Indy"}, "user": TECHNICIAN,
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
INVOICE: dict[str, Any] = {
    "id": "inv_1", "createdAt": "2026-01-10T03:30:00Z", "updatedAt": "2026-01-05T15:30:00Z", "number": 5121,
    "status": "OPEN", "archived": False, "dueOn": "2026-02-09", "netDays": 30, "subTotal": 27000, "taxTotal": 4043,
    "tipTotal": 0, "total": 31043, "paidTotal": 0, "dueTotal": 31043, "notes": "Merci", "topNotes": None,
    "tags": ["2026"], "client": {"id": "cli_1", "companyName": "École Vincent-d'Indy"},
    "contact": {"id": "con_1", "firstName": "Zoé", "lastName": "Lévesque"}, "assignedTo": TECHNICIAN,
    "allInvoiceItems": {"pageInfo": {"hasNextPage": False}, "nodes": [ITEM]},
}  # fmt: skip
USER: dict[str, Any] = {
    **TECHNICIAN, **STAMPS, "email": "allan@example.ca", "status": "ACTIVE", "accessLevel": "TECHNICIAN",
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
    "clients": CLIENT,
    "pianos": PIANO,
    "invoices": INVOICE,
    "appointments": APPOINTMENT,
    "timeline": ENTRY,
}
REQUIRED = {"id", "start", "occurredAt"}
OPERATIONS = Path(gazelle_sync.__file__).parent / "gazelle" / "operations"

each_entity = pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)


def body_of(entity: Entity) -> dict[str, Any]:
    return copy.deepcopy(BODIES[entity.name])


def reconciled(name: str, **changes: object) -> Rows:
    entity = next(entity for entity in ENTITIES if entity.name == name)
    return entity.reconcile({**body_of(entity), **changes})


def only(rows: Rows, table: str) -> Values:
    (row,) = rows[table]
    return row


def fields_of(value: object, path: str = "") -> Iterator[str]:
    """Paths of all fields of a body; lists and free-form texts by locale are passed through."""
    if isinstance(value, list):
        for item in value:
            yield from fields_of(item, path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if "_" not in name:  # fr_CA is a locale and not a field
                yield f"{path}.{name}"
                yield from fields_of(inner, f"{path}.{name}")


def selected_by(entity: Entity) -> set[str]:
    document = parse((OPERATIONS / f"{entity.name}.graphql").read_text(encoding="utf-8"))
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}

    def walk(selections: SelectionSetNode, path: str) -> Iterator[str]:
        for node in selections.selections:
            if isinstance(node, FragmentSpreadNode):
                yield from walk(fragments[node.name.value].selection_set, path)
            elif isinstance(node, FieldNode):
                yield f"{path}.{node.name.value}"
                if node.selection_set:
                    yield from walk(node.selection_set, f"{path}.{node.name.value}")

    return set(walk(fragments[entity.body_fragment].selection_set, ""))


@each_entity
def test_the_body_used_in_these_tests_is_the_one_that_the_query_asks_for(entity: Entity) -> None:
    assert set(fields_of(body_of(entity))) == selected_by(entity)


@each_entity
def test_a_complete_body_fills_every_column_that_is_declared_and_no_other(entity: Entity) -> None:
    rows = entity.reconcile(body_of(entity))
    assert list(rows) == [table.name for table in entity.tables]
    for table in entity.tables:
        assert rows[table.name]
        for row in rows[table.name]:
            assert set(row) == set(table.columns), table.name


@each_entity
def test_a_field_that_is_not_sent_leaves_its_columns_alone_and_changes_nothing_else(entity: Entity) -> None:
    complete = entity.reconcile(body_of(entity))
    table = entity.table.name
    for field in body_of(entity).keys() - REQUIRED:
        body = body_of(entity)
        del body[field]
        rows = entity.reconcile(body)
        assert rows.keys() <= complete.keys()
        assert only(rows, table).items() <= only(complete, table).items() or field in {
            "localization",  # the account's language stands in
            "defaultContact",  # the listed contact that is marked default stands in
        }
        assert all(rows[nested] == complete[nested] for nested in rows.keys() - {table})


@each_entity
def test_a_null_field_is_kept_as_null_except_where_null_can_only_be_a_fault(entity: Entity) -> None:
    complete = entity.reconcile(body_of(entity))
    table = entity.table.name
    for field in body_of(entity).keys() - REQUIRED:
        rows = entity.reconcile({**body_of(entity), field: None})
        without = body_of(entity)
        del without[field]
        if field == "tags" or field.startswith("all"):
            assert rows == entity.reconcile(without), field
            continue
        row, said_nothing = only(rows, table), only(entity.reconcile(without), table)
        assert row.keys() == only(complete, table).keys(), field
        assert all(row[column] == value for column, value in said_nothing.items()), field
        fallen = row.keys() - said_nothing.keys() - {"display_name"}  # without a company, the person's name
        assert all(row[column] is None for column in fallen), field


@each_entity
def test_unknown_fields_and_unknown_enum_values_are_no_errors(entity: Entity) -> None:
    body = body_of(entity)
    changed: dict[str, object] = {field: "INVENTED_TOMORROW" for field in ("status", "type") if field in body}
    rows = entity.reconcile({**body, **changed, "hologram": {"depth": [1, 2]}})
    kept = set(map(str, changed.values()))
    assert kept <= set(map(str, only(rows, entity.table.name).values()))


@each_entity
def test_a_body_without_an_id_is_refused(entity: Entity) -> None:
    for value in (None, ""):
        with pytest.raises(ReconcileError, match=r"^id: "):
            entity.reconcile({**body_of(entity), "id": value})
    with pytest.raises(ReconcileError, match=r"^id: is missing"):
        entity.reconcile({})


@each_entity
def test_references_are_to_records_that_the_body_names_to_its_caller(entity: Entity) -> None:
    """Every foreign key is a nested row's parent, a path in `parents` or a hint: else it would dangle."""
    rows = entity.reconcile(body_of(entity))
    hints = {(table, values["external_id"]) for table, values in (entity.parent_hints or no_hints)(body_of(entity))}
    inside = {(table, row["external_id"]) for table in rows for row in rows[table]}
    for table in entity.tables:
        for column, parent in table.references.items():
            for row in rows[table.name]:
                assert (parent, row[column]) in hints | inside, (table.name, column)


def no_hints(_: object) -> Iterator[tuple[str, Values]]:
    return iter(())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("2026-01-09T12:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "nodes", "pageInfo", "hasNextPage", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


@each_entity
@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_whatever_stands_in_a_body_it_becomes_rows_or_a_reconcile_error(entity: Entity, data: st.DataObject) -> None:
    body = body_of(entity)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(sorted(places(body), key=str)))
        holder: Any = body
        for key in path[:-1]:
            holder = holder[key]
        if data.draw(st.booleans()) and isinstance(holder, dict):
            del holder[path[-1]]
        else:
            holder[path[-1]] = data.draw(JSON)
    before = copy.deepcopy(body)
    try:
        rows = entity.reconcile(body)
        hints = list((entity.parent_hints or no_hints)(body))
    except ReconcileError:
        pass
    else:
        for table in entity.tables:
            ids = [row["external_id"] for row in rows.get(table.name, [])]
            assert len(ids) == len(set(ids))
            assert all(isinstance(external_id, str) and external_id for external_id in ids)
        assert all(values["external_id"] for _, values in hints)
    assert repr(body) == repr(before), "a reconciler must not touch the body"


@each_entity
@settings(deadline=None)
@given(body=JSON)
def test_a_body_that_is_no_record_is_refused(entity: Entity, body: Any) -> None:
    if isinstance(body, dict) and body.get("id") not in (None, ""):
        return
    with pytest.raises(ReconcileError):
        entity.reconcile(body)


def test_an_error_says_where_in_the_body_it_stands() -> None:
    bad = connection(contact("con_a", "Ana"), contact("con_b", "Bo", wantsText="maybe"))
    with pytest.raises(ReconcileError, match=r"^allContacts\[1\]\.wantsText: expected true or false, got 'maybe'$"):
        reconciled("clients", allContacts=bad)
    items = connection({**ITEM, "taxTotal": "13.5"})
    with pytest.raises(ReconcileError, match=r"^allInvoiceItems\[0\]\.taxTotal: expected a whole number, got '13.5'$"):
        reconciled("invoices", allInvoiceItems=items)


# --- clients ---------------------------------------------------------------------------------------------------------


def test_a_client_carries_its_default_contact() -> None:
    client = only(reconciled("clients"), "gazelle_clients")
    assert client["display_name"] == "École Vincent-d'Indy"
    assert (client["first_name"], client["last_name"]) == ("Zoé", "Lévesque")
    assert (client["email"], client["phone"]) == ("zoe@vincent-dindy.qc.ca", "514-555-0101")
    assert (client["city"], client["postal_code"]) == ("Montréal", "H2X 3J8")
    assert client["locale"] == "fr_CA"


def connection(*nodes: object) -> dict[str, object]:
    return {"pageInfo": {"hasNextPage": False}, "nodes": list(nodes)}


def contact(external_id: str, name: str, **changes: object) -> dict[str, object]:
    return {**copy.deepcopy(CONTACT), "id": external_id, "firstName": name, "isDefault": False, **changes}


@pytest.mark.parametrize(
    ("default", "contacts", "first_name"),
    [
        ({"id": "con_b"}, [contact("con_a", "Ana", isDefault=True), contact("con_b", "Bo")], "Bo"),
        ({"id": "con_z", "firstName": "Zed"}, [contact("con_a", "Ana")], "Zed"),
        (None, [contact("con_a", "Ana"), contact("con_b", "Bo", isDefault=True)], "Bo"),
        (None, [contact("con_a", "Ana", archived=True, isDefault=True), contact("con_b", "Bo")], "Bo"),
        (None, [contact("con_a", "Ana", archived=True)], None),
        (None, [], None),
    ],
)
def test_the_default_contact_is_the_one_named_else_marked_else_the_first_living(
    default: object, contacts: list[object], first_name: str | None
) -> None:
    client = only(reconciled("clients", defaultContact=default, allContacts=connection(*contacts)), "gazelle_clients")
    assert client["first_name"] == first_name


@pytest.mark.parametrize(
    ("company", "first", "last", "expected"),
    [
        ("Place des Arts", "Zoé", "Lévesque", "Place des Arts"),
        (None, "Zoé", "Lévesque", "Zoé Lévesque"),
        ("  ", "Zoé", None, "Zoé"),
        (None, None, "Lévesque", "Lévesque"),
        (None, " ", "", "cli_1"),
    ],
)
def test_a_client_is_called_by_company_else_person_else_id(
    company: str | None, first: str | None, last: str | None, expected: str
) -> None:
    contacts = connection(contact("con_1", "", firstName=first, lastName=last))
    rows = reconciled("clients", companyName=company, defaultContact=None, allContacts=contacts)
    assert only(rows, "gazelle_clients")["display_name"] == expected


def test_a_client_with_neither_company_nor_contact_is_called_by_its_id() -> None:
    rows = reconciled("clients", companyName=None, defaultContact=None, allContacts=connection())
    assert only(rows, "gazelle_clients")["display_name"] == "cli_1"
    assert rows["gazelle_contacts"] == []
    assert rows["gazelle_locations"] == []


def test_a_body_without_contacts_does_not_rename_a_person() -> None:
    body = {key: value for key, value in CLIENT.items() if key not in {"allContacts", "defaultContact"}}
    client = only(ENTITIES[2].reconcile({**body, "companyName": None}), "gazelle_clients")
    assert client["company_name"] is None
    assert "display_name" not in client
    assert "email" not in client


def test_a_client_without_a_language_of_its_own_has_the_accounts() -> None:
    assert only(reconciled("clients", localization=None), "gazelle_clients")["locale"] == "en_CA"


def test_archived_contacts_are_kept_and_marked() -> None:
    rows = reconciled("clients", allContacts=connection(contact("con_a", "Ana", archived=True)))
    assert only(rows, "gazelle_contacts")["archived"] is True


def test_a_contact_that_two_pages_list_is_one_row() -> None:
    rows = reconciled("clients", allContacts=connection(contact("con_a", "Ana"), contact("con_a", "Ana")))
    assert [row["external_id"] for row in rows["gazelle_contacts"]] == ["con_a"]


def test_locations_without_an_id_are_numbered_within_their_contact() -> None:
    nameless = connection({**LOCATION, "id": None}, {**LOCATION, "id": None})
    rows = reconciled("clients", allContacts=connection(contact("con_a", "Ana", allLocations=nameless)))
    assert [row["external_id"] for row in rows["gazelle_locations"]] == ["con_a:0", "con_a:1"]
    assert {row["client_external_id"] for row in rows["gazelle_locations"]} == {"cli_1"}


def test_locations_are_left_alone_when_one_contact_does_not_say_its_own() -> None:
    rows = reconciled(
        "clients", allContacts=connection(contact("con_a", "Ana"), contact("con_b", "B", allLocations=None))
    )
    assert "gazelle_locations" not in rows
    assert len(rows["gazelle_contacts"]) == 2


def test_a_preferred_technician_who_left_is_still_named() -> None:
    entity = ENTITIES[2]
    assert entity.parent_hints is not None
    hints = list(entity.parent_hints({**CLIENT, "preferredTechnician": None}))
    assert hints == [("gazelle_users", {"external_id": "usr_allan"})]


# --- pianos ----------------------------------------------------------------------------------------------------------


def test_a_piano_without_measurements_says_that_there_are_none() -> None:
    assert reconciled("pianos", allPianoMeasurements=[])["gazelle_piano_measurements"] == []


def test_an_empty_tag_list_is_said_and_left_to_the_guard() -> None:
    piano = only(reconciled("pianos", tags=[]), "gazelle_pianos")
    assert piano["tags"] == piano["gazelle_tags"] == []


def test_a_measurement_keeps_its_readings() -> None:
    row = only(reconciled("pianos"), "gazelle_piano_measurements")
    assert row["piano_external_id"] == "ins_1"
    assert (row["taken_on"], row["humidity"], row["a4_pitch"]) == (date(2025, 10, 2), 41, 440)


# --- appointments ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "on_the_wall"),
    [("2026-01-09T12:00:00Z", "07:00"), ("2026-07-09T22:00:00Z", "18:00")],
    ids=["Tire le Coyote avant 8h", "Tire le Coyote à 18h"],
)
def test_tire_le_coyote_is_stored_in_utc_and_shown_in_montreal(start: str, on_the_wall: str) -> None:
    row = only(reconciled("appointments", start=start), "gazelle_appointments")
    assert f"{row['appointment_date']}T{row['appointment_time']}Z" == start
    assert row["start_at"].astimezone(MONTREAL).strftime("%H:%M") == on_the_wall


@settings(deadline=None)
@given(
    start=st.datetimes(
        min_value=datetime(2016, 1, 1),  # noqa: DTZ001 (Hypothesis adds the zone)
        max_value=datetime(2037, 12, 31),  # noqa: DTZ001
        timezones=st.just(UTC),
    )
)
def test_date_and_time_put_together_are_the_start_on_every_day_of_the_year(start: datetime) -> None:
    row = only(reconciled("appointments", start=start.isoformat()), "gazelle_appointments")
    assert row["start_at"] == start
    assert row["appointment_time"].tzinfo is None
    assert datetime.combine(row["appointment_date"], row["appointment_time"], tzinfo=UTC) == start


def test_the_two_hours_that_montreal_counts_twice_stay_two() -> None:
    first, second = "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"
    starts = [only(reconciled("appointments", start=s), "gazelle_appointments")["start_at"] for s in (first, second)]
    assert starts[1] - starts[0] == timedelta(hours=1)
    assert starts[0].astimezone(MONTREAL).time() == starts[1].astimezone(MONTREAL).time() == time(1, 30)


@pytest.mark.parametrize("start", [None, "2026-01-09T12:00:00", "2026-01-09", 12])
def test_an_appointment_without_a_true_start_is_refused(start: object) -> None:
    with pytest.raises(ReconcileError, match=r"^start: "):
        reconciled("appointments", start=start)
    with pytest.raises(ReconcileError, match=r"^start: is missing"):
        ENTITIES[5].reconcile({"id": "evt_1"})


def test_a_memo_has_no_client_and_no_piano() -> None:
    rows = reconciled("appointments", type="MEMO", client=None, allEventPianos=connection())
    row = only(rows, "gazelle_appointments")
    assert row["client_external_id"] is None
    assert row["piano_external_id"] is None
    assert rows["gazelle_appointment_pianos"] == []


def test_an_appointment_names_its_first_piano_and_lists_them_all() -> None:
    rows = reconciled("appointments")
    assert only(rows, "gazelle_appointments")["piano_external_id"] == "ins_1"
    assert [(row["external_id"], row["is_tuning"]) for row in rows["gazelle_appointment_pianos"]] == [
        ("evt_1:ins_1", True),
        ("evt_1:ins_2", False),
    ]


def test_a_piano_listed_twice_is_one_row_tuned_if_either_says_so() -> None:
    twice = connection(*({"isTuning": tuning, "piano": {"id": "ins_1"}} for tuning in (False, True)))
    row = only(reconciled("appointments", allEventPianos=twice), "gazelle_appointment_pianos")
    assert row["is_tuning"] is True


def test_pianos_that_were_not_said_leave_the_first_one_alone() -> None:
    rows = reconciled("appointments", allEventPianos=None)
    assert "piano_external_id" not in only(rows, "gazelle_appointments")
    assert "gazelle_appointment_pianos" not in rows


# --- invoices, products, timeline ------------------------------------------------------------------------------------


def test_an_invoice_is_of_the_montreal_day_on_which_it_was_made() -> None:
    invoice = only(reconciled("invoices"), "gazelle_invoices")
    assert invoice["gazelle_created_at"] == datetime(2026, 1, 10, 3, 30, tzinfo=UTC)
    assert invoice["invoice_date"] == date(2026, 1, 9)


def test_invoice_money_is_in_dollars_and_quantities_are_whole_or_not() -> None:
    rows = reconciled("invoices")
    assert only(rows, "gazelle_invoices")["total"] == Decimal("310.43")
    item = only(rows, "gazelle_invoice_items")
    assert (item["quantity"], item["amount"], item["sub_total"]) == (Decimal("1.50"), Decimal(180), Decimal(270))
    assert item["taxes"] == ITEM["taxes"]


@pytest.mark.parametrize(
    ("sequences", "ids"),
    [
        ([1, 2], ["inv_1:1", "inv_1:2"]),
        ([None, None], ["inv_1:0", "inv_1:1"]),
        ([1, 1], ["inv_1:1", "inv_1:1.1"]),
        ([1, None], ["inv_1:1", "inv_1:1.1"]),
    ],
)
def test_items_without_an_id_are_told_apart(sequences: list[int | None], ids: list[str]) -> None:
    items = connection(*({**ITEM, "id": None, "sequenceNumber": sequence} for sequence in sequences))
    rows = reconciled("invoices", allInvoiceItems=items)
    assert [row["external_id"] for row in rows["gazelle_invoice_items"]] == ids


def test_a_product_has_a_name_in_each_language_that_gazelle_gives() -> None:
    product = only(reconciled("products", description="Accord à 440 Hz"), "gazelle_products")
    assert (product["name_fr"], product["name_en"]) == ("Accord", "Tuning")
    assert product["description_fr"] == product["description_en"] == "Accord à 440 Hz"
    assert (product["amount"], product["group_name"]) == (Decimal("180.00"), "Accords")


def test_a_timeline_entry_has_gazelles_summary_as_title_and_comment_as_description() -> None:
    entry = only(reconciled("timeline"), "gazelle_timeline_entries")
    assert (entry["title"], entry["description"]) == ("Accord complet", "23°, 47 %, 440 Hz")
    assert entry["occurred_at"] == datetime(2026, 1, 9, 17, 45, tzinfo=UTC)
    assert "duplicate_of" not in entry
    assert "measurements" not in entry


def test_a_timeline_entry_that_says_no_instant_is_refused() -> None:
    for body in ({**ENTRY, "occurredAt": None}, {"id": "tme_1"}):
        with pytest.raises(ReconcileError, match=r"^occurredAt: is missing"):
            ENTITIES[6].reconcile(body)


def test_a_note_of_a_megabyte_comes_through_whole() -> None:
    note = "é" * 500_000
    assert only(reconciled("timeline", comment=note), "gazelle_timeline_entries")["description"] == note


def test_a_body_says_of_its_parents_what_a_stub_needs() -> None:
    hints = {
        (table, values["external_id"]): values
        for entity in ENTITIES
        if entity.parent_hints
        for table, values in entity.parent_hints(
            {**body_of(entity), "client": {"id": "cli_1", "companyName": "Vincent"}}
        )
    }
    assert hints["gazelle_clients", "cli_1"]["external_id"] == "cli_1"
    assert hints["gazelle_users", "usr_allan"] == {
        "external_id": "usr_allan",
        "first_name": "Allan",
        "last_name": "Sutton",
    }
    assert hints["gazelle_pianos", "ins_2"] == {"external_id": "ins_2", "make": "Steinway", "model": "B"}
    assert hints["gazelle_products", "mit_1"] == {"external_id": "mit_1", "name_fr": "Accord", "name_en": "Tuning"}
    assert hints["gazelle_contacts", "con_1"]["last_name"] == "Lévesque"
    of_visit = dict((ENTITIES[5].parent_hints or no_hints)(APPOINTMENT))
    assert of_visit["gazelle_clients"] == {
        "external_id": "cli_1",
        "company_name": "École Vincent-d'Indy",
        "display_name": "École Vincent-d'Indy",
    }
