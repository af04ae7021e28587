"""Walking bodies by paths of field names (`Entity.parents`, `Entity.nested_operations`).

A path is walked for all bodies at once, a name at a time: a first import has hundreds of thousands of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def ids_at(bodies: Iterable[object], path: Sequence[str]) -> set[str]:
    """The non-empty strings at the end of a path in some bodies.

    Args:
        bodies: Decoded JSON; what is no record is passed over.
        path: Field names; `[]` after a name walks a list.
    """
    values = _values_at(bodies, path)
    try:
        found = set(values)
    except TypeError:  # some are no texts
        found = {value for value in values if value.__class__ is str}
    return {value for value in found if value.__class__ is str and value}


def records_at(bodies: Iterable[object], path: Sequence[str]) -> list[dict[str, Any]]:
    """The records at the end of a path in some bodies: they themselves where the path is empty."""
    return [value for value in _values_at(bodies, path) if value.__class__ is dict]


def _values_at(bodies: Iterable[object], path: Sequence[str]) -> list[Any]:
    values: list[Any] = list(bodies)
    for name in path:
        field = name.removesuffix("[]")
        try:  # nearly always everything is a record that says it, or null
            values = [value[field] for value in values if value is not None]
        except (KeyError, TypeError):
            values = [value[field] for value in values if value.__class__ is dict and field in value]
        if name.endswith("[]"):
            values = [item for items in values if items.__class__ is list for item in items]
    return values
