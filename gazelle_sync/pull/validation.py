"""Whether a body is what was asked for: nothing left out, at whatever depth, and no two under one id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gazelle_sync.gazelle.documents import Selection

TRIES = 3
"""So often a list is read whose records and count do not agree: it moved while it was read."""
CONNECTION = frozenset({"nodes", "pageInfo"})
"""Of a list inside a record: without them nothing is known of its rows, or whether these are all."""


def are_valid(bodies: Sequence[Any], asked: Selection) -> bool:
    """Whether each of some bodies is a record under an id of its own and lacks nothing that was asked for.

    The records of a page are nearly always all alike: one look at the keys of all of them costs a
    quarter of `missing_fields` for each.
    """
    try:
        ids = {body["id"] for body in bodies}
    except (KeyError, TypeError):
        return False
    return set(map(type, ids)) <= {str} and len(ids) == len(bodies) and _lack_nothing(bodies, asked)


def _lack_nothing(records: Sequence[Mapping[str, Any]], asked: Selection) -> bool:
    fields, inside, never_null = asked
    if not all(map(fields.issubset, set(map(tuple, records)))):
        return False
    if any(None in [record[name] for record in records] for name in never_null):
        return False
    for name, asked_there in inside:
        values: list[Any] = [record[name] for record in records]
        if list in map(type, values):
            values = [one for value in values for one in (value if value.__class__ is list else (value,))]
        if not _lack_nothing([value for value in values if value.__class__ is dict], asked_there):
            return False
    return True


def missing_fields(body: Mapping[str, Any], asked: Selection) -> set[str]:
    """What a body does not say though it was asked for: names with their place, as `allContacts.nodes.firstName`."""
    wrong: set[str] = set()
    _add_missing(body, asked, "", wrong)
    return wrong


def _add_missing(record: Mapping[str, Any], asked: Selection, place: str, wrong: set[str]) -> None:
    fields, inside, never_null = asked
    if not fields <= record.keys():
        wrong.update(place + name for name in fields - record.keys())
    for name in never_null:
        if record.get(name, "") is None:
            wrong.add(place + name)
    for name, asked_there in inside:
        value = record.get(name)
        if isinstance(value, dict):
            _add_missing(value, asked_there, f"{place}{name}.", wrong)
        elif isinstance(value, list):
            for one in value:
                if isinstance(one, dict):
                    _add_missing(one, asked_there, f"{place}{name}.", wrong)


def duplicate_ids(bodies: Sequence[Any]) -> set[str]:
    """Ids under which more than one record came: one of them is another's. The same one twice does no harm."""
    first: dict[str, Any] = {}
    given = [body for body in bodies if isinstance(body, dict) and isinstance(body.get("id"), str)]
    return {body["id"] for body in given if first.setdefault(body["id"], body) != body}
