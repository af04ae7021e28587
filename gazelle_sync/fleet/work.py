"""What a child does for its shop: a pull with its checks, what follows it, edits that are due, and the alerts.

The same that Dagster's jobs do for a single shop, in one process and without Dagster. Each part that fails is told as
a run of its own job would be, and stops no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from gazelle_sync.errors import UNKNOWN, AnotherPullRunning, AnotherPushRunning, Cause, GazelleSyncError, cause_of
from gazelle_sync.fleet.fork_server import STOPPED
from gazelle_sync.i18n import LANGUAGES
from gazelle_sync.i18n.translator import translator
from gazelle_sync.incidents.causes import describe_cause
from gazelle_sync.incidents.facts import CheckResult, EndedRun
from gazelle_sync.incidents.watch import watch
from gazelle_sync.montreal import MONTREAL, clock_changes
from gazelle_sync.notifications.notices import (
    CASH_JOB,
    MAINTENANCE_JOB,
    send_to_address,
    tell_cash,
    tell_maintenance,
)
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.pull.session import Pull
from gazelle_sync.push import outage, store
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.push.session import Push
from gazelle_sync.quality.context import CheckContext
from gazelle_sync.quality.registry import GROUPS, PUSH, SHOP, Group, evaluate_all
from gazelle_sync.runtime import logs as log
from gazelle_sync.runtime.memory import limit_malloc_arenas
from gazelle_sync.settings import Settings
from gazelle_sync.shop.billing.digest import is_due
from gazelle_sync.shop.calendar.notice_sending import tell
from gazelle_sync.shop.followers import jobs_due
from gazelle_sync.shop.inventory.follow import follow_invoices
from gazelle_sync.shop.maintenance.digest import is_anything_new
from gazelle_sync.shop.maintenance.scan import scan
from gazelle_sync.shop.search.index import refresh
from gazelle_sync.warehouse.connect import Connection, read_all_statements, statement
from gazelle_sync.warehouse.pool import borrow, keep_connections

PUSH_JOB = "push_to_gazelle"
"""As a single shop's job is named: an incident is the same, however the sync was started."""
MORNING = 7.5
"""The digest is told from this hour on."""
LOCK_WAIT_S = {Mode.TICK: 5.0}
FULL_LOCK_WAIT_S = 900.0
YEARS_HELD = 15
"""So far back a shop's visits commonly go."""
OF_A_PULL = tuple(group for group in GROUPS if group not in (*PUSH, *SHOP))

logger = log.get_logger("gazelle_sync.fleet")


def _tell_visits(settings: Settings) -> None:
    with borrow(str(settings.database_url)) as connection:
        tell(connection, partial(datetime.now, UTC), partial(send_to_address, settings))


FOLLOWING: Mapping[str, Callable[[Settings], object]] = {
    "follow_invoices": follow_invoices,
    "scan_maintenance": scan,
    "tell_technicians_of_visits": _tell_visits,
    "index_search": refresh,
}
"""Job of `shop.followers` → what it does."""


