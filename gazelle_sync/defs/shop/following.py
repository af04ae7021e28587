"""Starts what follows a pull (`gazelle_sync.shop.followers`), within half a minute of the rows that it waits for.

One sensor for all slices, since a sensor is a process of the daemon's each time that it looks. A run that failed is
tried again after some minutes: what it left undone still waits. Runs of the command line do the same before they end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.runtime.logs import unexpected_errors_reported
from gazelle_sync.settings import Settings
from gazelle_sync.shop.followers import FOLLOWERS, jobs_due
from gazelle_sync.warehouse.migrate import pending
from gazelle_sync.warehouse.pool import borrow

EVERY_S = 30
AFTER_A_FAILURE = timedelta(minutes=10)
UNDER_WAY = frozenset({
    dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
})  # fmt: skip
LONGEST_RUN = timedelta(hours=1)
"""A run that has been under way for longer was left behind by a process that died."""

SAID: dict[str, str] = {}
"""Run id → what came of it, for the command line, which prints that of the run that it started."""


def evaluate(instance: dg.DagsterInstance, settings: Settings) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Which jobs to start now, and why not the others."""
    if settings.database_url is None:
        yield dg.SkipReason("There is no database yet.")
        return
    try:
        if pending(settings.database_url):
            yield dg.SkipReason("The database is not up to date yet: the next run migrates it.")
            return
        with borrow(settings.database_url) as connection:
            due = jobs_due(connection)
    except GazelleSyncError as error:
        yield dg.SkipReason(f"The database cannot be asked: {error}")
        return
    if not due:
        yield dg.SkipReason("No pull has brought anything that the shop's own work waits for.")
    for job in due:
        reason = _held_back(instance, job)
        yield dg.SkipReason(reason) if reason else dg.RunRequest(job_name=job)


def _held_back(instance: dg.DagsterInstance, job: str) -> str | None:
    """Why no run of a job should start now, or None."""
    now = datetime.now(UTC)
    filters = dg.RunsFilter(job_name=job, created_after=now - LONGEST_RUN)
    for record in instance.get_run_records(filters, limit=1):
        run = record.dagster_run
        if run.status in UNDER_WAY:
            return f"Run {run.run_id[:8]} ({job}) is about to do it."
        if run.status is dg.DagsterRunStatus.FAILURE and now - record.create_timestamp < AFTER_A_FAILURE:
            return f"Run {run.run_id[:8]} ({job}) failed: it is tried again after {AFTER_A_FAILURE}."
    return None


def follows_the_pull(jobs: Sequence[dg.UnresolvedAssetJobDefinition]) -> dg.SensorDefinition:
    """The sensor.

    Args:
        jobs: Those of `FOLLOWERS` among them.
    """
    names = {follower.job for follower in FOLLOWERS}

    @dg.sensor(
        name="follow_the_pull",
        jobs=[job for job in jobs if job.name in names],
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the shop's own work on what a pull brought: stock, maintenance alerts, notices of visits.",
    )
    def follow_the_pull(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        with unexpected_errors_reported():
            yield from evaluate(context.instance, Settings.load())

    return follow_the_pull
