"""`make columns` writes what is known of the columns of each table, for the UI and for docs/data-dictionary.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

import dagster as dg

from gazelle_sync.definitions import build_defs
from gazelle_sync.defs.sync.columns import TYPES, Column, descriptions_of, known_columns
from gazelle_sync.entities import ENTITIES
from gazelle_sync.runtime.embedded import embedded_services
from gazelle_sync.settings import PROJECT_ROOT, Settings
from gazelle_sync.warehouse.connect import Connection, connect
from gazelle_sync.warehouse.migrate import migrate

QUERY = (PROJECT_ROOT / "gazelle_sync_tests" / "support" / "columns.sql").read_text(encoding="utf-8")
PAGE = PROJECT_ROOT / "docs" / "data-dictionary.md"
HEAD = """# Data dictionary

What each column of each table and view holds that Dagster shows. `make columns` makes this page of
`gazelle_sync/data_dictionary.toml`, the declarations of `gazelle_sync/entities.py` and a migrated database; a test
compares them. All instants are aware (UTC).
"""


def tables_with_columns(definitions: dg.Definitions) -> list[str]:
    """The tables and views that are assets."""
    names = (spec.metadata.get("dagster/table_name") for spec in definitions.resolve_all_asset_specs())
    return sorted(str(name).removeprefix("public.") for name in names if name is not None)


def read_columns(connection: Connection, tables: Iterable[str]) -> dict[str, list[Column]]:
    """The columns of tables and views as a database has them."""
    query = QUERY.encode()
    return {table: [list(row) for row in connection.execute(query, [f"public.{table}"])] for table in sorted(tables)}


def written(columns: dict[str, list[Column]]) -> str:
    """The text of the file: a column a line."""
    parts = [
        f" {json.dumps(table)}: [\n" + ",\n".join(f"  {json.dumps(column)}" for column in rows) + "]"
        for table, rows in columns.items()
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def page() -> str:
    """The text of docs/data-dictionary.md; the program ends where a column has no sentence."""
    if lacking := _without_a_sentence():
        sys.exit(f"gazelle_sync/data_dictionary.toml lacks a sentence on {', '.join(lacking)}.")
    parts = [HEAD, "```mermaid", "erDiagram", *_relations(), "```"]
    for table, columns in known_columns().items():
        described = descriptions_of(table)
        parts += ["", f"## {table}", "", "| column | type | null | |", "|---|---|---|---|"]
        parts += [
            f"| `{name}` | {kind} | {'yes' if nullable else 'no'} | {described[name].replace('|', chr(92) + '|')} |"
            for name, kind, nullable in columns
        ]
    return "\n".join(parts) + "\n"


def _without_a_sentence() -> list[str]:
    return [
        f"{table}.{name}"
        for table, columns in known_columns().items()
        for name, *_ in columns
        if name not in descriptions_of(table)
    ]


def _relations() -> list[str]:
    """A line a foreign key: each row of the second table may name one of the first."""
    return [
        f"    {target} |o--o{{ {table.name} : {column}"
        for entity in ENTITIES
        for table in entity.tables
        for column, target in table.references.items()
    ]


def write() -> None:
    """Write both files anew."""
    with embedded_services(Settings.load(), api=False) as settings:
        migrate(str(settings.database_url))
        with connect(str(settings.database_url)) as shop:
            TYPES.write_text(written(read_columns(shop, tables_with_columns(build_defs()))), encoding="utf-8")
    known_columns.cache_clear()
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
