"""`gazelle-sync up`: the Dagster UI with its daemon and code server, all of it started and stopped as one.

Dagster is four processes and one more for each run. A guard process of ours starts them and reads from a pipe. When the
pipe closes (we were stopped or killed) it stops all of them, so one way of stopping also works after `kill -9`.

`dagster dev` ends when its webserver or daemon ends, but goes on without its code server: then nothing is evaluated any
more. So the webserver is asked whether the code server answers, and all of Dagster is restarted if it does not.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import click

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Translator, translator
from gazelle_sync.settings import FILES, PROJECT_ROOT, Settings, ui_file

HOST = "127.0.0.1"
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_TIMEOUT_S = 120.0
SERVICES_END_S = 15.0
"""How long webserver, daemon and code server may take to end after the signal."""
RUNS_END_S = 15.0
"""How long a run in progress may take to record that it was interrupted."""
BESIDE_ENDS_S = 2.0
"""How long the tasks beside the UI may take to end after their event is set."""
LINE_LENGTH = 300
WATCH_EVERY_S = 0.25
CODE_SERVER_ASKED_EVERY_S = 5.0
RESTARTS_AN_HOUR = 3
CODE_SERVER = """
{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
  ... on PythonError { className }
} } } } }
"""
UNREACHABLE = "DagsterUserCodeUnreachableError"

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(r" - (ERROR|CRITICAL) - ")
_LAUNCHED = re.compile(r"SchedulerDaemon - INFO - (Completed scheduled launch of .*|.*[Ss]kip.*)")
_PROCESS_ENDED = re.compile(r"(\S+) process shut down unexpectedly with return code (-?\d+)")


class _CodeServerGone(Exception):
    """The webserver cannot reach the code server."""


def run_ui(settings: Settings, port: int, *, beside: Sequence[Callable[[threading.Event], None]] = ()) -> int:
    """Run the UI until Ctrl-C or SIGTERM, and stop all of it.

    Args:
        settings: Of `embedded.embedded_services`, which has also filled in the environment.
        port: Of the UI, on loopback.
        beside: Each runs on a thread meanwhile, until its event is set: what must go on when Dagster does not work.

    Returns:
        0 when it was stopped, 1 when a process ended by itself (the code server: more often than it is restarted).

    Raises:
        GazelleSyncError: The port is taken, this home's UI runs already, or the UI does not start.
    """
    say = translator(settings.language)
    with _locked(settings.home / "up.lock"):
        _assert_free(port)
        ui_file(settings.home).write_text(f"http://{HOST}:{port}\n", encoding="utf-8")
        log = _fresh_log(settings.home / "logs" / "dagster.log")
        with _stop_signals() as asked, log.open(encoding="utf-8", errors="replace") as lines:
            click.echo(say("Starting the Dagster UI; its log is {log}", log=log))
            with _running_beside(beside):
                return _keep_running(settings, port, lines, asked, say)


def _keep_running(settings: Settings, port: int, log: IO[str], asked: list[int], say: Translator) -> int:
    """Run Dagster, and restart all of it when its code server is gone, up to `RESTARTS_AN_HOUR` times."""
    restarts: list[float] = []
    while True:
        try:
            with _guarded(settings, port, Path(log.name)) as guard:
                return _watch(guard, port, log, asked, say)
        except _CodeServerGone:
            now = time.monotonic()
            restarts = [at for at in restarts if now - at < 3600] + [now]
        if asked:
            return 0
        if len(restarts) > RESTARTS_AN_HOUR:
            said = say(
                "Dagster's code server stopped answering {times} times within an hour, so everything was stopped. "
                "Read {log}, then start again.", times=len(restarts), log=log.name,
            )  # fmt: skip
            click.secho(f"✗ {said}", fg="red", err=True)
            return 1
        said = say("Dagster's code server does not answer any more: Dagster was stopped and starts again.")
        click.secho(f"⚠ {said}", fg="yellow")


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    """Hold the lock of this home: two daemons would launch every run twice."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise GazelleSyncError(
                gettext(
                    "`gazelle-sync up` runs already for {home}. Stop that one, or set another GAZELLE_SYNC_HOME.",
                    home=lock.parent,
                )
            ) from error
        yield


