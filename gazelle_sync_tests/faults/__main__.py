"""`python -m gazelle_sync_tests.faults`: runs the campaigns, prints their tables; exit status 1 if not all zero."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence

from gazelle_sync_tests.benchmarks.table import marked_document, write_into
from gazelle_sync_tests.faults.campaign import CAMPAIGNS, FAR, Tally, jobs, run
from gazelle_sync_tests.faults.case import Result

CASES = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; the exit status."""
    given = _options().parse_args(arguments)
    names = [given.campaign] if given.campaign else list(CAMPAIGNS)
    known = {kind: name for name in names for kind in CAMPAIGNS[name].kinds}
    unknown = [kind for kind in given.only or () if kind not in known]
    if unknown:
        sys.stderr.write(f"No kind is called {unknown[0]!r}. There are: {', '.join(known)}\n")
        return 2
    if given.list:
        for name in names:
            for kind in CAMPAIGNS[name].kinds.values():
                sys.stdout.write(f"{name} {kind.group:9} {kind.name:24} {kind.about} ({kind.expects.value})\n")
        return 0
    # However it is stopped, it stops what it started, and prints what it has: a shell's background ignores Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    os.environ[FAR] = str(given.far)  # the workers are processes of their own
    reports, is_good = [], True
    for name in names:
        kinds = CAMPAIGNS[name].kinds
        chosen = {kind: kinds[kind] for kind in given.only or kinds if kind in kinds}
        if not chosen:
            continue
        todo = jobs(chosen, given.seed, given.cases)
        tally = run(name, todo, workers=given.workers, tell=_teller(len(todo), verbose=given.verbose))
        reports.append(_report(name, tally))
        sys.stdout.write(f"\n{reports[-1]}\n")
        sys.stdout.flush()
        is_good = is_good and tally.is_whole and not tally.failures
        if not tally.is_whole:
            break
    if given.out:
        write_into(given.out, "\n".join(reports))
    return 0 if is_good else 1


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gazelle_sync_tests.faults", description=__doc__)
    parser.add_argument("--campaign", choices=CAMPAIGNS, help=f"only this one of: {', '.join(CAMPAIGNS)}")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the next have the next ones")
    parser.add_argument("--cases", type=int, default=CASES, help="of each campaign")
    parser.add_argument("--only", nargs="+", metavar="KIND", help="kinds to draw from (--list names them)")
    parser.add_argument(
        "--far",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="of the cases, drawn by seed: their database is 20 to 80 ms away",
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="cases at once; 0: in this process")
    parser.add_argument("--list", action="store_true", help="list the kinds and run nothing")
    parser.add_argument("--verbose", action="store_true", help="tell the story of every case")
    parser.add_argument("--out", type=marked_document, help="also put the result between the marks of this document")
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


def _report(name: str, tally: Tally) -> str:
    report = f"**The {name}**\n\n{tally.render()}\n\n{len(tally.results)} cases in {tally.seconds / 60:.0f} minutes.\n"
    if not tally.is_whole:
        report += "Stopped before its end.\n"
    for result in tally.failures:
        again = f"--campaign {name} --seed {result.seed} --cases 1 --only '{result.kind}'"
        again += f" --far {share}" if (share := os.environ.get(FAR, "0.0")) != "0.0" else ""
        report += f"Again: `python -m gazelle_sync_tests.faults {again}`\n"
    return report


if __name__ == "__main__":
    sys.exit(main())
