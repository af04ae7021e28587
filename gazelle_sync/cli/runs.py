"""Runs the real Dagster jobs in this process, for the command line: the UI shows these runs like any other."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from gazelle_sync.cli.summary import Summary, draw_progress
from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import GazelleSyncError, SettingsError, cause_of
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.incidents.facts import EndedRun
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.report import Progress
from gazelle_sync.quality.finding import Finding, finding_lines
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.runtime.memory import give_back_memory
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.settings_table import read_watermarks

if TYPE_CHECKING:
    from gazelle_sync.defs.in_process import InProcessRun  # it imports Dagster, which takes more than a second


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        succeeded: Whether every step did.
        text: The summary to print.
    """

    succeeded: bool
    text: str


def load_dagster() -> None:
    """Import what a run needs, which takes more than a second: on a thread, while the embedded parts start."""
    with suppress(Exception):  # the run imports it again, and reports what is wrong
        import gazelle_sync.definitions  # noqa: F401 - imported for later


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
        raise SettingsError(_only_error(unknown, known))
    if not names:
        raise SettingsError(_only_error([], known))
    return names


def _only_error(unknown: Iterable[str], known: Iterable[str]) -> str:
    """The message for an `--only` that names unknown things or nothing."""
    choices = ", ".join(known)
    if names := ", ".join(unknown):
        return gettext("--only: {names} is not known. There are: {choices}.", names=names, choices=choices)
    return gettext("--only names nothing. There are: {choices}.", choices=choices)


def run_sync(settings: Settings, *, full: bool, entities: list[str] | None, allow_deletes: bool) -> RunResult:
    """Run the job `tick`, or `deep`."""
    from gazelle_sync.defs.sync.jobs import run_config
    from gazelle_sync.defs.sync.partitions import range_tags, tick_days
    from gazelle_sync.defs.sync.resources import DEEP, TICK

    job_name = DEEP if full else TICK
    with _alert_if_start_fails(settings, job_name):
        migrate(str(settings.database_url))
        with borrow(str(settings.database_url)) as connection:
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


EXAMPLE_EDITS = Message(
    "The invented shop has edits that wait: `gazelle-sync push --dry-run` shows them, `gazelle-sync push` sends them."
)


def write_example_edits(settings: Settings) -> bool:
    """Write edits that wait to be sent, once, into a sandbox's database without any; gives whether it did."""
    with borrow(str(settings.database_url)) as connection:
        return connection.execute(statement("cli/example_edits")).rowcount > 0


def run_replay(
    settings: Settings,
    *,
    entities: list[str] | None,
    first: date | None,
    last: date | None,
    without_staging: str | None = None,
) -> RunResult:
    """Run the job `replay`."""
    from gazelle_sync.defs.sync.jobs import run_config
    from gazelle_sync.defs.sync.partitions import range_tags, tick_days
    from gazelle_sync.defs.sync.resources import REPLAY, REPLAY_JOB

    if first and last and last < first:
        raise SettingsError(gettext("--to {last} is before --from {first}.", last=last, first=first))
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
        raise SettingsError(_only_error(unknown, CHECKS))
    return names


def run_checks(settings: Settings, names: list[str] | None) -> list[Finding]:
    """Run the job `check`.

    Args:
        settings: Complete.
        names: Which checks; None: all.

    Returns:
        Their findings, in the order of declaration.

    Raises:
        GazelleSyncError: A check failed without a finding.
    """
    from gazelle_sync.quality.registry import CHECKS

    with _quietly():
        from gazelle_sync.definitions import build_defs
        from gazelle_sync.defs.sync.checks import finding_of
        from gazelle_sync.defs.sync.jobs import check_keys, run_config
        from gazelle_sync.defs.sync.resources import CHECK

        with _alert_if_start_fails(settings, CHECK):
            migrate(str(settings.database_url))
        job = build_defs().resolve_job_def(CHECK)
        if names is not None:
            job = job.get_subset(asset_selection=frozenset(), asset_check_selection=set(check_keys(names)))
        run = _execute(settings, job, run_config=run_config(Mode.TICK.value))
        found = {e.check_name: finding_of(e) for e in run.evaluations}
    if missing := [name for name in names or CHECKS if name not in found]:
        reasons = "; ".join(run.reasons)
        raise GazelleSyncError(
            gettext(
                "{names} failed: {reasons}. The run {run_id} has the details.",
                names=", ".join(missing),
                reasons=reasons,
                run_id=run.run_id,
            )
        )
    return [found[name] for name in CHECKS if name in found]


def run_retry(settings: Settings, entities: list[str]) -> RunResult:
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
) -> RunResult:
    with _quietly():
        from gazelle_sync.definitions import build_defs
        from gazelle_sync.defs.sync.checks import finding_of
        from gazelle_sync.defs.sync.jobs import asset_keys
        from gazelle_sync.defs.sync.resources import PullResource

        progress = Progress()
        definitions = build_defs({"pull": PullResource(progress=progress)})
        job = definitions.resolve_job_def(job_name)
        selection = asset_keys(entities, with_staging=with_staging) if entities else None
        with draw_progress(progress, settings.language):
            run = _execute(settings, job, tags=tags, run_config=config, asset_selection=selection)
        findings = [finding_of(evaluated) for evaluated in run.evaluations]
    summary, due = Summary.read(settings, run.run_id, succeeded=run.succeeded)
    text = summary.render(settings.language, fallback=list(run.reasons))
    if failed := [finding for finding in findings if finding.is_failure]:
        text = "\n".join([text, *(line for finding in failed for line in finding_lines(finding, settings.language))])
    followed = _run_followers(settings, definitions, due)
    return RunResult(
        run.succeeded and not summary.failures and all(one.succeeded for one in followed),
        "\n".join([text, *(one.text for one in followed if one.text)]),
    )


