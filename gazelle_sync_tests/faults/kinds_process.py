"""Faults of the process: it dies, is suspended, has a twin, breaks in its middle."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.faults.context import PullContext
from gazelle_sync_tests.faults.kinds import Expect, Kind, Strike
from gazelle_sync_tests.support.processes import Point, at

SAID, HARMLESS, HONEST = Expect.SAID, Expect.HARMLESS, Expect.HONEST

REACH = {
    "request": 12, "statement": 150, "commit": 40, "transaction": 20, "staged page": 8, "tombstones": 2,
    "applied entity": 9, "written batch": 6, "watermark": 7, "run's log": 1,
}  # fmt: skip
"""How often a run passes each point, roughly: the n-th passage is drawn from these."""


def _point(context: PullContext) -> Point:
    name = context.draw.choice(list(REACH))
    return Point(name, context.draw.randint(1, REACH[name]), context.draw.random() < 0.5)


def _signalled(number: signal.Signals, *, times: int = 1) -> Strike:
    def strike(context: PullContext) -> None:
        for _ in range(times):
            context.run_in_a_process(context.mode(), lambda pid: _later(pid, number, context.draw.uniform(0.02, 0.5)))

    return strike


def _later(pid: int, number: signal.Signals, wait_s: float) -> None:
    time.sleep(wait_s)
    os.kill(pid, number)


def _killed_at_a_point(context: PullContext) -> None:
    point = _point(context)
    context.story.append(f"killed {'after' if point.after else 'before'} {point.name} {point.nth}")
    context.run_in_a_process(context.mode(), lambda _: None, point)


def _breaks(error: Callable[[], BaseException]) -> Strike:
    def strike(context: PullContext) -> None:
        point = _point(context)
        context.story.append(f"breaks {'after' if point.after else 'before'} {point.name} {point.nth}")

        context.pull(during=_breaking(point, error))

    return strike


@contextmanager
def _breaking(point: Point, error: Callable[[], BaseException]) -> Iterator[None]:
    def fail() -> None:
        raise error()

    undo = at(point, fail)
    try:
        yield
    finally:
        undo()


def _suspended(context: PullContext) -> None:
    """A machine that sleeps in the middle of a run, while another one begins."""
    mode = context.mode()

    def sleep(pid: int) -> None:
        _later(pid, signal.SIGSTOP, context.draw.uniform(0.05, 0.3))
        context.pull(lock_wait_s=0.2)
        os.kill(pid, signal.SIGCONT)

    context.run_in_a_process(mode, sleep)


def _together(context: PullContext) -> None:
    modes = [context.mode() for _ in range(context.draw.randint(2, 3))]
    environment = context.shop.environment()
    pids = [context.servers.processes.begin(environment, mode) for mode in modes]
    for pid, mode in zip(pids, modes, strict=True):
        context.end(pid, mode)


def _killed_and_followed(context: PullContext) -> None:
    """The next run begins before the dead one's sessions are gone."""
    context.run_in_a_process(context.mode(), lambda pid: _later(pid, signal.SIGKILL, context.draw.uniform(0.05, 0.4)))
    context.pull(lock_wait_s=5)


def _another_place(context: PullContext) -> None:
    """A machine with another time zone and no language."""
    zone = context.draw.choice(["Asia/Kolkata", "Pacific/Kiritimati", "America/Los_Angeles"])
    context.run_in_a_process(context.mode(), lambda _: None, TZ=zone, LANG="C", LC_ALL="C")


def _under_dagster(context: PullContext) -> None:
    """The tick as Dagster runs it, while Gazelle is unwell."""
    from gazelle_sync_tests.faults.under_dagster import run_tick

    context.arm(context.draw.choice(["status", "reset", "truncated", "graphql_errors", "total_wrong", "html_200"]))
    context.note_run(Mode.TICK, run_tick(context.shop))


PROCESS = (
    Kind("killed", "process", "SIGKILL at a random moment", _signalled(signal.SIGKILL), HONEST),
    Kind("killed at a point", "process", "SIGKILL before or after the n-th request, statement, commit, page, batch, …",
         _killed_at_a_point, HONEST),
    Kind("killed again and again", "process", "three runs in a row", _signalled(signal.SIGKILL, times=3), HONEST),
    Kind("killed and followed", "process", "the next run begins at once", _killed_and_followed, HONEST),
    Kind("terminated", "process", "SIGTERM", _signalled(signal.SIGTERM), HONEST),
    Kind("interrupted", "process", "Ctrl-C", _signalled(signal.SIGINT), HONEST),
    Kind("suspended", "process", "SIGSTOP, another run, SIGCONT", _suspended, HONEST),
    Kind("together", "process", "two or three runs begin at once", _together, HONEST),
    Kind("bug", "process", "an error that nobody foresaw, at the same points", _breaks(lambda: RuntimeError("a bug")),
         HONEST, is_a_bug=True),
    Kind("out of memory", "process", "MemoryError at the same points", _breaks(MemoryError), HONEST,
         is_a_bug=True),
    Kind("another place", "process", "another time zone, no locale", _another_place, HARMLESS),
    Kind("under Dagster", "process", "the tick job in process, while Gazelle is unwell", _under_dagster, HONEST),
)  # fmt: skip
