"""Compares bodies that were just read with the rows of production: a page in one round trip, then what differs by name.

Each look is a read-only transaction of its own: it holds no lock that a pull waits for, sees what a pull that runs
meanwhile has written, and works behind a transaction pooler.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from gazelle_sync.entities import Entity, Table
from gazelle_sync.montreal import parse_instant
from gazelle_sync.pull.comparison import columns_of
from gazelle_sync.pull.verification import row_questions
from gazelle_sync.pull.versions import hash_of_held
from gazelle_sync.quality.verify.difference import Difference, Why, called
from gazelle_sync.reconcile.rows import ReconcileError, Rows, Values
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import long_statements
from gazelle_sync.warehouse.pool import Question, together
from gazelle_sync.warehouse.pool import Rows as Answer

READ_ONLY: LiteralString = "BEGIN READ ONLY"
AT_ONCE = 500
OVERLAP = timedelta(minutes=15)
"""A change that is older than the last pull by so much should have been read by it."""


@dataclass(frozen=True, slots=True)
class Staged:
    """The newest version of a record that staging holds.

    Attributes:
        content_hash: Of the body; None: of a tombstone.
        status: `processed`, `pending`, `error`.
        stamp: The body's `updatedAt`.
    """

    content_hash: bytes | None
    status: str
    stamp: datetime | None


def ask_read_only(connection: Connection, *questions: Question) -> list[Answer]:
    """Answers of one read-only transaction, which may take as long as history does, in one round trip."""
    return together(connection, long_statements(), *questions, begin=READ_ONLY)[1:]


def suspects(connection: Connection, entity: Entity, bodies: Sequence[Any]) -> set[str]:
    """Ids of the records whose rows are not as their bodies say, found by PostgreSQL in one round trip.

    Where the bodies are not alike, or PostgreSQL cannot hold what one says, every id: they are examined one by one.
    """
    ids = [body["id"] for body in bodies]
    questions = row_questions(entity, bodies, ids)
    if questions is not None:
        with suppress(psycopg.DataError):
            return {external_id for rows in ask_read_only(connection, *questions) for (external_id,) in rows}
    return set(ids)


def examine(
    connection: Connection, entity: Entity, bodies: Sequence[Any], read_until: datetime | None
) -> Iterator[Difference]:
    """Field by field, how the rows of some records differ from their bodies, and whether that is news.

    Args:
        connection: Of `borrow`.
        entity: Whose.
        bodies: As Gazelle sent them just now, each with an id.
        read_until: Start of the last pull of the entity by Gazelle's clock, before which every change should have been
            read; None: not known.
    """
    for start in range(0, len(bodies), AT_ONCE):
        part = {body["id"]: body for body in bodies[start : start + AT_ONCE]}
        said = {external_id: _rows(entity, body) for external_id, body in part.items()}
        staged_rows, *held = ask_read_only(connection, _staged(entity, list(part)), *_held(entity, list(part), said))
        staged = staged_of(staged_rows)
        tables = [
            {row["external_id"]: row for row in (dict(zip(columns_of(table), row, strict=True)) for row in answer)}
            for table, answer in zip(entity.tables, held, strict=True)
        ]
        for external_id, body in part.items():
            found = list(_of_record(entity, external_id, said[external_id], tables))
            why = _news(entity, body, staged.get(external_id), read_until) if found else None
            if why is None:
                yield from found
            else:
                name = next((one.name for one in found if one.name), None)
                yield Difference(entity.name, entity.table.name, external_id, why, name=name)


def examine_absent(connection: Connection, entity: Entity, ids: Sequence[str]) -> Iterator[Difference]:
    """What is to be said of living rows whose records Gazelle does not have."""
    for start in range(0, len(ids), AT_ONCE):
        part = list(ids[start : start + AT_ONCE])
        living = sql.SQL("SELECT external_id FROM {} WHERE external_id = ANY (%s) AND deleted_at IS NULL").format(
            sql.Identifier(entity.table.name)
        )
        staged_rows, still = ask_read_only(connection, _staged(entity, part), (living, [part]))
        staged = staged_of(staged_rows)
        for (external_id,) in still:
            version = staged.get(external_id)
            why = Why.SURPLUS if version is None else Why.GONE_THERE if version.content_hash else Why.LIVING
            yield Difference(entity.name, entity.table.name, external_id, why)


def staged_of(rows: Answer) -> dict[str, Staged]:
    """Id → newest version."""
    return {external_id: Staged(*row) for external_id, *row in rows}


def _staged(entity: Entity, ids: list[str]) -> Question:
    query = sql.SQL(statement("quality/verify_staged")).format(staging=sql.Identifier(entity.staging_table))
    return query, {"ids": ids}


def _held(entity: Entity, ids: list[str], said: Mapping[str, Rows | None]) -> list[Question]:
    """The rows of some records, those that they list and that are held under another record included."""
    questions: list[Question] = []
    for table in entity.tables:
        listed = [row["external_id"] for rows in said.values() if rows for row in rows.get(table.name, ())]
        query = sql.SQL(statement("quality/verify_held")).format(
            columns=sql.SQL(", ").join(map(sql.Identifier, columns_of(table))),
            table=sql.Identifier(table.name),
            owner=sql.Identifier(table.owner or "external_id"),
        )
        questions.append((query, {"owners": ids, "listed": listed}))
    return questions


def _rows(entity: Entity, body: Any) -> Rows | None:
    try:
        return entity.reconcile(body)
    except ReconcileError:
        return None


def _news(entity: Entity, body: Any, staged: Staged | None, read_until: datetime | None) -> Why | None:
    """Why a difference is no error here; or that it is one of the pull's; None: the row is wrong."""
    if staged is not None and staged.content_hash == hash_of_held(body):
        return {"processed": None, "pending": Why.WAITS}.get(staged.status, Why.UNAPPLIED)
    stamp = parse_instant(body.get("updatedAt"))
    is_moved = stamp is not None and (staged is None or staged.stamp != stamp)
    # A tick reads only a window of the appointments.
    if is_moved and stamp and read_until and stamp < read_until - OVERLAP and not entity.has_window:
        return Why.MISSED
    return Why.NEW_THERE if staged is None else Why.CHANGED_THERE


def _of_record(
    entity: Entity, external_id: str, said: Rows | None, tables: Sequence[Mapping[str, Values]]
) -> Iterator[Difference]:
    if said is None:
        yield Difference(entity.name, entity.table.name, external_id, Why.UNAPPLIED)
        return
    for table, held in zip(entity.tables, tables, strict=True):
        listed = said.get(table.name)
        if listed is None:
            continue
        for row in listed:
            yield from _of_row(entity, table, row, held.get(row["external_id"]))
        if table.owner is None:
            continue
        ids = {row["external_id"] for row in listed}
        for other in held.values():
            is_its_own = other[table.owner] == external_id and other["deleted_at"] is None and not other["is_stub"]
            if is_its_own and other["external_id"] not in ids:
                yield Difference(entity.name, table.name, other["external_id"], Why.SURPLUS)


def _of_row(entity: Entity, table: Table, said: Values, held: Values | None) -> Iterator[Difference]:
    external_id = said["external_id"]
    if held is None:
        yield Difference(entity.name, table.name, external_id, Why.MISSING, name=called(said))
        return
    if held["deleted_at"] is not None:
        yield Difference(entity.name, table.name, external_id, Why.DELETED)
        return
    for column, value in said.items():
        if column not in table.merged and held[column] != value:
            yield Difference(entity.name, table.name, external_id, Why.COLUMN, column, held[column], value)
