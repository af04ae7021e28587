"""Signing in at the desk in a real browser: what each role sees, what a wrong password meets, how a session ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gazelle_sync.desk.access import set_person
from gazelle_sync.desk.desk import Desk
from gazelle_sync.desk.server import running_desk
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync_tests.slow.test_desk_in_a_browser import piano_of
from gazelle_sync_tests.support.browsing import WAYS, Visitor, Way, visitor_at
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("a browser has to be installed, and starts")

PASSWORD = "une phrase assez longue"
REFUSED = ".said.refused"
BY = "SELECT updated_by FROM vincent_dindy_piano_updates WHERE gazelle_id = %s"


@pytest.fixture
def closed_desk(browser: Any, open_shop: Shop) -> Iterator[Desk]:
    """The same shop's desk behind a login, with somebody of each role."""
    with borrow(open_shop.url) as connection:
        for name, role in (("Lise", "reader"), ("Ben", "staff"), ("Odile", "owner")):
            set_person(connection, name, role, PASSWORD, "test")
    open_shop.query("DELETE FROM desk_logins")
    with running_desk(open_shop.settings.replace(desk_login="password"), 0) as (desk, _):
        yield desk


def signed_in(visitor: Visitor, name: str, password: str = PASSWORD) -> None:
    visitor.page.goto("/login")
    visitor.send("form[action='/login']", name=name, password=password)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_each_role_sees_what_it_may_do_and_who_signs_out_is_out(
    browser: Any, closed_desk: Desk, open_shop: Shop, way: Way
) -> None:
    piano = piano_of(open_shop, WAYS.index(way))
    for name, may_edit, is_owner in (("Lise", False, False), ("Ben", True, False), ("Odile", True, True)):
        with visitor_at(browser, closed_desk, way) as visitor:
            page = visitor.page
            page.goto(f"/pianos/{piano}")
            page.wait_for_url("**/login?next=*")
            visitor.assert_fine()
            visitor.send("form[action='/login']", name=name, password=PASSWORD)
            page.wait_for_url(f"**/pianos/{piano}")
            assert page.locator("#field-notes form").count() == may_edit
            assert page.locator("footer a[href='/people']").count() == is_owner
            visitor.assert_fine()
            if may_edit:
                visitor.field("notes").fill(f"Par {name}")
                visitor.save("notes").click()
                page.wait_for_selector("#field-notes .saved:not(:empty)")
                assert (
                    open_shop.value("SELECT updated_by FROM vincent_dindy_piano_updates WHERE gazelle_id = %s", piano)
                    == name
                )
            page.goto("/journal")
            assert (f"Par {name}" in page.inner_text("main")) is is_owner
            visitor.assert_fine(refused=not is_owner)
            page.locator("form[action='/logout'] button").click()
            page.wait_for_url("**/login")
            page.go_back()
            page.wait_for_url("**/login?next=*")
            assert f"Par {name}" not in page.content(), "the browser keeps no page"


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_wrong_password_is_refused_and_after_five_even_the_right_one_waits(
    browser: Any, closed_desk: Desk, way: Way
) -> None:
    with visitor_at(browser, closed_desk, way) as visitor:
        for _ in range(5):
            signed_in(visitor, "Ben", "faux")
            visitor.page.wait_for_selector(REFUSED)
        assert visitor.page.input_value("#name") == "Ben"
        assert visitor.page.input_value("#password") == ""
        visitor.assert_fine(refused=True)
        signed_in(visitor, "Ben")
        visitor.page.wait_for_selector(f"{REFUSED}:has-text('15 minutes')")
        visitor.assert_fine(refused=True)
        signed_in(visitor, "Odile")
        visitor.page.wait_for_selector("footer a[href='/people']")


def test_what_somebody_writes_whose_session_ended_stays_in_the_field(
    browser: Any, closed_desk: Desk, open_shop: Shop
) -> None:
    piano = piano_of(open_shop, 5)
    with visitor_at(browser, closed_desk, WAYS[0]) as visitor:
        signed_in(visitor, "Ben")
        visitor.page.wait_for_selector("footer form[action='/logout']")
        visitor.page.goto(f"/pianos/{piano}")
        visitor.field("notes").fill("Longuement écrit")
        with borrow(open_shop.url) as connection:
            set_person(connection, "Ben", "owner", None, "test")
        visitor.save("notes").click()
        visitor.page.wait_for_selector("#said:has-text('plus connecté')")
        assert visitor.field("notes").input_value() == "Longuement écrit"
        visitor.assert_fine(refused=True)
