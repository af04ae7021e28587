"""The stock follows the invoices as they are now, whatever was written in which order and by whom."""

from __future__ import annotations

from decimal import Decimal

import psycopg
import pytest

from gazelle_sync.pull.context import Mode
from gazelle_sync.shop.inventory import follow
from gazelle_sync_tests.support.shop import Shop
from gazelle_sync_tests.support.stocking import ANNE, BEN, VISIT, Stockroom


@pytest.fixture
def felt(stockroom: Stockroom) -> int:
    """A material of which a tuning uses two."""
    product = stockroom.product("FEUTRE", name_fr="Feutre")
    stockroom.rule(product, 2)
    return product


def test_an_invoice_consumes_once_however_often_it_is_looked_at(stockroom: Stockroom, felt: int) -> None:
    invoice = stockroom.invoiced(1, "1.50")
    assert stockroom.follow().invoices == 1
    assert stockroom.stock(felt) == Decimal("-3.00")
    (row,) = stockroom.rows()
    assert (row["kind"], row["invoice_external_id"], row["line_key"], row["made_by"]) == (
        "consumption", invoice, "mit_tuning/-/0", "gazelle_sync",
    )  # fmt: skip
    stockroom.invoice(1, notes="rien de neuf")
    assert stockroom.follow().movements == ()
    assert stockroom.follow(everything=True).movements == ()
    assert len(stockroom.rows()) == 1


def test_edits_lines_that_go_and_invoices_that_end_are_one_difference_each(stockroom: Stockroom, felt: int) -> None:
    invoice = stockroom.invoiced(1)
    stockroom.follow()
    stockroom.line(invoice, 1, product_external_id=VISIT)
    stockroom.line(invoice, 2)
    stockroom.follow()
    stockroom.line(invoice, 0, quantity=3)
    stockroom.follow()
    stockroom.line(invoice, 2, deleted_at="2026-03-03T00:00:00Z")
    stockroom.follow()
    stockroom.invoice(1, status="CANCELED")
    stockroom.follow()
    stockroom.invoice(1, status="PAID")
    stockroom.follow()
    stockroom.invoice(1, deleted_at="2026-03-04T00:00:00Z")
    stockroom.follow()
    assert stockroom.movements() == [
        ("consumption", -2), ("consumption", -2), ("consumption", -4), ("return", 2), ("return", 6),
        ("consumption", -6), ("return", 6),
    ]  # fmt: skip
    assert stockroom.stock(felt) == 0
    stockroom.assert_stock_is_the_sum()


def test_a_draft_consumes_nothing_until_it_is_issued(stockroom: Stockroom, felt: int) -> None:
    stockroom.invoiced(1, status="DRAFT")
    stockroom.follow()
    assert stockroom.stock(felt) is None
    stockroom.invoice(1, status="OPEN")
    stockroom.follow()
    assert stockroom.stock(felt) == -2


def test_an_invoice_of_nobody_is_told_and_consumes_once_somebody_is_in_charge(stockroom: Stockroom, felt: int) -> None:
    invoice = stockroom.invoiced(1, assigned_to_external_id=None)
    stockroom.invoiced(2)
    stockroom.follow()
    assert stockroom.problems() == {(invoice, "unassigned")}
    assert stockroom.stock(felt) == -2, "the other invoice is not held back"
    stockroom.invoice(1, assigned_to_external_id=BEN)
    stockroom.follow()
    assert stockroom.problems() == set()
    assert stockroom.stock(felt, BEN) == -2


def test_a_mistyped_quantity_is_told_and_holds_nobody_back(stockroom: Stockroom, felt: int) -> None:
    invoice = stockroom.invoiced(1, "9999999999.99")
    stockroom.invoiced(2)
    stockroom.follow()
    assert stockroom.problems() == {(invoice, "beyond_measure")}
    assert stockroom.stock(felt) == -2


@pytest.mark.parametrize(("quantity", "taken"), [(0, None), (-1, None), (None, None), ("0.33", "-0.66")])
def test_quantities_of_nothing_less_and_a_third(
    stockroom: Stockroom, felt: int, quantity: object, taken: str | None
) -> None:
    stockroom.invoiced(1, quantity)
    stockroom.follow()
    assert stockroom.stock(felt) == (None if taken is None else Decimal(taken))


def test_without_rules_nothing_is_noted_and_a_first_rule_looks_at_all_since_its_day(stockroom: Stockroom) -> None:
    product = stockroom.product("FEUTRE")
    stockroom.invoiced(1, invoice_date="2026-02-28")
    stockroom.invoiced(2, invoice_date="2026-03-01")
    assert stockroom.shop.count("inventory_unread") == 0
    stockroom.rule(product, valid_from="2026-03-01")
    stockroom.follow()
    assert [row["invoice_external_id"] for row in stockroom.rows()] == ["inv_2"]
    stockroom.shop.query("UPDATE consumption_rules SET valid_until = '2026-02-01'")
    stockroom.follow()
    assert stockroom.stock(product) == 0


def test_a_rule_that_is_removed_gives_back_and_one_that_ended_does_not(stockroom: Stockroom, felt: int) -> None:
    stockroom.invoiced(1, invoice_date="2026-03-01")
    stockroom.follow()
    stockroom.shop.query("UPDATE consumption_rules SET valid_until = '2026-03-31'")
    stockroom.invoiced(2, invoice_date="2026-04-01")
    stockroom.follow()
    assert stockroom.stock(felt) == -2
    stockroom.shop.query("DELETE FROM consumption_rules")
    stockroom.follow()
    assert stockroom.stock(felt) == 0


