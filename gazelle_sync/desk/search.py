"""The first page, what a search finds, and the page of a client."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gazelle_sync.desk.agenda import STATUSES as VISIT_STATES
from gazelle_sync.desk.errors import NotFound
from gazelle_sync.desk.invoices import STATUSES as INVOICE_STATES
from gazelle_sync.desk.pages import desk_of, page_in, render
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Plural
from gazelle_sync.shop.search.find import KINDS, find, pieces
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import Rows, borrow, together

OF_EACH = 8
OF_ONE = 50
FOUND = {
    "piano": Plural("{count} piano", "{count} pianos"),
    "client": Plural("{count} client", "{count} clients"),
    "invoice": Plural("{count} invoice", "{count} invoices"),
    "note": Plural("{count} note", "{count} notes"),
}


def home(request: Request) -> Response:
    """The first page."""
    return render(request, "home")


def search(request: Request) -> Response:
    """What some words find."""
    text = " ".join(request.query_params.get("q", "").split())
    kind = request.query_params.get("kind")
    kind = kind if kind in KINDS else None
    page = page_in(request.query_params.get("page", ""))
    most = OF_ONE if kind else OF_EACH
    with borrow(desk_of(request).url) as connection:
        found = find(connection, text, kind=kind, after=(page - 1) * most, most=most) if text else {}
        [(is_late,)] = connection.execute("SELECT EXISTS (SELECT FROM search_unread WHERE kind IS NULL)").fetchall()
    return render(
        request, "search", text=text, kind=kind, page=page, most=most, found=found, titles=FOUND, pieces=pieces,
        is_late=is_late,
    )  # fmt: skip


def client(request: Request) -> Response:
    """A client: contacts, pianos, invoices."""
    asked = {"id": request.path_params["id"]}
    with borrow(desk_of(request).url) as connection:
        found, contacts, pianos, invoices, visits = together(
            connection,
            *((statement(f"desk/{name}"), asked) for name in (
                "client", "client_contacts", "client_pianos", "client_invoices", "client_visits"
            )),
        )  # fmt: skip
    if not found:
        raise NotFound(gettext("There is no client {id}.", id=request.path_params["id"]))
    return render(
        request,
        "client",
        client=_named(("id", "name", "email", "phone", "city", "tags", "notes", "deleted_at"), found)[0],
        contacts=_named(("name", "role", "email", "phone"), contacts),
        pianos=_named(("id", "piano", "serial_number", "room", "status"), pianos),
        invoices=_named(("id", "number", "day", "status", "total", "due"), invoices),
        visits=_named(("id", "start_at", "title", "technician", "status"), visits),
        invoice_states=INVOICE_STATES,
        visit_states=VISIT_STATES,
    )


def _named(names: tuple[str, ...], rows: Rows) -> list[dict[str, object]]:
    return [dict(zip(names, row, strict=True)) for row in rows]
