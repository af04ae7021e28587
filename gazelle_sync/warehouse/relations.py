"""Names of the tables and views that the migrations make, and what roles may read of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql

from gazelle_sync.entities import ENTITIES, IMPORTED
from gazelle_sync.errors import RowsHidden
from gazelle_sync.i18n.translator import Translator
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, Rows

EDITS = "vincent_dindy_piano_updates"
PUSHED = (EDITS, "shop_products", "invoice_drafts", "invoice_draft_payments", "appointment_drafts")
"""The tables of which edits go to Gazelle, each with two triggers (`gazelle.push_table`)."""
MIGRATIONS = "schema_migrations"
DATA_API_ROLES = ("anon", "authenticated")
"""Roles of a hosted database's Data API: `anon` for holders of the public key, `authenticated` for signed-up users."""
STAGING = tuple(entity.staging_table for entity in ENTITIES)
PRODUCTION = tuple(table.name for entity in ENTITIES for table in entity.tables)
CONTROL_TABLES = (
    "system_settings",
    "sync_logs",
    "sync_unreadable",
    "sync_timeline_days",
    "alert_log",
    "sync_gazelle_logs",
    "sync_conflicts",
    "push_state",
    *PUSHED,
    "import_runs",
    "staging_import",
    "inventory_stock",
    "inventory_movements",
    "consumption_rules",
    "maintenance_alerts",
    "maintenance_alert_events",
    "maintenance_findings",
    "maintenance_unread",
    "maintenance_scans",
    "technician_contacts",
    "notices",
    "notice_views",
    "calendar_exports",
    "calendar_feeds",
    "inventory_unread",
    "inventory_problems",
    "search_entries",
    "search_unread",
    "desk_people",
    "desk_logins",
    "desk_changes",
    "sync_tokens",
    "invoice_draft_items",
    "cash_told",
)
VIEWS = (
    "external_id_mapping", "v_appointments_montreal", "v_sync_dashboard", "v_sync_errors", "v_sync_health",
    "v_piano_history", "v_maintenance_open", "v_maintenance_suggested", "v_maintenance_resolved",
    "v_maintenance_archived", "v_calendar_busy", "v_agenda", "v_visits_to_tell",
    *(f"gazelle.{name.removeprefix('gazelle_')}" for name in PRODUCTION),
)  # fmt: skip
TABLES = (*STAGING, *PRODUCTION, *CONTROL_TABLES, MIGRATIONS)


def present_tables(connection: Connection) -> set[str]:
    """Which of our tables exist, by one statement.

    Raises:
        RowsHidden: Row-level security hides rows of some of them from this role.
    """
    return visible_tables(connection.execute(*which_tables_exist()).fetchall())


def how_many(table: str, *, living: bool = True, exactly: bool = False) -> Question:
    """The statement that gives a table's number of rows, and whether it is an estimate.

    Args:
        table: Of schema public.
        living: Whether rows that are marked deleted, or that only an older system knows, are left out (an estimate
            counts them).
        exactly: Whether a large table is counted as well, which takes time that grows with history.
    """
    is_living = sql.SQL("deleted_at IS NULL AND NOT starts_with(external_id, {})").format(sql.Literal(IMPORTED))
    query = sql.SQL(statement("warehouse/row_count")).format(
        table=sql.Identifier(table), where=is_living if living else sql.SQL("true")
    )
    return query, {"table": f"public.{table}", "exactly": exactly}


def which_tables_exist() -> Question:
    """The statement of `present_tables`, to be asked with others."""
    return statement("warehouse/present_tables"), {"tables": list(TABLES)}


def visible_tables(found: Rows) -> set[str]:
    """Which of our tables exist, by the rows of `which_tables_exist`.

    Raises:
        RowsHidden: Row-level security hides rows of some of them from this role.
    """
    hidden = sorted(name for name, is_hidden, _ in found if is_hidden)
    if hidden:
        raise RowsHidden(hidden, found[0][2])
    return {name for name, _, _ in found}


def public_grants(connection: Connection, relations: Sequence[str] | None = None) -> dict[str, list[str]]:
    """What the Data API of a hosted database gives access to.

    `anon` should have no rights at all, `authenticated` none without row-level security.

    Args:
        connection: To the database.
        relations: Tables of schema public; None: ours, with our views and functions.

    Returns:
        Role → names of tables, views, sequences and functions; empty where there are no such roles.
    """
    ours = [*TABLES, *(name for name in VIEWS if "." not in name)]
    parameters = {
        "roles": list(DATA_API_ROLES), "relations": list(relations or ours), "functions": relations is None,
    }  # fmt: skip
    found: dict[str, list[str]] = {}
    for role, name in connection.execute(statement("warehouse/public_grants"), parameters):
        found.setdefault(role, []).append(name)
    return found


def describe_public_grants(grants: Mapping[str, Sequence[str]], say: Translator) -> str:
    """Which rights should be revoked, and how, as a sentence for a person."""
    held = "; ".join(
        say("{role} has rights on {names}", role=role, names=", ".join(names)) for role, names in grants.items()
    )
    advice = say(
        "Whoever holds the public key of the hosted project reaches that over HTTP, with nothing else. Say as the "
        "owner: REVOKE ALL ON … FROM {roles} (functions: FROM PUBLIC as well); give a table to people who sign up only "
        "under row-level security.",
        roles=", ".join(grants),
    )
    return f"{held}. {advice}"
