"""`python -m gazelle_sync.sandbox`: the sandbox as a process of its own."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from gazelle_sync.sandbox.account import Account
from gazelle_sync.sandbox.server import serve


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes."""
    given = _parser().parse_args(arguments)
    serve(
        Account(given.database, scale=given.scale, timeline=given.timeline, now=given.now),
        port=given.port,
        ready_file=given.ready_file,
        exit_when_unused=given.exit_when_unused,
        on_ready=lambda url: print(f"listening on {url}", flush=True),  # noqa: T201  the one line that callers read
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gazelle_sync.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes any that is free (default)")
    parser.add_argument("--database", type=Path, required=True, help="SQLite file with the state")
    parser.add_argument("--scale", type=_scale, default="seed", help="seed, shop, or a multiple of the seed's sizes")
    parser.add_argument("--timeline", type=int, help="number of timeline entries, whatever the scale")
    parser.add_argument("--now", type=_moment, help="the instant around which the account is invented (default: now)")
    parser.add_argument("--exit-when-unused", type=Path, metavar="LOCKFILE", help="end when nobody locks this file")
    parser.add_argument("--ready-file", type=Path, help="where to write the address and the process id")
    return parser


def _scale(text: str) -> str | float:
    return text if text in ("seed", "shop") else float(text)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


if __name__ == "__main__":
    sys.exit(main())
