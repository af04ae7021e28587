"""Renders pages: the templates, what each of them may use, and the answer of a form that was sent."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from babel.numbers import format_currency, format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gazelle_sync.desk.errors import NotFound
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message, Plural, Translator, translator
from gazelle_sync.montreal import MONTREAL, montreal_day, spoken_lately

if TYPE_CHECKING:
    from gazelle_sync.desk.access import Person
    from gazelle_sync.desk.desk import Desk

HERE = Path(__file__).parent
STATIC = HERE / "static"
LONGEST_SAID = 1000
MOST_SAID = 2000
NAVIGATION = (
    ("/agenda", Message("Agenda")),
    ("/alerts", Message("Alerts")),
    ("/conflicts", Message("Conflicts")),
    ("/stock", Message("Stock")),
    ("/invoices", Message("Invoices")),
    ("/state", Message("State")),
)
"""Address and name of the pages that every page leads to."""


@dataclass(frozen=True)
class Flash:
    """What is said at the head of the next page.

    Attributes:
        text: The sentence.
        kind: `done` or `refused`.
    """

    text: str
    kind: str = "done"


class Words:
    """How a page writes days, times and numbers, in one language; times are Montreal's."""

    def __init__(self, language: str) -> None:
        self.say = translator(language)
        self.locale = f"{language}_CA"

    def day(self, day: date | datetime | None) -> str:
        """`Tuesday, December 1, 2026`, `mardi 1er décembre 2026`."""
        if day is None:
            return "—"
        if isinstance(day, datetime):
            day = montreal_day(day)
        return self.say.date(day, year=True)

    def short_day(self, day: date) -> str:
        """The same without the year."""
        return self.say.date(day, year=False)

    def time(self, at: Any) -> str:
        """`13:30`, `13 h 30`; of an instant, or a time by Montreal's clock."""
        if isinstance(at, datetime):
            at = at.astimezone(MONTREAL).time()
        return self.say.time(at)

    def when(self, instant: datetime | None) -> str:
        """`17:54`, `17 h 54`, with the day where it is not today."""
        return "—" if instant is None else spoken_lately(self.say, instant)

    def money(self, amount: Decimal | None) -> str:
        """`$12.50`, `12,50 $`."""
        return "—" if amount is None else str(format_currency(amount, "CAD", locale=self.locale))

    def quantity(self, value: Decimal | float | None) -> str:
        """With as many decimals as it needs."""
        return "—" if value is None else str(format_decimal(value, format="#,##0.##", locale=self.say.language))


@cache
def words_of(language: str) -> Words:
    """How a language writes days, times and numbers."""
    return Words(language)


@cache
def environment() -> Environment:
    """The templates. Every value is escaped; a name that is not there is an error."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.globals.update(Plural=Plural, once=lambda: str(uuid.uuid4()), asset=asset, nav=lambda: NAVIGATION)
    return made


@cache
def asset(name: str) -> str:
    """The address of a file of ours, with a mark of what is in it, so that a browser may keep it for ever."""
    mark = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={mark}"


def desk_of(request: Request) -> Desk:
    """The desk that was asked."""
    return cast("Desk", request.app.state.desk)


def person_of(request: Request) -> Person:
    """Who asks."""
    return cast("Person", request.state.person)


def language_of(request: Request) -> str:
    """The language that the person chose."""
    return str(request.state.language)


def say_of(request: Request) -> Translator:
    """The translator into the language that the person chose."""
    return translator(language_of(request))


def form_of(request: Request) -> dict[str, str]:
    """What was sent: each field once."""
    return cast("dict[str, str]", request.state.form)


def is_fragment(request: Request) -> bool:
    """Whether our script asks for a part of a page."""
    return request.headers.get("hx-request") == "true" and request.headers.get("hx-history-restore-request") != "true"


def render(
    request: Request, template: str, *, status: int = HTTPStatus.OK, said: Flash | None = None, **values: Any
) -> HTMLResponse:
    """A page, or a part of one.

    Args:
        request: Who asks, and in which language.
        template: Its name, without `.html.j2`.
        status: Of the answer.
        said: What is said at its head, besides what an earlier request left to say.
        values: For the template.
    """
    desk = desk_of(request)
    person = getattr(request.state, "person", None)
    waiting = [] if is_fragment(request) else [Flash(*one) for one in request.session.pop("said", [])]
    words = words_of(language_of(request))
    text = environment().get_template(f"{template}.html.j2").render(
        say=words.say,
        words=words,
        language=language_of(request),
        person=person,
        may_edit=person is not None and person.may_edit,
        is_owner=person is not None and person.is_owner,
        has_login=desk.settings.desk_login == "password",
        is_sandbox=desk.is_sandbox,
        ui_url=desk.settings.ui_url,
        csrf=request.session.get("csrf", ""),
        path=request.url.path,
        address=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        typed=request.query_params.get("q", ""),
        said=[*waiting, *([said] if said else [])],
        **values,
    )  # fmt: skip
    return HTMLResponse(text, status_code=status)


def then(request: Request, path: str, text: str | None = None, kind: str = "done") -> Response:
    """After a form: go to a page, which says what came of it. Reloading it sends nothing again."""
    if text is not None:
        said = [*request.session.get("said", []), (text[:LONGEST_SAID], kind)][-2:]
        # It travels in the session's cookie, of which a browser keeps 4 kB.
        fits = len(json.dumps(said)) < MOST_SAID
        request.session["said"] = said if fits else [(text[: MOST_SAID // 8], kind)]
    return RedirectResponse(path, status_code=HTTPStatus.SEE_OTHER)


def number_in(text: str) -> int:
    """A number in an address.

    Raises:
        NotFound: It is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound(gettext("There is no such page."))
    return int(text)


def page_in(text: str) -> int:
    """Which page of a list is asked for, from 1 on."""
    return min(max(int(text), 1), 100_000) if text.isascii() and text.isdigit() and len(text) < 7 else 1
