"""PgBouncer in transaction mode, before a server of the tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from gazelle_sync.settings import Settings


def pgbouncer() -> str | None:
    """Where PgBouncer is; Debian puts it where only root looks."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pooler(url: str, home: Path) -> Iterator[str]:
    """The address of a database behind the pooler, as `GAZELLE_DATABASE_URL` would have it.

    Args:
        url: Of a database, by the directory of its server's socket.
        home: Where the pooler may write.
    """
    program = pgbouncer()
    assert program is not None
    parts = urlsplit(url)
    directory = parse_qs(parts.query)["host"][0]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (home / "users.txt").write_text('"postgres" ""\n')
    (home / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={directory} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"unix_socket_dir =\nauth_type = any\nauth_file = {home}/users.txt\npool_mode = transaction\n"
        "default_pool_size = 40\nmax_client_conn = 100\nignore_startup_parameters = extra_float_digits\n"
        "server_reset_query = DISCARD ALL\nserver_round_robin = 1\n"
    )
    command = [program, str(home / "pgbouncer.ini")]
    if os.geteuid() == 0:
        owner = pwd.getpwuid(Path(directory).stat().st_uid).pw_name  # the socket's directory is the server's alone
        for path in [home, *home.parents]:
            if path.stat().st_uid == 0 and path != Path("/"):
                path.chmod(path.stat().st_mode | 0o055)
        command[1:1] = ["-u", owner]
    with (home / "pgbouncer.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for_port(port)
        name = parts.path.lstrip("/")
        # As Supabase's page gives it, with a parameter that is another library's.
        copied = f"postgresql://postgres@127.0.0.1:{port}/{name}?pgbouncer=true"
        yield str(Settings.load({"GAZELLE_DATABASE_URL": copied}).database_url)
    finally:
        process.terminate()
        process.wait(timeout=10)
        print((home / "pgbouncer.log").read_text())  # noqa: T201 - shown where the test fails


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")
