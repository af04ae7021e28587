"""One pull, from the lock to the log: used by the Dagster assets, the command line and the tests.

The entities are read side by side on threads of their own, within the shared budget of requests; they are applied one
after the other, parents first. An entity that fails keeps its own watermark, the others move on.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from types import TracebackType

import structlog

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import (
    GazelleSyncError,
)
from gazelle_sync.gazelle.client import client_for
from gazelle_sync.gazelle.page_sizes import SETTING as PAGE_SIZES_SETTING
from gazelle_sync.gazelle.page_sizes import PageSizes
from gazelle_sync.pull import load
from gazelle_sync.pull.conclude import ENTITY, Conclusion
from gazelle_sync.pull.context import FULL, Mode, Run
from gazelle_sync.pull.entity_threads import EntityThreads
from gazelle_sync.pull.features import SETTING as FEATURES_SETTING
from gazelle_sync.pull.features import Features, features_of
from gazelle_sync.pull.held import read_snapshots
from gazelle_sync.pull.imported_records import HAS_IMPORTED, replace_imported
from gazelle_sync.pull.reading_order import ReadingOrder, newest_readings
from gazelle_sync.pull.report import EntityReport, Progress
from gazelle_sync.pull.runlog import RunLog
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.loads import SETTING as LOADS_SETTING
from gazelle_sync.warehouse.lock import WAIT_S, PullLock
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.pool import Connections, together
from gazelle_sync.warehouse.settings_table import ALL_SETTINGS, watermarks_in, write_setting
from gazelle_sync.warehouse.source import SOURCE_SETTING, refuse_mixing, source_of

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
        progress: Receives the progress.
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
        self._connections = Connections(settings.database_url)
        self._mode = mode
        self._window = window
        self.entities = [entity for entity in ENTITIES if entities is None or entity.name in entities]
        self._applies = {e.name for e in self.entities if applies is None or e.name in applies}
        self.run_id = run_id or str(uuid.uuid4())
        self._allow_deletes = allow_deletes
        self.progress = progress or Progress()
        self._lock = PullLock(settings.database_url, wait_s=lock_wait_s)
        self.reports: dict[str, EntityReport] = {entity.name: EntityReport() for entity in self.entities}
        self.client = client_for(settings)

    def __enter__(self) -> Pull:
        structlog.contextvars.bind_contextvars(run_id=self.run_id)
        with ExitStack() as undo:  # also where a signal strikes: no row may say `running` of a run that has ended
            undo.callback(self._release)
            migrate(self._connections.url)
            self._lock.__enter__()
            self._runlog = RunLog(self._connections.url, self.run_id, self._mode.value)
            undo.push(self._note_failure)
            self._run = self._prepared()
            self._threads = EntityThreads(self._run, self.entities)
            undo.callback(self._threads.end)
            undo.callback(self.client.stop)
            self._conclusion = Conclusion(self._run, self._threads, self._lock)
            self._threads.begin()
            log.info("pull began", mode=self._mode.value, entities=[e.name for e in self.entities])
            undo.pop_all()
        return self

    def _note_failure(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._runlog.finish({}, self.client, error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End: wait for the readers, prune after a full run, write the log row, give the lock back."""
        try:
            if error is not None:
                self.client.stop()
            self._threads.end()
            if error is None:
                self._conclusion.finish_others()
            is_full = self._mode in FULL
            is_due = is_full or any(report.changed for report in self.reports.values())
            if error is None and is_due and self._has_imported:
                self._replace_imported()
            if is_full and error is None:
                self._conclusion.prune()
            stored = self._run.order.to_store(), self._run.page_sizes.to_store()
            self._runlog.finish(self.reports, self.client, error, *stored)
            log.info("pull ended", requests=self.client.requests, failures=self.failures())
        finally:
            self._release()

    def _replace_imported(self) -> None:
        """Replace imported records that Gazelle has by now; where that fails, the next full run does it."""
        try:
            with self._connections.use() as connection:
                replace_imported(connection)
        except GazelleSyncError as error:
            log.warning("imported records could not be replaced", reason=str(error))

    def _prepared(self) -> Run:
        with self._connections.use() as connection:
            stored, [(begins_at,)], [(self._has_imported,)] = together(
                connection, ALL_SETTINGS, (statement("pull/latest_reading"), None), HAS_IMPORTED
            )
            settings: dict[str, str] = dict(stored)
            self._refuse_mixing(connection, settings.get(SOURCE_SETTING))
            newest = newest_readings(connection) if self._runlog.ended_orphaned_run else []
            features = self._ask_features(connection, settings.get(FEATURES_SETTING))
            load.end_abandoned(connection, settings.get(LOADS_SETTING))
            # A full run puts staging right before it looks at what is held.
            is_full = self._mode in FULL
            snapshots = read_snapshots(connection, ENTITIES, with_held=not is_full)
            empty = [e for e in self.entities if e.name in self._applies and snapshots[e.name].is_empty]
            return Run(
                run_id=self.run_id,
                mode=self._mode,
                settings=self._settings,
                client=self.client,
                connections=self._connections,
                progress=self.progress,
                reports=self.reports,
                applies=self._applies,
                window=self._window,
                allow_deletes=self._allow_deletes,
                watermarks=watermarks_in(settings),
                order=ReadingOrder(max([begins_at.astimezone(UTC), *newest])),
                features=features,
                page_sizes=PageSizes(self.client.url, self._settings.page_size, settings.get(PAGE_SIZES_SETTING)),
                snapshots=snapshots,
                waiting={name for name, snapshot in snapshots.items() if snapshot.waits},
                loading=load.begin(connection, empty),
            )

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
        return self._conclusion.watermark

    def unapplied(self, expected: Iterable[str]) -> list[str]:
        """Entities that should have been applied, were not, and did not fail: the run was stopped."""
        return [name for name in expected if name not in self._conclusion.concluded and name not in self.failures()]

    def failures(self) -> dict[str, str]:
        """Entity → why it failed."""
        return self._run.failures()

    def stage(self, name: str) -> EntityReport:
        """Wait until an entity is staged.

        Raises:
            GazelleSyncError: It could not be; what was staged before stays and will be applied by the next run.
        """
        self._threads.result(name)
        return self.reports[name]

    def apply(self, name: str) -> EntityReport:
        """Apply what is staged of an entity. The last of those that the run applies moves the watermarks of all.

        What waits of its parents is applied before it, those that its records brought along included.

        Raises:
            EntityFailed: A guard stopped something; the rest is in.
            DatabaseError: The database went away.
        """
        if name in self._threads:
            self._threads.result(name)
        for loading in list(self._run.loading):  # their loads end together
            self._threads.wait(loading)
        report = self._run.report(name)
        begun = time.perf_counter()
        try:
            self._conclusion.conclude(ENTITY[name], report)
        except GazelleSyncError as error:
            if report.failure is None:
                report.fail(error)
            raise
        finally:
            report.seconds_apply += time.perf_counter() - begun
        if report.failure is not None:
            raise report.as_failure()
        return report

    def _release(self) -> None:
        self.client.close()
        self._lock.__exit__(None, None, None)
        structlog.contextvars.unbind_contextvars("run_id")
