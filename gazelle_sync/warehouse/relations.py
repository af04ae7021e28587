"""The tables and views that the migrations make, by name; and which of the tables hide rows from this role."""

from __future__ import annotations

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import RowsHidden
from gazelle_sync.warehouse.connect import Connection, statement

EDITS = "vincent_dindy_piano_updates"
MIGRATIONS = "schema_migrations"
STAGING = tuple(entity.staging_table for entity in ENTITIES)
PRODUCTION = tuple(table.name for entity in ENTITIES for table in entity.tables)
BOOKS = ("system_settings", "sync_logs", "sync_unreadable", "alert_log", "sync_gazelle_logs", "sync_conflicts", EDITS)
VIEWS = (
    "external_id_mapping", "v_appointments_montreal", "v_sync_dashboard", "v_sync_errors", "v_sync_health",
    "v_piano_history", *(f"gazelle.{name.removeprefix('gazelle_')}" for name in PRODUCTION),
)  # fmt: skip
TABLES = (*STAGING, *PRODUCTION, *BOOKS, MIGRATIONS)


def present_tables(connection: Connection) -> set[str]:
    """Which of our tables are there, all of them asked for in one statement.

    Raises:
        RowsHidden: Row-level security hides rows of some of them from this role.
    """
    found = connection.execute(statement("present_tables"), {"tables": list(TABLES)}).fetchall()
    hidden = sorted(name for name, is_hidden, _ in found if is_hidden)
    if hidden:
        raise RowsHidden(hidden, found[0][2])
    return {name for name, _, _ in found}
