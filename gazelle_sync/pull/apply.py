"""Stage 2: staged bodies → reconciler → production, in batches that commit together with their marks.

The reconciler is pure; around it everything is set-based: a stream of staged rows on one connection, a temporary table,
one upsert and one mark a batch on another. Only the newest staged version of a record is applied.
"""

from __future__ import annotations

import enum
import traceback
from collections.abc import Collection, Iterator
from datetime import datetime

import psycopg
from psycopg import sql

from gazelle_sync.entities import Entity
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import parse_instant
from gazelle_sync.pull import guard, load
from gazelle_sync.pull.comparison import Comparison, compare, compare_others
from gazelle_sync.pull.prefetch import prefetch
from gazelle_sync.pull.report import EntityReport, Progress
from gazelle_sync.pull.verification import Verification
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import allow_long_statements, long_statements
from gazelle_sync.warehouse.merge import Staged, TableWriter
from gazelle_sync.warehouse.pool import Question, borrow, change, cursor, look_up, together

BATCH = 2000
NAMED = 10
"""So many of the rows that a full run put right are named."""

log = get_logger("gazelle_sync.pull")


class StagedSelection(enum.Enum):
    """Which staged versions are applied."""

    PENDING = "pull/staging_pending", ("pending",)
    """Those that are waiting: the ordinary stage 2."""
    UNAPPLIED = "pull/staging_pending", ("pending", "error")
    """Those that could not be applied so far as well."""
    ALL = "pull/staging_all", ()
    """The newest of every record: replay, and a full run where production is not what staging says."""


class Applier:
    """Applies one entity's staged versions.

    Args:
        url: Of the database. What is staged is read on a connection of its own.
        entity: Which.
        report: Counts go there.
        progress: Receives the progress.
        days: For replay by range: only records whose last change falls in `[from, to)`, aware instants.
    """

    def __init__(
        self,
        url: str,
        entity: Entity,
        report: EntityReport,
        progress: Progress,
        *,
        days: tuple[datetime, datetime] | None = None,
    ) -> None:
        self._url = url
        self._entity = entity
        self._report = report
        self._progress = progress
        self._days = days
        self._staging = sql.Identifier(entity.staging_table)
        self._finds_duplicates = False

    def apply(
        self,
        which: StagedSelection,
        *,
        allow_emptying: bool = False,
        confirmed: Collection[str] = (),
    ) -> None:
        """Apply staged versions.

        Args:
            which: The pending ones, or the newest of all.
            allow_emptying: Whether lists may be emptied, and nested rows removed, on many records.
            confirmed: Records whose nested rows are gone, as a later full run has read by id.

        Raises:
            MassEmptying: After the bodies that are not concerned were applied; the others are set aside.
            DatabaseError: The database went away; what was committed stays, the rest is still pending.
        """
        with borrow(self._url) as writing:
            has_pending = self._retire_superseded(writing)
            doubted = self._set_aside(writing, confirmed) if has_pending and not allow_emptying else []
            if has_pending or which is StagedSelection.ALL:
                self._apply_batches(writing, which)
            if doubted:
                raise guard.mass_emptying(self._entity, doubted)

    def _apply_batches(self, connection: Connection, which: StagedSelection) -> None:
        writer = self._writer = TableWriter(connection, self._entity)
        is_first = True
        with borrow(self._url) as reading:
            for batch in prefetch(self._batches(reading, which)):
                if is_first:  # of nothing staged, no load begins
                    writer.tables_are_new = bool(load.begin(connection, [self._entity], from_staging=True))
                    self._finds_duplicates = not writer.tables_are_new and which is not StagedSelection.ALL
                    is_first = False
                self._write(connection, batch)
                self._progress.update(self._entity.name, "apply", self._report.processed, None)
        if writer.tables_are_new:
            self._report.changed += load.end(connection, [self._entity])[self._entity.name]
        elif which is StagedSelection.ALL:
            with connection.transaction():
                self._report.changed += writer.find_duplicates(None)

    def _batches(self, connection: Connection, which: StagedSelection) -> Iterator[list[Staged]]:
        """Stream staged versions and reconcile them; runs on a thread of its own, ahead of the writing."""
        name, statuses = which.value
        texts = sql.SQL(", ").join(map(sql.Literal, statuses))
        query = sql.SQL(statement(name)).format(staging=self._staging, statuses=texts)
        declare, fetch = cursor("staged", query, BATCH)
        try:
            *_, rows = together(connection, long_statements(), declare, fetch, ends=False)
            while rows:
                yield [self._reconcile(staged) for staged in (Staged(*row) for row in rows) if self._is_of_days(staged)]
                [rows] = together(connection, fetch) if len(rows) == BATCH else [[]]
        finally:
            if not connection.closed:
                connection.rollback()

    def _is_of_days(self, staged: Staged) -> bool:
        if self._days is None:
            return True
        body = staged.body if staged.body is not None else staged.last_body
        changed_at = parse_instant(body.get(self._entity.changed_at)) if isinstance(body, dict) else None
        return changed_at is not None and self._days[0] <= changed_at < self._days[1]

    def _reconcile(self, staged: Staged) -> Staged:
        body = staged.body if staged.body is not None else staged.last_body
        if body is None:
            return staged
        try:
            staged.rows = self._entity.reconcile(body)
        except Exception as error:
            if staged.body is None:
                return staged  # gone, and what it was cannot be read: only the tombstone counts
            staged.error = (f"{self._entity.name} {staged.external_id}: {error}", traceback.format_exc())
        return staged

    def _write(self, connection: Connection, batch: list[Staged]) -> None:
        """Write one batch in one transaction; one that the database refuses is split until the bad row is alone."""
        good = [staged for staged in batch if staged.error is None]
        try:
            changed = self._commit(connection, good, self._marks(batch))
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded) as error:
            self._writer.forget()
            if len(good) == 1:
                good[0].error = (f"{self._entity.name} {good[0].external_id}: {error}", traceback.format_exc())
                self._write(connection, batch)
                return
            middle = len(batch) // 2
            self._write(connection, batch[:middle])
            self._write(connection, batch[middle:])
            return
        self._report.changed += changed
        self._report.processed += len(good)
        self._report.errors += len(batch) - len(good)
        for staged in batch:
            if staged.error is not None:
                log.warning("record cannot be applied", record=staged.external_id, reason=staged.error[0])

    def _commit(self, connection: Connection, good: list[Staged], marks: list[Question]) -> int:
        """Write rows and marks together; gives how many rows were inserted or changed."""
        writer = self._writer
        if writer.tables_are_new:
            with connection.transaction():
                changed = writer.write(good)
                change(connection, *marks)
                return changed
        look_up(connection, writer.lookups(good))
        statements = writer.statements(good)
        if self._finds_duplicates:
            statements += writer.duplicate_statements(good)
        return sum(change(connection, *statements, *marks)[: len(statements)])

    def _marks(self, batch: list[Staged]) -> list[Question]:
        """The statements that say of each version whether it is in production, and why not."""
        found: list[Question] = []
        done = [staged.id for staged in batch if staged.error is None and not staged.is_marked]
        if done:
            query = sql.SQL(statement("pull/staging_mark_processed")).format(staging=self._staging)
            found.append((query, [",".join(done)]))
        bad = [(staged.id, *staged.error) for staged in batch if staged.error is not None]
        if bad:
            query = sql.SQL(statement("pull/staging_mark_error")).format(staging=self._staging)
            ids, messages, stacks = zip(*bad, strict=True)
            parameters = {
                "ids": list(ids), "messages": [_text(m) for m in messages], "stacks": [_text(s) for s in stacks],
            }  # fmt: skip
            found.append((query, parameters))
        return found

    def _retire_superseded(self, connection: Connection) -> bool:
        """Mark versions that a newer one superseded before they were applied; gives whether any was not applied."""
        waits = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE sync_status <> 'processed')").format(self._staging)
        query = sql.SQL(statement("pull/staging_mark_superseded")).format(staging=self._staging)
        _, [(has_pending,)], _ = together(connection, long_statements(), (waits, None), (query, None))
        return bool(has_pending)

    def _set_aside(self, connection: Connection, confirmed: Collection[str]) -> list[guard.Loss]:
        """Set aside what takes away more than people do, counted over the whole run and before its first batch."""
        found = guard.losses_of(connection, self._entity)
        # Within the run: parents that children bring along are applied after the others.
        doubted, self._report.removed = found.evaluate(self._report.removed, confirmed)
        if doubted:
            with connection.transaction():
                allow_long_statements(connection)
                guard.set_aside(connection, self._entity, doubted)
            self._report.errors += len({loss.external_id for loss in doubted})
        return doubted


