"""Writing stage 1 and stage 2 alone: against dlt, against PostgreSQL itself, and against themselves at other sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from gazelle_sync_tests.benchmarks import peer
from gazelle_sync_tests.benchmarks.pages import write_pages
from gazelle_sync_tests.benchmarks.servers import server
from gazelle_sync_tests.benchmarks.table import Line, Samples
from gazelle_sync_tests.benchmarks.timeline_load import load_bare, load_ours

LEAST_OF_DLT, LEAST_OF_BARE = 3.0, 1.0
MOST_EXPONENT = 1.05


def load(repeats: int, *, entries: int = 280_000) -> Iterator[Line]:
    """Rows a second: ours, dlt's, a bare COPY's."""
    samples = Samples()
    with server() as where:
        pages = write_pages(where.home, entries)
        for _ in range(repeats):
            ours = load_ours(where, pages)
            samples.add(ours=ours.seconds, stage_1=ours.stage_1, stage_2=ours.stage_2)
            samples.add(bare=load_bare(where, pages).seconds)
            samples.add(**{way: peer.load(where, pages.path, *options).seconds for way, options in peer.WAYS.items()})
    found = samples.medians()
    rows = {name: entries / seconds for name, seconds in found.items()}
    of_dlt = rows["ours"] / max(rows[way] for way in peer.WAYS)
    of_bare = rows["ours"] / rows["bare"]
    said = f"{rows['ours']:,.0f} rows/s (stage 1 {found['stage_1']:.1f} s, stage 2 {found['stage_2']:.1f} s)"
    yield Line(
        f"stage 1 write + stage 2, {entries:,} timeline entries, against dlt (medians of {repeats})",
        f"{said}; dlt {max(rows[way] for way in peer.WAYS):,.0f} rows/s",
        f"at least {LEAST_OF_DLT:g} times dlt",
        f"{of_dlt:.2f}",
        of_dlt >= LEAST_OF_DLT,
    )
    yield Line(
        f"the same against a bare `COPY` + `INSERT … SELECT` (medians of {repeats})",
        f"{said}; bare {rows['bare']:,.0f} rows/s",
        f"at least {LEAST_OF_BARE:g} of it",
        f"{of_bare:.2f}",
        of_bare >= LEAST_OF_BARE,
    )


def growth(repeats: int, *, sizes: tuple[int, ...] = (28_000, 280_000, 2_800_000)) -> Iterator[Line]:
    """Seconds a row at sizes that grow by ten, and beside them the processor's, ours and PostgreSQL's."""
    samples = Samples()
    with server() as where:
        for entries in sizes:
            pages = write_pages(where.home, entries)
            for _ in range(repeats if entries < 1_000_000 else 1):
                loaded = load_ours(where, pages)
                samples.add(**{f"seconds {entries}": loaded.seconds, f"processor {entries}": loaded.processor_s})
            pages.path.unlink()
    found = samples.medians()
    seconds = [found[f"seconds {entries}"] for entries in sizes]
    processor = [found[f"processor {entries}"] for entries in sizes]
    exponents, of_processor = _exponents(seconds, sizes), _exponents(processor, sizes)
    per_row = ", ".join(
        f"{1e6 * s / n:.0f} µs ({1e6 * p / n:.0f} of processor) at {n:,}"
        for s, p, n in zip(seconds, processor, sizes, strict=True)
    )
    yield Line(
        f"growth of stage 1 write + stage 2 (medians of {repeats}, the largest once), time a row",
        per_row,
        f"linear: time grows as rows to the power of at most {MOST_EXPONENT:g}",
        "powers " + ", ".join(f"{s:.2f} ({p:.2f})" for s, p in zip(exponents, of_processor, strict=True)),
        max(exponents) <= MOST_EXPONENT,
    )


def _exponents(values: Sequence[float], sizes: Sequence[int]) -> list[float]:
    """The power of the size with which values grow, from each size to the next."""
    return [
        math.log(later / earlier) / math.log(more / fewer)
        for (earlier, fewer), (later, more) in pairwise(zip(values, sizes, strict=True))
    ]
