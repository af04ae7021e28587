"""What a run says of an asset in the UI: rows, what it did, and a few rows to look at. Columns are on the spec."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dagster as dg
from psycopg import sql

from gazelle_sync.entities import Entity, Table
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.warehouse.connect import Connection, statement

Metadata = dict[str, Any]

PREVIEW_ROWS = 3
PREVIEW_COLUMNS = 6
PERSONAL = {
    "email", "phone", "mobile_phone", "first_name", "last_name", "company_name", "display_name", "street1", "street2",
    "latitude", "longitude", "what3words", "personal_notes", "preference_notes", "notes", "title", "description",
    "top_notes", "middle_name", "referred_by", "referred_by_notes", "no_contact_reason", "postal_code",
}  # fmt: skip
"""Columns that a preview leaves out: the event log is not the place for clients' particulars."""


def staging_metadata(connection: Connection, entity: Entity, report: EntityReport) -> Metadata:
    """Metadata of a staging asset."""
    query = sql.SQL(statement("defs/staging_counts")).format(staging=sql.Identifier(entity.staging_table))
    row = connection.execute(query).fetchone()
    rows, backlog, errors = row if row else (0, 0, 0)
    metadata: Metadata = {
        "dagster/row_count": rows,
        "did": f"read {report.fetched} bodies and {report.stamped} stamps from Gazelle: {report.staged} new versions",
        "found by": report.strategy or "—",
        "marked deleted": report.deleted,
        "stage1_fetch_duration": round(report.seconds_stage, 3),
        "stage1_records_fetched": report.fetched,
        "stamps read": report.stamped,
        "staging_backlog_size": backlog,
        "rows in error": errors,
    }
    if report.total is not None:
        metadata["total at Gazelle"] = report.total
    if report.notes:
        metadata["notes"] = dg.MetadataValue.md("\n".join(f"- {note}" for note in report.notes))
    return metadata


def table_metadata(connection: Connection, entity: Entity, table: Table, report: EntityReport, did: str) -> Metadata:
    """Metadata of a normalized asset.

    Args:
        connection: To the shop's database.
        entity: Whose table it is.
        table: The table.
        report: Of the entity in this run.
        did: What the run did for it, in a sentence.
    """
    name = sql.Identifier(table.name)
    row = connection.execute(sql.SQL("SELECT count(*) FROM {} WHERE deleted_at IS NULL").format(name)).fetchone()
    metadata: Metadata = {
        "dagster/row_count": row[0] if row else 0,
        "did": did,
    }
    if report.changed:  # nothing written, nothing new to look at; and most ticks write nothing
        metadata["defs/preview"] = dg.MetadataValue.md(_preview(connection, table))
    if table is entity.table:
        metadata |= {
            "stage2_reconcile_duration": round(report.seconds_apply, 3),
            "stage2_records_processed": report.processed,
            "stage2_errors": report.errors,
            "rows changed": report.changed,
        }
    return metadata


def view_metadata(connection: Connection, view: str) -> Metadata:
    """Metadata of a view that people read."""
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(view))).fetchone()
    return {
        "dagster/row_count": row[0] if row else 0,
        "did": "read nothing from Gazelle: a view of what is applied, whose hours were judged now",
    }


def _preview(connection: Connection, table: Table) -> str:
    """The rows written last, without clients' particulars, as a Markdown table."""
    shown = [*[c for c in table.columns if c not in PERSONAL][:PREVIEW_COLUMNS], "synced_at"]
    query = sql.SQL(statement("defs/preview")).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, shown)),
        table=sql.Identifier(table.name),
        rows=sql.Literal(PREVIEW_ROWS),
    )
    rows = connection.execute(query).fetchall()
    lines = [" | ".join(shown), " | ".join("---" for _ in shown)]
    lines += [" | ".join(map(_cell, row)) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    return "" if value is None else str(value).replace("|", "\\|")
