"""Processor time of a body on its way from decoded JSON to the lines of COPY, for every entity, by itself."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.gazelle import documents
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.pull.paths import ids_at
from gazelle_sync.pull.validation import CONNECTION, are_valid
from gazelle_sync.pull.versions import copy_lines, versions_of
from gazelle_sync.warehouse import copytext
from gazelle_sync.warehouse.page_lines import page_lines
from gazelle_sync_tests.benchmarks.table import Line
from gazelle_sync_tests.faults.truth import Truth
from gazelle_sync_tests.support.sandbox import running_sandbox

PAGE = 1000
LINES_AT_ONCE = 250
JSONB = {"taxes"}
MOST_US = {"clients": 35.0, "invoices": 34.0, "timeline": 5.0}
"""Half of what each took when bodies went one by one: 70, 68 and 10 µs on the same machine."""


def reconcile(repeats: int) -> Iterator[Line]:
    """Microseconds a body: the best of so many rounds, since only other work makes one slower."""
    with tempfile.TemporaryDirectory() as home, running_sandbox(Path(home) / "account.sqlite") as sandbox:
        bodies = {name: list(found.values()) for name, found in Truth(sandbox).bodies.items()}
    for entity in ENTITIES:
        pages = [bodies[entity.name][n : n + PAGE] for n in range(0, len(bodies[entity.name]), PAGE)]
        took = {step: _best(work, pages, repeats) for step, work in _steps(entity).items()}
        one_by_one = _best(partial(_one_by_one, entity), pages, repeats)
        most, total = MOST_US.get(entity.name), sum(took.values())
        yield Line(
            f"a body's way to the lines of COPY, {len(bodies[entity.name]):,} {entity.name} (best of {repeats})",
            f"{total:.1f} µs: "
            + ", ".join(f"{step} {us:.1f}" for step, us in took.items())
            + f" (one by one {one_by_one:.1f})",
            "—" if most is None else f"at most {most:g} µs",
            "—" if most is None else f"{total / most:.2f}",
            most is None or total <= most,
        )


def _steps(entity: Entity) -> dict[str, Callable[[Sequence[Any]], object]]:
    asked = documents.selection_of(entity.name, entity.body_fragment, entity.never_null | CONNECTION)
    now = datetime.now(UTC)
    answer = Answer({}, now, False)
    return {
        "examine": lambda page: are_valid(page, asked),
        "stage": lambda page: copy_lines(versions_of(page, answer), now, "benchmark", unlisted=False),
        "parents": lambda page: [ids_at(page, path) for path in entity.parents],
        "rows": lambda page: _rows(entity, page),
    }


def _rows(entity: Entity, page: Sequence[Any]) -> None:
    for start in range(0, len(page), LINES_AT_ONCE):
        part = page[start : start + LINES_AT_ONCE]
        if page_lines(entity, part) is None:
            _one_by_one(entity, part)


def _one_by_one(entity: Entity, page: Sequence[Any]) -> None:
    """One body after the other, then the rows of each table, as an upsert takes them."""
    reconciled = [entity.reconcile(body) for body in page]
    for table in entity.tables:
        rows = [row for found in reconciled for row in found.get(table.name, ())]
        groups: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for row in rows:
            groups.setdefault(tuple(row), []).append(tuple(row.values()))
        for columns, group in groups.items():
            copytext.lines(group, [column in JSONB for column in columns]).encode()


def _best(work: Callable[[Sequence[Any]], object], pages: Sequence[Sequence[Any]], repeats: int) -> float:
    """Microseconds of processor a body; without the garbage collector, which a pull tunes for itself."""
    gc.disable()
    try:
        rounds = []
        for _ in range(repeats):
            begun = time.process_time()
            for page in pages:
                work(page)
            rounds.append(time.process_time() - begun)
    finally:
        gc.enable()
    return min(rounds) * 1e6 / sum(map(len, pages))