@dataclass
class Turn:
    """One run of one shop.

    Attributes:
        settings: The shop's.
        run_id: Of the Dagster run.
        mode: How much is read.
        counts: What it did, for Dagster and for `fleet status`.
        ended: What became of each part, as the incidents' rules take it.
    """

    settings: Settings
    run_id: str
    mode: Mode
    counts: dict[str, int] = field(default_factory=dict)
    ended: list[EndedRun] = field(default_factory=list)

    def pull(self) -> None:
        """Stage and apply every entity, and evaluate the checks of it.

        Raises:
            AnotherPullRunning: One of the command line is under way; nothing was done.
        """
        wait_s = LOCK_WAIT_S.get(self.mode, FULL_LOCK_WAIT_S)
        with self._part(self.mode.value) as part:
            with Pull(self.settings, mode=self.mode, run_id=self.run_id, lock_wait_s=wait_s) as pull:
                for entity in pull.entities:
                    with suppress(GazelleSyncError):  # its report says why; the others go on
                        pull.stage(entity.name)
                        pull.apply(entity.name)
                reports = pull.reports
                failures = [report for report in reports.values() if report.failure]
                self.counts |= {
                    "changed": sum(report.changed + report.staged for report in reports.values()),
                    "errors": sum(report.errors for report in reports.values()),
                    "requests": pull.client.requests,
                }
                part.checks = self._evaluated(OF_A_PULL, reports)
            if failures:
                raise failures[0].as_failure()

    def follow(self) -> None:
        """Do what of the shop's own work waits for what the pull brought."""
        with borrow(str(self.settings.database_url)) as connection:
            due = jobs_due(connection)
            morning = datetime.now(UTC).astimezone(MONTREAL)
            is_digest_due = morning.hour + morning.minute / 60 >= MORNING and is_anything_new(connection)
            is_cash_due = is_due(connection, datetime.now(UTC))
        for job in due:
            with self._part(job):
                FOLLOWING[job](self.settings)
        if is_digest_due:
            with self._part(MAINTENANCE_JOB):
                tell_maintenance(self.settings)
        if is_cash_due:
            with self._part(CASH_JOB):
                tell_cash(self.settings)

    def push(self) -> None:
        """Send the edits that are due, unless Gazelle asked to be left alone."""
        with borrow(str(self.settings.database_url)) as connection:
            if not store.is_due(connection, *PUSHABLES) or _holds_back(connection):
                return
        with self._part(PUSH_JOB) as part, suppress(AnotherPushRunning):
            with Push(self.settings, run_id=self.run_id, lock_wait_s=0) as push:
                report = push.run()
            self.counts["sent"] = report.sent
            part.checks = self._evaluated(PUSH, {})
            if report.stopped is not None:
                raise GazelleSyncError(report.stopped, cause=report.cause)

    def tell(self) -> None:
        """Open and close incidents, and deliver what waits."""
        for ended in self.ended:
            watch(self.settings, ended)

    def _evaluated(self, groups: Sequence[Group], reports: Mapping[str, EntityReport]) -> tuple[CheckResult, ...]:
        is_tick = self.mode is Mode.TICK
        asked = CheckContext(
            self.settings,
            thorough=not is_tick,
            may_ask_gazelle=not is_tick and bool(reports),
            refreshes_schema=False,
            reports=reports,
        )
        asset = {check.name: group.asset for group in groups for check in group.checks}
        chosen = [check for group in groups for check in group.checks if check.in_tick or not is_tick or not reports]
        return tuple(
            CheckResult(check.name, asset[check.name], one.passed, one.severity, one.description)
            for check, one in evaluate_all(chosen, asked)
        )

    @contextmanager
    def _part(self, job: str) -> Iterator[_Part]:
        """A part whose failure is told, and raised only where it is the pull's own."""
        part, cause = _Part(), None
        try:
            yield part
        except AnotherPullRunning:
            raise
        except GazelleSyncError as error:
            cause = cause_of(error)
            logger.warning("a part of the run failed", job=job, reason=str(error))
        except Exception as error:
            cause = cause_of(error)
            logger.exception("unexpected error", job=job)
        self.ended.append(EndedRun(self.run_id, job, cause is None, cause or UNKNOWN, part.checks))


@dataclass
class _Part:
    checks: tuple[CheckResult, ...] = ()


def _holds_back(connection: Connection) -> bool:
    left = outage.left(connection)
    return left is not None and left.total_seconds() > 0


def work(settings: Settings, options: Mapping[str, Any]) -> dict[str, Any]:
    """One run of one shop.

    Args:
        settings: The shop's.
        options: `run_id`, and `mode`: `tick`, `nightly` or `deep`.

    Returns:
        Counts, whether it was skipped because another pull is under way, and the cause of its first failure. No text:
        the answer leaves the shop.
    """
    begin(settings)
    turn = Turn(settings, str(options["run_id"]), Mode(options["mode"]))
    with keep_connections():
        try:
            turn.pull()
        except AnotherPullRunning:
            return {"is_skipped": True}
        if turn.ended[0].succeeded:
            turn.follow()
            turn.push()
        turn.tell()
    failed = next((one.cause for one in turn.ended if not one.succeeded), None)
    return {**turn.counts, **({"cause": failed.code, "number": failed.number} if failed else {})}


def tell_killed(settings: Settings, options: Mapping[str, Any]) -> dict[str, Any]:
    """Tell of a run that was ended because it took too long or too much, or whose process died.

    Args:
        settings: The shop's.
        options: As for `work`, with `cause`.
    """
    begin(settings)
    cause = Cause(str(options.get("cause") or STOPPED), options.get("number"))
    run_id = str(options["run_id"])
    with keep_connections():
        with suppress(GazelleSyncError), borrow(str(settings.database_url)) as connection:
            values = {"run_id": run_id, "message": describe_cause(cause), "cause": cause.code, "number": cause.number}
            connection.execute(statement("fleet/note_killed"), values)
        watch(settings, EndedRun(run_id, str(options["mode"]), succeeded=False, cause=cause))
    return {}


def preload() -> None:
    """What each child would import and read for itself, once for all: in the process that forks them."""
    import encodings.idna  # noqa: F401 - names of hosts

    import dotenv.main  # noqa: F401
    import httpcore  # noqa: F401 - httpx imports it with its first client
    import psycopg.conninfo  # noqa: F401

    Settings.load({})
    for language in LANGUAGES:
        translator(language).number(1)  # Babel reads what it knows of the language
    read_all_statements()
    this_year = datetime.now(UTC).year
    for year in range(this_year - YEARS_HELD, this_year + 3):
        clock_changes(year)  # the check of the calendar asks for those of the visits' years


def begin(settings: Settings) -> None:
    """The log of a child: warnings and worse, in a file that is there only if there are any."""
    limit_malloc_arenas()
    log.configure(settings, terminal_level=logging.CRITICAL, file_level=logging.WARNING)
