"""Stage 1, the writing half: raw bodies into staging, page by page, unchanged ones not twice.

No transformation here. What the API sent is what is stored, but for the two kinds of character that PostgreSQL's jsonb
cannot hold.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
from psycopg import sql

from gazelle_sync.entities import Entity
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
from gazelle_sync.warehouse.bulk import drop_pending_index
from gazelle_sync.warehouse.connect import Connection, database_errors, statement
from gazelle_sync.warehouse.limits import allow_long_statements

RECENT = 20_000
WAITING_AT_ONCE = 1000
LINES_AT_ONCE = 200


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


class Staging:
    """Writes one entity's bodies and remembers what is held.

    Args:
        connection: Its own; every method commits.
        entity: Which.
        run_id: Written into each row.
        order: Gives `fetched_at`.
        report: Counts go there.
    """

    def __init__(
        self, connection: Connection, entity: Entity, run_id: str, order: ReadingOrder, report: EntityReport
    ) -> None:
        self._connection = connection
        self.entity = entity
        self.run_id = run_id
        self._order = order
        self._report = report
        self._table = sql.Identifier(entity.staging_table)
        self.parents_named: dict[str, set[str]] = defaultdict(set)
        self.is_empty = self._is_empty()
        self._recent: dict[str, Held] | None = {} if self.is_empty else None

    def held(self) -> dict[str, Held]:
        """Every record that is held (not for the timeline: that is too many to keep in memory)."""
        query = sql.SQL(statement("pull/staging_held")).format(staging=self._table)
        return dict(self._read_held(query, []))

    def held_among(self, ids: Sequence[str]) -> dict[str, Held]:
        """What is held of some records."""
        if self._recent is not None:
            return {external_id: self._recent[external_id] for external_id in ids if external_id in self._recent}
        query = sql.SQL(statement("pull/staging_held_among")).format(staging=self._table)
        return dict(self._read_held(query, [list(ids)]))

    def read_again(self) -> None:
        """The whole list is read once more: by now the table holds what a first read put there."""
        self._recent = None

    def set_aside(self) -> set[str]:
        """Records whose newest version was set aside by the guard: they must be read again."""
        query = sql.SQL(statement("pull/staging_set_aside")).format(staging=self._table)
        with database_errors():
            allow_long_statements(self._connection)
            ids = {external_id for (external_id,) in self._connection.execute(query)}
            self._connection.commit()
        return ids

    def unanswered(self) -> set[str]:
        """Records that others name, of which we have neither a body nor Gazelle's word that they are gone."""
        query = sql.SQL(statement("pull/stubs_unanswered")).format(
            staging=self._table, production=sql.Identifier(self.entity.table.name)
        )
        with database_errors():
            allow_long_statements(self._connection)
            ids = {external_id for (external_id,) in self._connection.execute(query)}
            self._connection.commit()
        return ids

    def unstaged(self) -> set[str]:
        """Living production rows of which staging holds no version: it lost them, or somebody put them there."""
        query = sql.SQL(statement("pull/unstaged_ids")).format(
            staging=self._table, table=sql.Identifier(self.entity.table.name), key=sql.Identifier("external_id")
        )
        with database_errors():
            allow_long_statements(self._connection)
            ids = {external_id for (external_id,) in self._connection.execute(query)}
            self._connection.commit()
        return ids

    def last_bodies(self, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """The last body that is held of each record, living or not."""
        query = sql.SQL(statement("pull/staging_last_bodies")).format(staging=self._table)
        with database_errors():
            rows = self._connection.execute(query, [list(ids)]).fetchall()
            self._connection.commit()
        yield from rows

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
            self._remember({external_id: held[external_id] for external_id in fresh})
        self._report.fetched += len(fresh) + len(same)
        self._insert([version for version, _, _ in fresh.values()], same, settled, answer, unlisted=unlisted)
        return list(fresh)

    def write_tombstones(self, ids: Sequence[str]) -> None:
        """Store that Gazelle has these records no more: a version whose body is JSON null."""
        self._report.deleted += len(ids)
        self._insert([tombstone(external_id) for external_id in ids], [], [], None, unlisted=False)

    def mark_listed(self, ids: Sequence[str], *, unlisted: bool) -> None:
        """Remember that records are absent from their list though they answer by id (or are back in it)."""
        if not ids:
            return
        query = sql.SQL(statement("pull/staging_mark_listed")).format(staging=self._table)
        with database_errors():
            self._connection.execute(query, {"ids": list(ids), "unlisted": unlisted})
            self._connection.commit()

    def mark_unsettled(self, ids: Sequence[str]) -> None:
        """Remember that records could not be read though they changed: the next run reads them again."""
        if ids:
            query = sql.SQL(statement("pull/staging_unsettle")).format(staging=self._table)
            with database_errors():
                self._connection.execute(query, {"ids": list(ids)})
                self._connection.commit()

    def distrust(self) -> int:
        """Give bodies that something changed since they were staged the hash of what they hold now.

        Gazelle's body then differs from what is held, and is staged again. Gives how many there were.
        """
        changed: dict[str, bytes] = {}
        names = {"staging": self._table}
        with database_errors(), self._connection.cursor(name="bodies") as cursor:
            allow_long_statements(self._connection)
            cursor.execute(sql.SQL(statement("pull/staging_bodies")).format(**names))
            while rows := cursor.fetchmany(WAITING_AT_ONCE):
                living = [(row_id, body, said) for row_id, body, said in rows if said is not None]
                changed |= {row_id: held for row_id, body, said in living if (held := hash_of_held(body)) != said}
        if changed:
            found = {"ids": list(changed), "hashes": list(changed.values())}
            with database_errors():
                self._connection.execute(sql.SQL(statement("pull/staging_rehash")).format(**names), found)
        self._connection.commit()
        return len(changed)

    def date_again(self) -> None:
        """Give versions that somebody dated beyond any clock (`infinity`) the instant of now: others must follow."""
        with database_errors(), self._connection.transaction():
            allow_long_statements(self._connection)
            query = sql.SQL(statement("pull/staging_undated")).format(staging=self._table)
            self._connection.execute(query, [self._order.next()])

    def note_waiting(self) -> None:
        """Note the parents of bodies that a run before staged and did not live to apply."""
        with database_errors(), self._connection.cursor(name="waiting") as cursor:
            allow_long_statements(self._connection)
            cursor.execute(sql.SQL(statement("pull/staging_waiting")).format(staging=self._table))
            while rows := cursor.fetchmany(WAITING_AT_ONCE):
                self._note_parents([body for (body,) in rows])
        self._connection.commit()

    def _insert(
        self, versions: list[Version], same: list[str], settled: list[Version], answer: Answer | None, *, unlisted: bool
    ) -> None:
        fetched_at = self._order.next()
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(self._table, sql.SQL(COLUMNS))
        with database_errors(), self._connection.transaction():
            cursor = self._connection.cursor()
            if versions:
                if self.is_empty:
                    drop_pending_index(self._connection, self.entity.staging_table)
                with cursor.copy(copy) as out:
                    for start in range(0, len(versions), LINES_AT_ONCE):  # PostgreSQL reads these, we write the next
                        part = versions[start : start + LINES_AT_ONCE]
                        out.write(copy_lines(part, fetched_at, self.run_id, unlisted=unlisted))
            if settled and answer is not None:
                cursor.execute(
                    sql.SQL(statement("pull/staging_settle")).format(staging=self._table),
                    {
                        "ids": [version.external_id for version in settled],
                        "stamps": [version.stamp for version in settled],
                        "settled_before": answer.not_before - STAMP_GRAIN,
                        "unlisted": unlisted,
                    },
                )
            if same:
                # A body that is held and processed but whose production row is gone (somebody emptied the table)
                # is applied again.
                cursor.execute(
                    sql.SQL(statement("pull/staging_heal")).format(
                        staging=self._table, production=sql.Identifier(self.entity.table.name)
                    ),
                    {"ids": same},
                )
                cursor.execute(sql.SQL(statement("pull/staging_refute")).format(staging=self._table), {"ids": same})
        self._report.staged += len(versions)
        if versions:
            self.is_empty = False

    def _remember(self, fresh: dict[str, Held]) -> None:
        """A first read into an empty table: a page can repeat the last ones and no others (cursors are offsets)."""
        recent = {**(self._recent or {}), **fresh}
        surplus = len(recent) - RECENT
        self._recent = dict(islice(recent.items(), surplus, None)) if surplus > 0 else recent

    def _note_parents(self, bodies: Sequence[Any]) -> None:
        for path, parent in self.entity.parents.items():
            self.parents_named[parent] |= ids_at(bodies, path)

    def _is_empty(self) -> bool:
        with database_errors():
            query = sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(self._table)
            row = self._connection.execute(query).fetchone()
            self._connection.commit()
        return row == (True,)

    def _read_held(self, query: sql.Composed, parameters: list[Any]) -> Iterator[tuple[str, Held]]:
        with database_errors():
            if not parameters:  # all that is staged is sorted
                allow_long_statements(self._connection)
            rows = self._connection.execute(query, parameters).fetchall()
            self._connection.commit()
        for external_id, stamp, content_hash, is_living, is_unsettled, is_unlisted, start in rows:
            yield external_id, Held(stamp, content_hash, is_living, is_unsettled, is_unlisted, parse_instant(start))
