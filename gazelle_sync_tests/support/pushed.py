"""What the conformance suite of the push needs to know of each pushable: how a test makes its rows and its records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from psycopg import sql

from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.pushables import INVOICE_DRAFTS, PIANO_UPDATES, SHOP_PRODUCTS
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record, Row

LONG_AGO = "2026-01-01T00:00:00Z"
STATUS = {"top": "TOP", "normal": "NORMAL", "problematic": "PROBLEMATIQUE"}


@dataclass(frozen=True)
class Column:
    """A column of a pushable that is an attribute at Gazelle.

    Attributes:
        pushable: Whose.
        name: Local.
        kind: Of the records, as the sandbox calls it.
        values: Different values of it, as the database gives them.
        said: A record → the value that it says.
        say: A record, a value → the fields of the record that say it.
        fields: A record → what of it is made otherwise, so that a test finds one that can be written to.
        others: A record (None: there is none) → what else a new row says of it.
    """

    pushable: Pushable
    name: str
    kind: str
    values: tuple[Any, ...]
    said: Callable[[Record], Any]
    say: Callable[[Record, Any], Record]
    fields: Callable[[Record], Record] = lambda _: {}
    others: Callable[[Record | None], Row] = lambda _: {}

    def __str__(self) -> str:
        return f"{self.pushable.table}.{self.name}"


@dataclass
class Side:
    """A column in one shop, on both sides.

    Attributes:
        office: Whose shop.
        column: Which.
    """

    office: EditedShop
    column: Column

    def records(self, count: int) -> list[str]:
        """Ids of so many records that say the first of the values, and have said it for long."""
        admin, column = self.office.shop.admin, self.column
        fit = [one for one in admin.dump(column.kind) if is_usable(one | column.fields(one))][:count]
        assert len(fit) == count, "the account has too few"
        for one in fit:
            fields = column.fields(one)
            values = fields | column.say(one | fields, column.values[0])
            admin.edit(column.kind, one["id"], touch=LONG_AGO, **values)
        return [one["id"] for one in fit]

    def record(self, record_id: str) -> Record:
        """Gazelle's record."""
        found = self.office.shop.admin.record(self.column.kind, record_id)
        assert found is not None
        return found

    def said(self, record_id: str) -> Any:
        """What Gazelle's record says."""
        return self.column.said(self.record(record_id))

    def say(self, record_id: str, value: Any) -> None:
        """Somebody edits the record at Gazelle."""
        values = self.column.say(self.record(record_id), value)
        self.office.shop.admin.edit(self.column.kind, record_id, **values)

    def edit(self, record_id: str, value: Any) -> None:
        """Somebody edits the row here, or makes it."""
        table, pushable = self.column.pushable.table, self.column.pushable
        others = self.column.others(self.office.shop.admin.record(self.column.kind, record_id))
        names = (pushable.record_key, self.column.name, *others)
        query = sql.SQL(
            "INSERT INTO {table} ({names}) VALUES ({marks}) "
            "ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column}"
        ).format(
            table=sql.Identifier(table),
            names=sql.SQL(", ").join(map(sql.Identifier, names)),
            marks=sql.SQL(", ").join(sql.Placeholder() for _ in names),
            key=sql.Identifier(pushable.record_key),
            column=sql.Identifier(self.column.name),
        )
        self.office.shop.query(query, record_id, value, *others.values())

    def row(self, record_id: str) -> Row:
        """The local row."""
        pushable = self.column.pushable
        (row,) = self.office.shop.rows(pushable.table, f"{pushable.record_key} = %s", record_id)
        return row

    def local(self, record_id: str) -> Any:
        """What the row says."""
        return self.row(record_id)[self.column.name]

    def assert_clean(self, record_id: str) -> None:
        """Gazelle has what the row says, and the row knows it."""
        row = self.row(record_id)
        assert (row["needs_sync"], row["sync_error"]) == (False, None)
        assert row["last_synced_at"] is not None
        assert self.said(record_id) == row[self.column.name]

    def settle(self) -> None:
        """Push until there is nothing left to do."""
        for _ in range(10):
            if self.office.push().succeeded and not self.office.shop.count(self.column.pushable.table, "needs_sync"):
                return
            self.office.let_doubts_pass()
        raise AssertionError(self.office.shop.rows(self.column.pushable.table, "needs_sync"))


def is_usable(record: Record) -> bool:
    """Whether a record may be written to at all."""
    return (
        record.get("status", "ACTIVE") in ("ACTIVE", "OPEN")
        and not record.get("isArchived")
        and record.get("clientId", True)
    )


def _sent(record: Record | None) -> Row:
    """What a draft says whose invoice is at Gazelle."""
    client, status = (record["clientId"], record["status"]) if record else ("cli_x", "OPEN")
    return {"client_external_id": client, "status": "sent", "gazelle_status": status}


def _unpaid(record: Record) -> Record:
    """What an open invoice says that nobody has paid anything of: few of the account's are open."""
    return {"status": "OPEN", "payments": [], "paidTotal": 0, "dueTotal": record["total"]}


def _tags(record: Record, value: Any) -> Record:
    return {"tags": [*(tag for tag in record["tags"] if tag not in STATUS.values()), STATUS[value]]}


def _status(record: Record) -> Any:
    (tag,) = [tag for tag in record["tags"] if tag in STATUS.values()]
    return next(status for status, said in STATUS.items() if said == tag)


COLUMNS = (
    Column(
        PIANO_UPDATES, "status", "pianos", ("top", "normal", "problematic"), _status, _tags,
        lambda _: {"tags": ["GRAND"]},
    ),
    Column(
        SHOP_PRODUCTS, "retail_price", "products", (Decimal("80.00"), Decimal("85.50"), Decimal("0.00")),
        lambda record: Decimal(record["amount"]) / 100,
        lambda _, value: {"amount": int(value * 100)},
    ),
    Column(
        SHOP_PRODUCTS, "name_fr", "products", ("Accord", "Accordage", "Accord d'été"),
        lambda record: record["name"].get("fr_CA"),
        lambda record, value: {"name": record["name"] | {"fr_CA": value}},
        lambda _: {"name": {"fr_CA": "Accord", "en_US": "Tuning", "es_MX": "Afinación"}},
    ),
    Column(
        INVOICE_DRAFTS, "notes", "invoices", ("Merci", "Merci !", "À bientôt"), lambda record: record["notes"],
        lambda _, value: {"notes": value}, _unpaid, _sent,
    ),
)  # fmt: skip
"""One column or more of every pushable."""
