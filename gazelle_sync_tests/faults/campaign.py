"""Runs the cases of a campaign on several workers, each with servers of its own, and counts."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

import stamina
import structlog

from gazelle_sync_tests.faults.case import CaseMaker, PullCase, Result, run_case
from gazelle_sync_tests.faults.figures import FIGURES, INVOICE_FIGURES, PUSH_FIGURES, RECORD_FIGURES, VISIT_FIGURES
from gazelle_sync_tests.faults.injector import FAR_AWAY_S
from gazelle_sync_tests.faults.invoices_kinds import INVOICE_KINDS
from gazelle_sync_tests.faults.invoices_oracle import INVOICES
from gazelle_sync_tests.faults.kinds import Kinds, table
from gazelle_sync_tests.faults.kinds_api import API
from gazelle_sync_tests.faults.kinds_database import DATABASE
from gazelle_sync_tests.faults.kinds_process import PROCESS
from gazelle_sync_tests.faults.newcomers_kinds import RECORDS
from gazelle_sync_tests.faults.newcomers_oracle import NEWCOMERS
from gazelle_sync_tests.faults.push_case import PushCase
from gazelle_sync_tests.faults.push_kinds_api import PUSH_API
from gazelle_sync_tests.faults.push_kinds_here import PUSH_HERE
from gazelle_sync_tests.faults.push_kinds_undo import UNDO
from gazelle_sync_tests.faults.servers import Servers, clear, new_home, start_servers
from gazelle_sync_tests.faults.visits_kinds import VISIT_KINDS
from gazelle_sync_tests.faults.visits_oracle import VISITS

PULL: Kinds = table(*API, *DATABASE, *PROCESS)
PUSH: Kinds = table(*PUSH_API, *PUSH_HERE, *UNDO)


@dataclass(frozen=True)
class Campaign:
    """A campaign.

    Attributes:
        kinds: What it draws from.
        figures: What its cases are judged by.
        case: Makes a case.
    """

    kinds: Kinds
    figures: Sequence[str]
    case: CaseMaker


CAMPAIGNS: dict[str, Campaign] = {
    "pull": Campaign(PULL, FIGURES, PullCase),
    "push": Campaign(PUSH, PUSH_FIGURES, PushCase),
    "records": Campaign(RECORDS, RECORD_FIGURES, partial(PushCase, subject=NEWCOMERS)),
    "visits": Campaign(VISIT_KINDS, VISIT_FIGURES, partial(PushCase, subject=VISITS)),
    "invoices": Campaign(INVOICE_KINDS, INVOICE_FIGURES, partial(PushCase, subject=INVOICES)),
}
"""By name."""
FAR = "GAZELLE_FAULTS_FAR"
"""Environment variable: the share of the cases that have their database far away."""
LONGEST_CASE_S = 120
LONGEST_FAR_CASE_S = 900
LOOK_EVERY_S = 2.0
Job = tuple[int, str]
Pipe = Connection
Work = Callable[[str, Pipe, Path], None]
"""What a worker runs: given the campaign's name, the pipe of its jobs, and the directory of its servers."""


@dataclass
class Tally:
    """What a campaign counted, by kind.

    Attributes:
        results: Of the cases, in the order in which they ended.
        figures: What is counted.
        seconds: How long it took.
        is_whole: Whether nobody stopped it.
    """

    kinds: Kinds
    results: list[Result] = field(default_factory=list)
    figures: Sequence[str] = FIGURES
    seconds: float = 0.0
    is_whole: bool = True

    @property
    def failures(self) -> list[Result]:
        """Cases with a figure that is not zero, or in which the campaign itself failed."""
        return [result for result in self.results if not result.is_good]

    def render(self) -> str:
        """The table: a line a kind, and the total."""
        head = ["kind", "cases", *self.figures]
        lines = [head, ["---"] * len(head)]
        total: Counter[str] = Counter()
        for name, kind in self.kinds.items():
            own = [result for result in self.results if result.kind == name]
            counts: Counter[str] = sum((result.figures.counts for result in own), Counter())
            total += counts
            if own:
                lines.append(
                    [f"{kind.group}: {name}", str(len(own)), *(str(counts[figure]) for figure in self.figures)]
                )
        lines.append(["**total**", str(len(self.results)), *(str(total[figure]) for figure in self.figures)])
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def jobs(kinds: Kinds, seed: int, cases: int) -> list[Job]:
    """The cases of a campaign: seeds from `seed` on, kinds in turn."""
    names = list(kinds)
    return [(n, names[n % len(names)]) for n in range(seed, seed + cases)]


def run(
    campaign: str,
    todo: Sequence[Job],
    *,
    workers: int,
    tell: Callable[[Result, int], None] = lambda *_: None,
    work: Work | None = None,
) -> Tally:
    """Run cases.

    Args:
        campaign: One of `CAMPAIGNS`.
        todo: Seed and kind of each case.
        workers: How many at once; 0: in this process.
        tell: Called with each result, and how many are done.
        work: What a worker does, where it is not what they do.
    """
    kinds, begun = CAMPAIGNS[campaign].kinds, time.monotonic()
    drawn = {kind for _, kind in todo}
    tally = Tally({name: kinds[name] for name in kinds if name in drawn}, figures=CAMPAIGNS[campaign].figures)
    source = (
        _Workers(campaign, todo, work or _work).results(min(workers, len(todo)))
        if workers
        else _results(CAMPAIGNS[campaign], todo)
    )
    try:
        for result in source:
            tally.results.append(result)
            tell(result, len(tally.results))
    except KeyboardInterrupt:
        tally.is_whole = False
    tally.seconds = time.monotonic() - begun
    return tally


