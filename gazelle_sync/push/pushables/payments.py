"""What was paid on invoices and is entered here: each payment goes to Gazelle once, and is not changed there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gazelle_sync.entities import INVOICES
from gazelle_sync.i18n.translator import Message
from gazelle_sync.push.fields.scalars import INSTANT, MONEY, TEXT, Created, Form, Scalar
from gazelle_sync.push.plan import Draft
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.transports.payments import INVOICE_PAYMENT

TAKES_NO_PAYMENT = Message("The invoice {id} is {status} at Gazelle and takes no payment.")
MORE_THAN_DUE = Message(
    "More than is due of the invoice {id}: {due} $, without the tip. Enter what was paid of it, or a tip."
)
UNPAYABLE = frozenset({"DRAFT", "CANCELED", "DELETED"})


@dataclass(frozen=True)
class Paid(Created):
    """Adds the payment, where the invoice can be paid and no more than is due."""

    def plan(self, draft: Draft) -> None:
        """One creation, for a payment that Gazelle does not have."""
        if not draft.row.key and "due" in draft.remote.values and self._is_refused(draft):
            return
        super().plan(draft)
        # Two within what is due may be more than that together: while one may still arrive, no other is sent.
        draft.plan.actions = [replace(one, shared=draft.row.parent) for one in draft.plan.actions]

    def _is_refused(self, draft: Draft) -> bool:
        status, due = draft.remote.get("status"), draft.remote.get("due") or 0
        amount, tip = (int(MONEY.written(MONEY.normal(draft.row.values[name] or "0"))) for name in ("amount", "tip"))
        if status in UNPAYABLE:
            draft.problem("amount", TAKES_NO_PAYMENT, id=draft.row.parent, status=status)
        elif amount - tip > due:
            draft.problem("amount", MORE_THAN_DUE, id=draft.row.parent, due=MONEY.said(due))
        return bool(draft.plan.problems)


def _scalar(column: str, form: Form = TEXT) -> Scalar:
    return Scalar(column, column, form=form)


INVOICE_PAYMENTS = Pushable(
    entity=INVOICES,
    table="invoice_draft_payments",
    key="id",
    record_key="external_id",
    columns=("amount", "tip", "type", "notes", "paid_at"),
    hidden="waits",
    fields=(
        Paid(
            "add_invoice_payment",
            [
                _scalar("amount", MONEY), _scalar("tip", MONEY), _scalar("type"), _scalar("notes"),
                _scalar("paid_at", INSTANT),
            ],
            needs_parent=True,
            is_final=True,
        ),
    ),
    kind=INVOICE_PAYMENT,
    last_pull="'{}'::jsonb",
    edit_snapshot="'{}'::jsonb",
    names="p.number::text",
    known_by="p.number::text",
    noun=Message("payment"),
    creates=True,
    parent_record="invoice_external_id",
    in_turn=True,
    shared_doubt="payment_doubt",
    called="payments",
)  # fmt: skip
