"""Turns the bodies of a page into columns, by the field maps with which `rows.read` turns one body into a row.

A first import reads hundreds of thousands of bodies with the same fields. Here one field of all bodies is taken at
once. A column is the values as they came, with their conversion: `gazelle_sync.warehouse.page_lines` converts whole
columns.

This works only for bodies that are alike. If a body lacks a field or an id, if something is no record, or if an id
comes twice, the page is `Uneven`, and its bodies are reconciled one by one, which shows what is wrong with which. A
page that becomes columns gives the same rows as `Entity.reconcile`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

from gazelle_sync.reconcile.rows import Body, Conversion, FieldMap, Inner, is_cut, text, texts

Column = tuple[Conversion, Sequence[Any]]
"""The conversion of a column, and its JSON value in each row; None is null and is not converted."""

Columns = dict[str, Column]

PageReader = Callable[[Sequence[Body]], dict[str, Columns]]
"""Bodies of one entity → table → its columns. Raises `Uneven`, or `ReconcileError` where a body cannot become rows."""


class Uneven(Exception):
    """The bodies of a page are not all alike."""


def read_page(records: Sequence[Body], fields: FieldMap) -> Columns:
    """The columns of some records, all of which must have every field.

    Raises:
        Uneven: One does not.
    """
    if not records:
        return {column: (convert, ()) for column, _, convert in fields}
    try:
        columns = zip(*map(_getter(fields), records), strict=True)
        return {
            column: (convert.convert, inside(values, convert.field))
            if isinstance(convert, Inner)
            else (convert, values)
            for (column, _, convert), values in zip(fields, columns, strict=True)
        }
    except (KeyError, TypeError):
        raise Uneven from None


def inside(records: Sequence[Any], field: str) -> list[Any]:
    """A field of each record; null where the record itself is."""
    try:
        return [None if record is None else record[field] for record in records]
    except (KeyError, TypeError):
        raise Uneven from None


def strings(values: Sequence[Any]) -> Sequence[str | None]:
    """The values, each of which must be text or null."""
    if not set(map(type, values)) <= {str, type(None)}:
        raise Uneven
    return values


def ids_of(records: Sequence[Body]) -> Sequence[str]:
    """The id of each record, all different."""
    return distinct(inside(records, "id"))


def distinct(ids: Sequence[Any]) -> Sequence[str]:
    """Ids that must be texts, none of them empty, all different."""
    if ids and (set(map(type, ids)) != {str} or len(set(ids)) != len(ids) or "" in ids):
        raise Uneven
    return ids


def connections(records: Sequence[Body], field: str) -> list[list[Body]]:
    """The records of a connection inside each record, of all its pages."""
    found = inside(records, field)
    if any(map(is_cut, found)):
        raise Uneven
    return lists(found, "nodes")


def lists(records: Sequence[Any], field: str) -> list[list[Body]]:
    """The records of a plain list inside each record."""
    found = inside(records, field)
    if not set(map(type, found)) <= {list} or not set(map(type, chain.from_iterable(found))) <= {dict}:
        raise Uneven
    return found


def flat(lists: Sequence[Sequence[Body]], owners: Sequence[str]) -> tuple[list[Body], list[str]]:
    """The records of all lists, and the id of the record that each of them lies in."""
    return list(chain.from_iterable(lists)), [
        owner for owner, records in zip(owners, lists, strict=True) for _ in records
    ]


def tags_page(records: Sequence[Body]) -> Columns:
    """The two columns of a merged tag list (`rows.tags`)."""
    said = inside(records, "tags")
    if None in said:
        raise Uneven
    return {"tags": (texts, said), "gazelle_tags": (texts, said)}


def keys(**ids: Sequence[str]) -> Columns:
    """The columns that are ids: the row's own and those of the records that it lies in."""
    return {column: (text, values) for column, values in ids.items()}


@cache
def _getter(fields: FieldMap) -> Callable[[Body], tuple[Any, ...]]:
    # Two fields at least: with one, `itemgetter` gives no tuple.
    return itemgetter(*(field for _, field, _ in fields))
