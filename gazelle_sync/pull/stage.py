"""Stage 1, the writing half: raw bodies into staging, page by page, unchanged ones not twice.

No transformation here. What the API sent is what is stored, but for the two kinds of character that PostgreSQL's jsonb
cannot hold.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import msgspec
from psycopg import sql

from gazelle_sync.clock import ReadingOrder, parse_instant
from gazelle_sync.entities import NAMELESS, Entity
from gazelle_sync.gazelle.client import REPLACEMENT, Answer
from gazelle_sync.pull.paths import finder
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.warehouse.connect import Connection, database_errors, statement
from gazelle_sync.warehouse.copytext import NULL, escaped

TOMBSTONE = b"null"
RECENT = 5000
_STAMP_GRAIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Held:
    """The newest staged version of a record, set-aside ones not counted.

    Attributes:
        stamp: Its `updatedAt`, aware UTC.
        content_hash: Hash of its body; None for a tombstone.
        is_living: Whether it is a body (and not a tombstone).
        is_unsettled: Whether its stamp was not older than the second it was read in.
        is_unlisted: Whether it was absent from its list when it was last looked for, yet answered by id.
        start: An appointment's start.
    """

    stamp: datetime | None
    content_hash: bytes | None
    is_living: bool
    is_unsettled: bool = False
    is_unlisted: bool = False
    start: datetime | None = None


@dataclass(slots=True)
class _Version:
    external_id: str
    raw: bytes
    fetched_at: datetime
    content_hash: bytes | None
    stamp: datetime | None
    is_unsettled: bool
    is_unlisted: bool
    replaced: int


class Staging:
    """Writes one entity's bodies and remembers what is held.

    Args:
        connection: Its own; every method commits.
        entity: Which.
        run_id: Written into each row.
        order: Gives `fetched_at`.
        report: Counts go there.
    """

    def __init__(
        self, connection: Connection, entity: Entity, run_id: str, order: ReadingOrder, report: EntityReport
    ) -> None:
        self._connection = connection
        self.entity = entity
        self._run_id = run_id
        self._order = order
        self._report = report
        self._table = sql.Identifier(entity.staging_table)
        self.parents_named: dict[str, set[str]] = defaultdict(set)
        self._parent_finders = [(finder(path), self.parents_named[parent]) for path, parent in entity.parents.items()]
        self.is_empty = self._is_empty()
        self._recent: dict[str, Held] | None = {} if self.is_empty else None

    def held(self) -> dict[str, Held]:
        """Every record that is held (not for the timeline: that is too many to keep in memory)."""
        query = sql.SQL(statement("staging_held")).format(staging=self._table)
        return dict(self._read_held(query, []))

    def held_among(self, ids: Sequence[str]) -> dict[str, Held]:
        """What is held of some records."""
        if self._recent is not None:
            return {external_id: self._recent[external_id] for external_id in ids if external_id in self._recent}
        query = sql.SQL(statement("staging_held_among")).format(staging=self._table)
        return dict(self._read_held(query, [list(ids)]))

    def read_again(self) -> None:
        """The whole list is read once more: by now the table holds what a first read put there."""
        self._recent = None

    def set_aside(self) -> set[str]:
        """Records whose newest version was set aside by the guard: they must be read again."""
        query = sql.SQL(statement("staging_set_aside")).format(staging=self._table)
        with database_errors():
            ids = {external_id for (external_id,) in self._connection.execute(query)}
            self._connection.commit()
        return ids

    def last_bodies(self, ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """The last body that is held of each record, living or not."""
        query = sql.SQL(statement("staging_last_bodies")).format(staging=self._table)
        with database_errors():
            rows = self._connection.execute(query, [list(ids)]).fetchall()
            self._connection.commit()
        yield from rows

    def write(
        self, bodies: Iterable[Any], answer: Answer, held: dict[str, Held], *, unlisted: bool = False
    ) -> list[str]:
        """Store the bodies of one answer that differ from what is held, in one transaction.

        Args:
            bodies: Records as the API sent them.
            answer: Where they came from: its clock decides which stamps are settled.
            held: What is held of them; brought up to date here.
            unlisted: Whether these were found by id while absent from their list.

        Returns:
            Ids of the records that are new or changed.
        """
        fetched_at = self._order.next()
        versions: dict[str, _Version] = {}
        settled: list[str] = []
        same: list[str] = []
        for body in bodies:
            external_id = body.get("id") if isinstance(body, dict) else None
            if not isinstance(external_id, str) or not external_id:
                external_id = _name_for_nameless(body)
            version = self._version(external_id, body, answer, fetched_at, unlisted=unlisted)
            before = held.get(external_id)
            held[external_id] = Held(
                version.stamp,
                version.content_hash,
                True,
                version.is_unsettled,
                unlisted,
                parse_instant(body.get("start")) if isinstance(body, dict) else None,
            )
            if before is not None and before.is_living and before.content_hash == version.content_hash:
                same.append(external_id)
                if (before.is_unsettled, before.is_unlisted) != (version.is_unsettled, unlisted):
                    settled.append(external_id)
                continue
            versions[external_id] = version
            self._note_parents(body)
        if self._recent is not None:
            self._remember({external_id: held[external_id] for external_id in versions})
        self._report.fetched += len(versions) + len(same)
        self._insert(list(versions.values()), same, settled, answer, unlisted=unlisted)
        return list(versions)

    def write_tombstones(self, ids: Sequence[str]) -> None:
        """Store that Gazelle has these records no more: a version whose body is JSON null."""
        fetched_at = self._order.next()
        versions = [_Version(external_id, TOMBSTONE, fetched_at, None, None, False, False, 0) for external_id in ids]
        self._report.deleted += len(versions)
        self._insert(versions, [], [], None, unlisted=False)

    def mark_listed(self, ids: Sequence[str], *, unlisted: bool) -> None:
        """Remember that records are absent from their list though they answer by id (or are back in it)."""
        if not ids:
            return
        query = sql.SQL(statement("staging_mark_listed")).format(staging=self._table)
        with database_errors():
            self._connection.execute(query, {"ids": list(ids), "unlisted": unlisted})
            self._connection.commit()

    def mark_unsettled(self, ids: Sequence[str]) -> None:
        """Remember that records could not be read though they changed: the next run reads them again."""
        if ids:
            query = sql.SQL(statement("staging_unsettle")).format(staging=self._table)
            with database_errors():
                self._connection.execute(query, {"ids": list(ids)})
                self._connection.commit()

    def note_waiting(self) -> None:
        """Note the parents of bodies that a run before staged and did not live to apply."""
        with database_errors(), self._connection.cursor(name="waiting") as cursor:
            cursor.execute(sql.SQL(statement("staging_waiting")).format(staging=self._table))
            for (body,) in cursor:
                self._note_parents(body)
        self._connection.commit()

    def _version(
        self,
        external_id: str,
        body: Any,
        answer: Answer,
        fetched_at: datetime,
        *,
        unlisted: bool,
    ) -> _Version:
        raw = msgspec.json.encode(body, order="sorted")
        stamp = parse_instant(body.get("updatedAt")) if isinstance(body, dict) else None
        return _Version(
            external_id,
            raw,
            fetched_at,
            hashlib.blake2b(raw, digest_size=16).digest(),
            stamp,
            stamp is not None and stamp > answer.not_before - _STAMP_GRAIN,
            unlisted,
            raw.decode().count(REPLACEMENT) if answer.has_replacements else 0,
        )

    def _insert(
        self, versions: list[_Version], same: list[str], settled: list[str], answer: Answer | None, *, unlisted: bool
    ) -> None:
        copy = sql.SQL(
            "COPY {} (id, external_id, raw_data, fetched_at, sync_status, content_hash, gazelle_updated_at, run_id, "
            "is_unsettled, is_unlisted, replaced_characters) FROM STDIN"
        ).format(self._table)
        with database_errors(), self._connection.transaction():
            cursor = self._connection.cursor()
            if versions:
                fetched_at, run_id = versions[0].fetched_at.isoformat(), escaped(self._run_id)
                with cursor.copy(copy) as out:
                    ids = _ordered_uuids()
                    out.write("".join(f"{next(ids)}\t{_copy_line(v, fetched_at, run_id)}" for v in versions))
            if settled and answer is not None:
                cursor.execute(
                    sql.SQL(statement("staging_settle")).format(staging=self._table),
                    {"ids": settled, "settled_before": answer.not_before - _STAMP_GRAIN, "unlisted": unlisted},
                )
            if same:
                # A body that is held and processed but whose production row is gone (somebody emptied the table)
                # is applied again.
                cursor.execute(
                    sql.SQL(statement("staging_heal")).format(
                        staging=self._table, production=sql.Identifier(self.entity.table.name)
                    ),
                    {"ids": same},
                )
        self._report.staged += len(versions)
        if versions:
            self.is_empty = False

    def _remember(self, fresh: dict[str, Held]) -> None:
        """A first read into an empty table: a page can repeat the last ones and no others (cursors are offsets)."""
        recent = {**(self._recent or {}), **fresh}
        surplus = len(recent) - RECENT
        self._recent = dict(islice(recent.items(), surplus, None)) if surplus > 0 else recent

    def _note_parents(self, body: Any) -> None:
        for find, named in self._parent_finders:
            find(body, named)

    def _is_empty(self) -> bool:
        with database_errors():
            query = sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(self._table)
            row = self._connection.execute(query).fetchone()
            self._connection.commit()
        return row == (True,)

    def _read_held(self, query: sql.Composed, parameters: list[Any]) -> Iterator[tuple[str, Held]]:
        with database_errors():
            rows = self._connection.execute(query, parameters).fetchall()
            self._connection.commit()
        for external_id, stamp, content_hash, is_living, is_unsettled, is_unlisted, start in rows:
            yield external_id, Held(stamp, content_hash, is_living, is_unsettled, is_unlisted, parse_instant(start))


def _ordered_uuids() -> Iterator[str]:
    """UUIDs of version 7 that grow with time: the primary key of a big staging table is then written at its end.

    (Random ones, the column's default, land all over it: with millions of rows that is a read from disk each.)
    """
    tail = f"{0x8000 | secrets.randbits(14):04x}-{secrets.randbits(48):012x}"
    while True:
        milliseconds = f"{time.time_ns() // 1_000_000:012x}"
        for n in range(0x1000):
            yield f"{milliseconds[:8]}-{milliseconds[8:]}-7{n:03x}-{tail}"


def _copy_line(version: _Version, fetched_at: str, run_id: str) -> str:
    """A version as a line of COPY's text format."""
    content_hash = NULL if version.content_hash is None else f"\\\\x{version.content_hash.hex()}"
    stamp = NULL if version.stamp is None else version.stamp.isoformat()
    return (
        f"{escaped(version.external_id)}\t{escaped(version.raw.decode())}\t{fetched_at}\tpending\t{content_hash}\t"
        f"{stamp}\t{run_id}\t{version.is_unsettled}\t{version.is_unlisted}\t{version.replaced}\n"
    )


def _name_for_nameless(body: Any) -> str:
    """A record without id is kept under a name made of its content, so that a person can find it."""
    digest = hashlib.blake2b(msgspec.json.encode(body, order="sorted"), digest_size=8).hexdigest()
    return f"{NAMELESS}{digest}"
