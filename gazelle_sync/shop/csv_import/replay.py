"""Makes the records of all imports again from staging_import, where they are missing or were changed by hand.

What is there and as it was read stays as it is. Rows that were rejected stay rejected: an import tries them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import msgspec
import psycopg

from gazelle_sync.errors import first_line
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.shop.csv_import.chunks import Chunks, ReadSoFar, Staged
from gazelle_sync.shop.csv_import.files import CHUNK
from gazelle_sync.shop.csv_import.kinds import KINDS, ORDER, DetectedKind, Kind, columns_of
from gazelle_sync.shop.csv_import.session import ImportLock
from gazelle_sync.warehouse.connect import Connection, database_errors, statement
from gazelle_sync.warehouse.limits import allow_long_statements
from gazelle_sync.warehouse.lock import WAIT_S
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.settings_table import read_watermarks

OF: Final = {"contacts": "clients", "invoice_items": "invoices"}
"""Entity of an import → the one of the pull that it is nested in."""
log = get_logger("gazelle_sync.shop")
PULLED: Final = frozenset({"clients", "pianos", "invoices", "appointments", "timeline"})


def replay_imports(settings: Settings, entities: Sequence[str] | None = None) -> None:
    """Make the records of all imports again.

    Args:
        settings: With `database_url` filled in.
        entities: Of the pull; None: all, and the shop's own tables.

    Raises:
        AnotherImportRunning: An import is at work.
        DatabaseError: The database goes away; whole chunks are kept.
    """
    url = str(settings.database_url)
    with borrow(url) as connection:
        known = {(source, entity) for source, entity in connection.execute(statement("csv_import/kinds"))}
        if not known:
            return
        with ImportLock(url, wait_s=WAIT_S):
            pulled = frozenset(read_watermarks(connection))
            for kind in sorted(_kinds(known, entities), key=lambda kind: ORDER.index(kind.entity)):
                _replay(connection, kind, pulled)


def _kinds(known: set[tuple[str, str]], entities: Sequence[str] | None) -> list[Kind]:
    found = {(kind.source, kind.entity): kind for kind in KINDS if (kind.source, kind.entity) in known}
    return [
        kind
        for kind in found.values()
        if entities is None or (OF.get(kind.entity, kind.entity) in entities) or set(entities) >= PULLED
    ]


def _replay(connection: Connection, kind: Kind, pulled: frozenset[str]) -> None:
    seen: dict[int, ReadSoFar] = {}
    for import_id, rows in _made(connection, kind):
        # Of an id that several imports brought, the last one's row counts; within an import, the first.
        chunks = _StagedChunks(kind, import_id, pulled, seen.setdefault(import_id, ReadSoFar()))
        _take(connection, chunks, rows)


def _take(connection: Connection, chunks: Chunks, rows: Sequence[Any]) -> None:
    """Make some records again; one whose parent is gone is left out, found in halves."""
    try:
        with database_errors(), connection.transaction():
            allow_long_statements(connection)
            chunks.take(connection, rows, None)
    except psycopg.Error as error:
        if len(rows) == 1:
            log.warning("an imported record cannot be made again", reason=first_line(error))
            return
        middle = len(rows) // 2
        _take(connection, chunks, rows[:middle])
        _take(connection, chunks, rows[middle:])


def _made(connection: Connection, kind: Kind) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    last = (0, 0)
    while True:
        parameters = {
            "source": kind.source, "entity": kind.entity, "import_id": last[0], "id": last[1], "most": CHUNK,
        }  # fmt: skip
        rows = connection.execute(statement("csv_import/made"), parameters).fetchall()
        if not rows:
            return
        last = rows[-1][:2]
        for import_id, part in groupby(rows, key=itemgetter(0)):
            yield import_id, list(part)


class _StagedChunks(Chunks):
    """Rows of staging_import in the place of a file's."""

    def __init__(self, kind: Kind, import_id: int, pulled: frozenset[str], seen: ReadSoFar) -> None:
        super().__init__(DetectedKind(kind, (), (), ()), (), "", import_id, None, pulled, seen)
        self._source = kind.source
        self._were: dict[tuple[str, int], str | None] = {}

    def _staged(self, row: Any) -> Staged:
        _, _, line, row_hash, repetition, raw, _, external_id = row
        self._were[row_hash, repetition] = external_id
        cells: dict[str, str] = {}
        for name, value in zip(columns_of(list(raw), self._source), raw.values(), strict=True):
            cells.setdefault(name, value)
        return Staged(line, row_hash, repetition, msgspec.json.encode(raw), cells)

    def _find_known(self, connection: Connection, staged: Sequence[Staged]) -> None:
        """Nothing is settled: every record is made again."""

    def _stage(self, connection: Connection, staged: Sequence[Staged]) -> None:
        """What became of a row is written only where it is another record by now."""
        moved = [
            one
            for one in staged
            if one.decision is not None
            and one.decision.outcome != "rejected"
            and one.decision.external_id != self._were[one.row_hash, one.repetition]
        ]
        super()._stage(connection, moved)
