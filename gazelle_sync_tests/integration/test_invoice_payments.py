"""What was paid and is entered here: each payment goes to Gazelle once, and no more is paid than is due."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest

from gazelle_sync.shop.billing.store import DraftRefused
from gazelle_sync_tests.support.invoicing import Desk
from gazelle_sync_tests.support.shop import Record

LOST = ["close_after", "reset", "html_200", "truncated"]


def paid(desk: Desk, invoice: str) -> list[tuple[int, int, str]]:
    payments: list[Record] = desk.invoice(invoice)["payments"]
    return [(one["amount"], one["tipTotal"], one["type"]) for one in payments]


def test_a_payment_with_its_tip_arrives_and_the_invoice_is_paid(desk: Desk) -> None:
    draft, invoice = desk.sent()
    at = datetime(2026, 11, 1, 15, 30, tzinfo=UTC)
    payment = desk.pay(draft, "150.00", "7.72", "CREDIT_CARD", notes="Merci", paid_at=at)
    assert desk.push().succeeded
    found = desk.invoice(invoice)
    (made,) = found["payments"]
    assert (made["amount"], made["tipTotal"], made["type"], made["notes"]) == (15000, 772, "CREDIT_CARD", "Merci")
    assert (made["paidAt"], found["status"], found["dueTotal"]) == ("2026-11-01T15:30:00Z", "PAID", 0)
    row = desk.payment(payment)
    assert (row["external_id"], row["needs_sync"], row["sync_error"]) == (made["id"], False, None)
    desk.shop.admin.reset_stats()
    assert desk.push().outcomes == []
    assert desk.shop.admin.stats()["requests"] == 0


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("operation", ["addInvoicePayment", "PushRead"])
def test_an_answer_that_is_lost_pays_once(desk: Desk, operation: str, fault: str) -> None:
    draft, invoice = desk.sent()
    desk.pay(draft, "10.00")
    desk.pay(draft, "10.00", kind="CHECK")
    desk.shop.admin.fault(fault, operation=operation)
    desk.push()
    desk.settle()
    assert sorted(paid(desk, invoice)) == [(1000, 0, "CASH"), (1000, 0, "CHECK")]
    assert desk.doubts() == 0


@pytest.mark.parametrize("fault", [None, "close_after", "half_done"])
def test_payments_that_say_the_same_are_each_paid_once(desk: Desk, fault: str | None) -> None:
    draft, invoice = desk.sent()
    at = datetime(2026, 11, 1, tzinfo=UTC)
    rows = [desk.pay(draft, "10.00", paid_at=at) for _ in range(3)]
    if fault is not None:
        desk.shop.admin.fault(fault, operation="addInvoicePayment", **({"place": 1} if fault == "half_done" else {}))
    desk.push()
    desk.settle()
    assert paid(desk, invoice) == [(1000, 0, "CASH")] * 3
    named = {desk.payment(row)["external_id"] for row in rows}
    assert named == {one["id"] for one in desk.invoice(invoice)["payments"]}


def test_somebody_elses_payment_of_the_same_amount_is_not_taken_for_ours(desk: Desk) -> None:
    draft, invoice = desk.sent()
    at = datetime(2026, 11, 1, tzinfo=UTC)
    theirs = {
        "id": "pay_theirs", "amount": 1000, "tipTotal": 0, "type": "CASH", "status": "SUCCEEDED",
        "paymentSource": "MANUAL", "paidAt": "2026-11-01T00:00:00Z", "notes": None, "isStripePayment": False,
        "isSyncedToQuickbooksOnline": False, "createdAt": "2026-11-01T00:00:00Z",
    }  # fmt: skip
    desk.shop.admin.edit("invoices", invoice, payments=[theirs])
    desk.pay(draft, "10.00", paid_at=at)
    desk.shop.admin.fault("reset", operation="addInvoicePayment")
    desk.push()
    desk.settle()
    assert paid(desk, invoice) == [(1000, 0, "CASH")] * 2


def test_more_than_is_due_is_refused_here_and_again_before_it_is_sent(desk: Desk) -> None:
    draft, invoice = desk.sent()
    with pytest.raises(DraftRefused, match="more than is due"):
        desk.pay(draft, "142.29")
    desk.pay(draft, "100.00")
    with pytest.raises(DraftRefused, match=r"more than is due of the invoice .*: 42.28 \$"):
        desk.pay(draft, "50.00")
    late = desk.pay(draft, "42.28")
    desk.shop.query("UPDATE invoice_draft_payments SET needs_sync = false WHERE id = %s", late)
    assert desk.push().succeeded
    theirs = desk.invoice(invoice)["payments"][0] | {"id": "pay_theirs", "amount": 4000}
    desk.shop.admin.edit("invoices", invoice, payments=[*desk.invoice(invoice)["payments"], theirs], dueTotal=228)
    desk.shop.query("UPDATE invoice_draft_payments SET needs_sync = true WHERE id = %s", late)
    assert desk.push().failed == 1
    assert "More than is due" in desk.payment(late)["sync_error"]
    assert len(paid(desk, invoice)) == 2


def test_two_people_who_pay_an_invoice_at_once_pay_it_once(desk: Desk) -> None:
    draft, invoice = desk.sent()

    def pay(_: int) -> bool:
        try:
            desk.pay(draft, "142.28")
        except DraftRefused:
            return False
        return True

    with ThreadPoolExecutor(4) as people:
        assert sum(people.map(pay, range(4))) == 1
    desk.settle()
    assert paid(desk, invoice) == [(14228, 0, "CASH")]


@pytest.mark.parametrize("status", ["DRAFT", "CANCELED"])
def test_an_invoice_that_cannot_be_paid_takes_no_payment(desk: Desk, status: str) -> None:
    draft, invoice = desk.sent()
    payment = desk.pay(draft, "10.00")
    desk.shop.admin.edit("invoices", invoice, status=status)
    assert desk.push().failed == 1
    assert "takes no payment" in desk.payment(payment)["sync_error"]
    desk.shop.sync()
    desk.shop.query("DELETE FROM invoice_draft_payments")
    with pytest.raises(DraftRefused, match="takes no payment"):
        desk.pay(invoice, "10.00")
    assert paid(desk, invoice) == []


def test_a_payment_of_a_draft_waits_until_it_is_sent(desk: Desk) -> None:
    draft = desk.draft()
    insert = "INSERT INTO invoice_draft_payments (draft_id, amount) VALUES (%s, 10) RETURNING id"
    [(payment,)] = desk.shop.query(insert, draft)
    assert desk.push().outcomes == []
    with pytest.raises(DraftRefused, match="Send it first"):
        desk.pay(draft, "10.00")
    desk.ask(draft)
    assert desk.push().sent == 3, "made, opened and paid in one push"
    assert paid(desk, str(desk.row(draft)["external_id"])) == [(1000, 0, "OTHER")]
    assert desk.payment(payment)["external_id"]


def test_an_invoice_of_gazelles_own_can_be_paid_too_and_one_that_nobody_knows_cannot(desk: Desk) -> None:
    open_one = next(one for one in desk.shop.admin.dump("invoices") if one["status"] == "OPEN" and one["dueTotal"])
    desk.pay(open_one["id"], "1.00")
    assert desk.push().succeeded
    assert paid(desk, open_one["id"]) == [(100, 0, "CASH")]
    with pytest.raises(DraftRefused, match="No invoice inv_nobody is known"):
        desk.pay("inv_nobody", "1.00")


def test_a_payment_that_was_sent_is_not_changed(desk: Desk) -> None:
    draft, invoice = desk.sent()
    payment = desk.pay(draft, "10.00")
    desk.push()
    desk.shop.query("UPDATE invoice_draft_payments SET amount = 11")
    assert desk.push().failed == 1
    assert "takes no change" in desk.payment(payment)["sync_error"]
    assert paid(desk, invoice) == [(1000, 0, "CASH")]


@pytest.mark.parametrize(
    "values",
    ["0, 0", "-1, 0", "10.005, 0", "99999999999.99, 0", "'NaN', 0", "10, 11", "10, -1"],
)
def test_the_database_refuses_amounts_that_cannot_be(desk: Desk, values: str) -> None:
    _, invoice = desk.sent()
    with pytest.raises(psycopg.IntegrityError):
        desk.shop.query(
            f"INSERT INTO invoice_draft_payments (invoice_external_id, amount, tip) VALUES (%s, {values})",  # noqa: S608
            invoice,
        )


@pytest.fixture
def by_two_programs(desk: Desk) -> tuple[list[int], str]:
    """Two payments of an invoice, each within what is due and together more; neither program asked the other."""
    draft, invoice = desk.sent()
    insert = "INSERT INTO invoice_draft_payments (draft_id, amount, type) VALUES (%s, %s, %s) RETURNING id"
    rows = [desk.shop.query(insert, draft, *one)[0][0] for one in ((142, "CASH"), (100, "CHECK"))]
    return rows, invoice


@pytest.mark.parametrize("transport", ["graphql", "rest"])
def test_payments_that_are_together_more_than_is_due_go_as_far_as_it_reaches(
    desk: Desk, by_two_programs: tuple[list[int], str], transport: str
) -> None:
    [first, second], invoice = by_two_programs
    report = desk.push(push_transport=transport)
    assert (report.sent, report.failed) == (1, 1)
    assert paid(desk, invoice) == [(14200, 0, "CASH")]
    assert desk.payment(first)["external_id"]
    assert "More than is due" in desk.payment(second)["sync_error"]


@pytest.mark.parametrize("arrives", [True, False])
def test_while_a_payment_may_still_arrive_no_other_of_its_invoice_is_sent(
    desk: Desk, by_two_programs: tuple[list[int], str], arrives: bool
) -> None:
    [first, second], invoice = by_two_programs
    fault = {"kind": "close_after"} if arrives else {"kind": "status", "code": 502}
    desk.shop.admin.fault(**fault, operation="addInvoicePayment")
    desk.shop.admin.fault("status", code=503, operation="PushEntries", times=0)
    desk.push()
    assert len(paid(desk, invoice)) == arrives
    assert "in doubt" in desk.payment(first)["sync_error"]
    waits = "More than is due" if arrives else "Another payment of this invoice may still arrive"
    assert waits in desk.payment(second)["sync_error"]
    desk.shop.admin.clear_faults()
    for _ in range(2):
        desk.office.let_doubts_pass()
        desk.push()
    assert paid(desk, invoice) == [(14200, 0, "CASH")]
    assert "More than is due" in desk.payment(second)["sync_error"]
