"""Prices and names of the shop's own list: another kind of record, by the same push; on both transports."""

from __future__ import annotations

from typing import Any

import pytest

from gazelle_sync.push.conflicts import open_conflicts
from gazelle_sync.push.names import ids_of
from gazelle_sync.push.render import render_preview, render_report
from gazelle_sync.push.session import preview
from gazelle_sync.warehouse.names import read_names
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record, Row

TABLE = "shop_products"


class List:
    """The shop's list of products, and Gazelle's.

    Attributes:
        id: A product that both have.
    """

    def __init__(self, office: EditedShop) -> None:
        self.office = office
        self.admin = office.shop.admin
        self.id = self.product(0)

    def product(self, place: int) -> str:
        """The id of a product, which was changed long before now."""
        found = [one for one in self.admin.dump("products") if not one["isArchived"]][place]
        name = {"fr_CA": "Accord", "en_US": "Tuning"}
        self.admin.edit("products", found["id"], amount=15000, name=name, touch="2026-01-01T00:00:00Z")
        return str(found["id"])

    def add(self, product: str | None = None, **values: Any) -> None:
        """Put a product into the shop's list."""
        given = {"product_external_id": product or self.id, **values}
        names, marks = ", ".join(given), ", ".join(["%s"] * len(given))
        self.office.shop.query(f"INSERT INTO {TABLE} ({names}) VALUES ({marks})", *given.values())  # noqa: S608

    def edit(self, **values: Any) -> None:
        """Change it there."""
        sets = ", ".join(f"{name} = %s" for name in values)
        query = f"UPDATE {TABLE} SET {sets} WHERE product_external_id = %s"  # noqa: S608
        self.office.shop.query(query, *values.values(), self.id)

    def row(self, product: str | None = None) -> Row:
        (row,) = self.office.shop.rows(TABLE, "product_external_id = %s", product or self.id)
        return row

    def record(self, product: str | None = None) -> Record:
        found = self.admin.record("products", product or self.id)
        assert found is not None
        return found

    def assert_clean(self) -> None:
        """Gazelle has what the row says."""
        row = self.row()
        assert (row["needs_sync"], row["sync_error"]) == (False, None)


@pytest.fixture
def products(office: EditedShop) -> List:
    """A shop with a list of products."""
    return List(office)


def test_prices_and_names_arrive_and_the_next_push_sends_nothing(products: List) -> None:
    products.add(retail_price="165.50", name_fr="Accord complet", name_en="Full tuning")
    assert products.office.push().succeeded
    record = products.record()
    assert (record["amount"], record["name"]) == (16550, {"fr_CA": "Accord complet", "en_US": "Full tuning"})
    products.assert_clean()
    assert products.office.push().sent == 0
    log = products.office.shop.rows("sync_gazelle_logs")
    assert {(one["source_table"], one["entity"], one["piano_id"]) for one in log} == {(TABLE, "products", products.id)}
    assert sorted(one["action"] for one in log) == ["update_name", "update_price"]


def test_one_name_is_written_and_the_other_language_stays(products: List) -> None:
    products.add(name_fr="Accord de concert")
    assert products.office.push().succeeded
    assert products.record()["name"] == {"fr_CA": "Accord de concert", "en_US": "Tuning"}
    assert products.record()["amount"] == 15000, "a price that the row does not say is left alone"


@pytest.mark.parametrize(("price", "sent"), [("0", True), ("-1", False), ("NaN", False)])
def test_a_price_of_nothing_is_sent_and_one_that_is_none_is_said(products: List, price: str, sent: bool) -> None:
    products.add(retail_price=price, name_fr="Visite")
    assert products.office.push().succeeded == sent
    assert products.record()["amount"] == (0 if sent else 15000)
    assert products.record()["name"]["fr_CA"] == "Visite", "the rest goes"
    assert ("is no price" in (products.row()["sync_error"] or "")) == (not sent)


def test_a_product_that_gazelle_has_archived_takes_no_changes_and_says_so(products: List) -> None:
    products.add(retail_price="165.50")
    products.admin.edit("products", products.id, isArchived=True, touch="2026-01-01T00:00:00Z")
    assert products.office.push().failed == 1
    assert products.record()["amount"] == 15000
    assert "archived" in products.row()["sync_error"]


def test_a_product_that_gazelle_does_not_know_is_said_and_stops_nobody_else(products: List) -> None:
    piano = products.office.piano()
    products.add("mit_nowhere", retail_price="10")
    products.add(retail_price="165.50")
    products.office.edit(piano, notes="Accordé", status="top")
    report = products.office.push()
    assert (report.failed, report.sent) == (1, 3)
    assert "no product mit_nowhere" in products.row("mit_nowhere")["sync_error"]
    products.assert_clean()
    products.office.assert_clean(piano)


def test_a_row_that_names_no_product_stays_here(products: List) -> None:
    products.office.shop.query("INSERT INTO shop_products (sku, retail_price) VALUES ('HOUSSE', 12)")
    assert products.office.push().outcomes == []
    (row,) = products.office.shop.rows(TABLE)
    assert row["sync_error"] is None


