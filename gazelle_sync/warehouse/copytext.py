r"""Lines of COPY's text format: a tab between columns, `\N` for null, backslashes before what would be misread.

psycopg's own `write_row` looks up a dumper for every value; a first import writes millions of them. Here a column of
many rows is written at once, by what its values have in common. Only the types that reconcilers give are known
(`gazelle_sync.reconcile.rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from types import NoneType
from typing import Any

import msgspec

NULL = "\\N"

_BETWEEN = "\0"
_ARRAY_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})


def escaped(text: str) -> str:
    """Text as a column of a line."""
    if _is_plain(text):
        return text
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def escaped_all(texts: Sequence[str]) -> Sequence[str]:
    """The same for many texts, joined and parted again: one search and one replacement for all of them."""
    joined = _BETWEEN.join(texts)
    if _is_plain(joined):
        return texts
    parts = escaped(joined).split(_BETWEEN)
    return parts if len(parts) == len(texts) else [escaped(text) for text in texts]


def _is_plain(text: str) -> bool:
    return not ("\\" in text or "\n" in text or "\t" in text or "\r" in text)


def lines(rows: Sequence[Sequence[Any]], jsonb: Sequence[bool]) -> str:
    """Rows as lines.

    Args:
        rows: At least one, each with the same columns.
        jsonb: For each column, whether its values are JSON.

    Raises:
        TypeError: A value is of no type that a reconciler gives.
    """
    columns = [
        json_column(values) if is_jsonb else column_of(values)
        for values, is_jsonb in zip(zip(*rows, strict=True), jsonb, strict=True)
    ]
    return "\n".join(map("\t".join, zip(*columns, strict=True))) + "\n"


def json_column(values: Sequence[Any]) -> list[str]:
    """Values that are JSON, or null."""
    return [NULL if value is None else escaped(msgspec.json.encode(value).decode()) for value in values]


def column_of(values: Sequence[Any]) -> Sequence[str]:
    """Values of the types that reconcilers give, or null.

    Raises:
        TypeError: One is of another.
    """
    kinds = set(map(type, values))
    if NoneType in kinds:
        texts = iter(column_of([value for value in values if value is not None]))
        return [NULL if value is None else next(texts) for value in values]
    if kinds == {str}:
        return escaped_all(values)
    if unknown := kinds - _WRITERS.keys():
        raise TypeError(f"no text form for {', '.join(sorted(kind.__name__ for kind in unknown))}")
    if len(kinds) == 1:
        return list(map(_WRITERS[kinds.pop()], values))
    return [_WRITERS[value.__class__](value) for value in values]


def _array(texts: list[str]) -> str:
    """A `text[]`; a null inside is not possible, since Gazelle's lists hold none."""
    items = ",".join(f'"{text.translate(_ARRAY_ESCAPES)}"' for text in texts)
    return escaped(f"{{{items}}}")


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: escaped,
    bool: {True: "t", False: "f"}.__getitem__,
    int: str,
    float: repr,
    Decimal: str,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    list: _array,
}
