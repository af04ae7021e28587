"""Writes reconciled rows to production: COPY to a temporary table, one upsert a table, stubs for unknown parents.

Every column is Gazelle's, ours or merged (see `entities.Table`). Only columns that the body contains are written: rows
are grouped by the columns they have, and a column that is absent keeps its value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import errors, sql

from gazelle_sync.entities import NAMELESS, Entity, Table
from gazelle_sync.reconcile.rows import Rows, Values
from gazelle_sync.warehouse import copytext
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import allow_long_statements

LINES_AT_ONCE = 500


@dataclass(slots=True)
class Staged:
    """One staged version, and what its reconciler made of it.

    Attributes:
        id: Of the staging row.
        external_id: Of the record.
        body: As Gazelle sent it; None: a tombstone (the record is deleted).
        fetched_at: When it was read.
        last_body: For a tombstone, the newest staged body of the record.
        is_marked: Whether the row already says `processed`.
        rows: The rows that the reconciler made.
        error: Why it could not make them (message, stack), or None.
    """

    id: str
    external_id: str
    body: Any
    fetched_at: datetime
    last_body: Any
    is_marked: bool
    rows: Rows = field(default_factory=dict)
    error: tuple[str, str] | None = None


class TableWriter:
    """Writes the rows of one entity's tables, in the transaction of its caller.

    Args:
        connection: Where to write.
        entity: Whose tables.
    """

    def __init__(self, connection: Connection, entity: Entity) -> None:
        self._connection = connection
        self._entity = entity
        self._known: dict[str, set[str]] = {}
        self._stubs: dict[str, set[str]] = {}
        self.tables_are_new = False

    def write(self, batch: Sequence[Staged], *, may_lack_parents: bool = False) -> int:
        """Apply one batch of reconciled versions.

        Args:
            batch: What was reconciled.
            may_lack_parents: Whether rows may name records that have no row yet: foreign keys come after the load.

        Returns:
            Rows inserted, changed or marked deleted.
        """
        changed = 0
        spoken = [staged for staged in batch if staged.rows]
        for table in self._entity.tables:
            rows = self._own(table, _newest_rows(spoken, table.name))
            if not rows:
                continue
            if not may_lack_parents:
                changed += self._make_stubs(table, rows, spoken)
            changed += self._upsert(table, rows)
        for table in reversed(self._entity.tables):
            if table.owner is not None:
                changed += self._mark_vanished(table, [s for s in spoken if table.name in s.rows])
        return changed + self._mark_deleted([staged for staged in batch if not staged.rows])

    def make_stubs(self, batch: Sequence[Staged]) -> int:
        """Insert a stub for each record that the rows of some versions name and that has no row; gives how many."""
        return sum(
            self._make_stubs(table, rows, batch)
            for table in self._entity.tables
            if (rows := _newest_rows(batch, table.name))
        )

    def naming_unknown(self, batch: Iterable[Staged]) -> set[str]:
        """External ids of the versions whose rows name a record that has no row yet, or only a stub."""
        named: dict[str, dict[str, set[str]]] = {}
        own = {table.name for table in self._entity.tables}
        for staged in batch:
            for table in self._entity.tables:
                for row in staged.rows.get(table.name, ()):
                    for column, parent in table.references.items():
                        if parent not in own and (external_id := row.get(column)) is not None:
                            named.setdefault(parent, {}).setdefault(external_id, set()).add(staged.external_id)
        unknown: set[str] = set()
        for parent, by in named.items():
            unknown.update(*(by[external_id] for external_id in by.keys() - self._known_among(parent, by.keys())))
        return unknown

    def find_duplicates(self, batch: Sequence[Staged] | None) -> int:
        """Mark imported timeline entries that duplicate an entry of the API's own.

        Args:
            batch: Only these entries, and those already marked as duplicates of them; None: all entries.
        """
        if self._entity.name != "timeline":
            return 0
        rows = [row for staged in batch or () for row in staged.rows.get(self._entity.table.name, ())]
        parameters: dict[str, Any] = dict.fromkeys(("clients", "instants", "written"))
        if batch is not None:
            parameters = {
                "clients": [row.get("client_external_id") for row in rows],
                "instants": [row["occurred_at"] for row in rows],
                "written": [staged.external_id for staged in batch],
            }
        allow_long_statements(self._connection)
        return self._connection.execute(statement("warehouse/timeline_duplicates"), parameters).rowcount

    def forget(self) -> None:
        """Clear the cache of known parents: the transaction that inserted some of them was rolled back."""
        self._known.clear()

    def _own(self, table: Table, rows: list[Values]) -> list[Values]:
        """Drop nested rows of deleted records that belong to a living parent by now: a deleted record's body is old."""
        gone = [row["external_id"] for row in rows if row["deleted_at"] is not None]
        if table.owner is None or not gone:
            return rows
        query = sql.SQL(statement("warehouse/nested_owners")).format(
            table=sql.Identifier(table.name), owner=sql.Identifier(table.owner)
        )
        owners: dict[str, str] = dict(self._connection.execute(query, [gone]).fetchall())
        return [
            row
            for row in rows
            if row["deleted_at"] is None or owners.get(row["external_id"], row[table.owner]) == row[table.owner]
        ]

    def _upsert(self, table: Table, rows: list[Values]) -> int:
        groups: dict[tuple[str, ...], list[Values]] = {}
        for row in rows:
            groups.setdefault(tuple(row), []).append(row)
        return sum(self._upsert_group(table, columns, group) for columns, group in groups.items())

    def _upsert_group(self, table: Table, columns: tuple[str, ...], group: list[Values]) -> int:
        """Rows that carry the same columns."""
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        if self.tables_are_new:
            try:
                with self._connection.transaction():
                    self._copy(sql.Identifier(table.name), names, table, columns, group)
            except errors.UniqueViolation:
                pass  # the same contact listed by two clients, or a stub whose record came later: merged by the upsert
            else:
                return len(group)
        batch = sql.Identifier(f"batch_{table.name}")
        self._connection.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                batch, names, sql.Identifier(table.name)
            )
        )
        self._copy(batch, names, table, columns, group)
        changed = self._connection.execute(_upsert_statement(table, columns, batch)).rowcount
        self._connection.execute(sql.SQL("DROP TABLE {}").format(batch))
        return changed

    def _copy(
        self, into: sql.Identifier, names: sql.Composed, table: Table, columns: tuple[str, ...], group: list[Values]
    ) -> None:
        jsonb = self._is_jsonb(table, columns)
        with self._connection.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(into, names)) as out:
            for start in range(0, len(group), LINES_AT_ONCE):
                out.write(copytext.lines([tuple(row.values()) for row in group[start : start + LINES_AT_ONCE]], jsonb))

    def _make_stubs(self, table: Table, rows: list[Values], bodies: Sequence[Staged]) -> int:
        """Insert a stub row for each referenced record that has no row yet: references never point to nothing."""
        made = 0
        for column, parent in table.references.items():
            wanted = {row[column] for row in rows if row.get(column) is not None}
            if parent == table.name:
                wanted -= {row["external_id"] for row in rows}
            known = self._known_among(parent, wanted)
            wanted -= known
            if not wanted:
                continue
            hints = self._hints(parent, wanted, bodies)
            read_at = max(staged.fetched_at for staged in bodies)
            for external_id in sorted(wanted):
                values = {**hints.get(external_id, {}), "external_id": external_id}
                says_more = len(values) > 1
                if says_more or external_id not in self._stubs[parent]:
                    made += self._insert_stub(parent, values, read_at)
                self._stubs[parent].add(external_id)
                if says_more:
                    known.add(external_id)  # a stub without a name stays unknown: a later body may name it
        return made

    def _hints(self, parent: str, wanted: set[str], bodies: Sequence[Staged]) -> dict[str, Values]:
        hints: dict[str, Values] = {}
        if self._entity.parent_hints is None:
            return hints
        for staged in bodies:
            for table, values in self._entity.parent_hints(
                staged.body if staged.body is not None else staged.last_body
            ):
                if table == parent and values["external_id"] in wanted:
                    hints[values["external_id"]] = {**hints.get(values["external_id"], {}), **values}
        return hints

    def _insert_stub(self, table: str, values: Values, deleted_at: datetime) -> int:
        said = [sql.Identifier(column) for column in values if column != "external_id"] or [sql.Identifier("is_stub")]
        learns = sql.SQL(" OR ").join(
            sql.SQL("(held.{0} IS NULL AND EXCLUDED.{0} IS NOT NULL)").format(column) for column in said
        )
        query = sql.SQL(statement("warehouse/stub")).format(
            table=sql.Identifier(table),
            columns=sql.SQL(", ").join(map(sql.Identifier, values)),
            values=sql.SQL(", ").join([sql.Placeholder()] * len(values)),
            assignments=sql.SQL(", ").join(
                sql.SQL("{0} = coalesce(held.{0}, EXCLUDED.{0})").format(column) for column in said
            ),
            learns=learns,
        )
        return self._connection.execute(query, [*values.values(), deleted_at]).rowcount

    def _mark_vanished(self, table: Table, bodies: Sequence[Staged]) -> int:
        """Mark nested rows that their parent's body no longer lists as deleted. Other tables may refer to their ids."""
        if not bodies or self.tables_are_new:
            return 0
        query = sql.SQL(statement("warehouse/nested_mark_deleted")).format(
            table=sql.Identifier(table.name), owner=sql.Identifier(str(table.owner))
        )
        parameters = {
            "owners": [staged.external_id for staged in bodies],
            "listed": [row["external_id"] for staged in bodies for row in staged.rows[table.name]],
            "deleted_at": max(staged.fetched_at for staged in bodies),
        }
        return self._connection.execute(query, parameters).rowcount

    def _mark_deleted(self, tombstones: Sequence[Staged]) -> int:
        """Mark deleted records of which no body was ever staged: other records refer to them."""
        tombstones = [staged for staged in tombstones if not staged.external_id.startswith(NAMELESS)]
        if not tombstones:
            return 0
        return self._connection.execute(
            sql.SQL(statement("warehouse/tombstone")).format(table=sql.Identifier(self._entity.table.name)),
            {
                "ids": [staged.external_id for staged in tombstones],
                "instants": [staged.fetched_at for staged in tombstones],
            },
        ).rowcount

    def _known_among(self, table: str, ids: Collection[str]) -> set[str]:
        """Ids, of these, of a table's rows; a stub does not count, since it may still learn its name."""
        known = self._known.setdefault(table, set())
        stubs = self._stubs.setdefault(table, set())
        if unknown := [external_id for external_id in ids if external_id not in known]:
            query = sql.SQL("SELECT external_id, is_stub FROM {} WHERE external_id = ANY (%s)")
            for external_id, is_stub in self._connection.execute(query.format(sql.Identifier(table)), [unknown]):
                (stubs if is_stub else known).add(external_id)
        return known

    def _is_jsonb(self, table: Table, columns: Sequence[str]) -> list[bool]:
        """For each column whether it is jsonb: asked once a process, since the migrations say so."""
        if table.name not in _JSONB:
            found = self._connection.execute(statement("warehouse/jsonb_columns"), [[table.name]])
            _JSONB[table.name] = frozenset(column for _, column in found)
        return [column in _JSONB[table.name] for column in columns]


