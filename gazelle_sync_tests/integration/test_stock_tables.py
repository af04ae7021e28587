"""The stock is the sum of its movements, whoever writes them and with whatever tool."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import errors

from gazelle_sync.warehouse.connect import connect
from gazelle_sync_tests.conftest import Databases

MOVE = (
    "INSERT INTO inventory_movements (shop_product_id, technician_external_id, location, delta, kind) "
    "VALUES (%s, %s, %s, %s, %s)"
)
STOCK = "SELECT quantity FROM inventory_stock WHERE (shop_product_id, technician_external_id, location) = (%s, %s, %s)"


@pytest.fixture
def product(database: str) -> int:
    return made(database)


def made(url: str) -> int:
    [(row,)] = said(url, "INSERT INTO shop_products (sku, name_fr) VALUES ('CORDE-12', 'Corde 12') RETURNING id")
    return int(str(row))


def said(url: str, query: str, *parameters: object) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(query.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


def refused(url: str, kind: type[psycopg.Error], query: str, *parameters: object) -> str:
    with pytest.raises(kind) as caught:
        said(url, query, *parameters)
    return str(caught.value)


def test_a_movement_says_what_the_stock_was_before_and_after(database: str, product: int) -> None:
    minimal = "INSERT INTO inventory_movements (shop_product_id, technician_external_id, delta, kind) VALUES {}"
    said(database, minimal.format("(%s, 'usr_a', 10, 'count')"), product)
    values = ", ".join(f"({product}, ' usr_a ', {delta}, 'loss')" for delta in (-1, "-2.25"))
    said(database, minimal.format(values))
    assert said(
        database,
        "SELECT location, quantity_before, quantity_after, made_by, occurred_at = created_at FROM inventory_movements "
        "ORDER BY id",
    ) == [
        ("main", Decimal(0), Decimal(10), "postgres", True),
        ("main", Decimal(10), Decimal(9), "postgres", True),
        ("main", Decimal(9), Decimal("6.75"), "postgres", True),
    ]
    assert said(database, STOCK, product, "usr_a", "main") == [(Decimal("6.75"),)]


def test_a_movement_without_a_place_is_at_the_main_one(database: str, product: int) -> None:
    for place in (None, "", " "):
        said(database, MOVE, product, "usr_a", place, 1, "purchase")
    assert said(database, STOCK, product, "usr_a", "main") == [(Decimal(3),)]


def test_no_movement_is_changed_or_removed(database: str, product: int) -> None:
    said(database, MOVE, product, "usr_a", "main", 1, "purchase")
    for statement in (
        "UPDATE inventory_movements SET delta = 2",
        "UPDATE inventory_movements SET reason = 'x'",
        "DELETE FROM inventory_movements",
        "TRUNCATE inventory_movements",
    ):
        assert "never changed or removed" in refused(database, errors.RestrictViolation, statement)
    assert "correction" in refused(database, errors.RestrictViolation, "DELETE FROM inventory_movements")
    taken = "INSERT INTO inventory_movements (id, shop_product_id, technician_external_id, delta, kind) VALUES {} {}"
    values = f"(1, {product}, 'usr_a', 1, 'purchase')"
    refused(database, errors.GeneratedAlways, taken.format(values, "ON CONFLICT DO NOTHING"))
    assert said(database, STOCK, product, "usr_a", "main") == [(Decimal(1),)]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE inventory_movements SET reason = 'x'", "DELETE FROM inventory_movements", "TRUNCATE inventory_movements"],
)
def test_a_superuser_who_switches_triggers_off_for_a_session_changes_no_movement_either(
    database: str, product: int, statement: str
) -> None:
    said(database, MOVE, product, "usr_a", "main", 1, "purchase")
    refused(database, errors.RestrictViolation, "TRUNCATE shop_products CASCADE")
    quiet = "BEGIN; SET LOCAL session_replication_role = replica; "
    assert "never changed or removed" in refused(database, errors.RestrictViolation, quiet + statement)


def test_a_threshold_that_is_written_with_blanks_around_its_names_is_that_of_the_stock(
    database: str, product: int
) -> None:
    said(database, MOVE, product, "usr_a", " van ", 5, "purchase")
    insert = (
        "INSERT INTO inventory_stock (shop_product_id, technician_external_id, location, reorder_threshold) "
        "VALUES (%s, %s, %s, 4) ON CONFLICT (shop_product_id, technician_external_id, location) "
        "DO UPDATE SET reorder_threshold = excluded.reorder_threshold"
    )
    said(database, insert, product, " usr_a", "van ")
    said(database, insert, product, "usr_b\t", " ")
    assert said(
        database,
        "SELECT technician_external_id, location, quantity, reorder_threshold FROM inventory_stock ORDER BY id",
    ) == [("usr_a", "van", Decimal(5), Decimal(4)), ("usr_b", "main", Decimal(0), Decimal(4))]


def test_nobody_writes_a_quantity_and_everybody_a_threshold(database: str, product: int) -> None:
    said(database, MOVE, product, "usr_a", "main", 5, "purchase")
    for statement in (
        "UPDATE inventory_stock SET quantity = 6",
        "UPDATE inventory_stock SET location = 'truck'",
        "DELETE FROM inventory_stock",
        "TRUNCATE inventory_stock",
        "INSERT INTO inventory_stock (shop_product_id, technician_external_id, quantity) "
        "SELECT id, 'usr_b', 1 FROM shop_products",
    ):
        assert "inventory_movements" in refused(database, errors.RestrictViolation, statement)
    said(database, "UPDATE inventory_stock SET reorder_threshold = 2, updated_by = 'Anne'")
    said(
        database,
        "INSERT INTO inventory_stock (shop_product_id, technician_external_id, reorder_threshold) "
        "VALUES (%s, 'usr_b', 4)",
        product,
    )
    said(database, MOVE, product, "usr_b", "main", 1, "purchase")
    assert said(database, "SELECT quantity, reorder_threshold FROM inventory_stock ORDER BY id") == [
        (Decimal(5), Decimal(2)), (Decimal(1), Decimal(4)),
    ]  # fmt: skip


def test_only_consumption_goes_below_zero_and_what_is_given_back_may_stay_there(database: str, product: int) -> None:
    said(database, MOVE, product, "usr_a", "main", 1, "count")
    for kind in ("loss", "transfer", "correction", "count", "return", "purchase"):
        assert "There are only 1.00" in refused(
            database, errors.CheckViolation, MOVE, product, "usr_a", "main", -2, kind
        )
    assert said(database, STOCK, product, "usr_a", "main") == [(Decimal(1),)]
    said(database, MOVE, product, "usr_a", "main", -4, "consumption")
    said(database, MOVE, product, "usr_a", "main", 2, "return")
    assert said(database, STOCK, product, "usr_a", "main") == [(Decimal(-1),)]


@pytest.mark.parametrize("delta", [0, "NaN", "10000000000"])
def test_a_delta_that_is_none_is_refused_and_changes_nothing(database: str, product: int, delta: object) -> None:
    with pytest.raises((errors.CheckViolation, errors.NumericValueOutOfRange)):
        said(database, MOVE, product, "usr_a", "main", delta, "purchase")
    assert said(database, "SELECT count(*) FROM inventory_stock") == [(0,)]
    said(database, MOVE, product, "usr_a", "main", 0, "count")


def test_what_never_was_a_product_technician_or_kind_is_refused(database: str, product: int) -> None:
    refused(database, errors.ForeignKeyViolation, MOVE, product + 1, "usr_a", "main", 1, "purchase")
    refused(database, errors.NotNullViolation, MOVE, product, " ", "main", 1, "purchase")
    refused(database, errors.CheckViolation, MOVE, product, "usr_a", "main", 1, "gift")
    assert said(database, "SELECT count(*) FROM inventory_stock") == [(0,)]
    said(database, MOVE, product, "usr_a", "main", 1, "purchase")
    refused(database, errors.ForeignKeyViolation, "DELETE FROM shop_products")


def test_movements_of_one_stock_that_come_at_once_follow_each_other(database: str, product: int) -> None:
    start = threading.Barrier(4)

    def move() -> None:
        with psycopg.connect(database) as connection:
            start.wait()
            for _ in range(10):
                connection.execute(MOVE.encode(), [product, "usr_a", "main", 1, "purchase"])
                connection.commit()

    threads = [threading.Thread(target=move) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said(database, STOCK, product, "usr_a", "main") == [(Decimal(40),)]
    steps = said(database, "SELECT quantity_before, quantity_after FROM inventory_movements ORDER BY quantity_after")
    assert steps == [(Decimal(n), Decimal(n + 1)) for n in range(40)]


def test_a_movement_whose_transaction_is_rolled_back_never_was(database: str, product: int) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(MOVE.encode(), [product, "usr_a", "main", 1, "purchase"])
        connection.rollback()
    assert said(database, "SELECT count(*) FROM inventory_stock") == [(0,)]


def test_whoever_may_write_movements_needs_no_right_to_the_stock(database: str, product: int) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("REVOKE ALL ON inventory_stock FROM gazelle_writer")
        connection.execute("SET ROLE gazelle_writer")
        connection.execute(MOVE.encode(), [product, "usr_a", "main", 1, "purchase"])
        connection.execute("RESET ROLE")
        assert connection.execute("SELECT quantity FROM inventory_stock").fetchall() == [(Decimal(1),)]


def test_no_reader_sees_what_was_imported_raw(database: str) -> None:
    with psycopg.connect(database) as connection:
        may = connection.execute(
            "SELECT name FROM unnest(ARRAY['import_runs', 'staging_import', 'inventory_stock', 'inventory_movements', "
            "'consumption_rules', 'shop_products']) AS name WHERE has_table_privilege('gazelle_reader', name, 'SELECT')"
        ).fetchall()
    assert {name for (name,) in may} == {
        "inventory_stock", "inventory_movements", "consumption_rules", "shop_products",
    }  # fmt: skip


deltas = st.lists(
    st.tuples(
        st.sampled_from(["usr_a", "usr_b"]),
        st.sampled_from(["main", "truck"]),
        st.decimals(-9, 9, places=2).filter(bool),
        st.sampled_from(["purchase", "loss", "consumption", "correction"]),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=40)
@given(moves=deltas)
def test_the_stock_is_the_sum_of_its_movements(moves: list[tuple[str, str, Decimal, str, bool]], url: str) -> None:
    expected: dict[tuple[str, str], Decimal] = {}
    with connect(url) as connection:
        [(product,)] = connection.execute("INSERT INTO shop_products DEFAULT VALUES RETURNING id").fetchall()
        connection.commit()
        for technician, location, delta, kind, is_kept in moves:
            where = technician, location
            after = expected.get(where, Decimal(0)) + delta
            try:
                connection.execute(MOVE.encode(), [product, technician, location, delta, kind])
            except errors.CheckViolation:
                assert after < 0
                assert kind != "consumption"
                connection.rollback()
                continue
            assert after >= 0 or delta > 0 or kind == "consumption"
            if is_kept:
                connection.commit()
                expected[where] = after
            else:
                connection.rollback()
        found = connection.execute(
            "SELECT technician_external_id, location, quantity FROM inventory_stock WHERE shop_product_id = %s",
            [product],
        ).fetchall()
    assert {(technician, location): quantity for technician, location, quantity in found} == expected


@pytest.fixture(scope="module")
def url(databases: Databases) -> Iterator[str]:
    with databases.temporary() as url:
        yield url
