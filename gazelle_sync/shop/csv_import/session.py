"""An import of a folder: its files in order, chunk by chunk, each chunk in one transaction.

A process that dies leaves whole chunks only; the next import finds their rows again and does the rest. One import at a
time: an advisory lock in a transaction of its own, as the pull's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from gazelle_sync.errors import CommandRefused, DatabaseError, GazelleSyncError, first_line
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.shop.csv_import.chunks import Chunks, ReadSoFar
from gazelle_sync.shop.csv_import.files import CsvFile, Row
from gazelle_sync.shop.csv_import.kinds import ORDER, DetectedKind, detect_kind
from gazelle_sync.shop.csv_import.matching import propose
from gazelle_sync.shop.csv_import.outcomes import FileOutcome, Outcome
from gazelle_sync.warehouse.connect import Connection, database_errors, statement
from gazelle_sync.warehouse.limits import allow_long_statements
from gazelle_sync.warehouse.lock import WAIT_S, PullLock
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.settings_table import read_watermarks

IMPORT_LOCK: Final = 0x6761_7A06
SUFFIXES: Final = (".csv", ".tsv", ".txt")
Progress = Callable[[str, int, int], None]
"""Called with a file's name, how many bytes of all files are read, and how many there are."""

log = get_logger("gazelle_sync.shop")


class AnotherImportRunning(GazelleSyncError):
    """The lock of imports is held: one at a time."""

    cause = "another_run"


class NothingToImport(CommandRefused):
    """The folder is not there, or holds no file of a known kind."""


class ImportLock(PullLock):
    """Context manager that holds the advisory lock of imports.

    Args:
        url: The shop's database.
        wait_s: How long to wait for an import that is already running.

    Raises:
        AnotherImportRunning: It was still running after `wait_s`.
    """

    key = IMPORT_LOCK
    what = "import"
    busy = Message("Another import is running and did not end within {seconds} s. Nothing was done. Try again later.")
    refusal = AnotherImportRunning


@dataclass(frozen=True)
class Request:
    """What is to be imported.

    Attributes:
        folder: Where the files are.
        source: Only files of this source; None: all.
        client: Whose pianos a school's sheet is about.
        is_dry_run: Whether nothing is kept.
    """

    folder: Path
    source: str | None = None
    client: str | None = None
    is_dry_run: bool = False


def run_import(
    settings: Settings,
    request: Request,
    *,
    run_id: str | None = None,
    progress: Progress = lambda *_: None,
    lock_wait_s: float = WAIT_S,
) -> Outcome:
    """Import a folder.

    Args:
        settings: With `database_url` filled in.
        request: What.
        run_id: Of the Dagster run.
        progress: Called after each chunk.
        lock_wait_s: How long to wait for another import.

    Raises:
        NothingToImport: The folder holds no file of a known kind.
        AnotherImportRunning: Another import did not end in time.
        DatabaseError: The database cannot be reached, or goes away; whole chunks are kept.
    """
    url = str(settings.database_url)
    files = _files(request)
    migrate(url)
    with ImportLock(url, wait_s=lock_wait_s), borrow(url) as connection:
        return _Import(connection, request, files, run_id, progress).run()


