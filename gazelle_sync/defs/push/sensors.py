"""When edits are sent: as soon as a row is due, and every hour in case the sensor was off.

The rows themselves say when they are due (edits at once, failed tries after 1, 2, 4, … minutes), so a run request has
no key: Dagster would take a second one for the first. After a run that could reach nobody, Gazelle is asked for
something small before the next one: an outage ends with the run that follows it, and makes no failed runs meanwhile.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg

from gazelle_sync.defs.location import own_records
from gazelle_sync.defs.push.jobs import PUSH_JOB, push_config
from gazelle_sync.defs.services import ask_database
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.push import outage
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.push.store import is_due
from gazelle_sync.runtime.logs import unexpected_errors_reported
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.lock import PUSH_LOCK, is_held
from gazelle_sync.warehouse.pool import together

EVERY_S = 8
"""The daemon comes by every five seconds, so this is every second time. Ten would be some milliseconds too early at
times, and then it is every third time: an edit waits for half of that, for the queue and for the run's start."""
UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]
LONGEST_WAIT = timedelta(hours=1)
"""A run that has been waiting for its turn for longer was left behind."""
LONGEST_WAY = timedelta(minutes=2)
"""A run that has begun has the lock for as long as it sends, and is soon done before and after. One that has been under
way for longer without it was left behind by a process that died, which Dagster does not see."""


def evaluate(instance: dg.DagsterInstance, settings: Settings) -> dg.RunRequest | dg.SkipReason:
    """Whether to push now."""
    reason = ask_database(settings, partial(_why_not, settings))
    if reason is not None:
        return reason if isinstance(reason, dg.SkipReason) else dg.SkipReason(reason)
    now = datetime.now(UTC)
    since = now - LONGEST_WAIT
    for record in own_records(instance, job_name=PUSH_JOB, statuses=UNDER_WAY, created_after=since):
        if record.start_time is None or now.timestamp() - record.start_time < LONGEST_WAY.total_seconds():
            return dg.SkipReason(f"Run {record.dagster_run.run_id[:8]} is about to push.")
    return dg.RunRequest(run_config=push_config(at_once=False))


def _why_not(settings: Settings, connection: Connection) -> str | None:
    """Why no run should start now, as far as the shop's database and Gazelle know."""
    if not is_due(connection, *PUSHABLES):
        return "Gazelle has every edit, or the next try of the others lies ahead."
    if held_back := _held_back(connection, settings):
        return held_back
    if together(connection, is_held(PUSH_LOCK)) == [[(True,)]]:
        return "A push is running: one at a time. The next one takes up what this one leaves."
    return None


def _held_back(connection: Connection, settings: Settings) -> str | None:
    """Why no run can be of use now, after one that reached nobody."""
    left = outage.left(connection)
    if left is None or settings.api_url is None:
        return None
    if left > timedelta(0):
        return f"The last push reached nobody: Gazelle is asked again in {left.total_seconds():.0f} s."
    connection.commit()  # no transaction is open for as long as Gazelle takes
    try:
        error = outage.probe(settings)
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
