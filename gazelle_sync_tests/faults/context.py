"""The context of one pull case: its shop, its random generator, and the runs that met the fault."""

from __future__ import annotations

import json
import random
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import psycopg

from gazelle_sync.errors import UNKNOWN, GazelleSyncError, cause_of
from gazelle_sync.incidents.facts import EndedRun
from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.faults.account_editor import AccountEditor
from gazelle_sync_tests.faults.alerts import ReportedTotal, job_of, told_of
from gazelle_sync_tests.faults.injector import FaultInjector
from gazelle_sync_tests.faults.oracle import Before
from gazelle_sync_tests.faults.servers import Servers
from gazelle_sync_tests.support.processes import Point
from gazelle_sync_tests.support.shop import Shop

SUCCESS, FAILED = "success", "failed"


class ProcessEnded(Exception):
    """A run in another process failed; its error is in `sync_logs`."""


LISTS = ("allClients", "allPianos", "allEventsBatched", "allTimelineEntries", "allInvoices")
PAGE_SIZES = (7, 20, 1000)


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        mode: How much it read.
        status: `success`, or else: what a person or a monitor sees of the run.
        words: Everything that it reported: `sync_logs`, notes, the error that ended it.
        told: The alerts that followed.
        stack: The stack trace, where it ended by an error that is not one of `gazelle_sync.errors`.
        entities: Those that it reported as failed.
    """

    mode: Mode
    status: str
    words: str
    told: ReportedTotal
    stack: str = ""
    entities: tuple[str, ...] = ()


class PullContext(FaultInjector):
    """One case's shop and random generator, and the pulls that meet a fault.

    Attributes:
        runs: The runs that met it.
        before: What they must not change.
        others_worked: Whether records came and went during the runs, which no run has to bring.
    """

    operations = ("", "", *LISTS, "ById", "Page", "Stamps")

    def __init__(self, servers: Servers, shop: Shop, editor: AccountEditor, draw: random.Random) -> None:
        super().__init__(servers, shop, draw)
        self.editor = editor
        self.allow_deletes = False
        self.others_worked = False
        self.runs: list[Run] = []
        self.before = Before(shop)

    # ---- runs

    def mode(self) -> Mode:
        """How much the next run reads."""
        return self.draw.choices([Mode.TICK, Mode.NIGHTLY, Mode.DEEP], [6, 2, 3])[0]

    def pull(
        self, mode: Mode | None = None, *, during: AbstractContextManager[None] | None = None, **options: Any
    ) -> Run:
        """One run in this process, failed or not; `during` is entered for the pull alone, without its alerts."""
        mode = mode or self.mode()
        options = {"page_size": self.draw.choice(PAGE_SIZES), "lock_wait_s": 0.5, **options}
        self.story.append(f"{mode.value} {options['page_size']}")
        error: BaseException | None = None
        failed: tuple[str, ...] = ()
        try:
            with during or nullcontext():
                outcome = self.shop.sync(mode, check=False, **options)
            run_id, failed = outcome.run_id, tuple(outcome.errors)
            error = next(iter(outcome.errors.values()), None)
        except GazelleSyncError as caught:
            error, run_id = caught, ""
        except Exception as caught:  # a bug, or one that the case put there: ending with a stack trace is a report too
            error, run_id = caught, ""
        return self._ran(mode, error, run_id, failed)

    def run_in_a_process(
        self, mode: Mode, deed: Callable[[int], object], point: Point | None = None, **env: str
    ) -> int:
        """One run in a process of its own, to which `deed` is applied; its exit status."""
        environment = self.shop.environment(GAZELLE_PAGE_SIZE=str(self.draw.choice(PAGE_SIZES)), **env)
        pid = self.servers.processes.begin(environment, mode, point)
        deed(pid)
        return self.end(pid, mode)

    def end(self, pid: int, mode: Mode) -> int:
        """Wait for a process and record its run."""
        status = self.servers.processes.end(pid)
        self.story.append(f"{mode.value} in a process: {status}")
        error = None if status == 0 else ProcessEnded(f"the process ended with status {status}")
        self._ran(mode, error, "")
        return status

    def note_run(self, mode: Mode, ended: EndedRun) -> None:
        """Record a run that was launched elsewhere."""
        self.story.append(f"{mode.value}: {SUCCESS if ended.succeeded else FAILED}")
        self._ran(mode, None if ended.succeeded else ProcessEnded("the run failed"), "", ended=ended)

    def _ran(
        self,
        mode: Mode,
        error: BaseException | None,
        run_id: str,
        entities: tuple[str, ...] = (),
        ended: EndedRun | None = None,
    ) -> Run:
        words = [str(error)] if error else []
        log = self._log_of(run_id)
        if log:
            words += [str(log["error_message"] or ""), json.dumps(log["stats"] or {}, ensure_ascii=False)]
        status = self.status_of(error, log)
        if status == "success":
            self.editor.promised.ran()
        foreign = error is not None and not isinstance(error, (GazelleSyncError, ProcessEnded))
        ended = ended or EndedRun(
            run_id or None, job_of(mode), error is None, cause=cause_of(error) if error else UNKNOWN
        )
        told = told_of(self.shop, ended)
        stack = "".join(traceback.format_exception(error)) if foreign else ""
        run = Run(mode, status, "\n".join(words), told, stack, entities)
        self.runs.append(run)
        return run

    def _log_of(self, run_id: str) -> dict[str, Any]:
        """A run's row of `sync_logs`; the newest one where its id is not known."""
        try:
            log = self.shop.last_log()
        except (psycopg.Error, ValueError):  # the database is away, or there is no row
            return {}
        return log if run_id in ("", log["run_id"]) else {}

    def status_of(self, error: BaseException | None, log: dict[str, Any]) -> str:
        """The status that a person or a monitor sees of a run."""
        if error is not None:
            return FAILED
        return str(log.get("status", SUCCESS))
