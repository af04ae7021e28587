"""Runs the real Dagster jobs in this process, for the command line: the UI shows these runs like any other."""

from __future__ import annotations

import os
import socket
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import psycopg

from gazelle_sync.cli.summary import Summary, draw_progress
from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import GazelleSyncError, SettingsError, first_line
from gazelle_sync.incidents.facts import EndedRun
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.report import Progress
from gazelle_sync.quality.finding import Finding
from gazelle_sync.quality.render import finding_lines
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.runtime.signals import interrupts_heard
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import CONNECT_TIMEOUT_S, connect, database_errors, statement
from gazelle_sync.warehouse.lock import pull_is_running
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.settings_table import read_watermarks

IN_PROCESS_TAG = "gazelle_sync/process"


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes:
        succeeded: Whether every step did.
        text: The summary to print.
    """

    succeeded: bool
    text: str


def load_dagster() -> None:
    """Import what a run needs: more than a second, which a thread can spend while the embedded parts start."""
    with suppress(Exception):  # the run imports it again, and says what is wrong with it
        import gazelle_sync.definitions  # noqa: F401 - for the sake of having it


def entities_from(only: str | None) -> list[str] | None:
    """The names in `--only`, checked.

    Raises:
        SettingsError: A name is unknown.
    """
    if only is None:
        return None
    names = [name.strip() for name in only.split(",") if name.strip()]
    known = [entity.name for entity in ENTITIES]
    if unknown := [name for name in names if name not in known]:
        raise SettingsError(f"--only: {', '.join(unknown)} is not known. There are: {', '.join(known)}.")
    if not names:
        raise SettingsError(f"--only names nothing. There are: {', '.join(known)}.")
    return names


def run_sync(settings: Settings, *, full: bool, entities: list[str] | None, allow_deletes: bool) -> Ended:
    """Run the job `tick`, or `full` in its deep mode."""
    from gazelle_sync.defs.sync.jobs import run_config
    from gazelle_sync.defs.sync.partitions import range_tags, tick_days
    from gazelle_sync.defs.sync.resources import FULL, TICK

    job_name = FULL if full else TICK
    with _told(settings, job_name):
        migrate(str(settings.database_url))
        with database_errors(), connect(str(settings.database_url)) as connection:
            watermark = read_watermarks(connection).get("")
    first, last = tick_days(watermark, datetime.now(UTC), settings.partitions_start)
    mode = Mode.DEEP if full else Mode.TICK
    return _run(
        settings,
        job_name,
        run_config(mode.value, allow_deletes=allow_deletes),
        range_tags(first, last),
        entities,
        with_staging=True,
    )


def run_replay(
    settings: Settings,
    *,
    entities: list[str] | None,
    first: date | None,
    last: date | None,
    without_staging: str | None = None,
) -> Ended:
    """Run the job `replay`."""
    from gazelle_sync.defs.sync.jobs import run_config
    from gazelle_sync.defs.sync.partitions import range_tags, tick_days
    from gazelle_sync.defs.sync.resources import REPLAY, REPLAY_JOB

    if first and last and last < first:
        raise SettingsError(f"--to {last} lies before --from {first}.")
    _, today = tick_days(None, datetime.now(UTC), settings.partitions_start)
    config = run_config(
        REPLAY,
        from_day=first.isoformat() if first else None,
        to_day=last.isoformat() if last else None,
        without_staging=without_staging,
    )
    return _run(settings, REPLAY_JOB, config, range_tags(today, today), entities, with_staging=False)


def checks_from(only: str | None) -> list[str] | None:
    """The names in `--only`, checked.

    Raises:
        SettingsError: A name is unknown.
    """
    from gazelle_sync.quality.registry import CHECKS

    if only is None:
        return None
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in CHECKS]
    if unknown or not names:
        said = f"{', '.join(unknown)} is no check" if unknown else "names nothing"
        raise SettingsError(f"--only: {said}. There are: {', '.join(CHECKS)}.")
    return names


def run_checks(settings: Settings, names: list[str] | None) -> list[Finding]:
    """Run the job `check`.

    Args:
        settings: With everything named.
        names: Which checks; None: all.

    Returns:
        What each found, in the order in which they are declared.

    Raises:
        GazelleSyncError: A check broke down without a finding.
    """
    from gazelle_sync.quality.registry import CHECKS

    with _quietly():
        from gazelle_sync.definitions import build_defs
        from gazelle_sync.defs.sync.checks_evaluation import finding_of
        from gazelle_sync.defs.sync.jobs import check_keys, run_config
        from gazelle_sync.defs.sync.resources import CHECK

        with _told(settings, CHECK):
            migrate(str(settings.database_url))
        job = build_defs().resolve_job_def(CHECK)
        if names is not None:
            job = job.get_subset(asset_selection=frozenset(), asset_check_selection=set(check_keys(names)))
        result, failures = _execute(settings, job, run_config=run_config(Mode.TICK.value))
        found = {e.check_name: finding_of(e) for e in result.get_asset_check_evaluations()}
    if missing := [name for name in names or CHECKS if name not in found]:
        reasons = "; ".join(dict.fromkeys(_reason(failure) for failure in failures))
        raise GazelleSyncError(f"{', '.join(missing)} broke down: {reasons}. The run {result.run_id} says more.")
    return [found[name] for name in CHECKS if name in found]


def run_retry(settings: Settings, entities: list[str]) -> Ended:
    """Run the job `replay` on what waits to be applied of some entities."""
    from gazelle_sync.defs.sync.jobs import run_config
    from gazelle_sync.defs.sync.partitions import range_tags, tick_days
    from gazelle_sync.defs.sync.resources import REPLAY, REPLAY_JOB

    _, today = tick_days(None, datetime.now(UTC), settings.partitions_start)
    config = run_config(REPLAY, only_pending=True)
    return _run(settings, REPLAY_JOB, config, range_tags(today, today), entities, with_staging=False)


def _run(
    settings: Settings,
    job_name: str,
    config: dict[str, Any],
    tags: dict[str, str],
    entities: list[str] | None,
    *,
    with_staging: bool,
) -> Ended:
    with _quietly():
        from gazelle_sync.definitions import build_defs
        from gazelle_sync.defs.sync.checks_evaluation import finding_of
        from gazelle_sync.defs.sync.jobs import asset_keys
        from gazelle_sync.defs.sync.resources import pull_resource

        progress = Progress()
        job = build_defs({"pull": pull_resource(progress)}).resolve_job_def(job_name)
        selection = asset_keys(entities, with_staging=with_staging) if entities else None
        with draw_progress(progress, settings.language):
            result, failures = _execute(settings, job, tags=tags, run_config=config, asset_selection=selection)
        reasons = list(dict.fromkeys(_reason(failure) for failure in failures if not _is_of_a_check(failure)))
        findings = [finding_of(evaluated) for evaluated in result.get_asset_check_evaluations()]
    summary = Summary.read(settings, result.run_id)
    text = summary.render(settings.language, fallback=reasons)
    if failed := [finding for finding in findings if finding.is_failure]:
        text = "\n".join([text, *(line for finding in failed for line in finding_lines(finding, settings.language))])
    return Ended(result.success and not summary.failures, text)


def run_push(settings: Settings, *, keys: list[str] | None, undo: str | None) -> Ended:
    """Run the job `push_to_gazelle`.

    Raises:
        SettingsError: `undo` names no run that could be put back.
    """
    with _quietly():
        from gazelle_sync.definitions import build_defs
        from gazelle_sync.defs.push.jobs import EAR, PUSH_JOB, Ear, ear_resource, push_config
        from gazelle_sync.push.render import render_report
        from gazelle_sync.push.undo import assert_undoable

        if undo is not None:
            with _told(settings, PUSH_JOB):
                migrate(str(settings.database_url))
                assert_undoable(settings, undo, keys)
        ear = Ear()
        job = build_defs({EAR: ear_resource(ear)}).resolve_job_def(PUSH_JOB)
        config = push_config(pianos=keys, at_once=True, undo=undo)
        result, failures = _execute(settings, job, run_config=config)
    if ear.report is not None:
        return Ended(result.success and ear.report.succeeded, render_report(settings.language, ear.report))
    return Ended(False, "\n".join(f"✗ {_reason(failure)}" for failure in failures))


@contextmanager
def _quietly() -> Iterator[None]:
    """Dagster says which of its parameters are young; nobody here can act on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _execute(
    settings: Settings, job: Any, *, tags: Mapping[str, str] | None = None, **options: Any
) -> tuple[Any, list[Any]]:
    """Run a job in this process and tell what is new; gives its result and what its failed steps say.

    Raises:
        KeyboardInterrupt: The run was stopped, and has written down that it was. Whoever stopped it need not be told.
    """
    import dagster as dg

    from gazelle_sync.defs.incidents.sensors import ended_run

    own = {IN_PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}"}
    with _told(settings, job.name), _instance(dg, settings) as instance:
        run_id = str(uuid.uuid4())
        try:
            with interrupts_heard():
                result = job.execute_in_process(
                    instance=instance, raise_on_error=False, run_id=run_id, tags={**(tags or {}), **own}, **options
                )
        except KeyboardInterrupt:
            _note_stopped(settings, run_id)
            raise
        _look_after_alerts(settings, ended_run(instance, instance.get_run_by_id(result.run_id)))
    return result, [event.event_specific_data for event in result.all_events if event.is_step_failure]


