"""The judge of invoices and payments: each once, to the cent, opened only where the sums are ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.bills import Bill, said, sums_of
from gazelle_sync_tests.faults.invoices_editor import DRAFTS, HELD, PAYMENTS, InvoicesEditor
from gazelle_sync_tests.faults.push_subject import Found, Subject
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record, Row

MAILS = {"CONTACT_EMAIL_MANUAL", "CONTACT_EMAIL_AUTOMATED"}


def at_any_time(office: EditedShop, editor: InvoicesEditor) -> Iterator[Found]:
    """What is wrong that must be right after every run."""
    yield from _Oracle(office, editor).at_any_time()


def after_quiet(office: EditedShop, editor: InvoicesEditor) -> Iterator[Found]:
    """What is wrong that must be right once everything is healthy and nothing is left to push."""
    oracle = _Oracle(office, editor)
    yield from oracle.at_any_time()
    yield from oracle.after_quiet()


class _Oracle:
    """Both sides at one moment."""

    def __init__(self, office: EditedShop, editor: InvoicesEditor) -> None:
        editor.look()
        self._office, self._editor = office, editor
        self._rows, self._records = editor.rows(), editor.records()
        self._payments = {row["id"]: row for row in office.shop.rows(PAYMENTS)}
        self._mails = Counter(
            one.get("invoiceId") for one in office.shop.admin.dump("timeline") if one["type"] in MAILS
        )
        self._rates = [one["rate"] for one in office.shop.admin.dump("taxes") if one.get("default", True)]
        self._log = office.shop.rows("sync_gazelle_logs", "source_table IN (%s, %s)", DRAFTS, PAYMENTS)
        self._lost = {value for one in office.conflicts() for value in (one["ours"], one["theirs"])}

    # ---- at any time

    def at_any_time(self) -> Iterator[Found]:
        for bill in self._editor.bills:
            found = self._editor.invoices_of(bill, self._records)
            if len(found) > 1:
                yield f.INVOICES_DOUBLED, f"{bill.word}: {len(found)} invoices"
            if found and not bill.is_sent:
                yield f.TOLD, f"{bill.word}: nobody sent it, and it is at Gazelle"
            for record in found:
                yield from self._of_invoice(bill, record)
                yield from self._kept(bill, record)

    def _of_invoice(self, bill: Bill, record: Record) -> Iterator[Found]:
        if (mails := self._mails[record["id"]]) > bill.may_be_mailed:
            yield f.CLIENTS_TOLD, f"{bill.word}: {mails} e-mails, and {int(bill.may_be_mailed)} was asked for"
        if bill.is_off and (record["status"] != "DRAFT" or record["payments"]):
            state = f"{record['status']} with {len(record['payments'])} payments"
            yield f.CENTS_OFF, f"{bill.word}: sums differ, and it is {state}"
        ours = Counter(paid.amount for paid in bill.payments)
        theirs = Counter(paid["amount"] for paid in record["payments"])
        for amount, times in theirs.items():
            if times > ours[amount] + bill.paid_there.count(amount):
                yield f.PAYMENTS_DOUBLED, f"{bill.word}: {amount} was paid {times} times, and entered {ours[amount]}"
        if record["status"] in ("OPEN", "PAID") and not bill.is_refused:
            sums = record["subTotal"], record["taxTotal"]
            lines = [(line["quantity"], line["amount"]) for line in record["items"]]
            if lines == [(line.quantity, line.amount) for line in bill.lines] and sums != self._sums(bill):
                yield f.CENTS_OFF, f"{bill.word} is {record['status']} with {sums}, and we computed {self._sums(bill)}"

    def _kept(self, bill: Bill, record: Record) -> Iterator[Found]:
        """What people at Gazelle wrote."""
        if record["clientId"] != bill.client:
            yield f.TEXT_LOST, f"{bill.word}: its client is {record['clientId']}"
        for amount in bill.paid_there:
            if amount not in [one["amount"] for one in record["payments"]]:
                yield f.TEXT_LOST, f"{bill.word}: the payment of {amount} that somebody entered at Gazelle is gone"
        if tags := set(self._editor.foreign.get(record["id"], ())) - set(record["tags"]):
            yield f.TEXT_LOST, f"{bill.word}: the tags {sorted(tags)}, which people at Gazelle gave it, are gone"

    def _sums(self, bill: Bill) -> tuple[int, int]:
        return sums_of(bill.lines, self._rates)

    # ---- at the end

    def after_quiet(self) -> Iterator[Found]:
        for bill in self._editor.bills:
            row = self._rows.get(bill.draft)
            if row is None:
                yield f.INVOICES_LOST, f"{bill.word}: its draft is gone"
            elif bill.is_off or bill.is_refused:
                if row["status"] != "held" and not row["sync_error"]:
                    yield f.SILENT, f"{bill.word} cannot go, and says nothing of it: {row['status']}"
            elif bill.is_sent:
                yield from self._of_bill(bill, row)
        yield from ((f.LOSERS_UNTOLD, words) for words in self._editor.values.untold(self._lost))
        yield from self._of_the_log()

    def _of_bill(self, bill: Bill, row: Row) -> Iterator[Found]:
        record = self._records.get(row["external_id"] or "")
        if row["status"] != "sent" or row["needs_sync"] or row["sync_error"]:
            yield f.UNSETTLED, f"{bill.word} is {row['status']}, due: {row['needs_sync']}: {row['sync_error']}"
        if record is None:
            yield f.INVOICES_LOST, f"{bill.word}: Gazelle has no invoice for it ({row['external_id']})"
            return
        if record["status"] not in ("OPEN", "PAID"):
            yield f.SILENT, f"{bill.word} is {record['status']} at Gazelle"
        lines = [(one["description"], one["quantity"], one["amount"], one["taxable"]) for one in record["items"]]
        ours = [(one.description, one.quantity, one.amount, one.taxable) for one in bill.lines]
        if lines != ours:
            yield f.SILENT, f"{bill.word}: its lines are {lines}, and not {ours}"
        if (sums := (record["subTotal"], record["taxTotal"])) != self._sums(bill):
            yield f.CENTS_OFF, f"{bill.word}: {sums}, and we computed {self._sums(bill)}"
        if "[gazelle_sync" in str(record.get("notes")):
            yield f.TOLD, f"{bill.word}: our mark stands in the notes that the client reads"
        for column, name in HELD.items():
            if (mine := row[column]) != (theirs := said(record.get(name))):
                yield f.SILENT, f"{bill.word}: {column} {mine!r}, and Gazelle has {theirs!r}"
        yield from self._of_payments(bill, record)
        yield from self._of_production(bill, record)

    def _of_payments(self, bill: Bill, record: Record) -> Iterator[Found]:
        there = {one["id"]: one for one in record["payments"]}
        for paid in bill.payments:
            row = self._payments[paid.id]
            if row["needs_sync"] or row["sync_error"]:
                yield f.UNSETTLED, f"{bill.word}: the payment of {paid.amount} is still due: {row['sync_error']}"
            found = there.get(row["external_id"])
            if found is None:
                yield f.PAYMENTS_LOST, f"{bill.word}: the payment of {paid.amount} is not there ({row['external_id']})"
            elif (found["amount"], found["tipTotal"], found["type"]) != (paid.amount, paid.tip, paid.type):
                yield f.SILENT, f"{bill.word}: the payment {found} is not the one that was entered: {paid}"
        total = sum(one["amount"] for one in record["payments"])
        entered = sum(one.amount for one in bill.payments) + sum(bill.paid_there)
        if total != entered:
            yield f.CENTS_OFF, f"{bill.word}: {total} cents are paid at Gazelle, and people entered {entered}"

    def _of_production(self, bill: Bill, record: Record) -> Iterator[Found]:
        """A pull has been since: production is equal."""
        found = self._office.shop.rows("gazelle_invoices", "external_id = %s", record["id"])
        sums = [(row["status"], *(round(row[name] * 100) for name in ("total", "paid_total"))) for row in found]
        if sums != [(record["status"], record["total"], record["paidTotal"])]:
            yield f.SILENT, f"{bill.word}: production says {sums} of {record['id']}"
        paid = self._office.shop.rows("gazelle_invoice_payments", "invoice_external_id = %s", record["id"])
        held = {row["external_id"] for row in paid if row["deleted_at"] is None}
        if held != {one["id"] for one in record["payments"]}:
            yield f.SILENT, f"{bill.word}: production has other payments of {record['id']}"

    def _of_the_log(self) -> Iterator[Found]:
        """Nothing is left in doubt, and what the log says was made is there."""
        paid = {one["id"] for record in self._records.values() for one in record.get("payments") or ()}
        for one in self._log:
            if one["status"] == "in_doubt":
                yield f.UNSETTLED, f"{one['source_table']} {one['local_id']}: {one['action']} is still in doubt"
            if one["status"] != "success" or one["undone_at"] is not None:
                continue
            found = (one["response"] or {}).get("found")
            if one["action"] == "create_invoice" and found and found not in self._records:
                yield f.INVOICES_LOST, f"the log says that {found} was made, and it is not there"
            if one["action"] == "add_invoice_payment" and found and found not in paid:
                yield f.PAYMENTS_LOST, f"the log says that {found} was added, and it is not there"


INVOICES = Subject(InvoicesEditor, at_any_time, after_quiet)
