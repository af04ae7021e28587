"""Runs the work of some shops, a child each, and gives what became of each as soon as it has ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.fleet.fork_server import Ended, Request, Task, inherited
from gazelle_sync.i18n import gettext
from gazelle_sync.settings import Settings

GRACE_S = 10.0
START = "import gc; gc.disable(); from gazelle_sync.fleet.fork_server import main; main()"
"""Nothing of what the fork server imports is garbage: searching it takes a sixth of its processor time."""
WORK, WHEN_KILLED = "gazelle_sync.fleet.work:work", "gazelle_sync.fleet.work:tell_killed"


@dataclass(frozen=True)
class Limits:
    """What a child may use.

    Attributes:
        seconds: From its start to its end.
        memory_mb: Beyond what it shares with the fork server.
    """

    seconds: float
    memory_mb: int


def homes_of(settings: Settings) -> Path:
    """Under which each shop has a home of its own."""
    return settings.home / "shops"


def task_of(
    settings: Settings,
    shop: str,
    path: Path,
    limits: Limits,
    options: Mapping[str, Any],
    *,
    work: str = WORK,
    when_killed: str | None = WHEN_KILLED,
) -> Task:
    """The task of one shop.

    Args:
        settings: Of the fleet.
        shop: Its name.
        path: Its file or folder.
        limits: What it may use.
        options: For the work.
        work: `module:function`.
        when_killed: Work that tells of a child which was killed; None: whoever reads the outcome does.
    """
    return Task(
        shop=shop,
        path=str(path),
        homes=str(homes_of(settings)),
        work=work,
        options=dict(options),
        seconds=limits.seconds,
        memory_mb=limits.memory_mb,
        ui_url=settings.ui_url,
        when_killed=when_killed,
    )


def run_children(tasks: Sequence[Task], at_once: int, grace_s: float = GRACE_S) -> Iterator[Ended]:
    """Run tasks in children of a fork server, which lives as long as this iteration.

    Args:
        tasks: One a shop; those that may take long come last.
        at_once: How many side by side.
        grace_s: How long one that is stopped may take to roll back and to write down how it ended.

    Raises:
        GazelleSyncError: The fork server was killed.
    """
    waiting = {task.shop for task in tasks}
    with _fork_server(Request(list(tasks), at_once, grace_s)) as server:
        for line in server.stdout or ():
            ended = msgspec.json.decode(line, type=Ended)
            waiting.discard(ended.shop)
            yield ended
    if waiting:
        raise GazelleSyncError(
            gettext(
                "The process that runs the shops ended before it was done with {shops}. Their next turn takes up what "
                "this one leaves.",
                shops=", ".join(sorted(waiting)),
            )
        )


@contextmanager
def _fork_server(request: Request) -> Iterator[subprocess.Popen[bytes]]:
    server = subprocess.Popen(  # noqa: S603 - a command of our own
        [sys.executable, "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=inherited(os.environ),
        start_new_session=True,  # a signal to the run's group is the run's to answer
    )
    try:
        if server.stdin is not None:
            server.stdin.write(msgspec.json.encode(request) + b"\n")
            server.stdin.flush()
        yield server
    finally:
        for stream in (server.stdin, server.stdout):
            if stream is not None:
                stream.close()  # it stops its children, and ends
        try:
            server.wait(request.grace_s + 5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
