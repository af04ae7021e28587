"""What a run says of an asset in the UI: rows, what it did, and a few rows to look at. Columns are on the spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from psycopg import sql

from gazelle_sync.entities import Entity, Table
from gazelle_sync.i18n import gettext
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import long_statements
from gazelle_sync.warehouse.pool import Question, Rows, together
from gazelle_sync.warehouse.relations import how_many

Metadata = dict[str, Any]

PREVIEW_ROWS = 3
PREVIEW_COLUMNS = 6
PERSONAL = {
    "email", "phone", "mobile_phone", "first_name", "last_name", "company_name", "display_name", "street1", "street2",
    "latitude", "longitude", "what3words", "personal_notes", "preference_notes", "notes", "title", "description",
    "top_notes", "middle_name", "referred_by", "referred_by_notes", "no_contact_reason", "postal_code",
}  # fmt: skip
"""Columns that a preview leaves out: personal data does not belong in the event log."""


@dataclass(frozen=True)
class EntityCounts:
    """What an entity's tables hold.

    Attributes:
        rows: Table → number of rows (in production: of living ones), and whether it is an estimate.
        backlog: Staged versions that wait.
        errors: Staged versions in error.
        written_last: Table → the rows written last, of those that were asked for.
    """

    rows: Mapping[str, tuple[int, bool]]
    backlog: int
    errors: int
    written_last: Mapping[str, Rows]


def read_counts(
    connection: Connection, entities: Sequence[Entity], *, exactly: bool, previewed: Sequence[Table] = ()
) -> dict[str, EntityCounts]:
    """What the tables of some entities hold, by one round trip.

    Args:
        connection: Of `borrow`.
        entities: Whose tables.
        exactly: Whether large tables are counted as well.
        previewed: The tables of which the rows written last are read.
    """
    asked: dict[tuple[str, str, str], Question] = {}
    for entity in entities:
        waiting = sql.SQL(statement("defs/staging_counts")).format(staging=sql.Identifier(entity.staging_table))
        asked[entity.name, "waiting", ""] = waiting, None
        asked[entity.name, "rows", entity.staging_table] = how_many(entity.staging_table, living=False, exactly=exactly)
        for table in entity.tables:
            asked[entity.name, "rows", table.name] = how_many(table.name, exactly=exactly)
            if table in previewed:
                asked[entity.name, "written_last", table.name] = _rows_written_last(table)
    limits = [long_statements()] if exactly else []
    answers = dict(zip(asked, together(connection, *limits, *asked.values())[len(limits) :], strict=True))

    def of(entity: Entity, kind: str) -> dict[str, Rows]:
        return {
            table: rows for (name, of_kind, table), rows in answers.items() if (name, of_kind) == (entity.name, kind)
        }

    found = {}
    for entity in entities:
        [(backlog, errors)] = answers[entity.name, "waiting", ""]
        rows = {table: (count, is_estimate) for table, [(count, is_estimate)] in of(entity, "rows").items()}
        found[entity.name] = EntityCounts(rows, backlog, errors, of(entity, "written_last"))
    return found


def staging_metadata(counts: EntityCounts, entity: Entity, report: EntityReport) -> Metadata:
    """Metadata of a staging asset."""
    metadata: Metadata = {
        **_row_count(counts, entity.staging_table),
        "did": gettext(
            "read {bodies} bodies and {stamps} stamps from Gazelle: {versions} new versions",
            bodies=report.fetched,
            stamps=report.stamped,
            versions=report.staged,
        ),
        "found by": report.strategy or "—",
        "marked deleted": report.deleted,
        "stage1_fetch_duration": round(report.seconds_stage, 3),
        "stage1_records_fetched": report.fetched,
        "stamps read": report.stamped,
        "staging_backlog_size": counts.backlog,
        "rows in error": counts.errors,
    }
    if report.total is not None:
        metadata["total at Gazelle"] = report.total
    if report.notes:
        metadata["notes"] = dg.MetadataValue.md("\n".join(f"- {note}" for note in report.notes))
    return metadata


def table_metadata(counts: EntityCounts, entity: Entity, table: Table, report: EntityReport, did: str) -> Metadata:
    """Metadata of a normalized asset.

    Args:
        counts: Of the entity.
        entity: Whose table it is.
        table: The table.
        report: Of the entity in this run.
        did: What the run did for it, in a sentence.
    """
    metadata: Metadata = {**_row_count(counts, table.name), "did": did}
    if report.changed:  # nothing written, nothing new to look at; and most ticks write nothing
        metadata["preview"] = dg.MetadataValue.md(_preview(table, counts.written_last[table.name]))
    if table is entity.table:
        metadata |= {
            "stage2_reconcile_duration": round(report.seconds_apply, 3),
            "stage2_records_processed": report.processed,
            "stage2_errors": report.errors,
            "rows changed": report.changed,
        }
    return metadata


def view_metadata(counts: EntityCounts, entity: Entity) -> Metadata:
    """Metadata of a view that people read, which shows the living rows of an entity."""
    return {
        **_row_count(counts, entity.table.name),
        "did": gettext("read nothing from Gazelle: a view of what is applied, whose hours were checked now"),
    }


def _row_count(counts: EntityCounts, table: str) -> Metadata:
    rows, is_estimate = counts.rows[table]
    estimate = {"rows estimated": gettext("by PostgreSQL's statistics; full runs count")} if is_estimate else {}
    return {"dagster/row_count": rows, **estimate}


def _rows_written_last(table: Table) -> Question:
    columns = sql.SQL(", ").join(map(sql.Identifier, _shown(table)))
    query = sql.SQL("SELECT {} FROM {} ORDER BY id DESC LIMIT {}")
    return query.format(columns, sql.Identifier(table.name), sql.Literal(PREVIEW_ROWS)), None


def _shown(table: Table) -> list[str]:
    """Columns without personal data."""
    return [*[column for column in table.columns if column not in PERSONAL][:PREVIEW_COLUMNS], "synced_at"]


def _preview(table: Table, rows: Rows) -> str:
    """The rows written last as a Markdown table."""
    shown = _shown(table)
    lines = [" | ".join(shown), " | ".join("---" for _ in shown)]
    lines += [" | ".join(map(_cell, row)) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    return "" if value is None else str(value).replace("|", "\\|")
