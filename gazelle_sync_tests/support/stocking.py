"""The harness of the tests of the stock: a shop with materials, rules and invoices, written as other programs would."""

from __future__ import annotations

from typing import Any

import pytest

from gazelle_sync.shop.inventory.follow import Followed, follow_invoices
from gazelle_sync_tests.support.shop import Row, Shop

TUNING, VISIT = "mit_tuning", "mit_visit"
ANNE, BEN = "usr_anne", "usr_ben"


class Stockroom:
    """Materials, whose stock they are, and invoices, in a database that a pull could have filled.

    Attributes:
        shop: The database.
    """

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        shop.query(
            "INSERT INTO gazelle_users (external_id, first_name, last_name, status) "
            "VALUES ('usr_anne', 'Anne', 'Côté', 'ACTIVE'), ('usr_ben', 'Ben', 'Roy', 'ACTIVE')"
        )
        shop.query(
            "INSERT INTO gazelle_products (external_id, name_fr, name_en) "
            "VALUES ('mit_tuning', 'Accord', 'Tuning'), ('mit_visit', 'Visite', 'Visit')"
        )

    # ---- writing

    def product(self, sku: str, **values: Any) -> int:
        """A material; its id."""
        given = {"sku": sku, **values}
        names, marks = ", ".join(given), ", ".join(["%s"] * len(given))
        query = f"INSERT INTO shop_products ({names}) VALUES ({marks}) RETURNING id"  # noqa: S608 - the tests' own
        return int(self.shop.value(query, *given.values()))

    def rule(self, product: int, quantity: object = 1, service: str = TUNING, **values: Any) -> None:
        """A service uses a material, on invoices of this year."""
        given = {
            "service_external_id": service, "shop_product_id": product, "quantity": quantity,
            "valid_from": "2026-01-01", **values,
        }  # fmt: skip
        names, marks = ", ".join(given), ", ".join(["%s"] * len(given))
        self.shop.query(f"INSERT INTO consumption_rules ({names}) VALUES ({marks})", *given.values())  # noqa: S608

    def invoice(self, number: int, **values: Any) -> str:
        """An invoice, or what becomes of it; its id."""
        external_id = f"inv_{number}"
        given = {"number": number, **values}
        known = self.shop.value("SELECT count(*) FROM gazelle_invoices WHERE external_id = %s", external_id)
        if known:
            self._update("gazelle_invoices", external_id, values)
        else:
            defaults = {"status": "OPEN", "invoice_date": "2026-03-02", "assigned_to_external_id": ANNE}
            self._insert("gazelle_invoices", external_id, defaults | given)
        return external_id

    def line(self, invoice: str, place: int = 0, **values: Any) -> str:
        """A line of an invoice, or what becomes of it; its id."""
        external_id = f"{invoice}:{place}"
        known = self.shop.value("SELECT count(*) FROM gazelle_invoice_items WHERE external_id = %s", external_id)
        if known:
            self._update("gazelle_invoice_items", external_id, values)
        else:
            defaults = {"invoice_external_id": invoice, "product_external_id": TUNING, "sequence_number": place,
                        "quantity": 1, "description": "Accord"}  # fmt: skip
            self._insert("gazelle_invoice_items", external_id, defaults | values)
        return external_id

    def invoiced(self, number: int, quantity: object = 1, **values: Any) -> str:
        """An invoice with one line of a tuning; its id."""
        invoice = self.invoice(number, **values)
        self.line(invoice, quantity=quantity)
        return invoice

    def move(self, product: int, delta: object, kind: str = "count", technician: str = ANNE, **values: Any) -> None:
        """A movement, as any program may write it."""
        given = {
            "shop_product_id": product, "technician_external_id": technician, "delta": delta, "kind": kind, **values,
        }  # fmt: skip
        names, marks = ", ".join(given), ", ".join(["%s"] * len(given))
        self.shop.query(f"INSERT INTO inventory_movements ({names}) VALUES ({marks})", *given.values())  # noqa: S608

    def follow(self, **options: Any) -> Followed:
        """What the asset does."""
        return follow_invoices(self.shop.settings, **options)

    # ---- looking

    def stock(self, product: int, technician: str = ANNE, location: str = "main") -> Any:
        """How much there is; None: nothing was ever moved."""
        found = self.shop.query(
            "SELECT quantity FROM inventory_stock "
            "WHERE (shop_product_id, technician_external_id, location) = (%s, %s, %s)",
            product, technician, location,
        )  # fmt: skip
        return found[0][0] if found else None

    def movements(self, **of: object) -> list[tuple[str, Any]]:
        """Kind and delta of the movements in their order."""
        return [(row["kind"], row["delta"]) for row in self.rows(**of)]

    def rows(self, **of: object) -> list[Row]:
        """The movements in their order."""
        where = " AND ".join(f"{name} = %s" for name in of) or "true"
        return sorted(self.shop.rows("inventory_movements", where, *of.values()), key=lambda row: int(row["id"]))

    def problems(self) -> set[tuple[str, str]]:
        """Invoices that no stock follows, and why."""
        return set(self.shop.query("SELECT invoice_external_id, problem FROM inventory_problems"))

    def assert_stock_is_the_sum(self) -> None:
        """Every quantity is the sum of its movements, and each movement begins where the one before it ended."""
        wrong = self.shop.query(
            "SELECT shop_product_id, technician_external_id, location, s.quantity, m.quantity "
            "FROM inventory_stock AS s FULL JOIN ("
            "SELECT shop_product_id, technician_external_id, location, sum(delta) AS quantity "
            "FROM inventory_movements GROUP BY 1, 2, 3) AS m "
            "USING (shop_product_id, technician_external_id, location) "
            "WHERE coalesce(s.quantity, 0) <> coalesce(m.quantity, 0)"
        )
        assert wrong == []
        torn = self.shop.query(
            "SELECT id FROM (SELECT id, quantity_before, lag(quantity_after, 1, 0::numeric) OVER ("
            "PARTITION BY shop_product_id, technician_external_id, location ORDER BY id) AS last "
            "FROM inventory_movements) AS m WHERE quantity_before <> last"
        )
        assert torn == []

    # ----

    def _insert(self, table: str, external_id: str, given: dict[str, Any]) -> None:
        names, marks = ", ".join(["external_id", *given]), ", ".join(["%s"] * (len(given) + 1))
        self.shop.query(f"INSERT INTO {table} ({names}) VALUES ({marks})", external_id, *given.values())  # noqa: S608

    def _update(self, table: str, external_id: str, values: dict[str, Any]) -> None:
        sets = ", ".join(f"{name} = %s" for name in values)
        query = f"UPDATE {table} SET {sets} WHERE external_id = %s"  # noqa: S608 - the tests' own
        self.shop.query(query, *values.values(), external_id)


@pytest.fixture
def stockroom(new_shop: Shop) -> Stockroom:
    """A database that was never pulled, with two technicians and two services."""
    return Stockroom(new_shop)
