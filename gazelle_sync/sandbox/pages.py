"""Relay connections over offsets: what `first`, `after`, `last` and `before` select.

A cursor is nothing but a position, as at Gazelle: a row that comes or goes before it shifts every page after it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.settings import Settings


class Refused(Exception):
    """The API answers this field with a GraphQL error."""


class Rows(Protocol):
    """A list in order, of which a page is cut."""

    def __len__(self) -> int:
        """How many rows there are."""

    def __getitem__(self, part: slice, /) -> Sequence[Record]:
        """The rows of a part."""


@dataclass
class Page:
    """A page of rows, which is read as a connection is, and its `pageInfo`. Rows nobody asks for are not fetched.

    Attributes:
        rows: The whole list.
        start: Position of the page's first row in it.
        end: Position after its last row.
    """

    rows: Rows
    start: int
    end: int

    @cached_property
    def nodes(self) -> list[Record]:
        """The rows of the page."""
        return list(self.rows[self.start : self.end])

    def get(self, name: str) -> Json:
        """A field of the connection or of its `pageInfo`; None for one that no page holds."""
        return _FIELDS[name](self) if name in _FIELDS else None


_FIELDS: dict[str, Callable[[Page], Json]] = {
    "nodes": lambda page: page.nodes,
    "edges": lambda page: [
        {"cursor": cursor(place), "node": node} for place, node in enumerate(page.nodes, page.start)
    ],
    "totalCount": lambda page: len(page.rows),
    "pageInfo": lambda page: page,
    "startCursor": lambda page: cursor(page.start) if page.start < page.end else None,
    "endCursor": lambda page: cursor(page.end - 1) if page.start < page.end else None,
    "hasNextPage": lambda page: page.end < len(page.rows),
    "hasPreviousPage": lambda page: page.start > 0,
}


def cursor(position: int) -> str:
    """The cursor of the row at a position."""
    return base64.b64encode(str(position + 1).encode()).decode().rstrip("=")


def position(text: str) -> int:
    """The position that a cursor stands for."""
    try:
        found = int(base64.b64decode(text + "=" * (-len(text) % 4), validate=True)) - 1
    except (binascii.Error, ValueError) as problem:
        raise Refused(f"Invalid cursor: {text!r}.") from problem
    if found < 0:
        raise Refused(f"Invalid cursor: {text!r}.")
    return found


def cut(rows: Rows, arguments: dict[str, Json], settings: Settings) -> Page:
    """Cut the page that the arguments of a connection ask for.

    Args:
        rows: The whole list.
        arguments: `first`, `after`, `last`, `before`, and others that do not matter here.
        settings: For the size of a page.
    """
    total = len(rows)
    start, end = 0, total
    first, last = arguments.get("first"), arguments.get("last")
    if arguments.get("after"):
        start = min(position(arguments["after"]) + 1, total)
    if arguments.get("before"):
        end = max(start, min(position(arguments["before"]), total))
    for name, size in (("first", first), ("last", last)):
        if size is not None and size < 0:
            raise Refused(f"`{name}` must not be negative.")
        if size is not None and 0 < settings.page_size_limit < size:
            raise Refused(f"`{name}` must be at most {settings.page_size_limit}, and {size} was asked for.")
    if first is not None or last is None:
        wanted = settings.default_page_size if first is None else first
        end = min(end, start + min(wanted, settings.max_page_size))
    if last is not None:
        start = max(start, end - min(last, settings.max_page_size))
    return Page(rows, start, end)
