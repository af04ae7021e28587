"""One pull, from the lock to the log: used by the Dagster assets, the command line and the tests.

The entities are read side by side on threads of their own, within the shared budget of requests; they are applied one
after the other, parents first. An entity that fails keeps its own watermark, the others move on.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import partial
from types import TracebackType

import structlog
from psycopg import sql

from gazelle_sync.entities import ENTITIES, Entity, Strategy
from gazelle_sync.errors import (
    GazelleSyncError,
    MassDeletion,
    MassEmptying,
    OperationFailed,
)
from gazelle_sync.gazelle.client import client_for
from gazelle_sync.gazelle.page_sizes import NESTED_SIZES, PageSizes
from gazelle_sync.gazelle.page_sizes import SETTING as PAGE_SIZES_SETTING
from gazelle_sync.i18n import gettext
from gazelle_sync.pull import guard, load
from gazelle_sync.pull.apply import Applier, StagedSelection, check_and_repair
from gazelle_sync.pull.context import EntityPull, Mode, Owners
from gazelle_sync.pull.features import SETTING as FEATURES_SETTING
from gazelle_sync.pull.features import Features, features_of, forget_features
from gazelle_sync.pull.held import Snapshot, read_snapshots
from gazelle_sync.pull.parents import bring_parents
from gazelle_sync.pull.read import Reader
from gazelle_sync.pull.reading_order import ReadingOrder, newest_readings
from gazelle_sync.pull.recheck import read_losses_again
from gazelle_sync.pull.refusals import Refusals
from gazelle_sync.pull.report import EntityReport, Progress
from gazelle_sync.pull.runlog import RunLog, note_unreadable
from gazelle_sync.pull.scan import scan
from gazelle_sync.pull.stage import Staging
from gazelle_sync.pull.timeline import scan_timeline
from gazelle_sync.pull.write import PageWriter
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, ReusedConnection, statement
from gazelle_sync.warehouse.limits import allow_long_statements
from gazelle_sync.warehouse.loads import SETTING as LOADS_SETTING
from gazelle_sync.warehouse.lock import WAIT_S, PullLock
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.pool import Connections, together
from gazelle_sync.warehouse.settings_table import ALL_SETTINGS, move_watermark, watermarks_in, write_setting
from gazelle_sync.warehouse.source import SOURCE_SETTING, refuse_mixing, source_of

ENTITY = {entity.name: entity for entity in ENTITIES}
ALL_NAMES = tuple(ENTITY)
PARENTS = {parent for entity in ENTITIES for parent in entity.parents.values()}

log = get_logger("gazelle_sync.pull")


class Pull:
    """Context manager around one pull.

    Args:
        settings: With `api_url` and `database_url` filled in.
        mode: How much is read.
        entities: Which are staged; None: all.
        applies: Which of them are also applied, page by page; None: all. Any can be applied besides.
        window: For a backfill, the instants between which the records to read again last changed.
        run_id: Of the Dagster run.
        allow_deletes: Whether the guards let mass deletion and mass emptying through.
        progress: Told how far it is.
        lock_wait_s: How long to wait for another pull.

    Raises:
        AnotherPullRunning: The lock was not free in time.
        SettingsError: No credentials.
        ApiError: Gazelle cannot be asked at all.
        DatabaseError: The database cannot be reached.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        mode: Mode = Mode.TICK,
        entities: Sequence[str] | None = None,
        applies: Iterable[str] | None = None,
        window: tuple[datetime, datetime] | None = None,
        run_id: str | None = None,
        allow_deletes: bool = False,
        progress: Progress | None = None,
        lock_wait_s: float = WAIT_S,
    ) -> None:
        if settings.database_url is None or settings.api_url is None:
            raise ValueError("settings must name the database and the API (see gazelle_sync.runtime.embedded)")
        self._settings = settings
        self._url = settings.database_url
        self._database = ReusedConnection(self._url)
        self._connections = Connections(self._url)
        self._mode = mode
        self._window = window
        self.entities = [entity for entity in ENTITIES if entities is None or entity.name in entities]
        self._applies = {e.name for e in self.entities if applies is None or e.name in applies}
        self.run_id = run_id or str(uuid.uuid4())
        self._allow_deletes = allow_deletes
        self.progress = progress or Progress()
        self._lock = PullLock(self._url, wait_s=lock_wait_s)
        self.reports: dict[str, EntityReport] = {entity.name: EntityReport() for entity in self.entities}
        self._staged: dict[str, Future[None]] = {}
        self._parents_lock = threading.Lock()
        self._confirmed: dict[str, set[str]] = {}
        self._kept: dict[str, frozenset[str]] = {}
        self._refusals = {entity.name: Refusals() for entity in ENTITIES}
        self._applied: set[str] = set()
        self._unmoved: set[str] = set()  # applied, their watermarks not moved yet
        self._loading: set[str] = set()
        self._waiting: set[str] = set()  # something of theirs was pending, or in error, when the run began
        self._stagings: dict[str, list[Staging]] = {entity.name: [] for entity in ENTITIES}
        self.client = client_for(settings)

    def __enter__(self) -> Pull:
        structlog.contextvars.bind_contextvars(run_id=self.run_id)
        try:
            migrate(self._url)
            self._lock.__enter__()
            self._runlog = RunLog(self._url, self.run_id, self._mode.value)
            try:
                self._prepare()
            except GazelleSyncError as error:
                self._runlog.finish({}, self.client, error)
                raise
            self._pool = ThreadPoolExecutor(max_workers=len(ENTITIES), thread_name_prefix="stage")
            for entity in self.entities:
                self._staged[entity.name] = self._pool.submit(self._stage, entity)
        except BaseException:
            self._release()
            raise
        log.info("pull began", mode=self._mode.value, entities=[e.name for e in self.entities])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End: wait for the readers, prune after a full run, write the log row, give the lock back."""
        try:
            if error is not None:
                self.client.stop()
            self._pool.shutdown(wait=True, cancel_futures=True)
            if error is None:
                self._finish_others()
            if self._mode in (Mode.NIGHTLY, Mode.DEEP) and error is None:
                self._prune()
            self._runlog.finish(self.reports, self.client, error, self._order.to_store(), self._page_sizes.to_store())
            log.info("pull ended", requests=self.client.requests, failures=self.failures())
        finally:
            self._release()

    def _prepare(self) -> None:
        with self._connections.use() as connection:
            stored, [(begins_at,)] = together(connection, ALL_SETTINGS, (statement("pull/latest_reading"), None))
            settings: dict[str, str] = dict(stored)
            self._refuse_mixing(connection, settings.get(SOURCE_SETTING))
            self._watermarks = watermarks_in(settings)
            newest = newest_readings(connection) if self._runlog.ended_orphaned_run else []
            self._order = ReadingOrder(max([begins_at.astimezone(UTC), *newest]))
            self._features = self._ask_features(connection, settings.get(FEATURES_SETTING))
            self._page_sizes = PageSizes(self.client.url, self._settings.page_size, settings.get(PAGE_SIZES_SETTING))
            load.end_abandoned(connection, settings.get(LOADS_SETTING))
            # A full run puts staging right before it looks at what is held.
            self._snapshots = read_snapshots(
                connection, ENTITIES, with_held=self._mode not in (Mode.NIGHTLY, Mode.DEEP)
            )
            self._waiting = {name for name, snapshot in self._snapshots.items() if snapshot.waits}
            empty = [e for e in self.entities if e.name in self._applies and self._snapshots[e.name].is_empty]
            self._loading = load.begin(connection, empty)

    def _refuse_mixing(self, connection: Connection, source: str | None) -> None:
        """A real account's database must not take the sandbox's invented clients because a variable got lost."""
        if not self.entities:
            return
        refuse_mixing(source, str(self._settings.api_url))
        if source is None:
            write_setting(connection, SOURCE_SETTING, source_of(str(self._settings.api_url)))

    def _ask_features(self, connection: Connection, stored: str | None) -> Features:
        if not self.entities:
            return Features()
        sorts = {e.name: e.sort_enum for e in ENTITIES if e.sort_enum and e.stamp_operation}
        return features_of(self.client, connection, stored, sorts)

    @property
    def watermark(self) -> datetime:
        """Start of this pull by the API's clock."""
        return self.client.started_at or datetime.now(UTC)

    def unapplied(self, expected: Iterable[str]) -> list[str]:
        """Entities that should have been applied, were not, and did not fail: the run was stopped."""
        return [name for name in expected if name not in self._applied and name not in self.failures()]

    def failures(self) -> dict[str, str]:
        """Entity → why it failed."""
        return {name: report.failure for name, report in list(self.reports.items()) if report.failure}

    def stage(self, name: str) -> EntityReport:
        """Wait until an entity is staged.

        Raises:
            GazelleSyncError: It could not be; what was staged before stays and will be applied by the next run.
        """
        self._staged[name].result()
        return self.reports[name]

    def apply(self, name: str) -> EntityReport:
        """Apply what is staged of an entity, and move its watermark with its last rows.

        What waits of its parents is applied before it, those that its records brought along included.

        Raises:
            EntityFailed: A guard stopped something; the rest is in.
            DatabaseError: The database went away.
        """
        if name in self._staged:
            self._staged[name].result()
        entity = ENTITY[name]
        report = self.reports.setdefault(name, EntityReport())
        begun = time.perf_counter()
        try:
            for parent in entity.ancestors:
                self._apply_waiting(parent, self.reports.get(parent.name, EntityReport()))
            self._apply_pending(entity, report)
            if self._mode is Mode.BACKFILL:
                Applier(self._database, entity, report, self.progress, days=self._window).apply(StagedSelection.ALL)
            elif self._mode is not Mode.TICK and name in self._watermarks:
                is_deep = self._mode is Mode.DEEP
                check_and_repair(self._database, entity, report, self.progress, are_hashed=is_deep)
            if name in self._staged and self._mode is not Mode.BACKFILL and report.failure is None:
                self._unmoved.add(name)
            if self._applied.union(self.failures(), [name]).issuperset(self._applies):
                self._move_watermarks()
        except GazelleSyncError as error:
            if report.failure is None:
                report.fail(error)
            raise
        finally:
            report.seconds_apply += time.perf_counter() - begun
        self._applied.add(name)
        if report.failure is not None:
            raise report.as_failure()
        return report

    def _apply_waiting(self, parent: Entity, report: EntityReport) -> None:
        """Apply what waits of a parent entity; its own trouble is its own affair."""
        if parent.name in self._staged:
            wait([self._staged[parent.name]])
        try:
            self._apply_pending(parent, report)
        except MassEmptying as error:
            report.fail(error)
        if report.processed or report.failure:
            self.reports[parent.name] = report

    def _apply_pending(self, entity: Entity, report: EntityReport) -> None:
        """Apply what no page could write; nothing is asked where nothing was left."""
        self._end_load(entity.name)
        left = [staging for staging in self._stagings[entity.name] if staging.has_pending]
        if not left and entity.name not in self._waiting:
            return
        for staging in left:
            staging.has_pending = False
        self._waiting.discard(entity.name)
        Applier(self._database, entity, report, self.progress).apply(
            StagedSelection.PENDING,
            allow_emptying=self._allow_deletes,
            confirmed=self._confirmed.get(entity.name, ()),
        )

    def _end_load(self, name: str) -> None:
        if name in self._loading:
            with self._connections.use() as connection:
                self.reports[name].changed += load.end(connection, ENTITY[name])
            self._loading.discard(name)

    def _move_watermarks(self) -> None:
        """Move the watermarks of what is in, all at once.

        Raises:
            DatabaseError: The lock was lost, or the database went away. What is in stays, and is read again.
        """
        names, self._unmoved = sorted(self._unmoved), set()
        if names:
            with self._connections.use() as connection:
                move_watermark(connection, names, self.watermark, ALL_NAMES, self._lock)

    def _finish_others(self) -> None:
        """Do for the others what the entities that failed did not come to; what cannot be done the next run does."""
        try:
            for name in [entity.name for entity in ENTITIES if entity.name in self._loading]:
                self._end_load(name)
            self._move_watermarks()
        except GazelleSyncError as error:
            log.warning("the run could not be concluded", reason=str(error))

    def _stage(self, entity: Entity) -> None:
        """Stage 1 of one entity, on its own thread and connections."""
        structlog.contextvars.bind_contextvars(run_id=self.run_id, entity=entity.name)
        report = self.reports[entity.name]
        begun = time.perf_counter()
        try:
            snapshot = self._snapshots[entity.name]
            pull = self._entity_pull(entity, report, writes=entity.name in self._applies, snapshot=snapshot)
            self._repair_staging(pull)
            if entity.name in self._waiting:
                pull.staging.note_parents_of_pending()
            try:
                if entity.strategy is Strategy.WINDOWED:
                    scan_timeline(pull, self._connections)
                else:
                    scan(pull)
            except MassDeletion as error:
                report.fail(error)
                self._kept[entity.name] = error.absent
            if not self._allow_deletes and (pull.staging.has_pending or entity.name in self._waiting):
                with self._connections.use() as connection:
                    found = guard.losses_of(connection, entity)
                self._confirmed[entity.name] = read_losses_again(pull, found, self._connections)
            if entity.name in PARENTS:
                bring_parents(pull, pull.staging.unanswered())
            if pull.reader.was_refused:
                self._page_sizes.note(entity.name, pull.reader.page_size, pull.reader.nested.size)
            pull.failed.update(pull.reader.invalid)
            self._note_failed(pull, pull.failed, is_whole=self._mode is not Mode.BACKFILL)
            self._bring_parents(pull)
        except GazelleSyncError as error:
            report.fail(error)
            log.info("entity failed", reason=str(error))
            if isinstance(error, OperationFailed):
                forget_features(self._url)  # perhaps the schema is not what it was
            raise
        except Exception as error:
            report.fail(error)
            raise
        finally:
            report.seconds_stage = time.perf_counter() - begun
            structlog.contextvars.clear_contextvars()

    def _note_failed(self, pull: EntityPull, failed: Mapping[str, str], *, is_whole: bool) -> None:
        """Say which records were not read as they are, and let the next run read them again."""
        pull.report.errors += len(failed)
        pull.report.notes += [f"{external_id}: {why}" for external_id, why in list(failed.items())[:20]]
        pull.staging.mark_unsettled(list(failed))
        if not failed and not self._snapshots[pull.entity.name].has_unreadable:
            return
        with self._connections.use() as connection:
            note_unreadable(connection, pull.entity.name, failed, run_id=self.run_id, is_whole=is_whole)

    def _repair_staging(self, pull: EntityPull) -> None:
        """A full run puts right what somebody did to staged versions."""
        if self._mode in (Mode.NIGHTLY, Mode.DEEP):
            pull.staging.fix_future_dates()
        if self._mode is Mode.DEEP and (damaged := pull.staging.rehash_changed()):
            pull.report.notes.append(
                gettext("staged bodies that had been changed here, read again: {damaged}", damaged=damaged)
            )

    def _entity_pull(
        self, entity: Entity, report: EntityReport, *, writes: bool, snapshot: Snapshot | None = None
    ) -> EntityPull:
        production = PageWriter(entity, loads=entity.name in self._loading) if writes else None
        staging = Staging(self._connections, entity, self.run_id, self._order, report, production, snapshot)
        self._stagings[entity.name].append(staging)
        return EntityPull(
            entity=entity,
            mode=self._mode,
            settings=self._settings,
            client=self.client,
            reader=Reader(
                self.client,
                entity,
                self._page_sizes.of(entity.name),
                self._page_sizes.nested_of(entity.name) or NESTED_SIZES[0],
                self._refusals[entity.name],
            ),
            staging=staging,
            report=report,
            progress=self.progress,
            watermark=self._watermarks.get(entity.name),
            features=self._features,
            window=self._window,
            allow_deletes=self._allow_deletes,
            owners=partial(self._owners, entity),
        )

    def _bring_parents(self, pull: EntityPull) -> None:
        """Stage the unknown records that fresh bodies name, and those that these name in turn."""
        for parent in ENTITIES:
            if not pull.staging.parents_named.get(parent.name, set()) - self._snapshots[parent.name].ids:
                continue
            if parent.name in self._staged and parent is not pull.entity:
                wait([self._staged[parent.name]])
            with self._parents_lock:  # the next that brings parents has to see those of the one before
                report = self.reports.setdefault(parent.name, EntityReport())
                parent_pull = self._entity_pull(parent, report, writes=False)
                pull.report.notes += bring_parents(parent_pull, pull.staging.parents_named[parent.name])
                if parent_pull.reader.invalid:
                    self._note_failed(parent_pull, parent_pull.reader.invalid, is_whole=False)
            self._bring_parents(parent_pull)

    def _owners(self, entity: Entity) -> Owners:
        if entity.goes_with is None:
            return Owners()
        path, owner = entity.goes_with
        if owner.name in self._staged:
            wait([self._staged[owner.name]])
        query = sql.SQL(statement("pull/staging_deleted")).format(staging=sql.Identifier(owner.staging_table))
        with self._connections.use() as connection, connection.transaction():
            allow_long_statements(connection)
            deleted = frozenset(external_id for (external_id,) in connection.execute(query))
        return Owners(path, deleted, self._kept.get(owner.name, frozenset()))

    def _prune(self) -> None:
        for entity in self.entities:
            with self._database.use() as connection:
                allow_long_statements(connection)
                query = sql.SQL(statement("pull/staging_prune")).format(staging=sql.Identifier(entity.staging_table))
                connection.execute(query, {"days": self._settings.retention_days})

    def _release(self) -> None:
        self.client.close()
        self._database.close()
        self._lock.__exit__(None, None, None)
        structlog.contextvars.unbind_contextvars("run_id")
