"""Pulls and commands in processes of their own, forked from one that has imported everything.

The tests that kill pulls need many of them, and a command spends most of its time on importing Dagster.
`python -m gazelle_sync_tests.support.processes` waits for orders: `Processes` gives them.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.session import Pull
from gazelle_sync.settings import Settings
from gazelle_sync_tests.support.shop import Shop

PATIENCE_S = 120
OUT, ERR = "command.out", "command.err"


class Processes:
    """Starts processes quickly, waits for them and kills them."""

    def __init__(self) -> None:
        self._forge = subprocess.Popen(
            [sys.executable, "-m", "gazelle_sync_tests.support.processes"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._hear()

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forge.communicate()

    def begin(self, environment: Mapping[str, str], mode: Mode = Mode.TICK) -> int:
        """Begin a pull; gives its process id once it runs."""
        return self._order(pull=mode.value, environment=dict(environment))

    def pull_and_kill(self, environment: Mapping[str, str], after_s: float, mode: Mode = Mode.TICK) -> bool:
        """Begin a pull and kill it after a while; whether it was still alive."""
        pid = self.begin(environment, mode)
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)
        return self.end(pid) == -signal.SIGKILL

    def pull_killed_at(self, environment: Mapping[str, str], number: int) -> bool:
        """Begin a pull that is killed before its n-th statement; whether it came so far."""
        pid = self._order(pull=Mode.TICK.value, environment=dict(environment), killed_at=number)
        return self.end(pid) == -signal.SIGKILL

    def command(
        self, *arguments: str, environment: Mapping[str, str], directory: Path
    ) -> subprocess.CompletedProcess[str]:
        """`gazelle-sync` with these arguments, to its end."""
        return self.ended(self.begin_command(*arguments, environment=environment, directory=directory), directory)

    def begin_command(self, *arguments: str, environment: Mapping[str, str], directory: Path) -> int:
        """Begin `gazelle-sync` with these arguments; gives its process id."""
        out, err = str(directory / OUT), str(directory / ERR)
        return self._order(command=arguments, environment=dict(environment), directory=str(directory), out=out, err=err)

    def ended(self, pid: int, directory: Path) -> subprocess.CompletedProcess[str]:
        """Wait for a command that was begun in this directory."""
        return subprocess.CompletedProcess(
            [], self.end(pid), (directory / OUT).read_text(), (directory / ERR).read_text()
        )

    def end(self, pid: int) -> int:
        """Wait for a process; its exit status, negative where a signal ended it."""
        return self._order(wait=pid)

    def _order(self, **order: Any) -> int:
        assert self._forge.stdin is not None
        self._forge.stdin.write(json.dumps(order) + "\n")
        self._forge.stdin.flush()
        return int(self._hear())

    def _hear(self) -> str:
        assert self._forge.stdout is not None
        line = self._forge.stdout.readline()
        assert line, "the process that starts the others is dead"
        return line.strip()


@dataclass(frozen=True)
class Person:
    """Runs commands on one shop."""

    shop: Shop
    processes: Processes
    dagster_database: str
    directory: Path

    def runs(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`gazelle-sync` with these arguments."""
        return self.processes.command(*arguments, environment=self._own(environment), directory=self.directory)

    def begins(self, *arguments: str, **environment: str) -> int:
        """`gazelle-sync` with these arguments, under way; gives its process id."""
        return self.processes.begin_command(*arguments, environment=self._own(environment), directory=self.directory)

    def stops(self, pid: int, number: signal.Signals) -> subprocess.CompletedProcess[str]:
        """Send a command that was begun a signal, and wait for its end."""
        os.kill(pid, number)
        return self.processes.ended(pid, self.directory)

    def _own(self, environment: Mapping[str, str]) -> dict[str, str]:
        return self.shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=self.dagster_database, **environment)


def pull_once(mode: Mode) -> None:
    """One pull as the environment says; raises the first failure."""
    settings = Settings.load()
    assert settings.database_url is not None
    with Pull(settings, mode=mode, lock_wait_s=30) as pull:
        for entity in pull.entities:
            pull.stage(entity.name)
        for entity in pull.entities:
            pull.apply(entity.name)


def _serve_orders() -> None:
    """Fork a process for each order, or wait for one."""
    print("ready", flush=True)  # noqa: T201 - how the parent is told
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            print(_end(order["wait"]), flush=True)  # noqa: T201
            continue
        if "command" in order:
            import dagster  # noqa: F401 - nearly all of what a command imports, and nothing that reads its environment
            import dagster_postgres  # noqa: F401
        child = os.fork()
        if child == 0:
            _become(order)
            return
        print(child, flush=True)  # noqa: T201


def _end(pid: int) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _become(order: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(order["environment"])
    if "pull" in order:
        os.dup2(2, 1)  # the parent reads standard output
        if "killed_at" in order:
            _kill_at(order["killed_at"])
        try:
            pull_once(Mode(order["pull"]))
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    os.chdir(order["directory"])
    for number, path in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
        os.close(opened)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    sys.argv = ["gazelle-sync", *order["command"]]
    from gazelle_sync.cli.app import main

    main()


def _kill_at(number: int) -> None:
    """Have this process killed before it says its n-th statement to the database."""
    said = itertools.count(1)

    def killing(say: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **more: Any) -> Any:
            if next(said) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return say(*args, **more)

        return counted

    for name in ("execute", "copy"):
        setattr(psycopg.Cursor, name, killing(getattr(psycopg.Cursor, name)))


if __name__ == "__main__":
    _serve_orders()
