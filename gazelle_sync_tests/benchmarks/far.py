"""Whole commands with the shop's database far away, each in turns with the same beside it; and their round trips.

Dagster's own database is beside the machine either way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gazelle_sync_tests.benchmarks.process import Took, run
from gazelle_sync_tests.benchmarks.servers import BIN, Shop, account, new_shop, server
from gazelle_sync_tests.benchmarks.table import Line, Samples
from gazelle_sync_tests.benchmarks.ticks import EDITS
from gazelle_sync_tests.support.distance import COUNTED_S, FAR_S, far_away
from gazelle_sync_tests.support.sandbox import RunningSandbox

RATE = "10"
FIRST_FACTOR, FIRST_MORE_S = 1.5, 5.0
MORE_S = {"sync": 4.0, "status": 2.0, "check": 6.0}
"""Command → how many seconds more it may take far away."""
MOST_TRIPS = {"quiet": 40, "busy": 80}


def first(repeats: int) -> Iterator[Line]:
    """The first pull of the seed-size shop."""
    samples = Samples()
    with server() as where, account(where) as sandbox:
        for _ in range(repeats):
            for way, round_trip_s in (("near", 0.0), ("far", FAR_S)):
                shop = new_shop(where, sandbox)
                samples.add(**{way: _run(shop, "sync", round_trip_s)[0].seconds})
                shop.drop()
    found = samples.medians()
    bar = FIRST_FACTOR * found["near"] + FIRST_MORE_S
    yield Line(
        f"first full pull, seed-size shop, database {FAR_S * 1000:.0f} ms away",
        f"{found['far']:.1f} s; beside it {found['near']:.1f} s",
        f"at most {FIRST_FACTOR:g} times beside it and {FIRST_MORE_S:g} s: {bar:.1f} s",
        f"{found['far'] / bar:.2f}",
        found["far"] <= bar,
    )


def commands(repeats: int) -> Iterator[Line]:
    """A quiet tick, `status` and `check`, with the budget of requests on."""
    samples = Samples()
    with _pulled() as (_, shop):
        for _ in range(repeats):
            for command in MORE_S:
                for way, round_trip_s in (("near", 0.0), ("far", FAR_S)):
                    took, trips = _run(shop, command, round_trip_s, GAZELLE_RATE_PER_S=RATE)
                    samples.add(**{f"{command} {way}": took.seconds, f"{command} trips": trips})
    found = samples.medians()
    for command, more_s in MORE_S.items():
        more = found[f"{command} far"] - found[f"{command} near"]
        yield Line(
            f"`{command}`{' that finds nothing new' if command == 'sync' else ''}, database {FAR_S * 1000:.0f} ms away",
            f"{found[f'{command} far']:.1f} s; beside it {found[f'{command} near']:.1f} s; "
            f"{found[f'{command} trips']:.0f} round trips",
            f"at most {more_s:g} s more",
            f"{more:.1f} s more",
            more <= more_s,
        )


def trips(repeats: int) -> Iterator[Line]:
    """Round trips to the shop's database of a quiet tick and of one with 62 changes, the budget of requests on."""
    samples = Samples()
    with _pulled() as (sandbox, shop):
        for number in range(repeats):
            samples.add(quiet=_run(shop, "sync", COUNTED_S, GAZELLE_RATE_PER_S=RATE)[1])
            sandbox.admin.random_edits(**EDITS, seed=number)
            samples.add(busy=_run(shop, "sync", COUNTED_S, GAZELLE_RATE_PER_S=RATE)[1])
            _run(shop, "sync", COUNTED_S, GAZELLE_RATE_PER_S=RATE)
    found = samples.medians()
    for name, what in (("quiet", "a quiet tick"), ("busy", f"a tick with {sum(EDITS.values())} changes")):
        yield Line(
            f"round trips of {what}, beyond Dagster's own storage",
            f"{found[name]:.0f}",
            f"at most {MOST_TRIPS[name]}",
            f"{found[name] / MOST_TRIPS[name]:.2f}",
            found[name] <= MOST_TRIPS[name],
        )


@contextmanager
def _pulled() -> Iterator[tuple[RunningSandbox, Shop]]:
    """A shop that was pulled twice: it knows what the API offers, and every stamp is settled."""
    with server() as where, account(where) as sandbox:
        shop = new_shop(where, sandbox)
        for _ in range(2):
            shop.sync()
        yield sandbox, shop


def _run(shop: Shop, command: str, round_trip_s: float, **environment: str) -> tuple[Took, int]:
    """What a command took, and its round trips."""
    with far_away(shop.url, round_trip_s) as far:
        took = run(
            [str(BIN / "gazelle-sync"), command], shop.environment | {"GAZELLE_DATABASE_URL": far.url} | environment
        )
        return took, sum(map(len, far.round_trips()))
