"""`python -m gazelle_sync_tests.benchmarks`: measures, prints the table, and says by its exit status nothing of it."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import structlog

from gazelle_sync_tests.benchmarks import (
    desk,
    far,
    first_pull,
    history,
    loading,
    memory,
    push,
    rate,
    reconcile,
    start,
    ticks,
)
from gazelle_sync_tests.benchmarks.table import Line, marked_document, render, write_into

Benchmark = Callable[[int], Iterator[Line]]

FULL: dict[str, tuple[Benchmark, int]] = {
    "quiet": (ticks.quiet, 5),
    "tick": (ticks.tick, 5),
    "day": (ticks.day, 1),
    "first": (first_pull.first, 5),
    "deep": (first_pull.deep, 3),
    "ten": (first_pull.ten, 3),
    "load": (loading.load, 3),
    "reconcile": (reconcile.reconcile, 7),
    "memory": (memory.memory, 1),
    "growth": (loading.growth, 3),
    "rate": (rate.rate, 3),
    "segments": (rate.segments, 3),
    "history": (history.history, 1),
    "start": (start.start, 5),
    "push": (push.budget, 1),
    "waves": (push.waves, 1),
    "plan": (push.planning, 5),
    "delay": (push.delay, 1),
    "trips": (far.trips, 3),
    "desk": (desk.desk, 1),
}
"""Name → what is measured, and how often (the median counts). The slow ones are measured less often, and say so."""

FAR: dict[str, tuple[Benchmark, int]] = {"first": (far.first, 3), "commands": (far.commands, 3)}
"""What is measured with the database far away."""

QUICK: dict[str, tuple[Benchmark, int]] = {name: (benchmark, 1) for name, (benchmark, _) in FULL.items()} | {
    "ten": (partial(first_pull.ten, scale=2.0), 1),
    "load": (partial(loading.load, entries=28_000), 1),
    "history": (partial(history.history, entries=100_000), 1),
    "memory": (partial(memory.memory, timelines=(None,)), 1),
    "growth": (partial(loading.growth, sizes=(2_800, 28_000)), 1),
    "push": (partial(push.budget, rows=50), 1),
    "waves": (partial(push.waves, rows=50), 1),
    "delay": (partial(push.delay, edits=2), 1),
    "desk": (partial(desk.desk, seconds=10.0), 1),
}
"""The same once each and smaller, to see that everything runs; its figures prove nothing."""


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m gazelle_sync_tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="once each, smaller: its figures prove nothing")
    parser.add_argument("--only", nargs="+", choices=[*FULL, *FAR], metavar="NAME", help=", ".join(FULL))
    parser.add_argument("--out", type=marked_document, help="also put the table between the marks of this document")
    parser.add_argument("--far", action="store_true", help="instead: commands with the database far away")
    given = parser.parse_args()
    # However it is stopped, it stops what it started: the default of SIGTERM would leave servers behind.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    # Pulls in this process would write their log between the lines.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    chosen = FAR if given.far else QUICK if given.quick else FULL
    lines: list[Line] = []
    for name in given.only or chosen:
        begun = time.monotonic()
        benchmark, repeats = chosen[name]
        lines += benchmark(repeats)
        sys.stderr.write(f"{name}: {time.monotonic() - begun:.0f} s\n")
    table = render(lines)
    sys.stdout.write(table + "\n")
    if given.out:
        write_into(given.out, table)


def _stop(number: int, _: object) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
