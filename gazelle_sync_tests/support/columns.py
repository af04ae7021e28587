"""`make columns` writes the columns that the UI shows of each table, read from a migrated database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from gazelle_sync.defs.sync.assets import entity_assets
from gazelle_sync.defs.sync.columns import FILE, Column
from gazelle_sync.defs.sync.partitions import daily_partitions
from gazelle_sync.runtime.embedded import embedded_services
from gazelle_sync.settings import PROJECT_ROOT, Settings
from gazelle_sync.warehouse.connect import Connection, connect
from gazelle_sync.warehouse.migrate import migrate

QUERY = (PROJECT_ROOT / "gazelle_sync_tests" / "support" / "columns.sql").read_text(encoding="utf-8")


def read_columns(connection: Connection, tables: Iterable[str]) -> dict[str, list[Column]]:
    """The columns of tables and views as a database has them."""
    query = QUERY.encode()
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


def write(path: Path = FILE) -> None:
    """Write the file anew."""
    names = [key.to_user_string() for assets in entity_assets(daily_partitions()) for key in assets.keys]
    with embedded_services(Settings.load(), api=False) as settings:
        migrate(str(settings.database_url))
        with connect(str(settings.database_url)) as shop:
            path.write_text(written(read_columns(shop, names)), encoding="utf-8")


if __name__ == "__main__":
    write()
