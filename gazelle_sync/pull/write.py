"""The production half of a page's transaction: rows reconciled in memory, written beside the bodies they came from.

Most of what a page brings can be written at once. What waits for the end of the entity stays `pending` in staging: a
body that cannot be reconciled, one that names a record which is not here yet, and one that would take something away
(the guard has to see all of these first). `gazelle_sync.pull.apply` applies it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from psycopg import sql

from gazelle_sync.entities import NAMELESS, Entity
from gazelle_sync.pull import guard
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.merge import Staged, TableWriter
from gazelle_sync.warehouse.page_lines import TableLines, page_lines
from gazelle_sync.warehouse.pool import Question, look_up

FAR_S = 0.005
"""A round trip beyond which COPY is not worth its own: it saves some ten microseconds a row, of some hundred a page."""
BODIES_AT_ONCE = 500
"""PostgreSQL takes these in while the next are made."""


class PageWriter:
    """Writes pages of one entity into its production tables.

    Args:
        entity: Which.
        loads: Whether its tables were empty when the run began, and have no foreign keys among those that are loaded
            side by side: then nothing is looked up, since nothing is held.
        is_far: Whether a round trip takes longer than what COPY saves: a COPY takes two, all upserts of a page one.
    """

    def __init__(self, entity: Entity, *, loads: bool, is_far: bool = False) -> None:
        self._entity = entity
        self.loads = loads
        self._is_far = is_far

    def lines_of(self, bodies: Sequence[Any]) -> CopiedLines | None:
        """Bodies as lines of COPY; None where they are written by another method."""
        return CopiedLines.of(self._entity, bodies) if self.loads and not self._is_far else None

    def methods(self, bodies: Mapping[str, Any], read_at: datetime, lines: CopiedLines | None) -> Iterator[WriteMethod]:
        """Methods to write some bodies, the cheapest first; where PostgreSQL refuses a row, the next is tried.

        Args:
            bodies: External id → body.
            read_at: When they were read, aware UTC.
            lines: Of all of them, where they are made already.
        """
        if lines := lines or self.lines_of(list(bodies.values())):
            yield lines
        yield UpsertedRows(self._entity, bodies, read_at, loads=self.loads)


class CopiedLines:
    """In a first load: bodies become lines of COPY, without typed rows in between."""

    def __init__(self, of_tables: dict[str, list[TableLines]]) -> None:
        self._of_tables = of_tables

    @classmethod
    def of(cls, entity: Entity, bodies: Sequence[Any]) -> CopiedLines | None:
        """None where the bodies are not all alike, or one cannot become rows."""
        of_tables: dict[str, list[TableLines]] = {table.name: [] for table in entity.tables}
        for start in range(0, len(bodies), BODIES_AT_ONCE):
            page = page_lines(entity, bodies[start : start + BODIES_AT_ONCE])
            if page is None:
                return None
            for table, lines in page.items():
                of_tables[table].append(lines)
        return cls(of_tables)

    def copy(self, connection: Connection) -> int:
        """Write them, in the caller's transaction; gives how many rows there are."""
        changed = 0
        for table, parts in self._of_tables.items():
            for columns, alike in groupby((part for part in parts if part.text), key=attrgetter("columns")):
                names = sql.SQL(", ").join(map(sql.Identifier, columns))
                copy = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
                with connection.cursor().copy(copy) as out:
                    for lines in alike:
                        out.write(lines.text)
                        changed += len(lines.ids)
        return changed


class UpsertedRows:
    """Bodies reconciled one by one, and upserted."""

    def __init__(self, entity: Entity, bodies: Mapping[str, Any], read_at: datetime, *, loads: bool) -> None:
        self._entity = entity
        self._loads = loads
        self._reconciled = {
            external_id: Staged("", external_id, body, read_at, None, True, rows)
            for external_id, body in bodies.items()
            if not external_id.startswith(NAMELESS) and (rows := guard.rows_of(entity, body)) is not None
        }
        self._ready: list[Staged] = []

    def ready(self, connection: Connection) -> set[str]:
        """External ids of the records whose rows are written at once: what that depends on, one round trip tells."""
        waits: set[str] = set()
        self._writer = TableWriter(connection, self._entity)
        if self._reconciled and not self._loads:
            losses = guard.Losses()
            unstaged = {external_id: ("", staged.rows) for external_id, staged in self._reconciled.items()}
            looked_up = guard.loss_lookups(self._entity, guard.places_of(self._entity), unstaged, losses)
            looked_up += self._writer.lookups(list(self._reconciled.values()))
            look_up(connection, looked_up)
            waits = {loss.external_id for loss in losses.all} | self._writer.naming_unknown(self._reconciled.values())
        self._ready = [staged for external_id, staged in self._reconciled.items() if external_id not in waits]
        return {staged.external_id for staged in self._ready}

    def statements(self) -> list[Question]:
        """The statements that write these."""
        if not self._ready:
            return []
        found = self._writer.statements(self._ready, may_lack_parents=self._loads)
        return found if self._loads else found + self._writer.duplicate_statements(self._ready)


WriteMethod = CopiedLines | UpsertedRows
"""How the bodies of one answer are written to production, in the transaction that stages them."""
