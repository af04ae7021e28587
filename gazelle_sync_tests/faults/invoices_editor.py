"""People who bill: drafts of invoices with their lines, sent by a person, changed since, and paid, here and at Gazelle.

An invoice's notes begin with a word that no other's have, and each payment is of an amount of its own, so that what was
made of them is known without the push's own mark. Sums are whole cents.
"""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

from gazelle_sync.shop.billing.store import Drafts
from gazelle_sync_tests.faults.bills import Bill, Line, Paid, said
from gazelle_sync_tests.faults.push_values import Values
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record, Row

DRAFTS, LINES, PAYMENTS = "invoice_drafts", "invoice_draft_items", "invoice_draft_payments"
HELD = {"notes": "notes", "top_notes": "topNotes"}
"""Column → the record's field."""
TYPES = ("CASH", "CHECK", "CREDIT_CARD", "ELECTRONIC_FUNDS_TRANSFER")
LEAST = 80_000
"""Cents that the first line of an invoice costs at least."""
QUANTITIES = (100, 100, 25, 33, 125, 250)
"""In hundredths."""


class InvoicesEditor:
    """See the module and `Editor`.

    Attributes:
        bills: Every invoice that was ever prepared here.
        values: What both sides held.
        foreign: Invoice → the tags that people at Gazelle gave it.
    """

    pulled: tuple[str, ...] = ("users", "clients", "pianos", "products", "taxes", "invoices")
    tables: tuple[str, ...] = (DRAFTS, PAYMENTS)
    creates: tuple[str, ...] = ("createInvoice(", "addInvoicePayment(")
    writes: tuple[str, ...] = ("updateInvoice(", "allInvoices(", "PushedPayments")

    def __init__(self, office: EditedShop, draw: random.Random) -> None:
        self._shop, self._admin, self._draw = office.shop, office.shop.admin, draw
        self._count = 0
        self._one_at_a_time = threading.RLock()
        self.drafts = Drafts(self._shop.url)
        self.bills: list[Bill] = []
        self.values = Values()
        self.foreign: dict[str, list[str]] = {}
        self._agreed: set[tuple[int, str]] = set()
        mailed = (one for one in self._admin.dump("contacts") if one["emails"] and not one["archived"])
        self._contacts = {one["clientId"]: one["id"] for one in mailed}
        self._clients = list(self._contacts)[:4]

    @property
    def in_trouble(self) -> bool:
        """See `Editor`."""
        return False

    def knows(self, record: str) -> bool:
        """See `Editor`: whatever is read of these tables is theirs."""
        return True

    @property
    def gone(self) -> set[str]:
        """See `Editor`: what can go no further says so for ever; whether it may, is judged by itself."""
        rows = self.rows()
        found = set[str]()
        for bill in self.bills:
            if bill.is_off or bill.is_refused:
                found |= {
                    str(bill.draft),
                    str(rows[bill.draft]["external_id"]),
                    *(str(one.id) for one in bill.payments),
                }
        return found

    # ---- what there is

    def rows(self) -> dict[int, Row]:
        """All drafts by number."""
        return {row["id"]: row for row in self._shop.rows(DRAFTS)}

    def records(self) -> dict[str, Record]:
        """All invoices at Gazelle by id, read from the sandbox itself."""
        return {record["id"]: record for record in self._admin.dump("invoices")}

    def invoices_of(self, bill: Bill, records: dict[str, Record] | None = None) -> list[Record]:
        """Gazelle's invoices that bear a bill's word."""
        found = (self.records() if records is None else records).values()
        return [record for record in found if str(record.get("notes") or "").startswith(bill.word)]

    def record_of(self, bill: Bill) -> Record | None:
        """The invoice that a bill's draft names."""
        row = self.rows().get(bill.draft) or {}
        return self._admin.record("invoices", row.get("external_id") or "")

    def due(self) -> list[str]:
        """See `Editor`."""
        due = [f"draft {row['id']}" for row in self._shop.rows(DRAFTS, "needs_sync AND status IN ('ready', 'sent')")]
        paying = self._shop.rows(PAYMENTS, "needs_sync AND invoice_external_id IS NOT NULL")
        return due + [f"payment {row['id']}" for row in paying]

    def look(self) -> None:
        """See `Editor`."""
        with self._one_at_a_time:
            rows, records = self.rows(), self.records()
            for bill in self.bills:
                row = rows.get(bill.draft) or {}
                record = records.get(row.get("external_id") or "") or {}
                for column, name in HELD.items():
                    self.values.look((bill.draft, column), row.get(column), said(record.get(name)))

    def sent(self) -> list[Bill]:
        """Bills that Gazelle has and that can still be changed."""
        records = self.records()
        rows = self.rows()
        return [
            bill
            for bill in self.bills
            if not bill.is_off
            and not bill.is_refused
            and (records.get(rows[bill.draft]["external_id"] or "") or {}).get("status") == "OPEN"
        ]

    # ---- here

    def begin(self) -> None:
        """See `Editor`."""
        for _ in range(self._draw.randint(1, 3)):
            self.bill()
        self.look()

    def go_on(self) -> None:
        """See `Editor`."""
        if self._draw.random() < 0.4:
            self.edit_both()
        self.bill()
        self.pay()
        self.look()

    def work(self, deeds: int) -> list[str]:
        """See `Editor`."""
        choice = (self.bill, self.pay, self.pay, self.edit_here, self.edit_lines, self.edit_there, self.pay_there)
        done = self._draw.choices(choice, k=deeds)
        for deed in done:
            deed()
        self.look()
        return [deed.__name__ for deed in done]

    def bill(self, *, is_sent: bool = True) -> Bill:
        """Somebody prepares an invoice and sends it."""
        with self._one_at_a_time:
            self._count += 1
            word, client = f"Facture {self._count}/", self._draw.choice(self._clients)
            bill = Bill(word, 0, client, [self._line() for _ in range(self._draw.randint(1, 4))])
            bill.lines[0].amount += LEAST  # what is paid here and there is less than that
            bill.lines[0].quantity = 100
            bill.said = {name: self._value(bill, self.values.by_us) for name in HELD}
            values = {"client_external_id": client, "contact_external_id": self._contacts.get(client), **bill.said}
            query = sql.SQL("INSERT INTO invoice_drafts ({}) VALUES (%s, %s, %s, %s) RETURNING id").format(
                sql.SQL(", ").join(map(sql.Identifier, values))
            )
            bill.draft = int(self._shop.query(query, *values.values())[0][0])
            for line in bill.lines:
                self._add(bill, line)
            self.bills.append(bill)
            if is_sent:
                self.send(bill)
            return bill

    def send(self, bill: Bill) -> None:
        """Somebody sends what was checked."""
        _, checked = self.drafts.check(bill.draft, to_send=True)
        if checked.problems:
            raise AssertionError(f"{bill.word} cannot be sent: {checked.problems}")
        bill.is_sent = True

    def pay(self, bill: Bill | None = None, **values: Any) -> None:
        """Somebody enters what was paid, before or after the invoice is at Gazelle."""
        with self._one_at_a_time:
            payable = [one for one in self.bills if one.is_sent and not one.is_off and not one.is_refused]
            if not payable:
                return
            bill = bill or self._draw.choice(payable)
            self._count += 1
            paid = Paid(0, 100 + self._count, self._draw.choice([0, 0, 5]), self._draw.choice(TYPES))
            when = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=self._count)
            self._enter(bill, paid, {"paid_at": when, "notes": f"reçu {self._count}", **values})

    def pay_twice(self) -> None:
        """Two people enter the same payment of an invoice: there are two."""
        payable = [one for one in self.bills if one.is_sent and not one.is_off and not one.is_refused]
        bill = self._draw.choice(payable)
        self._count += 1
        when = datetime.now(UTC).replace(microsecond=0)
        for _ in range(2):
            self._enter(bill, Paid(0, 100 + self._count, 0, "CASH"), {"paid_at": when})

    def _enter(self, bill: Bill, paid: Paid, values: dict[str, Any]) -> None:
        query = sql.SQL(
            "INSERT INTO invoice_draft_payments (draft_id, amount, tip, type, {}) "
            "VALUES (%s, %s::numeric / 100, %s::numeric / 100, %s, {}) RETURNING id"
        ).format(sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(sql.Placeholder() for _ in values))
        given = (bill.draft, paid.amount, paid.tip, paid.type, *values.values())
        paid.id = int(self._shop.query(query, *given)[0][0])
        bill.payments.append(paid)

    def edit_here(self, record: str = "") -> None:
        """See `Editor`: somebody changes what stands above or below the lines."""
        with self._one_at_a_time:
            if fit := self.sent():
                self._correct(self._draw.choice(fit))
                self.look()

    def edit_every(self) -> None:
        """See `Editor`."""
        for bill in self.sent():
            self._correct(bill)
        self.bill()
        self.look()

    def edit_lines(self) -> None:
        """Somebody changes the lines of an invoice that Gazelle has, and sends it again."""
        with self._one_at_a_time:
            if fit := self.sent():
                self.change_lines(self._draw.choice(fit))
                self.look()

    def change_lines(self, bill: Bill) -> None:
        """Another price for the first line, and one line more."""
        self._count += 1
        bill.lines[0].amount = LEAST + self._count
        self._shop.query(
            "UPDATE invoice_draft_items SET amount = %s::numeric / 100 WHERE draft_id = %s AND position = 1",
            bill.lines[0].amount, bill.draft,
        )  # fmt: skip
        bill.lines.append(self._line())
        self._add(bill, bill.lines[-1])
        self.send(bill)

    def _correct(self, bill: Bill) -> None:
        for name in self._draw.sample(sorted(HELD), self._draw.randint(1, 2)):
            bill.said[name] = self._value(bill, self.values.by_us)
            query = sql.SQL("UPDATE invoice_drafts SET {} = %s WHERE id = %s").format(sql.Identifier(name))
            self._shop.query(query, bill.said[name], bill.draft)
        if self.rows()[bill.draft]["status"] == "draft":
            self.send(bill)  # it was sent again and is changed before that went: it is checked once more

    def _add(self, bill: Bill, line: Line) -> None:
        self._shop.query(
            "INSERT INTO invoice_draft_items (draft_id, description, quantity, amount, taxable) "
            "VALUES (%s, %s, %s::numeric / 100, %s::numeric / 100, %s)",
            bill.draft, line.description, line.quantity, line.amount, line.taxable,
        )  # fmt: skip

    def _line(self) -> Line:
        self._count += 1
        draw = self._draw
        return Line(f"Ligne {self._count}", draw.choice(QUANTITIES), draw.randint(100, 40_000), draw.random() < 0.8)

    def _value(self, bill: Bill, made: set[str], mark: str = "") -> str:
        self._count += 1
        value = f"{bill.word}{self._count}{mark}"
        made.add(value)
        return value

    # ---- at Gazelle

    def edit_there(self, record: str = "") -> None:
        """See `Editor`: somebody writes into an invoice at Gazelle, and tags it."""
        with self._one_at_a_time:
            fit = [bill for bill in self.sent() if record in ("", self.rows()[bill.draft]["external_id"])]
            if fit:
                self._say_there(self._draw.choice(fit))
                self.look()

    def edit_all_there(self, record: str) -> None:
        """See `Editor`."""
        self.edit_there(record)

    def edit_both(self) -> None:
        """The same is changed here and at Gazelle, before either side has heard of the other."""
        for bill in self.sent()[:2]:
            self._correct(bill)
            self.look()
            self._say_there(bill)
        self.look()

    def pay_there(self, bill: Bill | None = None, amount: int | None = None) -> None:
        """Somebody enters a payment at Gazelle; `amount` in cents, or a small one."""
        with self._one_at_a_time:
            fit = [bill] if bill else self.sent()
            if not fit:
                return
            bill = self._draw.choice(fit)
            record = self.record_of(bill) or {}
            self._count += 1
            amount = amount or 5_000 + self._count
            bill.paid_there.append(amount)
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            payment = {
                "id": f"pay_la_bas_{self._count}", "amount": amount, "tipTotal": 0, "type": "OTHER",
                "status": "SUCCEEDED", "paymentSource": "MANUAL", "paidAt": now, "notes": None, "createdAt": now,
                "isStripePayment": False, "isSyncedToQuickbooksOnline": False,
            }  # fmt: skip
            paid, total = record["paidTotal"] + amount, record["total"]
            self._admin.edit(
                "invoices", record["id"], payments=[*record["payments"], payment], paidTotal=paid,
                dueTotal=total - paid, status="PAID" if paid >= total else record["status"],
            )  # fmt: skip

    def pay_all_there(self, bill: Bill) -> None:
        """Somebody enters at Gazelle that all was paid."""
        self.pay_there(bill, (self.record_of(bill) or {})["dueTotal"])

    def _say_there(self, bill: Bill) -> None:
        record = self.record_of(bill)
        if record is None:
            return
        values: Record = {}
        for name in self._draw.sample(sorted(HELD), self._draw.randint(1, 2)):
            by = self.values.by_them if (bill.draft, name) in self._agreed else set[str]()
            values[HELD[name]] = self._value(bill, by, " là-bas")
        tags = self.foreign.setdefault(record["id"], [])
        tags.append(f"étiquette {self._count}")
        self._admin.edit("invoices", record["id"], tags=[*tags], **values)

    # ---- clashes

    def agree(self) -> None:
        """See `Editor`: what is changed from here on, on both sides, clashes."""
        self._agreed = set()
        rows, records = self.rows(), self.records()
        for bill in self.bills:
            row = rows[bill.draft]
            record = records.get(row["external_id"] or "")
            if record is not None and not row["needs_sync"]:
                self._agreed |= {(bill.draft, name) for name, its in HELD.items() if row[name] == said(record.get(its))}

    def settle(self) -> None:
        """See `Editor`: whatever clashes, at any time, is told."""
