"""The shop's own products: a table that is pushed, and closed to whoever holds a hosted project's public key."""

from __future__ import annotations

import psycopg
import pytest

from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync_tests.support.shop import Shop

STATE = "SELECT external_id, base FROM push_state WHERE source_table = 'shop_products' AND local_id = %s"


def test_an_edit_of_a_price_or_a_name_is_marked_and_other_columns_are_none(new_shop: Shop) -> None:
    migrate(new_shop.url)
    [(row,)] = new_shop.query(
        "INSERT INTO shop_products (product_external_id, name_fr, retail_price) VALUES (' mit_1 ', 'Accord', 85) "
        "RETURNING id"
    )
    assert new_shop.query(STATE, str(row)) == [("mit_1", None)], "as it was meant, without blanks"
    new_shop.query("UPDATE shop_products SET needs_sync = false")
    new_shop.query("UPDATE shop_products SET sku = 'A-1', updated_by = 'Anne', name_fr = 'Accord'")
    assert new_shop.value("SELECT needs_sync FROM shop_products") is False
    for change in ("retail_price = 90", "name_fr = 'Accordage'", "name_en = 'Tuning'"):
        new_shop.query("UPDATE shop_products SET needs_sync = false")
        new_shop.query(f"UPDATE shop_products SET {change}")  # noqa: S608 - the test's own words
        assert new_shop.value("SELECT needs_sync FROM shop_products") is True, change
    new_shop.query("DELETE FROM shop_products")
    assert new_shop.query(STATE, str(row)) == []


def test_a_product_has_one_row(new_shop: Shop) -> None:
    migrate(new_shop.url)
    new_shop.query("INSERT INTO shop_products (product_external_id) VALUES ('mit_1'), (NULL), (NULL)")
    with pytest.raises(psycopg.errors.UniqueViolation), connect(new_shop.url) as connection:
        connection.execute("INSERT INTO shop_products (product_external_id) VALUES ('mit_1')")
