"""Production is what the reconcilers make of the newest staged bodies: compared row by row, without the upsert's help.

A merged column (`tags`) is of both sides and is left out; what Gazelle said last of it (`gazelle_tags`) is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from gazelle_sync.entities import ENTITIES, NAMELESS, Entity, Table
from gazelle_sync.i18n.translator import Message, Plural
from gazelle_sync.pull.versions import hash_of_held
from gazelle_sync.quality.context import CheckContext, empty
from gazelle_sync.quality.finding import Finding, some
from gazelle_sync.reconcile.rows import ReconcileError, Rows, Values
from gazelle_sync.warehouse.connect import Connection, statement

SAMPLE = 25
"""Records of each entity that a tick compares; a few milliseconds each table."""
BATCH = 2000

RIGHT = Message("{records} records compared: production is what Gazelle last said of them.")
OFF = Plural(
    "{count} row is not what Gazelle last said, of {records} records compared: {tables}.",
    "{count} rows are not what Gazelle last said, of {records} records compared: {tables}.",
)
NOTHING_STAGED = Message("{what}: nothing is staged, so production cannot be compared with anything.")
REPLAY = Message(
    "`gazelle-sync replay` puts every row right. Then find out who writes these tables: only `tags` may be."
)
READ_AGAIN = Message(
    "`gazelle-sync sync --full` reads what was changed in staging, or is missing there, again. Then find out who "
    "writes these tables, and whether a trigger of theirs does."
)
MISSING = Message("{table} {id}: is missing")
SURPLUS = Message("{table} {id}: nothing staged speaks of it")
UNSTAGED = Message("{table} {id}: staging holds no version of its record")
DIFFERS = Message("{table} {id}: {columns}")
CHANGED = Message("{table} {id}: its body in staging is not the one that Gazelle sent")
DELETED = Message("{table} {id}: is marked deleted")
LIVING = Message("{table} {id}: is gone at Gazelle and not marked deleted")  # fmt: skip


@dataclass
class _Compared:
    """What a comparison has found so far."""

    records: int = 0
    waiting: int = 0
    wrong: dict[tuple[str, str], Message] = field(default_factory=dict)
    columns: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def note(self, table: Table, external_id: str, what: Message, columns: Iterable[str] = ()) -> None:
        self.wrong[table.name, external_id] = what
        self.columns[table.name, external_id] = sorted(columns)


@dataclass(frozen=True, slots=True)
class _Newest:
    external_id: str
    body: Any
    last_body: Any
    status: str
    fetched_at: datetime
    content_hash: bytes | None


def evaluate_production(context: CheckContext, check: str) -> Finding:
    """Production = reconcile(newest staged), of every record or of a sample."""
    compared = _Compared()
    unstaged = []
    for entity in ENTITIES:
        with context.reading() as connection:
            before = compared.records + compared.waiting
            ids = None if context.thorough else _sample(connection, entity)
            for batch in _batches(connection, entity, ids):
                _compare(connection, entity, batch, compared)
            if context.thorough:
                _find_unstaged(connection, entity, compared)
            _forgive_moved(connection, entity, compared)
        if compared.records + compared.waiting == before:
            unstaged.append(entity.name)
    if unstaged and (nothing := _nothing_staged(context, check, unstaged)) is not None:
        return nothing
    numbers = {"checked": compared.records, "off": len(compared.wrong), "not applied yet": compared.waiting}
    if not compared.wrong:
        return Finding(check, True, context.say(RIGHT, records=compared.records), numbers=numbers)
    counts: dict[str, int] = {}
    for table, _ in compared.wrong:
        counts[table] = counts.get(table, 0) + 1
    return Finding(
        check,
        passed=False,
        summary=context.say(
            OFF,
            count=len(compared.wrong),
            records=compared.records,
            tables=", ".join(f"{table} {count}" for table, count in counts.items()),
        ),
        advice=context.say(READ_AGAIN if {CHANGED, UNSTAGED} & set(compared.wrong.values()) else REPLAY),
        examples=some(
            context.say(what, table=table, id=external_id, columns=", ".join(compared.columns[table, external_id]))
            for (table, external_id), what in compared.wrong.items()
        ),
        numbers=numbers,
    )


def _nothing_staged(context: CheckContext, check: str, entities: Sequence[str]) -> Finding | None:
    """Nothing was compared of some entities: right only where their tables are empty and Gazelle has none either."""
    nothing = empty(context, check, entities)
    if nothing is not None and not nothing.passed:
        return nothing
    told = context.last_reported_totals()
    bare = [name for name in entities if name not in told or told[name].total > 0]
    if not bare:
        return None
    what = ", ".join(map(context.name, bare))
    summary, advice = context.say(NOTHING_STAGED, what=what), "`gazelle-sync sync --full`"
    return Finding(check, passed=False, summary=summary, advice=advice, numbers={"checked": 0})


def _sample(connection: Connection, entity: Entity) -> list[str]:
    """Ids of some records, drawn by blocks: a table of millions is not read for them."""
    staging = sql.Identifier(entity.staging_table)
    row = connection.execute(statement("quality/size"), {"table": f"public.{entity.staging_table}"}).fetchone()
    size = row[0] if row else 0
    share = 100.0 if size < 100 * SAMPLE else 100.0 * 20 * SAMPLE / size
    query = sql.SQL(statement("quality/sample")).format(staging=staging)
    for percent in (share, 100.0):
        ids = [i for (i,) in connection.execute(query, {"percent": percent, "count": SAMPLE})]
        if ids:
            return ids
    return []


def _batches(connection: Connection, entity: Entity, ids: list[str] | None) -> Iterator[list[_Newest]]:
    query = sql.SQL(statement("quality/newest")).format(staging=sql.Identifier(entity.staging_table))
    with connection.cursor(name=f"trust_{entity.name}") as cursor:
        cursor.execute(query, {"ids": ids})
        while rows := cursor.fetchmany(BATCH):
            yield [_Newest(*row) for row in rows]


def _compare(connection: Connection, entity: Entity, batch: Sequence[_Newest], compared: _Compared) -> None:
    """Compare one batch; versions that are not applied (or cannot be) say nothing of production."""
    applied = [
        newest for newest in batch if newest.status == "processed" and not newest.external_id.startswith(NAMELESS)
    ]
    compared.waiting += len(batch) - len(applied)
    compared.records += len(applied)
    reconciled = [(newest, _rows_of(entity, newest)) for newest in applied]
    for newest in applied:
        if newest.body is not None and hash_of_held(newest.body) != newest.content_hash:
            compared.note(entity.table, newest.external_id, CHANGED)
    for table in entity.tables:
        expected = _expected(table, reconciled)
        held = _held(connection, table, [newest.external_id for newest in applied])
        for external_id, (newest, values) in expected.items():
            _compare_row(table, newest, values, held.get(external_id), compared)
        if table is entity.table:
            _compare_bare_tombstones(table, applied, expected, held, compared)
        else:
            silent = {newest.external_id for newest, rows in reconciled if table.name not in rows}
            for external_id in held.keys() - expected.keys():
                row = held[external_id]
                if row[str(table.owner)] not in silent and row["deleted_at"] is None and not row["is_stub"]:
                    compared.note(table, external_id, SURPLUS)


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


def _compare_row(table: Table, newest: _Newest, wanted: Values, held: Values | None, compared: _Compared) -> None:
    external_id = wanted["external_id"]
    if held is None:
        compared.note(table, external_id, MISSING)
    elif newest.body is None and held["deleted_at"] is None:
        compared.note(table, external_id, LIVING)
    elif newest.body is not None and held["deleted_at"] is not None:
        compared.note(table, external_id, DELETED)
    elif wrong := [c for c, value in wanted.items() if c not in table.merged and held[c] != value]:
        compared.note(table, external_id, DIFFERS, wrong)


def _compare_bare_tombstones(
    table: Table,
    applied: Sequence[_Newest],
    expected: dict[str, tuple[_Newest, Values]],
    held: dict[str, Values],
    compared: _Compared,
) -> None:
    """Records that are gone and of which no body is held, or none that can be read: they are stubs, marked deleted."""
    for newest in applied:
        if newest.external_id in expected:
            continue
        row = held.get(newest.external_id)
        if newest.body is None and row is not None and row["deleted_at"] is None:
            compared.note(table, newest.external_id, LIVING)
        elif newest.body is not None:
            compared.note(table, newest.external_id, MISSING)


def _held(connection: Connection, table: Table, ids: list[str]) -> dict[str, Values]:
    columns = dict.fromkeys([*table.columns, "deleted_at", "is_stub"])
    query = sql.SQL(statement("quality/held_rows")).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        table=sql.Identifier(table.name),
        key=sql.Identifier(table.owner or "external_id"),
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return {row["external_id"]: row for row in cursor.execute(query, {"ids": ids})}


def _find_unstaged(connection: Connection, entity: Entity, compared: _Compared) -> None:
    """Living rows that no staged version speaks of: somebody put them there."""
    for table in entity.tables:
        query = sql.SQL(statement("pull/unstaged_ids")).format(
            table=sql.Identifier(table.name),
            staging=sql.Identifier(entity.staging_table),
            key=sql.Identifier(table.owner or "external_id"),
        )
        for (external_id,) in connection.execute(query):
            compared.note(table, external_id, UNSTAGED)


def _forgive_moved(connection: Connection, entity: Entity, compared: _Compared) -> None:
    """A contact that moved to another client is missing at the one that lists it no more in fact, but did last say so.

    The body that was read last has the say: where the row is held under another owner, it is that one's.
    """
    for table in entity.tables:
        if table.owner is None:
            continue
        ids = [i for (name, i), what in compared.wrong.items() if name == table.name and what is MISSING]
        if not ids:
            continue
        query = sql.SQL("SELECT external_id FROM {} WHERE external_id = ANY (%s)").format(sql.Identifier(table.name))
        for (external_id,) in connection.execute(query, [ids]):
            del compared.wrong[table.name, external_id]
