"""Structured logs: a readable line to the terminal, a JSON line to a rotating file under `GAZELLE_SYNC_HOME`.

Every line of a run carries its `run_id`, which is the Dagster run's, so that a line in the file, a row of `sync_logs`
and a page of the UI can be laid side by side. Secrets are masked in both, wherever they stand in a line.
"""

from __future__ import annotations

import fcntl
import logging
import logging.handlers
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import structlog

from gazelle_sync.errors import GazelleSyncError, UnexpectedError, cause_of, first_line
from gazelle_sync.settings import Settings

FILE_BYTES = 5_000_000
FILE_COUNT = 5
LEAST_SECRET = 4
HIDDEN = "•••"
_SECRET_BY_FORM = (
    re.compile(r"(?<=://)[^\s/@\"'<>]+(?=@)"),
    re.compile(r"(?<=\bpassword=)(?:'[^']*'|[^\s&'\")]+)", re.IGNORECASE),
    re.compile(r"(?<=\bBearer )[\w.~+/-]{4,}=*"),
)
_secrets: list[str] = []
"""Of the settings that the log was configured with."""


def get_logger(name: str) -> Any:
    """A logger whose lines carry the run's bound context."""
    return structlog.stdlib.get_logger(name)


def configure(settings: Settings, *, terminal_level: int = logging.WARNING) -> Path:
    """Send log lines to the terminal (standard error) and to `<home>/logs/gazelle_sync.log`.

    Args:
        settings: For the home and the secrets to mask.
        terminal_level: Least level shown in the terminal; the file takes INFO and over.

    Returns:
        The file's path.
    """
    directory = settings.home / "logs"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "gazelle_sync.log"
    _secrets[:] = settings.secrets
    mask = _Mask(settings.secrets)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    file = SharedRotatingFile(path, maxBytes=FILE_BYTES, backupCount=FILE_COUNT, encoding="utf-8")
    file.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _plain_exception,
                mask,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
            foreign_pre_chain=shared,
        )
    )
    file.setLevel(logging.INFO)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _plain_exception,
                mask,
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
                ),
            ],
            foreign_pre_chain=shared,
        )
    )
    terminal.setLevel(terminal_level)
    ours = logging.getLogger("gazelle_sync")
    for handler in list(ours.handlers):
        ours.removeHandler(handler)
        handler.close()
    ours.setLevel(logging.INFO)
    ours.propagate = False
    ours.addHandler(file)
    ours.addHandler(terminal)
    return path


def configure_once(settings: Settings) -> None:
    """`configure`, unless this process did it already (a run that Dagster launched has not)."""
    if not logging.getLogger("gazelle_sync").handlers:
        configure(settings)


class SharedRotatingFile(logging.handlers.RotatingFileHandler):
    """A rotating file that several processes write to: the UI, a run, a command.

    Each line is written under a lock beside the file, and to the file that bears the name by then: another process may
    have rotated it since the last line, and what is written to a file that was put aside goes with it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a trouble is told as the base class tells it."""
        path = Path(self.baseFilename)
        try:
            with path.with_name(f".{path.name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._follow(path)
                super().emit(record)
        except OSError:
            self.handleError(record)

    def _follow(self, path: Path) -> None:
        if self.stream is None:
            return
        try:
            is_ours = os.path.samestat(path.stat(), os.fstat(self.stream.fileno()))
        except FileNotFoundError:
            is_ours = False
        if not is_ours:
            self.stream.close()
            self.stream = self._open()


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without secrets: what is written goes to the terminal, to files and into two databases.

    What an address holds before its host, and what is called a password or a bearer, is a secret whoever wrote it.
    One of a few letters is no secret and part of every other word: masked, it would only spoil what is to be read.

    Args:
        text: Anyone's.
        secrets: More of them than this process's settings hold.
    """
    for secret in sorted({*_secrets, *secrets}, key=len, reverse=True):  # so that none is cut by another
        if len(secret) >= LEAST_SECRET:
            text = text.replace(secret, HIDDEN)
    for pattern in _SECRET_BY_FORM:
        text = pattern.sub(HIDDEN, text)
    return text


def say_error(error: BaseException) -> str:
    """How an error ended a run: our own words where it is ours, an interrupt's name."""
    if isinstance(error, GazelleSyncError):
        return masked(str(error))
    return say_surprise(error) if isinstance(error, Exception) else str(error) or type(error).__name__


def say_surprise(error: BaseException) -> str:
    """An error that nobody expected, in one sentence: without secrets, and without the rows that PostgreSQL quotes."""
    said = masked(first_line(error))
    if isinstance(error, psycopg.Error):
        return (
            f"{type(error).__name__}: {said}. This is a fault of gazelle_sync, unless the tables were changed by hand "
            "(`gazelle-sync doctor` looks)"
        )
    return f"{type(error).__name__}: {said}. This is a fault of gazelle_sync"


@contextmanager
def surprises_told() -> Iterator[None]:
    """For code that Dagster calls: what nobody expected goes to the log file, one sentence to Dagster, which keeps it.

    Raises:
        GazelleSyncError: Ours as it was; any other as `say_surprise` puts it.
    """
    try:
        yield
    except GazelleSyncError as error:
        error.args = (masked(str(error)),)
        raise error from None
    except Exception as error:
        raise unexpected(error) from None


def unexpected(error: Exception) -> UnexpectedError:
    """An error that nobody expected: all of it goes to the log file, and one sentence of it to whoever raises this."""
    get_logger("gazelle_sync").exception("unexpected error")
    return UnexpectedError(f"{say_surprise(error)}: the log file holds the rest.", cause=cause_of(error))


def plain_traceback(error: BaseException) -> str:
    """Where an error came from, its causes first: places and one line each.

    No values of variables, which are bodies of clients and addresses with passwords, and no further lines of what a
    database says, which quote rows.
    """
    parts: list[str] = []
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        places = "".join(traceback.format_tb(link.__traceback__))
        parts.append(f"Traceback (most recent call last):\n{places}{type(link).__name__}: {first_line(link)}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n\nwhich led to\n\n".join(reversed(parts))


def _plain_exception(_logger: object, _method: str, event: Any) -> Any:
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["exception"] = plain_traceback(error)
    return event


class _Mask:
    """Replaces every secret in every value of a line."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets

    def __call__(self, _logger: object, _method: str, event: Any) -> Any:
        return self._clean(event)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return masked(value, self._secrets)
        if isinstance(value, dict):
            return {key: self._clean(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._clean(item) for item in value]
        return value
