"""Writes reconciled rows to production: one upsert a table, stubs for unknown parents, all in one round trip.

Every column is Gazelle's, ours or merged (see `entities.Table`). Only columns that the body contains are written: rows
are grouped by the columns they have, and a column that is absent keeps its value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, LiteralString

import msgspec
from psycopg import errors, sql

from gazelle_sync.entities import NAMELESS, Entity, Table
from gazelle_sync.reconcile.rows import Rows, Values
from gazelle_sync.warehouse import copytext, pool
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import long_statements
from gazelle_sync.warehouse.pool import Lookup, Question, change, look_up

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
        self._known: dict[str, set[str]] = defaultdict(set)
        self._stubs: dict[str, set[str]] = defaultdict(set)
        self._owners: dict[str, dict[str, str]] = {}
        self.tables_are_new = False

    def write(self, batch: Sequence[Staged], *, may_lack_parents: bool = False) -> int:
        """Apply one batch of reconciled versions.

        Args:
            batch: What was reconciled.
            may_lack_parents: Whether rows may name records that have no row yet: foreign keys come after the load.

        Returns:
            Rows inserted, changed or marked deleted.
        """
        look_up(self._connection, self.lookups(batch, may_lack_parents=may_lack_parents))
        if self.tables_are_new:
            return self._load(batch)
        return sum(change(self._connection, *self.statements(batch, may_lack_parents=may_lack_parents)))

    def lookups(self, batch: Sequence[Staged], *, may_lack_parents: bool = False) -> list[Lookup]:
        """What has to be known before a batch is written: which of the records that it names have rows."""
        named: dict[str, set[str]] = defaultdict(set)
        found = []
        self._owners.clear()
        for table in self._entity.tables:
            rows = [row for staged in batch for row in staged.rows.get(table.name, ())]
            if not may_lack_parents:
                for column, parent in table.references.items():
                    named[parent].update(row[column] for row in rows if row.get(column) is not None)
            gone = [r["external_id"] for s in batch if s.body is None for r in s.rows.get(table.name, ())]
            if table.owner is not None and gone:
                query = sql.SQL(
                    "SELECT external_id, {} FROM {} WHERE external_id = ANY (%s) AND deleted_at IS NULL"
                ).format(sql.Identifier(table.owner), sql.Identifier(table.name))
                found.append(Lookup((query, [gone]), partial(self._learn_owners, table.name)))
        known = sql.SQL("SELECT external_id, is_stub FROM {} WHERE external_id = ANY (%s)")
        for parent, ids in named.items():
            if unknown := ids - self._known[parent]:
                question = known.format(sql.Identifier(parent)), [list(unknown)]
                found.append(Lookup(question, partial(self._learn_rows, parent)))
        return found

    def statements(self, batch: Sequence[Staged], *, may_lack_parents: bool = False) -> list[Question]:
        """The statements that write a batch, after its lookups were answered."""
        with_rows = [staged for staged in batch if staged.rows]
        found: list[Question] = []
        for table, rows in self._rows(with_rows):
            if not may_lack_parents:
                found += self._stub_statements(table, rows, with_rows)
            found += [_upsert(table, columns, group) for columns, group in _by_columns(rows).items()]
            self._known[table.name].update(row["external_id"] for row in rows)
        for table in reversed(self._entity.tables):
            if table.owner is not None:
                found += self._mark_missing(table, [s for s in with_rows if table.name in s.rows])
        return found + self._mark_deleted([staged for staged in batch if not staged.rows])

    def stub_statements(self, batch: Sequence[Staged]) -> list[Question]:
        """The statements that insert a stub for each record that the rows of some versions name and that has no row.

        Call it after the lookups of the batch were answered.
        """
        return [stub for table, rows in self._rows(batch) for stub in self._stub_statements(table, rows, batch)]

    def naming_unknown(self, batch: Iterable[Staged]) -> set[str]:
        """External ids of the versions whose rows name a record that has no row yet, or only a stub.

        Call it after the lookups of the batch were answered.
        """
        own = {table.name for table in self._entity.tables}
        outside = [
            (table.name, column, self._known[parent])
            for table in self._entity.tables
            for column, parent in table.references.items()
            if parent not in own
        ]
        return {
            staged.external_id
            for staged in batch
            if any(
                row.get(column) is not None and row[column] not in known
                for name, column, known in outside
                for row in staged.rows.get(name, ())
            )
        }

    def find_duplicates(self, batch: Sequence[Staged] | None) -> int:
        """Mark imported timeline entries (`tle_`, or of an older system's file) that duplicate one of the API's own.

        Args:
            batch: Only these entries, and those already marked as duplicates of them; None: all entries.
        """
        return sum(change(self._connection, *self.duplicate_statements(batch)))

    def duplicate_statements(self, batch: Sequence[Staged] | None) -> list[Question]:
        """The statements of `find_duplicates`; none for other entities than the timeline."""
        if self._entity.name != "timeline":
            return []
        rows = [row for staged in batch or () for row in staged.rows.get(self._entity.table.name, ())]
        parameters: dict[str, Any] = dict.fromkeys(("clients", "instants", "written"))
        if batch is not None:
            parameters = {
                "clients": [row.get("client_external_id") for row in rows],
                "instants": [row["occurred_at"] for row in rows],
                "written": [staged.external_id for staged in batch],
            }
        names: tuple[LiteralString, ...] = ("warehouse/timeline_duplicates", "warehouse/timeline_twins")
        return [long_statements(), *((statement(name), parameters) for name in names)]

    def forget(self) -> None:
        """Clear the cache of known parents: the transaction that inserted some of them was rolled back."""
        self._known.clear()
        self._stubs.clear()

    def _rows(self, batch: Sequence[Staged]) -> Iterator[tuple[Table, list[Values]]]:
        """The rows of a batch, table by table, parents before children."""
        for table in self._entity.tables:
            if rows := self._own(table, _newest_rows(batch, table.name)):
                yield table, rows

    def _own(self, table: Table, rows: list[Values]) -> list[Values]:
        """Drop nested rows of deleted records that belong to a living parent by now: a deleted record's body is old."""
        owners = self._owners.get(table.name)
        if not owners or table.owner is None:
            return rows
        return [
            row
            for row in rows
            if row["deleted_at"] is None or owners.get(row["external_id"], row[table.owner]) == row[table.owner]
        ]

    def _load(self, batch: Sequence[Staged]) -> int:
        """The same into new tables, by COPY."""
        with_rows = [staged for staged in batch if staged.rows]
        changed = 0
        for table, rows in self._rows(with_rows):
            changed += sum(change(self._connection, *self._stub_statements(table, rows, with_rows)))
            for columns, group in _by_columns(rows).items():
                changed += self._copy(table, columns, group)
            self._known[table.name].update(row["external_id"] for row in rows)
        return changed + sum(change(self._connection, *self._mark_deleted([s for s in batch if not s.rows])))

    def _copy(self, table: Table, columns: tuple[str, ...], group: list[Values]) -> int:
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), names)
        jsonb = self._is_jsonb(table, columns)
        try:
            with self._connection.transaction(), self._connection.cursor().copy(copy) as out:
                for start in range(0, len(group), LINES_AT_ONCE):
                    part = group[start : start + LINES_AT_ONCE]
                    out.write(copytext.lines([tuple(row.values()) for row in part], jsonb))
        except errors.UniqueViolation:
            # The same contact listed by two clients, or a stub whose record came later: merged by the upsert.
            return sum(change(self._connection, _upsert(table, columns, group)))
        return len(group)

    def _stub_statements(self, table: Table, rows: list[Values], bodies: Sequence[Staged]) -> Iterator[Question]:
        """A stub row for each referenced record that has no row yet: references never point to nothing."""
        for column, parent in table.references.items():
            wanted = {row[column] for row in rows if row.get(column) is not None} - self._known[parent]
            if parent == table.name:
                wanted -= {row["external_id"] for row in rows}
            if not wanted:
                continue
            hints = self._hints(parent, wanted, bodies)
            read_at = max(staged.fetched_at for staged in bodies)
            for external_id in sorted(wanted):
                values = {**hints.get(external_id, {}), "external_id": external_id}
                says_more = len(values) > 1
                if says_more or external_id not in self._stubs[parent]:
                    yield _stub(parent, values, read_at)
                self._stubs[parent].add(external_id)
                if says_more:
                    self._known[parent].add(external_id)  # one without a name stays unknown: a later body may name it

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

    def _mark_missing(self, table: Table, bodies: Sequence[Staged]) -> list[Question]:
        """Mark nested rows that their parent's body no longer lists as deleted. Other tables may refer to their ids."""
        if not bodies:
            return []
        query = sql.SQL(statement("warehouse/nested_mark_deleted")).format(
            table=sql.Identifier(table.name), owner=sql.Identifier(str(table.owner))
        )
        parameters = {
            "owners": [staged.external_id for staged in bodies],
            "listed": [row["external_id"] for staged in bodies for row in staged.rows[table.name]],
            "deleted_at": max(staged.fetched_at for staged in bodies),
        }
        return [(query, parameters)]

    def _mark_deleted(self, tombstones: Sequence[Staged]) -> list[Question]:
        """Mark deleted records of which no body was ever staged: other records refer to them."""
        tombstones = [staged for staged in tombstones if not staged.external_id.startswith(NAMELESS)]
        if not tombstones:
            return []
        query = sql.SQL(statement("warehouse/tombstone")).format(table=sql.Identifier(self._entity.table.name))
        parameters = {
            "ids": [staged.external_id for staged in tombstones],
            "instants": [staged.fetched_at for staged in tombstones],
        }
        return [(query, parameters)]

    def _learn_rows(self, table: str, rows: pool.Rows) -> None:
        """A stub does not count as known, since it may still learn its name."""
        for external_id, is_stub in rows:
            (self._stubs if is_stub else self._known)[table].add(external_id)

    def _learn_owners(self, table: str, rows: pool.Rows) -> None:
        self._owners[table] = dict(rows)

    def _is_jsonb(self, table: Table, columns: Sequence[str]) -> list[bool]:
        """For each column whether it is jsonb; read once a process, since only migrations change it."""
        if table.name not in _JSONB:
            found = self._connection.execute(statement("warehouse/jsonb_columns"), [[table.name]])
            _JSONB[table.name] = frozenset(column for _, column in found)
        return [column in _JSONB[table.name] for column in columns]


