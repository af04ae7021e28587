"""The shop's daily work at the desk: conflicts, alerts, stock, agenda, as commands do it, with who and when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gazelle_sync.montreal import MONTREAL
from gazelle_sync_tests.support.desk import FrontDesk, Page

PRODUCT = "INSERT INTO shop_products (sku, name_fr, name_en) VALUES ('FEUTRE', 'Feutre', 'Felt') RETURNING id"


@pytest.fixture
def technician(front_desk: FrontDesk) -> str:
    found = front_desk.some("gazelle_users", "status = 'ACTIVE' AND is_schedulable")
    assert found.startswith("usr_")
    return found


def changes(front_desk: FrontDesk) -> list[tuple[Any, ...]]:
    return front_desk.shop.query("SELECT action, record, refusal IS NULL FROM desk_changes ORDER BY id")


# ---- conflicts


@pytest.fixture
def conflict(front_desk: FrontDesk) -> tuple[int, str]:
    piano = front_desk.some("gazelle_pianos")
    front_desk.visitor().edit(piano, "notes", "ce que l'atelier dit")
    number = front_desk.shop.value(
        "INSERT INTO sync_conflicts (entity, external_id, field, base, ours, theirs, winner) "
        "VALUES ('pianos', %s, 'notes', 'avant', 'ce que l''atelier dit', 'ce que Gazelle dit', 'ours') RETURNING id",
        piano,
    )
    return int(number), piano


def test_a_conflict_is_shown_side_by_side_and_a_person_says_what_counts(
    front_desk: FrontDesk, conflict: tuple[int, str]
) -> None:
    number, piano = conflict
    visitor = front_desk.visitor()
    page = visitor.open("/conflicts")
    assert "ce que l'atelier dit" in page.text
    assert "ce que Gazelle dit" in page.text
    assert ("take", "ours") in page.form(f"/conflicts/{number}").buttons
    taken = visitor.send(page, f"/conflicts/{number}", take="theirs")
    assert taken.status == 200
    assert front_desk.shop.value("SELECT notes FROM vincent_dindy_piano_updates WHERE gazelle_id = %s", piano) == (
        "ce que Gazelle dit"
    )
    assert front_desk.shop.value("SELECT taken FROM sync_conflicts WHERE id = %s", number) == "theirs"
    late = front_desk.visitor()
    answer = late.client.post(f"/conflicts/{number}", data={
        **visitor.open("/state").form("/sync").fields, "csrf": late.open("/state").form("/sync").fields["csrf"],
        "take": "ours",
    })  # fmt: skip
    assert answer.status_code == 422
    assert f"Le conflit {number} a été" in Page(answer).text


# ---- alerts


@pytest.fixture
def alert(front_desk: FrontDesk) -> int:
    # What the sandbox invents depends on the day; a piano has one open alert of a kind.
    without = "NOT EXISTS (SELECT FROM maintenance_alerts AS a WHERE a.piano_external_id = gazelle_pianos.external_id)"
    piano = front_desk.some("gazelle_pianos", without)
    return int(front_desk.shop.value(
        "INSERT INTO maintenance_alerts (piano_external_id, alert_type, description) "
        "VALUES (%s, 'housse', 'housse enlevée') RETURNING id", piano,
    ))  # fmt: skip


def status(front_desk: FrontDesk, alert: int) -> str:
    return str(front_desk.shop.value("SELECT status FROM maintenance_alerts WHERE id = %s", alert))


def test_an_alert_is_resolved_archived_and_opened_again_from_its_list(front_desk: FrontDesk, alert: int) -> None:
    visitor = front_desk.visitor()
    here = f"/alerts/{alert}"
    assert visitor.send("/alerts", here, status="resolved").status == 200
    assert status(front_desk, alert) == "resolved"
    assert visitor.send("/alerts?list=resolved", here, status="archived").status == 200
    assert visitor.send("/alerts?list=archived", here, status="open").status == 200
    assert status(front_desk, alert) == "open"
    who = front_desk.shop.query("SELECT DISTINCT made_by FROM maintenance_alert_events WHERE alert_id = %s", alert)
    assert who
    assert "housse enlevée" in visitor.open(here).text


def test_who_decides_on_an_alert_that_changed_meanwhile_is_told(front_desk: FrontDesk, alert: int) -> None:
    anne, ben = front_desk.visitor(), front_desk.visitor()
    opened = ben.open("/alerts")
    anne.send("/alerts", f"/alerts/{alert}", status="resolved")
    told = ben.send(opened, f"/alerts/{alert}", status="archived")
    assert told.status == 409
    assert "entre-temps" in told.text
    assert status(front_desk, alert) == "resolved"


def test_people_read_words_and_montreals_clock_never_codes_or_utc(front_desk: FrontDesk, alert: int) -> None:
    visitor, shop = front_desk.visitor(), front_desk.shop
    client = shop.value(
        "SELECT i.client_external_id FROM gazelle_invoices AS i INNER JOIN gazelle_appointments AS a "
        "USING (client_external_id) WHERE i.status = 'PAID' AND a.status = 'COMPLETE' AND i.deleted_at IS NULL "
        "AND a.deleted_at IS NULL ORDER BY 1 LIMIT 1"
    )
    page = visitor.open(f"/clients/{client}")
    assert re.search(r"\b(PAID|OPEN|OVERDUE|ACTIVE|COMPLETE|CANCELED)\b", page.text) is None
    assert "$ · payée" in page.text
    assert "· faite" in page.text
    visitor.send("/alerts", f"/alerts/{alert}", status="archived")
    for address in (f"/alerts/{alert}", "/journal"):
        text = visitor.open(address).text
        assert re.search(r"UTC|alert_archived|\d{4}-\d\d-\d\d", text) is None, text
    assert "a archivé une alerte" in text


# ---- stock


def test_the_stock_is_counted_bought_given_and_lost(front_desk: FrontDesk, technician: str) -> None:
    front_desk.shop.query(PRODUCT)
    other = front_desk.some("gazelle_users", f"external_id <> '{technician}'")
    visitor = front_desk.visitor()
    new = {"product": "Feutre", "technician": technician}
    assert "0 → 10" in visitor.send("/stock/item", "/stock/item", action="count", quantity="10", **new).text
    here = f"/stock/item?product=FEUTRE&technician={technician}"
    assert "10 → 12,5" in visitor.send(here, "/stock/item", action="purchase", quantity="2,5").text
    assert visitor.send(here, "/stock/item", action="transfer", quantity="2.5", to=other).status == 200
    assert visitor.send(here, "/stock/item", action="loss", quantity="1", reason="tombé").status == 200
    stock = dict(front_desk.shop.query("SELECT technician_external_id, quantity FROM inventory_stock"))
    assert {name: float(value) for name, value in stock.items()} == {technician: 9.0, other: 2.5}
    people = {one for (one,) in front_desk.shop.query("SELECT made_by FROM inventory_movements")}
    assert people == {one for (one,) in front_desk.shop.query("SELECT who FROM desk_changes")}
    assert "Feutre" in visitor.open("/stock").text


@pytest.mark.parametrize(
    ("action", "quantity"),
    [("loss", "1"), ("count", "-1"), ("count", "beaucoup"), ("correction", "1"), ("purchase", "0")],
)
def test_what_makes_no_sense_is_said_and_what_was_typed_stays(
    front_desk: FrontDesk, technician: str, action: str, quantity: str
) -> None:
    front_desk.shop.query(PRODUCT)
    visitor = front_desk.visitor()
    page = visitor.send(
        "/stock/item", "/stock/item", action=action, quantity=quantity, product="FEUTRE", technician=technician
    )
    assert page.status == 422
    assert page.form("/stock/item").fields["quantity"] == quantity
    assert front_desk.shop.value("SELECT count(*) FROM inventory_movements") == 0
    assert changes(front_desk)[0][2] is False, "the refusal is noted"


def test_a_count_of_a_stock_that_was_moved_meanwhile_is_told(front_desk: FrontDesk, technician: str) -> None:
    front_desk.shop.query(PRODUCT)
    anne, ben = front_desk.visitor(), front_desk.visitor()
    anne.send("/stock/item", "/stock/item", action="count", quantity="5", product="FEUTRE", technician=technician)
    here = f"/stock/item?product=FEUTRE&technician={technician}"
    opened = ben.open(here)
    anne.send(here, "/stock/item", action="purchase", quantity="3")
    told = ben.send(opened, "/stock/item", action="count", quantity="4")
    assert told.status == 409
    assert float(front_desk.shop.value("SELECT quantity FROM inventory_stock")) == 8.0
    assert ben.send(told, "/stock/item", action="count", quantity="7").status == 200


# ---- agenda


TODAY = datetime.now(UTC).astimezone(MONTREAL).date()
"""The day that others are counted from, though midnight passes."""


def at(days: int) -> str:
    """A time of some day as a form writes it: before anybody of the sandbox is at work, whatever it drew."""
    return f"{TODAY + timedelta(days=days)}T04:00"


def test_a_visit_is_made_from_a_piano_and_goes_into_the_drafts(front_desk: FrontDesk, technician: str) -> None:
    piano = front_desk.some("gazelle_pianos", "client_external_id IS NOT NULL AND status = 'ACTIVE'")
    visitor = front_desk.visitor()
    page = visitor.send(
        f"/agenda/new?piano={piano}", "/agenda/new", start=at(300), technician=technician, service="hall", notes="Scène"
    )
    assert page.status == 200, page.text
    action, minutes, pianos, by = front_desk.shop.query(
        "SELECT action, duration_minutes, pianos, updated_by FROM appointment_drafts"
    )[0]
    assert (action, minutes, pianos) == ("create", 80, [piano])
    assert by == front_desk.shop.value("SELECT who FROM desk_changes")
    assert visitor.open(f"/agenda?view=day&day={at(300)[:10]}").status == 200


def test_a_conflict_is_said_before_anything_is_stored_and_a_person_may_insist(
    front_desk: FrontDesk, technician: str
) -> None:
    piano = front_desk.some("gazelle_pianos", "client_external_id IS NOT NULL AND status = 'ACTIVE'")
    visitor = front_desk.visitor()
    here = f"/agenda/new?piano={piano}"
    visitor.send(here, "/agenda/new", start=at(300), technician=technician, minutes="60")
    refused = visitor.send(here, "/agenda/new", start=at(300), technician=technician, minutes="60")
    assert refused.status == 422
    assert front_desk.shop.value("SELECT count(*) FROM appointment_drafts") == 1
    assert refused.form("/agenda/new").fields["start"] == at(300)
    insisted = visitor.send(refused, "/agenda/new", force="1")
    assert insisted.status == 200
    assert front_desk.shop.query("SELECT is_forced FROM appointment_drafts ORDER BY id") == [(False,), (True,)]


def test_a_time_that_happens_twice_is_asked_about(front_desk: FrontDesk, technician: str) -> None:
    piano = front_desk.some("gazelle_pianos", "client_external_id IS NOT NULL AND status = 'ACTIVE'")
    visitor = front_desk.visitor()
    here = f"/agenda/new?piano={piano}"
    asked = visitor.send(here, "/agenda/new", start="2027-11-07T01:30", technician=technician, minutes="60")
    assert asked.status == 422
    assert 'name="fold"' in asked.html
    assert visitor.send(asked, "/agenda/new", fold="1").status == 200
    assert (
        str(front_desk.shop.value("SELECT start_at AT TIME ZONE 'UTC' FROM appointment_drafts"))
        == "2027-11-07 06:30:00"
    )
    gone = visitor.send(here, "/agenda/new", start="2027-03-14T02:30", technician=technician, minutes="60")
    assert gone.status == 422
    assert "n'existe pas" in gone.text


def test_a_visit_at_gazelle_is_moved_confirmed_and_cancelled(front_desk: FrontDesk) -> None:
    event = front_desk.some(
        "gazelle_appointments",
        "status = 'ACTIVE' AND event_type = 'APPOINTMENT' AND start_at > now() AND confirmed_at IS NULL "
        "AND confirmed_by_client IS NOT TRUE",
    )
    visitor = front_desk.visitor()
    here = f"/agenda/visit/{event}"
    page = visitor.open(here)
    assert page.status == 200
    moved = visitor.send(page, here, {"action": "move"}, start=at(299), keep="1")
    assert moved.status == 200, moved.text
    cancelled = next(form for form in visitor.open(here).forms if ("action", "cancel") in form.buttons)
    visitor.client.post(here, data={**cancelled.fields, "action": "cancel"})
    drafts = front_desk.shop.query("SELECT action, appointment_external_id FROM appointment_drafts ORDER BY id")
    assert drafts == [("move", event), ("cancel", event)]


def test_a_visit_that_waits_here_is_moved_and_lasts_as_long_as_before(front_desk: FrontDesk, technician: str) -> None:
    piano = front_desk.some("gazelle_pianos", "client_external_id IS NOT NULL AND status = 'ACTIVE'")
    visitor = front_desk.visitor()
    visitor.send(f"/agenda/new?piano={piano}", "/agenda/new", start=at(300), technician=technician, minutes="75")
    number = front_desk.shop.value("SELECT id FROM appointment_drafts")
    here = f"/agenda/visit/{number}"
    moved = visitor.send(here, here, {"action": "move"}, start=at(301))
    assert moved.status == 200, moved.text
    [(start, minutes, who)] = front_desk.shop.query(
        "SELECT start_at, duration_minutes, technician_external_id FROM appointment_drafts"
    )
    assert (f"{start.astimezone(MONTREAL):%Y-%m-%dT%H:%M}", minutes, who) == (at(301), 75, technician)
    withdrawn = next(form for form in visitor.open(here).forms if ("action", "cancel") in form.buttons)
    visitor.client.post(here, data={**withdrawn.fields, "action": "cancel"})
    gone = visitor.open(here)
    assert (gone.status, "ou elle est chez Gazelle" in gone.text) == (404, True), gone.text


def test_what_waits_to_be_done_about_a_visit_at_gazelle_is_said_and_not_asked_for_twice(front_desk: FrontDesk) -> None:
    event = front_desk.some(
        "gazelle_appointments",
        "status = 'ACTIVE' AND event_type = 'APPOINTMENT' AND start_at > now() AND confirmed_at IS NULL "
        "AND confirmed_by_client IS NOT TRUE",
    )
    visitor, here = front_desk.visitor(), f"/agenda/visit/{event}"
    page = visitor.open(here)
    assert not re.search(r"\b(ins|pno)_", page.text), "pianos are called by their names"
    asked = next(form for form in page.forms if ("action", "cancel") in form.buttons)
    visitor.client.post(here, data={**asked.fields, "action": "cancel"})
    after = visitor.open(here)
    assert "à annuler là-bas" in after.text
    assert ("action", "cancel") not in [button for form in after.forms for button in form.buttons]
    day = front_desk.shop.value(
        "SELECT (start_at AT TIME ZONE 'America/Toronto')::date FROM gazelle_appointments WHERE external_id = %s", event
    )
    assert "à annuler là-bas" in visitor.open(f"/agenda?view=day&day={day}").text


def test_who_moves_a_visit_that_was_moved_meanwhile_is_told(front_desk: FrontDesk) -> None:
    event = front_desk.some(
        "gazelle_appointments", "status = 'ACTIVE' AND event_type = 'APPOINTMENT' AND start_at > now()"
    )
    visitor = front_desk.visitor()
    here = f"/agenda/visit/{event}"
    opened = visitor.open(here)
    front_desk.shop.query(
        "UPDATE gazelle_appointments SET start_at = start_at + interval '1 day' WHERE external_id = %s", event
    )
    told = visitor.send(opened, here, {"action": "move"}, start=at(299))
    assert told.status == 409
    assert "entre-temps" in told.text
    assert front_desk.shop.value("SELECT count(*) FROM appointment_drafts") == 0
