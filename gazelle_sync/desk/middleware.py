"""Middleware that every request passes: its host and origin, the person who asks, the form that was sent.

`OriginGuard`, outside the session, refuses requests that do not come from one of our own pages, and sets the headers of
every answer. `RequestContext`, inside it, finds the person and the language, reads the form, and turns errors into
pages.
"""

from __future__ import annotations

import hmac
import secrets
import uuid
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gazelle_sync.desk.access import Person, known_person, person_here, person_of_proxy
from gazelle_sync.desk.desk import Desk
from gazelle_sync.desk.errors import AlreadySent, Forbidden, NotFound, OutcomeUnknown, Refused, SignedOut, TooLarge
from gazelle_sync.desk.pages import Flash, desk_of, is_fragment, render, then
from gazelle_sync.errors import CommandRefused, DatabaseError, GazelleSyncError, SettingsError
from gazelle_sync.i18n import LANGUAGES, ReadingIn, gettext
from gazelle_sync.i18n.translator import Message as Sentence
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.migrate import forget_schema

log = get_logger("gazelle_sync.desk")

FIRST_LANGUAGE = "fr"
LANGUAGE_COOKIE = "gazelle_desk_language"
LARGEST_FORM = 512 * 1024
MOST_FIELDS = 500
READING = frozenset({"GET", "HEAD"})
OPEN = ("/login", "/language")
"""What can be reached without being signed in, besides our static files."""
OWNERS = ("/people", "/journal")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""Of every answer."""
WRITTEN = {
    "value": Sentence("Text"), "title": Sentence("Title"), "start": Sentence("When, by Montreal's clock"),
    "description": Sentence("What"), "quantity": Sentence("Quantity"), "amount": Sentence("Amount"),
    "reason": Sentence("Why"), "top_notes": Sentence("Text above the lines"), "notes": Sentence("Notes"),
}  # fmt: skip
"""Fields in which people write, in the order in which an error page shows what stood in them."""
THROUGH_A_PROXY = ("x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-host", "via")


class OriginGuard:
    """Refuses requests of another site, or under a host name that is not the desk's; sets the headers of answers."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self.app = app
        self.desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                if self.desk.public_url.startswith("https://"):
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        refusal = self._refusal(Headers(scope=scope))
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
        else:
            await self.app(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if _name_of(host) not in self.desk.hosts:
            return PlainTextResponse(
                "Unknown host. GAZELLE_DESK_URL says by which address the desk is reached.", HTTPStatus.BAD_REQUEST
            )
        origin = headers.get("origin")
        if origin is not None and not self.desk.is_own_origin(origin, host):
            return PlainTextResponse("This request comes from another site.", HTTPStatus.FORBIDDEN)
        if self.desk.settings.desk_login == "none" and any(name in headers for name in THROUGH_A_PROXY):
            # One that calls us by our own name would let in everybody whom it lets in.
            return PlainTextResponse(
                "Through a proxy the desk is reached only behind a login: see GAZELLE_DESK_LOGIN.", HTTPStatus.FORBIDDEN
            )
        return None


class RequestContext:
    """Finds who asks, in which language, and what was sent; turns errors into pages."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self.app = app
        self.desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        chosen = request.cookies.get(LANGUAGE_COOKIE, "")
        language = chosen if chosen in LANGUAGES else FIRST_LANGUAGE
        request.state.language = language
        has_begun = False

        async def send_noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        with ReadingIn(language):
            try:
                answer = await self._before(request)
                if answer is None:
                    await self.app(scope, receive, send_noting)
                    return
            except ClientDisconnect:
                return
            except Exception as error:
                if has_begun:
                    raise
                answer = await run_in_threadpool(answer_to, request, error)
            await answer(scope, receive, send)

    async def _before(self, request: Request) -> Response | None:
        """An answer where the request goes no further."""
        path = request.url.path
        if path.startswith("/static/"):
            return None
        if "\0" in path or "%00" in request.url.query:  # no text of PostgreSQL's holds one
            raise NotFound(gettext("There is no such page."))
        is_open = path in OPEN
        is_sending = request.method not in READING
        if not request.session.get("csrf"):
            request.session["csrf"] = secrets.token_urlsafe(24)
        if is_sending:  # before anything is asked of the database: without it, what was written is shown again
            request.state.form = await _read_form(request)
            given = request.state.form.get("csrf", "")
            request.state.is_ours = hmac.compare_digest(given.encode(), str(request.session["csrf"]).encode())
        person = await self._person(request)
        if person is None and not is_open:
            return _to_the_login(request)
        if person is not None:
            request.state.person = person
        if is_sending and not request.state.is_ours:
            raise Forbidden(gettext("This form is not from this session: open the page again, then send it."))
        if person is not None and not is_open:
            _assert_may(person, request.method, path)
        return None

    async def _person(self, request: Request) -> Person | None:
        """Who asks; None: nobody is signed in."""
        login = self.desk.settings.desk_login
        if login == "none":
            return person_here()
        if login == "proxy":
            address = request.client.host if request.client else ""
            return await run_in_threadpool(person_of_proxy, self.desk, request.headers, address)
        name = request.session.get("name")
        if not isinstance(name, str):
            return None
        person = await run_in_threadpool(known_person, self.desk, name)
        return person if person and person.session_number == request.session.get("number") else None


def answer_to(request: Request, error: Exception) -> Response:
    """The page that says what went wrong, or where the form leads that came before."""
    if isinstance(error, AlreadySent) and not is_fragment(request):
        return then(request, error.goes_to, str(error), "refused")
    if not isinstance(error, CommandRefused | SettingsError):
        forget_schema(desk_of(request).url)
    if isinstance(error, Refused):
        status = error.status
    elif isinstance(error, CommandRefused | SettingsError):
        status = HTTPStatus.UNPROCESSABLE_ENTITY
    elif isinstance(error, DatabaseError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
    elif isinstance(error, GazelleSyncError):
        status = HTTPStatus.INTERNAL_SERVER_ERROR
    else:
        log.error("a page failed", exc_info=error)
        # Its own words may quote what people wrote.
        said = gettext("This page failed of a fault of gazelle_sync ({kind}). The log file says where it happened.",
                       kind=type(error).__name__)  # fmt: skip
        return _error_page(request, said, HTTPStatus.INTERNAL_SERVER_ERROR, error)
    return _error_page(request, str(error), status, error)


def _error_page(request: Request, text: str, status: int, error: Exception) -> Response:
    """Says what happened. What was written stays on the page that our script fills, or stands here to be sent again."""
    said = Flash(text, "refused")
    if is_fragment(request):
        answer = render(request, "fragment_said", status=status, said=said)
        answer.headers["HX-Reswap"] = "none"
        return answer
    form: dict[str, str] = getattr(request.state, "form", {})
    return render(
        request,
        "error",
        status=status,
        said=said,
        status_code=int(status),
        goes_to=error.goes_to if isinstance(error, OutcomeUnknown) else None,
        is_signed_out=isinstance(error, SignedOut),
        wrote=[(label, form[name]) for name, label in WRITTEN.items() if form.get(name)],
        again=_again(request, form, error),
    )


def _again(request: Request, form: dict[str, str], error: Exception) -> list[tuple[str, str]]:
    """The fields of a form that may come through when it is sent once more; empty: it would not."""
    is_refused = isinstance(error, CommandRefused | SettingsError) and not isinstance(error, OutcomeUnknown)
    if is_refused or not getattr(request.state, "is_ours", False) or "once" not in form or form.get("password"):
        return []
    # What nobody knows of is sent as another form: who sends it has looked.
    fields = form | ({"once": str(uuid.uuid4())} if isinstance(error, OutcomeUnknown) else {})
    return list(fields.items())


def _to_the_login(request: Request) -> Response:
    """Where somebody goes who is not signed in.

    Raises:
        SignedOut: They had written something, which another page would lose.
    """
    is_sending = request.method not in READING
    if is_sending and (is_fragment(request) or any(request.state.form.get(name) for name in WRITTEN)):
        raise SignedOut(
            gettext("You are signed out: nothing was saved. Copy what you wrote, sign in, and write it there again.")
        )
    address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return then(request, f"/login?next={quote('/' if is_sending else address, safe='')}")


def _assert_may(person: Person, method: str, path: str) -> None:
    """Refuse what a person may not see or do.

    Raises:
        Forbidden: It is for others.
    """
    if _is_below(path, OWNERS) and not person.is_owner:
        raise Forbidden(gettext("Only an owner may see or do that."))
    if method not in READING and path != "/logout" and not person.may_edit:
        raise Forbidden(gettext("You may read here, not change anything. An owner can change that."))


async def _read_form(request: Request) -> dict[str, str]:
    """The fields of a form: each once, lines ended as we end them.

    Raises:
        TooLarge: It is larger than any form of ours.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_FORM:
            raise TooLarge(gettext("That is more than a form may hold: {size} kB.", size=LARGEST_FORM // 1024))
    pairs: Iterable[tuple[str, str]] = ()
    with suppress(ValueError):  # more fields than any form of ours
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    return {name: value.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n") for name, value in pairs}


def _name_of(host: str) -> str:
    """The host of a `Host` header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
