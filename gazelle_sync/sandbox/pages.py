"""Relay connections over offsets: what `first`, `after`, `last` and `before` select.

A cursor is nothing but a position, as at Gazelle: a row that comes or goes before it shifts every page after it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.settings import Settings


class Refused(Exception):
    """The API answers this field with a GraphQL error."""


class Rows(Protocol):
    """A list in order, of which a page is cut."""

    def __len__(self) -> int:
        """How many rows there are."""

    def cut(self, start: int, end: int) -> list[Record]:
        """Rows from `start` up to `end`."""


@dataclass(frozen=True)
class Listed:
    """Rows that are at hand."""

    rows: Sequence[Record]

    def __len__(self) -> int:
        return len(self.rows)

    def cut(self, start: int, end: int) -> list[Record]:
        """Rows from `start` up to `end`."""
        return list(self.rows[start:end])


@dataclass(frozen=True)
class ById:
    """Rows known by their ids, in order."""

    ids: Sequence[str]
    get: Callable[[str], Record | None]

    def __len__(self) -> int:
        return len(self.ids)

    def cut(self, start: int, end: int) -> list[Record]:
        """Rows from `start` up to `end`."""
        found = map(self.get, self.ids[start:end])
        return [record for record in found if record is not None]


@dataclass(frozen=True)
class Page:
    """A page of rows.

    Attributes:
        nodes: The rows.
        start: Position of the first one.
        total: How many rows the whole list has.
    """

    nodes: list[Record]
    start: int
    total: int

    @property
    def end(self) -> int:
        """Position after the last row."""
        return self.start + len(self.nodes)

    @property
    def edges(self) -> list[Record]:
        """Fields of the edges."""
        return [{"cursor": cursor(self.start + place), "node": node} for place, node in enumerate(self.nodes)]


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


def cut(rows: Rows, arguments: dict[str, Json], settings: Settings, *, with_nodes: bool = True) -> Page:
    """Cut the page that the arguments of a connection ask for.

    Args:
        rows: The whole list.
        arguments: `first`, `after`, `last`, `before`, and others that do not matter here.
        settings: For the size of a page.
        with_nodes: False when only the total is of interest.
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
    return Page(rows.cut(start, end) if with_nodes else [], start, total)
