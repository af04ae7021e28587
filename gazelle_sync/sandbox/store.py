"""The state of the account: records by kind, in memory, and the same in one SQLite file.

Records are never changed in place: an edit puts a new one, so a snapshot is a copy of the maps. Bodies stay encoded
until somebody asks, so a restart costs only the reading of the file; the timeline, which is most of any account, stays
encoded for good.
"""

from __future__ import annotations

import gc
import sqlite3
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gazelle_sync.sandbox.encoding import Json, Record, decode, encode

KINDS = {
    "clients": "cli",
    "contacts": "con",
    "pianos": "pno",
    "measurements": "msr",
    "events": "evt",
    "timeline": "tme",
    "invoices": "inv",
    "users": "usr",
    "former_users": "usr",
    "products": "mit",
    "product_groups": "msg",
    "client_logs": "log",
    "taxes": "tax",
}
"""Kinds of records, and how their ids begin. `former_users` are named by events and entries, and missing from
`allUsers`."""

_MOST_DERIVED = 100

Tables = dict[str, dict[str, bytes | Record]]

_TABLES = """
CREATE TABLE IF NOT EXISTS record (kind TEXT NOT NULL, id TEXT NOT NULL, occurred_at TEXT, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL);
"""
_UPSERT = (
    "INSERT INTO record (kind, id, occurred_at, body) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (kind, id) DO UPDATE SET occurred_at = excluded.occurred_at, body = excluded.body"
)


@dataclass(frozen=True)
class Snapshot:
    """Every record at one moment, and the version of the store then."""

    tables: Tables
    version: int


