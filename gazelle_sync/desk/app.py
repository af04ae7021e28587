"""The application: its routes, and the middleware around them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from gazelle_sync.desk import (
    agenda,
    alerts,
    conflicts,
    drafts,
    invoices,
    login,
    owners,
    payments,
    pianos,
    search,
    state,
    stock,
)
from gazelle_sync.desk.desk import Desk, signing_key
from gazelle_sync.desk.errors import NotFound, Refused
from gazelle_sync.desk.middleware import OriginGuard, RequestContext, answer_to
from gazelle_sync.desk.pages import STATIC
from gazelle_sync.errors import DatabaseError
from gazelle_sync.i18n import gettext
from gazelle_sync.warehouse.pool import was_cut

SESSION_S = 12 * 3600


class _Kept(StaticFiles):
    """Files of ours; their addresses name what is in them, so a browser keeps them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def build_app(desk: Desk) -> Starlette:
    """The application of a desk."""
    get, post = ["GET"], ["POST"]

    def route(path: str, page: Callable[[Request], Response], methods: list[str]) -> Route:
        return Route(path, shown_again(page) if methods == get else page, methods=methods)

    app = Starlette(
        routes=[
            route("/", search.home, get),
            route("/search", search.search, get),
            route("/clients/{id}", search.client, get),
            route("/pianos/{id}", pianos.piano, get),
            route("/pianos/{id}", pianos.edit, post),
            route("/pianos/{id}/push", pianos.pushing, get),
            route("/state", state.state, get),
            route("/state/run", state.run, get),
            route("/sync", state.sync, post),
            route("/push", state.push, post),
            route("/conflicts", conflicts.conflicts, get),
            route("/conflicts/{id}", conflicts.take, post),
            route("/alerts", alerts.alerts, get),
            route("/alerts/{id}", alerts.alert, get),
            route("/alerts/{id}", alerts.decide_on, post),
            route("/stock", stock.stock, get),
            route("/stock/item", stock.item, get),
            route("/stock/item", stock.move, post),
            route("/agenda", agenda.agenda, get),
            route("/agenda/new", agenda.new, get),
            route("/agenda/new", agenda.add, post),
            route("/agenda/visit/{id}", agenda.visit, get),
            route("/agenda/visit/{id}", agenda.alter, post),
            route("/invoices", invoices.invoices, get),
            route("/invoices/new", drafts.new, get),
            route("/invoices/new", drafts.make, post),
            route("/invoices/drafts/{id}", drafts.draft, get),
            route("/invoices/drafts/{id}", drafts.alter, post),
            route("/invoices/drafts/{id}/sending", drafts.sending, get),
            route("/invoices/{id}", invoices.invoice, get),
            route("/invoices/{id}/payments", payments.payments, get),
            route("/invoices/{id}/payments", invoices.pay, post),
            route("/people", owners.who, get),
            route("/people", owners.set_who, post),
            route("/journal", owners.journal, get),
            route("/login", login.login, get),
            route("/login", login.sign_in, post),
            route("/logout", login.sign_out, post),
            route("/language", login.choose_language, post),
            Mount("/static", _Kept(directory=STATIC)),
        ],
        middleware=[
            Middleware(OriginGuard, desk=desk),
            Middleware(
                SessionMiddleware,
                secret_key=signing_key(desk.settings),
                session_cookie=f"gazelle_desk_{desk.port}",
                max_age=SESSION_S,
                same_site="lax",
                https_only=desk.public_url.startswith("https://"),
            ),
            Middleware(RequestContext, desk=desk),
        ],
        exception_handlers={HTTPException: _http_error},
    )
    app.state.desk = desk
    return app


def shown_again(page: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Render a page a second time where its pooled connection turns out to be cut. For pages that change nothing."""

    @wraps(page)
    def shown(request: Request) -> Response:
        try:
            return page(request)
        except DatabaseError as error:
            if not was_cut(error.__cause__):
                raise
            return page(request)

    return shown


def _http_error(request: Request, error: Any) -> Response:
    if error.status_code == 404:
        refused: Refused = NotFound(gettext("There is no such page."))
    else:
        refused = Refused(gettext("This page cannot be asked so."))
        refused.status = error.status_code
    return answer_to(request, refused)
