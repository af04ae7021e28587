"""Invoices and payments as text for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal, localcontext
from io import StringIO
from typing import Any

from gazelle_sync.i18n.translator import Message, translator
from gazelle_sync.montreal import MONTREAL, spoken_day, spoken_instant
from gazelle_sync.shop.billing.cash import Cash, payment_as_json
from gazelle_sync.shop.billing.checking import Checked
from gazelle_sync.shop.billing.drafts import Draft
from gazelle_sync.shop.billing.paying import EnteredPayment
from gazelle_sync.shop.billing.store import GazelleInvoice, ListEntry

STATUSES = {
    "draft": Message("draft"),
    "ready": Message("ready"),
    "sent": Message("sent"),
    "held": Message("held back"),
    "canceled": Message("canceled"),
    "DRAFT": Message("draft at Gazelle"),
    "OPEN": Message("open"),
    "OVERDUE": Message("overdue"),
    "PAID": Message("paid"),
    "CANCELED": Message("void"),
    "DELETED": Message("deleted"),
}
PAYMENT_TYPES = {
    "CASH": Message("cash"),
    "CHECK": Message("check"),
    "CREDIT_CARD": Message("credit card"),
    "DEBIT_CARD": Message("debit card"),
    "ELECTRONIC_FUNDS_TRANSFER": Message("bank transfer"),
    "OTHER": Message("other"),
}
TIMES = "\N{MULTIPLICATION SIGN}"
SUB_TOTAL, TOTAL, MISSING = Message("Before taxes"), Message("Total"), Message("Missing:")
NOTHING_MISSING = Message("Nothing is missing.")
DRAFT_TITLE = Message("Draft {draft} for {client}: {status}")
AT_GAZELLE = Message("At Gazelle: invoice {number}, {status}; {paid} paid, {due} to pay.")
NOT_YET = Message("Sent to Gazelle as {invoice}; the next sync brings its number and status.")
HELD = Message("Gazelle computes: {sub_total} before taxes, {total} in all.")
OPENED = Message("Gazelle has the invoice {invoice}, open: {total}.")
EMAILED = Message("E-mailed to {address}.")
PAYMENT_ENTERED = Message("Gazelle has the payment: {payment}.")
NO_LINE, UNCHECKED = (
    Message("No line yet."),
    Message("Not computed since it was last changed: `invoices check {draft}`."),
)
NO_INVOICES, NO_OVERDUE = Message("No draft, and no invoice to be paid."), Message("No invoice is overdue.")
NO_CASH = Message("Nothing was paid on {day}.")
CASH_TITLE, OF_WHICH_TIPS = Message("Paid on {day}: {total}"), Message("of which tips: {tip}")
TAXED, AMOUNT_OF = Message("taxed"), Message("{what}: {amount}")
DUE, LEFT = Message("due {day}"), Message("{amount} to pay")


def money(language: str, amount: Decimal) -> str:
    """An amount as the language writes it: `$1,234.50`, `1 234,50 $`."""
    from babel.numbers import format_currency

    if not amount.is_finite():
        return f"{amount} $"
    with _wide_enough(amount):
        return format_currency(amount, "CAD", locale={"fr": "fr_CA", "en": "en_CA"}[language])


def quantity(language: str, value: Decimal) -> str:
    """A quantity without needless zeros: `1.25`, `1,25`."""
    from babel.numbers import format_decimal

    if not value.is_finite():
        return str(value)
    with _wide_enough(value):
        return format_decimal(value, format="#,##0.##########", locale=language)


@contextmanager
def _wide_enough(value: Decimal) -> Iterator[None]:
    """Babel rounds in the current context, and a program may have written a number of any length into a line."""
    with localcontext() as context:
        context.prec = max(context.prec, value.adjusted() + 20)
        yield


def status_in(language: str, status: str | None) -> str:
    """A status for people; one that we do not know as it came."""
    return translator(language)(STATUSES[status]) if status in STATUSES else str(status)


def render_draft(language: str, draft: Draft, followed: GazelleInvoice | None) -> str:
    """A draft with its lines and sums."""
    say, out = translator(language), StringIO()
    status = status_in(language, draft.status)
    print(say(DRAFT_TITLE, draft=draft.id, client=draft.client, status=status), file=out)
    for line in draft.lines:
        amount = "?" if line.amount is None else money(language, line.amount)
        taxed = f", {say(TAXED)}" if line.taxable else ""
        said = f"{quantity(language, line.quantity)} {TIMES} {amount}{taxed}"
        print(f"{line.position:4}  {line.description or '?'}  ({said})", file=out)
    if not draft.lines:
        print(say(NO_LINE), file=out)
    elif draft.checked is None:
        print(say(UNCHECKED, draft=draft.id), file=out)
    else:
        for what, dollars in ((SUB_TOTAL, draft.checked[0]), (TOTAL, draft.checked[2])):
            print(say(AMOUNT_OF, what=say(what), amount=money(language, dollars)), file=out)
    if draft.held is not None:
        sub_total, _, total = (money(language, amount) for amount in draft.held)
        print(say(HELD, sub_total=sub_total, total=total), file=out)
    if draft.error is not None:
        print(f"✗ {draft.error}", file=out)
    if followed is None and draft.invoice is not None:
        print(say(NOT_YET, invoice=draft.invoice), file=out)
    if followed is not None:
        print(render_followed(language, followed), file=out)
    return out.getvalue().rstrip()


def render_followed(language: str, followed: GazelleInvoice) -> str:
    """An invoice of Gazelle's in a line, and what was paid on it."""
    paid, due = (money(language, amount or Decimal(0)) for amount in (followed.paid_total, followed.due_total))
    number, status = followed.number or followed.id, status_in(language, followed.status)
    said = [translator(language)(AT_GAZELLE, number=number, status=status, paid=paid, due=due)]
    for one in followed.payments:
        day = one.paid_at.astimezone(MONTREAL).date().isoformat()
        said.append(f"  {day}  {money(language, one.amount)}  {_type(language, one.type)}")
    return "\n".join(said)


