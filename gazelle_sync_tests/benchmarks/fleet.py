"""`python -m gazelle_sync_tests.benchmarks.fleet`: twenty real shops, a thousand that do nothing, and shops in trouble.

Everything runs as in production: code server, daemon, webserver, runs by the DefaultRunLauncher. `--minutes` and
`--every` make it shorter: what is measured, for how long and how often stands in the table.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from unittest.mock import patch

import dagster as dg
import psycopg
from psycopg import sql

from gazelle_sync.defs.fleet.states import SHARD_JOB, SHOPS, read_states, write_states
from gazelle_sync.fleet.children import Limits, run_children, task_of
from gazelle_sync.fleet.folder import read_folder
from gazelle_sync.fleet.turns import MATERIALIZED_EVERY, ShopState
from gazelle_sync.montreal import montreal_day
from gazelle_sync.settings import Settings
from gazelle_sync_tests.benchmarks.fleet_services import FleetServices, fleet_services
from gazelle_sync_tests.benchmarks.fleet_works import WORK, times_in
from gazelle_sync_tests.benchmarks.process import run
from gazelle_sync_tests.benchmarks.servers import BIN, Server, server
from gazelle_sync_tests.benchmarks.table import Line, marked_document, render, write_into
from gazelle_sync_tests.support.fleets import DISK_IS_FULL, Fleet, silent_server
from gazelle_sync_tests.support.receivers import webhook
from gazelle_sync_tests.support.sandbox import RunningSandbox, running_sandbox

REAL_SHOPS, NOTHING_SHOPS, GOOD_SHOPS = 20, 1000, 6
MOST_CPU_S = 0.15
MOST_MB = 1500
MOST_MB_A_DAY = 20
MOST_LAG_S = 60
IMPORT_S = 1800
SCHEDULED_TAG = ".dagster/scheduled_execution_time"
ALERTS = "✗⚠"
"""How titles of alerts begin; that of a recovery is none."""
TROUBLES = ("hung", "eats", "wrong", "full", "gone")


def real(minutes: int, every: int, scale: float) -> Iterator[Line]:
    """Twenty shops, each with a sandbox and a database of its own, quiet."""
    with server() as where, sandboxes(where, REAL_SHOPS, scale) as accounts:
        folder = new_folder(where, "real")
        databases = {}
        for number, account in enumerate(accounts):
            shop = f"shop-{number:02}"
            databases[shop] = where.url(where.new_database("shop"))
            Fleet(folder, where.home, account).add(shop, databases[shop])
        with fleet_services(where, folder, GAZELLE_FLEET_EVERY_MINUTES=str(every)) as running:
            wait_for_imports(running, list(databases))
            before, services = running.runs_s(), services_s(running)
            begun = time.time()
            running.peak_mb = 0.0
            time.sleep(minutes * 60)
            seconds = time.time() - begun
            wait_until_quiet(running)
            runs_s, own_s = running.runs_s() - before, services_s(running) - services
            peak_mb = running.peak_mb
            alone_s = median(pulls_alone(running.settings))
        ticks = {shop: ticks_of(url, begun, begun + seconds) for shop, url in databases.items()}
    count = sum(map(len, ticks.values()))
    on_top = runs_s / max(count, 1) - alone_s
    most_s = max(longest(times, begun, begun + seconds) for times in ticks.values())
    what = f"{REAL_SHOPS} real shops (sandboxes of scale {scale:g}), {minutes} minutes at one tick each {every} minutes"
    in_time = [len(times) >= minutes // every and longest(times, begun, begun + seconds) <= every * 60 + MOST_LAG_S
               for times in ticks.values()]  # fmt: skip
    yield Line(
        what,
        f"{count} ticks; longest between two ticks of a shop {most_s:.0f} s",
        "every tick within its quarter",
        f"{sum(in_time)} of {len(in_time)} shops",
        all(in_time),
    )
    yield Line(
        "processor seconds of a quiet shop tick on top of the pull (the run with Dagster, fork server, child)",
        f"{on_top:.3f} s; the pull alone {alone_s:.3f} s; beside them code server, daemon and webserver "
        f"{own_s / seconds * 60:.1f} s a minute, whatever there is to do",
        f"at most {MOST_CPU_S} s",
        f"{on_top / MOST_CPU_S:.2f}",
        on_top <= MOST_CPU_S,
    )
    yield Line(
        "memory of ours at its peak, of all processes together, without sandboxes and PostgreSQL",
        f"{peak_mb:.0f} MB",
        f"under {MOST_MB} MB",
        f"{peak_mb / MOST_MB:.2f}",
        peak_mb < MOST_MB,
    )


def cost(_minutes: int, _every: int, scale: float) -> Iterator[Line]:
    """What a run of twenty quiet shops takes, as a command, without a daemon: quick, and steady on a busy machine."""
    with server() as where, sandboxes(where, 1, scale) as accounts:
        fleet = Fleet(new_folder(where, "cost"), where.home, accounts[0])
        first = where.new_database("shop")
        fleet.add("shop-00", where.url(first))
        own = {
            "GAZELLE_FLEET_DIR": str(fleet.folder), "GAZELLE_SYNC_HOME": str(where.home / "fleet"),
            "GAZELLE_DAGSTER_POSTGRES_URL": where.url(where.new_database("dagster")),
            "GAZELLE_API_URL": "", "GAZELLE_API_TOKEN": "", "GAZELLE_DATABASE_URL": "",
        }  # fmt: skip
        command = [str(BIN / "gazelle-sync"), "fleet", "run", "--json"]
        for _ in range(2):
            run(command, own)
        with psycopg.connect(where.url("postgres"), autocommit=True) as connection:
            for number in range(1, REAL_SHOPS):
                query = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
                connection.execute(query.format(sql.Identifier(f"copy_{number}"), sql.Identifier(first)))
                fleet.add(f"shop-{number:02}", where.url(f"copy_{number}"))
        took = [run(command, own) for _ in range(4)][1:]
        alone_s = median(pulls_alone(Settings.load(own)))
    on_top = median(one.cpu_s for one in took) / REAL_SHOPS - alone_s
    yield Line(
        f"processor seconds of a quiet shop tick on top of the pull: `fleet run` of {REAL_SHOPS} shops as a whole",
        f"{on_top:.3f} s; the pull alone {alone_s:.3f} s; {median(one.seconds for one in took):.1f} s for all of them",
        f"at most {MOST_CPU_S} s",
        f"{on_top / MOST_CPU_S:.2f}",
        on_top <= MOST_CPU_S,
    )


def thousand(minutes: int, every: int, _scale: float) -> Iterator[Line]:
    """A thousand shops whose turn does nothing; each has been imported, and is told to Dagster at another minute."""
    now = datetime.now(UTC)
    shops = [f"shop-{number:04}" for number in range(NOTHING_SHOPS)]
    with server() as where:
        folder = new_folder(where, "thousand")
        for shop in shops:
            path = folder / f"{shop}.env"
            path.touch(mode=0o600)
            path.write_text(
                f"GAZELLE_API_URL=https://gazelleapp.io\nGAZELLE_DATABASE_URL=postgresql://127.0.0.1:1/{shop}\n",
                encoding="ascii",
            )
        with (
            fleet_services(where, folder, work=f"{WORK}nothing", GAZELLE_FLEET_EVERY_MINUTES=str(every)) as running,
            instance_of(running) as instance,
        ):
            hour = MATERIALIZED_EVERY / NOTHING_SHOPS
            instance.add_dynamic_partitions(SHOPS, shops)
            write_states(instance, {
                shop: ShopState(
                    is_imported=True, began_at=now, ended_at=now, succeeded_at=now, full_on=montreal_day(now),
                    materialized_at=now - number * hour,
                )
                for number, shop in enumerate(shops)
            })  # fmt: skip
            homes = running.settings.home / "shops"
            # The first period writes what is there once: snapshots of the jobs, the first page of each table.
            time.sleep(every * 60)
            begun, size = time.time(), database_bytes(running)
            time.sleep(minutes * 60)
            seconds = time.time() - begun
            grown = database_bytes(running) - size
            lags = starts_after(instance, begun)
        times = {shop: [at for at in times_in(homes / shop) if begun <= at <= begun + seconds] for shop in shops}
    gaps = [longest(found, begun, begun + seconds) for found in times.values()]
    in_time = [len(found) >= minutes // every and gap <= every * 60 + MOST_LAG_S
               for found, gap in zip(times.values(), gaps, strict=True)]  # fmt: skip
    a_day = grown / 1e6 / seconds * 86_400 / (NOTHING_SHOPS / 100) * (every / 15)
    yield Line(
        f"{NOTHING_SHOPS} shops with a pull that does nothing, {minutes} minutes at one tick each {every} minutes",
        f"{sum(map(len, times.values()))} ticks; longest between two ticks of a shop {max(gaps):.0f} s",
        "all due within their quarter",
        f"{sum(in_time)} of {len(in_time)} shops",
        all(in_time),
    )
    yield Line(
        "growth of Dagster's database a day and hundred shops"
        + ("" if every == 15 else f", reckoned for ticks each 15 minutes from {every}"),
        f"{a_day:.1f} MB",
        f"at most {MOST_MB_A_DAY} MB",
        f"{a_day / MOST_MB_A_DAY:.2f}",
        a_day <= MOST_MB_A_DAY,
    )
    yield Line(
        "the daemon's lag: from the minute of a schedule to the start of its run",
        f"{max(lags):.0f} s at most, {median(lags):.0f} s in the middle of {len(lags)} runs"
        if lags
        else "no run began",
        f"under {MOST_LAG_S} s",
        f"{max(lags, default=0) / MOST_LAG_S:.2f}",
        0 < max(lags, default=0) < MOST_LAG_S,
    )


def trouble(minutes: int, every: int, scale: float) -> Iterator[Line]:
    """Good shops beside one that hangs, eats memory, has wrong credentials, a full disk, no database any more."""
    with (
        server() as where, sandboxes(where, 1, scale) as accounts, silent_server() as silence, webhook() as hook,
        webhook() as others,
    ):  # fmt: skip
        fleet = Fleet(new_folder(where, "trouble"), where.home, accounts[0])
        good = {f"good-{number}": where.url(where.new_database("shop")) for number in range(GOOD_SHOPS)}
        bad = {name: where.url(where.new_database("shop")) for name in TROUBLES}
        for shop, url in {**good, **bad}.items():
            fleet.add(shop, url, GAZELLE_ALERT_URLS=hook.url if shop in bad else others.url)
        own = {"GAZELLE_FLEET_EVERY_MINUTES": str(every), "GAZELLE_FLEET_TICK_S": "60"}
        with fleet_services(where, fleet.folder, **own) as running:
            wait_for_imports(running, [*good, *bad])
        with psycopg.connect(bad["full"]) as connection:
            connection.execute(DISK_IS_FULL)
        fleet.add("hung", bad["hung"], GAZELLE_API_URL=silence, GAZELLE_TIMEOUT_S="600", GAZELLE_ALERT_URLS=hook.url)
        fleet.add("wrong", bad["wrong"], GAZELLE_API_TOKEN="wrong0key", GAZELLE_ALERT_URLS=hook.url)
        fleet.add("gone", "postgresql://127.0.0.1:1/gone", GAZELLE_ALERT_URLS=hook.url)
        own["GAZELLE_FLEET_MEMORY_MB"] = "256"
        with fleet_services(where, fleet.folder, work=f"{WORK}trouble", **own) as running:
            with instance_of(running) as instance:
                now = datetime.now(UTC)
                held = ShopState(
                    is_imported=True, began_at=now, ended_at=now, succeeded_at=now, full_on=montreal_day(now)
                )
                write_states(instance, dict.fromkeys([*good, *bad], held))
            begun = time.time()
            time.sleep(minutes * 60)
            seconds = time.time() - begun
            with instance_of(running) as instance:
                states = read_states(instance, [*good, *bad])
        gaps = [longest(ticks_of(url, begun, begun + seconds), begun, begun + seconds) for url in good.values()]
    unmoved = [gap <= every * 60 + MOST_LAG_S for gap in gaps]
    alerts = [title for title in others.titles if title[0] in ALERTS]  # maintenance and takings are told there too
    yield Line(
        f"{GOOD_SHOPS} shops beside five in trouble ({', '.join(TROUBLES)}), {minutes} minutes, a tick each {every}",
        f"longest between two ticks of a good shop {max(gaps):.0f} s; their alerts: {', '.join(alerts) or 'none'}; "
        f"tries of the others {sum(states[shop].failures for shop in bad)}",
        "the other shops' ticks unmoved",
        f"{sum(unmoved)} of {len(unmoved)} shops",
        all(unmoved) and not alerts,
    )
    told = {shop: sum(title.startswith(f"✗ Gazelle ({shop})") for title in hook.titles) for shop in bad}
    causes = ", ".join(f"{shop}: {states[shop].cause}, told {told[shop]}" for shop in bad)
    yield Line("each shop in trouble tells its own incident", causes, "once each", "", set(told.values()) == {1})


BENCHMARKS: Mapping[str, Callable[[int, int, float], Iterator[Line]]] = {
    "cost": cost, "real": real, "thousand": thousand, "trouble": trouble,
}  # fmt: skip
MINUTES = {"cost": 0, "real": 60, "thousand": 120, "trouble": 60}


@contextmanager
def sandboxes(where: Server, count: int, scale: float) -> Iterator[list[RunningSandbox]]:
    """Accounts, an hour old, so that no invented entry lies in the quarter of an hour that every tick reads again."""
    with ExitStack() as stack:
        now = datetime.now(UTC) - timedelta(hours=1)
        yield [
            stack.enter_context(running_sandbox(where.home / f"account_{number}.sqlite", scale=scale, now=now))
            for number in range(count)
        ]


def new_folder(where: Server, name: str) -> Path:
    """A folder for shops."""
    folder = where.home / name
    folder.mkdir(mode=0o700)
    return folder


@contextmanager
def instance_of(running: FleetServices) -> Iterator[dg.DagsterInstance]:
    """The fleet's instance, for this process."""
    with patch.dict(os.environ, running.environment), dg.DagsterInstance.get() as instance:
        yield instance


