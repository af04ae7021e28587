"""Commands of `gazelle-sync` in the process of the test: a process of its own costs more than most of them do."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import structlog
from click.testing import CliRunner

from gazelle_sync.cli.app import main
from gazelle_sync_tests.support.processes import Processes
from gazelle_sync_tests.support.shop import Shop


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All of it."""
        return self.stdout + self.stderr


@dataclass(frozen=True)
class Person:
    """Runs `gazelle-sync` commands on one shop."""

    shop: Shop
    processes: Processes
    dagster_database: str
    directory: Path

    def runs(self, *arguments: str, **environment: str) -> Said:
        """`gazelle-sync` with these arguments, in the process of the test."""
        with patch.dict(os.environ, self._own(environment)), chdir(self.directory):
            return run_as_it_is(*arguments)

    def runs_alone(self, *arguments: str, **environment: str) -> Said:
        """The same in a process of its own."""
        ended = self.processes.command(*arguments, environment=self._own(environment), directory=self.directory)
        return Said(ended.returncode, ended.stdout, ended.stderr)

    def begins(self, *arguments: str, **environment: str) -> int:
        """`gazelle-sync` with these arguments, under way; gives its process id."""
        return self.processes.begin_command(*arguments, environment=self._own(environment), directory=self.directory)

    def stops(self, pid: int, number: signal.Signals) -> subprocess.CompletedProcess[str]:
        """Send a command that was begun a signal, and wait for its end."""
        os.kill(pid, number)
        return self.processes.ended(pid, self.directory)

    def _own(self, environment: Mapping[str, str]) -> dict[str, str]:
        return self.shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=self.dagster_database, **environment)


def run_command(shop: Shop, *arguments: str, **environment: str) -> Said:
    """`gazelle-sync` with these arguments, on a shop."""
    with patch.dict(os.environ, shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=shop.url, **environment)):
        return run_as_it_is(*arguments)


def run_as_it_is(*arguments: str, said: str | None = None) -> Said:
    """`gazelle-sync` with these arguments, in the environment of the test.

    On a thread, where a command leaves the process's signals alone.

    Args:
        arguments: Behind the name of the program.
        said: What a person types.
    """
    with _no_log_left_behind(), ThreadPoolExecutor(1) as thread:
        ended = thread.submit(CliRunner().invoke, main, list(arguments), said).result()
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return Said(ended.exit_code, ended.stdout, ended.stderr)


def log_plainly() -> None:
    """Log lines that no command has configured: without rich, which takes a second to draw a traceback."""
    structlog.reset_defaults()
    *before, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*before, plain])


@contextmanager
def _no_log_left_behind() -> Iterator[None]:
    """The log that a command configures ends with it."""
    logger = logging.getLogger("gazelle_sync")
    before = list(logger.handlers)
    try:
        yield
    finally:
        for handler in set(logger.handlers) - set(before):
            logger.removeHandler(handler)
            handler.close()
        log_plainly()
