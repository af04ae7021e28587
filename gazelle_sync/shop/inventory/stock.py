"""The stock: what there is, what moved it, and the movements that people make.

Whatever is moved is one transaction, whatever its number of rows, and takes its locks in the order of product,
technician and location, as the consumption of invoices does. The database refuses what would go below zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import errors

from gazelle_sync.errors import SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.push.pushable import record_id
from gazelle_sync.settings import Settings
from gazelle_sync.shop.inventory.consumption import MAIN
from gazelle_sync.shop.inventory.naming import Material, Names, Person
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import Question, Rows, borrow, together

TAKES, GIVES, EITHER = -1, 1, 0
KINDS = {"loss": TAKES, "return": GIVES, "correction": EITHER}
"""What a person may move besides counts, purchases and transfers → whether it takes or gives."""
BELOW_ZERO = "inventory_movements_stock_below_zero"


@dataclass(frozen=True)
class Stock:
    """How much of a material a person has at one place.

    Attributes:
        product_id: In `shop_products`.
        sku: The shop's own number.
        external_id: Gazelle's id of the product.
        name_fr: French name.
        name_en: English name.
        unit: What one of it is.
        is_active: Whether the shop still has it in its list.
        technician: Whose it is, by Gazelle's id.
        technician_name: The same by name; None: Gazelle's list of users has nobody of that id.
        location: Where it is.
        quantity: How much; below zero where invoices say that more was used.
        reorder_threshold: Where the person has so much in all, or less, it is to be ordered; None or 0: never.
        in_all: How much of it the person has in all places.
    """

    product_id: int
    sku: str | None
    external_id: str | None
    name_fr: str | None
    name_en: str | None
    unit: str | None
    is_active: bool
    technician: str
    technician_name: str | None
    location: str
    quantity: Decimal
    reorder_threshold: Decimal | None
    in_all: Decimal

    @property
    def is_low(self) -> bool:
        """Whether it is to be ordered, as the shop is told: by what the person has in all places."""
        return bool(self.is_active and self.reorder_threshold and self.in_all <= self.reorder_threshold)

    def as_json(self) -> dict[str, Any]:
        """For `--json`; quantities are numbers."""
        return {
            "sku": self.sku,
            "product_external_id": self.external_id,
            "technician": self.technician,
            "location": self.location,
            "quantity": number(self.quantity),
            "reorder_threshold": None if self.reorder_threshold is None else number(self.reorder_threshold),
        }


@dataclass(frozen=True)
class Moved:
    """A movement that was made.

    Attributes:
        technician: Whose stock, by Gazelle's id.
        location: Where.
        before: Quantity before.
        after: Quantity after.
    """

    technician: str
    location: str
    before: Decimal
    after: Decimal


@dataclass(frozen=True)
class HistoryEntry:
    """A movement as `history` shows it; names as in `Stock`."""

    id: int
    occurred_at: datetime
    label: str
    name_fr: str | None
    name_en: str | None
    technician: str
    technician_name: str | None
    location: str
    kind: str
    delta: Decimal
    before: Decimal
    after: Decimal
    reason: str | None
    made_by: str
    invoice: str | None
    invoice_number: int | None

    def as_json(self) -> dict[str, Any]:
        """For `--json`; instants in ISO-8601, UTC."""
        return {
            "id": self.id, "occurred_at": self.occurred_at.isoformat(), "product": self.label,
            "technician": self.technician, "location": self.location, "kind": self.kind, "delta": number(self.delta),
            "quantity_before": number(self.before), "quantity_after": number(self.after), "reason": self.reason,
            "made_by": self.made_by, "invoice_external_id": self.invoice, "invoice_number": self.invoice_number,
        }  # fmt: skip


@dataclass(frozen=True)
class Count:
    """What somebody counted.

    Attributes:
        product_id: In `shop_products`.
        technician: Whose stock, by Gazelle's id.
        location: Where.
        quantity: How much there was.
        reorder_threshold: The new one; None: it stays.
    """

    product_id: int
    technician: str
    location: str
    quantity: Decimal
    reorder_threshold: Decimal | None = None


@dataclass(frozen=True)
class Selection:
    """What a command asked for: which material, and whose."""

    material: Material
    people: tuple[Person, ...]


class Stockroom:
    """The stock of a shop, for one command.

    Args:
        settings: For the database, which is up to date.
        made_by: Who moves; None: the login.
    """

    def __init__(self, settings: Settings, *, made_by: str | None = None) -> None:
        self._url = str(settings.database_url)
        self._language = settings.language
        self._made_by = made_by

    def names(self) -> Names:
        """Everybody and everything that a command may name."""
        with borrow(self._url) as connection:
            return Names.read(connection)

    def ask(self, product: str, *technicians: str) -> Selection:
        """Which material and people a command means; nothing is written.

        Raises:
            SettingsError: Something is not known, or may be several.
        """
        with borrow(self._url) as connection:
            names = Names.read(connection)
            material = names.material(product, self._language)
            people = tuple(names.person(technician) for technician in technicians)
        return Selection(material, people)

    def id_of(self, material: Material) -> int:
        """Its id in the shop's list, into which a product of Gazelle's alone is taken."""
        return self.ids_of([material])[material.label]

    def ids_of(self, materials: Sequence[Material]) -> dict[str, int]:
        """Label → id in the shop's list, into which products of Gazelle's alone are taken, in one round trip."""
        found = {one.label: one.id for one in materials if one.id is not None}
        new = {str(one.external_id): one.label for one in materials if one.id is None}
        if new:
            with borrow(self._url) as connection:
                [rows] = together(connection, (statement("inventory/adopt"), {"products": sorted(new)}))
            found |= {new[external_id]: int(product_id) for external_id, product_id in rows}
        return found

    def read(self, *, product_id: int | None = None, technician: str | None = None) -> list[Stock]:
        """What there is, of a material or a person."""
        with borrow(self._url) as connection:
            asked = {"product": product_id, "technician": technician}
            return [Stock(*row) for row in connection.execute(statement("inventory/stock"), asked)]

    def history(
        self, *, product_id: int | None, technician: str | None, invoice: str | None, limit: int
    ) -> list[HistoryEntry]:
        """The newest movements first."""
        asked = {"product": product_id, "technician": technician, "invoice": invoice, "limit": limit}
        with borrow(self._url) as connection:
            return [HistoryEntry(*row) for row in connection.execute(statement("inventory/history"), asked)]

    def count(self, counts: Sequence[Count], reason: str | None = None) -> list[Moved]:
        """Set stocks to what was counted, each by a movement of its own, all in one transaction of one round trip.

        Consumption and other people's movements come before or after it, never in between.
        """
        places = {
            "products": [one.product_id for one in counts],
            "technicians": [one.technician for one in counts],
            "locations": [place_of(one.location) for one in counts],
        }
        counted = {
            **places, "counted": [one.quantity for one in counts], "reason": reason, "made_by": self._made_by,
        }  # fmt: skip
        thresholds = {**places, "thresholds": [one.reorder_threshold for one in counts]}
        return self._write(
            (statement("inventory/hold_products"), places),
            (statement("inventory/open_stock"), places),
            (statement("inventory/hold_stock"), places),
            (statement("inventory/count"), counted),
            (statement("inventory/thresholds"), thresholds),
            place=3,
        )

    def purchase(
        self, asked: Selection, quantity: Decimal, *, location: str = MAIN, reason: str | None = None
    ) -> list[Moved]:
        """Add what was bought.

        Raises:
            SettingsError: Nobody buys what is not sold any more.
        """
        material = asked.material
        if material.is_archived or not material.is_active:
            raise SettingsError(
                gettext(
                    "{product} is archived or not in the shop's list any more: nothing of it is bought. Restore it, or "
                    "say which product took its place; what is left of it can be counted and used up.",
                    product=material.name(self._language),
                )
            )
        return self._move(asked, "purchase", [(asked.people[0], location, quantity)], reason)

    def move(
        self, asked: Selection, kind: str, quantity: Decimal, *, location: str = MAIN, reason: str | None = None
    ) -> list[Moved]:
        """Take, bring back or correct.

        Args:
            asked: Of what, and whose.
            kind: A key of `KINDS`.
            quantity: Above zero; of a correction the difference.
            location: Where.
            reason: Why.

        Raises:
            SettingsError: There is not so much.
        """
        delta = quantity * (KINDS[kind] or 1)
        return self._move(asked, kind, [(asked.people[0], location, delta)], reason)

    def transfer(
        self, asked: Selection, quantity: Decimal, *, here: str = MAIN, there: str = MAIN, reason: str | None = None
    ) -> list[Moved]:
        """Move from the first person of `asked` to the second, both movements or none.

        Raises:
            SettingsError: There is not so much, or both are the same stock.
        """
        giver, taker = asked.people
        if (giver.id, place_of(here)) == (taker.id, place_of(there)):
            raise SettingsError(gettext("Both are the same stock: nothing to transfer."))
        return self._move(asked, "transfer", [(giver, here, -quantity), (taker, there, quantity)], reason)

    def _move(
        self, asked: Selection, kind: str, changes: Sequence[tuple[Person, str, Decimal]], reason: str | None
    ) -> list[Moved]:
        moves = {
            "products": [self.id_of(asked.material)] * len(changes),
            "technicians": [person.id for person, _, _ in changes],
            "locations": [place_of(location) for _, location, _ in changes],
            "deltas": [delta for _, _, delta in changes],
            "kind": kind,
            "reason": reason,
            "made_by": self._made_by,
        }
        try:
            return self._write(
                (statement("inventory/hold_products"), moves), (statement("inventory/move"), moves), place=1
            )
        except errors.CheckViolation as error:
            if error.diag.constraint_name != BELOW_ZERO:
                raise
            raise SettingsError(
                gettext(
                    "There is not so much of {product}. Nothing was moved. `gazelle-sync inventory list` shows what "
                    "there is; if there is more, count it first: `gazelle-sync inventory count`.",
                    product=asked.material.name(self._language),
                )
            ) from error

    def _write(self, *writes: Question, place: int) -> list[Moved]:
        with borrow(self._url) as connection:
            rows: Rows = together(connection, *writes)[place]
        return [Moved(technician, location, before, after) for _, technician, location, before, after in rows]


def place_of(text: str) -> str:
    """A place as the movements name it: without blanks around it, and never empty."""
    return record_id(text) or MAIN


def number(value: Decimal) -> int | float:
    """A quantity as JSON has it: `3`, `2.25`."""
    return int(value) if value == value.to_integral_value() else float(value)