def test_an_optional_material_counts_once_the_line_names_it(stockroom: Stockroom) -> None:
    cover = stockroom.product("HS-12", name_fr="Housse")
    stockroom.rule(cover, is_optional=True)
    invoice = stockroom.invoiced(1)
    stockroom.follow()
    assert stockroom.stock(cover) is None
    stockroom.line(invoice, description="Accord, housses neuves")
    stockroom.follow()
    assert stockroom.stock(cover) == -1
    stockroom.shop.query("UPDATE shop_products SET name_fr = 'Couverture', sku = 'C-1'")
    stockroom.follow()
    assert stockroom.stock(cover) == 0, "what it is called counts"


def test_what_a_person_moves_for_an_invoice_in_their_own_words_is_no_consumption_of_ours(
    stockroom: Stockroom, felt: int
) -> None:
    invoice = stockroom.invoiced(1)
    stockroom.move(felt, 10)
    stockroom.move(felt, -1, "loss", invoice_external_id=invoice, reason="échappé")
    stockroom.follow()
    assert stockroom.stock(felt) == 7
    stockroom.follow(everything=True)
    assert stockroom.stock(felt) == 7


def test_a_product_that_turns_out_to_be_another_takes_stock_rules_and_history_with_it(
    stockroom: Stockroom, felt: int
) -> None:
    other = stockroom.product("FEUTRE-2")
    shop = stockroom.shop
    stockroom.move(felt, 10)
    stockroom.move(felt, -3, "consumption", technician=BEN)
    stockroom.move(other, 5)
    shop.query("UPDATE inventory_stock SET reorder_threshold = 4 WHERE shop_product_id = %s", felt)
    invoice = stockroom.invoiced(1)
    stockroom.follow()
    shop.query("UPDATE shop_products SET merged_into = %s WHERE id = %s", other, felt)
    assert (stockroom.stock(felt), stockroom.stock(other)) == (0, 13)
    assert (stockroom.stock(felt, BEN), stockroom.stock(other, BEN)) == (0, -3)
    stockroom.follow()
    assert stockroom.stock(other) == 13, "what the invoice took of the one was taken of the other"
    stockroom.invoice(1, status="CANCELED")
    stockroom.follow()
    stockroom.move(felt, 1, "purchase")
    assert (stockroom.stock(felt), stockroom.stock(other)) == (0, 16), "whatever is moved goes to the one that it is"
    assert shop.value("SELECT shop_product_id FROM consumption_rules") == other
    assert shop.value(
        "SELECT reorder_threshold FROM inventory_stock WHERE shop_product_id = %s AND technician_external_id = %s",
        other, ANNE,
    ) == 4  # fmt: skip
    assert stockroom.rows(invoice_external_id=invoice)[-1]["shop_product_id"] == other
    stockroom.assert_stock_is_the_sum()
    for row, into in ((felt, None), (other, felt), (other, other)):
        with pytest.raises(psycopg.errors.RestrictViolation):
            shop.query("UPDATE shop_products SET merged_into = %s WHERE id = %s", into, row)


def test_a_record_of_an_older_system_that_comes_again_changes_no_stock(stockroom: Stockroom, felt: int) -> None:
    twice = (
        "INSERT INTO inventory_movements (shop_product_id, technician_external_id, delta, kind, import_key) "
        "VALUES (%(p)s, 'usr_anne', 4, 'count', 'v4_1'), (%(p)s, 'usr_anne', 4, 'count', 'v4_1') ON CONFLICT DO NOTHING"
    )
    for _ in range(2):
        with psycopg.connect(stockroom.shop.url) as connection:
            connection.execute(twice, {"p": felt})
    assert stockroom.stock(felt) == 4
    stockroom.assert_stock_is_the_sum()
    with pytest.raises(psycopg.errors.UniqueViolation):
        stockroom.move(felt, 4, import_key="v4_1")
    assert stockroom.stock(felt) == 4


def test_what_dies_before_its_commit_has_moved_nothing_and_is_still_due(
    stockroom: Stockroom, felt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stockroom.invoiced(1)
    with monkeypatch.context() as patch:
        patch.setattr(follow, "COMMIT", ("SELECT 1 / 0", None))
        with pytest.raises(psycopg.errors.DivisionByZero):
            stockroom.follow()
    assert stockroom.movements() == []
    assert stockroom.shop.count("inventory_unread") > 0
    stockroom.follow()
    assert stockroom.movements() == [("consumption", -2)]


def test_replays_and_full_runs_take_nothing_again(shop: Shop) -> None:
    product = shop.value("INSERT INTO shop_products (sku) VALUES ('FEUTRE') RETURNING id")
    shop.query(
        "INSERT INTO consumption_rules (service_external_id, shop_product_id, quantity, valid_from) "
        "SELECT external_id, %s, 1.25, '2000-01-01' FROM gazelle_products",
        product,
    )
    taken = follow.follow_invoices(shop.settings)
    assert taken.invoices > 10
    shop.query("UPDATE gazelle_invoices SET status = 'DRAFT', synced_at = now()")
    shop.replay(only=["invoices"])
    shop.sync(Mode.DEEP)
    assert follow.follow_invoices(shop.settings).movements == ()
    assert follow.follow_invoices(shop.settings, everything=True).movements == ()
    assert shop.count("inventory_movements") == len(taken.movements)
