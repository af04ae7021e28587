"""The one resource: the pull (or the replay) that the assets of a run share.

It begins when the first asset asks for it and ends with the run, so that a run is one lock, one log row and one set of
connections, whatever was selected. A failed read fails its own asset, and only what depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from gazelle_sync import log
from gazelle_sync.clock import day_window
from gazelle_sync.embedded import stand
from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.memory import seek_garbage_rarely, use_few_arenas
from gazelle_sync.partitions import utc_window
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.replay import Replay, WithoutStaging
from gazelle_sync.pull.report import EntityReport, Progress
from gazelle_sync.pull.session import Pull
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, connect, database_errors
from gazelle_sync.warehouse.limits import allow_time
from gazelle_sync.warehouse.lock import WAIT_S

REPLAY = "replay"
TICK, FULL, REPLAY_JOB, CHECK = "tick", "full", "replay", "check"
PULL_JOBS = (TICK, FULL, REPLAY_JOB)
FULL_LOCK_WAIT_S = 900.0
"""A full run that meets a pull of the command line waits for it: skipped, it would be missed for a day."""
LONGEST_DAY = timedelta(hours=25)
MODES = [*(mode.value for mode in Mode if mode is not Mode.BACKFILL), REPLAY]

CONFIG = {
    "mode": dg.Field(
        dg.Enum("Mode", [dg.EnumValue(mode) for mode in MODES]),
        default_value=Mode.TICK.value,
        description="tick: what changed. nightly: every body with a stamp, 45 days of the timeline. deep: every body "
        "of everything. replay: no call to Gazelle, production again from staging.",
    ),
    "allow_deletes": dg.Field(
        bool, default_value=False, description="Let mass deletion and mass emptying through the fences, once."
    ),
    "only_pending": dg.Field(
        bool, default_value=False, description="Of a replay: apply what waits, and leave the rest as it is."
    ),
    "without_staging": dg.Field(
        dg.Noneable(dg.Enum("WithoutStaging", [dg.EnumValue(choice.value) for choice in WithoutStaging])),
        default_value=None,
        description="Of a replay: what becomes of living rows of which staging holds no version. keep: they stay as "
        "they are. delete: they are marked deleted. Unset: a few are kept, with more the replay is refused.",
    ),
    "from_day": dg.Noneable(str),
    "to_day": dg.Noneable(str),
}


class RunSession:
    """What the assets of one run share.

    Args:
        run: The Dagster run.
        config: As `CONFIG`.
        progress: Told how far it is.
    """

    def __init__(self, run: dg.DagsterRun, config: dict[str, Any], progress: Progress) -> None:
        self._run = run
        self._config = config
        self._progress = progress
        self._stack = ExitStack()
        self._pull: Pull | Replay | None = None
        self._trouble: GazelleSyncError | None = None
        self._surprise: str | None = None
        self.settings: Settings | None = None

    def stage(self, context: dg.AssetExecutionContext, entity: str) -> EntityReport:
        """Stage an entity.

        Raises:
            dg.Failure: It could not be, and why.
        """
        with self._failures():
            pull = self._begin(context)
            if isinstance(pull, Replay):
                raise GazelleSyncError("A replay reads nothing from Gazelle: select the gazelle_ tables only.")
            return pull.stage(entity)

    def apply(self, context: dg.AssetExecutionContext, entity: str) -> EntityReport:
        """Apply what is staged of an entity.

        Raises:
            dg.Failure: It could not be, and why.
        """
        with self._failures():
            return self._begin(context).apply(entity)

    def standing(self, *, api: bool) -> Settings:
        """The settings, with what they leave unset started until the run ends; no pull begins.

        Args:
            api: Whether the API is needed.
        """
        if self.settings is None:
            self.settings = self._stack.enter_context(stand(Settings.load(), api=api))
            log.configure_once(self.settings)
        return self.settings

    @property
    def reports(self) -> Mapping[str, EntityReport]:
        """What the run's pull has done so far; nothing where none has begun."""
        return self._pull.reports if isinstance(self._pull, Pull) else {}

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection to the shop's database, for metadata."""
        if self.settings is None or self.settings.database_url is None:
            raise RuntimeError("no asset has begun yet")
        with database_errors(), connect(self.settings.database_url) as connection:
            allow_time(connection)
            yield connection

    def close(self) -> None:
        """End the pull; one that was stopped before it had applied everything has failed."""
        error: GazelleSyncError | None = None
        if self._surprise is not None:
            error = GazelleSyncError(f"{self._surprise}. This is a fault of gazelle_sync: the log file holds the rest.")
        elif isinstance(self._pull, Pull) and (missing := self._pull.unapplied(self._expected())):
            error = GazelleSyncError(f"The run was stopped before it had applied {', '.join(missing)}.")
        self._stack.__exit__(type(error) if error else None, error, None)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Our errors become Dagster's; any other is a surprise, which the run's log row tells as well."""
        try:
            yield
        except GazelleSyncError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        except Exception as error:
            self._surprise = self._surprise or f"{type(error).__name__}: {error}"
            log.get_logger("gazelle_sync").exception("unexpected error")
            raise

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
        use_few_arenas()
        seek_garbage_rarely()
        loaded = Settings.load()
        replaying = self._config["mode"] == REPLAY
        self.settings = self._stack.enter_context(stand(loaded, api=not replaying))
        log.configure_once(self.settings)
        if replaying:
            choice = self._config["without_staging"]
            return self._stack.enter_context(
                Replay(
                    self.settings,
                    run_id=self._run.run_id,
                    entities=self._expected(),
                    days=self._days(),
                    without_staging=WithoutStaging(choice) if choice else None,
                    progress=self._progress,
                    only_pending=self._config["only_pending"],
                )
            )
        start, end = utc_window(context.partition_time_window)
        # Past days are a backfill. So are several days that somebody chose in the UI, today among them; a tick's own
        # range after an outage is not.
        is_past = end <= datetime.now(UTC) or (self._run.job_name not in PULL_JOBS and end - start > LONGEST_DAY)
        return self._stack.enter_context(
            Pull(
                self.settings,
                mode=Mode.BACKFILL if is_past else Mode(self._config["mode"]),
                window=(start, end) if is_past else None,
                entities=self._selected(),
                run_id=self._run.run_id,
                allow_deletes=self._config["allow_deletes"],
                progress=self._progress,
                lock_wait_s=WAIT_S if self._config["mode"] == Mode.TICK.value else FULL_LOCK_WAIT_S,
            )
        )

    def _selected(self) -> list[str]:
        """The entities whose staging table is part of the run."""
        selection = self._run.asset_selection
        return [e.name for e in ENTITIES if not selection or dg.AssetKey(e.staging_table) in selection]

    def _expected(self) -> list[str]:
        """The entities of which some table is part of the run."""
        selection = self._run.asset_selection
        return [
            e.name for e in ENTITIES if not selection or any(dg.AssetKey(table.name) in selection for table in e.tables)
        ]

    def _days(self) -> tuple[datetime, datetime] | None:
        from datetime import date

        first, last = self._config.get("from_day"), self._config.get("to_day")
        if not first and not last:
            return None
        start, _ = day_window(date.fromisoformat(first) if first else date.min)
        _, end = day_window(date.fromisoformat(last) if last else date.max)
        return start, end or datetime.max.replace(tzinfo=UTC)


def pull_resource(progress: Progress | None = None) -> dg.ResourceDefinition:
    """The resource `pull`.

    Args:
        progress: For whoever draws a bar; None: nobody looks.
    """

    @dg.resource(config_schema=CONFIG, description="The pull (or replay) that the assets of a run share.")
    def pull(context: dg.InitResourceContext) -> Iterator[RunSession]:
        if context.run is None:
            raise dg.DagsterInvariantViolationError("the pull belongs to a run")
        session = RunSession(context.run, context.resource_config, progress or Progress())
        try:
            yield session
        finally:
            session.close()

    return pull
