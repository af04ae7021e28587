"""Forks a child for each shop from a process that has imported everything, and ends those that exceed a limit.

`main` reads one request (a line of JSON), runs its tasks a few side by side, and
writes a line for each that ended. It ends when all have, and ends all of them when its standard input does: with the
run that started it.

It never reads a shop's file. Each child reads its own, after it has dropped what it inherited: so no child has had
another shop's secrets in its memory, nor the fleet's.
"""

from __future__ import annotations

import gc
import importlib
import os
import resource
import selectors
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

import msgspec

from gazelle_sync.errors import GazelleSyncError, cause_of
from gazelle_sync.fleet.folder import environment_of, is_there
from gazelle_sync.runtime.memory import tune_gc
from gazelle_sync.settings import Settings

INHERITED = ("PATH", "HOME", "TZ", "TMPDIR", "LANG", "LC_", "PYTHON", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY",
             "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "LD_LIBRARY_PATH", "VIRTUAL_ENV")  # fmt: skip
"""Variables, by their beginning, that a child may inherit; everything else may be a secret of somebody."""
LOOK_EVERY_S, SOON_S = 0.5, 0.01
"""How often children are looked at that say nothing, and those that have said their last."""
REPORT_S = 60.0
TIME, MEMORY, STOPPED, REMOVED = "time_limit", "memory_limit", "stopped", "removed"
NEARLY = 0.9
"""A child that the kernel killed at this share of its limit was killed for its memory."""
MEGABYTE = 2**20
PR_SET_PDEATHSIG = 1


class Task(msgspec.Struct):
    """One shop's work.

    Attributes:
        shop: Its name.
        path: Its file or folder.
        homes: Under which each shop has a home.
        work: `module:function`; it is called with the shop's settings and the options, and gives what JSON can hold.
        options: Nothing secret.
        seconds: How long it may take.
        memory_mb: How much memory it may use beyond what it shares with the fork server.
        ui_url: Of the fleet's Dagster UI.
        when_killed: Work that tells what happened to a child which could not do so itself; its options are those of the
            task, with `cause`.
    """

    shop: str
    path: str
    homes: str
    work: str
    options: dict[str, Any]
    seconds: float
    memory_mb: int
    ui_url: str | None = None
    when_killed: str | None = None


class Request(msgspec.Struct):
    """What to do.

    Attributes:
        tasks: One a shop.
        at_once: How many children may be there side by side.
        grace_s: How long one that is stopped may take to roll back and to write down how it ended.
    """

    tasks: list[Task]
    at_once: int
    grace_s: float


class Ended(msgspec.Struct):
    """What became of a task.

    Attributes:
        shop: Whose.
        result: What its work gave; None: it gave nothing.
        cause: Why it failed, as a code of `errors.Cause`; None: it did not.
        number: The number that belongs to the cause.
        seconds: It took.
        cpu_s: Processor seconds of its process.
        peak_mb: Its largest resident memory, what it shares included.
    """

    shop: str
    result: dict[str, Any] | None = None
    cause: str | None = None
    number: int | None = None
    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0


@dataclass
class _Child:
    task: Task
    pid: int
    reading: int
    began: float
    said: bytearray = field(default_factory=bytearray)
    stopped_for: str | None = None
    kill_at: float = float("inf")
    told: Ended | None = None
    """What became of the child whose end this one tells."""

    def stop(self, why: str, grace_s: float) -> None:
        """Ask it to stop, so that it rolls back; it is killed if it does not."""
        if self.stopped_for is None:
            self.stopped_for, self.kill_at = why, time.monotonic() + grace_s
            self.signal(signal.SIGTERM)

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
        with suppress(ProcessLookupError):  # it may not lead its group yet
            os.kill(self.pid, number)


class ForkServer:
    """Runs the tasks of a request.

    Args:
        request: What to do.
        tell: Is given the end of each.
    """

    def __init__(self, request: Request, tell: Callable[[Ended], None]) -> None:
        self._waiting: deque[tuple[Task, Ended | None]] = deque((task, None) for task in request.tasks)
        self._at_once = request.at_once
        self._grace_s = request.grace_s
        self._tell = tell
        self._running: dict[int, _Child] = {}
        self._selector = selectors.DefaultSelector()
        self._is_stopping = False

    def run(self, until: IO[bytes]) -> None:
        """Run everything, or stop everything when `until` is at its end."""
        self._selector.register(until, selectors.EVENT_READ)
        while self._waiting or self._running:
            while self._waiting and len(self._running) < self._at_once:
                self._start(*self._waiting.popleft())
            is_any_silent = any(child.reading not in self._selector.get_map() for child in self._running.values())
            for key, _ in self._selector.select(SOON_S if is_any_silent else LOOK_EVERY_S):
                if key.data is not None:
                    self._read(key.data)
                elif not os.read(key.fd, 1024):
                    self.stop()
                    self._selector.unregister(until)
            for child in list(self._running.values()):
                self._check(child)

    def stop(self) -> None:
        """Start nothing more, and end what runs."""
        self._is_stopping = True
        self._waiting.clear()
        for child in self._running.values():
            child.stop(STOPPED, self._grace_s)

    def _start(self, task: Task, told: Ended | None) -> None:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._selector.close()
            os.close(reading)
            for other in self._running.values():
                os.close(other.reading)
            _become(task, writing)
        os.close(writing)
        child = _Child(task, pid, reading, time.monotonic(), told=told)
        self._running[pid] = child
        self._selector.register(reading, selectors.EVENT_READ, child)

    def _read(self, child: _Child) -> None:
        part = os.read(child.reading, 65_536)
        child.said += part
        if not part:
            self._selector.unregister(child.reading)

    def _check(self, child: _Child) -> None:
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        now = time.monotonic()
        if pid:
            self._close(child, status, usage, now - child.began)
        elif now > child.kill_at:
            child.signal(signal.SIGKILL)
        elif now - child.began > child.task.seconds:
            child.stop(TIME, self._grace_s)
        elif not is_there(Path(child.task.path)):
            child.stop(REMOVED, self._grace_s)

    def _close(self, child: _Child, status: int, usage: resource.struct_rusage, seconds: float) -> None:
        child.signal(signal.SIGKILL)  # what it may have started
        while child.reading in self._selector.get_map() and (part := os.read(child.reading, 65_536)):
            child.said += part
        with suppress(KeyError):
            self._selector.unregister(child.reading)
        os.close(child.reading)
        del self._running[child.pid]
        ended = Ended(
            child.task.shop,
            seconds=round(seconds, 3),
            cpu_s=round(usage.ru_utime + usage.ru_stime, 3),
            peak_mb=round(usage.ru_maxrss * 1024 / MEGABYTE, 1),
        )
        if child.told is not None:
            self._tell(child.told)
            return
        said = msgspec.json.decode(bytes(child.said)) if child.said else {}
        ended.result, ended.cause, ended.number = said.get("result"), said.get("cause"), said.get("number")
        if not said or child.stopped_for is not None:
            ended.result, ended.cause = None, child.stopped_for or _died_of(status, ended.peak_mb, child.task.memory_mb)
        is_untold = not said or child.stopped_for == TIME or ended.cause == MEMORY
        is_to_go = child.stopped_for in (STOPPED, REMOVED) or self._is_stopping
        if is_untold and not is_to_go and child.task.when_killed:
            self._tell_later(child.task, ended)
        else:
            self._tell(ended)

    def _tell_later(self, task: Task, ended: Ended) -> None:
        """A child that was killed could tell nobody: another one does, and then its end is reported."""
        options = {**task.options, "cause": ended.cause, "number": ended.number}
        again = msgspec.structs.replace(task, work=str(task.when_killed), options=options, seconds=REPORT_S)
        self._waiting.appendleft((again, ended))


def _died_of(status: int, peak_mb: float, memory_mb: int) -> str:
    was_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return MEMORY if was_killed and peak_mb >= NEARLY * memory_mb else STOPPED


def _become(task: Task, writing: int) -> NoReturn:
    """Run a task in the forked child, and exit. It never returns into the fork server's code."""
    status = 1
    try:
        os.setsid()
        _leave_standard_streams()
        _die_with_the_parent()
        _limit_memory(task.memory_mb)
        answer = msgspec.json.encode(_work(task))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
        status = 0
    except MemoryError:
        with suppress(OSError):
            os.write(writing, b'{"cause":"memory_limit"}')
    finally:
        os._exit(status)


def _work(task: Task) -> dict[str, Any]:
    """Do a task: what it gave, or why it failed."""
    from gazelle_sync.runtime.signals import unwind_when_stopped

    unwind_when_stopped()
    try:
        environment = environment_of(Path(task.path), Path(task.homes), task.ui_url)
        os.environ.update(environment)
        return {"result": function_of(task.work)(Settings.load(environment), task.options)}
    except MemoryError:
        raise
    except (GazelleSyncError, OSError) as error:
        code, number = cause_of(error)
        return {"cause": code, "number": number}
    except KeyboardInterrupt:
        return {"cause": STOPPED}
    except Exception as error:
        from gazelle_sync.runtime.logs import get_logger

        get_logger("gazelle_sync.fleet").exception("unexpected error")
        code, number = cause_of(error)
        return {"cause": code, "number": number}


def function_of(work: str) -> Callable[[Any, Mapping[str, Any]], dict[str, Any]]:
    """The function that a task names as `module:function`."""
    module, _, name = work.partition(":")
    function: Callable[[Any, Mapping[str, Any]], dict[str, Any]] = getattr(importlib.import_module(module), name)
    return function


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What of an environment a child may have."""
    return {name: value for name, value in environ.items() if name.startswith(INHERITED)}


def _leave_standard_streams() -> None:
    """Nothing that a shop's work prints may reach the fleet's log or the answers."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _die_with_the_parent() -> None:
    """Let the kernel end this child where the fork server is killed."""
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_memory(megabytes: int) -> None:
    """Let the process allocate so much more than it has now; beyond that, it gets a `MemoryError`."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        most = _data_bytes() + megabytes * MEGABYTE
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _data_bytes() -> int:
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    found = next((line for line in text.splitlines() if line.startswith("VmData:")), "VmData: 0")
    return int(found.split()[1]) * 1024


def main() -> None:
    """Serve the request on standard input."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # whoever started it closes its standard input
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=Request)
    for work in {work for task in request.tasks for work in (task.work, task.when_killed) if work}:
        function_of(work)
        preload = getattr(importlib.import_module(work.partition(":")[0]), "preload", None)
        if preload is not None:
            preload()
    # Else each child visits all of these objects, and the kernel copies their pages.
    tune_gc()
    gc.enable()
    ForkServer(request, _write).run(sys.stdin.buffer)
    os._exit(0)  # all is told; to take apart what was imported would take as long as a shop's turn


def _write(ended: Ended) -> None:
    with suppress(BrokenPipeError):  # nobody reads it any more; the end of standard input says so too
        os.write(1, msgspec.json.encode(ended) + b"\n")
