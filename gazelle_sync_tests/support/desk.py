"""Somebody at the desk, without script: opens pages, fills in the forms that stand there, and sends them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that there is a successor of httpx, which has no other use here
    from starlette.testclient import TestClient as TestClient

from gazelle_sync.desk.desk import Desk
from gazelle_sync.shop.search.index import refresh
from gazelle_sync.warehouse.pool import keep_connections
from gazelle_sync_tests.support.shop import Shop

HERE = "http://127.0.0.1:8765"


@dataclass
class Form:
    """A form of a page.

    Attributes:
        action: Where it is sent.
        method: `get` or `post`.
        fields: Name → value as it stands there.
        buttons: Name and value of each button that has one.
    """

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """What is on a page: its forms, its links, its words."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.status = answer.status_code
        self.html = answer.text
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.lang: str | None = None
        self._words: list[str] = []
        self._form: Form | None = None
        self._filling: str | None = None
        self.feed(self.html)

    @property
    def text(self) -> str:
        """Its words, blanks squeezed."""
        return " ".join(" ".join(self._words).split())

    def form(self, path: str, /, **holds: str) -> Form:
        """The form that goes to an address, and in which some fields hold something."""
        found = [one for one in self.forms if one.action == path and holds.items() <= one.fields.items()]
        assert found, f"no form for {path} with {holds}: {[(one.action, one.fields) for one in self.forms]}"
        return found[0]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "html":
            self.lang = has.get("lang")
        elif tag == "a":
            self.links.append(has.get("href", ""))
        elif tag == "form":
            self._form = Form(has.get("action", ""), has.get("method", "get"))
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag == "input" and "name" in has and has.get("type") not in ("checkbox", "radio"):
            self._form.fields[has["name"]] = has.get("value", "")
        elif tag == "button" and "name" in has:
            self._form.buttons.append((has["name"], has.get("value", "")))
        elif tag in ("textarea", "select") and "name" in has:
            self._filling = has["name"]
            self._form.fields[has["name"]] = ""
        elif tag == "option" and self._filling and "selected" in has:
            self._form.fields[self._filling] = has.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag in ("textarea", "select"):
            self._filling = None

    def handle_data(self, data: str) -> None:
        if self.lasttag == "textarea" and self._filling and self._form is not None:
            self._form.fields[self._filling] += data.removeprefix("\n")
        self._words.append(data)


class Visitor:
    """A browser without script.

    Attributes:
        client: With its own cookies.
    """

    def __init__(self, desk: Desk, base_url: str = HERE) -> None:
        from gazelle_sync.desk.app import build_app  # every test loads this module, and few need a desk

        self.desk = desk
        self.client = TestClient(build_app(desk), base_url=base_url, raise_server_exceptions=False)

    def open(self, path: str, **options: Any) -> Page:
        """A page, and where it leads."""
        return Page(self.client.get(path, **options))

    def send(self, page: Page | str, path: str, holds: dict[str, str] | None = None, /, **fields: str) -> Page:
        """Fill in a form of a page and send it; the page that it leads to."""
        found = self.open(page) if isinstance(page, str) else page
        form = found.form(path, **(holds or {}))
        return Page(self.client.post(path, data={**form.fields, **fields}))

    def edit(self, piano: str, name: str, value: str, page: Page | None = None) -> Page:
        """Write into a field of a piano's page."""
        here = f"/pianos/{piano}"
        return self.send(page or here, here, {"field": name}, value=value)


@dataclass
class FrontDesk:
    """A shop's desk, and whoever comes to it."""

    shop: Shop
    desk: Desk

    def visitor(self, **settings: Any) -> Visitor:
        """Somebody with a browser of their own.

        Args:
            settings: That differ.
        """
        desk = Desk(self.desk.settings.replace(**settings), self.desk.port, self.desk.runs) if settings else self.desk
        return Visitor(desk)

    def some(self, table: str, where: str = "true") -> str:
        """The id of some record."""
        query = f"SELECT external_id FROM {table} WHERE {where} AND deleted_at IS NULL ORDER BY external_id LIMIT 1"  # noqa: S608
        return str(self.shop.value(query))


@contextmanager
def office_of(shop: Shop) -> Iterator[FrontDesk]:
    """The desk of a shop whose words have been read."""
    with keep_connections():
        refresh(shop.settings)
        desk = Desk(shop.settings)
        yield FrontDesk(shop, desk)
        desk.runs.close()


@pytest.fixture
def front_desk(shop: Shop) -> Iterator[FrontDesk]:
    """The desk of a shop that was pulled once."""
    with office_of(shop) as front_desk:
        yield front_desk


@pytest.fixture
def visitor(front_desk: FrontDesk) -> Visitor:
    """Somebody at this machine."""
    return front_desk.visitor()