def _note_stopped(settings: Settings, run_id: str) -> None:
    """The daemon's next look at the log must not tell of it either."""
    with suppress(GazelleSyncError), database_errors(), connect(str(settings.database_url)) as connection:
        connection.execute(statement("cli/runlog_stopped"), {"run_id": run_id})


def _look_after_alerts(settings: Settings, ended: EndedRun) -> None:
    """Tell what is new; the daemon's sensors do not see the runs of this command, and there may be no daemon.

    Whatever happens to an alert, the run has ended as it has.
    """
    from gazelle_sync.incidents.watch import watch

    try:
        watch(settings, ended)
    except Exception:
        get_logger("gazelle_sync").exception("alerts could not be looked after")


@contextmanager
def _told(settings: Settings, job_name: str) -> Iterator[None]:
    """A run that cannot even begin is told as well; what a person mistyped is not."""
    try:
        yield
    except SettingsError:
        raise
    except GazelleSyncError as error:
        _look_after_alerts(settings, EndedRun(run_id=None, job=job_name, succeeded=False, reason=str(error)))
        raise


@contextmanager
def _instance(dg: Any, settings: Settings) -> Iterator[Any]:
    """Dagster's instance, with connections kept open for the length of the run."""
    try:
        psycopg.connect(str(settings.dagster_postgres_url), connect_timeout=CONNECT_TIMEOUT_S).close()
    except psycopg.Error as error:
        raise GazelleSyncError(
            f"Dagster's own database cannot be reached ({str(error).strip()}). Check GAZELLE_DAGSTER_POSTGRES_URL."
        ) from error
    from sqlalchemy.exc import DBAPIError

    try:
        with dg.DagsterInstance.get() as instance:
            for storage in (instance.run_storage, instance.event_log_storage):
                # Without this each of some two hundred queries opens a connection of its own.
                storage.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
            _bury_dead_runs(dg, instance, settings)
            yield instance
    except DBAPIError as error:
        raise GazelleSyncError(
            f"Dagster's own database broke off ({first_line(error.orig or error)}). Look whether its disk is full, "
            "whether it takes changes, and whether GAZELLE_DAGSTER_POSTGRES_URL is right; then run again."
        ) from error


def _reason(failure: Any) -> str:
    """Why a step failed: our own sentence where it is ours, else Dagster's."""
    said = failure.user_failure_data
    return str(said.description) if said and said.description else str(failure.error_display_string)


def _is_of_a_check(failure: Any) -> bool:
    """Whether a step failed because a blocking check did: what that found is told in its own words."""
    return bool(failure.error and failure.error.cls_name == "DagsterAssetCheckFailedError")


def _bury_dead_runs(dg: Any, instance: Any, settings: Settings) -> None:
    """Runs of this command whose process was killed would be shown as running for ever."""
    started = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    dead = [run for run in started if IN_PROCESS_TAG in run.tags and not _is_alive(run.tags[IN_PROCESS_TAG])]
    if dead and not pull_is_running(str(settings.database_url)):
        for run in dead:
            instance.report_run_failed(
                run, "The process ended without a word: it was killed, or the machine went down."
            )


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
