"""When things run, by the settings: a tick every 15 minutes, a full run at 03:00 Montreal, a deep one on Sundays.

The schedules keep their names whatever they say: Dagster knows by them which is on.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from gazelle_sync.defs.location import own_records
from gazelle_sync.defs.sync.jobs import run_config
from gazelle_sync.defs.sync.partitions import range_tags, tick_days
from gazelle_sync.defs.sync.resources import DEEP, NIGHTLY, PULL_JOBS, TICK
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.pull.context import Mode
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.lock import pull_is_running
from gazelle_sync.warehouse.migrate import pending
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.settings_table import read_watermarks

WAITING = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING]
SCHEDULED_TAG = ".dagster/scheduled_execution_time"
LONGEST_WAIT = timedelta(hours=1)
"""A run that has been about to start for longer than this was left behind by a daemon that died."""


def _request(context: dg.ScheduleEvaluationContext, mode: Mode) -> dg.RunRequest | dg.SkipReason:
    settings = Settings.load()
    # A full run that is due while a tick works waits in the pool's queue: skipped, it would be missed for a day.
    if mode is Mode.TICK and (busy := _busy(context.instance, settings, context.scheduled_execution_time)):
        return dg.SkipReason(busy)
    first, last = tick_days(_watermark(settings), context.scheduled_execution_time, settings.partitions_start)
    if first == last:
        return dg.RunRequest(partition_key=last.isoformat(), run_config=run_config(mode.value))
    return dg.RunRequest(tags=range_tags(first, last), run_config=run_config(mode.value))


def _busy(instance: dg.DagsterInstance, settings: Settings, scheduled: datetime) -> str | None:
    """Why no pull should start now, or None."""
    due = scheduled.astimezone(UTC).isoformat()
    if settings.database_url is not None and _is_locked(settings.database_url):
        return "The pull before this one is still running: one at a time. The next tick takes up what this one leaves."
    since = datetime.now(UTC) - LONGEST_WAIT
    for record in own_records(instance, statuses=WAITING, created_after=since):
        run = record.dagster_run
        if run.tags.get(SCHEDULED_TAG) == due:
            continue  # a daemon that died meanwhile made it; Dagster finds it, and starts it
        if run.job_name in PULL_JOBS:
            return f"Run {run.run_id[:8]} ({run.job_name}) is about to start: one pull at a time."
    return None


def _is_locked(url: str) -> bool:
    try:
        return pull_is_running(url)
    except GazelleSyncError:
        return False  # the database is out of reach: the run will say so better than a schedule


def _watermark(settings: Settings) -> datetime | None:
    """`last_sync_date`; None where the database is new or out of reach (the run will say so better than a schedule)."""
    if settings.database_url is None:
        return None
    try:
        if pending(settings.database_url):
            return None
        with borrow(settings.database_url) as connection:
            return read_watermarks(connection).get("")
    except GazelleSyncError:
        return None


def _schedule(name: str, cron: str, job: str, mode: Mode, description: str) -> dg.ScheduleDefinition:
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _request(context, mode)

    return dg.ScheduleDefinition(
        name=name,
        cron_schedule=cron,
        job_name=job,
        execution_timezone=MONTREAL.key,
        execution_fn=evaluate,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )


def schedules() -> list[dg.ScheduleDefinition]:
    """All schedules; they are on by default. One that makes no sense counts as not set, until it is corrected."""
    said = Settings.for_definitions()
    return [
        _schedule("tick_every_15_minutes", said.tick_schedule, TICK, Mode.TICK, "What changed."),
        _schedule("full_at_night", said.nightly_schedule, NIGHTLY, Mode.NIGHTLY, "Every body with a stamp."),
        _schedule("deep_on_sunday", said.weekly_schedule, DEEP, Mode.DEEP, "Every body of everything."),
    ]
