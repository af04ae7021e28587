"""Replaces imported records (`v4_…`, known to an older system only) that Gazelle has by now: the two become one row.

That row has Gazelle's id and columns, the integer id of the imported one, and what named either. Matched by the id that
the older system had of it, then by a strict key; where a key fits several rows, both stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, LiteralString

from psycopg import sql

from gazelle_sync.entities import ENTITIES
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, change, together
from gazelle_sync.warehouse.relations import EDITS

KEYS: Final[Mapping[str, LiteralString]] = {
    "gazelle_clients": "nullif(lower(btrim(email)), '')",
    "gazelle_contacts": "client_external_id || ' ' || nullif(lower(btrim(email)), '')",
    "gazelle_pianos": "CASE WHEN length(regexp_replace(serial_number, '[^0-9]', '', 'g')) >= 4 "
    "THEN lower(btrim(make)) || ' ' || upper(btrim(serial_number)) END",
    "gazelle_invoices": "client_external_id || ' ' || number",
    "gazelle_appointments": "NULL::text",
    "gazelle_timeline_entries": "NULL::text",
}
"""Table → its strict key, parents before children; NULL: its rows are matched by their ids alone."""
OTHERS: Final = (
    ("maintenance_alerts", "client_external_id", "gazelle_clients"),
    ("maintenance_alerts", "piano_external_id", "gazelle_pianos"),
    ("maintenance_alerts", "resolved_by_external_id", "gazelle_timeline_entries"),
    ("maintenance_alert_events", "source_external_id", "gazelle_timeline_entries"),
    ("maintenance_findings", "client_external_id", "gazelle_clients"),
    ("maintenance_findings", "piano_external_id", "gazelle_pianos"),
)
"""The shop's own tables and columns that name such a record."""
OF_NOTES: Final = ("maintenance_alerts", "maintenance_findings")
"""Tables whose rows say what one note says of one kind of alert, each once."""

HAS_IMPORTED: Final[Question] = (
    sql.SQL("SELECT {}").format(
        sql.SQL(" OR ").join(
            sql.SQL("EXISTS (SELECT FROM {} WHERE starts_with(external_id, 'v4_'))").format(sql.Identifier(table))
            for table in KEYS
        )
    ),
    None,
)
"""Whether there are such records at all; asked with others when a run begins."""
Matches = list[tuple[str, str, int]]
"""Old id, Gazelle's id and the integer id of the rows that are replaced."""
log = get_logger("gazelle_sync.pull")


def replace_imported(connection: Connection) -> int:
    """Make one row of each imported record and Gazelle's own; gives how many.

    Args:
        connection: In no transaction.

    Raises:
        DatabaseError: The database went away. Whole tables are done, or nothing of them.
    """
    done = 0
    for table, key in KEYS.items():
        query = sql.SQL(statement("pull/imported_matches")).format(table=sql.Identifier(table), key=sql.SQL(key))
        [matches] = together(connection, (query, None))
        if matches:
            change(connection, *_statements(table, matches))
            log.info("imported records are Gazelle's now", table=table, count=len(matches))
            done += len(matches)
    return done


def _statements(table: str, matches: Matches) -> list[Question]:
    old, new, ids = (list(part) for part in zip(*matches, strict=True))
    given = {"old": old, "new": new, "ids": ids}

    def asked(query: str, name: str, column: str = "external_id") -> Question:
        text = sql.SQL(statement(f"pull/{query}"))
        return text.format(table=sql.Identifier(name), column=sql.Identifier(column)), given

    found: list[Question] = [(statement("pull/imported_lines"), given)] if table == "gazelle_invoices" else []
    found += [asked("imported_references", child, column) for child, column in _naming(table)]
    if table == "gazelle_pianos":
        found.append(asked("imported_edits", EDITS, "gazelle_id"))
    if table == "gazelle_timeline_entries":
        found += [asked("imported_notes", name, "source_external_id") for name in OF_NOTES]
    gone = sql.SQL("DELETE FROM {} WHERE external_id = ANY (%(old)s::text[])").format(sql.Identifier(table))
    return [*found, (gone, given), asked("imported_ids", table), asked("imported_references", "staging_import")]


def _naming(table: str) -> Sequence[tuple[str, str]]:
    """The tables and columns that name rows of a table."""
    own = [
        (child.name, column)
        for entity in ENTITIES
        for child in entity.tables
        for column, parent in child.references.items()
        if parent == table
    ]
    return [*own, *((name, column) for name, column, parent in OTHERS if parent == table)]