def draft_as_json(draft: Draft, followed: GazelleInvoice | None) -> dict[str, Any]:
    """A draft for machines: dollars and quantities as text."""
    checked, held = draft.checked or (None, None, None), draft.held or (None, None, None)
    return {
        "id": draft.id,
        "client": draft.client,
        "contact": draft.contact,
        "status": draft.status,
        "invoice": draft.invoice,
        "due_on": draft.due_on and draft.due_on.isoformat(),
        "net_days": draft.net_days,
        "notes": draft.notes,
        "top_notes": draft.top_notes,
        "tags": list(draft.tags),
        **dict(zip(("sub_total", "tax_total", "total"), map(_text, checked), strict=True)),
        "lines": [
            {
                "line": line.position,
                "description": line.description,
                "product": line.product,
                "piano": line.piano,
                "quantity": str(line.quantity),
                "amount": _text(line.amount),
                "billable": line.billable,
                "taxable": line.taxable,
                "taxes": line.taxes,
            }
            for line in draft.lines
        ],
        "error": draft.error,
        "email": draft.emailed,
        "held": draft.held and dict(zip(("sub_total", "tax_total", "total"), map(_text, held), strict=True)),
        "gazelle": followed and followed_as_json(followed),
    }


def followed_as_json(followed: GazelleInvoice) -> dict[str, Any]:
    """An invoice of Gazelle's for machines."""
    return {
        "id": followed.id,
        "number": followed.number,
        "status": followed.status,
        "due_on": followed.due_on and followed.due_on.isoformat(),
        "total": _text(followed.total),
        "paid_total": _text(followed.paid_total),
        "due_total": _text(followed.due_total),
        "payments": [payment_as_json(one) for one in followed.payments],
    }


def render_sent(language: str, draft: Draft, address: str | None, reason: str | None) -> str:
    """What became of a draft that was sent.

    Args:
        language: `en` or `fr`.
        draft: As it is now.
        address: To which it was e-mailed, or None.
        reason: What the push said, for a draft that says nothing itself.
    """
    say = translator(language)
    if not draft.is_sent:
        return f"✗ {draft.error}" if draft.error else str(reason)
    total = money(language, draft.checked[2]) if draft.checked else "?"
    said = [f"✓ {say(OPENED, invoice=draft.invoice, total=total)}"]
    return "\n".join([*said, *([f"✓ {say(EMAILED, address=address)}"] if address is not None else [])])


