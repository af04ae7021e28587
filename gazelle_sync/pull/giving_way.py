"""A record that only an older system knew (`v4_…`) gives way when Gazelle's own turns up: the two become one row.

That row has Gazelle's id and columns, the integer id of the imported one, and what named either. Matched by the id that
the older system had of it, then by a strict key; where a key fits several rows it says nothing.
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
)
"""The shop's own tables and columns that name such a record."""

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
Ways = list[tuple[str, str, int]]
"""Old id, Gazelle's id and the integer id of rows that give way."""
log = get_logger("gazelle_sync.pull")


def give_way(connection: Connection) -> int:
    """Make one row of each imported record and Gazelle's own; gives how many.

    Args:
        connection: In no transaction.

    Raises:
        DatabaseError: The database went away. Whole tables are done, or nothing of them.
    """
    done = 0
    for table, key in KEYS.items():
        query = sql.SQL(statement("pull/ways_to_give")).format(table=sql.Identifier(table), key=sql.SQL(key))
        [ways] = together(connection, (query, None))
        if ways:
            change(connection, *_statements(table, ways))
            log.info("imported records are Gazelle's now", table=table, count=len(ways))
            done += len(ways)
    return done


def _statements(table: str, ways: Ways) -> list[Question]:
    old, new, ids = (list(part) for part in zip(*ways, strict=True))
    given = {"old": old, "new": new, "ids": ids}

    def asked(query: str, name: str, column: str = "external_id") -> Question:
        text = sql.SQL(statement(f"pull/{query}"))
        return text.format(table=sql.Identifier(name), column=sql.Identifier(column)), given

    found: list[Question] = [(statement("pull/give_lines"), given)] if table == "gazelle_invoices" else []
    found += [asked("give_names", child, column) for child, column in _naming(table)]
    if table == "gazelle_pianos":
        found.append(asked("give_edits", EDITS, "gazelle_id"))
    gone = sql.SQL("DELETE FROM {} WHERE external_id = ANY (%(old)s::text[])").format(sql.Identifier(table))
    return [*found, (gone, given), asked("give_number", table), asked("give_names", "staging_import")]


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
