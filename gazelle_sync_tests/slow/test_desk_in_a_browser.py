"""The desk in a real browser, with script: every page, and what happens to one that stands open.

Each page is opened on a phone and a screen, in both languages, light and dark, and judged by axe.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gazelle_sync.desk.desk import Desk
from gazelle_sync.desk.server import running_desk
from gazelle_sync.shop.search.index import refresh
from gazelle_sync.warehouse.pool import keep_connections
from gazelle_sync_tests.support.browsing import Visitor, Way, visitor_at
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("a browser has to be installed, and starts")

PHONE = Way("phone", "fr", "light")
SAVED = "#field-notes .saved:has-text('Enregistré')"
EVIL = '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 2"> fin'
NOTHING = "postgresql://postgres@127.0.0.1:1/nothing"


@pytest.fixture(scope="module")
def shop(open_shop: Shop) -> Shop:
    """A shop with a piano that has everything, in the words of somebody who means ill."""
    shop, piano = open_shop, piano_of(open_shop)
    shop.query(
        "INSERT INTO gazelle_timeline_entries (external_id, piano_external_id, occurred_at, title) "
        "VALUES ('tme_evil', %s, now() - interval '1 hour', %s)", piano, EVIL,
    )  # fmt: skip
    shop.query(
        "INSERT INTO gazelle_piano_measurements (external_id, piano_external_id, taken_on, humidity, temperature) "
        "SELECT 'm' || n, %s, '2026-01-01'::date + n * 40, 30 + n * 4, 19 + n %% 4 "
        "FROM generate_series(1, 8) AS n", piano,
    )  # fmt: skip
    shop.query(
        "INSERT INTO maintenance_alerts (piano_external_id, alert_type, description, source_external_id) "
        "VALUES (%s, 'housse', %s, 'tme_evil')", piano, EVIL,
    )  # fmt: skip
    shop.query("INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes) VALUES (%s, %s)", piano, EVIL)
    shop.query(
        "INSERT INTO sync_conflicts (entity, external_id, field, base, ours, theirs, winner) "
        "VALUES ('pianos', %s, 'notes', 'avant', %s, %s, 'ours')", piano, EVIL, EVIL,
    )  # fmt: skip
    shop.query("UPDATE gazelle_appointments SET title = %s, notes = %s WHERE start_at > now()", EVIL, EVIL)
    shop.query("UPDATE gazelle_invoice_items SET description = %s", EVIL)
    product = shop.value(
        "INSERT INTO shop_products (sku, name_fr, name_en) VALUES ('FEUTRE', %s, %s) RETURNING id", EVIL, EVIL
    )
    shop.query(
        "INSERT INTO inventory_movements (shop_product_id, technician_external_id, delta, kind, reason) "
        "VALUES (%s, %s, 3, 'count', %s)", product, technician_of(shop), EVIL,
    )  # fmt: skip
    shop.query("UPDATE inventory_stock SET reorder_threshold = 4")
    draft = shop.value(
        "INSERT INTO invoice_drafts (client_external_id, notes) VALUES (%s, %s) RETURNING id", client_of(shop), EVIL
    )
    shop.query("INSERT INTO invoice_draft_items (draft_id, description, amount) VALUES (%s, %s, 99)", draft, EVIL)
    shop.query("INSERT INTO desk_changes (who, action, details, refusal) VALUES (%s, 'edit', '{}', %s)", EVIL, EVIL)
    return shop


@pytest.fixture(scope="module")
def desk(browser: Any, shop: Shop) -> Iterator[Desk]:
    """A desk that listens; it is not started where there is no browser."""
    with keep_connections(), running_desk(shop.settings, 0) as (desk, _):
        refresh(shop.settings)
        yield desk


def piano_of(shop: Shop, place: int = 0) -> str:
    query = (
        "SELECT external_id FROM gazelle_pianos WHERE client_external_id IS NOT NULL AND serial_number IS NOT NULL "
        "AND deleted_at IS NULL ORDER BY external_id OFFSET %s LIMIT 1"
    )
    return str(shop.value(query, place))


@pytest.fixture
def piano(shop: Shop, places: Iterator[int]) -> str:
    """One about which nobody has written anything yet."""
    return piano_of(shop, next(places))


@pytest.fixture(scope="module")
def places() -> Iterator[int]:
    return iter(range(1, 1000))


def client_of(shop: Shop) -> str:
    return str(shop.value("SELECT client_external_id FROM gazelle_pianos WHERE external_id = %s", piano_of(shop)))


def technician_of(shop: Shop) -> str:
    return str(shop.value("SELECT external_id FROM gazelle_users WHERE status = 'ACTIVE' ORDER BY 1 LIMIT 1"))


def notes_of(shop: Shop, piano: str) -> str:
    return str(shop.value("SELECT notes FROM vincent_dindy_piano_updates WHERE gazelle_id = %s", piano))


def pages_of(shop: Shop) -> dict[str, str]:
    """Name → address of a page of each kind."""
    piano, client = piano_of(shop), client_of(shop)
    invoice = shop.value("SELECT external_id FROM gazelle_invoices ORDER BY 1 LIMIT 1")
    event = shop.value("SELECT external_id FROM gazelle_appointments WHERE start_at > now() ORDER BY 1 LIMIT 1")
    alert = shop.value("SELECT id FROM maintenance_alerts WHERE source_external_id = 'tme_evil'")
    draft = shop.value("SELECT min(id) FROM invoice_drafts")
    return {
        "home": "/", "search": "/search?q=a", "search of notes": "/search?q=onerror+fin", "piano": f"/pianos/{piano}",
        "client": f"/clients/{client}", "state": "/state", "agenda": "/agenda", "visit": f"/agenda/visit/{event}",
        "new visit": f"/agenda/new?piano={piano}", "alerts": "/alerts", "alert": f"/alerts/{alert}",
        "conflicts": "/conflicts", "stock": "/stock",
        "stock item": f"/stock/item?product=FEUTRE&technician={technician_of(shop)}",
        "invoices": "/invoices?list=all", "invoice": f"/invoices/{invoice}",
        "drafts": "/invoices?list=draft", "draft": f"/invoices/drafts/{draft}",
        "new invoice": f"/invoices/new?client={client}", "people": "/people", "journal": "/journal",
        "nothing": "/nowhere",
    }  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", ["phone", "screen"])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_page_is_accessible_fits_the_window_runs_nobodys_script_and_loads_without_complaint(
    browser: Any, desk: Desk, shop: Shop, language: str, window: str, scheme: str
) -> None:
    found: dict[str, Any] = {}
    with visitor_at(browser, desk, Way(window, language, scheme)) as visitor:
        for name, address in pages_of(shop).items():
            visitor.page.goto(address)
            wrong = visitor.faults()
            if name == "nothing":
                wrong["complaints"] = [one for one in wrong.pop("complaints", ()) if "404" not in one]
            if visitor.page.evaluate("window.hacked") is not None:
                wrong["script"] = "what somebody wrote was run"
            found |= {f"{name}: {rule}": what for rule, what in wrong.items() if what}
    assert found == {}, json.dumps(found, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("window", ["phone", "screen"])
def test_a_piano_is_found_and_edited_by_keyboard_and_gazelles_answer_appears_by_itself(
    browser: Any, desk: Desk, shop: Shop, piano: str, window: str
) -> None:
    serial = shop.value("SELECT serial_number FROM gazelle_pianos WHERE external_id = %s", piano)
    with visitor_at(browser, desk, Way(window, "fr", "light")) as visitor:
        page = visitor.page
        page.goto("/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className || document.activeElement.id") in ("skip", "wide", "")
        page.fill("#wide", str(serial))
        page.keyboard.press("Enter")
        link = page.locator(f"a[href='/pianos/{piano}']").first
        link.focus()
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/pianos/{piano}")
        page.evaluate("window.stays = true")
        visitor.field("notes").fill("La pédale ne grince plus.")
        visitor.save("notes").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(SAVED)
        assert "Attend" in page.inner_text("#push")
        with shop._connection().transaction():
            shop.query("SELECT set_config('gazelle_sync.pushing', 'on', true)")
            shop.query("UPDATE vincent_dindy_piano_updates SET needs_sync = false, last_synced_at = now()")
        page.wait_for_selector("#push:has-text('chez Gazelle ✓')")
        assert page.evaluate("window.stays"), "the page was not loaded again"
        assert visitor.problems == []
    assert notes_of(shop, piano) == "La pédale ne grince plus."


def test_of_two_tabs_the_second_is_told_and_sees_both(browser: Any, desk: Desk, shop: Shop, piano: str) -> None:
    with visitor_at(browser, desk) as one, visitor_at(browser, desk, PHONE) as other:
        for visitor in (one, other):
            visitor.page.goto(f"/pianos/{piano}")
        one.field("notes").fill("De l'un")
        one.save("notes").click()
        one.page.wait_for_selector(SAVED)
        other.field("notes").fill("De l'autre")
        other.save("notes").click()
        other.page.wait_for_selector("#field-notes [role=alert]")
        text = other.page.inner_text("#field-notes")
        assert "De l'un" in text
        assert "De l'autre" in text
        other.assert_fine(refused=True)
        assert notes_of(shop, piano) == "De l'un"
        other.save("notes").click()
        other.page.wait_for_selector(SAVED)
    assert notes_of(shop, piano) == "De l'autre"


def test_what_was_refused_is_put_right_in_the_field_where_it_stands(
    browser: Any, desk: Desk, shop: Shop, piano: str
) -> None:
    with visitor_at(browser, desk, PHONE) as visitor:
        visitor.page.goto(f"/pianos/{piano}")
        visitor.field("completed_at").fill("2027-03-14T02:30")
        visitor.save("completed_at").click()
        visitor.page.wait_for_selector("#said:has-text('n\\'existe pas')")
        assert visitor.page.locator("#said").is_visible()
        visitor.field("completed_at").fill("2027-03-14T03:30")
        visitor.save("completed_at").click()
        visitor.page.wait_for_selector("#field-completed_at .saved:has-text('Enregistré')")
        assert visitor.page.inner_text("#said") == "", "what was refused is said no longer"
        visitor.assert_fine(refused=True)


def test_a_double_click_does_it_once(browser: Any, desk: Desk, shop: Shop, piano: str) -> None:
    edits = "SELECT count(*) FROM desk_changes WHERE record = %s"
    with visitor_at(browser, desk) as visitor:
        visitor.page.goto(f"/pianos/{piano}")
        visitor.field("notes").fill("Une fois")
        visitor.save("notes").dblclick()
        visitor.page.wait_for_selector(SAVED)
        assert shop.value(edits, piano) == 1
        before = shop.value("SELECT quantity FROM inventory_stock")
        visitor.page.goto(f"/stock/item?product=FEUTRE&technician={technician_of(shop)}")
        visitor.page.select_option("#action", "purchase")
        visitor.page.fill("#quantity", "2")
        visitor.page.locator("form[action='/stock/item'] button").dblclick()
        visitor.page.wait_for_selector(".said")
    assert shop.value("SELECT quantity FROM inventory_stock") == before + 2


def test_the_back_button_shows_what_stands_there_now(browser: Any, desk: Desk, shop: Shop, piano: str) -> None:
    with visitor_at(browser, desk) as visitor:
        page = visitor.page
        page.goto(f"/pianos/{piano}")
        visitor.field("notes").fill("Après")
        visitor.save("notes").click()
        page.wait_for_selector(SAVED)
        page.goto("/state")
        page.go_back()
        assert visitor.field("notes").input_value() == "Après"
        visitor.field("notes").fill("Encore après")
        visitor.save("notes").click()
        page.wait_for_selector(SAVED)


def test_without_a_connection_what_was_written_stays(browser: Any, desk: Desk, shop: Shop, piano: str) -> None:
    with visitor_at(browser, desk) as visitor:
        visitor.page.goto(f"/pianos/{piano}")
        visitor.field("notes").fill("Écrit dans l'ascenseur")
        visitor.page.context.set_offline(True)
        visitor.save("notes").click()
        visitor.page.wait_for_selector("#said:has-text('Pas de connexion')")
        assert visitor.field("notes").input_value() == "Écrit dans l'ascenseur"
        visitor.page.context.set_offline(False)
        visitor.save("notes").click()
        visitor.page.wait_for_selector(SAVED)
        assert visitor.page.inner_text("#said") == ""
    assert notes_of(shop, piano) == "Écrit dans l'ascenseur"


def test_without_a_connection_a_form_of_a_whole_page_stays_as_it_was_filled_in(
    browser: Any, desk: Desk, shop: Shop, piano: str
) -> None:
    with visitor_at(browser, desk, PHONE) as visitor:
        page = visitor.page
        page.goto(f"/agenda/new?piano={piano}")
        page.context.set_offline(True)
        visitor.send(start="2031-05-06T09:00", technician=technician_of(shop), notes="Deuxième étage, sonner")
        page.wait_for_selector("#said:has-text('Pas de connexion')")
        assert page.input_value("#notes") == "Deuxième étage, sonner"
        page.context.set_offline(False)
        page.locator("main form[method=post] button").click()
        page.wait_for_url("**/agenda?view=day&day=2031-05-06")
    assert shop.query("SELECT notes FROM appointment_drafts") == [("Deuxième étage, sonner",)]


@pytest.mark.parametrize("window", ["phone", "screen"])
def test_without_its_database_the_page_says_why_and_keeps_what_was_written(
    browser: Any, desk: Desk, shop: Shop, piano: str, window: str
) -> None:
    with visitor_at(browser, desk, Way(window, "fr", "dark")) as visitor:
        page = visitor.page
        page.goto(f"/pianos/{piano}")
        visitor.field("notes").fill("Écrit pendant la panne")
        other = page.context.new_page()
        other.goto(f"/invoices/new?client={client_of(shop)}")
        other.fill("#notes", "Pour deux visites")
        there = desk.settings
        desk.settings = there.replace(database_url=NOTHING)
        try:
            visitor.save("notes").click()
            page.wait_for_selector("#said:has-text('est injoignable')")
            assert visitor.field("notes").input_value() == "Écrit pendant la panne"
            other.locator("main form[method=post] button").click()
            other.wait_for_selector("h2:has-text('Ce que vous avez écrit')")
            assert "Pour deux visites" in other.inner_text("main")
            fallen = Visitor(other, visitor.way)
            fallen.assert_fine()
        finally:
            desk.settings = there
        visitor.save("notes").click()
        page.wait_for_selector(SAVED)
        other.locator("main form[method=post] button").click()
        other.wait_for_url("**/invoices/drafts/*")
    assert notes_of(shop, piano) == "Écrit pendant la panne"
    assert shop.value("SELECT notes FROM invoice_drafts ORDER BY id DESC LIMIT 1") == "Pour deux visites"


def test_a_script_that_somebody_types_is_saved_and_shown_as_text(
    browser: Any, desk: Desk, shop: Shop, piano: str
) -> None:
    with visitor_at(browser, desk) as visitor:
        visitor.page.goto(f"/pianos/{piano}")
        visitor.field("notes").fill(EVIL)
        visitor.save("notes").click()
        visitor.page.wait_for_selector(SAVED)
        visitor.page.goto(f"/pianos/{piano}")
        assert visitor.field("notes").input_value() == EVIL
        visitor.page.goto("/search?q=onerror+fin")
        assert "<script>window.hacked" in visitor.page.inner_text("main")
        assert visitor.page.evaluate("window.hacked") is None
        assert visitor.problems == []


def test_ten_thousand_hits_are_paged(browser: Any, desk: Desk, shop: Shop) -> None:
    shop.query(
        "INSERT INTO gazelle_timeline_entries (external_id, occurred_at, title) "
        "SELECT 'tme_k' || n, now() - n * interval '1 minute', 'Beaucoup ' || n FROM generate_series(1, 10000) AS n"
    )
    refresh(shop.settings)
    with visitor_at(browser, desk, PHONE) as visitor:
        visitor.page.goto("/search?q=beaucoup")
        assert re.search(r"10\s000 notes", visitor.page.inner_text("h2"))
        visitor.page.locator("a:has-text('Tous')").click()
        visitor.page.locator("a[rel=next]").click()
        assert "Beaucoup 51" in visitor.page.inner_text("main")
        assert visitor.problems == []
