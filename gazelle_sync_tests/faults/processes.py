"""Pulls in processes of their own, forked from one that has imported everything, which die where they are told to.

`python -m gazelle_sync_tests.faults.processes` waits for orders: `Launcher` gives them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.pull import session
from gazelle_sync.pull.apply import Applier
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.runlog import RunLog
from gazelle_sync.pull.stage import Staging
from gazelle_sync.warehouse.merge import TableWriter
from gazelle_sync_tests.support.processes import pull_once

POINTS: dict[str, tuple[Any, str]] = {
    "request": (GazelleClient, "execute"),
    "statement": (psycopg.Cursor, "execute"),
    "commit": (psycopg.Connection, "commit"),
    "transaction": (psycopg.Transaction, "__exit__"),
    "staged page": (Staging, "write"),
    "tombstones": (Staging, "write_tombstones"),
    "applied entity": (Applier, "apply"),
    "written batch": (TableWriter, "write"),
    "watermark": (session, "move_watermark"),
    "run's log": (RunLog, "finish"),
}
"""Named points of a pull: where a process can be told to die, or a run to break, before or after the n-th time."""


@dataclass(frozen=True)
class Point:
    """A moment of a pull: just before or after the n-th passage of a named point (in the order of all threads)."""

    name: str
    nth: int
    after: bool


def at(point: Point, deed: Callable[[], object]) -> Callable[[], None]:
    """Do something when a pull of this process comes to a point; gives what undoes that."""
    owner, name = POINTS[point.name]
    original = getattr(owner, name)
    passed = 0

    def passing(*arguments: Any, **options: Any) -> Any:
        nonlocal passed
        passed += 1
        is_here = passed == point.nth
        if is_here and not point.after:
            deed()
        result = original(*arguments, **options)
        if is_here and point.after:
            deed()
        return result

    setattr(owner, name, passing)
    return lambda: setattr(owner, name, original)


class Launcher:
    """Starts pulls as processes, quickly.

    Args:
        home: Where it writes what they say.
    """

    def __init__(self, home: Path) -> None:
        self._errors = (home / "processes.log").open("w", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gazelle_sync_tests.faults.processes"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
        )  # fmt: skip
        self._hear()

    def __enter__(self) -> Launcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()
        self._errors.close()

    def begin(self, environment: Mapping[str, str], mode: Mode, point: Point | None = None) -> int:
        """Start a pull, which kills itself at a point; gives its process id once it runs."""
        order: dict[str, Any] = {"environment": dict(environment), "mode": mode.value}
        if point is not None:
            order["point"] = [point.name, point.nth, point.after]
        self._say(json.dumps(order))
        return int(self._hear())

    def end(self, pid: int) -> int:
        """Wait for a pull; its exit status, negative where a signal ended it."""
        self._say(json.dumps({"wait": pid}))
        return int(self._hear())

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process that starts pulls is dead"
        return line.strip()


def _serve_orders() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    print("ready", flush=True)  # noqa: T201 - how the parent is told
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            _, status = os.waitpid(order["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201
            continue
        child = os.fork()
        if child == 0:
            _run_child(order)
        print(child, flush=True)  # noqa: T201


def _run_child(order: dict[str, Any]) -> None:
    os.dup2(2, 1)  # the parent reads standard output
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(order["environment"])
    if "point" in order:
        at(Point(*order["point"]), lambda: os.kill(os.getpid(), signal.SIGKILL))
    try:
        pull_once(Mode(order["mode"]))
    except BaseException as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    _serve_orders()
