"""Stage 1's writing and stage 2 alone, on pages from memory: ours, and a bare `COPY` with one `INSERT … SELECT`."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from gazelle_sync.entities import ENTITIES, TIMELINE
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.pull import load
from gazelle_sync.pull.held import Snapshot
from gazelle_sync.pull.read import Page
from gazelle_sync.pull.reading_order import ReadingOrder
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.pull.stage import Staging
from gazelle_sync.pull.timeline_segments import SIDE_BY_SIDE
from gazelle_sync.pull.write import PageWriter
from gazelle_sync.runtime.memory import limit_malloc_arenas, tune_gc
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
    """A first load as a pull makes it: all tables are loaded side by side, pages of the timeline are made ready and
    written by as many threads as read its segments, keys and indexes are made at the end, in a process that keeps its
    memory as a run does.

    Raises:
        RuntimeError: Not every entry arrived.
    """
    limit_malloc_arenas()
    tune_gc()
    database = new_shop_database(where)
    url = where.url(database)
    order = ReadingOrder(datetime.now(UTC))
    connections = Connections(url)
    with keep_connections():
        with connections.use() as connection:
            loads = load.begin(connection, ENTITIES) == {entity.name for entity in ENTITIES}
        pages.make_parents(url)
        with connections.use() as connection:
            load.end(connection, ENTITIES[: ENTITIES.index(TIMELINE)])
        begun, processor_s = time.perf_counter(), where.processor_s()
        writer = PageWriter(TIMELINE, loads=loads)
        staging = Staging(connections, TIMELINE, "benchmark", order, EntityReport(), writer, EMPTY)
        _store(staging, _pages(pages))
        staged = time.perf_counter()
        with connections.use() as connection:
            load.end(connection, [TIMELINE])
        applied, processor_s = time.perf_counter(), where.processor_s() - processor_s
    _check(url, pages)
    where.drop(database)
    return Loaded(staged - begun, applied - staged, processor_s)


def _store(staging: Staging, pages: Iterator[Page]) -> None:
    """Stage and write pages, each by the next thread that is free."""
    taking = threading.Lock()

    def work() -> None:
        while True:
            with taking:
                page = next(pages, None)
            if page is None:
                return
            prepared = staging.prepare(page.nodes, page.answer)
            ids = [version.external_id for version in prepared.versions]
            with staging.alone(set(ids)):
                staging.store(prepared, page.answer, staging.held_among(ids))

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for worker in [pool.submit(work) for _ in range(SIDE_BY_SIDE)]:
            worker.result()


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