def wait_for_imports(running: FleetServices, shops: Sequence[str]) -> None:
    """Wait until the fleet itself has imported all shops."""
    deadline = time.monotonic() + IMPORT_S
    with instance_of(running) as instance:
        while not all(state.is_imported for state in read_states(instance, shops).values()):
            if time.monotonic() > deadline or running.code.poll() is not None:
                log = running.settings.home / "services.log"
                raise RuntimeError(f"the first imports did not end\n{log.read_text(encoding='utf-8')[-3000:]}")
            time.sleep(1)


def wait_until_quiet(running: FleetServices) -> None:
    """Wait until no run is under way, so that all have been counted."""
    with instance_of(running) as instance:
        unfinished = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
        for _ in range(120):
            if not instance.get_runs(dg.RunsFilter(statuses=unfinished), limit=1):
                break
            time.sleep(0.5)
    time.sleep(3)  # the code server waits for its ended children now and then


def services_s(running: FleetServices) -> float:
    """Processor seconds of the services themselves so far."""
    return sum(running.processor_s(name) for name in ("code", "daemon", "webserver"))


def pulls_alone(settings: Settings) -> list[float]:
    """Processor seconds of the pull of each shop, in a child that is otherwise the same."""
    limits = Limits(300, settings.fleet_memory_mb)
    options = {"run_id": "alone"}
    tasks = [
        task_of(settings, shop, path, limits, options, work=f"{WORK}pull_alone", when_killed=None)
        for shop, path in read_folder(settings.fleet_dir).shops.items()
    ]
    ended = list(run_children(tasks, settings.fleet_at_once))
    return [one.result["cpu_s"] for one in ended if one.result is not None]


