"""The columns that the UI shows of each table, known when the definitions load, which is before there is a database.

Their descriptions are those of `gazelle_sync/data_dictionary.toml`. Their types stand in `columns.json`, which
`make columns` writes from a migrated database. Tests compare both with one. As metadata of each run they were most of
what a tick wrote into Dagster's storage.
"""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from gazelle_sync.warehouse.relations import PUSHED

TYPES = Path(__file__).with_name("columns.json")
DICTIONARY = Path(__file__).parents[2] / "data_dictionary.toml"

Column = list[Any]
"""Name, type, whether it may be null."""


@cache
def known_columns() -> dict[str, list[Column]]:
    """The columns of each table and view, in their order."""
    known: dict[str, list[Column]] = json.loads(TYPES.read_text(encoding="utf-8"))
    return known


@cache
def _sections() -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = tomllib.loads(DICTIONARY.read_text(encoding="utf-8"))
    return sections


def descriptions_of(table: str) -> dict[str, str]:
    """Column → what it holds; the table's own sentences come before those that all tables of its kind share."""
    sections = _sections()
    return {**sections.get(shared_section(table), {}), **sections.get(table, {})}


def shared_section(table: str) -> str:
    """The section of the file that holds the sentences which all tables of a kind share."""
    return "pushed" if table in PUSHED else f"{table.partition('_')[0]}_*"


def metadata_of(table: str) -> dict[str, Any]:
    """Name and columns of a table or view, as an asset's metadata; no columns where the file does not know it yet."""
    descriptions = descriptions_of(table)
    columns = [
        dg.TableColumn(
            name,
            kind,
            description=descriptions.get(name),
            constraints=dg.TableColumnConstraints(nullable=nullable, unique=name == "external_id"),
        )
        for name, kind, nullable in known_columns().get(table, [])
    ]
    schema = {"dagster/column_schema": dg.TableSchema(columns=columns)} if columns else {}
    return {"dagster/table_name": f"public.{table}", **schema}
