"""Wrong answers: what `DATA` faults do to lists, counts, cursors and values, and `REQUEST` faults to variables.

Each change acts on its first argument in place; `options` are those of the fault.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.pages import cursor, position
from gazelle_sync.sandbox.settings import INSTANT

Change = Callable[[Record, Record], None]

_NOTHING: Record = {
    "nodes": [],
    "edges": [],
    "totalCount": 0,
    "pageInfo": {"startCursor": None, "endCursor": None, "hasNextPage": False, "hasPreviousPage": False},
}


# ---- where an answer holds what


def _connections(payload: Record) -> Iterator[Record]:
    """The pages that root fields hold."""
    for value in payload["data"].values():
        if isinstance(value, dict) and {"nodes", "edges", "totalCount"} & value.keys():
            yield value


def _row_lists(payload: Record) -> Iterator[tuple[str, list[Json]]]:
    """The lists of records that root fields hold: response key and list."""
    for key, value in payload["data"].items():
        if isinstance(value, list):
            yield key, value
        elif isinstance(value, dict):
            for name in ("nodes", "edges"):
                if isinstance(value.get(name), list):
                    yield key, value[name]


def _records(payload: Record) -> Iterator[Record]:
    """The records of root fields."""
    for value in payload["data"].values():
        if isinstance(value, dict) and "nodes" not in value and "edges" not in value:
            yield value
    for _, rows in _row_lists(payload):
        for row in rows:
            if isinstance(row, dict):
                yield row.get("node") or row


def _nested_lists(payload: Record, options: Record) -> Iterator[tuple[Record, str]]:
    """The lists inside records, and inside their rows in turn: who holds each, and its name."""
    todo = list(_records(payload))
    while todo:
        holder = todo.pop()
        for name, value in holder.items():
            rows = value.get("nodes") if isinstance(value, dict) else value
            if name.startswith("all") and isinstance(rows, list):
                todo += [row for row in rows if isinstance(row, dict)]
                if options.get("field", name) == name:
                    yield holder, name


def _place(rows: list[Json], options: Record) -> int:
    return min(int(options.get("place", len(rows) // 2)), len(rows) - 1)


def _empty(holder: Record, name: str) -> None:
    """Empty a list, or a page."""
    value = holder[name]
    if isinstance(value, list):
        holder[name] = []
    else:
        value.update({key: nothing for key, nothing in _NOTHING.items() if key in value})


# ---- lists


def _in_lists(change: Callable[[list[Json], int], object], at_least: int = 1) -> Change:
    """Change every list of records that is long enough, at the option `place` or in its middle."""

    def changed(payload: Record, options: Record) -> None:
        for _, rows in _row_lists(payload):
            if len(rows) >= at_least:
                change(rows, _place(rows, options))

    return changed


def _swap_ends(rows: list[Json], _: int) -> None:
    rows[0], rows[-1] = rows[-1], rows[0]


def _same_id(rows: list[Json], _: int) -> None:
    """Two records bear the id of the first."""
    if isinstance(rows[0], dict) and isinstance(rows[-1], dict):
        rows[-1] = rows[-1] | {"id": rows[0].get("id")}


def _page_info(**values: Json) -> Change:
    def changed(payload: Record, _: Record) -> None:
        for connection in _connections(payload):
            if isinstance(connection.get("pageInfo"), dict):
                connection["pageInfo"] |= values

    return changed


def _lacks(name: str) -> Change:
    def changed(payload: Record, _: Record) -> None:
        for connection in _connections(payload):
            connection.pop(name, None)

    return changed


def _total_wrong(payload: Record, options: Record) -> None:
    for connection in _connections(payload):
        if "totalCount" in connection:
            connection["totalCount"] += int(options.get("delta", 1))


def _empty_list(payload: Record, _: Record) -> None:
    """A page without rows, and nothing after it, whatever the count says."""
    for connection in _connections(payload):
        if "nodes" in connection:
            connection["nodes"] = []
    _page_info(hasNextPage=False, endCursor=None)(payload, _)


def _empty_account(payload: Record, options: Record) -> None:
    """Every list is empty and every count 0; with `by_id`, no record is there either."""
    data = payload["data"]
    for key, value in data.items():
        if isinstance(value, list) or (isinstance(value, dict) and _NOTHING.keys() & value.keys()):
            _empty(data, key)
        elif options.get("by_id"):
            data[key] = None


def _partial(payload: Record, options: Record) -> None:
    """One row is null, or one field of it, and an error says so."""
    first = next(iter(payload["data"]))
    root, rows = next(((key, rows) for key, rows in _row_lists(payload) if rows), (first, None))
    path: list[str | int] = [root]
    if rows is None:
        payload["data"][root] = None
    else:
        place = _place(rows, options)
        path += ["nodes", place]
        name = options.get("field")
        rows[place] = (rows[place] or {}) | {name: None} if name else None
        path += [name] if name else []
    message = options.get("message", "Internal error while loading a record")
    payload.setdefault("errors", []).append({"message": message, "path": path})


def _empty_nested(payload: Record, options: Record) -> None:
    """The lists inside records are empty: all of them, or those called `field`."""
    for holder, name in _nested_lists(payload, options):
        _empty(holder, name)


def _thin_nested(payload: Record, options: Record) -> None:
    """The lists inside records lack a `share` of their rows, whichever way they are asked for the same ones."""
    share = float(options.get("share", 0.5))
    for holder, name in _nested_lists(payload, options):
        value = holder[name]
        rows = value if isinstance(value, list) else value["nodes"]
        kept = [row for row in rows if zlib.crc32(json.dumps(row.get("id") or row).encode()) / 2**32 >= share]
        if "totalCount" in value:
            value["totalCount"] -= len(rows) - len(kept)
        rows[:] = kept


def _null_nested(payload: Record, _: Record) -> None:
    """The lists inside records are null."""
    for record in _records(payload):
        for name, value in record.items():
            if isinstance(value, dict) and "nodes" in value:
                record[name] = None


# ---- records asked for by id


def _by_id(payload: Record) -> list[str]:
    """Keys of the root fields that hold one record."""
    return [key for key, value in payload["data"].items() if isinstance(value, dict) and "id" in value]


def _swapped(payload: Record, _: Record) -> None:
    """Records come under each other's aliases."""
    data, keys = payload["data"], _by_id(payload)
    data.update(dict(zip(keys, [data[key] for key in reversed(keys)], strict=True)))