_JSONB: dict[str, frozenset[str]] = {}


def _by_columns(rows: list[Values]) -> dict[tuple[str, ...], list[Values]]:
    """Rows by the columns that they have."""
    groups: dict[tuple[str, ...], list[Values]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    return groups


def _stub(table: str, values: Values, deleted_at: datetime) -> Question:
    said = [sql.Identifier(column) for column in values if column != "external_id"] or [sql.Identifier("is_stub")]
    adds_value = sql.SQL(" OR ").join(
        sql.SQL("(held.{0} IS NULL AND EXCLUDED.{0} IS NOT NULL)").format(column) for column in said
    )
    query = sql.SQL(statement("warehouse/stub")).format(
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, values)),
        values=sql.SQL(", ").join([sql.Placeholder()] * len(values)),
        assignments=sql.SQL(", ").join(
            sql.SQL("{0} = coalesce(held.{0}, EXCLUDED.{0})").format(column) for column in said
        ),
        adds_value=adds_value,
    )
    return query, [*values.values(), deleted_at]


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


def _upsert(table: Table, columns: Sequence[str], rows: Sequence[Values]) -> Question:
    """Upsert rows with the same columns, all as one parameter, so that the statement can be sent with others."""
    kept = [column for column in columns if column != "external_id"]
    merged = {c: base for c, base in table.merged.items() if c in columns and base in columns}

    def incoming(column: str) -> sql.Composable:
        if column in merged:
            return sql.SQL("gazelle_merge_tags(held.{0}, held.{1}, EXCLUDED.{1})").format(
                sql.Identifier(column), sql.Identifier(merged[column])
            )
        return sql.SQL("EXCLUDED.{}").format(sql.Identifier(column))

    comma = sql.SQL(", ")
    query = sql.SQL(statement("warehouse/upsert")).format(
        table=sql.Identifier(table.name),
        columns=comma.join(map(sql.Identifier, columns)),
        assignments=comma.join(sql.SQL("{} = {}").format(sql.Identifier(c), incoming(c)) for c in kept),
        held=comma.join(sql.SQL("held.{}").format(sql.Identifier(c)) for c in kept),
        incoming=comma.join(incoming(c) for c in kept),
    )
    return query, {"rows": msgspec.json.encode(rows).decode()}
