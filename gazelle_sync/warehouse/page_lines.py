"""Turns the bodies of a page into lines of COPY, a column at a time: for a first import into empty tables.

    lines = page_lines(entity, bodies)
    if lines is None:
        …  # not alike, or one cannot become rows: reconcile them one by one (or halve the page first)
    for table, found in lines.items():  # parents before nested tables
        COPY table (found.columns) FROM STDIN  ←  found.text, where there is any

The rows are those that `Entity.reconcile` gives for the same bodies. `found.ids` and `found.named` are the records
that a page contains and those that it names, for the callers that check keys and parents. A page may hold any number of
bodies; some hundreds to a call keep PostgreSQL busy while the next are made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from types import NoneType
from typing import Any

import msgspec

from gazelle_sync.entities import Entity, Table
from gazelle_sync.reconcile import rows
from gazelle_sync.reconcile.pages import Columns, Uneven
from gazelle_sync.reconcile.rows import Body, Conversion, ReconcileError
from gazelle_sync.warehouse.copytext import NULL, column_of, escaped, escaped_all

INSTANT_LENGTH = len("2026-01-09T12:00:00Z")
DAY_LENGTH = len("2026-01-09")
_DEGREES = re.compile(r"-?[0-9]{1,3}(?:\.[0-9]+)?(?:;-?[0-9]{1,3}(?:\.[0-9]+)?)*")


@dataclass(frozen=True, slots=True)
class TableLines:
    """The rows of one table.

    Attributes:
        columns: The columns of the lines, in order.
        text: The lines in COPY's text format, as UTF-8; empty where there is no row.
        ids: `external_id` of each row, in order, all different.
        named: Column that references another table → the ids in it.
    """

    columns: tuple[str, ...]
    text: bytes
    ids: Sequence[str]
    named: dict[str, set[str]]


def page_lines(entity: Entity, bodies: Sequence[Body]) -> dict[str, TableLines] | None:
    """The lines of every table of an entity, parents first; None where its bodies must go one by one.

    They are not alike, or one of them cannot become rows, or the entity has too few records for it (`read_page`).
    """
    if entity.read_page is None:
        return None
    try:
        pages = entity.read_page(bodies)
        return {table.name: _lines(table, pages[table.name]) for table in entity.tables}
    except (Uneven, ReconcileError):
        return None


def _lines(table: Table, page: Columns) -> TableLines:
    written = {column: texts_of(convert, values) for column, (convert, values) in page.items()}
    named = {column: set(written[column]) - {NULL} for column in table.references if column in written}
    if any("\\" in external_id for ids in named.values() for external_id in ids):
        raise Uneven  # an id that had to be escaped
    ids = page["external_id"][1]
    text = "\n".join(map("\t".join, zip(*written.values(), strict=True))) + "\n" if ids else ""
    return TableLines(tuple(page), text.encode(), ids, named)


def texts_of(convert: Conversion, values: Sequence[Any]) -> Sequence[str]:
    """The values of a column as COPY reads them."""
    kinds = set(map(type, values))
    if NoneType not in kinds:
        return _given(convert, kinds, values)
    kinds.discard(NoneType)
    texts = iter(_given(convert, kinds, [value for value in values if value is not None]))
    return [NULL if value is None else next(texts) for value in values]


def _given(convert: Conversion, kinds: set[type], values: Sequence[Any]) -> Sequence[str]:
    """The same for values that are not null: at once where they are what Gazelle sends, else one by one."""
    kind, at_once = _AT_ONCE.get(convert, (None, None))
    if at_once is not None and kinds == {kind}:
        texts = at_once(values)
        if texts is not None:
            return texts
    return column_of([convert(value) for value in values])


# Each takes the values of a column, all of one kind and none null, and gives what COPY reads; None where one of them
# needs a closer look (or is wrong).


def _references(values: Sequence[str]) -> Sequence[str] | None:
    return None if "" in values else escaped_all(values)


def _booleans(values: Sequence[bool]) -> Sequence[str]:
    return ["t" if value else "f" for value in values]


def _integers(values: Sequence[int]) -> Sequence[str] | None:
    return list(map(str, values)) if _lie_in(rows.INTEGER_RANGE, values) else None


def _hundredths(values: Sequence[int]) -> Sequence[str] | None:
    if not _lie_in(rows.MONEY_RANGE, values):
        return None
    # Exact: a double holds 15 digits, and these are 14 at most. Amounts are a price list's, and come again and again.
    written = {value: f"{value / 100:.2f}" for value in set(values)}
    return [written[value] for value in values]


def _lie_in(allowed: range, values: Sequence[int]) -> bool:
    return min(values) in allowed and max(values) in allowed


def _degrees(values: Sequence[str]) -> Sequence[str] | None:
    return values if _DEGREES.fullmatch(";".join(values)) else None


def _instants(values: Sequence[str]) -> Sequence[str] | None:
    """Instants as they are, where all have the form `2026-01-09T12:00:00Z`, which PostgreSQL reads as well."""
    joined, count = "".join(values), len(values)
    if len(joined) != INSTANT_LENGTH * count or not joined.isascii():
        return None
    for place, mark in ((4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "Z")):
        if joined[place::INSTANT_LENGTH] != mark * count:
            return None
    return values if _are(datetime.fromisoformat, values) and "1900" <= min(values) <= max(values) < "2200" else None


def _utc_days(values: Sequence[str]) -> Sequence[str] | None:
    return _instants(values) and [value[:10] for value in values]


def _utc_times(values: Sequence[str]) -> Sequence[str] | None:
    return _instants(values) and [value[11:19] for value in values]


def _montreal_days(values: Sequence[str]) -> Sequence[str] | None:
    """Montreal is four or five hours behind UTC: from six on, the day is UTC's."""
    return _instants(values) and [
        value[:10] if value[11:13] >= "06" else rows.day_in_montreal(value).isoformat() for value in values
    ]


