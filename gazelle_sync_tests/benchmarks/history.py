"""A tick of a shop with a long history: its work is that of a young one's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from gazelle_sync.entities import ENTITIES
from gazelle_sync.pull.session import Pull
from gazelle_sync.sandbox.admin import SandboxAdmin
from gazelle_sync.warehouse.connect import connect
from gazelle_sync_tests.benchmarks.servers import Shop, new_shop, server
from gazelle_sync_tests.benchmarks.table import Line
from gazelle_sync_tests.support.history import make_history_at_gazelle, make_history_here
from gazelle_sync_tests.support.sandbox import running_sandbox, start_sandbox

TICKS = 12
MOST_RATIO = 1.5
LARGE = 100_000
"""Rows of a table that a tick may not read from end to end."""
SCANS = """
SELECT oid::regclass::text, pg_stat_get_numscans(oid) FROM pg_class WHERE relkind = 'r' AND reltuples > %s
"""


def history(_: int, entries: int = 10_000_000) -> Iterator[Line]:
    """Ticks with a new note each, at 28,000 entries and with a history made by SQL on both sides."""
    with server() as where:
        file = where.home / "sandbox.sqlite"
        with running_sandbox(file) as young:
            shop = new_shop(where, young)
            _tick(shop)
            few = _ticks(shop, young.admin)
            port = young.url.split(":")[2].split("/")[0]
        make_history_at_gazelle(file, entries)
        make_history_here(shop.url, entries)
        old = start_sandbox(file, extra=("--port", port))
        try:
            _tick(shop)
            many = _ticks(shop, old.admin)
            _new_note(old.admin)
            before = _scans(shop)
            shop.sync()
            scanned = [table for table, scans in _scans(shop).items() if scans != before.get(table)]
        finally:
            old.stop()
    yield Line(
        f"tick with a new note, {entries:,} entries of history more than 28,000 (least of {TICKS}, with PostgreSQL)",
        f"{many * 1000:.0f} ms of processor, {few * 1000:.0f} ms with 28,000",
        f"at most {MOST_RATIO} times as much",
        f"{many / few:.2f}",
        many <= MOST_RATIO * few,
    )
    yield Line(
        f"tables over {LARGE:,} rows that a whole tick of it reads from end to end (checks, metadata, alerts included)",
        ", ".join(scanned) or "none",
        "none",
        "—",
        not scanned,
    )


def _ticks(shop: Shop, admin: SandboxAdmin) -> float:
    """The least processor time of some ticks, in seconds: this process's and the server's."""
    took = []
    for _ in range(TICKS):
        _new_note(admin)
        before = shop.server.processor_s()
        _tick(shop)
        took.append(shop.server.processor_s() - before)
    return min(took)


def _new_note(admin: SandboxAdmin) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    client = admin.dump("clients")[0]["id"]
    admin.create("timeline", occurredAt=now, type="USER_COMMENT", comment="Note", clientId=client)


def _scans(shop: Shop) -> dict[str, int]:
    """Large table → how often it was read from end to end, by sessions that have ended."""
    with connect(shop.url) as connection:
        return dict(connection.execute(SCANS, [LARGE]).fetchall())


def _tick(shop: Shop) -> None:
    with Pull(shop.settings) as pull:
        for entity in ENTITIES:
            pull.apply(entity.name)
    if pull.failures():
        raise RuntimeError(str(pull.failures()))
