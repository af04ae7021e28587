"""A full run compares what is held with what Gazelle sends again, page by page, while it reads.

Nothing is read back for that: PostgreSQL gets the page once more, compares, and names the records of which something is
not as Gazelle says. These, and those that were not read, are compared when the run ends, by a comparison that is exact
and says how each row differs, but reads every body and every row (`gazelle_sync.pull.comparison`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from types import NoneType
from typing import Any

import msgspec
from psycopg import sql

from gazelle_sync.entities import Entity, Table
from gazelle_sync.pull.versions import Version, array_of
from gazelle_sync.reconcile.pages import Columns, Uneven
from gazelle_sync.reconcile.rows import Conversion, ReconcileError, text
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, together

MOST_UNVERIFIED = 20_000
"""So many records of the timeline are remembered; of more, all are compared when the run ends."""


class Verification:
    """What one full run has found of one entity's records so far.

    Args:
        held: Ids of the records that are held, and that the run is to read.

    Attributes:
        unverified: Ids of records to compare when the run ends; None: of all.
        damaged: How many staged bodies were not what Gazelle had sent. They are staged again.
    """

    def __init__(self, held: Collection[str]) -> None:
        self.unverified: set[str] | None = set(held)
        self.damaged = 0
        self._most = max(MOST_UNVERIFIED, len(held))

    def doubt(self, ids: Collection[str]) -> None:
        """These have to be compared when the run ends."""
        if self.unverified is not None:
            self.unverified.update(ids)
            if len(self.unverified) > self._most:
                self.unverified = None

    def doubt_all(self) -> None:
        """Every record has to be compared when the run ends: which ones were not read is not known."""
        self.unverified = None

    def compare(self, connection: Connection, entity: Entity, same: Mapping[str, tuple[Version, Any]]) -> set[str]:
        """Compare what is held with bodies that came again and have the hash of what is staged, in one round trip.

        Args:
            connection: In no transaction that must not commit.
            entity: Whose.
            same: External id → version and body.

        Returns:
            Ids of the records of which something changed the staged body.

        Raises:
            psycopg.Error: PostgreSQL cannot hold what a row says; nothing was found.
        """
        staged = statement("pull/staging_differing")
        bodies: Question = (
            sql.SQL(staged).format(staging=sql.Identifier(entity.staging_table)),
            {"ids": list(same), "bodies": array_of([version for version, _ in same.values()])},
        )
        rows = row_questions(entity, [body for _, body in same.values()], list(same))
        of_staging, *of_tables = together(connection, bodies, *(rows or ()))
        damaged = {external_id for external_id, is_damaged in of_staging if is_damaged}
        self.damaged += len(damaged)
        doubted = {external_id for rows in (of_staging, *of_tables) for external_id, *_ in rows}
        if rows is None:
            self.doubt(same)
        elif self.unverified is not None:
            self.unverified.difference_update(same)
            self.doubt(doubted)
        return damaged


def row_questions(entity: Entity, bodies: Sequence[Any], ids: list[str]) -> list[Question] | None:
    """What finds the records whose rows are not as their bodies say; None where the bodies are not alike.

    Args:
        entity: Whose.
        bodies: Of one page.
        ids: Theirs.
    """
    if entity.read_page is None:
        return None
    try:
        return _of_tables(entity, entity.read_page(bodies), ids)
    except (Uneven, ReconcileError):
        return None


def _of_tables(entity: Entity, pages: Mapping[str, Columns], ids: list[str]) -> list[Question]:
    questions: list[Question] = []
    for table in entity.tables:
        page = pages[table.name]
        questions.append(_differing(table, page))
        if table.owner is not None:
            query = sql.SQL(statement("warehouse/rows_surplus")).format(
                table=sql.Identifier(table.name), owner=sql.Identifier(table.owner)
            )
            questions.append((query, {"owners": ids, "listed": list(page["external_id"][1])}))
    return questions


def _differing(table: Table, page: Columns) -> Question:
    columns = [column for column in page if column not in table.merged]
    names = {part: [sql.Identifier(part, column) for column in columns] for part in ("held", "said")}
    query = sql.SQL(statement("warehouse/rows_differing")).format(
        table=sql.Identifier(table.name),
        owner=sql.Identifier(table.owner or "external_id"),
        **{part: sql.SQL(", ").join(identifiers) for part, identifiers in names.items()},
    )
    values = [_converted(*page[column]) for column in columns]
    return query, {"rows": msgspec.json.encode(list(map(_row_type(tuple(columns)), *values))).decode()}


def _converted(convert: Conversion, values: Sequence[Any]) -> Sequence[Any]:
    if convert is text and set(map(type, values)) <= {str, NoneType}:
        return values
    return [None if value is None else convert(value) for value in values]


@cache
def _row_type(columns: tuple[str, ...]) -> Callable[..., object]:
    """A row as JSON: made and written in a third of the time that a dictionary takes."""
    return msgspec.defstruct("Row", columns, gc=False)
