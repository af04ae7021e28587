"""The columns that the UI shows of each table, known when the definitions load, which is before there is a database.

They stand in `columns.json`, which `make columns` writes from a migrated database and a test compares with one. As
metadata of each run they were most of what a tick wrote into Dagster's storage.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from gazelle_sync.warehouse.connect import Connection, statement

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


def read_columns(connection: Connection, tables: Iterable[str]) -> dict[str, list[Column]]:
    """The columns of tables and views as a database has them."""
    query = statement("defs/table_columns")
    return {table: [list(row) for row in connection.execute(query, [f"public.{table}"])] for table in sorted(tables)}


def written(columns: dict[str, list[Column]]) -> str:
    """The text of the file: a column a line."""
    parts = [
        f" {json.dumps(table)}: [\n"
        + ",\n".join(f"  {json.dumps(column, ensure_ascii=False)}" for column in rows)
        + "]"
        for table, rows in columns.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    from gazelle_sync.defs.sync.entity_ops import entity_assets
    from gazelle_sync.defs.sync.partitions import daily_partitions
    from gazelle_sync.runtime.embedded import stand
    from gazelle_sync.settings import Settings
    from gazelle_sync.warehouse.connect import connect
    from gazelle_sync.warehouse.migrate import migrate

    names = [key.to_user_string() for assets in entity_assets(daily_partitions()) for key in assets.keys]
    with stand(Settings.load(), api=False) as settings:
        migrate(str(settings.database_url))
        with connect(str(settings.database_url)) as shop:
            FILE.write_text(written(read_columns(shop, names)), encoding="utf-8")