def _run_followers(settings: Settings, definitions: Any, due: Sequence[str]) -> list[RunResult]:
    """Run what of the shop's own work waits for something that the pull brought; most pulls bring nothing of it.

    One after the other, since two runs in one process could wait for each other for ever; what the search reads, it
    reads beside them.
    """
    if not due:
        return []
    give_back_memory()
    with _quietly():
        from gazelle_sync.defs.shop import search

        with search.words_read_beside(settings) if search.JOB in due else nullcontext():
            return [_run_follower(settings, definitions, job) for job in due]


def _run_follower(settings: Settings, definitions: Any, job_name: str) -> RunResult:
    from gazelle_sync.defs.shop.following import SAID
    from gazelle_sync.defs.sync.checks import finding_of

    job = definitions.resolve_job_def(job_name)
    run = _execute(settings, job, run_config=job.run_config or {})
    said = [SAID.pop(run.run_id, ""), *(f"✗ {reason}" for reason in run.reasons)]
    findings = [finding_of(evaluated) for evaluated in run.evaluations]
    said += [line for one in findings if one.is_failure for line in finding_lines(one, settings.language)]
    return RunResult(run.succeeded, "\n".join(line for line in said if line))


def run_push(
    settings: Settings,
    *,
    keys: list[str] | None,
    undo: str | None,
    tables: list[str] | None = None,
    allow_deletes: bool = False,
) -> RunResult:
    """Run the job `push_to_gazelle`.

    Args:
        settings: For the database and the API.
        keys: Only these records or rows; None: all that are due.
        undo: Put back what this run changed instead.
        tables: Only of these tables of the shop; None: of all.
        allow_deletes: Also end the records of many rows that were deleted here.

    Raises:
        SettingsError: `undo` names no run that could be put back.
    """
    with _quietly():
        from gazelle_sync.definitions import build_defs
        from gazelle_sync.defs.push.assets import REPORTS
        from gazelle_sync.defs.push.jobs import PUSH_JOB, push_config
        from gazelle_sync.push.render import render_report
        from gazelle_sync.push.undo import assert_undoable
        from gazelle_sync.warehouse.names import read_names

        if undo is not None:
            with _alert_if_start_fails(settings, PUSH_JOB):
                migrate(str(settings.database_url))
                with borrow(str(settings.database_url)) as connection:
                    assert_undoable(connection, undo, keys)
        job = build_defs().resolve_job_def(PUSH_JOB)
        config = push_config(pianos=keys, at_once=True, undo=undo, tables=tables, allow_deletes=allow_deletes)
        run = _execute(settings, job, run_config=config)
    report = REPORTS.pop(run.run_id, None)
    if report is None:
        return RunResult(False, "\n".join(f"✗ {reason}" for reason in run.reasons))
    text = render_report(settings.language, report, partial(read_names, settings))
    return RunResult(run.succeeded and report.succeeded, text)


def run_scan(settings: Settings, *, everything: bool = False) -> tuple[RunResult, dict[str, Any]]:
    """Run the job `scan_maintenance`; what it did, in a sentence and in numbers."""
    with _quietly():
        from gazelle_sync.definitions import build_defs
        from gazelle_sync.defs.shop.following import SAID
        from gazelle_sync.defs.shop.maintenance import REPORTS, SCAN_JOB, scan_config

        job = build_defs().resolve_job_def(SCAN_JOB)
        run = _execute(settings, job, run_config=scan_config(everything=everything))
    report = REPORTS.pop(run.run_id, None)
    said = [SAID.pop(run.run_id, ""), *(f"✗ {reason}" for reason in run.reasons)]
    text = "\n".join(line for line in said if line)
    return RunResult(run.succeeded, text), asdict(report) if report is not None else {}


@contextmanager
def _quietly() -> Iterator[None]:
    """Without Dagster's warnings about new parameters, which a user cannot act on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _evaluate_alerts(settings: Settings, ended: EndedRun) -> None:
    """Evaluate alerts: the daemon's sensors leave out the runs of this command, and there may be no daemon.

    An error in it does not change the result of the run.
    """
    from gazelle_sync.incidents.watch import watch

    try:
        watch(settings, ended)
    except Exception:
        get_logger("gazelle_sync").exception("alerts could not be evaluated")


@contextmanager
def _alert_if_start_fails(settings: Settings, job_name: str) -> Iterator[None]:
    """Alert when a run cannot start, except for a mistyped option or setting."""
    try:
        yield
    except SettingsError:
        raise
    except GazelleSyncError as error:
        _evaluate_alerts(settings, EndedRun(run_id=None, job=job_name, succeeded=False, cause=cause_of(error)))
        raise


def _execute(settings: Settings, job: Any, **options: Any) -> InProcessRun:
    """Run a job in this process, and evaluate alerts.

    Raises:
        KeyboardInterrupt: The run was stopped, and recorded that. There is no alert: a person stopped it.
    """
    from gazelle_sync.defs.in_process import execute

    with _alert_if_start_fails(settings, job.name):
        run = execute(settings, job, **options)
        _evaluate_alerts(settings, run.ended)
    return run
