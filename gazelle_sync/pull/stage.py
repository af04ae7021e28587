"""Stage 1, the writing half: raw bodies into staging, page by page, unchanged ones not twice.

No transformation here. What the API sent is what is stored, but for the two kinds of character that PostgreSQL's jsonb
cannot hold.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

import msgspec
from psycopg import DataError, IntegrityError, sql
from psycopg.errors import ProgramLimitExceeded

from gazelle_sync.entities import Entity, Strategy
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.montreal import parse_instant
from gazelle_sync.pull.paths import ids_at
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.pull.versions import (
    COLUMNS,
    STAMP_GRAIN,
    Version,
    copy_lines,
    hash_of_held,
    tombstone,
    versions_of,
)
from gazelle_sync.pull.write import PageWriter, WriteMethod
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import allow_long_statements, long_statements
from gazelle_sync.warehouse.pool import Connections, together

RECENT = 20_000
WAITING_AT_ONCE = 1000
LINES_AT_ONCE = 200
ROW_REFUSED = (DataError, IntegrityError, ProgramLimitExceeded)
"""PostgreSQL refuses what a row holds."""

log = get_logger("gazelle_sync.pull")

_TICK = timedelta(microseconds=1)


class ReadingOrder:
    """Gives each answer the `fetched_at` that says when it was read; later answers always get later instants.

    It starts at the database's clock, or just after the newest `fetched_at` that is held if that lies ahead (a clock
    that was set back must not make an old body the newest one), and runs on with the monotonic clock.

    Args:
        start: Aware UTC.
    """

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._zero = time.monotonic()
        self._last = start
        self._lock = threading.Lock()

    def next(self) -> datetime:
        """An instant later than every one before it."""
        with self._lock:
            now = self._start + timedelta(seconds=time.monotonic() - self._zero)
            self._last = max(now, self._last + _TICK)
            return self._last


class Held(msgspec.Struct, frozen=True, gc=False):
    """The newest staged version of a record, set-aside ones not counted.

    Attributes:
        stamp: Its `updatedAt`, aware UTC.
        content_hash: Hash of its body; None for a tombstone.
        is_living: Whether it is a body (and not a tombstone).
        is_unsettled: Whether its stamp was not older than the second it was read in.
        is_unlisted: Whether it was absent from its list when it was last looked for, yet answered by id.
        start: An appointment's start.
    """

    stamp: datetime | None
    content_hash: bytes | None
    is_living: bool
    is_unsettled: bool = False
    is_unlisted: bool = False
    start: datetime | None = None


class Snapshot(msgspec.Struct):
    """What staging holds of one entity when a run begins.

    Attributes:
        is_empty: Whether it holds nothing.
        waits: Whether something is staged that is not in production: pending, or in error.
        has_unreadable: Whether an earlier run named records that could not be read.
        held: Id → newest version; None: not read (of the timeline, whose ids are too many to keep in memory, never).
        set_aside: Records whose newest version was set aside by the guard: they must be read again. None: not read.
        unanswered: Records that others name, of which there is neither a body nor Gazelle's word that they are gone.
    """

    is_empty: bool
    waits: bool
    has_unreadable: bool
    held: dict[str, Held] | None = None
    set_aside: set[str] | None = None
    unanswered: set[str] | None = None

    @property
    def ids(self) -> frozenset[str]:
        """Ids of what is known to be held."""
        return frozenset(self.held or ())


def read_snapshots(connection: Connection, entities: Sequence[Entity], *, with_held: bool) -> dict[str, Snapshot]:
    """Entity → snapshot, all in one round trip.

    Args:
        connection: In no transaction.
        entities: Which.
        with_held: Whether more than the first three attributes is read.
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


STATE, HELD = "pull/staging_state", "pull/staging_held"
SET_ASIDE, UNANSWERED = "pull/staging_set_aside", "pull/stubs_unanswered"


def _parts(entity: Entity, with_held: bool) -> list[str]:
    if not with_held or entity.strategy is Strategy.WINDOWED:
        return [STATE]
    return [STATE, SET_ASIDE, UNANSWERED, HELD]


def _names(entity: Entity) -> dict[str, sql.Composable]:
    production = sql.Identifier(entity.table.name)
    return {
        "staging": sql.Identifier(entity.staging_table), "production": production, "table": production,
        "key": sql.Identifier("external_id"), "name": sql.Literal(entity.name),
    }  # fmt: skip


