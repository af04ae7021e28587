"""The desk with its database far away: how many round trips a page makes, each a wait for whoever opens it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gazelle_sync.desk.access import set_person
from gazelle_sync.desk.desk import Desk
from gazelle_sync.warehouse.migrate import forget_schema, migrate, schema_remembered
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync_tests.support.desk import FrontDesk, Visitor, office_of
from gazelle_sync_tests.support.distance import COUNTED_S, DelayProxy, far_away
from gazelle_sync_tests.support.shop import Shop

A_PAGE = 5
"""At most so many, the question who asks included."""
AN_EDIT = 7
"""An edit: who asks, the journal's two lines, the edit itself in two, and what stands there now in two."""
PASSWORD = "une phrase assez longue"
PRODUCT = "INSERT INTO shop_products (sku, name_fr) VALUES ('FEUTRE', 'Feutre') RETURNING id"


@pytest.fixture
def far(shop: Shop) -> Iterator[tuple[FrontDesk, Visitor, DelayProxy]]:
    """Somebody who is signed in at a desk whose database is reached through a proxy that counts."""
    with office_of(shop) as office, far_away(shop.url, COUNTED_S) as proxy, schema_remembered():
        with borrow(shop.url) as connection:
            set_person(connection, "Zoé", "owner", PASSWORD, "test")
        settings = shop.settings.replace(database_url=proxy.url, desk_login="password")
        migrate(proxy.url)
        visitor = Visitor(Desk(settings, runs=office.desk.runs))
        visitor.send("/login", "/login", name="Zoé", password=PASSWORD)
        yield office, visitor, proxy


def addresses(office: FrontDesk) -> list[str]:
    """One of every page."""
    shop = office.shop
    piano = office.some("gazelle_pianos", "client_external_id IS NOT NULL")
    client = shop.value("SELECT client_external_id FROM gazelle_pianos WHERE external_id = %s", piano)
    technician = office.some("gazelle_users", "status = 'ACTIVE' AND is_schedulable")
    event = office.some("gazelle_appointments", "start_at IS NOT NULL")
    product = shop.value(PRODUCT)
    shop.query(
        "INSERT INTO inventory_movements (shop_product_id, technician_external_id, delta, kind) "
        "VALUES (%s, %s, 3, 'count')", product, technician,
    )  # fmt: skip
    shop.query("INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes) VALUES (%s, 'Attend')", piano)
    alert = shop.value(
        "INSERT INTO maintenance_alerts (piano_external_id, alert_type, description) "
        "VALUES (%s, 'housse', 'sans housse') RETURNING id", piano,
    )  # fmt: skip
    shop.query(
        "INSERT INTO sync_conflicts (entity, external_id, field, base, ours, theirs, winner) "
        "VALUES ('pianos', %s, 'notes', 'avant', 'ici', 'là-bas', 'ours')", piano,
    )  # fmt: skip
    draft = shop.value("INSERT INTO invoice_drafts (client_external_id) VALUES (%s) RETURNING id", client)
    shop.query("INSERT INTO invoice_draft_items (draft_id, description, amount) VALUES (%s, 'Accord', 99)", draft)
    return [
        f"/pianos/{piano}", f"/clients/{client}", "/", "/search?q=a", "/state", "/agenda", f"/agenda/visit/{event}",
        f"/agenda/new?piano={piano}", "/alerts", f"/alerts/{alert}", "/conflicts", "/stock",
        f"/stock/item?product=FEUTRE&technician={technician}", "/invoices", "/invoices?list=draft",
        f"/invoices/{office.some('gazelle_invoices')}", f"/invoices/new?client={client}", f"/invoices/drafts/{draft}",
        "/people", "/journal",
    ]  # fmt: skip


def test_every_page_and_an_edit_make_a_few_round_trips(far: tuple[FrontDesk, Visitor, DelayProxy]) -> None:
    office, visitor, proxy = far
    found: dict[str, list[list[str]]] = {}
    pages = addresses(office)
    for address in pages:
        visitor.open(address)  # what is read once a process is read
        proxy.round_trips()
        assert visitor.open(address).status == 200, address
        found[address] = proxy.round_trips()
    trips = {address: sum(map(len, of_page)) for address, of_page in found.items()}
    assert not any("(connection)" in str(of_page) for of_page in found.values()), "connections are kept"
    assert max(trips.values()) <= A_PAGE, {one: found[one] for one in trips if trips[one] > A_PAGE}

    form = visitor.open(pages[0]).form(pages[0], field="notes").fields
    proxy.round_trips()
    answer = visitor.client.post(pages[0], data={**form, "value": "Loin"}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    [of_edit] = proxy.round_trips()
    after = next(place for place, trip in enumerate(of_edit) if "little was written" in trip)
    assert after <= AN_EDIT, of_edit
    assert office.shop.value("SELECT notes FROM vincent_dindy_piano_updates") == "Loin"


def test_whether_the_schema_is_up_to_date_is_asked_once_and_again_when_something_is_gone(new_shop: Shop) -> None:
    with far_away(new_shop.url, COUNTED_S) as proxy:
        with schema_remembered():
            migrate(proxy.url)
            proxy.round_trips()
            assert migrate(proxy.url) == []
            assert proxy.round_trips() == []
            forget_schema(proxy.url)
            migrate(proxy.url)
            assert proxy.round_trips() != []
        migrate(proxy.url)
        proxy.round_trips()
        migrate(proxy.url)
        assert proxy.round_trips() != [], "a command asks each time"
