"""Where a fault strikes: one shop, its dice, and the runs that met the fault."""

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
from gazelle_sync_tests.faults.alerts import ReportedTotal, job_of, told_of
from gazelle_sync_tests.faults.ground import Ground
from gazelle_sync_tests.faults.judge import Before
from gazelle_sync_tests.faults.people import People
from gazelle_sync_tests.faults.processes import Point
from gazelle_sync_tests.faults.surroundings import Surroundings
from gazelle_sync_tests.support.shop import Shop

SUCCESS, FAILED = "success", "failed"


class ProcessEnded(Exception):
    """A run of another process ended, and not well: what it said stands in `sync_logs`."""


LISTS = ("allClients", "allPianos", "allEventsBatched", "allTimelineEntries", "allInvoices")
PAGE_SIZES = (7, 20, 1000)


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        mode: How much it read.
        status: `success`, or what else it told: a person or a monitor sees that it was not one.
        words: Everything that it said: `sync_logs`, notes, the error that ended it.
        told: What people were told of it.
        stack: Where it ended by an error that is none of our tree: a person would be shown that.
        entities: Those that it could not pull, where it says so.
    """

    mode: Mode
    status: str
    words: str
    told: ReportedTotal
    stack: str = ""
    entities: tuple[str, ...] = ()


class Scene(Surroundings):
    """One case's shop and dice, and the pulls that meet a fault.

    Attributes:
        runs: The runs that met it.
        before: What must outlive them.
        others_worked: Whether records came and went during the runs: nobody promised these.
    """

    operations = ("", "", *LISTS, "ById", "Page", "Stamps")

    def __init__(self, ground: Ground, shop: Shop, people: People, draw: random.Random) -> None:
        super().__init__(ground, shop, draw)
        self.people = people
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
        """One run in this process, whatever comes of it; `during` lasts as long as the pull, alerts not included."""
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
        except (
            Exception
        ) as caught:  # a bug of ours, or one that was put there: a run that ends with a stack has said so
            error, run_id = caught, ""
        return self._ran(mode, error, run_id, failed)

    def run_in_a_process(
        self, mode: Mode, deed: Callable[[int], object], point: Point | None = None, **env: str
    ) -> int:
        """One run in a process of its own, to which something happens; its exit status."""
        environment = self.shop.environment(GAZELLE_PAGE_SIZE=str(self.draw.choice(PAGE_SIZES)), **env)
        pid = self.ground.launcher.begin(environment, mode, point)
        deed(pid)
        return self.end(pid, mode)

    def end(self, pid: int, mode: Mode) -> int:
        """Wait for a process and note its run."""
        status = self.ground.launcher.end(pid)
        self.story.append(f"{mode.value} in a process: {status}")
        error = None if status == 0 else ProcessEnded(f"the process ended with status {status}")
        self._ran(mode, error, "")
        return status

    def note_run(self, mode: Mode, ended: EndedRun) -> None:
        """Note a run that somebody else launched."""
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
            self.people.promised.ran()
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
        """What a person or a monitor is told of a run."""
        if error is not None:
            return FAILED
        return str(log.get("status", SUCCESS))
