"""The servers of a worker: a PostgreSQL and a sandbox of its own, and a shop with a history that each case copies.

Cases may stop, lock and crash both, since nobody else uses them.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync_tests.conftest import server_of_its_own
from gazelle_sync_tests.support.processes import Processes
from gazelle_sync_tests.support.sandbox import RunningSandbox, running_sandbox
from gazelle_sync_tests.support.shop import Shop, drop_database, make_history

SCALE, TIMELINE = 0.01, 120
"""Some 24 clients, 12 pianos, 120 visits: small enough for a case a second, big enough for every deletion guard."""
PULLED = "shop_with_history"


@dataclass(frozen=True)
class Servers:
    """A worker's servers.

    Attributes:
        uri: The address of a database of the server, by name.
        sandbox: The API.
        home: Their directory, removed at the end.
        processes: Starts pulls as processes.
        local_tags: Of the shop that every case begins with: id → tags that were added here.
    """

    uri: Callable[[str], str]
    sandbox: RunningSandbox
    home: Path
    processes: Processes
    local_tags: dict[str, list[str]]

    @contextmanager
    def shop(self, round_trip_s: float = 0.0) -> Iterator[Shop]:
        """A shop that is equal to the sandbox, for the length of a case.

        Args:
            round_trip_s: Seconds a round trip to its database for what runs; the oracle reads it directly.
        """
        self.sandbox.admin.start_over(PULLED)
        shutil.rmtree(self.home / "alerts", ignore_errors=True)  # another case's outage
        name = "a_case"
        with self.server() as connection:
            drop_database(connection, name)
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                    sql.Identifier(name), sql.Identifier(PULLED)
                )
            )
        with Shop.on(self.uri(name), self.sandbox, self.home).far_away(round_trip_s) as shop:
            yield shop

    def crash(self) -> None:
        """Kill one of the server's processes: it ends all sessions and recovers, as after a crash."""
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'gazelle_sync' LIMIT 1"
        with self.server() as connection:
            while (row := connection.execute(query).fetchone()) is not None:
                connection.commit()  # the view is the same for the whole of a transaction
                with suppress(ProcessLookupError):  # it ended since it was asked for: another one
                    os.kill(row[0], signal.SIGKILL)
                    return

    def wait_until_up(self) -> None:
        """Wait for the end of a recovery."""
        deadline = time.monotonic() + 30
        while True:
            try:
                with self.server():
                    return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    @contextmanager
    def server(self) -> Iterator[psycopg.Connection[Any]]:
        """A session of the server, outside of every shop."""
        with psycopg.connect(self.uri("postgres"), autocommit=True) as connection:
            yield connection


@contextmanager
def start_servers(home: Path | None = None) -> Iterator[Servers]:
    """Start the servers and make the shop that every case begins with.

    Args:
        home: As `new_home` gives it.
    """
    home = home or new_home()
    # An hour ago, so that no invented entry lies in the quarter of an hour that every tick reads again.
    begun = datetime.now(UTC) - timedelta(hours=1)
    try:
        with (
            server_of_its_own(home / "pg") as uri,
            running_sandbox(home / "account.sqlite", scale=SCALE, timeline=TIMELINE, now=begun) as sandbox,
            Processes(home / "processes.log") as processes,
        ):
            sandbox.admin.snapshot()
            with psycopg.connect(uri("postgres"), autocommit=True) as connection:
                # The tests' server forgets its last commits when it crashes: here they must be there again.
                connection.execute("ALTER SYSTEM SET synchronous_commit = on")
                connection.execute("SELECT pg_reload_conf()")
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(PULLED)))
            migrate(uri(PULLED))
            shop = Shop.on(uri(PULLED), sandbox, home)
            shop.sync()
            make_history(shop)
            shop.leave()
            sandbox.admin.snapshot(PULLED)
            yield Servers(uri, sandbox, home, processes, dict(shop.local_tags))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def new_home() -> Path:
    """A directory for the servers, which PostgreSQL's own user can enter."""
    home = Path(tempfile.mkdtemp(prefix="gazelle_faults_"))
    home.chmod(0o755)
    return home


def clear(home: Path) -> None:
    """Stop and remove what a killed worker left: its PostgreSQL runs on, since it is no child of the worker."""
    with suppress(OSError, ValueError):
        os.kill(int((home / "pg" / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(home, ignore_errors=True)
