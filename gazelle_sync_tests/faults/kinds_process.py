"""Faults of the process: it dies, is suspended, has a twin, breaks in its middle."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.faults.kinds import Expect, Kind, Strike
from gazelle_sync_tests.faults.processes import Point, at
from gazelle_sync_tests.faults.scene import Scene

SAID, HARMLESS, HONEST = Expect.SAID, Expect.HARMLESS, Expect.HONEST

REACH = {
    "request": 12, "statement": 150, "commit": 40, "transaction": 20, "staged page": 8, "tombstones": 2,
    "applied entity": 9, "written batch": 6, "watermark": 7, "run's log": 1,
}  # fmt: skip
"""How often a run passes each point, roughly: the n-th passage is drawn from these."""


def _point(scene: Scene) -> Point:
    name = scene.draw.choice(list(REACH))
    return Point(name, scene.draw.randint(1, REACH[name]), scene.draw.random() < 0.5)


def _signalled(number: signal.Signals, *, times: int = 1) -> Strike:
    def strike(scene: Scene) -> None:
        for _ in range(times):
            scene.run_in_a_process(scene.mode(), lambda pid: _later(pid, number, scene.draw.uniform(0.02, 0.5)))

    return strike


def _later(pid: int, number: signal.Signals, wait_s: float) -> None:
    time.sleep(wait_s)
    os.kill(pid, number)


def _killed_at_a_point(scene: Scene) -> None:
    point = _point(scene)
    scene.story.append(f"killed {'after' if point.after else 'before'} {point.name} {point.nth}")
    scene.run_in_a_process(scene.mode(), lambda _: None, point)


def _breaks(error: Callable[[], BaseException]) -> Strike:
    def strike(scene: Scene) -> None:
        point = _point(scene)
        scene.story.append(f"breaks {'after' if point.after else 'before'} {point.name} {point.nth}")

        scene.pull(during=_breaking(point, error))

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


def _suspended(scene: Scene) -> None:
    """A machine that sleeps in the middle of a run, while another one begins."""
    mode = scene.mode()

    def sleep(pid: int) -> None:
        _later(pid, signal.SIGSTOP, scene.draw.uniform(0.05, 0.3))
        scene.pull(lock_wait_s=0.2)
        os.kill(pid, signal.SIGCONT)

    scene.run_in_a_process(mode, sleep)


def _together(scene: Scene) -> None:
    modes = [scene.mode() for _ in range(scene.draw.randint(2, 3))]
    environment = scene.shop.environment()
    pids = [scene.ground.launcher.begin(environment, mode) for mode in modes]
    for pid, mode in zip(pids, modes, strict=True):
        scene.end(pid, mode)


def _killed_and_followed(scene: Scene) -> None:
    """The next run begins before the dead one's sessions are gone."""
    scene.run_in_a_process(scene.mode(), lambda pid: _later(pid, signal.SIGKILL, scene.draw.uniform(0.05, 0.4)))
    scene.pull(lock_wait_s=5)


def _another_place(scene: Scene) -> None:
    """A machine with another time zone and no language."""
    zone = scene.draw.choice(["Asia/Kolkata", "Pacific/Kiritimati", "America/Los_Angeles"])
    scene.run_in_a_process(scene.mode(), lambda _: None, TZ=zone, LANG="C", LC_ALL="C")


def _under_dagster(scene: Scene) -> None:
    """The tick as Dagster runs it, while Gazelle is unwell."""
    from gazelle_sync_tests.faults.under_dagster import run_tick

    scene.arm(scene.draw.choice(["status", "reset", "truncated", "graphql_errors", "total_wrong", "html_200"]))
    scene.note_run(Mode.TICK, run_tick(scene.shop))


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
