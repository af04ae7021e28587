"""The one resource: the pull (or the replay) that the assets of a run share.

It begins when the first asset asks for it and ends with the run, so that a run is one lock, one log row and one set of
connections, whatever was selected. A failed read fails its own asset, and only what depends on it.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import partial

import dagster as dg
from pydantic import Field

from gazelle_sync.defs.failures import failure_of
from gazelle_sync.defs.location import add_tags, asset_key, run_tags
from gazelle_sync.defs.sync.metadata import EntityCounts, read_counts
from gazelle_sync.defs.sync.partitions import has_partition, range_tags, utc_window
from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.errors import GazelleSyncError, RunStopped
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import FIRST, LAST, day_window, midnight, montreal_day
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.replay import Replay, WithoutStaging
from gazelle_sync.pull.report import EntityReport, Progress
from gazelle_sync.pull.session import Pull
from gazelle_sync.runtime import logs as log
from gazelle_sync.runtime.embedded import embedded_services
from gazelle_sync.runtime.memory import limit_malloc_arenas, tune_gc
from gazelle_sync.settings import Settings
from gazelle_sync.shop.csv_import.replay import replay_imports
from gazelle_sync.warehouse.lock import WAIT_S
from gazelle_sync.warehouse.pool import borrow, keep_connections

POOL = "gazelle_api"
REPLAY = "replay"
TICK, NIGHTLY, DEEP, FULL, REPLAY_JOB, CHECK = "tick", "nightly", "deep", "full", "replay", "check"
FULL_JOBS = (NIGHTLY, DEEP, FULL)
"""`full` is the older name of both: it runs in either mode."""
PULL_JOBS = (TICK, *FULL_JOBS, REPLAY_JOB)
MODE_TAG = "gazelle_sync/mode"
"""What a run does, as `sync_logs.mode` says it."""
SCHEDULE_TAG = "dagster/schedule_name"
"""Dagster's own, on the runs that a schedule asked for."""
FULL_LOCK_WAIT_S = 900.0
"""A full run that meets a pull of the command line waits for it: skipped, it would be missed for a day."""


class RunMode(StrEnum):
    """The mode of a run, named as in its run config: there Dagster reads the names of an enumeration."""

    tick = Mode.TICK.value
    nightly = Mode.NIGHTLY.value
    deep = Mode.DEEP.value
    replay = REPLAY


class KeepOrDelete(StrEnum):
    """What becomes of rows of which staging holds no version, named as in a run config."""

    keep = WithoutStaging.KEEP.value
    delete = WithoutStaging.DELETE.value


MODES_OF: Mapping[str, tuple[RunMode, ...]] = {
    TICK: (RunMode.tick,),
    NIGHTLY: (RunMode.nightly,),
    DEEP: (RunMode.deep,),
    FULL: (RunMode.nightly, RunMode.deep),
    REPLAY_JOB: (RunMode.replay,),
}
"""Job → its modes, the one that it has without being told first. Other runs may have any, and are ticks."""


