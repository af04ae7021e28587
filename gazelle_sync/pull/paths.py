"""Finding the ids that a body names, by paths of field names (`Entity.parents`).

A path becomes a function once: this runs for every body of a first import, hundreds of thousands of times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Finder = Callable[[Any, set[str]], None]
"""Adds the non-empty strings at the end of its path in a body to a set."""


def finder(path: Sequence[str]) -> Finder:
    """A finder for a path of field names; `[]` after a name walks a list."""
    find: Finder = _add
    for name in reversed(path):
        find = _in_list(name[:-2], find) if name.endswith("[]") else _in_field(name, find)
    return find


def ids_at(body: object, path: Sequence[str]) -> set[str]:
    """The non-empty strings at the end of a path in one body."""
    found: set[str] = set()
    finder(path)(body, found)
    return found


def _add(value: Any, found: set[str]) -> None:
    if isinstance(value, str) and value:
        found.add(value)


def _in_field(name: str, find: Finder) -> Finder:
    def look(value: Any, found: set[str]) -> None:
        if value.__class__ is dict:
            inner = value.get(name)
            if inner is not None:
                find(inner, found)

    return look


def _in_list(name: str, find: Finder) -> Finder:
    def look(value: Any, found: set[str]) -> None:
        if isinstance(value, dict) and isinstance(items := value.get(name), list):
            for item in items:
                find(item, found)

    return look
