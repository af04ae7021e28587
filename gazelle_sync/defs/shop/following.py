"""What follows a pull (`gazelle_sync.shop.followers`): the specs and jobs that slices share, and the sensor over all.

One sensor for all slices, since a sensor is a process of the daemon's each time that it looks. It starts a job within
half a minute of the rows that it waits for. A run that failed is tried again after some minutes: what it left undone
still waits. Runs of the command line do the same before they end.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from gazelle_sync.defs.location import asset_key, own_records
from gazelle_sync.defs.services import ask_database
from gazelle_sync.defs.sync.assets import OWNERS, code_references, code_version
from gazelle_sync.defs.sync.columns import metadata_of
from gazelle_sync.defs.sync.jobs import MAX_RUNTIME_TAG, QUIET
from gazelle_sync.runtime.logs import unexpected_errors_reported
from gazelle_sync.settings import Settings
from gazelle_sync.shop.followers import FOLLOWERS, jobs_due

GROUP = "shop"
LONGEST_RUN_S = 3600
"""A run that takes longer hangs: Dagster ends it, so that the next may start."""
EVERY_S = 30
AFTER_A_FAILURE = timedelta(minutes=10)
UNDER_WAY = frozenset({
    dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
})  # fmt: skip
LONGEST_RUN = timedelta(seconds=LONGEST_RUN_S)
"""A run that has been under way for longer was left behind by a process that died."""

SAID: dict[str, str] = {}
"""Run id → what came of it, for the command line, which prints that of the run that it started."""


def shop_spec(table: str, description: str, deps: Sequence[str], made_by: Any, kinds: set[str]) -> dg.AssetSpec:
    """The spec of a table of the shop's own work.

    Args:
        table: Its name.
        description: What it holds.
        deps: The tables that it is made of.
        made_by: The module or function that decides what it holds: its file is the asset's code.
        kinds: As the UI shows them.
    """
    code = Path(inspect.getfile(made_by))
    return dg.AssetSpec(
        asset_key(table),
        description=description,
        deps=[asset_key(dep) for dep in deps],
        group_name=GROUP,
        kinds=kinds,
        owners=OWNERS,
        code_version=code_version(code),
        metadata={**metadata_of(table), **code_references(code)},
    )


def following_job(
    name: str,
    tables: Sequence[str],
    description: str,
    tags: Mapping[str, str],
    *,
    config: Mapping[str, Any] = QUIET,
    longest_s: int = LONGEST_RUN_S,
) -> dg.UnresolvedAssetJobDefinition:
    """The job that makes some tables of the shop's own work.

    Args:
        name: Of the job, one of `FOLLOWERS`.
        tables: Whose assets it makes.
        description: What it does, and when.
        tags: Of each of its runs.
        config: Of each of its runs.
        longest_s: After so many seconds Dagster ends a run.
    """
    return dg.define_asset_job(
        name,
        selection=dg.AssetSelection.assets(*(asset_key(table) for table in tables)),
        description=description,
        config=dict(config),
        tags={MAX_RUNTIME_TAG: str(longest_s), **tags},
    )


def evaluate(instance: dg.DagsterInstance, settings: Settings) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Which jobs to start now, and why not the others."""
    due = ask_database(settings, jobs_due)
    if isinstance(due, dg.SkipReason):
        yield due
        return
    if not due:
        yield dg.SkipReason("No pull has brought anything that the shop's own work waits for.")
    reasons = {job: held_back(instance, job) for job in due}
    runs = [dg.RunRequest(job_name=job) for job, reason in reasons.items() if reason is None]
    yield from runs
    if due and not runs:  # Dagster takes one reason, and fails on several
        yield dg.SkipReason(" ".join(reason for reason in reasons.values() if reason))


def held_back(instance: dg.DagsterInstance, job: str) -> str | None:
    """Why no run of a job should start now, or None."""
    now = datetime.now(UTC)
    record = next(own_records(instance, job_name=job, created_after=now - LONGEST_RUN), None)
    if record is not None:
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
        description="Starts the shop's own work on what a pull brought: stock, maintenance alerts, notices, search.",
    )
    def follow_the_pull(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        with unexpected_errors_reported():
            yield from evaluate(context.instance, Settings.load())

    return follow_the_pull
