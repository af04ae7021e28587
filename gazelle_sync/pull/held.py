"""What staging holds: a scan compares with it to find which records are new, changed or gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, LiteralString

import msgspec
from psycopg import sql

from gazelle_sync.entities import Entity, Strategy
from gazelle_sync.montreal import parse_instant
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import long_statements
from gazelle_sync.warehouse.pool import Connections, Rows, together

STATE, HELD = "pull/staging_state", "pull/staging_held"
SET_ASIDE, UNANSWERED = "pull/staging_set_aside", "pull/stubs_unanswered"
RECENT = 20_000
"""So many records of a first read are remembered."""


class Held(msgspec.Struct, frozen=True, gc=False):
    """The newest staged version of a record, set-aside ones not counted.

    Attributes:
        stamp: Its `updatedAt`, aware UTC.
        content_hash: Hash of its body; None for a tombstone.
        is_living: Whether it is a body (and not a tombstone).
        is_unsettled: Whether its stamp was not older than the second it was read in.
        is_unlisted: Whether it was absent from its list when it was last looked for, yet answered by id.
        start: An appointment's start.
        is_missing: Whether production holds no living row of it though it was applied: the table was emptied.
    """

    stamp: datetime | None
    content_hash: bytes | None
    is_living: bool
    is_unsettled: bool = False
    is_unlisted: bool = False
    start: datetime | None = None
    is_missing: bool = False


class Snapshot(msgspec.Struct):
    """What staging holds of one entity when a run begins.

    Attributes:
        is_empty: Whether it holds nothing.
        waits: Whether something is staged that is not in production: pending, or in error.
        has_rejected: Whether the guard set something aside.
        has_unreadable: Whether an earlier run named records that could not be read.
        held: Id → newest version; None: not read (of the timeline, whose ids are too many to keep in memory, never).
        set_aside: Records whose newest version was set aside by the guard: they must be read again. None: not read.
        unanswered: Records that others name, of which there is neither a body nor a tombstone.
    """

    is_empty: bool
    waits: bool
    has_rejected: bool
    has_unreadable: bool
    held: dict[str, Held] | None = None
    set_aside: set[str] | None = None
    unanswered: set[str] | None = None

    @property
    def ids(self) -> frozenset[str]:
        """Ids of what is known to be held."""
        return frozenset(self.held or ())


UNKNOWN = Snapshot(is_empty=False, waits=True, has_rejected=True, has_unreadable=True)
"""Where nothing was read: anything may be held."""


def read_snapshots(connection: Connection, entities: Sequence[Entity], *, with_held: bool) -> dict[str, Snapshot]:
    """Entity → snapshot, all in one round trip.

    Args:
        connection: In no transaction.
        entities: Which.
        with_held: Whether more than the first four attributes is read.
    """
    questions = [long_statements()]
    for entity in entities:
        questions += [(sql.SQL(statement(name)).format(**_names(entity)), None) for name in _parts(entity, with_held)]
    answers = iter(together(connection, *questions)[1:])
    found = {}
    for entity in entities:
        rows = {name: next(answers) for name in _parts(entity, with_held)}
        snapshot = found[entity.name] = Snapshot(*rows[STATE][0])
        if HELD in rows:
            snapshot.held = dict(map(_held, rows[HELD]))
            snapshot.set_aside = {external_id for (external_id,) in rows[SET_ASIDE]}
            snapshot.unanswered = {external_id for (external_id,) in rows[UNANSWERED]}
    return found


def _parts(entity: Entity, with_held: bool) -> list[str]:
    if not with_held or entity.strategy is Strategy.WINDOWED:
        return [STATE]
    return [STATE, SET_ASIDE, UNANSWERED, HELD]


def _names(entity: Entity) -> dict[str, sql.Composable]:
    production = sql.Identifier(entity.table.name)
    start = "CASE WHEN jsonb_typeof(s.raw_data) = 'object' THEN s.raw_data ->> 'start' END"
    return {
        "start": sql.SQL(start if entity.has_window else "NULL::text"),
        "staging": sql.Identifier(entity.staging_table), "production": production, "table": production,
        "key": sql.Identifier("external_id"), "name": sql.Literal(entity.name),
    }  # fmt: skip


def _held(row: tuple[Any, ...]) -> tuple[str, Held]:
    external_id, stamp, content_hash, is_living, is_unsettled, is_unlisted, start, is_missing = row
    return external_id, Held(
        stamp, content_hash, is_living, is_unsettled, is_unlisted, parse_instant(start), is_missing
    )


class HeldVersions:
    """The newest staged versions of one entity.

    Args:
        database: Connections, taken for a method each.
        entity: Which.
        snapshot: What was read already; None: it is asked for when it is needed, and something may be held.
    """

    def __init__(self, database: Connections, entity: Entity, snapshot: Snapshot | None) -> None:
        self._database = database
        self.entity = entity
        self._snapshot = snapshot or UNKNOWN
        self._table = sql.Identifier(entity.staging_table)
        self.is_empty = self._snapshot.is_empty
        self._recent: dict[str, Held] | None = {} if self.is_empty else None

    def held(self) -> dict[str, Held]:
        """Every record that is held (not for the timeline: that is too many to keep in memory)."""
        if self._snapshot.held is not None:
            return dict(self._snapshot.held)
        return self._read_held(HELD, None)

    def held_among(self, ids: Sequence[str]) -> dict[str, Held]:
        """What is held of some records."""
        if (recent := self._recent) is not None:
            return {external_id: held for external_id in ids if (held := recent.get(external_id)) is not None}
        if not ids:
            return {}
        return self._read_held("pull/staging_held_among", [list(ids)])

    def forget_recent(self) -> None:
        """The whole list is read once more: by now the table holds what a first read put there."""
        self._recent = None

    def set_aside(self) -> set[str]:
        """Records whose newest version was set aside by the guard: they must be read again."""
        known = self._snapshot.set_aside
        return self._ids(SET_ASIDE) if known is None else set(known)

    def unanswered(self) -> set[str]:
        """Records that others name, of which there is neither a body nor a tombstone."""
        known = self._snapshot.unanswered
        return self._ids(UNANSWERED) if known is None else set(known)

    def unreadable(self) -> set[str]:
        """Records that an earlier run could not read, or not as they are: they must be read again."""
        return self._ids("pull/unreadable_ids") if self._snapshot.has_unreadable else set()

    def unstaged(self) -> set[str]:
        """Living production rows of which staging holds no version: it lost them, or they were inserted by hand."""
        return self._ids("pull/unstaged_ids")

    def last_bodies(self, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """The last body that is held of each record, living or not."""
        query = sql.SQL(statement("pull/staging_last_bodies")).format(staging=self._table)
        with self._database.use() as connection:
            rows = connection.execute(query, [list(ids)]).fetchall()
        yield from ((external_id, body) for external_id, body, _ in rows)

    def named_in(self, column: str, ids: Sequence[str]) -> dict[str, set[str]]:
        """The record that each production row names in a column: staging may have lost its body."""
        table, name = sql.Identifier(self.entity.table.name), sql.Identifier(column)
        query = sql.SQL("SELECT external_id, {} FROM {} WHERE external_id = ANY (%s)").format(name, table)
        with self._database.use() as connection:
            return {external_id: {named} for external_id, named in connection.execute(query, [list(ids)]) if named}

    def _note_recent(self, fresh: dict[str, Held]) -> None:
        """A first read into an empty table: a page can repeat the last ones and no others (cursors are offsets)."""
        if self._recent is None:
            return
        self._recent |= fresh
        for external_id in list(islice(self._recent, max(0, len(self._recent) - RECENT))):
            del self._recent[external_id]

    def _ids(self, name: LiteralString) -> set[str]:
        return {external_id for (external_id,) in self._ask(name, None)}

    def _read_held(self, name: LiteralString, parameters: list[Any] | None) -> dict[str, Held]:
        return dict(map(_held, self._ask(name, parameters)))

    def _ask(self, name: LiteralString, parameters: list[Any] | None) -> Rows:
        query = sql.SQL(statement(name)).format(**_names(self.entity))
        with self._database.use() as connection:
            return together(connection, long_statements(), (query, parameters))[1]
