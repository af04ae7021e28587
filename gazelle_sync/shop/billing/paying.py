"""Payments that are entered here: checked against what is due, then sent to Gazelle by the push."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from psycopg import errors

from gazelle_sync.i18n import gettext
from gazelle_sync.shop.billing.store import DraftRefused, Drafts, ask
from gazelle_sync.warehouse.pool import borrow, together


@dataclass(frozen=True)
class EnteredPayment:
    """A payment that was entered here.

    Attributes:
        id: Its number here.
        external_id: Gazelle's id; None: Gazelle does not have it yet.
        error: Why not, or None.
    """

    id: int
    external_id: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class PaymentInput:
    """What was paid.

    Attributes:
        amount: In all, the tip included, in dollars.
        tip: In dollars.
        type: As Gazelle calls it (`CASH`).
        notes: Or None.
        paid_at: Aware; None: now.
    """

    amount: Decimal
    tip: Decimal = Decimal(0)
    type: str = "OTHER"
    notes: str | None = None
    paid_at: datetime | None = None


class Payments:
    """The payments that are entered into a shop's database.

    Args:
        url: `postgresql://…`, migrated.
        who: Who enters them; None: the database's login.
    """

    def __init__(self, url: str, who: str | None = None) -> None:
        self._url = url
        self._who = who

    def enter(self, said: str, paid: PaymentInput) -> int:
        """Enter a payment; gives its number.

        Args:
            said: The number of a draft that was sent, or the id of an invoice.
            paid: What.

        Raises:
            DraftRefused: There is no such invoice, it takes no payment, or no such amount can be paid of it.
        """
        drafts = Drafts(self._url)
        draft = drafts.draft_of(said)
        invoice = said.strip() if draft is None else drafts.read(draft).invoice
        if invoice is None:
            raise DraftRefused(
                gettext(
                    "Draft {draft} is not at Gazelle yet. Send it first: `gazelle-sync invoices send`.", draft=draft
                )
            )
        given = {
            "draft": draft, "invoice": invoice, "amount": paid.amount, "tip": paid.tip, "type": paid.type,
            "notes": paid.notes, "paid_at": paid.paid_at, "who": self._who,
        }  # fmt: skip
        try:
            with borrow(self._url) as connection:
                _, rows = together(connection, ask("hold_invoice", {"invoice": invoice}), ask("pay", given))
        except errors.CheckViolation as error:
            raise DraftRefused(_why_not(paid)) from error
        if not rows:
            raise DraftRefused(
                gettext("No invoice {invoice} is known here. Run `gazelle-sync sync` first.", invoice=invoice)
            )
        [(status, due, entered)] = rows
        if entered is not None:
            return int(entered)
        if status in ("DRAFT", "CANCELED", "DELETED"):
            raise DraftRefused(
                gettext(
                    "The invoice {invoice} is {status} at Gazelle and takes no payment.", invoice=invoice, status=status
                )
            )
        raise DraftRefused(
            gettext(
                "{amount} $ is more than is due of the invoice {invoice}: {due} $. What is beyond it is a tip.",
                amount=paid.amount - paid.tip,
                invoice=invoice,
                due=due,
            )
        )

    def read(self, payment: int) -> EnteredPayment:
        """What became of a payment."""
        with borrow(self._url) as connection:
            [rows] = together(connection, ask("payment_read", {"payment": payment}))
        return EnteredPayment(payment, *rows[0]) if rows else EnteredPayment(payment)


def _why_not(paid: PaymentInput) -> str:
    if paid.amount <= 0:
        return gettext("A payment has to be above 0, not {amount} $.", amount=paid.amount)
    if paid.tip < 0 or paid.tip > paid.amount:
        return gettext("The tip ({tip} $) is a part of the amount ({amount} $).", tip=paid.tip, amount=paid.amount)
    return gettext("{amount} $ is no amount in whole cents that Gazelle can hold.", amount=paid.amount)
