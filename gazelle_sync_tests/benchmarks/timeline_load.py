"""Stage 1's writing and stage 2 alone, on pages from memory: ours, and a bare `COPY` with one `INSERT … SELECT`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from gazelle_sync.entities import TIMELINE
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.pull import load
from gazelle_sync.pull.held import Snapshot
from gazelle_sync.pull.prefetch import prefetch
from gazelle_sync.pull.read import Page, with_versions
from gazelle_sync.pull.reading_order import ReadingOrder
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.pull.stage import Staging
from gazelle_sync.pull.write import PageWriter
from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.pool import Connections, keep_connections
from gazelle_sync_tests.benchmarks.pages import Pages
from gazelle_sync_tests.benchmarks.servers import Server, new_shop_database

COPY = """
COPY staging_timeline (external_id, raw_data, fetched_at, sync_status, content_hash, run_id) FROM STDIN
"""
INSERT = """
INSERT INTO gazelle_timeline_entries (
    external_id, occurred_at, entry_type, title, description, client_external_id, piano_external_id, user_external_id,
    invoice_external_id, estimate_external_id
)
SELECT
    external_id, (raw_data ->> 'occurredAt')::timestamptz, raw_data ->> 'type', raw_data ->> 'summary',
    raw_data ->> 'comment', raw_data -> 'client' ->> 'id', raw_data -> 'piano' ->> 'id', raw_data -> 'user' ->> 'id',
    raw_data -> 'invoice' ->> 'id', raw_data -> 'estimate' ->> 'id'
FROM staging_timeline
"""


@dataclass(frozen=True)
class Loaded:
    """Seconds of the two stages, and of the processor in both, ours and PostgreSQL's (0: not measured)."""

    stage_1: float
    stage_2: float
    processor_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Of both."""
        return self.stage_1 + self.stage_2


EMPTY = Snapshot(is_empty=True, waits=False, has_rejected=False, has_unreadable=False)


def load_ours(where: Server, pages: Pages) -> Loaded:
    """A first load as a pull makes it: each page staged and written in one transaction, keys and indexes at the end.

    Raises:
        RuntimeError: Not every entry arrived.
    """
    database = new_shop_database(where)
    url = where.url(database)
    pages.make_parents(url)
    order = ReadingOrder(datetime.now(UTC))
    connections = Connections(url)
    with keep_connections():
        begun, processor_s = time.perf_counter(), where.processor_s()
        with connections.use() as connection:
            loads = load.begin(connection, [TIMELINE]) == {TIMELINE.name}
        writer = PageWriter(TIMELINE, loads=loads)
        staging = Staging(connections, TIMELINE, "benchmark", order, EntityReport(), writer, EMPTY)
        for page, versions in prefetch(with_versions(_pages(pages))):
            ids = [version.external_id for version in versions]
            staging.store(versions, page.nodes, page.answer, staging.held_among(ids))
        staged = time.perf_counter()
        with connections.use() as connection:
            load.end(connection, TIMELINE)
        applied, processor_s = time.perf_counter(), where.processor_s() - processor_s
    _check(url, pages)
    where.drop(database)
    return Loaded(staged - begun, applied - staged, processor_s)


def _pages(pages: Pages) -> Iterator[Page]:
    for data in pages.answers():
        nodes = data[TIMELINE.root]["nodes"]
        yield Page(nodes, pages.entries, 0, Answer(data, datetime.now(UTC), False), {})


def load_bare(where: Server, pages: Pages) -> Loaded:
    """The least that PostgreSQL needs for the same rows in the same tables, their indexes and foreign keys in place."""
    database = new_shop_database(where)
    url = where.url(database)
    pages.make_parents(url)
    blocks = list(_blocks(pages))
    with connect(url) as connection:
        begun = time.perf_counter()
        with connection.cursor().copy(COPY.encode()) as copy:
            for block in blocks:
                copy.write(block)
        connection.commit()
        copied = time.perf_counter() - begun
        begun = time.perf_counter()
        connection.execute(INSERT)
        connection.commit()
        inserted = time.perf_counter() - begun
    _check(url, pages)
    where.drop(database)
    return Loaded(copied, inserted)


def _blocks(pages: Pages) -> Iterator[bytes]:
    """The staging rows of each page in COPY's text format; making them is not part of what is measured."""
    fetched_at = datetime.now(UTC).isoformat()
    for data in pages.answers():
        lines = []
        for node in data[TIMELINE.root]["nodes"]:
            raw = msgspec.json.encode(node)
            digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
            body = raw.decode().replace("\\", "\\\\")
            lines.append(f"{node['id']}\t{body}\t{fetched_at}\tprocessed\t\\\\x{digest}\tbenchmark\n")
        yield "".join(lines).encode()


def _check(url: str, pages: Pages) -> None:
    with connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM gazelle_timeline_entries").fetchone()
    if row != (pages.entries,):
        raise RuntimeError(f"{row} entries arrived of {pages.entries}")
