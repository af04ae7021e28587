"""Pulls and commands in processes of their own, forked from one that has imported everything.

The tests that kill pulls need many of them, and a command spends most of its time on importing Dagster. A pull can be
told to kill itself at a named point. `python -m gazelle_sync_tests.support.processes` is the process that forks;
`Processes` sends it requests.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

import gazelle_sync
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.pull import session
from gazelle_sync.pull.apply import Applier
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.runlog import RunLog
from gazelle_sync.pull.session import Pull
from gazelle_sync.pull.stage import Staging
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.merge import TableWriter
from gazelle_sync.warehouse.pool import keep_connections

TIMEOUT_S = 120
AT_A_TERMINAL = {signal.SIGINT: signal.default_int_handler} | dict.fromkeys(
    (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP), signal.SIG_DFL
)
"""What signals do to a program that somebody starts at a terminal. A shell's background ignores some of them, and what
is started there inherits that."""
OUT, ERR = "command.out", "command.err"
POINTS: dict[str, tuple[Any, ...]] = {
    "request": (GazelleClient, "execute"),
    "statement": (psycopg.Cursor, "execute", "copy"),
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


def answer_signals_as_at_a_terminal() -> None:
    """Set what signals do to this process, and to those that it starts from here on."""
    for number, handler in AT_A_TERMINAL.items():
        signal.signal(number, handler)


@dataclass(frozen=True)
class Point:
    """A moment of a pull: just before or after the n-th passage of a named point (in the order of all threads)."""

    name: str
    nth: int
    after: bool


def at(point: Point, action: Callable[[], object]) -> Callable[[], None]:
    """Do something when a pull of this process comes to a point; gives what undoes that."""
    owner, *names = POINTS[point.name]
    originals = {name: getattr(owner, name) for name in names}
    passages = itertools.count(1)

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def passing(*arguments: Any, **options: Any) -> Any:
            is_here = next(passages) == point.nth
            if is_here and not point.after:
                action()
            result = original(*arguments, **options)
            if is_here and point.after:
                action()
            return result

        return passing

    def put(functions: Mapping[str, Callable[..., Any]]) -> None:
        for name, function in functions.items():
            setattr(owner, name, function)

    put({name: around(original) for name, original in originals.items()})
    return lambda: put(originals)


class Processes:
    """Starts processes quickly, waits for them and kills them.

    Args:
        log: Where they write their errors; None: where this process does.
    """

    def __init__(self, log: Path | None = None) -> None:
        self._log = None if log is None else log.open("w", encoding="utf-8")
        self._server: subprocess.Popen[str] | None = None

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.communicate()
        if self._log is not None:
            self._log.close()

    def begin(self, environment: Mapping[str, str], mode: Mode = Mode.TICK, point: Point | None = None) -> int:
        """Begin a pull, which kills itself at a point; gives its process id once it runs."""
        passage = None if point is None else [point.name, point.nth, point.after]
        return self._request(pull=mode.value, point=passage, environment=dict(environment))

    def pull_and_kill(self, environment: Mapping[str, str], after_s: float, mode: Mode = Mode.TICK) -> bool:
        """Begin a pull and kill it after a while; whether it was still running."""
        pid = self.begin(environment, mode)
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)
        return self.end(pid) == -signal.SIGKILL

    def pull_killed_at(self, environment: Mapping[str, str], number: int) -> bool:
        """Begin a pull that is killed before its n-th statement; whether it came so far."""
        pid = self.begin(environment, point=Point("statement", number, after=False))
        return self.end(pid) == -signal.SIGKILL

    def command(
        self, *arguments: str, environment: Mapping[str, str], directory: Path
    ) -> subprocess.CompletedProcess[str]:
        """`gazelle-sync` with these arguments, to its end."""
        return self.ended(self.begin_command(*arguments, environment=environment, directory=directory), directory)

    def begin_command(self, *arguments: str, environment: Mapping[str, str], directory: Path) -> int:
        """Begin `gazelle-sync` with these arguments; gives its process id."""
        out, err = str(directory / OUT), str(directory / ERR)
        where = {"environment": dict(environment), "directory": str(directory), "out": out, "err": err}
        return self._request(command=arguments, **where)

    def ended(self, pid: int, directory: Path) -> subprocess.CompletedProcess[str]:
        """Wait for a command that was begun in this directory."""
        return subprocess.CompletedProcess(
            [], self.end(pid), (directory / OUT).read_text(), (directory / ERR).read_text()
        )

    def end(self, pid: int) -> int:
        """Wait for a process; its exit status, negative where a signal ended it."""
        return self._request(wait=pid)

    def _request(self, **request: Any) -> int:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "gazelle_sync_tests.support.processes"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
            )  # fmt: skip
            self._answer(self._server)
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return int(self._answer(self._server))

    @staticmethod
    def _answer(server: subprocess.Popen[str]) -> str:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line, "the process that starts the others is dead"
        return line.strip()


def pull_once(mode: Mode) -> None:
    """One pull as the environment says; raises the first failure."""
    settings = Settings.load()
    assert settings.database_url is not None
    with keep_connections(), Pull(settings, mode=mode, lock_wait_s=30) as pull:
        for entity in pull.entities:
            pull.stage(entity.name)
        for entity in pull.entities:
            pull.apply(entity.name)


def _serve() -> None:
    """Fork a process for each request, or wait for one."""
    answer_signals_as_at_a_terminal()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # it ends without a word
    print("ready", flush=True)  # noqa: T201 - how the parent is told
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            print(_end(request["wait"]), flush=True)  # noqa: T201
            continue
        if "command" in request:
            _import_what_commands_import()
        child = os.fork()
        if child == 0:
            _become(request)
            return
        print(child, flush=True)  # noqa: T201


@cache
def _import_what_commands_import() -> None:
    """All modules but the one that reads the environment of the command as it is imported."""
    import dagster_postgres  # noqa: F401

    for module in pkgutil.walk_packages(gazelle_sync.__path__, "gazelle_sync."):
        if module.name != "gazelle_sync.definitions" and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # Else every command that ends visits all of these objects, and the kernel copies their pages: 0.7 s.
    gc.collect()
    gc.freeze()


def _end(pid: int) -> int:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


def _become(request: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(request["environment"])
    answer_signals_as_at_a_terminal()
    if "pull" in request:
        os.dup2(2, 1)  # the parent reads standard output
        if request["point"] is not None:
            at(Point(*request["point"]), lambda: os.kill(os.getpid(), signal.SIGKILL))
        try:
            pull_once(Mode(request["pull"]))
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    os.chdir(request["directory"])
    for number, path in ((0, os.devnull), (1, request["out"]), (2, request["err"])):
        opened = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = ["gazelle-sync", *request["command"]]
    vars(sys.modules["__main__"])["__package__"] = None  # click: the installed program, and not `python -m …`
    from gazelle_sync.cli.app import main

    main()


if __name__ == "__main__":
    _serve()
