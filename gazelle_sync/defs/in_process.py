"""Runs a job in this process, on the instance that the UI shows: how the command line runs the real jobs."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import dagster as dg
import psycopg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from sqlalchemy.exc import DBAPIError

from gazelle_sync.defs.incidents.sensors import CHECK_FAILED, PROCESS_TAG, ended_run
from gazelle_sync.defs.location import UNNAMED_LOCATION, location_name, own_records
from gazelle_sync.errors import DagsterDatabaseError, GazelleSyncError, first_line
from gazelle_sync.i18n import gettext
from gazelle_sync.incidents.facts import EndedRun
from gazelle_sync.runtime.signals import interrupts_reraised
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import CONNECT_TIMEOUT_S
from gazelle_sync.warehouse.lock import pull_is_running
from gazelle_sync.warehouse.pool import borrow


def code_location(name: str) -> RemoteRepositoryOrigin:
    """A code location, by its name alone.

    The UI lists a run under its job, and in the job's timeline, only when the run names the code location;
    `JobDefinition.execute_in_process` names none.
    """
    return RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(name), SINGLETON_REPOSITORY_NAME)


CODE_LOCATION = code_location(UNNAMED_LOCATION)
NO_RETRIES = {"dagster/max_retries": "0"}
"""Dagster's daemon would retry a run that was stopped or killed: that is for the user of the command to decide."""


@dataclass(frozen=True)
class InProcessRun:
    """A run that ended.

    Attributes:
        run_id: Dagster's.
        succeeded: Whether every step did.
        evaluations: What its checks found.
        reasons: Why steps failed, each reason once; a step that a blocking check failed is reported by that check.
        ended: The same run as incidents see it.
    """

    run_id: str
    succeeded: bool
    evaluations: Sequence[dg.AssetCheckEvaluation]
    reasons: Sequence[str]
    ended: EndedRun


def execute(
    settings: Settings,
    job: dg.JobDefinition,
    *,
    run_config: Mapping[str, Any],
    tags: Mapping[str, str] | None = None,
    asset_selection: Sequence[dg.AssetKey] | None = None,
) -> InProcessRun:
    """Run a job in this process.

    Args:
        settings: With both databases named.
        job: Of `build_defs()`.
        run_config: Of the run.
        tags: Of the run, besides ours and the job's.
        asset_selection: Which of the job's assets; None: all.

    Raises:
        GazelleSyncError: Dagster's own database cannot be used.
        KeyboardInterrupt: The run was stopped, and has written down that it was.
    """
    own = {PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}"}
    if asset_selection is not None:
        job = job.get_subset(asset_selection=frozenset(asset_selection))
    with _instance(settings) as instance:
        run_id = str(uuid.uuid4())
        try:
            with interrupts_reraised():
                created = instance.create_run_for_job(
                    job,
                    run_id=run_id,
                    run_config=run_config,
                    tags={**job.run_tags, **(tags or {}), **own, **NO_RETRIES},
                    asset_selection=frozenset(asset_selection) if asset_selection is not None else None,
                    remote_job_origin=code_location(location_name()).get_job_origin(job.name),
                )
                result = execute_run(InMemoryJob(job), created, instance)
        except KeyboardInterrupt:
            _note_stopped(settings, run_id)
            raise
        run = instance.get_run_by_id(result.run_id)
        if run is None:
            raise DagsterDatabaseError(
                gettext("The run is gone from Dagster's own database: somebody removed it while it ran.")
            )
        return InProcessRun(
            run_id=result.run_id,
            succeeded=result.success,
            evaluations=result.get_asset_check_evaluations(),
            reasons=_reasons(result),
            ended=ended_run(instance, run),
        )


def _reasons(result: dg.JobExecutionResult) -> list[str]:
    """Our own sentence where it is ours, else Dagster's."""
    reasons = []
    for event in result.all_events:
        if not event.is_step_failure:
            continue
        failure = event.step_failure_data
        if failure.error and failure.error.cls_name == CHECK_FAILED:
            continue
        said = failure.user_failure_data
        reasons.append(str(said.description) if said and said.description else failure.error_display_string)
    return list(dict.fromkeys(reasons))


def _note_stopped(settings: Settings, run_id: str) -> None:
    """Note in the run's row that a person stopped it, so that no alert is sent for it."""
    with suppress(GazelleSyncError), borrow(str(settings.database_url)) as connection:
        connection.execute(
            """UPDATE sync_logs SET stats = stats || '{"stopped_by_hand": true}' WHERE run_id = %s""", [run_id]
        )


@contextmanager
def _instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance, with connections kept open for the length of the run."""
    try:
        psycopg.connect(str(settings.dagster_postgres_url), connect_timeout=CONNECT_TIMEOUT_S).close()
    except psycopg.Error as error:
        raise DagsterDatabaseError(
            gettext(
                "Dagster's own database cannot be reached ({reason}). Check GAZELLE_DAGSTER_POSTGRES_URL.",
                reason=str(error).strip(),
            )
        ) from error
    try:
        with dg.DagsterInstance.get() as instance:
            for storage in (instance.run_storage, instance.event_log_storage):
                # Without this each of some two hundred queries opens a connection of its own.
                storage.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
            _fail_orphaned_runs(instance, settings)
            yield instance
    except DBAPIError as error:
        raise DagsterDatabaseError(
            gettext(
                "Dagster's own database failed ({reason}). Check that its disk is not full, that it accepts "
                "changes and that GAZELLE_DAGSTER_POSTGRES_URL is right; then run again.",
                reason=first_line(error.orig or error),
            )
        ) from error


def _fail_orphaned_runs(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Runs of this command whose process was killed would be shown as running for ever."""
    started = [record.dagster_run for record in own_records(instance, statuses=[dg.DagsterRunStatus.STARTED])]
    orphaned = [run for run in started if PROCESS_TAG in run.tags and not _is_alive(run.tags[PROCESS_TAG])]
    if orphaned and not pull_is_running(str(settings.database_url)):
        for run in orphaned:
            said = gettext("The process was killed, or the machine went down.")
            instance.report_run_failed(run, said)


def _is_alive(tag: str) -> bool:
    host, _, pid = tag.rpartition(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
