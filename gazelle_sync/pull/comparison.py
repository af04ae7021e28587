"""Compares production, row by row, with what the reconcilers make of the newest staged bodies.

A full run compares once and repairs what differs (`check_and_repair` in `gazelle_sync.pull.apply`). The check
`integrity_production` shows that comparison, makes one of its own where it runs alone, and compares a sample in a tick.
A merged column (`tags`) belongs to both sides and is left out; what Gazelle last sent of it (`gazelle_tags`) is
compared.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

from psycopg import sql

from gazelle_sync.entities import ENTITIES, NAMELESS, Entity, Table
from gazelle_sync.i18n.translator import Message
from gazelle_sync.pull.versions import hash_of_held
from gazelle_sync.reconcile.pages import Columns, Uneven
from gazelle_sync.reconcile.rows import ReconcileError, Rows, Values
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, cursor, together
from gazelle_sync.warehouse.pool import Rows as Answer

BATCH = 2000


class Difference(enum.Enum):
    """How a row of production differs from staging, as a sentence."""

    MISSING = Message("{table} {id}: is missing")
    SURPLUS = Message("{table} {id}: no staged body contains it")
    UNSTAGED = Message("{table} {id}: staging holds no version of its record")
    COLUMNS = Message("{table} {id}: {columns}")
    CHANGED = Message("{table} {id}: its body in staging is not the one that Gazelle sent")
    DELETED = Message("{table} {id}: is marked deleted")
    LIVING = Message("{table} {id}: is gone at Gazelle and not marked deleted")


@dataclass
class Comparison:
    """What a comparison has found.

    Attributes:
        records: How many were compared.
        waiting: How many were not compared: they are not applied yet, or cannot be.
        wrong: Table and id → how the row differs.
        columns: Of those, which columns differ.
    """

    records: int = 0
    waiting: int = 0
    wrong: dict[tuple[str, str], Difference] = field(default_factory=dict)
    columns: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def note(self, table: Table, external_id: str, what: Difference, columns: Iterable[str] = ()) -> None:
        """Note a row that differs."""
        self.wrong[table.name, external_id] = what
        self.columns[table.name, external_id] = sorted(columns)

    def add(self, other: Comparison) -> None:
        """Add what was found of another entity."""
        self.records += other.records
        self.waiting += other.waiting
        self.wrong |= other.wrong
        self.columns |= other.columns


@dataclass(frozen=True, slots=True)
class _Newest:
    external_id: str
    body: Any
    last_body: Any
    status: str
    fetched_at: datetime
    content_hash: bytes | None


def compare(connection: Connection, entity: Entity) -> Comparison:
    """Compare production with the newest staged versions of an entity's records, and find rows of which none is staged.

    Args:
        connection: In a transaction with the time that history takes.
        entity: Which.
    """
    return _compare_all(connection, entity, _batches(connection, entity), Comparison())


def compare_others(connection: Connection, entity: Entity, run_id: str, unverified: Collection[str]) -> Comparison:
    """The same where a full run has found most records right while it read: of them, only what it staged is compared.

    Args:
        connection: In a transaction with the time that history takes.
        entity: Which.
        run_id: Of the run.
        unverified: Ids of the records that it did not find right, or did not read.
    """
    query = sql.SQL(statement("pull/unverified")).format(staging=sql.Identifier(entity.staging_table))
    parameters = {"run_id": run_id, "unverified": list(unverified)}
    staged, others = connection.execute(query, parameters).fetchone() or (0, [])
    return _compare_all(
        connection, entity, _batches_of(connection, entity, others), Comparison(records=staged - len(others))
    )


def newest_of_sample(entity: Entity, count: int, *, everywhere: bool = False) -> Question:
    """The newest versions of some records, drawn by blocks: a table of millions is not read for them.

    Args:
        entity: Whose records.
        count: How many at most.
        everywhere: Draw from all blocks, where those that were drawn before held nothing.
    """
    staging = sql.Identifier(entity.staging_table)
    drawn = sql.SQL(statement("pull/sample")).format(staging=staging)
    query = sql.SQL(statement("pull/newest")).format(
        staging=staging, which=sql.SQL("external_id = ANY (ARRAY({}))").format(drawn)
    )
    return query, {"table": f"public.{entity.staging_table}", "count": count, "everywhere": everywhere}


def compare_sample(connection: Connection, drawn: Mapping[str, Answer]) -> dict[str, Comparison]:
    """Compare production with some records of several entities.

    Args:
        connection: In the transaction in which they were drawn.
        drawn: Entity → the rows of `newest_of_sample`.
    """
    batches = [(entity, [_Newest(*row) for row in drawn[entity.name]]) for entity in ENTITIES if entity.name in drawn]
    answers = iter(together(connection, *(asked for batch in batches for asked in _held_rows(*batch))))
    comparisons = {}
    for entity, batch in batches:
        comparisons[entity.name] = found = Comparison()
        _compare_batch(entity, batch, [next(answers) for _ in entity.tables], found)
        _ignore_moved(connection, entity, found)
    return comparisons


def _compare_all(
    connection: Connection, entity: Entity, batches: Iterable[tuple[list[_Newest], list[Answer]]], found: Comparison
) -> Comparison:
    for batch, held in batches:
        _compare_batch(entity, batch, held, found)
    _find_unstaged(connection, entity, found)
    _ignore_moved(connection, entity, found)
    return found


def _batches(connection: Connection, entity: Entity) -> Iterator[tuple[list[_Newest], list[Answer]]]:
    """The newest versions, and the rows that are held of each; one round trip asks for these and the next versions."""
    name = f"newest_{entity.name}"
    query = sql.SQL(statement("pull/newest")).format(
        staging=sql.Identifier(entity.staging_table), which=sql.SQL("true")
    )
    declare, fetch = cursor(name, query, BATCH)
    close = (sql.SQL("CLOSE {}").format(sql.Identifier(name)), None)
    _, rows = together(connection, declare, fetch)
    is_open = True
    while rows:
        batch = [_Newest(*row) for row in rows]
        is_open = len(batch) == BATCH  # a shorter one was the last
        *held, rows = together(connection, *_held_rows(entity, batch), fetch if is_open else close)
        yield batch, held
    if is_open:
        together(connection, close)


def _batches_of(
    connection: Connection, entity: Entity, ids: Sequence[str]
) -> Iterator[tuple[list[_Newest], list[Answer]]]:
    """The same of some records."""
    query = sql.SQL(statement("pull/newest")).format(
        staging=sql.Identifier(entity.staging_table), which=sql.SQL("external_id = ANY (%s)")
    )
    for start in range(0, len(ids), BATCH):
        [rows] = together(connection, (query, [ids[start : start + BATCH]]))
        batch = [_Newest(*row) for row in rows]
        yield batch, together(connection, *_held_rows(entity, batch))


def _applied(batch: Sequence[_Newest]) -> list[_Newest]:
    """Versions that are applied: the others are not in production yet, or cannot be."""
    return [newest for newest in batch if newest.status == "processed" and not newest.external_id.startswith(NAMELESS)]


def _compare_batch(entity: Entity, batch: Sequence[_Newest], answers: Sequence[Answer], found: Comparison) -> None:
    """Compare one batch with the rows that are held of its records.

    Nearly always the living are as their bodies say, which whole columns tell at once. What differs is found row by
    row.
    """
    applied = _applied(batch)
    found.waiting += len(batch) - len(applied)
    found.records += len(applied)
    living = [newest for newest in applied if newest.body is not None]
    for newest in living:
        if hash_of_held(newest.body) != newest.content_hash:
            found.note(entity.table, newest.external_id, Difference.CHANGED)
    if not _are_equal(entity, living, answers):
        _compare_rows(entity, applied, answers, found)
    elif gone := [newest for newest in applied if newest.body is None]:
        _compare_rows(entity, gone, answers, found)


def _are_equal(entity: Entity, living: Sequence[_Newest], answers: Sequence[Answer]) -> bool:
    """Whether the living rows that are held of some records are those of their bodies."""
    if entity.read_page is None:
        return False
    owners = {newest.external_id for newest in living}
    try:
        pages = entity.read_page([newest.body for newest in living])
        return all(
            _rows_said(table, pages[table.name]) == _rows_held(table, pages[table.name], answer, owners)
            for table, answer in zip(entity.tables, answers, strict=True)
        )
    except (Uneven, ReconcileError):
        return False


def _rows_said(table: Table, page: Columns) -> dict[str, tuple[Any, ...]]:
    columns = [
        [None if value is None else convert(value) for value in values]
        for column, (convert, values) in page.items()
        if column not in table.merged
    ]
    return dict(zip(page["external_id"][1], zip(*columns, strict=True), strict=True))


def _rows_held(table: Table, page: Columns, answer: Answer, owners: set[str]) -> dict[str, tuple[Any, ...]]:
    places = {column: place for place, column in enumerate(columns_of(table))}
    pick = itemgetter(*(places[column] for column in page if column not in table.merged))
    external_id, owner, deleted_at = places["external_id"], places[table.owner or "external_id"], places["deleted_at"]
    return {row[external_id]: pick(row) for row in answer if row[deleted_at] is None and row[owner] in owners}


def _compare_rows(entity: Entity, applied: Sequence[_Newest], answers: Sequence[Answer], found: Comparison) -> None:
    """Say which rows of some records differ, table by table."""
    reconciled = [(newest, _rows_of(entity, newest)) for newest in applied]
    owners = {newest.external_id for newest in applied}
    for table, answer in zip(entity.tables, answers, strict=True):
        expected = _expected(table, reconciled)
        rows = [dict(zip(columns_of(table), row, strict=True)) for row in answer]
        held = {row["external_id"]: row for row in rows if row[table.owner or "external_id"] in owners}
        for external_id, (newest, values) in expected.items():
            _compare_row(table, newest, values, held.get(external_id), found)
        if table is entity.table:
            _compare_bare_tombstones(table, applied, expected, held, found)
        else:
            silent = {newest.external_id for newest, rows in reconciled if table.name not in rows}
            for external_id in held.keys() - expected.keys():
                row = held[external_id]
                if row[str(table.owner)] not in silent and row["deleted_at"] is None and not row["is_stub"]:
                    found.note(table, external_id, Difference.SURPLUS)


def _expected(table: Table, reconciled: Sequence[tuple[_Newest, Rows]]) -> dict[str, tuple[_Newest, Values]]:
    """What a table should hold of some records; of a row that two of them list, what was read last.

    What a record listed that is gone counts only where no other has it.
    """
    expected: dict[str, tuple[_Newest, Values]] = {}
    for newest, rows in sorted(reconciled, key=lambda found: (found[0].body is not None, found[0].fetched_at)):
        expected |= {row["external_id"]: (newest, row) for row in rows.get(table.name, ())}
    return expected


def _rows_of(entity: Entity, newest: _Newest) -> Rows:
    body = newest.body if newest.body is not None else newest.last_body
    if body is None:
        return {}
    try:
        return entity.reconcile(body)
    except ReconcileError:
        return {}  # only of a tombstone: a living body that cannot be read is in error and not compared


def _compare_row(table: Table, newest: _Newest, wanted: Values, held: Values | None, found: Comparison) -> None:
    external_id = wanted["external_id"]
    if held is None:
        found.note(table, external_id, Difference.MISSING)
    elif newest.body is None and held["deleted_at"] is None:
        found.note(table, external_id, Difference.LIVING)
    elif newest.body is not None and held["deleted_at"] is not None:
        found.note(table, external_id, Difference.DELETED)
    elif wrong := [c for c, value in wanted.items() if c not in table.merged and held[c] != value]:
        found.note(table, external_id, Difference.COLUMNS, wrong)


def _compare_bare_tombstones(
    table: Table,
    applied: Sequence[_Newest],
    expected: dict[str, tuple[_Newest, Values]],
    held: dict[str, Values],
    found: Comparison,
) -> None:
    """Records that are gone and of which no body is held, or none that can be read: they are stubs, marked deleted."""
    for newest in applied:
        if newest.external_id in expected:
            continue
        row = held.get(newest.external_id)
        if newest.body is None and row is not None and row["deleted_at"] is None:
            found.note(table, newest.external_id, Difference.LIVING)
        elif newest.body is not None:
            found.note(table, newest.external_id, Difference.MISSING)


def columns_of(table: Table) -> list[str]:
    """The columns of a table that a comparison reads."""
    return list(dict.fromkeys([*table.columns, "deleted_at", "is_stub"]))


def _held_rows(entity: Entity, batch: Sequence[_Newest]) -> list[Question]:
    """The rows of some records, of each table."""
    ids = [newest.external_id for newest in _applied(batch)]
    return [
        (
            sql.SQL("SELECT {} FROM {} WHERE {} = ANY (%(ids)s) AND NOT starts_with(external_id, 'v4_')").format(
                sql.SQL(", ").join(map(sql.Identifier, columns_of(table))),
                sql.Identifier(table.name),
                sql.Identifier(table.owner or "external_id"),
            ),
            {"ids": ids},
        )
        for table in entity.tables
    ]


def _find_unstaged(connection: Connection, entity: Entity, found: Comparison) -> None:
    """Living rows without a staged version: somebody inserted them by hand."""
    query = sql.SQL(statement("pull/unstaged_ids"))
    answers = together(
        connection,
        *(
            (
                query.format(
                    table=sql.Identifier(table.name),
                    staging=sql.Identifier(entity.staging_table),
                    key=sql.Identifier(table.owner or "external_id"),
                ),
                None,
            )
            for table in entity.tables
        ),
    )
    for table, rows in zip(entity.tables, answers, strict=True):
        for (external_id,) in rows:
            found.note(table, external_id, Difference.UNSTAGED)


def _ignore_moved(connection: Connection, entity: Entity, found: Comparison) -> None:
    """Drop the rows that are missing at one owner because they moved to another.

    A contact that moved to another client is still in the last body of the client it left. The body that was read
    last decides: where the row is held under another owner, it is not missing.
    """
    for table in entity.tables:
        if table.owner is None:
            continue
        ids = [i for (name, i), what in found.wrong.items() if name == table.name and what is Difference.MISSING]
        if not ids:
            continue
        query = sql.SQL("SELECT external_id FROM {} WHERE external_id = ANY (%s)").format(sql.Identifier(table.name))
        for (external_id,) in connection.execute(query, [ids]):
            del found.wrong[table.name, external_id]
