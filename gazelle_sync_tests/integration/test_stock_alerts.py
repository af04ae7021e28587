"""What is told of the stock: once for each product and technician, and when it is over; in French or English."""

from __future__ import annotations

import pytest

from gazelle_sync.incidents.watch import watch
from gazelle_sync_tests.support.receivers import Webhook
from gazelle_sync_tests.support.stocking import ANNE, BEN, Stockroom


def look(stockroom: Stockroom, hook: Webhook, language: str = "en") -> list[str]:
    """The titles that are told now."""
    before = len(hook.titles)
    watch(stockroom.shop.settings.replace(alert_urls=(hook.url,), language=language))
    return hook.titles[before:]


@pytest.fixture
def felt(stockroom: Stockroom) -> int:
    product = stockroom.product("FEUTRE", name_fr="Feutre", name_en="Felt")
    stockroom.rule(product, 2)
    return product


def test_low_stock_is_told_once_a_product_and_technician_and_again_when_it_is_refilled(
    stockroom: Stockroom, felt: int, hook: Webhook
) -> None:
    for technician in (ANNE, BEN):
        stockroom.move(felt, 5, technician=technician)
    stockroom.move(felt, 3, location="van")
    stockroom.shop.query("UPDATE inventory_stock SET reorder_threshold = 4 WHERE location = 'main'")
    assert look(stockroom, hook) == []
    stockroom.move(felt, "-1.5", "loss", technician=BEN)
    assert look(stockroom, hook, "fr") == ["⚠ Gazelle: À commander\u00a0: Feutre (Ben Roy)"]
    assert "Il en reste 3,5, au seuil de 4" in hook.received[-1]["message"]
    stockroom.move(felt, -1, "loss", technician=BEN)
    stockroom.move(felt, -3, "loss")
    assert look(stockroom, hook) == [], "Anne has five of them in two places"
    stockroom.move(felt, -2, "loss")
    assert look(stockroom, hook) == ["⚠ Gazelle: To be ordered: Felt (Anne Côté)"]
    stockroom.move(felt, 9, "purchase", technician=BEN)
    assert look(stockroom, hook, "fr") == ["✓ Gazelle: Terminé\u00a0: À commander\u00a0: Feutre (Ben Roy)"]
    stockroom.shop.query("UPDATE shop_products SET active = false")
    assert look(stockroom, hook) == ["✓ Gazelle: Over: To be ordered: Felt (Anne Côté)"]


def test_stock_below_zero_and_invoices_of_nobody_are_told(stockroom: Stockroom, felt: int, hook: Webhook) -> None:
    stockroom.invoiced(17, assigned_to_external_id=None)
    stockroom.invoiced(18, "9999999999.99")
    stockroom.invoiced(19)
    stockroom.follow()
    assert look(stockroom, hook) == [
        "⚠ Gazelle: Stock below zero: Felt (Anne Côté)",
        "⚠ Gazelle: 1 invoice uses materials, and no stock follows it",
        "⚠ Gazelle: 1 invoice uses materials, and no stock follows it",
    ]
    said = "\n".join(one["message"] for one in hook.received)
    assert "Invoice 17: nobody is in charge" in said
    assert "Invoice 18: a line's quantity" in said
    assert look(stockroom, hook) == []
    stockroom.invoice(17, assigned_to_external_id=BEN)
    stockroom.move(felt, 2)
    stockroom.follow()
    told = look(stockroom, hook)
    assert "✓ Gazelle: Over: 1 invoice uses materials, and no stock follows it" in told
    assert "✓ Gazelle: Over: Stock below zero: Felt (Anne Côté)" in told
    assert "⚠ Gazelle: Stock below zero: Felt (Ben Roy)" in told


def test_a_database_that_waits_for_its_migration_is_looked_at_without_the_stock(
    stockroom: Stockroom, hook: Webhook
) -> None:
    stockroom.shop.query("DROP TABLE inventory_problems")
    assert look(stockroom, hook) == []
