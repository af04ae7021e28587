"""The login page: signing in and out, and the choice of a language."""

from __future__ import annotations

import secrets
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gazelle_sync.desk import access
from gazelle_sync.desk.errors import TooManyTries
from gazelle_sync.desk.middleware import LANGUAGE_COOKIE
from gazelle_sync.desk.pages import Flash, desk_of, form_of, render
from gazelle_sync.i18n import LANGUAGES, gettext

A_YEAR_S = 365 * 24 * 3600


def login(request: Request) -> Response:
    """The form."""
    if desk_of(request).settings.desk_login != "password":
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    return render(request, "login", goes_to=_ours(request.query_params.get("next", "/")), name="")


def sign_in(request: Request) -> Response:
    """The form was sent."""
    desk, form = desk_of(request), form_of(request)
    if desk.settings.desk_login != "password":
        return RedirectResponse("/", HTTPStatus.SEE_OTHER)
    name, goes_to = form.get("name", ""), _ours(form.get("next", "/"))
    address = request.client.host if request.client else ""
    try:
        person = access.sign_in(desk, name, form.get("password", ""), address)
    except TooManyTries as error:
        return render(
            request, "login", status=error.status, said=Flash(str(error), "refused"), goes_to=goes_to, name=name
        )
    if person is None:
        said = Flash(gettext("The name or the password is not right."), "refused")
        return render(request, "login", status=HTTPStatus.FORBIDDEN, said=said, goes_to=goes_to, name=name)
    request.session.clear()
    request.session.update(name=person.name, number=person.session_number, csrf=secrets.token_urlsafe(24))
    return RedirectResponse(goes_to, HTTPStatus.SEE_OTHER)


def sign_out(request: Request) -> Response:
    """Forget the person."""
    request.session.clear()
    return RedirectResponse("/login", HTTPStatus.SEE_OTHER)


def choose_language(request: Request) -> Response:
    """Remember a language for a year."""
    form = form_of(request)
    answer = RedirectResponse(_ours(form.get("next", "/")), HTTPStatus.SEE_OTHER)
    if form.get("language") in LANGUAGES:
        is_https = desk_of(request).public_url.startswith("https://")
        answer.set_cookie(
            LANGUAGE_COOKIE, form["language"], max_age=A_YEAR_S, httponly=True, samesite="lax", secure=is_https
        )
    return answer


def _ours(path: str) -> str:
    """An address of our own pages; another one becomes the first page."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\", "/login")) and path.isprintable()
    return path if is_ours and "\\" not in path else "/"