class PullResource(dg.ConfigurableResource["RunSession"]):
    """The pull (or replay) that the assets of a run share."""

    progress: dg.ResourceDependency[Progress]
    mode: RunMode | None = Field(
        default=None,
        description="tick: what changed. nightly: every body with a stamp, 45 days of the timeline. deep: every body "
        "of everything. replay: no call to Gazelle, production again from staging. Unset: the job's own.",
    )
    allow_deletes: bool = Field(
        default=False, description="Let mass deletion and mass emptying through the guards, once."
    )
    only_pending: bool = Field(default=False, description="Of a replay: apply what waits, and leave the rest as it is.")
    without_staging: KeepOrDelete | None = Field(
        default=None,
        description="Of a replay: what becomes of living rows of which staging holds no version. keep: they stay as "
        "they are. delete: they are marked deleted. Unset: a few are kept, with more the replay is refused.",
    )
    from_day: str | None = Field(default=None, description="Of a replay: first day, as 2026-11-01.")
    to_day: str | None = Field(default=None, description="Of a replay: last day.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["RunSession"]:
        """Open the session of a run, and end its pull with it."""
        if context.run is None:
            raise dg.DagsterInvariantViolationError("the pull belongs to a run")
        if context.instance is not None:
            add_tags(context.instance, context.run, _todays_partition(context.run) | run_tags())
        session = RunSession(context.run, self)
        try:
            yield session
        finally:
            session.close()


class RunSession:
    """What the assets of one run share.

    Args:
        run: The Dagster run.
        options: Its run config, and who is told how far it is.
    """

    def __init__(self, run: dg.DagsterRun, options: PullResource) -> None:
        self._run = run
        self._options = options
        self._stack = ExitStack()
        self._pull: Pull | Replay | None = None
        self._trouble: GazelleSyncError | None = None
        self._applies_all = False
        self._is_tick = False
        self._counts: dict[str, EntityCounts] = {}
        self._counted: dict[str, tuple[int, int, int]] = {}  # what the run had written when it was asked last
        self._broken_off: GazelleSyncError | None = None
        self.settings: Settings | None = None

    def stage(self, context: dg.AssetExecutionContext, entity: str) -> EntityReport:
        """Stage an entity.

        Raises:
            GazelleSyncError: It could not be, and why.
        """
        pull = self._begin(context)
        if isinstance(pull, Replay):
            raise GazelleSyncError(gettext("A replay reads nothing from Gazelle: select the gazelle_ tables only."))
        return pull.stage(entity)

    def apply(self, context: dg.AssetExecutionContext, entity: str) -> EntityReport:
        """Apply what is staged of an entity.

        Raises:
            GazelleSyncError: It could not be, and why.
        """
        return self._begin(context).apply(entity)

    def tell(self, entity: str, report: EntityReport) -> str:
        """What this run did to make an entity's tables, in a sentence."""
        if entity in self._selected() and not isinstance(self._pull, Replay):
            return gettext("applied {count} versions", count=report.processed)
        if self._applies_all:
            return gettext("read nothing from Gazelle; made again from {count} staged versions", count=report.processed)
        return gettext("read nothing from Gazelle; applied {count} waiting versions of staging", count=report.processed)

    def services(self, *, api: bool) -> Settings:
        """The settings, with what they leave unset started until the run ends; no pull begins.

        Args:
            api: Whether the API is needed.
        """
        if self.settings is None or (api and self.settings.api_url is None):
            self.settings = self._stack.enter_context(embedded_services(Settings.load(), api=api))
            self._stack.enter_context(keep_connections())
            log.configure_once(self.settings)
        return self.settings

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Around a step: errors become Dagster's, and the run's log row tells what no report of an entity does.

        Dagster keeps an error with its causes, which may quote clients' rows: it gets a sentence, the log the rest.

        Raises:
            dg.Failure: In the place of any error.
        """
        try:
            yield
        except GazelleSyncError as error:
            failed = error
        except dg.Failure:
            raise  # a check's verdict: what was read and applied is as the log row says
        except GeneratorExit:
            said = gettext("Dagster aborted a step: its page in the UI says why.")
            self._broken_off = self._broken_off or RunStopped(said)
            raise
        except Exception as error:
            failed = log.log_unexpected(error)
        else:
            return
        self._broken_off = self._broken_off or failed
        raise failure_of(failed) from None

    @property
    def reports(self) -> Mapping[str, EntityReport]:
        """What the run's pull has done so far; nothing where none has begun."""
        return self._pull.reports if isinstance(self._pull, Pull) else {}

    def counts(self, entity: Entity, report: EntityReport | None = None) -> EntityCounts:
        """What an entity's tables hold, for metadata; of a table that the run changed, the rows written last as well.

        A tick asks once, of all entities, and again where it wrote something since: while it holds the pull's lock,
        nobody else writes to these tables. It does not count large ones.

        Args:
            entity: Whose tables.
            report: What the run has done to them so far; None: no more than when it was asked last.
        """
        if self.settings is None:
            raise RuntimeError("no asset has begun yet")
        written = (report.staged, report.processed, report.changed) if report else self._counted.get(entity.name)
        if entity.name not in self._counts or written != self._counted.get(entity.name, (0, 0, 0)):
            asked = ENTITIES if self._is_tick and not self._counts else [entity]
            previewed = entity.tables if report and report.changed else ()
            with borrow(str(self.settings.database_url)) as connection:
                self._counts |= read_counts(connection, asked, exactly=not self._is_tick, previewed=previewed)
            if written is not None:
                self._counted[entity.name] = written
        return self._counts[entity.name]

    def close(self) -> None:
        """End the pull; one that was stopped before it had applied everything has failed."""
        error: GazelleSyncError | None = None
        if self._broken_off is not None and not self._told_by_a_report():
            error = self._broken_off
        elif self._pull is not None and (missing := self._pull.unapplied(self._expected())):
            error = RunStopped(gettext("The run was stopped before it had applied {names}.", names=", ".join(missing)))
        self._stack.__exit__(type(error) if error else None, error, None)

    def _told_by_a_report(self) -> bool:
        """Whether an entity's report says what went wrong: then the run as a whole ends in order."""
        return self._pull is not None and any(report.failure for report in self._pull.reports.values())

    def _begin(self, context: dg.AssetExecutionContext) -> Pull | Replay:
        if self._pull is None:
            if self._trouble is not None:
                raise self._trouble  # it could not begin: every asset of the run says so, nobody tries again
            try:
                self._pull = self._entered(context)
            except GazelleSyncError as error:
                self._trouble = error
                raise
        return self._pull

    def _entered(self, context: dg.AssetExecutionContext) -> Pull | Replay:
        limit_malloc_arenas()
        tune_gc()
        mode = self._mode()
        start, end = utc_window(context.partition_time_window)
        # A run that a schedule asked for late, after the day had ended, reads all that changed until now all the same.
        is_past = end <= datetime.now(UTC) and SCHEDULE_TAG not in self._run.tags
        # A run that stages nothing has nothing to ask of Gazelle, and needs neither its answer nor its key.
        is_replay = mode is RunMode.replay or not self._selected()
        done = REPLAY if is_replay else Mode.BACKFILL.value if is_past else mode.value
        if self._run.tags.get(MODE_TAG) != done:  # as for the Materialize button, or `full` in its other mode
            context.instance.add_run_tags(self._run.run_id, {MODE_TAG: done})
        settings = self.services(api=not is_replay)
        if is_replay:
            days = self._days() or ((start, end) if is_past and mode is not RunMode.replay else None)
            only_pending = self._options.only_pending or (mode is not RunMode.replay and not is_past)
            self._applies_all = not only_pending
            choice = self._options.without_staging
            if days is None and not only_pending:
                self._stack.push(partial(_replay_imports, settings, self._expected()))
            return self._stack.enter_context(
                Replay(
                    settings,
                    run_id=self._run.run_id,
                    entities=self._expected(),
                    days=days,
                    without_staging=WithoutStaging(choice) if choice else None,
                    progress=self._options.progress,
                    only_pending=only_pending,
                )
            )
        self._applies_all = is_past
        self._is_tick = mode is RunMode.tick and not is_past
        return self._stack.enter_context(
            Pull(
                settings,
                mode=Mode.BACKFILL if is_past else Mode(mode),
                window=(start, end) if is_past else None,
                entities=self._selected(),
                applies=self._expected(),
                run_id=self._run.run_id,
                allow_deletes=self._options.allow_deletes,
                progress=self._options.progress,
                lock_wait_s=WAIT_S if mode is RunMode.tick else FULL_LOCK_WAIT_S,
            )
        )

    def _mode(self) -> RunMode:
        """The mode that the run was given, or that its job has."""
        modes = MODES_OF.get(self._run.job_name, tuple(RunMode))
        mode = self._options.mode or modes[0]
        if mode not in modes:
            raise GazelleSyncError(
                gettext(
                    "The job {job} has no mode {mode}; it has: {modes}. Set resources.pull.config.mode to one of "
                    "these, or start another job.",
                    job=self._run.job_name,
                    mode=mode,
                    modes=", ".join(modes),
                )
            )
        return mode

    def _selected(self) -> list[str]:
        """The entities whose staging table is part of the run."""
        selection = self._run.asset_selection
        return [e.name for e in ENTITIES if not selection or asset_key(e.staging_table) in selection]

    def _expected(self) -> list[str]:
        """The entities of which some table is part of the run."""
        selection = self._run.asset_selection
        return [
            e.name for e in ENTITIES if not selection or any(asset_key(table.name) in selection for table in e.tables)
        ]

    def _days(self) -> tuple[datetime, datetime] | None:
        first, last = _day("from_day", self._options.from_day), _day("to_day", self._options.to_day)
        if first is None and last is None:
            return None
        start, end = midnight(first) if first else FIRST, day_window(last)[1] if last else LAST
        return start, end


def _replay_imports(settings: Settings, entities: list[str], kind: type[BaseException] | None, *_: object) -> None:
    """What an older system's files brought is made again as well, when the replay has gone well."""
    if kind is not None:
        return
    try:
        replay_imports(settings, entities)
    except GazelleSyncError as error:
        log.get_logger("gazelle_sync.shop").warning("imported records could not be made again", reason=str(error))


def _day(name: str, value: str | None) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError:
        raise GazelleSyncError(
            gettext("{name} should be a day such as 2026-11-01, not {value}.", name=name, value=repr(value))
        ) from None


def _todays_partition(run: dg.DagsterRun) -> dict[str, str]:
    """The tags by which a run that somebody started without a partition is today's.

    Dagster's own answer is to fail each asset when it is done: a partitioned asset cannot be recorded without one.
    """
    return {} if has_partition(run.tags) else range_tags(*[montreal_day(datetime.now(UTC))] * 2)
