"""When alerts are evaluated: as each run ends, and every minute for what no run shows.

A failed check that does not block leaves its run a success, so both ends of a run are watched. A run of the command
line is left out here: `gazelle_sync.cli.runs` evaluates it itself, by the same `ended_run`, with or without a daemon.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import dagster as dg

from gazelle_sync.defs.failures import cause_of_event
from gazelle_sync.defs.location import own_records
from gazelle_sync.defs.sync.checks import OUR_SEVERITIES
from gazelle_sync.errors import UNKNOWN, Cause
from gazelle_sync.incidents.facts import CheckResult, EndedRun
from gazelle_sync.incidents.watch import WatchResult, watch
from gazelle_sync.runtime import logs as log
from gazelle_sync.settings import Settings

EVERY_S = 60
AFTER_A_RUN_S = 30
WILL_RETRY_TAG = "dagster/will_retry"
PROCESS_TAG = "gazelle_sync/process"
"""Of a run of the command line: `host:pid` of the process that runs it, so that the next one can find out whether it
is alive."""
CHECK_FAILED = "DagsterAssetCheckFailedError"
SUPERSEDED_WITHIN = 10
"""How many newer runs of the job are searched for one that replaces a run's result."""


def ended_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> EndedRun:
    """What Dagster knows of a run that ended.

    Args:
        instance: That holds the run's events.
        run: As it is now: its status says how it ended.
    """
    succeeded = run.status is dg.DagsterRunStatus.SUCCESS
    failures = [] if succeeded else _step_failures(instance, run.run_id)
    return EndedRun(
        run_id=run.run_id,
        job=run.job_name,
        succeeded=succeeded,
        cause=failures[0][1] if failures else UNKNOWN,
        checks=tuple(_checks(instance, run.run_id)),
        is_superseded=run.tags.get(WILL_RETRY_TAG) == "true" or _is_superseded(instance, run),
        only_checks_failed=bool(failures) and all(kind == CHECK_FAILED for kind, _ in failures),
    )


def _step_failures(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str, Cause]]:
    """The class and the cause of each error that failed the run."""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    found = []
    for entry in instance.all_logs(run_id, of_type=kinds):
        event = entry.dagster_event
        if event is None:
            continue
        if event.is_step_failure:
            error = event.step_failure_data.error
            found.append((error.cls_name or "" if error else "", cause_of_event(event)))
        elif not found:
            found.append(("", cause_of_event(event)))
    return found


def _checks(instance: dg.DagsterInstance, run_id: str) -> list[CheckResult]:
    """The results of the checks, once each, without failures that a newer run superseded."""
    found: dict[dg.AssetCheckKey, CheckResult] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        if entry.dagster_event is None:
            continue
        evaluation = entry.dagster_event.asset_check_evaluation_data
        before = found.get(evaluation.asset_check_key)
        if before is not None and not before.passed:
            continue  # several partitions: one that failed is enough
        found[evaluation.asset_check_key] = CheckResult(
            name=evaluation.check_name,
            asset=evaluation.asset_key.path[-1],  # the incident is in the shop's own database
            passed=evaluation.passed,
            severity=OUR_SEVERITIES[evaluation.severity],
            description=evaluation.description or "",
        )
    failed = [key for key, result in found.items() if not result.passed]
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key(failed) if failed else {}
    old = {key for key, record in newest.items() if record.run_id != run_id}
    return [result for key, result in found.items() if key not in old]


def _is_superseded(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a newer run of the same job has ended: then the result of this one is out of date."""
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    newest = list(islice(own_records(instance, job_name=run.job_name, statuses=ended), SUPERSEDED_WITHIN))
    own = next((record for record in newest if record.dagster_run.run_id == run.run_id), None)
    if own is None:
        return bool(newest)
    return any(record.create_timestamp > own.create_timestamp for record in newest)


def alert_sensors() -> list[dg.SensorDefinition]:
    """All of them; they are on by default."""

    @dg.run_failure_sensor(
        name="alert_on_failed_run",
        description="Alerts, once, when a run failed, and on failed checks.",
        minimum_interval_seconds=AFTER_A_RUN_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def failed(context: dg.RunFailureSensorContext) -> None:
        _evaluate(context)

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="alert_on_failed_check",
        description="Alerts on failed checks of a run that succeeded, and on recoveries.",
        minimum_interval_seconds=AFTER_A_RUN_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def succeeded(context: dg.RunStatusSensorContext) -> None:
        _evaluate(context)

    @dg.sensor(
        name="alert_watch",
        description="Alerts on stale data, errors, failed pushes and slow runs; retries alerts that could not be "
        "delivered.",
        minimum_interval_seconds=EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def every_minute(_context: dg.SensorEvaluationContext) -> dg.SkipReason:
        watched = _watch()
        if watched is None:
            return dg.SkipReason("GAZELLE_DATABASE_URL is not set: `gazelle-sync up` sets it for embedded parts.")
        return dg.SkipReason(
            f"{datetime.now(UTC):%H:%M} UTC: {watched.opened} new, {watched.closed} over, {watched.sent} delivered, "
            f"{watched.failed} not delivered."
        )

    return [failed, succeeded, every_minute]


def _evaluate(context: dg.RunStatusSensorContext) -> None:
    if PROCESS_TAG not in context.dagster_run.tags:
        _watch(ended_run(context.instance, context.dagster_run))


def _watch(ended: EndedRun | None = None) -> WatchResult | None:
    settings = Settings.load()
    if settings.database_url is None:
        return None
    log.configure_once(settings)
    with log.unexpected_errors_reported():
        return watch(settings, ended)
