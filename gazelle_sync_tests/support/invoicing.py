"""People who prepare invoices, send them and enter what was paid, and what Gazelle made of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from gazelle_sync.push.session import PushReport
from gazelle_sync.shop.billing.checking import Checked
from gazelle_sync.shop.billing.paying import PaymentInput, Payments
from gazelle_sync.shop.billing.store import Drafts
from gazelle_sync.warehouse.pool import keep_connections
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record, Row, Shop

TABLES = ("invoice_drafts", "invoice_draft_payments")
NO_HEADER = dict.fromkeys(("contact", "assigned_to", "due_on", "net_days", "notes", "top_notes"))


@dataclass
class Desk:
    """A shop's desk.

    Attributes:
        shop: Database and sandbox.
        before: Ids of the invoices that the account had before anybody came to the desk.
    """

    shop: Shop
    before: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.office = EditedShop(self.shop)
        self.drafts = Drafts(self.shop.url)
        self.payments = Payments(self.shop.url)
        self.before = {one["id"] for one in self.shop.admin.dump("invoices")}

    # ---- preparing

    def client(self, place: int = 0) -> str:
        """A client with a piano."""
        rows = self.shop.query(
            "SELECT DISTINCT c.external_id FROM gazelle_pianos AS p "
            "INNER JOIN gazelle_clients AS c ON c.external_id = p.client_external_id "
            "WHERE c.deleted_at IS NULL AND NOT c.is_stub ORDER BY 1"
        )
        return str(rows[place][0])

    def new(self, **header: Any) -> int:
        """A draft without lines."""
        return self.drafts.new(**{"client": self.client(), **NO_HEADER, "tags": [], **header})

    def add(self, draft: int, description: str = "Accord", **line: Any) -> int:
        """A line of it: an hour and a quarter at 99 $, taxed, unless something else is said."""
        said = {"quantity": Decimal("1.25"), "amount": Decimal(99), "taxable": True, "billable": True, **line}
        return self.drafts.add(draft, description=description, **{"product": None, "piano": None, **said})

    def draft(self, description: str = "Accord", **header: Any) -> int:
        """A draft with one line of 123.75 $, 142.28 $ with its taxes."""
        made = self.new(**header)
        self.add(made, description)
        return made

    # ---- sending

    def ask(self, draft: int) -> Checked:
        """Somebody sends a draft; the push takes it from there."""
        return self.drafts.check(draft, to_send=True)[1]

    def push(self, **options: Any) -> PushReport:
        """One push in this process."""
        return self.office.push(**options)

    def sent(self, **header: Any) -> tuple[int, str]:
        """A draft that was sent, and the id of its invoice."""
        made = self.draft(**header)
        assert not self.ask(made).problems
        report = self.push()
        assert report.succeeded, [outcome.failed for outcome in report.outcomes]
        return made, str(self.row(made)["external_id"])

    def pay(self, said: object, amount: str, tip: str = "0", kind: str = "CASH", **more: Any) -> int:
        """Somebody enters a payment."""
        return self.payments.enter(str(said), PaymentInput(Decimal(amount), Decimal(tip), kind, **more))

    def settle(self) -> None:
        """Push until there is nothing left to do."""
        for _ in range(10):
            self.push()
            if not any(self.shop.count(table, "needs_sync") for table in TABLES):
                return
            self.office.let_doubts_pass()
        raise AssertionError([self.shop.rows(table, "needs_sync") for table in TABLES])

    # ---- looking

    def row(self, draft: int) -> Row:
        """The draft's row."""
        (row,) = self.shop.rows("invoice_drafts", "id = %s", draft)
        return row

    def payment(self, payment: int) -> Row:
        """The payment's row."""
        (row,) = self.shop.rows("invoice_draft_payments", "id = %s", payment)
        return row

    def made(self) -> list[Record]:
        """Gazelle's invoices that were not there before."""
        return [one for one in self.shop.admin.dump("invoices") if one["id"] not in self.before]

    def invoice(self, invoice: str) -> Record:
        """One of Gazelle's invoices."""
        found = self.shop.admin.record("invoices", invoice)
        assert found is not None
        return found

    def at_gazelle(self, draft: int) -> Record:
        """The invoice of a draft."""
        return self.invoice(str(self.row(draft)["external_id"]))

    def assert_open_once(self, draft: int) -> Record:
        """One invoice was made of a draft, is open, and says so."""
        row = self.row(draft)
        assert (row["status"], row["needs_sync"], row["sync_error"]) == ("sent", False, None)
        described = self.drafts.read(draft).lines[0].description
        (found,) = [one for one in self.made() if one["items"] and one["items"][0]["description"] == described]
        assert (found["id"], found["status"]) == (row["external_id"], "OPEN")
        assert "gazelle_sync" not in (found["notes"] or "")
        assert Decimal(found["subTotal"]) / 100 == row["sub_total"]
        return found

    def doubts(self) -> int:
        """Actions of which nobody knows whether they arrived."""
        return sum(status == "in_doubt" for _, status in self.office.log())


@dataclass
class Counter:
    """The commands of that desk, as a person types them."""

    person: Person
    desk: Desk

    @property
    def shop(self) -> Shop:
        """Where."""
        return self.desk.shop

    def says(self, *arguments: str) -> tuple[int, str]:
        """Exit status and what is printed of `gazelle-sync invoices`."""
        ran = self.person.runs("invoices", *arguments)
        return ran.returncode, ran.stdout + ran.stderr

    def json(self, *arguments: str, status: int = 0) -> Any:
        """What it prints for machines."""
        ran = self.person.runs("invoices", *arguments, "--json")
        assert ran.returncode == status, ran.stdout + ran.stderr
        return json.loads(ran.stdout)


@pytest.fixture
def desk(shop: Shop) -> Iterator[Desk]:
    """A desk in a shop that was pulled; connections are kept from push to push."""
    with keep_connections():
        yield Desk(shop)


@pytest.fixture
def counter(person: Person) -> Counter:
    """The same by its commands."""
    return Counter(person, Desk(person.shop))
