"""The push: what a wave costs far away, the request budget over REST, planning, and an edit's way with `up` running."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from gazelle_sync.montreal import montreal_day
from gazelle_sync.push.block import Marks, write_block
from gazelle_sync.push.model import Remote, Row
from gazelle_sync.push.pushables import PIANO_UPDATES
from gazelle_sync.push.session import Push
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync_tests.benchmarks.servers import BIN, Shop, account, new_shop, server
from gazelle_sync_tests.benchmarks.table import Line
from gazelle_sync_tests.support.distance import FAR_S, far_away

RATE = 10
ROWS = 1_000
LEAST_SHARE = 0.95
API_MS = 80
MOST_WAVES_S, MOST_REQUESTS = 60.0, 200
PLANNED = 10_000
MOST_PLANNING_S = 0.5
EDITS = 50
MOST_DELAY_S, MOST_MEDIAN_S = 60.0, 15.0
START_S = 120.0
EDIT = """
INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes) VALUES (%s, %s)
ON CONFLICT (gazelle_id) DO UPDATE SET notes = excluded.notes
"""

EVERYTHING = """
INSERT INTO vincent_dindy_piano_updates (gazelle_id, status, notes, travail, completed_at)
VALUES (%s, 'top', 'Note ' || %s || ' de ' || %s, 'Fait ' || %s || ' sur ' || %s, '2026-07-01 16:00+00')
"""


def budget(repeats: int, *, rows: int = ROWS) -> Iterator[Line]:
    """So many edited rows at 10 requests a second, over REST: a request each."""
    shares, most = [], 0
    with server() as where, account(where) as sandbox:
        pianos = _pianos(sandbox.admin.dump("pianos"), rows)
        # The sandbox's first look into its timeline takes it half a second, in which requests pile up before its door.
        sandbox.ask('{ allTimelineEntries(pianoId: "none", first: 1) { totalCount } }')
        for number in range(repeats):
            shop = replace(new_shop(where, sandbox), rate_per_s=RATE)
            migrate(shop.url)
            _edit(shop, pianos, f"Note {number}")
            sandbox.admin.reset_stats()
            with Push(shop.settings.replace(push_transport="rest")) as push:
                report = push.run()
            if not report.succeeded:
                raise RuntimeError(f"the push failed: {report.stopped} {report.failed}")
            stats = sandbox.admin.stats()
            arrivals = stats["arrivals_monotonic"]
            most = max(most, stats["max_in_a_second"])
            shares.append((len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) / RATE)
            shop.drop()
    share = statistics.median(shares)
    yield Line(
        f"push of {rows} edited rows over REST at {RATE} requests a second (median of {repeats})",
        f"{share:.1%} of the budget used, at most {most} arrivals in any second",
        f"at least {LEAST_SHARE:.0%}, never more than {RATE}",
        f"{share:.3f}",
        share >= LEAST_SHARE and most <= RATE,
    )


def waves(repeats: int, *, rows: int = ROWS) -> Iterator[Line]:
    """So many rows with everything filled in, in waves, with database and API in another region."""
    took, requests, trips = [], 0, 0
    with server() as where, account(where) as sandbox:
        pianos = _pianos(sandbox.admin.dump("pianos"), rows)
        sandbox.admin.settings(latency_ms=API_MS)
        for number in range(repeats):
            shop = replace(new_shop(where, sandbox), rate_per_s=RATE)
            migrate(shop.url)
            with psycopg.connect(shop.url) as connection, connection.cursor() as cursor:
                cursor.executemany(EVERYTHING, [(piano, number, piano, number, piano) for piano in set(pianos)])
            with far_away(shop.url, FAR_S) as far, Push(shop.settings.replace(database_url=far.url)) as push:
                began = time.monotonic()
                report = push.run()
                took.append(time.monotonic() - began)
                trips = max(trips, sum(map(len, far.round_trips())))
            if not report.succeeded:
                raise RuntimeError(f"the push failed: {report.stopped} {report.failed}")
            requests = max(requests, push.client.requests)
            shop.drop()
    seconds = statistics.median(took)
    yield Line(
        f"push of {len(set(pianos))} rows with everything filled in, the database 60 ms and the API 80 ms away",
        f"{seconds:.1f} s, {requests} requests, {trips} round trips to the database",
        f"at most {MOST_WAVES_S:g} s and {MOST_REQUESTS} requests",
        f"{max(seconds / MOST_WAVES_S, requests / MOST_REQUESTS):.2f}",
        seconds <= MOST_WAVES_S and requests <= MOST_REQUESTS,
    )


def planning(repeats: int) -> Iterator[Line]:
    """Planning alone: rows with every column filled, in each of which somebody changed one, in one of five all."""
    rows = [_edited_row(number) for number in range(PLANNED)]
    times = []
    for _ in range(repeats):
        began = time.process_time()
        actions = sum(len(PIANO_UPDATES.plan(row, remote).actions) for row, remote in rows)
        times.append(time.process_time() - began)
        if actions < PLANNED:
            raise RuntimeError(f"{PLANNED} edited rows gave {actions} actions")
    took = statistics.median(times)
    yield Line(
        f"planning {PLANNED:,} edited rows, {actions:,} actions (median of {repeats})",
        f"{took:.2f} s of processor time",
        f"under {MOST_PLANNING_S:g} s",
        f"{took / MOST_PLANNING_S:.2f}",
        took < MOST_PLANNING_S,
    )


def _edited_row(number: int) -> tuple[Row, Remote]:
    now = datetime.now(UTC)
    piano = f"pno_{number}"
    agreed = {"status": "top", "notes": "Accordé, 23°, 47%", "observations": "Son clair. " * 20, "travail": "Cordes"}
    edits: tuple[dict[str, Any], ...] = (
        {"status": "normal"}, {"notes": f"Note {number}"}, {"observations": "Son mat"}, {"travail": "Feutres"},
        {"status": "normal", "notes": "21°, 40%", "observations": "Vu", "travail": "Accord, 441Hz"},
    )  # fmt: skip
    base = {**agreed, "completed_at": montreal_day(now).isoformat(), "serviced": montreal_day(now).isoformat(),
            "readings.notes": {"temperature": 23, "humidity": 47, "day": None}}  # fmt: skip
    values = {**agreed, "completed_at": now, **edits[number % len(edits)]}
    marks = Marks.of("observations", piano)
    notes = write_block("Clé sous le paillasson\n" * 20, marks, agreed["observations"])
    stamp = now - timedelta(days=1)
    return Row(piano, values, updated_at=now, base=base), Remote(
        piano, {"client_id": "cli_1", "tags": ["GRAND", "TOP"], "notes": notes, "last_serviced": None}, stamp
    )


def delay(repeats: int, *, edits: int = EDITS) -> Iterator[Line]:
    """From an edit to the comment at Gazelle, with `gazelle-sync up` and nothing else running."""
    waits: list[float] = []
    with server() as where, account(where) as sandbox:
        shop = new_shop(where, sandbox)
        migrate(shop.url)
        pianos = _pianos(sandbox.admin.dump("pianos"), edits * repeats)
        with _up(shop):
            for number, piano in enumerate(pianos):
                began = time.monotonic()
                _edit(shop, [piano], f"Note nº {number}")
                while not _has(shop, piano):
                    if time.monotonic() - began > 2 * MOST_DELAY_S:
                        raise RuntimeError("the edit never reached Gazelle")
                    time.sleep(0.1)
                waits.append(time.monotonic() - began)
        shop.drop()
    median, worst = statistics.median(waits), max(waits)
    yield Line(
        f"edit to Gazelle with `up` running, {len(waits)} edits one after the other",
        f"median {median:.1f} s, worst {worst:.1f} s",
        f"median at most {MOST_MEDIAN_S:g} s, each within {MOST_DELAY_S:g} s",
        f"{max(worst / MOST_DELAY_S, median / MOST_MEDIAN_S):.2f}",
        worst <= MOST_DELAY_S and median <= MOST_MEDIAN_S,
    )


def _pianos(records: list[dict[str, Any]], count: int) -> list[str]:
    living = [record["id"] for record in records if record["status"] == "ACTIVE" and record["clientId"]]
    return [living[n % len(living)] for n in range(count)]


def _edit(shop: Shop, pianos: list[str], words: str) -> None:
    with psycopg.connect(shop.url) as connection, connection.cursor() as cursor:
        cursor.executemany(EDIT, [(piano, f"{words} de {piano}") for piano in pianos])


def _has(shop: Shop, piano: str) -> bool:
    """Whether Gazelle answered: the log row is written after its answer."""
    with psycopg.connect(shop.url) as connection:
        row = connection.execute(
            "SELECT NOT needs_sync FROM vincent_dindy_piano_updates WHERE gazelle_id = %s", [piano]
        ).fetchone()
    return row == (True,)


@contextmanager
def _up(shop: Shop) -> Iterator[None]:
    """The UI with its daemon, until the end of the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [str(BIN / "gazelle-sync"), "up", "--port", str(port)],
        env=os.environ | shop.environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + START_S
        while process.stdout is not None and "The UI is at" not in process.stdout.readline():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("gazelle-sync up does not start")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
