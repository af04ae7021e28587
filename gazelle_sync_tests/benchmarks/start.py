"""How long one waits for definitions and for help."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator

from gazelle_sync_tests.benchmarks.process import run
from gazelle_sync_tests.benchmarks.servers import BIN, server
from gazelle_sync_tests.benchmarks.table import Line, Samples

VALIDATE = [str(BIN / "dagster"), "definitions", "validate"]
EMPTY = "import dagster as dg\n\ndefs = dg.Definitions()\n"
COMMANDS = {
    "`dagster definitions validate`": (VALIDATE, 3.0),
    "load of the code location in a fresh interpreter": (
        [sys.executable, "-c", "import gazelle_sync.definitions"],
        3.0,
    ),
    "`gazelle-sync --help`": ([str(BIN / "gazelle-sync"), "--help"], 0.5),
}


def start(repeats: int) -> Iterator[Line]:
    """Whole processes, each in turn. The tool `dagster` reads dagster.yaml, which names a database of Dagster's own.

    What Dagster itself takes to validate a project that defines nothing is measured beside ours.
    """
    with server() as where, tempfile.NamedTemporaryFile("w", suffix=".py") as empty:
        empty.write(EMPTY)
        empty.flush()
        environment = {"GAZELLE_DAGSTER_POSTGRES_URL": where.url(where.new_database("dagster"))}
        for what, (command, bar) in COMMANDS.items():
            samples = Samples()
            for _ in range(repeats):
                samples.add(seconds=run(command, environment).seconds)
                if command is VALIDATE:
                    samples.add(empty=run([*VALIDATE, "-f", empty.name], environment).seconds)
            found = samples.medians()
            beside = f"; of a project that defines nothing {found['empty']:.2f} s" if "empty" in found else ""
            seconds = found["seconds"]
            yield Line(what, f"{seconds:.2f} s{beside}", f"under {bar:g} s", f"{seconds / bar:.2f}", seconds < bar)
