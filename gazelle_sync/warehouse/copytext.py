r"""Lines of COPY's text format: a tab between columns, `\N` for null, backslashes before what would be misread.

psycopg's own `write_row` looks up a dumper for every value; a first import writes millions of them. Here a column of
many rows is written at once, by what its values have in common. Only the types that reconcilers give are known
(`gazelle_sync.reconcile.rows`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from types import NoneType
from typing import Any

import msgspec

NULL = "\\N"

_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_ARRAY_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})


def escaped(text: str) -> str:
    """Text as a column of a line."""
    return text.translate(_ESCAPES) if _SPECIAL.search(text) else text


def lines(rows: Sequence[Sequence[Any]], jsonb: Sequence[bool]) -> str:
    """Rows as lines.

    Args:
        rows: At least one, each with the same columns.
        jsonb: For each column, whether its values are JSON.

    Raises:
        TypeError: A value is of no type that a reconciler gives.
    """
    columns = [
        _json_column(values) if is_jsonb else _column(values)
        for values, is_jsonb in zip(zip(*rows, strict=True), jsonb, strict=True)
    ]
    return "\n".join(map("\t".join, zip(*columns, strict=True))) + "\n"


def _json_column(values: Sequence[Any]) -> list[str]:
    return [NULL if value is None else escaped(msgspec.json.encode(value).decode()) for value in values]


def _column(values: Sequence[Any]) -> list[str]:
    kinds = {value.__class__ for value in values} - {NoneType}
    if kinds == {str}:
        if not _SPECIAL.search("".join([value for value in values if value])):  # once for the column, not once a value
            return [NULL if value is None else value for value in values]
        return [NULL if value is None else escaped(value) for value in values]
    if unknown := kinds - _WRITERS.keys():
        raise TypeError(f"no text form for {', '.join(sorted(kind.__name__ for kind in unknown))}")
    return [NULL if value is None else _WRITERS[value.__class__](value) for value in values]


def _array(texts: list[str]) -> str:
    """A `text[]`; a null inside is not possible, since Gazelle's lists hold none."""
    items = ",".join(f'"{text.translate(_ARRAY_ESCAPES)}"' for text in texts)
    return escaped(f"{{{items}}}")


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: escaped,
    bool: lambda value: "t" if value else "f",
    int: str,
    float: repr,
    Decimal: str,
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    list: _array,
}