def ticks_of(url: str, begin: float, end: float) -> list[float]:
    """When a shop's ticks began, by its own log."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT extract(epoch FROM started_at)::float8 FROM sync_logs WHERE mode = 'tick' ORDER BY started_at"
        ).fetchall()
    return [at for (at,) in rows if begin <= at <= end]


def longest(times: Sequence[float], begin: float, end: float) -> float:
    """The longest time without a tick; those before the first and after the last count as well."""
    edges = [begin, *times, end]
    return max(later - earlier for earlier, later in pairwise(edges))


def database_bytes(running: FleetServices) -> int:
    """Size of Dagster's database."""
    with psycopg.connect(str(running.settings.dagster_postgres_url)) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(row[0]) if row else 0


def starts_after(instance: dg.DagsterInstance, begun: float) -> list[float]:
    """How long after the minute of its schedule each run of shops began."""
    after = datetime.fromtimestamp(begun, UTC)
    records = instance.get_run_records(dg.RunsFilter(job_name=SHARD_JOB, created_after=after))
    found = []
    for record in records:
        scheduled = record.dagster_run.tags.get(SCHEDULED_TAG)
        if scheduled is not None and record.start_time is not None:
            found.append(record.start_time - datetime.fromisoformat(scheduled).timestamp())
    return found


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m gazelle_sync_tests.benchmarks.fleet", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[*BENCHMARKS], metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--minutes", type=int, help="how long each is measured; else an hour, and two for the thousand")
    parser.add_argument("--every", type=int, default=15, help="minutes from tick to tick of a shop")
    parser.add_argument("--scale", type=float, default=0.1, help="size of the sandboxes")
    parser.add_argument("--out", type=marked_document, help="also put the table between the marks of this document")
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _: sys.exit(128 + got))
    lines: list[Line] = []
    for name in given.only or BENCHMARKS:
        begun = time.monotonic()
        lines += BENCHMARKS[name](given.minutes or MINUTES[name], given.every, given.scale)
        sys.stderr.write(f"{name}: {time.monotonic() - begun:.0f} s\n")
    table = render(lines)
    sys.stdout.write(table + "\n")
    if given.out:
        write_into(given.out, table)


if __name__ == "__main__":
    main()