def sent_as_json(draft: Draft, address: str | None) -> dict[str, Any]:
    """The same for machines."""
    held = draft.held or (None, None, None)
    return {
        "id": draft.id,
        "invoice": draft.invoice,
        "status": draft.status,
        "total": _text(draft.checked[2]) if draft.checked else None,
        "held": draft.held and dict(zip(("sub_total", "tax_total", "total"), map(_text, held), strict=True)),
        "error": draft.error,
        "emailed_to": address,
    }


def render_payment_entered(language: str, entered: EnteredPayment, reason: str | None) -> str:
    """What became of a payment."""
    if entered.external_id is not None:
        return f"✓ {translator(language)(PAYMENT_ENTERED, payment=entered.external_id)}"
    return f"✗ {entered.error}" if entered.error else str(reason)


def payment_entered_as_json(entered: EnteredPayment) -> dict[str, Any]:
    """The same for machines."""
    return {"id": entered.id, "payment": entered.external_id, "error": entered.error}


def listed_as_json(found: Sequence[ListEntry]) -> list[dict[str, Any]]:
    """The list for machines: dollars as text."""
    return [
        {
            "invoice": one.invoice,
            "draft": one.draft,
            "number": one.number,
            "client": one.client,
            "status": one.status,
            "due_on": one.due_on and one.due_on.isoformat(),
            "total": _text(one.total),
            "due": _text(one.due),
        }
        for one in found
    ]


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def render_checked(language: str, checked: Checked) -> str:
    """The sums of a draft, and what is missing."""
    say, sums = translator(language), checked.sums
    lines = [(say(SUB_TOTAL), sums.sub_total), *((tax.name, total) for tax, total in sums.taxes)]
    lines.append((say(TOTAL), sums.total))
    said = [say(AMOUNT_OF, what=name, amount=money(language, amount)) for name, amount in lines]
    if checked.problems:
        said += [say(MISSING), *(f"✗ {problem}" for problem in checked.problems)]
    else:
        said.append(f"✓ {say(NOTHING_MISSING)}")
    return "\n".join([*said, *(f"• {remark}" for remark in checked.remarks)])


def render_list(language: str, found: Sequence[ListEntry], *, overdue: bool) -> str:
    """Drafts, and invoices that are to be paid, one a line."""
    say = translator(language)
    if not found:
        return say(NO_OVERDUE if overdue else NO_INVOICES)
    said = []
    for one in found:
        name = f"{one.draft}" if one.invoice is None else f"{one.number or one.invoice}"
        parts = [name, one.client, status_in(language, one.status)]
        parts += [] if one.total is None else [money(language, one.total)]
        parts += [] if one.due_on is None else [say(DUE, day=spoken_day(say, one.due_on))]
        parts += [] if one.due is None else [say(LEFT, amount=money(language, one.due))]
        said.append("  ".join(parts))
    return "\n".join(said)


def render_cash(language: str, day: date, cash: Cash) -> str:
    """What was paid on a day, each payment and by type."""
    say = translator(language)
    if not cash.payments:
        return say(NO_CASH, day=spoken_day(say, day))
    title = say(CASH_TITLE, day=spoken_day(say, day), total=money(language, cash.total))
    return "\n".join([title, *render_payments(language, cash)])


def render_payments(language: str, cash: Cash) -> list[str]:
    """Payments, one a line, then by type; instants by Montreal's clock."""
    say, said = translator(language), []
    for one in cash.payments:
        at = spoken_instant(say, one.paid_at)
        number = one.number or one.invoice
        said.append(f"  {at}  {money(language, one.amount)}  {_type(language, one.type)}  {number}  {one.client or ''}")
    for kind in cash.by_type:
        amount = f"{money(language, kind.amount)} ({kind.count})"
        said.append(say(AMOUNT_OF, what=_type(language, kind.type), amount=amount))
    if cash.tip:
        said.append(say(OF_WHICH_TIPS, tip=money(language, cash.tip)))
    return said


def _type(language: str, kind: str | None) -> str:
    return translator(language)(PAYMENT_TYPES[kind]) if kind in PAYMENT_TYPES else str(kind)
