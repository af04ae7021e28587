"""The columns that the UI shows of each table, known when the definitions load, which is before there is a database.

They stand in `columns.json`, which `make columns` writes from a migrated database and a test compares with one. As
metadata of each run they were most of what a tick wrote into Dagster's storage.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

FILE = Path(__file__).with_name("columns.json")

Column = list[Any]
"""Name, type, whether it may be null, comment or None."""


@cache
def _known() -> dict[str, list[Column]]:
    known: dict[str, list[Column]] = json.loads(FILE.read_text(encoding="utf-8"))
    return known


def metadata_of(table: str) -> dict[str, Any]:
    """Name and columns of a table or view, as an asset's metadata; no columns where the file does not know it yet."""
    columns = [
        dg.TableColumn(
            name,
            kind,
            description=comment,
            constraints=dg.TableColumnConstraints(nullable=nullable, unique=name == "external_id"),
        )
        for name, kind, nullable, comment in _known().get(table, [])
    ]
    schema = {"dagster/column_schema": dg.TableSchema(columns=columns)} if columns else {}
    return {"dagster/table_name": f"public.{table}", **schema}