def _files(request: Request) -> list[tuple[CsvFile | None, DetectedKind | None, FileOutcome]]:
    """The folder's files in the order in which they are imported, those of no known kind first.

    Raises:
        NothingToImport: None of them is of a known kind.
    """
    try:
        paths = sorted(path for path in request.folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise NothingToImport(
            gettext("The folder {folder} cannot be read ({reason}).", folder=request.folder, reason=error.strerror)
        ) from error
    found: list[tuple[CsvFile | None, DetectedKind | None, FileOutcome]] = []
    for path in paths:
        if path.suffix.lower() not in SUFFIXES:
            found.append((None, None, _of_no_kind(path.name)))
            continue
        file = CsvFile(path)
        detected = detect_kind(file.header, request.source) if file.header else None
        if detected is None:
            found.append((None, None, _of_no_kind(path.name)))
            continue
        file.may_lack_fields = detected.kind.source == "school"
        found.append((file, detected, FileOutcome(path.name, detected.kind.source, detected.kind.entity)))
    if not any(detected for _, detected, _ in found):
        raise NothingToImport(
            gettext(
                "The folder {folder} holds no file of a known kind{found}. Nothing was imported. docs/csv-import.md "
                "says by which columns each kind is known.",
                folder=request.folder,
                found=f" ({', '.join(outcome.file for *_, outcome in found[:10])})" if found else "",
            )
        )
    return sorted(found, key=lambda one: ORDER.index(one[1].kind.entity) if one[1] else -1)


def _of_no_kind(name: str) -> FileOutcome:
    return FileOutcome(name, note=gettext("its columns are of no known kind: it was left alone"))


class _Import:
    """One import.

    Args:
        connection: In no transaction; the lock is held.
        request: What is imported.
        files: Of the folder.
        run_id: Of the Dagster run.
        progress: Called after each chunk.
    """

    def __init__(
        self,
        connection: Connection,
        request: Request,
        files: Sequence[tuple[CsvFile | None, DetectedKind | None, FileOutcome]],
        run_id: str | None,
        progress: Progress,
    ) -> None:
        self._connection, self._request, self._files = connection, request, files
        self._run_id, self._progress = run_id, progress
        self._total = sum(file.size for file, *_ in files if file)
        self._seen: dict[tuple[str, str], ReadSoFar] = {}

    def run(self) -> Outcome:
        """Import all files."""
        with self._kept_only_if_wanted():
            import_id = self._begin()
            outcome = Outcome([one for *_, one in self._files], is_dry_run=self._request.is_dry_run)
            try:
                self._take_all(import_id)
                outcome.proposals = propose(self._connection, outcome.files, import_id)
            except BaseException as error:
                with suppress(Exception):  # the first error is what is reported
                    self._finish(import_id, outcome, error)
                raise
            self._finish(import_id, outcome, None)
            return outcome

    @contextmanager
    def _kept_only_if_wanted(self) -> Iterator[None]:
        """A dry run does everything in one transaction, and rolls it back."""
        if not self._request.is_dry_run:
            yield
            return
        with self._connection.transaction(force_rollback=True):
            yield

    def _begin(self) -> int:
        request = self._request
        parameters = {
            "folder": str(request.folder.resolve()), "source": request.source, "client": request.client,
            "run_id": self._run_id,
        }  # fmt: skip
        with self._connection.transaction():
            [(import_id,)] = self._connection.execute(statement("csv_import/begin"), parameters).fetchall()
            self._pulled = frozenset(read_watermarks(self._connection))
        return int(import_id)

    def _take_all(self, import_id: int) -> None:
        done = 0
        for file, detected, outcome in self._files:
            if file is None or detected is None:
                continue
            seen = self._seen.setdefault((detected.kind.source, detected.kind.entity), ReadSoFar())
            client = self._request.client if detected.kind.source == "school" else None
            chunks = Chunks(detected, file.header, outcome.file, import_id, client, self._pulled, seen)
            for read, rows in file.chunks():
                self._take(chunks, rows, outcome)
                self._progress(outcome.file, done + min(read, file.size), self._total)
            done += file.size
            self._progress(outcome.file, done, self._total)

    def _take(self, chunks: Chunks, rows: Sequence[Row], outcome: FileOutcome) -> None:
        """Take rows in; where the database refuses one of them, in halves until it stands alone."""
        try:
            with database_errors(), self._connection.transaction():
                allow_long_statements(self._connection)
                chunks.take(self._connection, rows, outcome)
        except psycopg.Error as error:
            if len(rows) > 1:
                middle = len(rows) // 2
                self._take(chunks, rows[:middle], outcome)
                self._take(chunks, rows[middle:], outcome)
                return
            log.warning("a row was refused by the database", file=outcome.file, line=rows[0].line)
            with database_errors(), self._connection.transaction():
                reason = gettext("the database refuses it: {reason}", reason=first_line(error))
                chunks.refuse(self._connection, rows[0], reason, outcome)

    def _finish(self, import_id: int, outcome: Outcome, error: BaseException | None) -> None:
        status = "error" if error is not None else "warning" if outcome.totals["rejected"] else "success"
        parameters: dict[str, Any] = {
            "id": import_id, "status": status, "totals": Jsonb(outcome.totals),
            "report": Jsonb(outcome.as_json()["files"]),
            "error_message": str(error) or type(error).__name__ if error is not None else None,
        }  # fmt: skip
        if error is not None and isinstance(error, DatabaseError) and self._connection.closed:
            return
        with self._connection.transaction():
            self._connection.execute(statement("csv_import/finish"), parameters)
