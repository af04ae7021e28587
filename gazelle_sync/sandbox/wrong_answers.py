"""Wrong answers: what `DATA` faults do to lists, counts, cursors and values, and `REQUEST` faults to variables.

Each function changes its first argument in place; `options` are those of the fault.
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


def _row_lists(payload: Record) -> Iterator[tuple[str, list[Json]]]:
    """The lists of records that an answer's root fields hold: response key and list."""
    for key, value in payload["data"].items():
        if isinstance(value, list):
            yield key, value
        elif isinstance(value, dict):
            for name in ("nodes", "edges"):
                if isinstance(value.get(name), list):
                    yield key, value[name]


def _records(payload: Record) -> Iterator[Record]:
    """The records of an answer's root fields."""
    for value in payload["data"].values():
        if isinstance(value, dict) and "nodes" not in value and "edges" not in value:
            yield value
    for _, rows in _row_lists(payload):
        for row in rows:
            if isinstance(row, dict):
                yield row.get("node") or row


def _connections(payload: Record) -> Iterator[Record]:
    for value in payload["data"].values():
        if isinstance(value, dict) and {"nodes", "edges", "totalCount"} & value.keys():
            yield value


def _place(rows: list[Json], options: Record) -> int:
    return min(int(options.get("place", len(rows) // 2)), len(rows) - 1)


def _repeat_row(payload: Record, options: Record) -> None:
    for _, rows in _row_lists(payload):
        if rows:
            place = _place(rows, options)
            rows.insert(place, rows[place])


def _skip_row(payload: Record, options: Record) -> None:
    for _, rows in _row_lists(payload):
        if rows:
            del rows[_place(rows, options)]


def _order_violation(payload: Record, __: Record) -> None:
    for _, rows in _row_lists(payload):
        if len(rows) > 1:
            rows[0], rows[-1] = rows[-1], rows[0]


def _total_wrong(payload: Record, options: Record) -> None:
    for connection in _connections(payload):
        if "totalCount" in connection:
            connection["totalCount"] += int(options.get("delta", 1))


def _empty_tags(payload: Record, _: Record) -> None:
    for record in _records(payload):
        if "tags" in record:
            record["tags"] = []


def _empty_account(payload: Record, options: Record) -> None:
    for key, value in payload["data"].items():
        if isinstance(value, list):
            payload["data"][key] = []
        elif isinstance(value, dict) and {"nodes", "edges", "totalCount"} & value.keys():
            nothing = {"nodes": [], "edges": [], "totalCount": 0, "pageInfo": _NO_PAGE}
            value.update({name: nothing[name] for name in value if name in nothing})
        elif options.get("by_id"):
            payload["data"][key] = None


_NO_PAGE = {"startCursor": None, "endCursor": None, "hasNextPage": False, "hasPreviousPage": False}


def _missing_field(payload: Record, options: Record) -> None:
    for record in _records(payload):
        record.pop(options.get("field", "updatedAt"), None)


def _unknown_enum(payload: Record, options: Record) -> None:
    name = options.get("field", "status")
    for record in _records(payload):
        if name in record:
            record[name] = options.get("value", "NEVER_SEEN_BEFORE")


def _null_updated_at(payload: Record, _: Record) -> None:
    for record in _records(payload):
        if "updatedAt" in record:
            record["updatedAt"] = None


def _bad_text(payload: Record, options: Record) -> None:
    text = options.get("value", "coup\u00e9 \ud83c et nul \u0000 fin")
    name = options.get("field")
    for record in _records(payload):
        wanted = [name] if name else [key for key in ("notes", "comment", "personalNotes") if key in record]
        record.update({key: text for key in wanted if key in record})


def _partial(payload: Record, options: Record) -> None:
    """One row is null, or one field of it, and an error says so."""
    message = options.get("message", "Internal error while loading a record")
    for root, rows in _row_lists(payload):
        if rows:
            place = _place(rows, options)
            path: list[str | int] = [root, "nodes", place]
            if options.get("field"):
                rows[place] = (rows[place] or {}) | {options["field"]: None}
                path.append(options["field"])
            else:
                rows[place] = None
            payload.setdefault("errors", []).append({"message": message, "path": path})
            return
    first = next(iter(payload["data"]))
    payload["data"][first] = None
    payload.setdefault("errors", []).append({"message": message, "path": [first]})


# ---- lists


def _null_rows(payload: Record, options: Record) -> None:
    """A row is null and no error says so."""
    for _, rows in _row_lists(payload):
        if rows:
            rows[_place(rows, options)] = None


def _empty_list(payload: Record, _: Record) -> None:
    """A page without rows, and nothing after it, whatever the count says."""
    for connection in _connections(payload):
        if "nodes" in connection:
            connection["nodes"] = []
        if isinstance(connection.get("pageInfo"), dict):
            connection["pageInfo"] |= {"hasNextPage": False, "endCursor": None}


def _early_end(payload: Record, _: Record) -> None:
    for connection in _connections(payload):
        if isinstance(connection.get("pageInfo"), dict):
            connection["pageInfo"]["hasNextPage"] = False


def _cursor_loop(payload: Record, _: Record) -> None:
    """There is always a next page, and it is always the second."""
    for connection in _connections(payload):
        if isinstance(connection.get("pageInfo"), dict):
            connection["pageInfo"] |= {"hasNextPage": True, "endCursor": "MQ"}


def _lacks(name: str) -> Change:
    def change(payload: Record, _: Record) -> None:
        for connection in _connections(payload):
            connection.pop(name, None)

    return change


def _duplicate_id(payload: Record, _: Record) -> None:
    """Two records bear the id of the first."""
    for _key, rows in _row_lists(payload):
        if len(rows) > 1 and isinstance(rows[0], dict) and isinstance(rows[-1], dict):
            rows[-1] = rows[-1] | {"id": rows[0].get("id")}


def _swapped(payload: Record, _: Record) -> None:
    """Records asked for by id come under each other's aliases."""
    data = payload["data"]
    keys = [key for key, value in data.items() if isinstance(value, dict) and "id" in value]
    for key, value in zip(keys, [data[key] for key in reversed(keys)], strict=True):
        data[key] = value


def _null_by_id(payload: Record, _: Record) -> None:
    """Records asked for by id are "not there"."""
    data = payload["data"]
    data.update({key: None for key, value in data.items() if isinstance(value, dict) and "id" in value})


def _not_found(payload: Record, _: Record) -> None:
    """What is not there is said by an error, as Rails does, and not by a null alone."""
    for key in (key for key, value in payload["data"].items() if value is None):
        payload.setdefault("errors", []).append({"message": "Couldn't find the record", "path": [key]})


# ---- values


def _null_field(payload: Record, options: Record) -> None:
    name = options.get("field", "tags")
    for record in _records(payload):
        if name in record:
            record[name] = None


def _wrong_type(payload: Record, options: Record) -> None:
    """A value of a type that the schema rules out."""
    name = options.get("field", "status")
    for record in _records(payload):
        if name in record:
            record[name] = options.get("value", {"not": ["what", "was", "asked"]})


def _shifted_stamps(payload: Record, options: Record) -> None:
    """Every `updatedAt` is `seconds` off."""
    _shift(payload, "updatedAt", float(options.get("seconds", 86_400)))


def _shifted_starts(payload: Record, options: Record) -> None:
    """Every `start` is `seconds` off, as where UTC was read as local time."""
    _shift(payload, "start", float(options.get("seconds", 18_000)))


def _naive_starts(payload: Record, _: Record) -> None:
    """Every `start` without its zone."""
    for record in _records(payload):
        if isinstance(record.get("start"), str):
            record["start"] = record["start"].removesuffix("Z")


def _empty_nested(payload: Record, options: Record) -> None:
    """The lists inside records are empty: all of them, or those called `field`."""
    for holder, name in _nested_lists(payload, options):
        value = holder[name]
        if isinstance(value, list):
            holder[name] = []
        else:
            nothing = {"nodes": [], "edges": [], "totalCount": 0, "pageInfo": _NO_PAGE}
            value.update({key: nothing[key] for key in value if key in nothing})


def _thin_nested(payload: Record, options: Record) -> None:
    """The lists inside records lack a `share` of their rows, whichever way they are asked for the same ones."""
    share = float(options.get("share", 0.5))
    for holder, name in _nested_lists(payload, options):
        value = holder[name]
        rows = value if isinstance(value, list) else value["nodes"]
        kept = [row for row in rows if zlib.crc32(json.dumps(row.get("id") or row).encode()) / 2**32 >= share]
        if isinstance(value, list):
            holder[name] = kept
        else:
            value["nodes"] = kept
            if "totalCount" in value:
                value["totalCount"] -= len(rows) - len(kept)


def _null_nested(payload: Record, _: Record) -> None:
    """The lists inside records are null."""
    for record in _records(payload):
        for name, value in record.items():
            if isinstance(value, dict) and "nodes" in value:
                record[name] = None


def _shift(payload: Record, name: str, seconds: float) -> None:
    for record in _records(payload):
        if isinstance(record.get(name), str):
            moved = datetime.strptime(record[name], INSTANT).replace(tzinfo=UTC) + timedelta(seconds=seconds)
            record[name] = moved.strftime(INSTANT)


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


def _moved_page(variables: Record, options: Record) -> None:
    """The page begins elsewhere than asked: rows came or went before it."""
    if variables.get("after"):
        place = max(0, position(str(variables["after"])) + int(options.get("delta", 3)))
        variables["after"] = cursor(place)


def _repeated_page(variables: Record, _: Record) -> None:
    """The first page comes, whichever was asked for."""
    variables.pop("after", None)


DATA: dict[str, Change] = {
    "repeat_row": _repeat_row,
    "skip_row": _skip_row,
    "order_violation": _order_violation,
    "total_wrong": _total_wrong,
    "empty_tags": _empty_tags,
    "empty_account": _empty_account,
    "missing_field": _missing_field,
    "unknown_enum": _unknown_enum,
    "null_updated_at": _null_updated_at,
    "bad_text": _bad_text,
    "partial": _partial,
    "null_rows": _null_rows,
    "empty_list": _empty_list,
    "early_end": _early_end,
    "cursor_loop": _cursor_loop,
    "no_page_info": _lacks("pageInfo"),
    "no_total": _lacks("totalCount"),
    "duplicate_id": _duplicate_id,
    "swapped": _swapped,
    "null_by_id": _null_by_id,
    "not_found": _not_found,
    "null_field": _null_field,
    "wrong_type": _wrong_type,
    "shifted_stamps": _shifted_stamps,
    "shifted_starts": _shifted_starts,
    "naive_starts": _naive_starts,
    "empty_nested": _empty_nested,
    "thin_nested": _thin_nested,
    "null_nested": _null_nested,
}
REQUEST: dict[str, Change] = {"moved_page": _moved_page, "repeated_page": _repeated_page}
"""Applied to the variables of a request, before it is answered."""
