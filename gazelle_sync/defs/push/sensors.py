"""When edits are sent: as soon as a row is due, and every hour in case the sensor was off.

The rows themselves say when they are due (edits at once, failed tries after 1, 2, 4, … minutes), so a run request has
no key: Dagster would take a second one for the first. After a run that could reach nobody, Gazelle is asked for
something small before the next one: an outage ends with the run that follows it, and makes no failed runs meanwhile.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg

from gazelle_sync.defs.push.jobs import PUSH_JOB, push_config
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.push import outage
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.push.store import Store
from gazelle_sync.runtime.logs import unexpected_errors_reported
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.lock import push_is_running
from gazelle_sync.warehouse.migrate import pending
from gazelle_sync.warehouse.pool import borrow

EVERY_S = 15
UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
LONGEST_RUN = timedelta(hours=1)
"""A run that has been under way for longer was left behind by a process that died; the lock knows better."""


def evaluate(instance: dg.DagsterInstance, settings: Settings) -> dg.RunRequest | dg.SkipReason:
    """Whether to push now."""
    if settings.database_url is None:
        return dg.SkipReason("There is no database yet.")
    try:
        if pending(settings.database_url):
            return dg.SkipReason("The database is not up to date yet: the next run migrates it.")
        with borrow(settings.database_url) as connection:
            if not any(Store(connection, pushable).is_due() for pushable in PUSHABLES):
                return dg.SkipReason("Gazelle has every edit, or the next try of the others lies ahead.")
            held_back = _held_back(connection, settings)
        if held_back:
            return dg.SkipReason(held_back)
        if push_is_running(settings.database_url):
            return dg.SkipReason("A push is running: one at a time. The next one takes up what this one leaves.")
    except GazelleSyncError as error:
        return dg.SkipReason(f"The database cannot be asked: {error}")
    filters = dg.RunsFilter(job_name=PUSH_JOB, statuses=UNDER_WAY, created_after=datetime.now(UTC) - LONGEST_RUN)
    for run in instance.get_runs(filters, limit=1):
        return dg.SkipReason(f"Run {run.run_id[:8]} is about to push.")
    return dg.RunRequest(run_config=push_config(at_once=False))


def _held_back(connection: Connection, settings: Settings) -> str | None:
    """Why no run can be of use now, after one that reached nobody."""
    left = outage.left(connection)
    if left is None or settings.api_url is None:
        return None
    if left > timedelta(0):
        return f"The last push reached nobody: Gazelle is asked again in {left.total_seconds():.0f} s."
    connection.commit()  # no transaction is open for as long as Gazelle takes
    try:
        error = outage.look(settings)
    except GazelleSyncError:
        return None  # the run says what is missing
    if error is None:
        return None
    outage.note(connection, error)
    return f"Nothing can be sent yet: {error}"


@dg.sensor(
    name="push_when_edited",
    job_name=PUSH_JOB,
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends edits to Gazelle as soon as a row is due.",
)
def push_when_edited(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Starts the push when a row is due."""
    with unexpected_errors_reported():
        return evaluate(context.instance, Settings.load())


@dg.schedule(
    name="push_every_hour",
    cron_schedule="7 * * * *",
    job_name=PUSH_JOB,
    execution_timezone=MONTREAL.key,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="The same every hour, in case the sensor is off.",
)
def push_every_hour(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Starts the push when a row is due."""
    with unexpected_errors_reported():
        return evaluate(context.instance, Settings.load())
