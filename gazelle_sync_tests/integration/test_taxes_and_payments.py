"""The account's tax table and the payments of invoices, as the pull brings them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.support.shop import Shop


def taxes(shop: Shop) -> dict[str, tuple[object, ...]]:
    return {
        row["name"]: (row["rate"], row["is_default"], row["is_active"], row["deleted_at"] is None)
        for row in shop.rows("gazelle_taxes")
    }


def test_the_tax_table_is_the_accounts_own(shop: Shop) -> None:
    assert taxes(shop) == {"TPS": (5000, True, True, True), "TVQ": (9975, True, True, True)}


def test_a_rate_that_changes_without_any_stamp_arrives_with_the_next_tick(shop: Shop) -> None:
    tps, _ = shop.admin.dump("taxes")
    shop.admin.edit("taxes", tps["id"], touch=False, rate=6000)
    shop.sync()
    assert taxes(shop)["TPS"][0] == 6000
    assert shop.sync()["taxes"].fetched == 0


def test_a_tax_that_is_renamed_or_gone_is_followed_and_an_empty_list_is_not_believed(shop: Shop) -> None:
    tps, tvq = shop.admin.dump("taxes")
    shop.admin.edit("taxes", tps["id"], touch=False, name="TPS/GST")
    shop.admin.delete("taxes", tvq["id"])
    shop.sync()
    assert taxes(shop) == {"TPS/GST": (5000, True, True, True), "TVQ": (9975, True, True, False)}
    shop.admin.delete("taxes", tps["id"])
    shop.sync()
    assert taxes(shop)["TPS/GST"][3]


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.DEEP])
def test_a_row_that_somebody_removed_here_comes_back(shop: Shop, mode: Mode) -> None:
    shop.query("DELETE FROM gazelle_taxes WHERE name = 'TVQ'")
    shop.sync(mode)
    assert taxes(shop)["TVQ"] == (9975, True, True, True)
    shop.assert_equals_api()


def test_what_was_paid_on_an_invoice_arrives_with_it(shop: Shop) -> None:
    paid = next(invoice for invoice in shop.admin.dump("invoices") if invoice["payments"])
    (payment,) = paid["payments"]
    row = shop.row("gazelle_invoice_payments", payment["id"])
    assert row["invoice_external_id"] == paid["id"]
    assert row["amount"] == Decimal(payment["amount"]).scaleb(-2)
    assert (row["tip"], row["type"], row["status"]) == (0, payment["type"], "SUCCEEDED")
    tip = payment | {"id": "pay_unDeuxTrois", "amount": 1250, "tipTotal": 250, "type": "CASH"}
    shop.admin.edit("invoices", paid["id"], payments=[payment, tip])
    shop.sync()
    row = shop.row("gazelle_invoice_payments", "pay_unDeuxTrois")
    assert (row["amount"], row["tip"], row["type"]) == (Decimal("12.50"), Decimal("2.50"), "CASH")
    shop.admin.edit("invoices", paid["id"], payments=[payment])
    shop.sync()
    assert shop.row("gazelle_invoice_payments", "pay_unDeuxTrois")["deleted_at"] is not None
    shop.assert_equals_api()
