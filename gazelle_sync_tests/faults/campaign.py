"""Runs the cases of a campaign on several workers, each on a ground of its own, and counts."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.queues import SimpleQueue

import stamina
import structlog

from gazelle_sync_tests.faults.case import Result, run_case
from gazelle_sync_tests.faults.figures import FIGURES
from gazelle_sync_tests.faults.ground import open_ground
from gazelle_sync_tests.faults.kinds import Kinds, table
from gazelle_sync_tests.faults.kinds_api import API
from gazelle_sync_tests.faults.kinds_database import DATABASE
from gazelle_sync_tests.faults.kinds_process import PROCESS

PULL: Kinds = table(*API, *DATABASE, *PROCESS)
CAMPAIGNS: dict[str, Kinds] = {"pull": PULL}
"""Name → the kinds that it draws from."""
LONGEST_CASE_S = 120
Job = tuple[int, str]


@dataclass
class Tally:
    """What a campaign counted, by kind.

    Attributes:
        results: Of the cases, in the order in which they ended.
        seconds: How long it took.
        is_whole: Whether nobody stopped it.
    """

    kinds: Kinds
    results: list[Result] = field(default_factory=list)
    seconds: float = 0.0
    is_whole: bool = True

    @property
    def failures(self) -> list[Result]:
        """Cases with a figure that is not zero, or that the campaign could not judge."""
        return [result for result in self.results if not result.is_good]

    def render(self) -> str:
        """The table: a line a kind, and the total."""
        head = ["kind", "cases", *FIGURES]
        lines = [head, ["---"] * len(head)]
        total: Counter[str] = Counter()
        for name, kind in self.kinds.items():
            own = [result for result in self.results if result.kind == name]
            counts: Counter[str] = sum((result.figures.counts for result in own), Counter())
            total += counts
            if own:
                lines.append([f"{kind.group}: {name}", str(len(own)), *(str(counts[figure]) for figure in FIGURES)])
        lines.append(["**total**", str(len(self.results)), *(str(total[figure]) for figure in FIGURES)])
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def jobs(kinds: Kinds, seed: int, cases: int) -> list[Job]:
    """The cases of a campaign: seeds from `seed` on, kinds in turn."""
    names = list(kinds)
    return [(n, names[n % len(names)]) for n in range(seed, seed + cases)]


def run(
    campaign: str, todo: Sequence[Job], *, workers: int, tell: Callable[[Result, int], None] = lambda *_: None
) -> Tally:
    """Run cases.

    Args:
        campaign: One of `CAMPAIGNS`.
        todo: Seed and kind of each case.
        workers: How many at once; 0: in this process.
        tell: Told each result, and how many are through.
    """
    kinds, begun = CAMPAIGNS[campaign], time.monotonic()
    tally = Tally({name: kinds[name] for name in kinds if name in {kind for _, kind in todo}})
    source = _in_workers(campaign, todo, workers) if workers else _results(kinds, todo)
    try:
        for result in source:
            tally.results.append(result)
            tell(result, len(tally.results))
    except KeyboardInterrupt:
        tally.is_whole = False
    tally.seconds = time.monotonic() - begun
    return tally


def _results(kinds: Kinds, todo: Sequence[Job]) -> Iterator[Result]:
    with quietly(), open_ground() as ground:
        for seed, name in todo:
            with _in_time():
                yield run_case(seed, kinds[name], kinds, ground)


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
def _in_time() -> Iterator[None]:
    """A case that hangs is a case that failed."""

    def late(*_: object) -> None:
        raise TimeoutError(f"the case took longer than {LONGEST_CASE_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LONGEST_CASE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _in_workers(campaign: str, todo: Sequence[Job], workers: int) -> Iterator[Result]:
    context = multiprocessing.get_context("spawn")
    orders: SimpleQueue[Job | None] = context.SimpleQueue()
    results: SimpleQueue[Result | None] = context.SimpleQueue()
    processes = [context.Process(target=_work, args=(campaign, orders, results)) for _ in range(workers)]
    for process in processes:
        process.start()
    try:
        waiting = iter(todo)
        for _ in range(2 * workers):
            orders.put(next(waiting, None))
        for _ in todo:
            result = results.get()
            if result is None:
                raise RuntimeError("a worker of the campaign could not begin or died (see its stack above)")
            orders.put(next(waiting, None))
            yield result
    finally:
        for _ in processes:
            orders.put(None)
        for process in processes:
            process.join(LONGEST_CASE_S)


def _work(campaign: str, orders: SimpleQueue[Job | None], results: SimpleQueue[Result | None]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it lets the case end and gives no more
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    kinds = CAMPAIGNS[campaign]
    try:
        with quietly(), open_ground() as ground:
            while (job := orders.get()) is not None:
                with _in_time():
                    results.put(run_case(job[0], kinds[job[1]], kinds, ground))
    except Exception:
        results.put(None)
        raise
