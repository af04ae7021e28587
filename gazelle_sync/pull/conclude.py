"""What is done when an entity's pages are in: loads end, what waited is applied, its watermark moves.

The entities are concluded one after the other, parents first; the loads of all end with the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from psycopg import sql

from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.errors import DatabaseError, GazelleSyncError, MassEmptying
from gazelle_sync.pull import load
from gazelle_sync.pull.apply import Applier, StagedSelection, check_and_repair
from gazelle_sync.pull.context import Mode, Run
from gazelle_sync.pull.entity_threads import EntityThreads
from gazelle_sync.pull.parents import ancestors_of
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.limits import allow_long_statements
from gazelle_sync.warehouse.lock import PullLock
from gazelle_sync.warehouse.settings_table import move_watermark

ENTITY = {entity.name: entity for entity in ENTITIES}
ALL_NAMES = tuple(ENTITY)

log = get_logger("gazelle_sync.pull")


class Conclusion:
    """The end of the entities of one run.

    Args:
        run: The run.
        threads: Those that read its entities.
        lock: The pull's.
    """

    def __init__(self, run: Run, threads: EntityThreads, lock: PullLock) -> None:
        self._run = run
        self._threads = threads
        self._lock = lock
        self.concluded: set[str] = set()
        self._unmoved: set[str] = set()  # concluded, their watermarks not moved yet
        self._ends_together = True

    @property
    def watermark(self) -> datetime:
        """Start of this pull by the API's clock."""
        return self._run.client.started_at or datetime.now(UTC)

    def conclude(self, entity: Entity, report: EntityReport) -> None:
        """Bring an entity to its end, and all watermarks forward with the last of those that the run applies.

        Raises:
            MassEmptying: A guard stopped something; the rest is in.
            DatabaseError: The database went away.
        """
        run, name = self._run, entity.name
        for parent in ancestors_of(entity):
            self._apply_waiting(parent, run.reports.get(parent.name, EntityReport()))
        self._apply_pending(entity, report)
        if run.mode is Mode.BACKFILL:
            Applier(run.connections.url, entity, report, run.progress, days=run.window).apply(StagedSelection.ALL)
        elif run.mode is not Mode.TICK and name in run.watermarks:
            verified = run.verifications.get(name)
            check_and_repair(run.connections.url, entity, report, run.progress, run_id=run.run_id, verified=verified)
        if name in self._threads and run.mode is not Mode.BACKFILL and report.failure is None:
            self._unmoved.add(name)
        if self.concluded.union(run.failures(), [name]).issuperset(run.applies):
            self._move_watermarks()
        self.concluded.add(name)

    def _apply_waiting(self, parent: Entity, report: EntityReport) -> None:
        """Apply what waits of a parent entity; its failure does not fail the entity that needs it."""
        self._threads.wait(parent.name)
        try:
            self._apply_pending(parent, report)
        except MassEmptying as error:
            report.fail(error)
        if report.processed or report.failure:
            self._run.reports[parent.name] = report

    def _apply_pending(self, entity: Entity, report: EntityReport) -> None:
        """Apply what no page could write; nothing is asked where nothing was left."""
        self._end_loads(entity)
        if entity.name not in self._run.waiting:
            return
        self._run.waiting.discard(entity.name)
        Applier(self._run.connections.url, entity, report, self._run.progress).apply(
            StagedSelection.PENDING,
            allow_emptying=self._run.allow_deletes,
            confirmed=self._run.confirmed.get(entity.name, ()),
        )

    def _end_loads(self, entity: Entity) -> None:
        """End the loads of the run; where that cannot be, as somebody holds a table, those of each entity by itself.

        The caller has waited until all entities that load are read.
        """
        loading = [ENTITY[name] for name in ALL_NAMES if name in self._run.loading]
        if entity not in loading:
            return
        if self._ends_together:
            try:
                self._end(loading)
            except DatabaseError as error:
                log.warning("loads end one by one", reason=str(error))
                self._ends_together = False
        if entity.name in self._run.loading:
            self._end([entity])

    def _end(self, entities: Sequence[Entity]) -> None:
        with self._run.connections.use() as connection:
            for name, rows in load.end(connection, entities).items():
                self._run.reports[name].changed += rows
                self._run.loading.discard(name)

    def _move_watermarks(self) -> None:
        """Move the watermarks of what is in, all at once.

        Raises:
            DatabaseError: The lock was lost, or the database went away. What is in stays, and is read again.
        """
        names, self._unmoved = sorted(self._unmoved), set()
        if names:
            with self._run.connections.use() as connection:
                of_partial = [name for name in names if self._run.report(name).partial]
                move_watermark(connection, names, self.watermark, ALL_NAMES, self._lock, of_partial)

    def finish_others(self) -> None:
        """Do for the others what the entities that failed did not come to; what cannot be done the next run does."""
        steps: list[Callable[[], None]] = [self._move_watermarks]
        steps += [partial(self._end_loads, ENTITY[name]) for name in ALL_NAMES if name in self._run.loading]
        for finish in steps:
            try:
                finish()
            except GazelleSyncError as error:
                log.warning("the run could not be concluded", reason=str(error))

    def prune(self) -> None:
        """Delete superseded versions that are older than staging keeps them."""
        for entity in self._threads.entities:
            with self._run.connections.use() as connection, connection.transaction():
                allow_long_statements(connection)
                query = sql.SQL(statement("pull/staging_prune")).format(staging=sql.Identifier(entity.staging_table))
                connection.execute(query, {"days": self._run.settings.retention_days})