class Store:
    """Every record of the account.

    Attributes:
        version: Another after every change, and again that of a snapshot when the store goes back to it; what is
            derived from the records is good for one version.
        timeline_order: `occurredAt id` of every timeline entry, ascending.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = self._newest = 0
        self.timeline_order: list[str] = []
        self._tables: Tables = {kind: {} for kind in KINDS}
        self._children: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
        self._unwritten: dict[tuple[str, str], Record | None] = {}
        self._derived: dict[tuple[object, ...], list[str]] = {}
        self._derived_from = 0
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # The operating system keeps what a killed process wrote; only a power cut could lose it.
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;" + _TABLES)
        self._load()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # ---- reading

    def get(self, kind: str, record_id: str | None) -> Record | None:
        """The record with this id, or None."""
        body = self._tables[kind].get(record_id or "")
        if type(body) is not bytes:
            return body  # type: ignore[return-value]
        record: Record = decode(body)
        if kind != "timeline":
            self._tables[kind][record["id"]] = record
        return record

    def records(self, kind: str) -> Iterator[Record]:
        """Every record of a kind, in the order of creation."""
        for record_id in list(self._tables[kind]):
            record = self.get(kind, record_id)
            if record is not None:
                yield record

    def ids(self, kind: str) -> list[str]:
        """Every id of a kind, in the order of creation."""
        return list(self._tables[kind])

    def children(self, kind: str, field: str, parent_id: str) -> list[Record]:
        """The records of a kind whose `field` names this parent, in the order of creation."""
        index = self._children.get((kind, field))
        if index is None:
            index = self._children[kind, field] = {}
            for record in self.records(kind):
                if record.get(field) is not None:
                    index.setdefault(record[field], {})[record["id"]] = None
        found = (self.get(kind, record_id) for record_id in index.get(parent_id, ()))
        return [record for record in found if record is not None]

    def timeline_since(self, occurred_at: str | None) -> int:
        """Position in `timeline_order` of the first entry at or after an instant."""
        return 0 if occurred_at is None else bisect_left(self.timeline_order, occurred_at)

    def timeline_at(self, position: int) -> str:
        """Id of the timeline entry at a position of `timeline_order`."""
        return self.timeline_order[position].partition(" ")[2]

    def derived(self, key: tuple[object, ...], work_out: Callable[[], list[str]]) -> list[str]:
        """Ids that follow from the records, worked out once for as long as nothing changes."""
        if self._derived_from != self.version or len(self._derived) > _MOST_DERIVED:
            self._derived.clear()
            self._derived_from = self.version
        if key not in self._derived:
            self._derived[key] = work_out()
        return self._derived[key]

    # ---- writing

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep what is put and removed inside, in the file as well, before the caller is answered."""
        try:
            yield
        finally:
            self._write()

    def put(self, kind: str, record: Record) -> Record:
        """Add a record or replace the one with its id."""
        self._unindex(kind, record["id"])
        self._tables[kind][record["id"]] = record
        if kind == "timeline":
            insort(self.timeline_order, f"{record['occurredAt']} {record['id']}")
        for (indexed, field), index in self._children.items():
            if indexed == kind and record.get(field) is not None:
                index.setdefault(record[field], {})[record["id"]] = None
        self._unwritten[kind, record["id"]] = record
        self._changed()
        return record

    def remove(self, kind: str, record_id: str) -> bool:
        """Remove a record; whether there was one."""
        if record_id not in self._tables[kind]:
            return False
        self._unindex(kind, record_id)
        del self._tables[kind][record_id]
        self._unwritten[kind, record_id] = None
        self._changed()
        return True

    def fill(self, records: Mapping[str, Iterable[Record]]) -> None:
        """Replace everything by these records."""
        self._replace({kind: [(row["id"], row) for row in rows] for kind, rows in records.items()})

    def snapshot(self) -> Snapshot:
        """Everything as it is now."""
        return Snapshot({kind: dict(table) for kind, table in self._tables.items()}, self.version)

    def restore(self, snapshot: Snapshot) -> None:
        """Replace everything by a snapshot; nothing is done where nothing has changed since."""
        if self.version != snapshot.version:
            self._replace({kind: list(table.items()) for kind, table in snapshot.tables.items()})
            self.version = snapshot.version

    def meta(self, key: str) -> Json:
        """A value kept beside the records, or None."""
        row = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else decode(row[0])

    def set_meta(self, key: str, value: object) -> None:
        """Keep a value beside the records."""
        self._database.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, encode(value)))

    # ---- inside

    def _replace(self, records: Mapping[str, Iterable[tuple[str, bytes | Record]]]) -> None:
        rows = [
            (kind, record_id, *_columns(kind, body)) for kind, pairs in records.items() for record_id, body in pairs
        ]
        self._database.execute("BEGIN")
        self._database.execute("DROP INDEX IF EXISTS record_by_id")
        self._database.execute("DELETE FROM record")
        self._database.executemany("INSERT INTO record (kind, id, occurred_at, body) VALUES (?, ?, ?, ?)", rows)
        self._database.execute("COMMIT")
        self._hold(rows)

    def _load(self) -> None:
        self._hold(self._database.execute("SELECT kind, id, occurred_at, body FROM record ORDER BY rowid"))

    def _hold(self, rows: Iterable[tuple[str, str, str | None, bytes]]) -> None:
        tables: Tables = {kind: {} for kind in KINDS}
        order: list[str] = []
        for kind, record_id, occurred_at, body in rows:
            tables[kind][record_id] = body
            if occurred_at is not None:
                order.append(f"{occurred_at} {record_id}")
        order.sort()
        self._database.execute("CREATE UNIQUE INDEX IF NOT EXISTS record_by_id ON record (kind, id)")
        self._tables, self.timeline_order = tables, order
        self._children.clear()
        self._unwritten.clear()
        self._changed()
        # A large account is a large heap that lives as long as the process: collecting it again and again buys nothing.
        gc.freeze()

    def _changed(self) -> None:
        self._newest += 1
        self.version = self._newest

    def _unindex(self, kind: str, record_id: str) -> None:
        old = self.get(kind, record_id)
        if old is None:
            return
        if kind == "timeline":
            position = bisect_left(self.timeline_order, f"{old['occurredAt']} {record_id}")
            del self.timeline_order[position]
        for (indexed, field), index in self._children.items():
            if indexed == kind and old.get(field) is not None:
                index.get(old[field], {}).pop(record_id, None)

    def _write(self) -> None:
        unwritten, self._unwritten = self._unwritten, {}
        if not unwritten:
            return
        self._database.execute("BEGIN")
        for (kind, record_id), record in unwritten.items():
            if record is None:
                self._database.execute("DELETE FROM record WHERE kind = ? AND id = ?", (kind, record_id))
            else:
                self._database.execute(_UPSERT, (kind, record_id, *_columns(kind, record)))
        self._database.execute("COMMIT")


def _columns(kind: str, body: bytes | Record) -> tuple[str | None, bytes]:
    encoded = body if isinstance(body, bytes) else encode(body)
    if kind != "timeline":
        return None, encoded
    record: Record = decode(body) if isinstance(body, bytes) else body
    return record["occurredAt"], encoded
