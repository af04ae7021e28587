"""The first pull of a whole account, against the same pull by dlt: whole processes, servers already up."""

from __future__ import annotations

from collections.abc import Iterator

from gazelle_sync.sandbox.running import RunningSandbox
from gazelle_sync_tests.benchmarks import peer
from gazelle_sync_tests.benchmarks.ground import Server, account, new_shop, server
from gazelle_sync_tests.benchmarks.table import Line, Samples

LEAST_FASTER = 2.0


def first(repeats: int) -> Iterator[Line]:
    """The seed-size shop."""
    with server() as where, account(where) as sandbox:
        found = _measure(where, sandbox, repeats, quiet=True)
    allowed = found["quiet"] + found["dlt"]
    yield Line(
        "first full pull, seed-size shop (27,000 records), whole process",
        f"{found['first']:.2f} s; quiet {found['quiet']:.2f} s, dlt {found['dlt']:.2f} s",
        f"no longer than quiet + dlt: {allowed:.2f} s",
        f"{found['first'] / allowed:.2f}",
        found["first"] <= allowed,
    )


def ten(repeats: int, *, scale: float = 10.0) -> Iterator[Line]:
    """Ten times that shop."""
    with server() as where, account(where, scale) as sandbox:
        found = _measure(where, sandbox, repeats, quiet=False)
    faster = found["dlt"] / found["first"]
    yield Line(
        f"first full pull, {scale:g} times that shop, whole process (medians of {repeats})",
        f"{found['first']:.1f} s; dlt {found['dlt']:.1f} s",
        f"at least {LEAST_FASTER:g} times faster than dlt (goal 3)",
        f"{faster:.2f} times faster",
        faster >= LEAST_FASTER,
    )


def _measure(where: Server, sandbox: RunningSandbox, repeats: int, *, quiet: bool) -> dict[str, float]:
    """Medians: first, quiet (if asked for), and dlt by the faster of its ways."""
    samples = Samples()
    for _ in range(repeats):
        shop = new_shop(where, sandbox)
        samples.add(first=shop.sync().seconds)
        if quiet:
            samples.add(quiet=shop.sync().seconds)
        shop.drop()
        samples.add(**{way: peer.pull(where, sandbox, *options).process.seconds for way, options in peer.WAYS.items()})
    found = samples.medians()
    return found | {"dlt": min(found[way] for way in peer.WAYS)}
