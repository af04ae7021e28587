"""The first pull of a whole account, against the same pull by dlt: whole processes, servers already up."""

from __future__ import annotations

from collections.abc import Iterator

from gazelle_sync_tests.benchmarks import peer
from gazelle_sync_tests.benchmarks.servers import Server, account, new_shop, server
from gazelle_sync_tests.benchmarks.table import Line, Samples
from gazelle_sync_tests.benchmarks.ticks import rows_written
from gazelle_sync_tests.support.sandbox import RunningSandbox

LEAST_FASTER = 2.0


def first(repeats: int) -> Iterator[Line]:
    """The seed-size shop."""
    with server() as where, account(where) as sandbox:
        found = _measure(where, sandbox, repeats, quiet=True)
    allowed = found["quiet"] + found["dlt"]
    yield Line(
        "first full pull, seed-size shop (27,000 records), whole process",
        f"{_say(found, 'first')}; quiet {_say(found, 'quiet')}, dlt {_say(found, 'dlt')}",
        f"no longer than quiet + dlt: {allowed:.2f} s",
        f"{found['first'] / allowed:.2f}",
        found["first"] <= allowed,
    )


def deep(repeats: int) -> Iterator[Line]:
    """A full run over an account that is held and unchanged, in turns with the first pull of it."""
    samples = Samples()
    with server() as where, account(where) as sandbox:
        for _ in range(repeats):
            shop = new_shop(where, sandbox)
            took = shop.sync()
            samples.add(first=took.seconds, first_cpu=took.cpu_s)
            before = rows_written(shop)
            took = shop.sync("--full")
            samples.add(deep=took.seconds, deep_cpu=took.cpu_s, written=rows_written(shop) - before)
            shop.drop()
    found = samples.medians()
    yield Line(
        "full run over the same account, held and unchanged, seed-size shop, whole process",
        f"{_say(found, 'deep')}, {found['written']:.0f} rows written; first pull {_say(found, 'first')}",
        "no longer than the first pull, no row written",
        f"{found['deep'] / found['first']:.2f} of it",
        found["deep"] <= found["first"] and found["written"] == 0,
    )


def ten(repeats: int, *, scale: float = 10.0) -> Iterator[Line]:
    """Ten times that shop."""
    with server() as where, account(where, scale) as sandbox:
        found = _measure(where, sandbox, repeats, quiet=False)
    faster = found["dlt"] / found["first"]
    yield Line(
        f"first full pull, {scale:g} times that shop, whole process (medians of {repeats})",
        f"{_say(found, 'first')}; dlt {_say(found, 'dlt')}",
        f"at least {LEAST_FASTER:g} times faster than dlt (goal 2.5)",
        f"{faster:.2f} times faster",
        faster >= LEAST_FASTER,
    )


def _measure(where: Server, sandbox: RunningSandbox, repeats: int, *, quiet: bool) -> dict[str, float]:
    """Medians: first, quiet (if asked for), and dlt by the faster of its ways."""
    samples = Samples()
    for _ in range(repeats):
        shop = new_shop(where, sandbox)
        took = shop.sync()
        samples.add(first=took.seconds, first_cpu=took.cpu_s)
        if quiet:
            took = shop.sync()
            samples.add(quiet=took.seconds, quiet_cpu=took.cpu_s)
        shop.drop()
        for way, options in peer.WAYS.items():
            theirs = peer.pull(where, sandbox, *options).process
            samples.add(**{way: theirs.seconds, f"{way}_cpu": theirs.cpu_s})
    found = samples.medians()
    best = min(peer.WAYS, key=found.__getitem__)
    return found | {"dlt": found[best], "dlt_cpu": found[f"{best}_cpu"]}


def _say(found: dict[str, float], name: str) -> str:
    """Seconds, and beside them the processor's: on a machine that does other things as well they tell more."""
    return f"{found[name]:.1f} s ({found[f'{name}_cpu']:.1f} s of processor)"