_JSONB: dict[str, frozenset[str]] = {}


def _newest_rows(bodies: Iterable[Staged], table: str) -> list[Values]:
    """The rows of one table, each external id once, from the version that was read last.

    For nested rows, a living parent outranks a tombstone. A tombstone's rows are those of its last body, marked deleted
    at the instant at which the record was found missing.
    """
    rows: dict[str, tuple[tuple[bool, datetime], Values]] = {}
    for staged in bodies:
        deleted_at = staged.fetched_at if staged.body is None else None
        for row in staged.rows.get(table, ()):
            rank = (staged.body is not None or row["external_id"] == staged.external_id, staged.fetched_at)
            before = rows.get(row["external_id"])
            if before is None or before[0] <= rank:
                row["deleted_at"] = deleted_at
                rows[row["external_id"]] = (rank, row)
    return [row for _, row in rows.values()]


def _upsert_statement(table: Table, columns: Sequence[str], batch: sql.Identifier) -> sql.Composed:
    kept = [column for column in columns if column != "external_id"]
    merged = {c: base for c, base in table.merged.items() if c in columns and base in columns}

    def incoming(column: str) -> sql.Composable:
        if column in merged:
            return sql.SQL("gazelle_merge_tags(held.{0}, held.{1}, EXCLUDED.{1})").format(
                sql.Identifier(column), sql.Identifier(merged[column])
            )
        return sql.SQL("EXCLUDED.{}").format(sql.Identifier(column))

    comma = sql.SQL(", ")
    return sql.SQL(statement("warehouse/upsert")).format(
        table=sql.Identifier(table.name),
        batch=batch,
        columns=comma.join(map(sql.Identifier, columns)),
        assignments=comma.join(sql.SQL("{} = {}").format(sql.Identifier(c), incoming(c)) for c in kept),
        held=comma.join(sql.SQL("held.{}").format(sql.Identifier(c)) for c in kept),
        incoming=comma.join(incoming(c) for c in kept),
    )
