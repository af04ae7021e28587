"""The budget of requests, as the API sees it: when they arrived."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gazelle_sync.pull.session import Pull
from gazelle_sync_tests.benchmarks.servers import account, new_shop, server
from gazelle_sync_tests.benchmarks.table import Line, Samples

RATE = 10
LEAST_SHARE = 0.9
LATENCY_MS = 80
PAGE_SIZE = 100
"""Small pages: some three hundred requests, so that there is work for half a minute."""


def rate(repeats: int) -> Iterator[Line]:
    """A first sync at 10 requests a second."""
    samples = Samples()
    most = 0
    with server() as where, account(where) as sandbox:
        for _ in range(repeats):
            shop = replace(new_shop(where, sandbox, rate_per_s=RATE), page_size=PAGE_SIZE)
            sandbox.admin.reset_stats()
            shop.sync()
            stats = sandbox.admin.stats()
            arrivals = stats["arrivals_monotonic"]
            most = max(most, stats["max_in_a_second"])
            samples.add(share=(len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) / RATE, requests=len(arrivals))
            shop.drop()
    found = samples.medians()
    yield Line(
        f"rate limit of {RATE}/s, first `sync` of {found['requests']:.0f} requests (medians of {repeats})",
        f"at most {most} arrivals in any second of any run, {found['share']:.0%} of the budget used",
        f"never more than {RATE}, at least {LEAST_SHARE:.0%}",
        f"{found['share']:.2f}",
        most <= RATE and found["share"] >= LEAST_SHARE,
    )


def segments(repeats: int) -> Iterator[Line]:
    """The timeline of a first pull from an API that is 80 ms away, with a budget of 10 requests a second."""
    samples = Samples()
    with server() as where, account(where) as sandbox:
        sandbox.admin.settings(latency_ms=LATENCY_MS)
        for _ in range(repeats):
            shop = replace(new_shop(where, sandbox, rate_per_s=RATE), page_size=PAGE_SIZE)
            sandbox.admin.reset_stats()
            with Pull(shop.settings, entities=["timeline"]) as pull:
                pull.stage("timeline")
            arrivals = sandbox.admin.stats()["arrivals_monotonic"]
            samples.add(share=(len(arrivals) - 1) / (arrivals[-1] - arrivals[0]) / RATE, requests=len(arrivals))
            shop.drop()
    found = samples.medians()
    yield Line(
        f"timeline of a first pull, API {LATENCY_MS} ms away, {RATE}/s, {found['requests']:.0f} requests",
        f"{found['share']:.0%} of the budget used",
        f"at least {LEAST_SHARE:.0%}",
        f"{found['share']:.2f}",
        found["share"] >= LEAST_SHARE,
    )
