"""Runs again, once, what a signal broke off and Dagster could not start again itself.

A service manager that restarts the code server signals the runs of its process tree too. Dagster tries such a run
again at that very moment, when the code server is away, and gives up: a nightly run would be missed for a day. A tick
needs no such thing, nor does a push: the next one takes up what they leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from gazelle_sync.defs.sync.resources import FULL_JOBS
from gazelle_sync.montreal import montreal_day

EVERY_S = 30
WITHIN = timedelta(hours=20)
"""What is older is overtaken by the next night's run."""
AGAIN_TAG = "gazelle_sync/again"
PARENT_TAG = "dagster/parent_run_id"
REASON_TAG = "dagster/failure_reason"
WILL_RETRY_TAG = "dagster/will_retry"
BROKEN_OFF = "UNEXPECTED_TERMINATION"


def broken_off(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    """The newest full run, where a signal broke it off and nothing runs it again."""
    since = datetime.now(UTC) - WITHIN
    filters = [dg.RunsFilter(job_name=job, created_after=since) for job in FULL_JOBS]
    records = [record for one in filters for record in instance.get_run_records(one, limit=1)]
    if not records:
        return None
    # One that began after it reads what it would have read.
    newest = max(records, key=lambda record: (record.create_timestamp, record.storage_id)).dagster_run
    tags = newest.tags
    was_broken_off = newest.status is dg.DagsterRunStatus.FAILURE and tags.get(REASON_TAG) == BROKEN_OFF
    is_second = AGAIN_TAG in tags or PARENT_TAG in tags
    return newest if was_broken_off and tags.get(WILL_RETRY_TAG) == "false" and not is_second else None


def again_after_a_signal(jobs: Sequence[dg.UnresolvedAssetJobDefinition]) -> dg.SensorDefinition:
    """The sensor.

    Args:
        jobs: All that it may start.
    """

    @dg.sensor(
        jobs=[job for job in jobs if job.name in FULL_JOBS],
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Runs a nightly or deep run again, once, that a signal broke off (a restarted code server).",
    )
    def again_after_a_signal(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        run = broken_off(context.instance)
        if run is None:
            yield dg.SkipReason("No full run was broken off by a signal.")
            return
        yield dg.RunRequest(
            run_key=run.run_id,
            job_name=run.job_name,
            run_config=run.run_config,
            partition_key=montreal_day(datetime.now(UTC)).isoformat(),
            tags={AGAIN_TAG: run.run_id},
            asset_selection=sorted(run.asset_selection) if run.asset_selection else None,
        )

    return again_after_a_signal
