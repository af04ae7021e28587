"""Replay: production again from staging, without one call to the API.

The design empties production first (`TRUNCATE`) and reads ids and merged columns aside. We rebuild in place instead:
every newest staged version goes through its reconciler and the same upsert, which leaves equal rows alone. The result
is the same to the byte (a test compares), ids and merged columns never leave their rows, readers never see an empty
table, and a kill at any point leaves production whole.

A living row of which staging holds no version is never removed: it is more likely that staging lost rows (a truncated
table, a backup restored without it) than that the row is wrong. A few are kept and counted. Of many, the replay is
refused before it changes anything, unless a person says what is to become of them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType

import structlog
from psycopg import sql

from gazelle_sync.entities import ENTITIES, Entity, Table
from gazelle_sync.errors import GazelleSyncError, SettingsError, StagingIncomplete
from gazelle_sync.i18n import gettext
from gazelle_sync.pull import load
from gazelle_sync.pull.apply import Applier, StagedSelection
from gazelle_sync.pull.report import EntityReport, Progress
from gazelle_sync.pull.runlog import RunLog
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import allow_long_statements
from gazelle_sync.warehouse.loads import SETTING
from gazelle_sync.warehouse.lock import WAIT_S, PullLock
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.settings_table import read_setting

SHARE_KEPT = 0.02
"""Of the living rows of a table: so many without a staged version are kept without asking a person."""

log = get_logger("gazelle_sync.pull")


class WithoutStaging(enum.Enum):
    """What a person wants done with living rows of which staging holds no version, however many they are."""

    KEEP = "keep"
    """They stay as they are."""
    DELETE = "delete"
    """They are marked deleted. Ids and data stay; a row is revived when its record is read again."""


class Replay:
    """Context manager around one replay; it never moves a watermark.

    Args:
        settings: With `database_url` filled in.
        run_id: Of the Dagster run.
        entities: Which may be applied; None: all.
        days: Only records whose last change falls in `[from, to)`, aware instants; None: all.
        progress: Receives the progress.
        without_staging: What becomes of living rows without a staged version; None: a few are kept, many refused.
        only_pending: Whether only what waits is applied (another try for records in error).
        lock_wait_s: How long to wait for a pull.

    Raises:
        AnotherPullRunning: A pull is at work.
        SettingsError: Rows without a staged version have no day: they cannot be marked deleted by days.
        StagingIncomplete: Staging lacks more rows than pass; nothing was changed.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        run_id: str,
        entities: Sequence[str] | None = None,
        days: tuple[datetime, datetime] | None = None,
        progress: Progress | None = None,
        without_staging: WithoutStaging | None = None,
        only_pending: bool = False,
        lock_wait_s: float = WAIT_S,
    ) -> None:
        if settings.database_url is None:
            raise ValueError("settings must name the database (see gazelle_sync.runtime.embedded)")
        if days is not None and without_staging is WithoutStaging.DELETE:
            raise SettingsError(
                gettext("Rows of which staging holds no version have no day: replay all days to delete them.")
            )
        self._url = settings.database_url
        self._run_id = run_id
        self._entities = [entity for entity in ENTITIES if entities is None or entity.name in entities]
        self._days = days
        self._without_staging = without_staging
        self._only_pending = only_pending
        self._progress = progress or Progress()
        self._lock = PullLock(self._url, wait_s=lock_wait_s)
        self.reports: dict[str, EntityReport] = {}
        self._applied: set[str] = set()

    def __enter__(self) -> Replay:
        structlog.contextvars.bind_contextvars(run_id=self._run_id)
        try:
            migrate(self._url)
            self._lock.__enter__()
            self._runlog = RunLog(self._url, self._run_id, "replay", task_type="replay")
        except BaseException:
            self._release()
            raise
        try:
            with borrow(self._url) as connection:
                load.end_abandoned(connection, read_setting(connection, SETTING))
            self._unstaged = {} if self._only_pending else self._count_unstaged()
            log.info("replay began")
        except BaseException as error:  # a signal too: no row may say `running` of a run that has ended
            self.__exit__(type(error), error, error.__traceback__)
            raise
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
        applier = Applier(self._url, entity, report, self._progress, days=self._days)
        try:
            if self._only_pending:
                applier.apply(StagedSelection.PENDING)
            else:
                applier.apply(StagedSelection.ALL)
                self._look_after_unstaged(entity, report)
        except GazelleSyncError as error:
            report.fail(error)
            raise
        self._applied.add(name)
        return report

    def _count_unstaged(self) -> dict[str, int]:
        """Table → how many of its living rows staging holds no version of.

        Raises:
            StagingIncomplete: They are more than pass.
        """
        found: dict[str, int] = {}
        too_many: list[str] = []
        with borrow(self._url) as connection, connection.transaction():
            allow_long_statements(connection)
            for entity, table in _tables(self._entities):
                lacking, living = connection.execute(_unstaged("pull/unstaged_count", entity, table)).fetchone() or (
                    0,
                    0,
                )
                found[table.name] = lacking
                if lacking > living * SHARE_KEPT:
                    too_many.append(
                        gettext(
                            "{lacking} of the {living} living rows of {table}",
                            lacking=lacking,
                            living=living,
                            table=table.name,
                        )
                    )
        if too_many and self._without_staging is None:
            raise StagingIncomplete(
                gettext(
                    "Staging holds no version of some rows ({tables}). It lost rows (a truncated table, a backup that "
                    "was restored without it), or somebody wrote into production. Nothing was replayed. To read them "
                    "from Gazelle again, run: gazelle-sync sync --full. To replay the others and leave these rows as "
                    "they are: gazelle-sync replay --without-staging keep. To mark them deleted: "
                    "gazelle-sync replay --without-staging delete",
                    tables=", ".join(too_many),
                )
            )
        return found

    def _look_after_unstaged(self, entity: Entity, report: EntityReport) -> None:
        with borrow(self._url) as connection, connection.transaction():
            allow_long_statements(connection)
            for _, table in _tables([entity]):
                if not self._unstaged[table.name]:
                    continue
                if self._without_staging is WithoutStaging.DELETE:
                    marked = _mark_deleted(connection, entity, table)
                    report.deleted += marked
                    report.changed += marked
                    continue
                report.kept += self._unstaged[table.name]
                report.notes.append(
                    gettext(
                        "{rows} living rows of {table} were kept though staging holds no version of them (gazelle-sync "
                        "sync --full asks Gazelle about them)",
                        rows=self._unstaged[table.name],
                        table=table.name,
                    )
                )

    def unapplied(self, expected: Iterable[str]) -> list[str]:
        """Entities that should have been rebuilt and were not begun: the run was stopped."""
        return [name for name in expected if name not in self._applied and not self._failed(name)]

    def _failed(self, name: str) -> bool:
        return name in self.reports and self.reports[name].failure is not None

    def _release(self) -> None:
        self._lock.__exit__(None, None, None)
        structlog.contextvars.unbind_contextvars("run_id")


def _tables(entities: Sequence[Entity]) -> list[tuple[Entity, Table]]:
    return [(entity, table) for entity in entities for table in entity.tables]


def _unstaged(name: str, entity: Entity, table: Table) -> sql.Composed:
    return sql.SQL(statement(name)).format(
        table=sql.Identifier(table.name),
        staging=sql.Identifier(entity.staging_table),
        key=sql.Identifier(table.owner or "external_id"),
    )


def _mark_deleted(connection: Connection, entity: Entity, table: Table) -> int:
    return connection.execute(_unstaged("pull/unstaged_mark_deleted", entity, table)).rowcount