def _held(row: tuple[Any, ...]) -> tuple[str, Held]:
    external_id, stamp, content_hash, is_living, is_unsettled, is_unlisted, start = row
    return external_id, Held(stamp, content_hash, is_living, is_unsettled, is_unlisted, parse_instant(start))


class Staging:
    """Writes one entity's bodies and remembers what is held.

    Safe to use by several threads of one entity; each method commits.

    Args:
        database: Connections, taken for a method each.
        entity: Which.
        run_id: Written into each row.
        order: Gives `fetched_at`.
        report: Counts go there.
        production: Writes rows in the transaction that stages their bodies; None: everything stays pending.
        snapshot: What is held, where that was read already; None: it is asked for when it is needed.
    """

    def __init__(
        self,
        database: Connections,
        entity: Entity,
        run_id: str,
        order: ReadingOrder,
        report: EntityReport,
        production: PageWriter | None = None,
        snapshot: Snapshot | None = None,
    ) -> None:
        self._database = database
        self.entity = entity
        self.run_id = run_id
        self._order = order
        self._report = report
        self._production = production
        self._snapshot = snapshot
        self._table = sql.Identifier(entity.staging_table)
        self._lock = threading.RLock()
        self.parents_named: dict[str, set[str]] = defaultdict(set)
        self.has_pending = False
        """Whether something was left pending here."""
        self.is_empty = snapshot.is_empty if snapshot else self._is_empty()
        self._recent: dict[str, Held] | None = {} if self.is_empty else None

    def held(self) -> dict[str, Held]:
        """Every record that is held (not for the timeline: that is too many to keep in memory)."""
        if self._snapshot is not None and self._snapshot.held is not None:
            return dict(self._snapshot.held)
        return self._read_held(sql.SQL(statement(HELD)).format(staging=self._table), [])

    def held_among(self, ids: Sequence[str]) -> dict[str, Held]:
        """What is held of some records."""
        if self._recent is not None:
            return {external_id: self._recent[external_id] for external_id in ids if external_id in self._recent}
        if not ids:
            return {}
        query = sql.SQL(statement("pull/staging_held_among")).format(staging=self._table)
        return self._read_held(query, [list(ids)])

    def forget_recent(self) -> None:
        """The whole list is read once more: by now the table holds what a first read put there."""
        self._recent = None

    def set_aside(self) -> set[str]:
        """Records whose newest version was set aside by the guard: they must be read again."""
        known = self._snapshot.set_aside if self._snapshot else None
        return self._ids(SET_ASIDE) if known is None else set(known)

    def unanswered(self) -> set[str]:
        """Records that others name, of which we have neither a body nor Gazelle's word that they are gone."""
        known = self._snapshot.unanswered if self._snapshot else None
        return self._ids(UNANSWERED) if known is None else set(known)

    def unstaged(self) -> set[str]:
        """Living production rows of which staging holds no version: it lost them, or somebody put them there."""
        return self._ids("pull/unstaged_ids")

    def last_bodies(self, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """The last body that is held of each record, living or not."""
        query = sql.SQL(statement("pull/staging_last_bodies")).format(staging=self._table)
        with self._database.use() as connection:
            rows = connection.execute(query, [list(ids)]).fetchall()
        yield from ((external_id, body) for external_id, body, _ in rows)

    def write(
        self, bodies: Sequence[Any], answer: Answer, held: dict[str, Held], *, unlisted: bool = False
    ) -> list[str]:
        """Store the bodies of one answer that differ from what is held, in one transaction.

        Args:
            bodies: Records as the API sent them.
            answer: Where they came from: its clock decides which stamps are settled.
            held: What is held of them; brought up to date here.
            unlisted: Whether these were found by id while absent from their list.

        Returns:
            Ids of the records that are new or changed.
        """
        return self.store(versions_of(bodies, answer), bodies, answer, held, unlisted=unlisted)

    def store(
        self,
        versions: Sequence[Version],
        bodies: Sequence[Any],
        answer: Answer,
        held: dict[str, Held],
        *,
        unlisted: bool = False,
    ) -> list[str]:
        """The same for bodies whose versions are made already (beside the writing of the page before)."""
        with self._lock:
            return self._store(versions, bodies, answer, held, unlisted=unlisted)

    def _store(
        self,
        versions: Sequence[Version],
        bodies: Sequence[Any],
        answer: Answer,
        held: dict[str, Held],
        *,
        unlisted: bool,
    ) -> list[str]:
        fresh: dict[str, tuple[Version, Any, Held | None]] = {}
        settled: list[Version] = []
        same: list[str] = []
        for version, body in zip(versions, bodies, strict=True):
            external_id = version.external_id
            # What comes twice in one answer is compared with what was held before it, and only its last body counts.
            before = fresh.pop(external_id)[2] if external_id in fresh else held.get(external_id)
            held[external_id] = Held(
                version.stamp, version.content_hash, True, version.is_unsettled, unlisted, version.start
            )
            if before is not None and before.is_living and before.content_hash == version.content_hash:
                same.append(external_id)
                found = (version.stamp, version.is_unsettled, unlisted)
                if (before.stamp, before.is_unsettled, before.is_unlisted) != found:
                    settled.append(version)
                continue
            fresh[external_id] = (version, body, before)
        self._note_parents([body for _, body, _ in fresh.values()])
        if self._recent is not None:
            self._note_recent({external_id: held[external_id] for external_id in fresh})
        self._report.fetched += len(fresh) + len(same)
        if fresh:
            self._insert(
                {external_id: version for external_id, (version, _, _) in fresh.items()},
                {external_id: body for external_id, (_, body, _) in fresh.items()},
                unlisted=unlisted,
            )
        if same:
            self._update_unchanged(same, settled, answer, unlisted=unlisted)
        return list(fresh)

    def write_tombstones(self, ids: Sequence[str]) -> None:
        """Store that Gazelle has these records no more: a version whose body is JSON null."""
        if not ids:
            return
        self._report.deleted += len(ids)
        with self._lock:
            self._insert({external_id: tombstone(external_id) for external_id in ids}, None, unlisted=False)

    def mark_listed(self, ids: Sequence[str], *, unlisted: bool) -> None:
        """Remember that records are absent from their list though they answer by id (or are back in it)."""
        if not ids:
            return
        query = sql.SQL(statement("pull/staging_mark_listed")).format(staging=self._table)
        with self._database.use() as connection:
            connection.execute(query, {"ids": list(ids), "unlisted": unlisted})

    def mark_unsettled(self, ids: Sequence[str]) -> None:
        """Remember that records could not be read though they changed: the next run reads them again."""
        if not ids:
            return
        query = sql.SQL(statement("pull/staging_mark_unsettled")).format(staging=self._table)
        with self._database.use() as connection:
            connection.execute(query, {"ids": list(ids)})

    def rehash_changed(self) -> int:
        """Give bodies that something changed since they were staged the hash of what they hold now.

        Gazelle's body then differs from what is held, and is staged again. Gives how many there were.
        """
        changed: dict[str, bytes] = {}
        with self._database.use() as connection, connection.transaction():
            allow_long_statements(connection)
            with connection.cursor(name="bodies") as cursor:
                cursor.execute(sql.SQL(statement("pull/staging_bodies")).format(staging=self._table))
                while rows := cursor.fetchmany(WAITING_AT_ONCE):
                    living = [(row_id, body, said) for row_id, body, said in rows if said is not None]
                    changed |= {row_id: held for row_id, body, said in living if (held := hash_of_held(body)) != said}
            if changed:
                found = {"ids": list(changed), "hashes": list(changed.values())}
                connection.execute(sql.SQL(statement("pull/staging_rehash")).format(staging=self._table), found)
        return len(changed)

    def fix_future_dates(self) -> None:
        """Give versions that somebody dated beyond any clock (`infinity`) the instant of now: others must follow."""
        with self._database.use() as connection, connection.transaction():
            allow_long_statements(connection)
            query = sql.SQL(statement("pull/staging_fix_future_dates")).format(staging=self._table)
            connection.execute(query, [self._order.next()])

    def note_parents_of_pending(self) -> None:
        """Note the parents of bodies that a run before staged and did not live to apply."""
        with self._database.use() as connection, connection.transaction():
            allow_long_statements(connection)
            with connection.cursor(name="waiting") as cursor:
                cursor.execute(sql.SQL(statement("pull/staging_pending_bodies")).format(staging=self._table))
                while rows := cursor.fetchmany(WAITING_AT_ONCE):
                    self._note_parents([body for (body,) in rows])

    def _insert(self, versions: dict[str, Version], bodies: Mapping[str, Any] | None, *, unlisted: bool) -> None:
        """Stage versions of one answer, and write the rows of those that need not wait."""
        fetched_at = self._order.next()
        methods: Iterator[WriteMethod] = iter(())
        if self._production is not None and bodies is not None:
            methods = self._production.methods(bodies, fetched_at)
        for method in chain(methods, [None]):
            try:
                with self._database.use() as connection:
                    done, changed = self._commit(connection, versions, method, fetched_at, unlisted=unlisted)
                break
            except ROW_REFUSED as error:
                if method is None:
                    raise
                log.info(
                    "PostgreSQL refuses a row, writing the page by another method",
                    entity=self.entity.name,
                    reason=str(error).strip(),
                )
        self.has_pending = self.has_pending or done < len(versions)
        self.is_empty = False
        self._report.staged += len(versions)
        self._report.processed += done
        self._report.changed += changed

    def _commit(
        self,
        connection: Connection,
        versions: dict[str, Version],
        method: WriteMethod | None,
        fetched_at: datetime,
        *,
        unlisted: bool,
    ) -> tuple[int, int]:
        """One page, one transaction; gives how many versions are in production with it, and the rows changed there."""
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(self._table, sql.SQL(COLUMNS))
        with connection.transaction():
            ready = method.ready(connection) if method else set()
            with connection.cursor().copy(copy) as out:
                for processed in (True, False):
                    part = [version for i, version in versions.items() if (i in ready) is processed]
                    for start in range(0, len(part), LINES_AT_ONCE):  # PostgreSQL reads these, we write the next
                        lines = part[start : start + LINES_AT_ONCE]
                        out.write(copy_lines(lines, fetched_at, self.run_id, unlisted=unlisted, processed=processed))
            changed = method.write(connection) if method and ready else 0
        return len(ready), changed

    def _update_unchanged(self, same: list[str], settled: list[Version], answer: Answer, *, unlisted: bool) -> None:
        """What Gazelle says again: its stamp may have moved, and its row may be gone here."""
        names = {"staging": self._table, "production": sql.Identifier(self.entity.table.name)}
        with self._database.use() as connection, connection.transaction():
            if settled:
                connection.execute(
                    sql.SQL(statement("pull/staging_mark_unchanged")).format(**names),
                    {
                        "ids": [version.external_id for version in settled],
                        "stamps": [version.stamp for version in settled],
                        "settled_before": answer.not_before - STAMP_GRAIN,
                        "unlisted": unlisted,
                    },
                )
            # A body that is held and processed but whose production row is gone (somebody emptied the table) is
            # applied again.
            requeued = connection.execute(
                sql.SQL(statement("pull/staging_requeue_missing")).format(**names), {"ids": same}
            ).rowcount
            self.has_pending = self.has_pending or requeued > 0
            connection.execute(sql.SQL(statement("pull/staging_drop_rejected")).format(**names), {"ids": same})

    def _note_recent(self, fresh: dict[str, Held]) -> None:
        """A first read into an empty table: a page can repeat the last ones and no others (cursors are offsets)."""
        recent = {**(self._recent or {}), **fresh}
        surplus = len(recent) - RECENT
        self._recent = dict(islice(recent.items(), surplus, None)) if surplus > 0 else recent

    def _note_parents(self, bodies: Sequence[Any]) -> None:
        for path, parent in self.entity.parents.items():
            self.parents_named[parent] |= ids_at(bodies, path)

    def _is_empty(self) -> bool:
        query = sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(self._table)
        with self._database.use() as connection:
            return connection.execute(query).fetchone() == (True,)

    def _ids(self, name: str) -> set[str]:
        query = sql.SQL(statement(name)).format(**_names(self.entity))
        with self._database.use() as connection:
            _, rows = together(connection, long_statements(), (query, None))
        return {external_id for (external_id,) in rows}

    def _read_held(self, query: sql.Composed, parameters: list[Any]) -> dict[str, Held]:
        with self._database.use() as connection:
            _, rows = together(connection, long_statements(), (query, parameters))
        return dict(map(_held, rows))
