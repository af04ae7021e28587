"""Peak memory of a first `sync` at the scale of the real shop, and with ten times its timeline."""

from __future__ import annotations

from collections.abc import Iterator

from gazelle_sync_tests.benchmarks.servers import account, new_shop, server
from gazelle_sync_tests.benchmarks.table import Line

MOST_MB = 300
SAME = 1.05
"""Two runs of the same thing differ by less than this."""


def memory(_: int, *, timelines: tuple[int | None, ...] = (None, 2_826_690)) -> Iterator[Line]:
    """One run each."""
    peaks: list[float] = []
    with server() as where:
        for timeline in timelines:
            with account(where, "shop", timeline=timeline) as sandbox:
                shop = new_shop(where, sandbox)
                took = shop.sync()
                shop.drop()
            peaks.append(took.peak_mb)
            scale = "`--scale shop`" if timeline is None else f"`--scale shop --timeline {timeline}`"
            is_flat = took.peak_mb <= peaks[0] * SAME
            yield Line(
                f"peak memory of the first `sync`, {scale} (one run)",
                f"{took.peak_mb:.0f} MB ({took.seconds:.0f} s)",
                f"under {MOST_MB} MB" + ("" if timeline is None else ", no more than at one tenth of the timeline"),
                f"{took.peak_mb / MOST_MB:.2f}"
                + ("" if timeline is None else f"; {took.peak_mb / peaks[0]:.2f} of the first"),
                took.peak_mb < MOST_MB and is_flat,
            )
