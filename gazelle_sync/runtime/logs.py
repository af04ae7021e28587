"""Structured logs: a readable line to the terminal, a JSON line to a file under `GAZELLE_SYNC_HOME`.

Each process has a file of its own, so none waits for another to write a line.

Every line of a run carries its `run_id`, which is the Dagster run's, so that a line in the file, a row of `sync_logs`
and a page of the UI can be matched. Secrets are masked in both.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import structlog

from gazelle_sync.errors import GazelleSyncError, UnexpectedError, cause_of, first_line
from gazelle_sync.i18n import gettext
from gazelle_sync.settings import Settings

FILE_BYTES = 5_000_000
KEPT_FILES, KEPT_DAYS = 500, 30
"""How many log files of ended processes are kept at most, and for how long: a tick is one, 96 a day."""
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
    """A logger whose lines contain the run's bound context."""
    return structlog.stdlib.get_logger(name)


def configure(settings: Settings, *, terminal_level: int = logging.WARNING, file_level: int = logging.INFO) -> Path:
    """Send log lines to the terminal (standard error) and to `<home>/logs/gazelle_sync-<begin>-<pid>.log`.

    Args:
        settings: For the home and the secrets to mask.
        terminal_level: Least level shown in the terminal.
        file_level: Least level written to the file, which is made with its first line.

    Returns:
        The file's path.
    """
    directory = settings.home / "logs"
    directory.mkdir(parents=True, exist_ok=True)
    _remove_old(directory)
    path = directory / f"gazelle_sync-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    _secrets[:] = settings.secrets
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
    file = logging.handlers.RotatingFileHandler(path, maxBytes=FILE_BYTES, backupCount=1, encoding="utf-8", delay=True)
    file.setFormatter(_formatter(shared, structlog.processors.JSONRenderer(ensure_ascii=False)))
    file.setLevel(file_level)
    terminal = logging.StreamHandler(sys.stderr)
    plain = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    terminal.setFormatter(_formatter(shared, plain))
    terminal.setLevel(terminal_level)
    # psycopg also logs what it raises, which would be on the terminal twice.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    ours = logging.getLogger("gazelle_sync")
    for handler in list(ours.handlers):
        ours.removeHandler(handler)
        handler.close()
    ours.setLevel(logging.INFO)
    ours.propagate = False
    ours.addHandler(file)
    ours.addHandler(terminal)
    return path


def _formatter(shared: list[Any], renderer: Any) -> logging.Formatter:
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(
        processors=[remove_meta, _plain_exception, _without_secrets, renderer], foreign_pre_chain=shared
    )


def configure_once(settings: Settings) -> None:
    """`configure`, unless this process did it already (a run that Dagster launched has not)."""
    if not logging.getLogger("gazelle_sync").handlers:
        configure(settings)


def _remove_old(directory: Path) -> None:
    """Remove log files that are too old or too many, except those of running processes."""
    changed_at: dict[Path, float] = {}
    for path in directory.glob("gazelle_sync*.log*"):
        with suppress(FileNotFoundError):  # another process removes old ones as well
            changed_at[path] = path.stat().st_mtime
    oldest = time.time() - KEPT_DAYS * 86_400
    for number, path in enumerate(sorted(changed_at, key=changed_at.__getitem__, reverse=True)):
        if (number >= KEPT_FILES or changed_at[path] < oldest) and not _is_written(path):
            path.unlink(missing_ok=True)


def _is_written(path: Path) -> bool:
    """Whether the process that a log file is named after is running."""
    found = re.search(r"-(\d+)\.log", path.name)
    if found is None:
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without secrets: what is written goes to the terminal, to files and into two databases.

    The part of an address before its host, passwords and bearer tokens are masked by their form. A secret of fewer than
    four letters is not masked: it occurs in ordinary words.

    Args:
        text: Any text.
        secrets: More secrets than those of this process's settings.
    """
    for secret in sorted(
        {*_secrets, *secrets}, key=len, reverse=True
    ):  # the longest first, since one may contain another
        if len(secret) >= LEAST_SECRET:
            text = text.replace(secret, HIDDEN)
    for pattern in _SECRET_BY_FORM:
        text = pattern.sub(HIDDEN, text)
    return text


def describe_error(error: BaseException) -> str:
    """An error that ended a run: its message where it is ours, else one sentence or an interrupt's name."""
    if isinstance(error, GazelleSyncError):
        return masked(str(error))
    return describe_unexpected(error) if isinstance(error, Exception) else str(error) or type(error).__name__


def describe_unexpected(error: BaseException) -> str:
    """An unexpected error in one sentence, without secrets and without the rows that PostgreSQL quotes."""
    kind, said = type(error).__name__, masked(first_line(error))
    if isinstance(error, psycopg.Error):
        return gettext(
            "{kind}: {said}. This is a fault of gazelle_sync, unless the tables were changed by hand (`gazelle-sync "
            "doctor` looks)",
            kind=kind,
            said=said,
        )
    return gettext("{kind}: {said}. This is a fault of gazelle_sync", kind=kind, said=said)


@contextmanager
def unexpected_errors_reported() -> Iterator[None]:
    """For code that Dagster calls: an unexpected error goes to the log file, and one sentence of it to Dagster.

    Raises:
        GazelleSyncError: One of ours unchanged; any other as `describe_unexpected` describes it.
    """
    try:
        yield
    except GazelleSyncError as error:
        error.args = (masked(str(error)),)
        raise error from None
    except Exception as error:
        raise log_unexpected(error) from None


def log_unexpected(error: Exception) -> UnexpectedError:
    """Log an unexpected error with its traceback, and give one sentence of it as an error to raise."""
    get_logger("gazelle_sync").exception("unexpected error")
    said = gettext("{fault}: the log file holds the rest.", fault=describe_unexpected(error))
    return UnexpectedError(said, cause=cause_of(error))


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


def _without_secrets(_logger: object, _method: str, event: Any) -> Any:
    """Replace every secret in every value of a line."""
    if isinstance(event, str):
        return masked(event)
    if isinstance(event, dict):
        return {key: _without_secrets(_logger, _method, item) for key, item in event.items()}
    if isinstance(event, (list, tuple)):
        return [_without_secrets(_logger, _method, item) for item in event]
    return event
