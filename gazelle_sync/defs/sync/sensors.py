"""Runs again, once, what a signal broke off and Dagster could not start again itself.

A service manager that restarts the code server signals the runs of its process tree too. Dagster tries such a run
again at that very moment, when the code server is away, and gives up: a nightly run would be missed for a day. A tick
needs no such thing, nor does a push: the next one takes up what they leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from gazelle_sync.defs.sync.resources import FULL
from gazelle_sync.montreal import montreal_day

EVERY_S = 30
WITHIN = timedelta(hours=20)
"""What is older is overtaken by the next night's run."""
MOST = 20
AGAIN_TAG = "gazelle_sync/again"
PARENT_TAG = "dagster/parent_run_id"
REASON_TAG = "dagster/failure_reason"
WILL_RETRY_TAG = "dagster/will_retry"
BROKEN_OFF = "UNEXPECTED_TERMINATION"


def broken_off(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    """The newest full run, where a signal broke it off and nothing runs it again."""
    since = datetime.now(UTC) - WITHIN
    runs = list(instance.get_runs(dg.RunsFilter(job_name=FULL, created_after=since), limit=MOST))
    if not runs:
        return None
    newest = runs[0]  # one that began after it reads what it would have read
    tags = newest.tags
    was_broken_off = newest.status is dg.DagsterRunStatus.FAILURE and tags.get(REASON_TAG) == BROKEN_OFF
    is_second = AGAIN_TAG in tags or PARENT_TAG in tags
    return newest if was_broken_off and tags.get(WILL_RETRY_TAG) == "false" and not is_second else None


@dg.sensor(
    name="again_after_a_signal",
    job_name=FULL,
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Runs a nightly or deep run again, once, that was broken off by a signal (a restarted code server).",
)
def again_after_a_signal(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Starts the run again, on today's partition."""
    run = broken_off(context.instance)
    if run is None:
        yield dg.SkipReason("No full run was broken off by a signal.")
        return
    yield dg.RunRequest(
        run_key=run.run_id,
        run_config=run.run_config,
        partition_key=montreal_day(datetime.now(UTC)).isoformat(),
        tags={AGAIN_TAG: run.run_id},
        asset_selection=sorted(run.asset_selection) if run.asset_selection else None,
    )
