"""Ticks: a quiet one, a busy one, and a day of them."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from gazelle_sync.entities import ENTITIES
from gazelle_sync.pull.session import Pull
from gazelle_sync.sandbox.admin import SandboxAdmin
from gazelle_sync_tests.benchmarks.process import run
from gazelle_sync_tests.benchmarks.servers import DAY_S, Shop, account, new_shop, server
from gazelle_sync_tests.benchmarks.table import Line, Samples

EMPTY_ASSETS = [sys.executable, "-m", "gazelle_sync_tests.benchmarks.empty_assets"]
MOST_REQUESTS = 12
EDITS = {"clients": 5, "pianos": 2, "events": 25, "timeline": 30}
"""The changes of an ordinary day, 62 records."""
TICKS = 96
QUARTER_S = 900.0
HOUR_S = 3600.0
MOST_BODIES_A_DAY = 100
WRITTEN = """
SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)
FROM pg_stat_user_tables
WHERE relname NOT IN ('sync_logs', 'system_settings')
"""


@dataclass
class Clock:
    """The sandbox's clock: it was set back, and is moved on as if time had passed.

    Attributes:
        admin: Of the sandbox.
        skew_s: How far it is ahead.
    """

    admin: SandboxAdmin
    skew_s: float

    def pass_time(self, seconds: float) -> None:
        """Move it on."""
        self.skew_s += seconds
        self.admin.settings(clock_skew_s=self.skew_s)


def quiet(repeats: int) -> Iterator[Line]:
    """The second sync, with nothing changed."""
    samples = Samples()
    with server() as where, account(where) as sandbox:
        for _ in range(repeats):
            shop = new_shop(where, sandbox)
            shop.sync()
            before = rows_written(shop)
            sandbox.admin.reset_stats()
            took = shop.sync()
            stats = sandbox.admin.stats()
            written = rows_written(shop) - before
            samples.add(requests=stats["requests"], bodies=_bodies(stats), written=written, seconds=took.seconds)
            shop.drop()
    found = samples.medians()
    yield Line(
        "second `sync`, nothing changed, seed-size shop",
        f"{found['requests']:.0f} requests, {found['bodies']:.0f} bodies, {found['written']:.0f} rows written, "
        f"{found['seconds']:.1f} s",
        f"at most {MOST_REQUESTS} requests, 0 bodies, 0 rows",
        f"{found['requests'] / MOST_REQUESTS:.2f} of the requests allowed",
        found["requests"] <= MOST_REQUESTS and found["bodies"] == 0 and found["written"] == 0,
    )


def tick(repeats: int) -> Iterator[Line]:
    """A tick with 62 changed records."""
    samples = Samples()
    days_named = 0
    with server() as where, account(where, days_ago=2) as sandbox:
        clock = Clock(sandbox.admin, -2 * DAY_S)
        shop = new_shop(where, sandbox)
        shop.sync()
        for number in range(repeats):
            clock.pass_time(HOUR_S)  # what the last round changed is then no longer of the last 15 minutes
            shop.sync()
            changed = sandbox.admin.random_edits(**EDITS, seed=number)
            clock.pass_time(60)
            sandbox.admin.reset_stats()
            took = shop.sync()
            stats = sandbox.admin.stats()
            log = _last_log(shop)
            days_named += sum("differed in count" in note for note in log["timeline"]["notes"])
            samples.add(
                seconds=took.seconds,
                bare=run(EMPTY_ASSETS, shop.environment | {"DAGSTER_HOME": str(shop.home / "dagster")}).seconds,
                ours=_ours(log),
                bodies=_bodies(stats),
                surplus=sum(abs(stats["bodies"].get(kind, 0) - len(ids)) for kind, ids in changed.items()),
            )
    found = samples.medians()
    count = sum(EDITS.values())
    is_exact = found["surplus"] == 0 and found["bodies"] == count
    yield Line(
        f"tick with {count} changed records: bodies",
        f"{found['bodies']:.0f} bodies, {days_named} days named by the count check",
        f"exactly those {count}, and days that the count check names",
        f"{found['bodies'] / count:.2f}",
        is_exact or (days_named > 0 and found["bodies"] >= count),
    )
    yield Line(
        f"tick with {count} changed records: the whole process",
        f"{found['seconds']:.2f} s; Dagster with 18 empty assets {found['bare']:.2f} s",
        "under 5 s",
        f"{found['seconds'] / 5:.2f}",
        found["seconds"] < 5,
    )
    yield Line(
        f"tick with {count} changed records: ours (longest stage 1, and stage 2)",
        f"{found['ours']:.2f} s",
        "under 1 s",
        f"{found['ours']:.2f}",
        found["ours"] < 1,
    )


def day(_: int) -> Iterator[Line]:
    """96 ticks, with a day's changes spread over them. The pull without Dagster: bodies are counted, not seconds."""
    draw = random.Random(4)  # noqa: S311 - reproducible, not secret
    edits = [dict.fromkeys(EDITS, 0) for _ in range(TICKS)]
    for kind, count in EDITS.items():
        for _ in range(count):
            edits[draw.randrange(TICKS)][kind] += 1
    with server() as where, account(where, days_ago=2) as sandbox:
        clock = Clock(sandbox.admin, -2 * DAY_S)
        shop = new_shop(where, sandbox)
        shop.sync()
        clock.pass_time(HOUR_S)
        _tick_in_process(shop)
        sandbox.admin.reset_stats()
        for number, of_quarter in enumerate(edits):
            when = draw.uniform(0, QUARTER_S - 2)
            clock.pass_time(when)
            if any(of_quarter.values()):
                sandbox.admin.random_edits(**of_quarter, seed=number)
            clock.pass_time(QUARTER_S - when)
            _tick_in_process(shop)
        stats = sandbox.admin.stats()
    bodies = _bodies(stats)
    yield Line(
        f"bodies in a day of {TICKS} ticks with {sum(EDITS.values())} changes (one run)",
        f"{bodies} bodies, {stats['requests']} requests",
        f"under {MOST_BODIES_A_DAY} bodies",
        f"{bodies / MOST_BODIES_A_DAY:.2f}",
        bodies < MOST_BODIES_A_DAY,
    )


def _tick_in_process(shop: Shop) -> None:
    with Pull(shop.settings) as pull:
        for entity in ENTITIES:
            pull.apply(entity.name)
    if pull.failures():
        raise RuntimeError(str(pull.failures()))


def _bodies(stats: dict[str, Any]) -> int:
    return sum(stats["bodies"].values())


def rows_written(shop: Shop) -> int:
    """Rows that PostgreSQL wrote so far, beyond the log of runs and the settings."""
    with psycopg.connect(shop.url) as connection:
        row = connection.execute(WRITTEN).fetchone()
    return int(row[0]) if row else 0


def _last_log(shop: Shop) -> dict[str, Any]:
    with psycopg.connect(shop.url) as connection:
        row = connection.execute("SELECT stats FROM sync_logs ORDER BY id DESC LIMIT 1").fetchone()
    if row is None:
        raise RuntimeError("the run left no log")
    stats: dict[str, Any] = row[0]
    return stats


def _ours(log: dict[str, Any]) -> float:
    """The entities are staged side by side and applied one after the other."""
    reports = [log[entity.name] for entity in ENTITIES if entity.name in log]
    return float(max(r["seconds_stage"] for r in reports) + sum(r["seconds_apply"] for r in reports))
