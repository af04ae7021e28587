"""Commands of `gazelle-sync` in the process of the test: a process of its own costs more than most of them do."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import structlog
from click.testing import CliRunner

from gazelle_sync.cli.app import main
from gazelle_sync_tests.support.shop import Shop


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run_command(shop: Shop, *arguments: str, **environment: str) -> Said:
    """`gazelle-sync` with these arguments, on a shop.

    On a thread, where a command leaves the process's signals alone.
    """
    named = shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=shop.url, **environment)
    with patch.dict(os.environ, named), _no_log_left_behind(), ThreadPoolExecutor(1) as thread:
        ended = thread.submit(CliRunner().invoke, main, list(arguments)).result()
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return Said(ended.exit_code, ended.stdout, ended.stderr)


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
        structlog.reset_defaults()
