"""Stage 1 of one pull: its entities are read side by side, each on a thread of its own.

For each, top to bottom: find what changed and fetch it (`scan`, `timeline`), which stages its pages and writes their
rows (`stage`); read again what would take something away; bring the parents that are not held yet.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

import structlog
from psycopg import sql

from gazelle_sync.entities import ENTITIES, Entity, Strategy
from gazelle_sync.errors import GazelleSyncError, MassDeletion, OperationFailed
from gazelle_sync.gazelle.page_sizes import NESTED_SIZES
from gazelle_sync.i18n import gettext
from gazelle_sync.pull import guard
from gazelle_sync.pull.context import FULL, EntityPull, Mode, Owners, Run
from gazelle_sync.pull.features import forget_features
from gazelle_sync.pull.held import Snapshot
from gazelle_sync.pull.parents import bring_parents, unknown_among
from gazelle_sync.pull.read import Reader
from gazelle_sync.pull.recheck import read_losses_again
from gazelle_sync.pull.refusals import Refusals
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.pull.runlog import note_unreadable
from gazelle_sync.pull.scan import scan
from gazelle_sync.pull.stage import Staging
from gazelle_sync.pull.timeline import scan_timeline
from gazelle_sync.pull.write import FAR_S, PageWriter
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.limits import allow_long_statements

WRITERS_FAR = 4
"""So many pages of a first load are on their way to a far database at once: two would wait for it most of the time."""
PARENTS = {parent for entity in ENTITIES for parent in entity.parents.values()}

log = get_logger("gazelle_sync.pull")


class EntityThreads:
    """The threads that read the entities of one run.

    Args:
        run: The run.
        entities: Which are read.
    """

    def __init__(self, run: Run, entities: Sequence[Entity]) -> None:
        self._run = run
        self._parents_lock = threading.Lock()
        self._kept: dict[str, frozenset[str]] = {}
        self._refusals = {entity.name: Refusals() for entity in ENTITIES}
        self._pool = ThreadPoolExecutor(max_workers=len(ENTITIES), thread_name_prefix="stage")
        self.entities = entities
        self._staged: dict[str, Future[None]] = {}
        self._is_far = False

    def begin(self) -> None:
        """Begin them all."""
        connections = self._run.connections
        self._is_far = bool(self._run.loading) and connections.round_trip_s() > FAR_S
        if self._is_far:
            connections.allow(WRITERS_FAR)
        for entity in self.entities:
            self._staged[entity.name] = self._pool.submit(self._stage, entity)

    def __contains__(self, name: str) -> bool:
        """Whether an entity is read."""
        return name in self._staged

    def wait(self, name: str) -> None:
        """Wait until an entity is read, if it is one of these, whatever became of it."""
        if name in self._staged:
            wait([self._staged[name]])

    def result(self, name: str) -> None:
        """Wait until an entity is read.

        Raises:
            GazelleSyncError: It could not be; what was staged before stays and will be applied by the next run.
        """
        self._staged[name].result()

    def end(self) -> None:
        """Wait for all; those that have not begun never do."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _stage(self, entity: Entity) -> None:
        """Stage 1 of one entity, on its own thread."""
        structlog.contextvars.bind_contextvars(run_id=self._run.run_id, entity=entity.name)
        report = self._run.report(entity.name)
        begun = time.perf_counter()
        try:
            snapshot = self._run.snapshots[entity.name]
            pull = self._entity_pull(entity, report, writes=entity.name in self._run.applies, snapshot=snapshot)
            if self._run.mode in FULL:
                pull.staging.fix_future_dates()
            if entity.name in self._run.waiting:
                pull.staging.note_parents_of_pending()
            self._find(pull)
            if not self._run.allow_deletes and entity.name in self._run.waiting:
                with self._run.connections.use() as connection:
                    found = guard.losses_of(connection, entity)
                self._run.confirmed[entity.name] = read_losses_again(pull, found, self._run.connections)
            if entity.name in PARENTS:
                bring_parents(pull, pull.staging.unanswered())
            if pull.reader.was_refused:
                self._run.page_sizes.note(entity.name, pull.reader.page_size, pull.reader.nested.size)
            pull.failed.update(pull.reader.invalid)
            self._note_failed(pull, pull.failed, is_whole=self._run.mode is not Mode.BACKFILL)
            self._bring_parents(pull)
        except GazelleSyncError as error:
            report.fail(error)
            log.info("entity failed", reason=str(error))
            if isinstance(error, OperationFailed):
                forget_features(self._run.connections.url)  # perhaps the schema is not what it was
            raise
        except Exception as error:
            report.fail(error)
            raise
        finally:
            report.seconds_stage = time.perf_counter() - begun
            structlog.contextvars.clear_contextvars()

    def _find(self, pull: EntityPull) -> None:
        """Find what changed and stage it, and note what a full run finds of the rest."""
        try:
            if pull.entity.strategy is Strategy.WINDOWED:
                scan_timeline(pull, self._run.connections)
            else:
                scan(pull)
        except MassDeletion as error:
            pull.report.fail(error)
            self._kept[pull.entity.name] = error.absent
        if (found := pull.staging.verification) is not None:
            self._run.verifications[pull.entity.name] = found
            if found.damaged:
                pull.report.notes.append(
                    gettext("staged bodies that had been changed here, read again: {damaged}", damaged=found.damaged)
                )

    def _entity_pull(
        self, entity: Entity, report: EntityReport, *, writes: bool, snapshot: Snapshot | None = None
    ) -> EntityPull:
        run = self._run
        production = PageWriter(entity, loads=entity.name in run.loading, is_far=self._is_far) if writes else None
        staging = Staging(run.connections, entity, run.run_id, run.order, report, production, snapshot, run.waiting)
        return EntityPull(
            entity=entity,
            mode=run.mode,
            settings=run.settings,
            client=run.client,
            reader=Reader(
                run.client,
                entity,
                run.page_sizes.of(entity.name),
                run.page_sizes.nested_of(entity.name) or NESTED_SIZES[0],
                self._refusals[entity.name],
            ),
            staging=staging,
            report=report,
            progress=run.progress,
            watermark=run.watermarks.get(entity.name),
            features=run.features,
            window=run.window,
            allow_deletes=run.allow_deletes,
            owners=partial(self._owners, entity),
        )

    def _bring_parents(self, pull: EntityPull) -> None:
        """Stage the unknown records that fresh bodies name, and those that these name in turn."""
        snapshots, named = self._run.snapshots, pull.staging.parents_named
        parents = [e for e in ENTITIES if named.get(e.name, set()) - snapshots[e.name].ids]
        for parent in parents:
            if parent is not pull.entity:
                self.wait(parent.name)
        if not parents:
            return
        brought = []
        with self._parents_lock:  # the next that brings parents has to see those of the one before
            for parent, ids in unknown_among(self._run.connections, [(e, named[e.name]) for e in parents]):
                # Where tables are loaded nothing has to wait: the end of the load would take it for unknown.
                writes = parent.name in self._run.loading
                parent_pull = self._entity_pull(parent, self._run.report(parent.name), writes=writes)
                pull.report.notes += bring_parents(parent_pull, ids)
                if parent_pull.reader.invalid:
                    self._note_failed(parent_pull, parent_pull.reader.invalid, is_whole=False)
                brought.append(parent_pull)
        for parent_pull in brought:
            self._bring_parents(parent_pull)

    def _owners(self, entity: Entity) -> Owners:
        takers = {one.name: one for one in ENTITIES if one.takes_along}
        path = next((path for path, name in entity.parents.items() if name in takers), None)
        if path is None:
            return Owners()
        owner = takers[entity.parents[path]]
        self.wait(owner.name)
        query = sql.SQL(statement("pull/staging_deleted")).format(staging=sql.Identifier(owner.staging_table))
        with self._run.connections.use() as connection, connection.transaction():
            allow_long_statements(connection)
            deleted = frozenset(external_id for (external_id,) in connection.execute(query))
        column = next(name for name, table in entity.table.references.items() if table == owner.table.name)
        return Owners(path, column, deleted, self._kept.get(owner.name, frozenset()))

    def _note_failed(self, pull: EntityPull, failed: Mapping[str, str], *, is_whole: bool) -> None:
        """Say which records were not read as they are, and let the next run read them again."""
        pull.report.errors += len(failed)
        pull.report.notes += [f"{external_id}: {why}" for external_id, why in list(failed.items())[:20]]
        pull.staging.mark_unsettled(list(failed))
        if not failed and not self._run.snapshots[pull.entity.name].has_unreadable:
            return
        with self._run.connections.use() as connection:
            note_unreadable(connection, pull.entity.name, failed, run_id=self._run.run_id, is_whole=is_whole)