def _results(campaign: Campaign, todo: Iterable[Job]) -> Iterator[Result]:
    with quietly(), start_servers() as servers:
        yield from (_result(campaign, job, servers) for job in todo)


def _result(campaign: Campaign, job: Job, servers: Servers) -> Result:
    seed, name = job
    round_trip_s = distance(seed, float(os.environ.get(FAR, "0")))
    with _in_time(LONGEST_FAR_CASE_S if round_trip_s else LONGEST_CASE_S):
        return run_case(seed, campaign.kinds[name], campaign.kinds, servers, campaign.case, round_trip_s=round_trip_s)


def distance(seed: int, share: float) -> float:
    """How far away the database of a case is: 20 to 80 ms a round trip for so many of the cases, else 0; in seconds."""
    draw = random.Random(f"far {seed}")  # noqa: S311 - reproducible, not secret
    return draw.uniform(*FAR_AWAY_S) if draw.random() < share else 0.0


@contextmanager
def quietly() -> Iterator[None]:
    """Retries follow at once, and nothing is logged between the lines of a table."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        with stamina.set_testing(True, attempts=4):
            yield
    finally:
        structlog.configure(**before)


@contextmanager
def _in_time(longest_s: int) -> Iterator[None]:
    """A case that hangs is a case that failed."""

    def late(*_: object) -> None:
        raise TimeoutError(f"the case took longer than {longest_s} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(longest_s)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class _Workers:
    """Processes that run cases, one at a time each. One that dies fails only the case that it had.

    Args:
        campaign: Name.
        todo: The cases.
        work: What a worker does.
    """

    def __init__(self, campaign: str, todo: Sequence[Job], work: Work) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._campaign, self._work = campaign, work
        self._waiting = iter(todo)
        self._busy: dict[Pipe, Job | None] = {}
        self._processes: dict[Pipe, BaseProcess] = {}
        self._homes: dict[Pipe, Path] = {}

    def results(self, workers: int) -> Iterator[Result]:
        """The results as they come."""
        try:
            for _ in range(workers):
                self._hire()
            while self._busy:
                # What a dead worker left behind may hold its end of the pipe open: then only its process tells.
                for ready in wait(list(self._busy), LOOK_EVERY_S) or self._dead():
                    result = self._hear(cast("Pipe", ready))
                    if result is not None:
                        yield result
        finally:
            self._let_go()

    def _hire(self) -> None:
        pipe, its = self._context.Pipe()
        home = new_home()
        process = self._context.Process(target=self._work, args=(self._campaign, its, home))
        process.start()
        its.close()  # so that its death ends the pipe
        self._processes[pipe], self._homes[pipe], self._busy[pipe] = process, home, None

    def _dead(self) -> list[Pipe]:
        return [pipe for pipe in self._busy if not self._processes[pipe].is_alive() and not pipe.poll()]

    def _hear(self, pipe: Pipe) -> Result | None:
        job = self._busy.pop(pipe)
        if not pipe.poll():
            return self._bury(pipe, job)
        try:
            result: Result | None = pipe.recv()
        except (EOFError, OSError):
            return self._bury(pipe, job)
        following = next(self._waiting, None)
        with suppress(OSError):  # it has died since: it is heard of once more
            pipe.send(following)
        if following is not None:
            self._busy[pipe] = following
        return result

    def _bury(self, pipe: Pipe, job: Job | None) -> Result:
        """A worker died: what it started ends with it, its case failed, and another one takes its place."""
        self._end(pipe)
        if job is None:
            raise RuntimeError("a worker of the campaign could not begin (see its stack above)")
        self._hire()
        return Result(*job, crash="the worker died in this case\n")

    def _let_go(self) -> None:
        for pipe in self._busy:
            with suppress(OSError):
                pipe.send(None)
        for process in self._processes.values():
            process.join(LONGEST_CASE_S)
        for pipe in list(self._processes):
            self._end(pipe)

    def _end(self, pipe: Pipe) -> None:
        """End whatever is left of a worker, and clear its servers."""
        process, home = self._processes.pop(pipe), self._homes.pop(pipe)
        if process.exitcode != 0:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(cast("int", process.pid), signal.SIGKILL)
            process.kill()
            process.join()
        clear(home)


def _work(campaign: str, orders: Pipe, home: Path) -> None:
    """Send None once the servers run, then a result for each job, until None comes."""
    os.setpgrp()  # what it starts can be ended with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it lets the case end and gives no more
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with quietly(), start_servers(home) as servers:
        orders.send(None)
        while (job := orders.recv()) is not None:
            orders.send(_result(CAMPAIGNS[campaign], job, servers))
