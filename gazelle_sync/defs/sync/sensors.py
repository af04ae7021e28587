"""Ends runs whose process is gone, and runs again, once, what a signal broke off and Dagster could not start itself.

Where a code server is killed, its runs die with it, and Dagster's launcher does not notice: such a run would hold its
pool, and every tick behind it would wait, for hours.

A service manager that restarts the code server signals the runs of its process tree too. Dagster tries such a run
again at that very moment, when the code server is away, and gives up: a nightly run would be missed for a day. A tick
needs no such thing, nor does a push: the next one takes up what they leave.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from gazelle_sync.defs.incidents.sensors import PROCESS_TAG
from gazelle_sync.defs.location import own_records
from gazelle_sync.defs.push.jobs import PUSH_JOB
from gazelle_sync.defs.sync.resources import FULL_JOBS, PULL_JOBS
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import montreal_day
from gazelle_sync.runtime.logs import unexpected_errors_reported
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.lock import pull_is_running, push_is_running

EVERY_S = 30
WITHIN = timedelta(hours=20)
"""What is older is overtaken by the next night's run."""
SILENT, SILENT_IN_FULL = timedelta(minutes=3), timedelta(minutes=30)
"""A run that works says something more often, or holds the lock of its kind."""
SILENT_WITHOUT_A_PROCESS = timedelta(seconds=20)
"""Where its process is not to be found on this machine: enough for one of another machine to end its last words."""
AGAIN_TAG = "gazelle_sync/again"
PARENT_TAG = "dagster/parent_run_id"
REASON_TAG = "dagster/failure_reason"
WILL_RETRY_TAG = "dagster/will_retry"
BROKEN_OFF = "UNEXPECTED_TERMINATION"
CODE_SERVER_TAG = ".dagster/grpc_info"


def lost_runs(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> list[dg.DagsterRun]:
    """The runs of this shop whose process is gone: nothing holds the lock of their kind, and they have been silent.

    Args:
        instance: That shows them as started.
        settings: The shop's.
        now: Aware UTC.
    """
    found = []
    for record in own_records(instance, statuses=[dg.DagsterRunStatus.STARTED]):
        run = record.dagster_run
        if PROCESS_TAG in run.tags or record.start_time is None:
            continue  # the command line ends its own
        said = instance.get_records_for_run(run.run_id, limit=1, ascending=False).records
        last = max(record.start_time, *(one.event_log_entry.timestamp for one in said), 0.0)
        silent = now - datetime.fromtimestamp(last, UTC)
        longest = SILENT_IN_FULL if run.job_name in FULL_JOBS else SILENT
        if silent < SILENT_WITHOUT_A_PROCESS or (silent < longest and not _has_no_process(instance, run)):
            continue
        if not _is_at_work(settings, run.job_name):
            found.append(run)
    return found


def _has_no_process(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run's process is gone from this machine; False where nobody can say.

    Dagster's own launcher makes runs processes of the code server, as this sensor is one of its threads, and tags them.
    Any other launcher's are elsewhere, and it looks after them itself; so are those of `dg launch`.
    """
    if not isinstance(instance.run_launcher, dg.DefaultRunLauncher) or CODE_SERVER_TAG not in run.tags:
        return False
    entries = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    pids = {
        str(entry.dagster_event.engine_event_data.metadata["pid"].value)
        for entry in entries
        if entry.dagster_event is not None and "pid" in entry.dagster_event.engine_event_data.metadata
    }
    return bool(pids) and not any(_may_live(pid) for pid in pids)


def _may_live(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return not Path("/proc/self/stat").exists()
    return state not in "ZX"  # ended, and nobody has asked how


def _is_at_work(settings: Settings, job: str) -> bool:
    """Whether some process holds the lock that a run of a job works under; True where nobody can say."""
    url = str(settings.database_url)
    try:
        if job in PULL_JOBS:
            return pull_is_running(url)
        return push_is_running(url) if job == PUSH_JOB else False
    except GazelleSyncError:
        return True


def end_lost_runs(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> None:
    """Mark runs as failed whose process is gone; Dagster then starts each again, once.

    Args:
        instance: That shows them as started.
        settings: The shop's.
        now: Aware UTC.
    """
    for run in lost_runs(instance, settings, now):
        instance.report_run_failed(run, gettext("The process was killed, or the machine went down."))


def broken_off(instance: dg.DagsterInstance) -> dg.DagsterRun | None:
    """The newest full run, where a signal broke it off and nothing runs it again."""
    since = datetime.now(UTC) - WITHIN
    newest_of_each = (next(own_records(instance, job_name=job, created_after=since), None) for job in FULL_JOBS)
    records = [record for record in newest_of_each if record is not None]
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
        description="Runs a nightly or deep run again, once, that a signal broke off (a restarted code server). Ends "
        "runs whose process was killed, so that no other waits for them.",
    )
    def again_after_a_signal(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        with unexpected_errors_reported():
            end_lost_runs(context.instance, Settings.load(), datetime.now(UTC))
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
