"""What goes wrong around the desk is said, with what to do, and nothing that somebody wrote is lost or done twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gazelle_sync.desk import edits, journal
from gazelle_sync.desk.access import set_person
from gazelle_sync.errors import DatabaseError
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync_tests.integration.test_desk_far_away import addresses
from gazelle_sync_tests.integration.test_few_rights import clerk_of
from gazelle_sync_tests.support.desk import FrontDesk, Page, Visitor
from gazelle_sync_tests.support.shop import Shop

NOTHING = "postgresql://postgres@127.0.0.1:1/nothing"
SCRIPT = {"HX-Request": "true"}
PASSWORD = "une phrase assez longue"
TEXT = "La pédale grince <b>encore</b>.\nÀ revoir."


@pytest.fixture
def piano(front_desk: FrontDesk) -> str:
    return front_desk.some("gazelle_pianos", "client_external_id IS NOT NULL AND status = 'ACTIVE'")


def notes(front_desk: FrontDesk) -> str:
    return str(front_desk.shop.value("SELECT notes FROM vincent_dindy_piano_updates"))


def without_its_database(front_desk: FrontDesk, visitor: Visitor) -> Visitor:
    """The same person, at a desk whose database cannot be reached."""
    gone = front_desk.visitor(database_url=NOTHING)
    gone.client.cookies = visitor.client.cookies
    return gone


def cut_everybody_off(shop: Shop) -> None:
    shop.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def failing_once(real: Callable[..., Any]) -> Callable[..., Any]:
    """A function that the database leaves alone at its first call."""
    left = [DatabaseError("PostgreSQL cannot be reached")]

    def called(*given: Any, **more: Any) -> Any:
        if left:
            raise left.pop()
        return real(*given, **more)

    return called


# ---- the database goes away


def test_an_edit_that_the_database_left_in_the_middle_is_saved_when_it_is_sent_again(
    front_desk: FrontDesk, piano: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*given: Any) -> Any:
        monkeypatch.setattr("gazelle_sync.desk.pianos.write", real)
        cut_everybody_off(front_desk.shop)
        return real(*given)

    real = edits.write
    monkeypatch.setattr("gazelle_sync.desk.pianos.write", cut)
    visitor = front_desk.visitor()
    failed = visitor.edit(piano, "notes", TEXT)
    assert failed.status == 503
    assert "est injoignable" in failed.text
    assert "La pédale grince <b>encore</b>. À revoir." in failed.text
    assert "<b>encore" not in failed.html
    assert visitor.send(failed, f"/pianos/{piano}").status == 200
    assert notes(front_desk) == TEXT
    assert front_desk.shop.query("SELECT action, refusal FROM desk_changes") == [("edit", None)]


def test_an_edit_that_was_saved_and_not_answered_is_no_conflict_with_itself(
    front_desk: FrontDesk, piano: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_end", failing_once(journal._end))
    visitor = front_desk.visitor()
    failed = visitor.edit(piano, "notes", TEXT)
    assert failed.status == 503
    again = visitor.send(failed, f"/pianos/{piano}")
    assert again.status == 200
    assert "Enregistré" in again.text
    assert notes(front_desk) == TEXT


def test_what_could_be_done_twice_is_not_and_the_person_is_asked_to_look(
    front_desk: FrontDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    technician = front_desk.some("gazelle_users", "status = 'ACTIVE' AND is_schedulable")
    front_desk.shop.query("INSERT INTO shop_products (sku, name_fr) VALUES ('FEUTRE', 'Feutre')")
    monkeypatch.setattr(journal, "_end", failing_once(journal._end))
    visitor = front_desk.visitor()
    failed = visitor.send(
        "/stock/item", "/stock/item", action="purchase", quantity="2", product="FEUTRE", technician=technician,
        reason="Chez le fournisseur",
    )  # fmt: skip
    assert failed.status == 503
    asked = visitor.send(failed, "/stock/item")
    assert asked.status == 409
    assert "Regarder si cela y est" in asked.text
    assert "Chez le fournisseur" in asked.text
    assert f"/stock/item?product=FEUTRE&technician={technician}&location=main" in asked.links
    assert float(front_desk.shop.value("SELECT quantity FROM inventory_stock")) == 2.0
    assert visitor.send(asked, "/stock/item").status == 200, "who has looked may send it again"
    assert float(front_desk.shop.value("SELECT quantity FROM inventory_stock")) == 4.0


@pytest.mark.parametrize("login", ["none", "password"])
def test_a_form_that_meets_no_database_shows_what_was_written_and_is_sent_when_it_is_back(
    front_desk: FrontDesk, piano: str, login: str
) -> None:
    with borrow(front_desk.shop.url) as connection:
        set_person(connection, "Zoé", "staff", PASSWORD, "test")
    technician = front_desk.some("gazelle_users", "status = 'ACTIVE' AND is_schedulable")
    visitor = front_desk.visitor(desk_login=login)
    if login == "password":
        visitor.send("/login", "/login", name="Zoé", password=PASSWORD)
    form = visitor.open(f"/agenda/new?piano={piano}").form("/agenda/new").fields
    gone = front_desk.visitor(desk_login=login, database_url=NOTHING)
    gone.client.cookies = visitor.client.cookies
    failed = Page(gone.client.post("/agenda/new", data={
        **form, "start": "2031-05-06T09:00", "technician": technician, "service": "hall", "notes": TEXT,
        "title": "Scène",
    }))  # fmt: skip
    assert (failed.status, failed.lang) == (503, "fr")
    for words in ("est injoignable", "À revoir.", "Scène", "2031-05-06T09:00", "Dès que ce sera fini"):
        assert words in failed.text
    again = visitor.send(failed, "/agenda/new")
    assert again.status == 200, again.text
    assert front_desk.shop.value("SELECT notes FROM appointment_drafts") == TEXT


def test_our_script_is_told_why_and_keeps_what_stands_in_the_field(front_desk: FrontDesk, piano: str) -> None:
    visitor = front_desk.visitor()
    form = visitor.open(f"/pianos/{piano}").form(f"/pianos/{piano}", field="notes").fields
    answer = without_its_database(front_desk, visitor).client.post(
        f"/pianos/{piano}", data={**form, "value": TEXT}, headers=SCRIPT
    )
    assert answer.status_code == 503
    assert answer.headers["HX-Reswap"] == "none"
    assert "est injoignable" in answer.text
    assert visitor.client.post(f"/pianos/{piano}", data={**form, "value": TEXT}, headers=SCRIPT).status_code == 200
    assert notes(front_desk) == TEXT


# ---- what was refused


def test_what_was_refused_is_put_right_and_sent_by_the_same_form(front_desk: FrontDesk, piano: str) -> None:
    visitor, here = front_desk.visitor(), f"/pianos/{piano}"
    form = visitor.open(here).form(here, field="completed_at").fields
    refused = visitor.client.post(here, data={**form, "value": "2027-03-14T02:30"}, headers=SCRIPT)
    assert refused.status_code == 422
    assert "n'existe pas" in Page(refused).text
    taken = visitor.client.post(here, data={**form, "value": "2027-03-14T03:30"}, headers=SCRIPT)
    assert taken.status_code == 200
    assert "Enregistré" in taken.text
    assert visitor.client.post(here, data={**form, "value": "2027-03-14T03:30"}, headers=SCRIPT).status_code == 409


def test_two_tabs_that_write_the_same_are_no_conflict(front_desk: FrontDesk, piano: str) -> None:
    visitor, here = front_desk.visitor(), f"/pianos/{piano}"
    one, other, third = visitor.open(here), visitor.open(here), visitor.open(here)
    assert visitor.edit(piano, "notes", TEXT, one).status == 200
    assert visitor.edit(piano, "notes", TEXT, other).status == 200
    assert visitor.edit(piano, "notes", "Autre chose", third).status == 409


# ---- who is signed out


def test_what_somebody_wrote_whose_session_ended_stays_in_sight(front_desk: FrontDesk, piano: str) -> None:
    with borrow(front_desk.shop.url) as connection:
        set_person(connection, "Zoé", "staff", PASSWORD, "test")
    visitor, here = front_desk.visitor(desk_login="password"), f"/pianos/{piano}"
    visitor.send("/login", "/login", name="Zoé", password=PASSWORD)
    page, state = visitor.open(here), visitor.open("/state")
    with borrow(front_desk.shop.url) as connection:
        set_person(connection, "Zoé", "owner", None, "test")
    told = visitor.edit(piano, "notes", TEXT, page)
    assert told.status == 403
    assert "Vous n'êtes plus connecté" in told.text
    assert "La pédale grince <b>encore</b>. À revoir." in told.text
    assert "/login" in told.links
    by_script = visitor.client.post(here, data={**page.form(here, field="notes").fields, "value": TEXT}, headers=SCRIPT)
    assert (by_script.status_code, by_script.headers["HX-Reswap"]) == (403, "none")
    assert "Vous n'êtes plus connecté" in Page(by_script).text
    back = visitor.send(visitor.send(state, "/sync"), "/login", name="Zoé", password=PASSWORD)
    assert back.status == 200
    assert back.answer.url.path == "/"
    assert front_desk.shop.value("SELECT count(*) FROM vincent_dindy_piano_updates") == 0


# ---- what the login of the database may


def test_a_login_that_writes_rows_is_all_that_the_desk_needs(front_desk: FrontDesk, piano: str) -> None:
    pages = addresses(front_desk)
    with clerk_of(front_desk.shop) as shop:
        visitor = front_desk.visitor(database_url=shop.settings.database_url)
        found = {address: visitor.open(address).status for address in pages}
        assert set(found.values()) == {200}, found
        assert visitor.edit(piano, "notes", TEXT).status == 200


def test_a_login_that_may_too_little_is_told_which_role_it_takes_and_keeps_what_was_written(
    front_desk: FrontDesk, piano: str
) -> None:
    pages, before = addresses(front_desk), front_desk.visitor()
    form = before.open(f"/pianos/{piano}")
    with clerk_of(front_desk.shop, role="gazelle_reader") as shop:
        visitor = front_desk.visitor(database_url=shop.settings.database_url)
        for address in pages:
            page = visitor.open(address)
            assert page.status == 200 or (page.status, "PostgreSQL refuse" in page.text) == (503, True), address
        visitor.client.cookies = before.client.cookies
        told = visitor.edit(piano, "notes", TEXT, form)
        assert told.status == 503
        for words in ("PostgreSQL refuse", "gazelle_owner", "À revoir."):
            assert words in told.text
