"""What was paid on an invoice: entered by billing's rules, then sent like any edit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gazelle_sync.desk.errors import Refused
from gazelle_sync.desk.journal import change
from gazelle_sync.desk.pages import desk_of, form_of, is_fragment, language_of, person_of, render
from gazelle_sync.desk.runs import PUSH
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import midnight
from gazelle_sync.shop.billing.paying import PaymentInput, Payments
from gazelle_sync.shop.billing.render import PAYMENT_TYPES
from gazelle_sync.shop.billing.store import Payment, ask, number_of
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import Question, Rows, borrow, together

LONGEST_NOTE = 2_000
OF_ENTERED = ("id", "amount", "tip", "type", "paid_at", "who", "error", "is_sent")
NOON = timedelta(hours=12)


def payments(request: Request) -> Response:
    """What was paid on an invoice, which its page asks for again and again until Gazelle has all of it."""
    invoice = request.path_params["id"]
    if not is_fragment(request):
        return RedirectResponse(f"/invoices/{invoice}#payments")
    with borrow(desk_of(request).url) as connection:
        found = together(connection, *questions(invoice))
    return render(request, "fragment_payments", invoice_id=invoice, **shown(request, invoice, *found))


def questions(invoice: str) -> tuple[Question, Question]:
    """What Gazelle has of the payments of an invoice, and what waits here."""
    return ask("payments_of", {"invoice": invoice}), (statement("desk/payments_here"), {"invoice": invoice})


def shown(request: Request, invoice: str, at_gazelle: Rows, here: Rows) -> dict[str, Any]:
    """The answers, for the templates."""
    last = desk_of(request).runs.of(about(invoice))
    is_sending = last is not None and last.is_running
    waits = [dict(zip(OF_ENTERED, row, strict=True)) for row in here]
    return {
        "payments": [Payment(*row) for row in at_gazelle],
        "waiting": waits,
        "is_sending": is_sending,
        "asks_again": is_sending or any(not (one["error"] or one["is_sent"]) for one in waits),
        "types": PAYMENT_TYPES,
    }


def pay(request: Request, invoice: str) -> None:
    """Enter a payment that was sent, and start the push that takes it to Gazelle.

    Raises:
        CommandRefused: It cannot be paid so, or the form makes no sense.
    """
    paid = _paid(form_of(request))
    told: dict[str, Any] = {"amount": str(paid.amount), "tip": str(paid.tip), "type": paid.type}
    desk, person = desk_of(request), person_of(request).name
    with change(request, "invoice_pay", invoice, goes_to=f"/invoices/{invoice}#payments", **told) as more:
        more["payment"] = Payments(desk.url, person).enter(invoice, paid)
    desk.runs.start(PUSH, person, language_of(request), about(invoice))


def about(invoice: str) -> str:
    """The key under which `Runs` remembers the push of an invoice's payments."""
    return f"payments of {invoice}"


def _paid(form: Mapping[str, str]) -> PaymentInput:
    kind, notes, day = form.get("type", ""), form.get("notes", "").strip(), form.get("day", "").strip()
    if kind not in PAYMENT_TYPES:
        raise Refused(gettext("This form is incomplete: open the page again."))
    if len(notes) > LONGEST_NOTE:
        raise Refused(gettext("That is too long: at most {count} letters.", count=LONGEST_NOTE))
    tip = form.get("tip", "").strip()
    return PaymentInput(
        amount=number_of(form.get("amount", "")),
        tip=number_of(tip) if tip else Decimal(0),
        type=kind,
        notes=notes or None,
        paid_at=midnight(day_in(day)) + NOON if day else None,
    )


def day_in(text: str) -> date:
    """A day that a form names.

    Raises:
        Refused: It is none.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not 1970 <= day.year < 2199:
        raise Refused(gettext("{text} is no day.", text=text))
    return day
