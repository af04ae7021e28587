"""Stage 1, the writing half: raw bodies into staging, page by page, unchanged ones not twice.

No transformation here. What the API sent is what is stored, but for the two kinds of character that PostgreSQL's jsonb
cannot hold.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, LiteralString

from psycopg import DataError, IntegrityError, sql
from psycopg.errors import ProgramLimitExceeded

from gazelle_sync.entities import Entity
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.pull.held import Held, HeldVersions, Snapshot
from gazelle_sync.pull.paths import ids_at
from gazelle_sync.pull.reading_order import ReadingOrder
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.pull.verification import Verification
from gazelle_sync.pull.versions import (
    COLUMNS,
    STAMP_GRAIN,
    Version,
    columns_of,
    copy_lines,
    tombstone,
    versions_of,
)
from gazelle_sync.pull.write import CopiedLines, PageWriter, WriteMethod
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import allow_long_statements
from gazelle_sync.warehouse.pool import Connections, Question, change

WAITING_AT_ONCE = 1000
LINES_AT_ONCE = 200
FLUSHED_LATER: LiteralString = "SET LOCAL synchronous_commit = off"
"""A page is not waited for until it is on the disk: the commit that moves the watermarks is, and all before it with it.
What a server that crashes in between forgets, the next run reads again."""
ROW_REFUSED = (DataError, IntegrityError, ProgramLimitExceeded)
"""PostgreSQL refuses what a row holds."""

log = get_logger("gazelle_sync.pull")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Bodies of one answer, and what is written of them.

    Attributes:
        bodies: As the API sent them.
        versions: Of each of them.
        lines: In a first load: their rows as lines of COPY; None: they are written by another method.
    """

    bodies: Sequence[Any]
    versions: Sequence[Version]
    lines: CopiedLines | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Bodies of one answer, held against what is held.

    Attributes:
        fresh: What is new or changed: external id → its version, its body, what was held of it.
        same: Ids of what came as it is held.
        missing: Those of them of which production lacks the row.
        settled: Versions of those of which something beside the body differs.
    """

    fresh: dict[str, tuple[Version, Any, Held | None]] = field(default_factory=dict)
    same: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    settled: list[Version] = field(default_factory=list)


class Staging(HeldVersions):
    """Writes one entity's bodies and remembers what is held.

    Several threads may store pages side by side, each inside `alone`; each method commits.

    Args:
        database: Connections, taken for a method each.
        entity: Which.
        run_id: Written into each row.
        order: Gives `fetched_at`.
        report: Counts go there.
        production: Writes rows in the transaction that stages their bodies; None: everything stays pending.
        snapshot: What is held, where that was read already; None: it is asked for when it is needed.
        waiting: Names of the entities of which something waits; this one's is added where something is left pending.
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
        waiting: set[str] | None = None,
    ) -> None:
        super().__init__(database, entity, snapshot)
        self.run_id = run_id
        self._order = order
        self._report = report
        self._production = production
        self._lock = threading.Condition(threading.Lock())
        self._at_work: set[str] = set()
        self._waiting = set() if waiting is None else waiting
        self.parents_named: dict[str, set[str]] = defaultdict(set)
        self.verification: Verification | None = None
        """In a full run: what it has found of what is held."""

    def unstaged(self) -> set[str]:
        """As of what is held; nothing of tables that are loaded, since they were empty."""
        return set() if self._production is not None and self._production.loads else super().unstaged()

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
        return self.store(self.prepare(bodies, answer), answer, held, unlisted=unlisted)

    def prepare(self, bodies: Sequence[Any], answer: Answer) -> Prepared:
        """What the bodies of one answer become, made beside the writing of the page before."""
        lines = None if self._production is None else self._production.lines_of(bodies)
        return Prepared(bodies, versions_of(bodies, answer), lines)

    @contextmanager
    def alone(self, ids: Collection[str]) -> Iterator[None]:
        """A block in which no other thread compares or writes any of these records: of each, one version at a time."""
        with self._lock:
            self._lock.wait_for(lambda: self._at_work.isdisjoint(ids))
            self._at_work.update(ids)
        try:
            yield
        finally:
            with self._lock:
                self._at_work.difference_update(ids)
                self._lock.notify_all()

    def store(self, prepared: Prepared, answer: Answer, held: dict[str, Held], *, unlisted: bool = False) -> list[str]:
        """The same as `write` for what is prepared already."""
        with self._lock:
            found = self._compare(prepared, held, unlisted=unlisted)
        if found.fresh:
            self._insert(
                {external_id: version for external_id, (version, _, _) in found.fresh.items()},
                {external_id: body for external_id, (_, body, _) in found.fresh.items()},
                prepared.lines if len(found.fresh) == len(prepared.bodies) else None,
                unlisted=unlisted,
            )
        self._update_unchanged(found, answer, unlisted=unlisted)
        return list(found.fresh)

    def _compare(self, prepared: Prepared, held: dict[str, Held], *, unlisted: bool) -> Compared:
        bodies, versions = prepared.bodies, prepared.versions
        found = Compared()
        fresh = found.fresh
        damaged = self._verify(versions, bodies, held)
        for version, body in zip(versions, bodies, strict=True):
            external_id = version.external_id
            # What comes twice in one answer is compared with what was held before it, and only its last body counts.
            before = fresh.pop(external_id)[2] if external_id in fresh else held.get(external_id)
            held[external_id] = Held(
                version.stamp, version.content_hash, True, version.is_unsettled, unlisted, version.start
            )
            if before is not None and _is_same(before, version) and external_id not in damaged:
                found.same.append(external_id)
                if before.is_missing:
                    found.missing.append(external_id)
                if (before.stamp, before.is_unsettled, before.is_unlisted) != (
                    version.stamp, version.is_unsettled, unlisted,
                ):  # fmt: skip
                    found.settled.append(version)
                continue
            fresh[external_id] = (version, body, before)
        self._note_parents([body for _, body, _ in fresh.values()])
        self._note_recent({external_id: held[external_id] for external_id in fresh})
        self._report.fetched += len(fresh) + len(found.same)
        return found

    def write_tombstones(self, ids: Sequence[str]) -> None:
        """Store that Gazelle has these records no more: a version whose body is JSON null."""
        if not ids:
            return
        self._report.deleted += len(ids)
        self._insert({external_id: tombstone(external_id) for external_id in ids}, None, None, unlisted=False)

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

    def fix_future_dates(self) -> None:
        """Date versions now that were dated in the far future by hand, so that later ones count as newer."""
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

    def _verify(self, versions: Sequence[Version], bodies: Sequence[Any], held: Mapping[str, Held]) -> set[str]:
        """In a full run, compare what is held with what came again; gives where a staged body was changed."""
        if self.verification is None:
            return set()
        same = {
            version.external_id: (version, body)
            for version, body in zip(versions, bodies, strict=True)
            if (before := held.get(version.external_id)) is not None and _is_same(before, version)
        }
        if not same:
            return set()
        try:
            with self._database.use() as connection:
                return self.verification.compare(connection, self.entity, same)
        except ROW_REFUSED as error:
            log.info("a page cannot be compared", entity=self.entity.name, reason=str(error).strip())
            self.verification.doubt(same)
            return set()

    def _insert(
        self,
        versions: dict[str, Version],
        bodies: Mapping[str, Any] | None,
        lines: CopiedLines | None,
        *,
        unlisted: bool,
    ) -> None:
        """Stage versions of one answer, and write the rows of those that need not wait."""
        fetched_at = self._order.next()
        methods: Iterator[WriteMethod] = iter(())
        if self._production is not None and bodies is not None:
            methods = self._production.methods(bodies, fetched_at, lines)
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
        with self._lock:
            if done < len(versions):
                self._waiting.add(self.entity.name)
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
        if not isinstance(method, CopiedLines):
            ready = method.ready(connection) if method else set()
            stored = columns_of(list(versions.values()), fetched_at, self.run_id, unlisted=unlisted, processed=ready)
            query = sql.SQL(statement("pull/staging_insert")).format(staging=self._table, columns=sql.SQL(COLUMNS))
            statements = method.statements() if method else ()
            _, _, *changed = change(connection, (FLUSHED_LATER, None), (query, stored), *statements)
            return len(ready), sum(changed)
        copy = sql.SQL("COPY {} ({}) FROM STDIN").format(self._table, sql.SQL(COLUMNS))
        with connection.transaction():
            connection.execute(FLUSHED_LATER)
            with connection.cursor().copy(copy) as out:
                lines = list(versions.values())
                for start in range(0, len(lines), LINES_AT_ONCE):  # PostgreSQL reads these, we write the next
                    part = lines[start : start + LINES_AT_ONCE]
                    out.write(copy_lines(part, fetched_at, self.run_id, unlisted=unlisted))
            return len(versions), method.copy(connection)

    def _update_unchanged(self, found: Compared, answer: Answer, *, unlisted: bool) -> None:
        """What Gazelle says again: a row may be gone here, what was set aside is refuted, a stamp may have moved."""
        stamps = {
            "ids": [version.external_id for version in found.settled],
            "stamps": [version.stamp for version in found.settled],
            "settled_before": answer.not_before - STAMP_GRAIN,
            "unlisted": unlisted,
        }
        asked: list[tuple[bool, LiteralString, dict[str, Any]]] = [
            (bool(found.missing), "pull/staging_requeue_missing", {"ids": found.missing}),
            (bool(found.same) and self._snapshot.has_rejected, "pull/staging_drop_rejected", {"ids": found.same}),
            (bool(found.settled), "pull/staging_mark_unchanged", stamps),
        ]
        statements: list[Question] = [
            (sql.SQL(statement(name)).format(staging=self._table), parameters)
            for is_needed, name, parameters in asked
            if is_needed
        ]
        if statements:
            with self._database.use() as connection:
                change(connection, *statements)
        if found.missing:
            self._waiting.add(self.entity.name)

    def _note_parents(self, bodies: Sequence[Any]) -> None:
        for path, parent in self.entity.parents.items():
            self.parents_named[parent] |= ids_at(bodies, path)


def _is_same(before: Held, version: Version) -> bool:
    return before.is_living and before.content_hash == version.content_hash
