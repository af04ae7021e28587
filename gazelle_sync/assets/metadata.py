"""What an asset says of itself in the UI: rows, columns, what the run did, and a few rows to look at."""

from __future__ import annotations

from typing import Any

import dagster as dg
from psycopg import sql

from gazelle_sync.entities import Entity, Table
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.warehouse.connect import Connection, statement

Metadata = dict[str, Any]

PREVIEW_ROWS = 5
PREVIEW_COLUMNS = 6
PERSONAL = {
    "email", "phone", "mobile_phone", "first_name", "last_name", "company_name", "display_name", "street1", "street2",
    "latitude", "longitude", "what3words", "personal_notes", "preference_notes", "notes", "title", "description",
    "top_notes", "middle_name", "referred_by", "referred_by_notes", "no_contact_reason", "postal_code",
}  # fmt: skip
"""Columns that a preview leaves out: the event log is not the place for clients' particulars."""


def staging_metadata(connection: Connection, entity: Entity, report: EntityReport) -> Metadata:
    """Metadata of a staging asset."""
    query = sql.SQL(statement("staging_counts")).format(staging=sql.Identifier(entity.staging_table))
    row = connection.execute(query).fetchone()
    rows, backlog, errors = row if row else (0, 0, 0)
    return {
        "dagster/row_count": rows,
        "dagster/partition_row_count": report.staged,
        "total at Gazelle": dg.MetadataValue.null() if report.total is None else report.total,
        "found by": report.strategy or "—",
        "stamps read": report.stamped,
        "bodies read": report.fetched,
        "new versions": report.staged,
        "marked deleted": report.deleted,
        "stage1_fetch_duration": round(report.seconds_stage, 3),
        "stage1_records_fetched": report.fetched,
        "staging_backlog_size": backlog,
        "rows in error": errors,
        "notes": dg.MetadataValue.md("\n".join(f"- {note}" for note in report.notes) or "—"),
    }


def table_metadata(connection: Connection, entity: Entity, table: Table, report: EntityReport) -> Metadata:
    """Metadata of a normalized asset."""
    name = sql.Identifier(table.name)
    row = connection.execute(sql.SQL("SELECT count(*) FROM {} WHERE deleted_at IS NULL").format(name)).fetchone()
    columns = connection.execute(statement("table_columns"), [f"public.{table.name}"]).fetchall()
    metadata: Metadata = {
        "dagster/row_count": row[0] if row else 0,
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    column,
                    kind,
                    description=comment,
                    constraints=dg.TableColumnConstraints(nullable=nullable, unique=column == "external_id"),
                )
                for column, kind, nullable, comment in columns
            ]
        ),
        "preview": dg.MetadataValue.md(_preview(connection, table)),
    }
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
    columns = connection.execute(statement("table_columns"), [f"public.{view}"]).fetchall()
    return {
        "dagster/row_count": row[0] if row else 0,
        "dagster/column_schema": dg.TableSchema(
            columns=[dg.TableColumn(column, kind, description=comment) for column, kind, _, comment in columns]
        ),
    }


def _preview(connection: Connection, table: Table) -> str:
    """The rows written last, without clients' particulars, as a Markdown table."""
    shown = [*[c for c in table.columns if c not in PERSONAL][:PREVIEW_COLUMNS], "synced_at"]
    query = sql.SQL(statement("preview")).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, shown)),
        table=sql.Identifier(table.name),
        rows=sql.Literal(PREVIEW_ROWS),
    )
    rows = connection.execute(query).fetchall()
    lines = [" | ".join(shown), " | ".join("---" for _ in shown)]
    lines += [" | ".join(str(value).replace("|", "\\|") for value in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)
