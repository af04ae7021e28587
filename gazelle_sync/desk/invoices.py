"""Invoices: what is overdue, open, paid, drafts; and one with its lines and payments."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gazelle_sync.desk import payments
from gazelle_sync.desk.errors import AlreadySent, NotFound
from gazelle_sync.desk.pages import Flash, desk_of, form_of, page_in, render, say_of, then
from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import montreal_day
from gazelle_sync.shop.billing.render import STATUSES as DRAFT_STATES
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import Question, Rows, borrow, together

A_PAGE = 50
LISTS = {
    "overdue": Message("overdue"), "open": Message("to be paid"), "draft": Message("drafts"),
    "paid": Message("paid invoices"), "all": Message("all"),
}  # fmt: skip
STATUSES = {
    "DRAFT": Message("draft"), "OPEN": Message("open"), "OVERDUE": Message("overdue"), "PAID": Message("paid"),
    "CANCELED": Message("cancelled"), "DELETED": Message("deleted"),
}  # fmt: skip
OF_LIST = ("id", "number", "day", "due_on", "status", "total", "due", "client_id", "client", "count", "sum")
OF_ONE = (
    "id", "number", "day", "due_on", "status", "sub_total", "tax_total", "total", "paid", "due", "top_notes", "notes",
    "client_id", "client", "assigned_to", "deleted_at", "draft_id",
)  # fmt: skip
OF_DRAFT = ("id", "client_id", "client", "state", "due_on", "total", "updated_at", "who", "error", "waits")
OF_LINE = ("description", "quantity", "amount", "sub_total", "tax_total", "total", "piano_id", "piano")


PAYABLE = ("OPEN", "OVERDUE")
ENTERED = Message("The payment is entered, and is being sent to Gazelle.")


def invoices(request: Request) -> Response:
    """A list."""
    asked = request.query_params
    name = asked.get("list", "overdue")
    name = name if name in LISTS else "overdue"
    page = page_in(asked.get("page", ""))
    today = montreal_day(datetime.now(UTC))
    given = {"list": name, "today": today, "most": A_PAGE, "after": (page - 1) * A_PAGE}
    lists: list[Question] = [(statement("desk/invoices"), given)]
    if name == "draft":
        lists.append((statement("desk/drafts"), None))
    with borrow(desk_of(request).url) as connection:
        rows, *drafts = together(connection, *lists)
    return render(
        request,
        "invoices",
        rows=_named(OF_LIST, rows),
        drafts=_named(OF_DRAFT, drafts[0]) if drafts else [],
        states=DRAFT_STATES,
        lists=LISTS,
        shown=name,
        page=page,
        a_page=A_PAGE,
        statuses=STATUSES,
        today=today,
    )


def invoice(request: Request) -> Response:
    """One of them."""
    return _page(request)


def pay(request: Request) -> Response:
    """A payment was sent."""
    invoice = request.path_params["id"]
    if not invoice.startswith("inv_"):
        raise _no_invoice(invoice)
    try:
        payments.pay(request, invoice)
    except AlreadySent:
        raise
    except CommandRefused as error:
        return _page(request, said=Flash(str(error), "refused"), status=getattr(error, "status", REFUSED))
    return then(request, f"/invoices/{invoice}#payments", say_of(request)(ENTERED))


REFUSED = HTTPStatus.UNPROCESSABLE_ENTITY


def _page(request: Request, *, said: Flash | None = None, status: int = HTTPStatus.OK) -> Response:
    key = request.path_params["id"]
    given = {"id": key}
    with borrow(desk_of(request).url) as connection:
        found, lines, *paid = together(
            connection, (statement("desk/invoice"), given), (statement("desk/invoice_lines"), given),
            *payments.questions(key),
        )  # fmt: skip
    if not found:
        raise _no_invoice(key)
    invoice = _named(OF_ONE, found)[0]
    return render(
        request,
        "invoice",
        status=status,
        said=said,
        invoice=invoice,
        invoice_id=key,
        lines=_named(OF_LINE, lines),
        statuses=STATUSES,
        is_payable=invoice["status"] in PAYABLE and not invoice["deleted_at"],
        form=form_of(request) if said else {},
        **payments.shown(request, key, *paid),
    )


def _no_invoice(key: str) -> NotFound:
    return NotFound(gettext("There is no invoice {id}.", id=key))


def _named(names: tuple[str, ...], rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]
