"""A day's work at the desk in a real browser: agenda, alerts, conflicts, stock, invoices, state.

On a phone and a screen, in both languages, light and dark; axe judges each page on the way. The pictures of docs/ come
from here as well.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest

from gazelle_sync.desk.desk import Desk
from gazelle_sync.desk.runs import Started
from gazelle_sync.desk.server import running_desk
from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync.shop.search.index import refresh
from gazelle_sync.warehouse.pool import keep_connections
from gazelle_sync_tests.slow.test_desk_in_a_browser import client_of, piano_of
from gazelle_sync_tests.support.browsing import WAYS, Visitor, Way, visitor_at
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("a browser has to be installed, and starts")

MONDAY = date(2031, 3, 3)
DONE, REFUSED = ".said.done", ".said.refused"
PICTURES = {
    "desk-piano-screen.png": ("piano", Way("screen", "fr", "light")),
    "desk-piano-screen-en.png": ("piano", Way("screen", "en", "light")),
    "desk-piano-phone.png": ("piano", Way("phone", "fr", "dark")),
    "desk-search-phone.png": ("search", Way("phone", "fr", "dark")),
    "desk-state-screen.png": ("state", Way("screen", "fr", "light")),
    "desk-agenda-screen.png": ("agenda", Way("screen", "fr", "light")),
    "desk-alerts-phone.png": ("alerts", Way("phone", "fr", "light")),
    "desk-conflicts-screen.png": ("conflicts", Way("screen", "fr", "dark")),
    "desk-stock-phone.png": ("stock", Way("phone", "fr", "light")),
    "desk-invoice-screen.png": ("draft", Way("screen", "fr", "light")),
}
"""Picture of docs/ → page, window, language and colours. It is made where UPDATE_SCREENSHOTS is set."""


@pytest.fixture(scope="module")
def shop(open_shop: Shop) -> Shop:
    """A shop with something of everything."""
    shop, piano = open_shop, piano_of(open_shop)
    shop.query(
        "INSERT INTO gazelle_piano_measurements (external_id, piano_external_id, taken_on, humidity, temperature) "
        "SELECT 'm' || n, %s, '2026-01-01'::date + n * 40, 30 + n * 4, 19 + n %% 4 "
        "FROM generate_series(1, 8) AS n", piano,
    )  # fmt: skip
    shop.query(
        "INSERT INTO vincent_dindy_piano_updates (gazelle_id, status, notes, travail, updated_by) "
        "VALUES (%s, 'normal', 'La pédale grince.', 'Accord, cordes du do 5 remplacées', 'Zoé')", piano,
    )  # fmt: skip
    for name_fr, name_en, sku in (("Feutre", "Felt", "FEUTRE"), ("Corde n° 13", "String no. 13", "CORDE-13")):
        product = shop.value(
            "INSERT INTO shop_products (sku, name_fr, name_en) VALUES (%s, %s, %s) RETURNING id", sku, name_fr, name_en
        )
        for technician, quantity in zip(technicians_of(shop), (3, 12), strict=False):
            shop.query("INSERT INTO inventory_movements (shop_product_id, technician_external_id, delta, kind) "
                       "VALUES (%s, %s, %s, 'count')", product, technician, quantity)  # fmt: skip
    shop.query("UPDATE inventory_stock SET reorder_threshold = 4")
    draft = shop.value("INSERT INTO invoice_drafts (client_external_id) VALUES (%s) RETURNING id", client_of(shop))
    for text, amount in (("Accord", 150), ("Déplacement", 42.5)):
        shop.query("INSERT INTO invoice_draft_items (draft_id, description, amount) VALUES (%s, %s, %s)",
                   draft, text, amount)  # fmt: skip
    shop.query(
        "UPDATE gazelle_invoices SET status = 'OPEN', due_total = total, due_on = now()::date - 3, "
        "notes = 'Merci de payer.' WHERE external_id = (SELECT external_id FROM gazelle_invoices "
        "WHERE deleted_at IS NULL AND status = 'PAID' AND total > 100 ORDER BY 1 LIMIT 1)"
    )
    return shop


@pytest.fixture(scope="module")
def desk(browser: Any, shop: Shop) -> Iterator[Desk]:
    """A desk that listens, for all; it is not started where there is no browser."""
    with keep_connections(), running_desk(shop.settings, 0) as (desk, _):
        refresh(shop.settings)
        yield desk


@pytest.fixture(params=WAYS, ids=str)
def visitor(request: pytest.FixtureRequest, browser: Any, desk: Desk) -> Iterator[Visitor]:
    """Somebody at the desk, in each of the ways."""
    with visitor_at(browser, desk, request.param) as visitor:
        yield visitor


@pytest.fixture
def turn(visitor: Visitor) -> int:
    """The number of the way: each uses a week, a piano and an alert of its own."""
    return WAYS.index(visitor.way)


def technicians_of(shop: Shop) -> list[str]:
    query = "SELECT external_id FROM gazelle_users WHERE status = 'ACTIVE' AND is_schedulable ORDER BY 1"
    return [one for (one,) in shop.query(query)]


def invoice_of(shop: Shop) -> str:
    return str(shop.value("SELECT external_id FROM gazelle_invoices WHERE notes = 'Merci de payer.'"))


def busy_day(shop: Shop) -> str:
    """A Montreal day with many visits, of those to come."""
    return str(shop.value(
        "SELECT date_montreal FROM v_agenda WHERE start_at > now() AND start_at < now() + interval '90 days' "
        "GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    ))  # fmt: skip


def titles(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.query("SELECT title, status FROM appointment_drafts WHERE title IS NOT NULL ORDER BY id")


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_the_documentation_shows_a_page_as_it_is(browser: Any, desk: Desk, shop: Shop, name: str) -> None:
    page, way = PICTURES[name]
    piano = piano_of(shop)
    with conflict_and_alert(shop, piano), visitor_at(browser, desk, way) as visitor:
        visitor.page.goto({
            "piano": f"/pianos/{piano}", "search": "/search?q=accord", "state": "/state", "alerts": "/alerts",
            "agenda": f"/agenda?day={busy_day(shop)}", "conflicts": "/conflicts", "stock": "/stock",
            "draft": "/invoices/drafts/1",
        }[page])  # fmt: skip
        visitor.assert_fine()
        if os.environ.get("UPDATE_SCREENSHOTS"):
            visitor.page.screenshot(path=PROJECT_ROOT / "docs" / name)
    assert (PROJECT_ROOT / "docs" / name).stat().st_size < 110_000


@contextmanager
def conflict_and_alert(shop: Shop, piano: str) -> Iterator[tuple[int, int]]:
    """A conflict and an open alert of a piano, for the length of a block; gives their numbers."""
    conflict = shop.value(
        "INSERT INTO sync_conflicts (entity, external_id, field, base, ours, theirs, winner) "
        "VALUES ('pianos', %s, 'notes', 'La pédale est bonne.', 'La pédale grince.', 'La pédale a été huilée.', "
        "'ours') RETURNING id", piano,
    )  # fmt: skip
    shop.query("DELETE FROM maintenance_alerts WHERE piano_external_id = %s", piano)
    alert = shop.value(
        "INSERT INTO maintenance_alerts (piano_external_id, client_external_id, alert_type, description, "
        "date_observation, confidence) SELECT external_id, client_external_id, 'housse', 'La housse manque.', "
        "now()::date, 1 FROM gazelle_pianos WHERE external_id = %s RETURNING id", piano,
    )  # fmt: skip
    try:
        yield int(conflict), int(alert)
    finally:
        shop.query("DELETE FROM sync_conflicts WHERE id = %s", conflict)
        shop.query("DELETE FROM maintenance_alerts WHERE id = %s", alert)


# ---- agenda


def test_a_visit_is_planned_its_conflict_is_said_first_and_it_is_found_moved_and_cancelled(
    visitor: Visitor, shop: Shop, turn: int
) -> None:
    page, day = visitor.page, MONDAY + timedelta(weeks=turn)
    technician, other, *_ = technicians_of(shop)
    one, two = f"Première {turn}", f"Deuxième {turn}"
    page.goto(f"/pianos/{piano_of(shop)}")
    page.locator("a[href^='/agenda/new']").click()
    visitor.send(start=f"{day}T09:00", technician=technician, minutes="60", title=one)
    page.wait_for_url(f"**/agenda?view=day&day={day}")
    assert page.locator(f"main a:has-text('{one}')").is_visible()
    visitor.assert_fine()

    page.goto(f"/agenda/new?piano={piano_of(shop)}")
    visitor.send(start=f"{day}T09:30", technician=technician, minutes="60", title=two)
    page.wait_for_selector(REFUSED)
    assert page.input_value("#title") == two, "what was typed stays"
    assert page.locator("[name=force]").is_visible(), "a person may insist"
    assert (two, "ready") not in titles(shop), "nothing is stored before"
    visitor.assert_fine(refused=True)
    visitor.send(start=f"{day}T13:00")
    page.wait_for_url(f"**/agenda?view=day&day={day}")

    page.goto("/agenda")
    for who, is_there in ((other, False), (technician, True)):
        visitor.send("form[action='/agenda']", day=str(day), view="week", technician=who)
        page.wait_for_url(f"**technician={who}")
        assert (one in page.inner_text("main"), two in page.inner_text("main")) == (is_there, is_there)
    assert page.locator("main section.card").count() == 7
    visitor.assert_fine()

    page.locator(f"main a:has-text('{two}')").click()
    visitor.assert_fine()
    visitor.send("form:has([name=action][value=move])", start=f"{day + timedelta(days=1)}T15:00")
    page.wait_for_selector(DONE)
    page.goto(f"/agenda?view=day&day={day + timedelta(days=1)}")
    page.locator(f"main a:has-text('{two}')").click()
    page.locator("button[value=cancel]").dblclick()
    page.wait_for_selector(DONE)
    assert dict(titles(shop))[two] == "canceled"
    page.go_back()
    assert "Gazelle" in page.inner_text("#said"), "it is said that the visit does not wait here any more"


def test_a_visit_at_gazelle_is_confirmed_and_cancelled_and_the_agenda_says_what_waits(
    visitor: Visitor, shop: Shop, turn: int
) -> None:
    event, start = shop.query(
        "SELECT external_id, (start_at AT TIME ZONE 'America/Toronto')::date FROM gazelle_appointments "
        "WHERE status = 'ACTIVE' AND event_type = 'APPOINTMENT' AND start_at > now() AND confirmed_at IS NULL "
        "AND confirmed_by_client IS NOT TRUE AND deleted_at IS NULL AND NOT is_all_day ORDER BY 1 OFFSET %s LIMIT 1",
        turn,
    )[0]
    page = visitor.page
    page.goto(f"/agenda/visit/{event}")
    names = page.inner_text("dl")
    assert not re.search(r"\bins_\w+", names), "pianos are called by their names"
    visitor.assert_fine()
    page.locator("button[value=confirm]").click()
    page.wait_for_selector(DONE)
    page.goto(f"/agenda/visit/{event}")
    assert page.locator("button[value=confirm]").count() == 0, "once is enough"
    page.locator("button[value=cancel]").click()
    page.wait_for_selector(DONE)
    page.goto(f"/agenda?view=day&day={start}")
    waits = "à annuler là-bas" if visitor.way.language == "fr" else "to be cancelled there"
    assert waits in page.locator(f"li:has(a[href='/agenda/visit/{event}'])").inner_text()
    visitor.assert_fine()
    kept = shop.query("SELECT action FROM appointment_drafts WHERE appointment_external_id = %s ORDER BY id", event)
    assert kept == [("confirm",), ("cancel",)]


# ---- alerts and conflicts


def test_an_alert_is_resolved_archived_and_opened_again_from_the_three_lists(
    visitor: Visitor, shop: Shop, turn: int
) -> None:
    page = visitor.page
    with conflict_and_alert(shop, piano_of(shop, 10 + turn)) as (_, alert):
        status = "SELECT status FROM maintenance_alerts WHERE id = %s"
        form = f"form[action='/alerts/{alert}']"
        page.goto("/alerts")
        assert "La housse manque." in page.locator(f"article:has({form})").inner_text()
        for shown, becomes in (("open", "resolved"), ("resolved", "archived"), ("archived", "open")):
            page.goto("/alerts")
            page.locator(f".lists a[href^='/alerts?list={shown}']").click()
            visitor.assert_fine()
            page.locator(f"{form} button[value={becomes}]").dblclick()
            page.wait_for_selector(DONE)
            assert shop.value(status, alert) == becomes
        page.goto(f"/alerts/{alert}")
        assert page.locator("section[aria-labelledby=became] li").count() >= 3, "its history"
        visitor.assert_fine()


def test_of_two_sides_of_a_conflict_one_is_taken_by_its_button(visitor: Visitor, shop: Shop, turn: int) -> None:
    page, piano = visitor.page, piano_of(shop, 10 + turn)
    shop.query("INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes) VALUES (%s, 'La pédale grince.')", piano)
    with conflict_and_alert(shop, piano) as (conflict, _):
        page.goto(f"/pianos/{piano}")
        page.locator(".said.refused a[href^='/conflicts']").click()
        form = page.locator(f"form[action='/conflicts/{conflict}']")
        left, right = (form.locator(".sides > div").nth(n) for n in range(2))
        assert "La pédale grince." in left.inner_text()
        assert "La pédale a été huilée." in right.inner_text()
        here, there = left.bounding_box(), right.bounding_box()
        assert (here["y"] == there["y"]) is (visitor.way.window == "screen"), "side by side where there is room"
        visitor.assert_fine()
        right.locator("button").dblclick()
        page.wait_for_selector(DONE)
        assert form.count() == 0
        assert shop.value("SELECT taken FROM sync_conflicts WHERE id = %s", conflict) == "theirs"
    notes = "SELECT notes FROM vincent_dindy_piano_updates WHERE gazelle_id = %s"
    assert shop.value(notes, piano) == "La pédale a été huilée."


# ---- stock


def test_stock_is_counted_given_and_shown_where_it_runs_low(visitor: Visitor, shop: Shop, turn: int) -> None:
    page, sku = visitor.page, f"PIECE-{turn}"
    technician, other, *_ = technicians_of(shop)
    shop.query("INSERT INTO shop_products (sku, name_fr, name_en) VALUES (%s, %s, %s)", sku, sku.title(), sku.title())
    stock = (
        "SELECT s.technician_external_id, s.quantity FROM inventory_stock AS s JOIN shop_products AS p "
        "ON p.id = s.shop_product_id WHERE p.sku = %s"
    )
    page.goto("/stock")
    page.locator("main a[href='/stock/item']").click()
    visitor.assert_fine()
    visitor.send(product=sku, technician=technician, action="count", quantity="10", reorder_threshold="8")
    page.wait_for_selector(DONE)
    visitor.send(action="loss", quantity="11", reason="Tombé")
    page.wait_for_selector(REFUSED)
    assert page.input_value("#reason") == "Tombé", "there is not so much, and what was typed stays"
    visitor.assert_fine(refused=True)
    visitor.send(action="transfer", quantity="2,5", to=other)
    page.wait_for_selector(DONE)
    assert {name: float(quantity) for name, quantity in shop.query(stock, sku)} == {technician: 7.5, other: 2.5}

    page.goto("/stock")
    page.check("[name=low]")
    page.locator("form[action='/stock'] button").click()
    page.wait_for_url("**low=1")
    row = page.locator(f"tr:has-text('{sku.title()}')").first
    assert "▲" in row.inner_text()
    visitor.assert_fine()

    row.locator("a").click()
    seen = page.context.new_page()
    seen.goto(page.url)
    visitor.send(action="count", quantity="7")
    page.wait_for_selector(DONE)
    second = Visitor(seen, visitor.way)
    second.send(action="count", quantity="6")
    seen.wait_for_selector(REFUSED)
    second.assert_fine(refused=True)
    assert dict(shop.query(stock, sku))[technician] == 7, "of two who count, the second is told"


# ---- invoices


def test_an_invoice_is_made_checked_sent_and_paid_once_however_often_a_button_is_pressed(
    visitor: Visitor, desk: Desk, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    def start(*given: Any) -> bool:
        started.append(given[0])
        return True

    monkeypatch.setattr(desk.runs, "start", start)
    before = shop.value("SELECT count(*) FROM invoice_drafts")
    paid = shop.value("SELECT count(*) FROM invoice_draft_payments")
    page = visitor.page
    page.goto(f"/clients/{client_of(shop)}")
    page.locator("a[href^='/invoices/new']").click()
    visitor.assert_fine()
    page.locator("form[action='/invoices/new'] button").dblclick()
    page.wait_for_url("**/invoices/drafts/*")
    here = page.url
    page.locator("button[value=check]").click()
    page.wait_for_selector(REFUSED)  # there is no line yet
    visitor.assert_fine()
    visitor.send("section[aria-labelledby=add] form", description="Accord", amount="beaucoup")
    page.wait_for_selector(REFUSED)
    assert page.input_value("#description") == "Accord"
    visitor.send("section[aria-labelledby=add] form", amount="99")
    page.wait_for_selector("td:has-text('99')")
    page.locator("button[value=check]").click()
    page.wait_for_selector(DONE)
    visitor.assert_fine(refused=True)
    page.locator("section[aria-labelledby=send] button").dblclick()
    page.wait_for_selector(DONE)
    page.goto("/invoices?list=draft")
    assert page.locator(f"a[href='{here[here.index('/invoices') :]}']").count() == 1
    visitor.assert_fine()

    page.goto("/invoices")
    page.locator(f"tr a[href='/invoices/{invoice_of(shop)}']").click()
    visitor.assert_fine()
    visitor.send("section[aria-labelledby=pay] form", amount="-3")
    page.wait_for_selector(REFUSED)
    visitor.assert_fine(refused=True)
    page.fill("#amount", "4")
    page.locator("section[aria-labelledby=pay] button").dblclick()
    page.wait_for_selector(DONE)
    visitor.assert_fine()
    assert [words[0] for (words, *_) in started] == ["invoices", "push"]
    assert shop.value("SELECT count(*) FROM invoice_draft_payments") == paid + 1
    assert shop.value("SELECT count(*) FROM invoice_drafts") == before + 1


# ---- state


def test_synchronize_now_shows_how_far_it_is_and_what_came_of_it_without_reloading(
    visitor: Visitor, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()

    def one(started: Started, words: tuple[str, ...]) -> bool:
        goes_on.wait(30)
        started.lines.append(f"✗ {words[0]}: refusé")
        return False

    monkeypatch.setattr(desk.runs, "_one", one)
    page = visitor.page
    page.goto("/state")
    visitor.assert_fine()
    page.evaluate("window.stays = true")
    page.locator("form[action='/sync'] button").click()
    page.wait_for_selector("#run progress")
    assert page.locator("form[action='/sync'] button").count() == 0, "one at a time"
    visitor.assert_fine()
    goes_on.set()
    page.wait_for_selector("#run p:has-text('✗')")
    assert "push: refusé" in page.inner_text("#run pre")
    assert page.evaluate("window.stays")
    visitor.assert_fine()
