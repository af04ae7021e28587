"""Faults that strike while invoices are made, opened and changed, and while payments are added."""

from __future__ import annotations

from gazelle_sync.gazelle.client import client_for
from gazelle_sync.shop.billing.sending import email
from gazelle_sync.shop.billing.store import DraftRefused
from gazelle_sync_tests.faults.invoices_editor import InvoicesEditor
from gazelle_sync_tests.faults.kinds import Expect, Kind, Kinds, Strike, table
from gazelle_sync_tests.faults.push_context import PushContext
from gazelle_sync_tests.faults.push_kinds_api import ANY_API
from gazelle_sync_tests.faults.push_kinds_documents import SLOW
from gazelle_sync_tests.faults.push_kinds_here import ANY_HERE
from gazelle_sync_tests.support.pushing import Countdown

SAID, HARMLESS, HONEST = Expect.SAID, Expect.HARMLESS, Expect.HONEST
LAST_STEP = 110
LOSSES = ("close_after", "reset", "html_200")
Context = PushContext[InvoicesEditor]


def _unanswered(mutation: str) -> Strike:
    """The answer to a request is lost, or the request; perhaps nobody can look at once."""

    def strike(context: Context) -> None:
        draw, editor = context.draw, context.editor
        bill = editor.bill()
        if draw.random() < 0.7:
            editor.pay(bill)
        if (fit := editor.sent()) and draw.random() < 0.5:
            editor.pay(draw.choice(fit))
            editor.change_lines(draw.choice(fit))
        context.shop.admin.fault(draw.choice(LOSSES), times=draw.randint(1, 2), operation=mutation)
        if draw.random() < 0.5:
            context.shop.admin.fault("status", times=draw.randint(0, 3), code=503, operation="PushEntries")
        context.push()
        editor.look()
        if draw.random() < 0.5:
            context.shop.admin.clear_faults()
            context.push(**SLOW)

    return strike


def _cent_off(*, is_unanswered: bool = False) -> Strike:
    """Gazelle rounds otherwise: what is new is held before anybody sees it, and nothing else is sent for it."""

    def strike(context: Context) -> None:
        editor = context.editor
        context.push()  # what was sent before it did
        context.shop.admin.settings(invoice_cents_off=context.draw.choice([1, -1]))
        if is_unanswered:
            context.shop.admin.fault(context.draw.choice(LOSSES), times=1, operation="createInvoice(")
        bill = editor.bill()
        editor.pay(bill)
        context.was_edited = context.held = True
        for _ in range(context.draw.randint(1, 3)):
            context.push()
        bill.is_off = bool(editor.invoices_of(bill))  # one that was never taken is made later, by then with our sums

    return strike


def _paid_meanwhile(context: Context) -> None:
    """An invoice is paid at Gazelle while its lines are changed here: the change is refused, and the payment stays."""
    editor = context.editor
    if not (fit := editor.sent()):
        context.push()
        return
    bill = context.draw.choice(fit)
    editor.pay_all_there(bill)
    editor.change_lines(bill)
    bill.is_refused = True
    context.was_edited = context.held = True
    context.push()


def _paid_under_our_hands(context: Context) -> None:
    """Somebody adds a payment at Gazelle while ours is on its way."""
    editor = context.editor
    for bill in editor.sent():
        editor.pay(bill)
    done: list[str] = []

    def pay(_: str) -> None:
        if not done and editor.sent():
            done.append("")
            editor.pay_there()

    with context.hooked(**{context.draw.choice(["after_read", "before_send", "after_send"]): pay}):
        context.push()


def _twins(context: Context) -> None:
    """Two people enter the same payment, and the connection is cut after one of them."""
    editor = context.editor
    editor.bill()
    context.push()
    editor.look()
    editor.pay_twice()
    context.shop.admin.fault("half_done", operation="addInvoicePayment(", place=context.draw.randint(0, 2))
    for _ in range(context.draw.randint(1, 2)):
        context.push(**SLOW)


def _edited_in_doubt(context: Context) -> None:
    """Nobody knows whether an invoice was made, and its draft is changed and sent again."""
    editor = context.editor
    bill = editor.bill()
    context.shop.admin.fault(context.draw.choice(LOSSES), times=2, operation="createInvoice(")
    context.shop.admin.fault("status", times=0, code=503, operation="PushEntries")
    context.push()
    editor.look()
    context.shop.admin.clear_faults()
    editor.change_lines(bill)
    for _ in range(context.draw.randint(1, 2)):
        context.push(**SLOW)


def _killed_with_bills(context: Context) -> None:
    editor, draw = context.editor, context.draw
    for bill in editor.sent():
        editor.pay(bill)
        if draw.random() < 0.5:
            editor.change_lines(bill)
    editor.pay(editor.bill())
    for _ in range(draw.randint(1, 2)):
        context.end_process(context.begin_process(Countdown(draw.randint(1, LAST_STEP))))
        editor.look()


def _mail_unanswered(context: Context) -> None:
    """An e-mail to a client comes to no answer, and people try again: the client gets one at most."""
    editor, draw = context.editor, context.draw
    bill = editor.bill()
    context.push()
    editor.look()
    bill.may_be_mailed = True
    context.shop.admin.fault(draw.choice(LOSSES), times=draw.randint(1, 2), operation="sendInvoiceEmail(")
    for _ in range(draw.randint(2, 3)):
        client = client_for(context.shop.settings)
        try:
            email(client, context.shop.url, editor.drafts.read(bill.draft))
        except DraftRefused as refused:
            context.story.append(f"not e-mailed: {refused}")
        finally:
            client.close()


OWN = (
    Kind("invoice unanswered", "network", "a new invoice comes to no answer, taken or not",
         _unanswered("createInvoice("), HONEST),
    Kind("opening unanswered", "network", "so does the change of an invoice", _unanswered("updateInvoice("), HONEST),
    Kind("payment unanswered", "network", "so does a payment", _unanswered("addInvoicePayment("), HONEST),
    Kind("a cent off", "gazelle", "Gazelle computes a cent more or less", _cent_off(), SAID, "Held back"),
    Kind("a cent off, unanswered", "gazelle", "and the answer that says so is lost", _cent_off(is_unanswered=True),
         HONEST),
    Kind("paid meanwhile", "gazelle", "an invoice is paid there, its lines changed here", _paid_meanwhile, SAID,
         "paid|pay"),
    Kind("paid under our hands", "gazelle", "a payment is added there while ours is on its way", _paid_under_our_hands,
         HONEST),
    Kind("payment entered twice", "graphql", "two people enter the same payment, and the connection is cut", _twins,
         HONEST),
    Kind("draft edited in doubt", "shop", "a draft is changed while nobody knows whether its invoice was made",
         _edited_in_doubt, HONEST),
    Kind("e-mail unanswered", "network", "an e-mail to a client comes to no answer, and people try again",
         _mail_unanswered, HONEST),
    Kind("killed with bills", "process", "a push of invoices and payments dies at the n-th step", _killed_with_bills,
         HONEST),
)  # fmt: skip
INVOICE_KINDS: Kinds = table(*OWN, *ANY_API, *ANY_HERE)
