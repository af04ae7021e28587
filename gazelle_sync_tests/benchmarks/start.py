"""How long one waits for definitions and for help."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from gazelle_sync_tests.benchmarks.ground import BIN, server
from gazelle_sync_tests.benchmarks.process import run
from gazelle_sync_tests.benchmarks.table import Line, Samples

COMMANDS = {
    "`dagster definitions validate`": ([str(BIN / "dagster"), "definitions", "validate"], 3.0),
    "load of the code location in a fresh interpreter": (
        [sys.executable, "-c", "import gazelle_sync.definitions"],
        3.0,
    ),
    "`gazelle-sync --help`": ([str(BIN / "gazelle-sync"), "--help"], 0.5),
}


def start(repeats: int) -> Iterator[Line]:
    """Whole processes. The tool `dagster` reads dagster.yaml, which names a database of Dagster's own."""
    with server() as where:
        environment = {"GAZELLE_DAGSTER_POSTGRES_URL": where.url(where.new_database("dagster"))}
        for what, (command, bar) in COMMANDS.items():
            samples = Samples()
            for _ in range(repeats):
                samples.add(seconds=run(command, environment).seconds)
            seconds = samples.medians()["seconds"]
            yield Line(what, f"{seconds:.2f} s", f"under {bar:g} s", f"{seconds / bar:.2f}", seconds < bar)