def test_the_later_of_two_prices_wins_and_the_other_is_kept(products: List) -> None:
    products.add(retail_price="165.50")
    assert products.office.push().succeeded
    products.admin.edit("products", products.id, amount=17000, touch="2026-01-02T00:00:00Z")
    products.edit(retail_price="180")
    assert products.office.push().succeeded
    assert products.record()["amount"] == 18000
    (conflict,) = open_conflicts(products.office.shop.settings)
    assert (conflict.base, conflict.ours, conflict.theirs, conflict.winner) == ("165.50", "180.00", "170.00", "ours")


def test_a_price_that_changes_at_gazelle_alone_is_followed_after_a_pull(products: List) -> None:
    products.add(retail_price="165.50", name_fr="Accord", name_en="Tuning")
    assert products.office.push().succeeded
    products.office.shop.sync(only=["products"])
    assert products.office.push().outcomes == [], "the pull brings nothing new"
    products.admin.settings(clock_skew_s=5)
    products.admin.edit("products", products.id, amount=17000)
    products.office.shop.sync(only=["products"])
    assert products.office.push(at_once=False).succeeded
    assert str(products.row()["retail_price"]) == "170.00"
    assert products.office.push().outcomes == []


@pytest.mark.parametrize("fault", ["close_after", "reset", "html_200"])
def test_whatever_happens_to_an_answer_the_price_is_right_in_the_end(products: List, fault: str) -> None:
    products.add(retail_price="165.50", name_en="Full tuning")
    products.admin.fault(fault, operation="updateMasterServiceItem")
    for _ in range(4):
        if products.office.push().succeeded and not products.row()["needs_sync"]:
            break
        products.office.let_doubts_pass()
    assert (products.record()["amount"], products.record()["name"]["en_US"]) == (16550, "Full tuning")
    products.assert_clean()
    assert "in_doubt" not in {status for _, status in products.office.log()}


def test_a_run_is_put_back_and_what_came_since_stays(products: List) -> None:
    products.add(retail_price="165.50", name_fr="Accord complet")
    assert products.office.push().succeeded
    run_id = products.office.shop.rows("sync_gazelle_logs")[0]["run_id"]
    products.admin.edit("products", products.id, name={"fr_CA": "Accord du printemps", "en_US": "Tuning"})
    report = products.office.undo(run_id)
    assert report.succeeded
    assert products.record()["amount"] == 15000
    assert products.record()["name"]["fr_CA"] == "Accord du printemps"
    assert str(products.row()["retail_price"]) == "150.00"
    assert "somebody changed the name since" in render_report("en", report)


def test_a_dry_run_shows_what_a_push_sends_and_calls_products_by_their_names(products: List) -> None:
    products.office.shop.sync(only=["products"])
    products.add(retail_price="165.50")
    settings = products.office.shop.settings
    text, all_well = render_preview("en", preview(settings, keys=None), lambda keys: read_names(settings, keys))
    assert all_well
    assert f"{products.id} (Accord)" in text
    assert "the price: - 15000 + 16550" in text
    assert products.record()["amount"] == 15000
    assert ids_of(settings, [f" {products.id}\u00a0"]) == [products.id]


def test_two_tables_with_the_same_key_and_words_do_not_meet(products: List) -> None:
    """Whatever the log knows of one says nothing of the other."""
    products.office.edit(products.id, notes="Accord", status="top")
    products.add(name_fr="Accord complet")
    report = products.office.push()
    assert report.failed == 1, "a product's id is no piano's"
    products.assert_clean()
    states = products.office.shop.rows("push_state")
    assert {one["source_table"] for one in states} == {TABLE, "vincent_dindy_piano_updates"}


def test_a_column_that_is_first_filled_on_a_row_that_was_sent_tells_what_gives_way_to_it(products: List) -> None:
    products.add(retail_price="165.50")
    assert products.office.push().succeeded
    products.office.shop.sync()
    products.admin.settings(clock_skew_s=-60)
    products.admin.edit("products", products.id, name={"fr_CA": "Accord d'hiver", "en_US": "Tuning"})
    products.admin.settings(clock_skew_s=0)
    products.edit(name_fr="Accord complet")
    assert products.office.push().succeeded
    assert products.record()["name"]["fr_CA"] == "Accord complet", "the later edit wins"
    (conflict,) = products.office.conflicts()
    assert (conflict["field"], conflict["theirs"], conflict["winner"]) == ("name_fr", "Accord d'hiver", "ours")


def test_a_column_that_is_first_filled_where_nobody_changed_gazelles_is_no_conflict(products: List) -> None:
    products.add(retail_price="165.50")
    assert products.office.push().succeeded
    products.edit(name_fr="Accord complet")
    assert products.office.push().succeeded
    assert products.record()["name"]["fr_CA"] == "Accord complet"
    assert not products.office.conflicts()
