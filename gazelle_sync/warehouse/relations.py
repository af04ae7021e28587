"""The tables and views that the migrations make, by name; and which of the tables hide rows from this role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import RowsHidden
from gazelle_sync.i18n.translator import Translator
from gazelle_sync.warehouse.connect import Connection, statement

EDITS = "vincent_dindy_piano_updates"
MIGRATIONS = "schema_migrations"
VISITORS = ("anon", "authenticated")
"""Roles of a hosted database's Data API: whoever holds the public key of the project, and whoever signed up."""
STAGING = tuple(entity.staging_table for entity in ENTITIES)
PRODUCTION = tuple(table.name for entity in ENTITIES for table in entity.tables)
CONTROL_TABLES = (
    "system_settings",
    "sync_logs",
    "sync_unreadable",
    "alert_log",
    "sync_gazelle_logs",
    "sync_conflicts",
    EDITS,
)
VIEWS = (
    "external_id_mapping", "v_appointments_montreal", "v_sync_dashboard", "v_sync_errors", "v_sync_health",
    "v_piano_history", *(f"gazelle.{name.removeprefix('gazelle_')}" for name in PRODUCTION),
)  # fmt: skip
TABLES = (*STAGING, *PRODUCTION, *CONTROL_TABLES, MIGRATIONS)


def present_tables(connection: Connection) -> set[str]:
    """Which of our tables are there, all of them asked for in one statement.

    Raises:
        RowsHidden: Row-level security hides rows of some of them from this role.
    """
    found = connection.execute(statement("warehouse/present_tables"), {"tables": list(TABLES)}).fetchall()
    hidden = sorted(name for name, is_hidden, _ in found if is_hidden)
    if hidden:
        raise RowsHidden(hidden, found[0][2])
    return {name for name, _, _ in found}


def open_doors(connection: Connection, relations: Sequence[str] | None = None) -> dict[str, list[str]]:
    """What the Data API of a hosted database lets people at.

    `anon` should have no right at all; `authenticated` none without row-level security.

    Args:
        connection: To the database.
        relations: Tables of schema public; None: ours, with our views and functions.

    Returns:
        Role → names of tables, views, sequences and functions; empty where there are no such roles.
    """
    ours = [*TABLES, *(name for name in VIEWS if "." not in name)]
    parameters = {
        "roles": list(VISITORS), "relations": list(relations or ours), "functions": relations is None,
    }  # fmt: skip
    found: dict[str, list[str]] = {}
    for role, name in connection.execute(statement("warehouse/open_doors"), parameters):
        found.setdefault(role, []).append(name)
    return found


def say_doors(doors: Mapping[str, Sequence[str]], say: Translator) -> str:
    """What is open, and what to do about it."""
    held = "; ".join(
        say("{role} has rights on {names}", role=role, names=", ".join(names)) for role, names in doors.items()
    )
    advice = say(
        "Whoever holds the public key of the hosted project reaches that over HTTP, with nothing else. Say as the "
        "owner: REVOKE ALL ON … FROM {roles} (functions: FROM PUBLIC as well); give a table to people who sign up only "
        "under row-level security.",
        roles=", ".join(doors),
    )
    return f"{held}. {advice}"
