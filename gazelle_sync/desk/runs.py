"""Commands that are started from the desk: those that a person would type, each in a process of its own.

They run the real Dagster jobs. A process apart keeps Dagster out of the desk, and a pull from slowing its pages.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gazelle_sync.runtime.logs import get_logger

log = get_logger("gazelle_sync.desk")

SYNC = (("sync",), ("push",))
"""What the button does: what changed at Gazelle comes here, then what was edited here goes there."""
PUSH = (("push",),)
KEPT_LINES = 200
MOST_WAITING = 50
MOST_REMEMBERED = 200
ENDS_S = 20.0


@dataclass
class Started:
    """Commands that somebody started, one after the other.

    Attributes:
        commands: Words of each.
        who: Who started them.
        at: When, aware UTC.
        language: In which they speak.
        about: The record that they are about, or None.
        step: Which of them runs.
        ended_at: When the last ended; None: it runs.
        succeeded: Whether all did.
        lines: What they printed.
    """

    commands: tuple[tuple[str, ...], ...]
    who: str
    at: datetime
    language: str = "fr"
    about: str | None = None
    step: int = 0
    ended_at: datetime | None = None
    succeeded: bool = False
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.ended_at is None


class Runs:
    """Runs one after the other, and remembers the last, and the last about each record.

    Attributes:
        last: What runs, or ran last.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._waiting: deque[Started] = deque()
        self._about: dict[str, Started] = {}
        self._is_busy = False
        self._is_closed = False
        self.last: Started | None = None

    def start(self, commands: tuple[tuple[str, ...], ...], who: str, language: str, about: str | None = None) -> bool:
        """Start commands; gives whether they were taken.

        Args:
            commands: Words of each.
            who: Who wants it.
            language: In which they speak.
            about: The record that they are about: such commands wait for those before them. Others are refused while
                something is under way.
        """
        with self._lock:
            is_full = len(self._waiting) >= (MOST_WAITING if about is not None else 0)
            if self._is_closed or (self._is_busy and is_full):
                return False
            started = Started(commands, who, datetime.now(UTC), language, about)
            if about is not None:
                self._about.pop(about, None)
                self._about[about] = started
                for old in list(self._about)[:-MOST_REMEMBERED]:
                    del self._about[old]
            if self._is_busy:
                self._waiting.append(started)
                return True
            self._is_busy, self.last = True, started
        threading.Thread(target=self._work, args=(started,), name="started at the desk", daemon=True).start()
        return True

    def of(self, about: str) -> Started | None:
        """What was started last about a record."""
        with self._lock:
            return self._about.get(about)

    def close(self) -> None:
        """Stop what runs: what it committed is kept."""
        with self._lock:
            self._is_closed = True
            process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(ENDS_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def _work(self, started: Started | None) -> None:
        while started is not None:
            succeeded = self._run(started)
            with self._lock:
                started.succeeded, started.ended_at = succeeded, datetime.now(UTC)
                started = self._waiting.popleft() if self._waiting else None
                self._is_busy = started is not None
                self.last = started or self.last

    def _run(self, started: Started) -> bool:
        succeeded = True
        try:
            for step, words in enumerate(started.commands):
                started.step = step
                succeeded = self._one(started, words) and succeeded
        except (OSError, ValueError) as error:
            log.exception("what was asked for at the desk could not be started")
            started.lines.append(f"✗ {error}")
            succeeded = False
        return succeeded

    def _one(self, started: Started, words: tuple[str, ...]) -> bool:
        import os

        with self._lock:
            if self._is_closed:
                return False
            process = self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "gazelle_sync.cli", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=os.environ | {"GAZELLE_LANG": started.language, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"},
                start_new_session=True,
            )
        with process:
            for line in process.stdout or ():
                if text := line.rstrip():
                    started.lines.append(text)
        return process.returncode == 0