@contextmanager
def _running_beside(tasks: Sequence[Callable[[threading.Event], None]]) -> Iterator[None]:
    stopped = threading.Event()
    threads = [threading.Thread(target=task, args=(stopped,), name="beside the UI", daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        deadline = time.monotonic() + BESIDE_ENDS_S
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _watch(guard: subprocess.Popen[str], port: int, log: IO[str], asked: list[int], say: Translator) -> int:
    """Print the important lines of the log until we are stopped or Dagster ends by itself."""
    deadline = time.monotonic() + START_TIMEOUT_S
    is_answering = False
    ask_at = 0.0
    while not asked:
        for line in _important(log):
            click.echo(line)
        if guard.poll() is not None:
            return _report_end(log, say)
        if not is_answering and _answers(port):
            is_answering = True
            url = f"http://{HOST}:{port}"
            click.echo(say("The UI is at {url} (schedules on). Ctrl-C stops all of it.", url=url))
        if not is_answering and time.monotonic() > deadline:
            seconds = f"{START_TIMEOUT_S:g}"
            raise GazelleSyncError(
                say("The UI does not answer after {seconds} s. Read {log}.", seconds=seconds, log=log.name)
            )
        if is_answering and time.monotonic() > ask_at:
            if not code_server_answers(port):
                raise _CodeServerGone
            ask_at = time.monotonic() + CODE_SERVER_ASKED_EVERY_S
        with suppress(InterruptedError):
            time.sleep(WATCH_EVERY_S)
    click.echo(say("Stopping …"))
    return 0


def _report_end(log: IO[str], say: Translator) -> int:
    log.seek(0)
    ended = _PROCESS_ENDED.findall(log.read())
    who = say("{process} (exit status {status})", process=ended[-1][0], status=ended[-1][1]) if ended else "dagster dev"
    said = say("{process} ended, so everything was stopped. Read {log}, then start again.", process=who, log=log.name)
    click.secho(f"✗ {said}", fg="red", err=True)
    return 1


def _important(log: IO[str]) -> Iterator[str]:
    """New lines about runs that schedules launched, and errors."""
    for raw in log:
        line = _COLOUR.sub("", raw).rstrip()
        if launched := _LAUNCHED.search(line):
            yield launched.group(1)
        elif _ERROR.search(line):
            yield line if len(line) <= LINE_LENGTH else f"{line[:LINE_LENGTH]}…"


@contextmanager
def _guarded(settings: Settings, port: int, log: Path) -> Iterator[subprocess.Popen[str]]:
    """Dagster under a guard; when the block ends, all its processes have ended."""
    command = [sys.executable, "-m", "dagster", "dev", "--host", HOST, "--port", str(port)]
    command += ["--workspace", str(FILES / "workspace.yaml")]
    # The working directory changes, so what is relative to ours must be said in full, and `.env` was read: another one
    # may lie where Dagster runs.
    environment = os.environ | {
        "GAZELLE_TOKEN_FILE": str(settings.token_file), "PYTHON_DOTENV_DISABLED": "1", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    with log.open("ab") as output:
        guard = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "gazelle_sync.runtime.supervisor", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            cwd=PROJECT_ROOT,
            env=environment,
            start_new_session=True,  # the terminal's Ctrl-C is ours alone to answer
        )
    with guard:
        group = int(guard.stdout.readline() or 0) if guard.stdout else 0
        try:
            yield guard
        finally:
            if guard.stdin:
                guard.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                guard.wait(SERVICES_END_S + RUNS_END_S + 5)
            if guard.poll() != 0 and group:
                _kill_group(group, signal.SIGKILL)  # the guard itself was killed, or hangs
                guard.kill()


def guard_dagster(command: list[str]) -> int:
    """Run Dagster in a process group of its own until it or standard input ends; then stop the whole group.

    Args:
        command: Starts Dagster.
    """
    for number in STOPPING:
        signal.signal(number, lambda *_: None)
    dagster = subprocess.Popen(  # noqa: S603 - our own command
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, process_group=0
    )
    print(dagster.pid, flush=True)  # noqa: T201 - the one line that the parent reads
    while dagster.poll() is None and not _input_has_ended():
        pass
    dagster.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        dagster.wait(SERVICES_END_S)
    # A code server outlives `dagster dev` while a run is in progress. The signal lets the run say that it was stopped.
    if _kill_group(dagster.pid, signal.SIGINT):
        deadline = time.monotonic() + RUNS_END_S
        while _kill_group(dagster.pid, 0) and time.monotonic() < deadline:
            dagster.poll()
            time.sleep(0.05)
        _kill_group(dagster.pid, signal.SIGKILL)
    return 0


def _input_has_ended() -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], WATCH_EVERY_S)
    return bool(readable) and not os.read(sys.stdin.fileno(), 1)


def _kill_group(group: int, number: int) -> bool:
    """Signal a process group; gives whether it existed."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """A list of the stop signals received. A second Ctrl-C does not interrupt the stopping."""
    asked: list[int] = []
    before = {number: signal.signal(number, lambda received, _: asked.append(received)) for number in STOPPING}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _assert_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise GazelleSyncError(
                gettext(
                    "Port {port} cannot be used ({reason}). Is another `gazelle-sync up` running? Stop it, or choose "
                    "another port: gazelle-sync up --port {next}",
                    port=port,
                    reason=error.strerror,
                    next=port + 1,
                )
            ) from error


def _answers(port: int) -> bool:
    import httpx

    try:
        return httpx.get(f"http://{HOST}:{port}/server_info", timeout=2).is_success
    except httpx.HTTPError:
        return False


def code_server_answers(port: int) -> bool:
    """False if the webserver reports that it cannot reach the code server, for which it tries ten seconds."""
    import httpx

    try:
        answer = httpx.post(f"http://{HOST}:{port}/graphql", json={"query": CODE_SERVER}, timeout=2)
        entries = answer.json()["data"]["workspaceOrError"]["locationEntries"]
        problems = [entry["locationOrLoadError"] for entry in entries]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return True  # a busy webserver is no evidence; one that ended ends `dagster dev`
    return not any(problem and problem.get("className") == UNREACHABLE for problem in problems)


def _fresh_log(path: Path) -> Path:
    """An empty log; the previous one is kept as `.log.1`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(path.with_suffix(".log.1"))
    path.touch()
    return path


if __name__ == "__main__":
    sys.exit(guard_dagster(sys.argv[1:]))
