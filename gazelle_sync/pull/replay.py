"""Replay: production again from staging, without one call to the API.

The design empties production first (`TRUNCATE`) and reads ids and merged columns aside. We rebuild in place instead:
every newest staged version goes through its reconciler and the same upsert, which leaves equal rows alone, and rows
that no staged version speaks of are removed. The result is the same to the byte (a test compares), ids and merged
columns never leave their rows, readers never see an empty table, and a kill at any point leaves production whole.
"""

from __future__ import annotations

from datetime import datetime
from types import TracebackType

import structlog

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.log import get_logger
from gazelle_sync.pull.apply import Applier, Which
from gazelle_sync.pull.report import EntityReport, Progress
from gazelle_sync.pull.runlog import RunLog
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Reused
from gazelle_sync.warehouse.lock import WAIT_S, PullLock
from gazelle_sync.warehouse.migrate import migrate

log = get_logger("gazelle_sync.pull")


class Replay:
    """Context manager around one replay; it never moves a watermark.

    Args:
        settings: With `database_url` filled in.
        run_id: Of the Dagster run.
        days: Only records whose last change falls in `[from, to)`, aware instants; None: all.
        progress: Told how far it is.
        only_pending: Whether only what waits is applied (another try for records in error).
        lock_wait_s: How long to wait for a pull.

    Raises:
        AnotherPullRunning: A pull is at work.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        run_id: str,
        days: tuple[datetime, datetime] | None = None,
        progress: Progress | None = None,
        only_pending: bool = False,
        lock_wait_s: float = WAIT_S,
    ) -> None:
        if settings.database_url is None:
            raise ValueError("settings must name the database (see gazelle_sync.embedded)")
        self._database = Reused(settings.database_url)
        self._run_id = run_id
        self._days = days
        self._only_pending = only_pending
        self._progress = progress or Progress()
        self._lock = PullLock(self._database.url, wait_s=lock_wait_s)
        self.reports: dict[str, EntityReport] = {}

    def __enter__(self) -> Replay:
        structlog.contextvars.bind_contextvars(run_id=self._run_id)
        try:
            migrate(self._database.url)
            self._lock.__enter__()
            self._runlog = RunLog(self._database, self._run_id, "replay", task_type="replay")
        except BaseException:
            self._release()
            raise
        log.info("replay began")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._runlog.finish(self.reports, None, error)
            log.info("replay ended")
        finally:
            self._release()

    def apply(self, name: str) -> EntityReport:
        """Rebuild one entity's tables.

        Raises:
            DatabaseError: The database went away; what was rebuilt stays.
        """
        entity = next(e for e in ENTITIES if e.name == name)
        report = self.reports[name] = EntityReport(strategy="replay")
        applier = Applier(self._database, entity, report, self._progress, days=self._days)
        try:
            if self._only_pending:
                applier.apply(Which.PENDING)
            else:
                applier.apply(Which.ALL, remove_unstaged=self._days is None)
        except GazelleSyncError as error:
            report.failure = str(error)
            raise
        return report

    def _release(self) -> None:
        self._database.close()
        self._lock.__exit__(None, None, None)
        structlog.contextvars.unbind_contextvars("run_id")
