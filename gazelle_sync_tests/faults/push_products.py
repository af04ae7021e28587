"""Random edits of prices and names for push cases, here and at Gazelle, and the oracle of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from psycopg import sql

from gazelle_sync.warehouse.connect import connect
from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.push_subject import Found
from gazelle_sync_tests.faults.push_values import Values
from gazelle_sync_tests.support.shop import Record, Row, Shop

TABLE = "shop_products"
COLUMNS = ("retail_price", "name_fr", "name_en")
SPANISH = "Afinación"
"""A language that nobody here knows of: it stays."""


class PriceList:
    """Edits some products, each value once, and records what both sides held.

    Attributes:
        products: External ids.
        values: What both sides held, by product and column, as text.
    """

    def __init__(self, shop: Shop, draw: random.Random) -> None:
        self._shop, self._draw = shop, draw
        self._count = 0
        fit = [one for one in shop.admin.dump("products") if not one["isArchived"]]
        self.products = [str(one["id"]) for one in fit[: draw.randint(1, 2)]]
        self._duration = {one["id"]: one["duration"] for one in fit}
        for product in self.products:
            name = {"fr_CA": "Accord", "en_US": "Tuning", "es_MX": SPANISH}
            shop.admin.edit("products", product, touch="2026-01-01T00:00:00Z", amount=8000, name=name)
        self.values = Values()
        self._agreed: set[tuple[str, str]] = set()
        self.look()

    # ---- what there is

    def rows(self) -> dict[str, Row]:
        """Local rows by product."""
        return {row["product_external_id"]: row for row in self._shop.rows(TABLE)}

    def record(self, product: str) -> Record:
        """Gazelle's record, read from the sandbox itself."""
        return self._shop.admin.record("products", product) or {}

    def look(self) -> None:
        """Record what both sides hold now."""
        rows = self.rows()
        for product in self.products:
            local, said = rows.get(product, {}), said_by(self.record(product))
            for column in COLUMNS:
                self.values.look((product, column), _text(local.get(column)), said[column])

    def agree(self) -> None:
        """Both sides are equal: what is changed from here on, on both, clashes."""
        rows = self.rows()
        self._agreed = {
            (product, column)
            for product, row in rows.items()
            for column in COLUMNS
            if not row["needs_sync"] and _text(row[column]) == said_by(self.record(product))[column]
        }

    # ---- edits

    def edit_here(self, product: str | None = None) -> None:
        """Somebody changes a price or names in the shop's table."""
        values = {column: self._new(column, self.values.by_us) for column in self._some_columns()}
        self.enter(product or self._draw.choice(self.products), **values)

    def enter(self, product: str, **values: Any) -> None:
        """Somebody enters values into the shop's table."""
        query = sql.SQL(
            "INSERT INTO {table} (product_external_id, {names}) VALUES (%s, {marks}) "
            "ON CONFLICT (product_external_id) DO UPDATE SET {sets}"
        ).format(
            table=sql.Identifier(TABLE),
            names=sql.SQL(", ").join(map(sql.Identifier, values)),
            marks=sql.SQL(", ").join(sql.Placeholder() for _ in values),
            sets=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in values),
        )
        with connect(self._shop.url) as connection:
            connection.execute(query, [product, *values.values()])
        self.look()

    def edit_there(self, product: str | None = None) -> None:
        """Somebody changes a price or names at Gazelle."""
        product = product or self._draw.choice(self.products)
        record = self.record(product)
        values: Record = {}
        for column in self._some_columns():
            value = self._new(column, self.values.by_them if (product, column) in self._agreed else set())
            if column == "retail_price":
                values["amount"] = int(Decimal(value) * 100)
            else:
                values.setdefault("name", dict(record["name"]))[LOCALES[column]] = value
        self._shop.admin.edit("products", product, **values)
        self.look()

    def _some_columns(self) -> list[str]:
        return self._draw.sample(COLUMNS, self._draw.randint(1, 2))

    def _new(self, column: str, made: set[str]) -> str:
        self._count += 1
        value = f"{100 + self._count}.50" if column == "retail_price" else f"Service {self._count} « d'été » 🎹"
        made.add(value)
        return value

    # ---- the oracle

    def at_any_time(self) -> Iterator[Found]:
        """What is wrong that must be right after every run."""
        for product in self.products:
            record = self.record(product)
            if record["name"].get("es_MX") != SPANISH:
                yield f.TEXT_LOST, f"{product}: its name in a language that nobody here knows of is gone"
            if record["duration"] != self._duration[product]:
                yield f.TOLD, f"{product}: its duration changed, which nobody did"

    def after_quiet(self, lost: set[str | None]) -> Iterator[Found]:
        """What is wrong that must be right once nothing is left to push; `lost`: values told in `sync_conflicts`."""
        self.look()
        for product, row in self.rows().items():
            if product not in self.products:
                continue
            if row["needs_sync"] or row["sync_error"]:
                yield f.UNSETTLED, f"{product} is still due: {row['sync_error']}"
            said = said_by(self.record(product))
            for column in COLUMNS:
                ours = _text(row[column])
                if ours and ours != said[column]:
                    yield f.SILENT, f"{product}: {column} {ours!r}, and Gazelle has {said[column]!r}"
        yield from ((f.LOSERS_UNTOLD, words) for words in self.values.untold(lost))


LOCALES = {"name_fr": "fr_CA", "name_en": "en_US"}


def said_by(record: Record) -> dict[str, str | None]:
    """What a product's record says, column by column, as text."""
    price = _text(Decimal(record["amount"]) / 100) if record.get("amount") is not None else None
    return {"retail_price": price, **{column: record["name"].get(locale) for column, locale in LOCALES.items()}}


def _text(value: Any) -> str | None:
    return f"{value:.2f}" if isinstance(value, Decimal) else value or None