def _null_by_id(payload: Record, _: Record) -> None:
    """Records are "not there"."""
    payload["data"].update(dict.fromkeys(_by_id(payload)))


def _not_found(payload: Record, _: Record) -> None:
    """What is not there is said by an error, as Rails does, and not by a null alone."""
    for key in (key for key, value in payload["data"].items() if value is None):
        payload.setdefault("errors", []).append({"message": "Couldn't find the record", "path": [key]})


# ---- values


def _values(change: Callable[[Json, Record], Json], *names: str) -> Change:
    """Change a field of every record that has it: the option `field`, or these."""

    def changed(payload: Record, options: Record) -> None:
        for record in _records(payload):
            for name in [options["field"]] if options.get("field") else names:
                if name in record:
                    record[name] = change(record[name], options)

    return changed


def _null(*_: Json) -> None:
    return None


def _option(default: Json) -> Callable[[Json, Record], Json]:
    return lambda _, options: options.get("value", default)


def _shifted(default_s: float) -> Callable[[Json, Record], Json]:
    """The instant is `seconds` off."""

    def change(value: Json, options: Record) -> Json:
        if not isinstance(value, str):
            return value
        off = timedelta(seconds=float(options.get("seconds", default_s)))
        return (datetime.strptime(value, INSTANT).replace(tzinfo=UTC) + off).strftime(INSTANT)

    return change


def _missing_field(payload: Record, options: Record) -> None:
    for record in _records(payload):
        record.pop(options.get("field", "updatedAt"), None)


# ---- requests


def _moved_page(variables: Record, options: Record) -> None:
    """The page begins elsewhere than asked: rows came or went before it."""
    if variables.get("after"):
        place = max(0, position(str(variables["after"])) + int(options.get("delta", 3)))
        variables["after"] = cursor(place)


def _repeated_page(variables: Record, _: Record) -> None:
    """The first page comes, whichever was asked for."""
    variables.pop("after", None)


DATA: dict[str, Change] = {
    "repeat_row": _in_lists(lambda rows, place: rows.insert(place, rows[place])),
    "skip_row": _in_lists(lambda rows, place: rows.pop(place)),
    "null_rows": _in_lists(lambda rows, place: rows.__setitem__(place, None)),
    "order_violation": _in_lists(_swap_ends, 2),
    "duplicate_id": _in_lists(_same_id, 2),
    "early_end": _page_info(hasNextPage=False),
    "cursor_loop": _page_info(hasNextPage=True, endCursor=cursor(0)),
    "no_page_info": _lacks("pageInfo"),
    "no_total": _lacks("totalCount"),
    "total_wrong": _total_wrong,
    "empty_list": _empty_list,
    "empty_account": _empty_account,
    "partial": _partial,
    "empty_nested": _empty_nested,
    "thin_nested": _thin_nested,
    "null_nested": _null_nested,
    "swapped": _swapped,
    "null_by_id": _null_by_id,
    "not_found": _not_found,
    "missing_field": _missing_field,
    "null_field": _values(_null, "tags"),
    "null_updated_at": _values(_null, "updatedAt"),
    "empty_tags": _values(lambda *_: [], "tags"),
    "unknown_enum": _values(_option("NEVER_SEEN_BEFORE"), "status"),
    "wrong_type": _values(_option({"not": ["what", "was", "asked"]}), "status"),
    "bad_text": _values(_option("coup\u00e9 \ud83c et nul \u0000 fin"), "notes", "comment", "personalNotes"),
    "shifted_stamps": _values(_shifted(86_400), "updatedAt"),
    "shifted_starts": _values(_shifted(18_000), "start"),
    "naive_starts": _values(lambda value, _: value and value.removesuffix("Z"), "start"),
}
REQUEST: dict[str, Change] = {"moved_page": _moved_page, "repeated_page": _repeated_page}
"""Applied to the variables of a request, before it is answered."""