def check_and_repair(
    url: str, entity: Entity, report: EntityReport, progress: Progress, *, run_id: str, verified: Verification | None
) -> None:
    """Compare production with staging; where they differ, apply every record once more and name the rows.

    Versions that could not be applied so far are tried again as well: the reconciler may know them by now.

    Args:
        url: Of the database, written to only where something differs.
        entity: Which.
        report: What was repaired and the comparison go there.
        progress: Receives the progress.
        run_id: Of this run.
        verified: What it has found right while it read; None: nothing.
    """
    found = report.comparison = _compare(url, entity, run_id, verified)
    repaired = EntityReport()
    if found.wrong or found.waiting:
        which = StagedSelection.ALL if found.wrong else StagedSelection.UNAPPLIED
        Applier(url, entity, repaired, progress).apply(which)
        report.errors = max(report.errors, repaired.errors)
        report.changed += repaired.changed
    if not found.wrong:
        with borrow(url) as connection, connection.transaction():
            report.changed += TableWriter(connection, entity).find_duplicates(None)
    if found.wrong or repaired.processed:
        report.comparison = _compare(url, entity, run_id, None if found.wrong else verified)
    if right := [key for key in found.wrong if key not in report.comparison.wrong]:
        names = ", ".join(f"{table} {external_id}" for table, external_id in right[:NAMED])
        more = ", …" if len(right) > NAMED else ""
        report.notes.append(
            gettext(
                "rows that differed from what Gazelle last sent, corrected: {rows} ({names})",
                rows=len(right),
                names=f"{names}{more}",
            )
        )


def _compare(url: str, entity: Entity, run_id: str, verified: Verification | None) -> Comparison:
    with borrow(url) as connection, connection.transaction():
        allow_long_statements(connection)
        if verified is None or verified.unverified is None:
            return compare(connection, entity)
        return compare_others(connection, entity, run_id, verified.unverified)


def _text(value: str) -> str:
    """Text that PostgreSQL can hold."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
