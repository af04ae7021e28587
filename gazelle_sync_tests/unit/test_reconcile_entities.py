"""What each reconciler makes of its entity."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazelle_sync.entities import APPOINTMENTS, CLIENTS, ENTITIES, TIMELINE
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.reconcile.rows import ReconcileError
from gazelle_sync_tests.support.bodies import (
    APPOINTMENT,
    CLIENT,
    ENTRY,
    ITEM,
    LOCATION,
    body_of,
    connection,
    contact,
    no_hints,
    only,
    reconciled,
)

# --- clients ---------------------------------------------------------------------------------------------------------


def test_a_client_carries_its_default_contact() -> None:
    client = only(reconciled("clients"), "gazelle_clients")
    assert client["display_name"] == "École des Trois-Érables"
    assert (client["first_name"], client["last_name"]) == ("Zoé", "Lévesque")
    assert (client["email"], client["phone"]) == ("zoe@erables.example", "514-555-0101")
    assert (client["city"], client["postal_code"]) == ("Montréal", "H0H 0H0")
    assert client["locale"] == "fr_CA"


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
    client = only(CLIENTS.reconcile({**body, "companyName": None}), "gazelle_clients")
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
    entity = CLIENTS
    assert entity.parent_hints is not None
    hints = list(entity.parent_hints({**CLIENT, "preferredTechnician": None}))
    assert hints == [("gazelle_users", {"external_id": "usr_helene"})]


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
        APPOINTMENTS.reconcile({"id": "evt_1"})


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
            TIMELINE.reconcile(body)


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
    assert hints["gazelle_users", "usr_helene"] == {
        "external_id": "usr_helene",
        "first_name": "Hélène",
        "last_name": "Sansregret",
    }
    assert hints["gazelle_pianos", "ins_2"] == {"external_id": "ins_2", "make": "Steinway", "model": "B"}
    assert hints["gazelle_products", "mit_1"] == {"external_id": "mit_1", "name_fr": "Accord", "name_en": "Tuning"}
    assert hints["gazelle_contacts", "con_1"]["last_name"] == "Lévesque"
    of_visit = dict((APPOINTMENTS.parent_hints or no_hints)(APPOINTMENT))
    assert of_visit["gazelle_clients"] == {
        "external_id": "cli_1",
        "company_name": "École des Trois-Érables",
        "display_name": "École des Trois-Érables",
    }