def _days(values: Sequence[str]) -> Sequence[str] | None:
    joined, count = "".join(values), len(values)
    has_form = len(joined) == DAY_LENGTH * count and joined[4::DAY_LENGTH] == joined[7::DAY_LENGTH] == "-" * count
    return values if has_form and _are(date.fromisoformat, values) else None


def _are(read: Callable[[str], object], values: Sequence[str]) -> bool:
    try:
        return all(map(read, values))
    except ValueError:
        return False


def _arrays(values: Sequence[list[Any]]) -> Sequence[str] | None:
    try:
        items = set(chain.from_iterable(values))
        joined = "".join(items)
    except TypeError:
        return None
    if '"' in joined or escaped(joined) != joined:
        return None
    return ["{" + ",".join([f'"{item}"' for item in value]) + "}" for value in values]


def _json(values: Sequence[list[Any]]) -> Sequence[str] | None:
    if not set(map(type, chain.from_iterable(values))) <= {dict}:
        return None
    # JSON holds no bare line break, and backslashes are all there is to escape.
    return _encode_lines(values).replace(b"\\", b"\\\\").decode().split("\n")[:-1]


_encode_lines = msgspec.json.Encoder().encode_lines

_AT_ONCE: dict[Conversion, tuple[type, Callable[[Sequence[Any]], Sequence[str] | None]]] = {
    rows.text: (str, escaped_all),
    rows.reference: (str, _references),
    rows.boolean: (bool, _booleans),
    rows.integer: (int, _integers),
    rows.hundredths: (int, _hundredths),
    rows.decimal_degrees: (str, _degrees),
    rows.instant: (str, _instants),
    rows.utc_day: (str, _utc_days),
    rows.utc_time: (str, _utc_times),
    rows.day_in_montreal: (str, _montreal_days),
    rows.day: (str, _days),
    rows.texts: (list, _arrays),
    rows.list_of_records: (list, _json),
}
"""Conversion → the type that Gazelle sends for it, and how a whole column of that is written."""
