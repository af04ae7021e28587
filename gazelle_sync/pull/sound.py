"""Whether a body is what was asked for: nothing left out, at whatever depth, and no two under one id."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gazelle_sync.gazelle.documents import Asked

CONNECTION = frozenset({"nodes", "pageInfo"})
"""Of a list inside a record: without them nothing is known of its rows, or whether these are all."""


def lacking(body: Mapping[str, Any], asked: Asked, never_null: Collection[str]) -> set[str]:
    """What a body does not say though it was asked for.

    Args:
        body: As it came.
        asked: What its fragment asks.
        never_null: Fields whose null says nothing.

    Returns:
        Names with their place, as `allContacts.nodes.allLocations`.
    """
    wrong: set[str] = set()
    _look_inside(body, asked, never_null, "", wrong)
    return wrong


def _look_inside(
    record: Mapping[str, Any], asked: Asked, never_null: Collection[str], place: str, wrong: set[str]
) -> None:
    if not asked.fields <= record.keys():
        wrong.update(place + name for name in asked.fields - record.keys())
    for name in never_null:
        if record.get(name, "") is None:
            wrong.add(place + name)
    for name, inside in asked.inside:
        value = record.get(name)
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, dict):
                _look_inside(one, inside, never_null, f"{place}{name}.", wrong)


def twice(bodies: Sequence[Any]) -> set[str]:
    """Ids under which more than one record came: one of them is another's. The same one twice does no harm."""
    first: dict[str, Any] = {}
    given = [body for body in bodies if isinstance(body, dict) and isinstance(body.get("id"), str)]
    return {body["id"] for body in given if first.setdefault(body["id"], body) != body}
