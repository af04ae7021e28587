"""`python -m gazelle_sync_tests.faults`: runs a campaign, prints its table; exit status 1 if a figure is not zero."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gazelle_sync_tests.benchmarks.table import write_into
from gazelle_sync_tests.faults.campaign import CAMPAIGNS, Tally, jobs, run
from gazelle_sync_tests.faults.case import Result

CASES = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; the exit status."""
    given = _options().parse_args(arguments)
    kinds = CAMPAIGNS[given.campaign]
    unknown = [name for name in given.only or () if name not in kinds]
    if unknown:
        sys.stderr.write(f"No kind is called {unknown[0]!r}. There are: {', '.join(kinds)}\n")
        return 2
    if given.list:
        for kind in kinds.values():
            sys.stdout.write(f"{kind.group:9} {kind.name:24} {kind.about} ({kind.expects.value})\n")
        return 0
    # However it is stopped, it stops what it started, and prints what it has: a shell's background ignores Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    chosen = {name: kinds[name] for name in given.only or kinds}
    todo = jobs(chosen, given.seed, given.cases)
    tally = run(given.campaign, todo, workers=given.workers, tell=_teller(len(todo), verbose=given.verbose))
    report = _report(tally)
    sys.stdout.write(f"\n{report}")
    if given.out:
        write_into(given.out, report)
    return 0 if tally.is_whole and not tally.failures else 1


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gazelle_sync_tests.faults", description=__doc__)
    parser.add_argument("--campaign", choices=CAMPAIGNS, default="pull")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the next have the next ones")
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--only", nargs="+", metavar="KIND", help="kinds to draw from (--list names them)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="cases at once; 0: in this process")
    parser.add_argument("--list", action="store_true", help="list the kinds and run nothing")
    parser.add_argument("--verbose", action="store_true", help="tell the story of every case")
    parser.add_argument("--out", type=Path, help="also put the result between the marks of this document")
    return parser


def _teller(cases: int, *, verbose: bool) -> Callable[[Result, int], None]:
    def tell(result: Result, through: int) -> None:
        state = "ok" if result.is_good else "FAILED"
        sys.stdout.write(f"{through:>5}/{cases}  seed {result.seed}  {result.kind}  {result.seconds:.1f} s  {state}\n")
        if verbose or not result.is_good:
            sys.stdout.writelines(f"    {line}\n" for line in result.story)
            sys.stdout.writelines(f"    ! {line}\n" for line in result.figures.examples)
            sys.stdout.write(result.crash)
        sys.stdout.flush()

    return tell


def _report(tally: Tally) -> str:
    report = f"{tally.render()}\n\n{len(tally.results)} cases in {tally.seconds / 60:.0f} minutes.\n"
    if not tally.is_whole:
        report += "Stopped before its end.\n"
    for result in tally.failures:
        report += (
            f"Again: `python -m gazelle_sync_tests.faults --seed {result.seed} --cases 1 --only '{result.kind}'`\n"
        )
    return report


if __name__ == "__main__":
    sys.exit(main())
