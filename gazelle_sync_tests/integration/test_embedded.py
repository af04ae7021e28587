"""The embedded PostgreSQL: wherever its home is, it starts, is found by others, and stops with the last of them."""

from __future__ import annotations

import fcntl
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.runtime.embedded import embedded_sandbox, embedded_services, sandbox_ready_file, tune
from gazelle_sync.sandbox.admin import SandboxAdmin
from gazelle_sync.settings import Settings


@contextmanager
def standing(home: Path) -> Iterator[str]:
    """The address of the shop's embedded database."""
    with embedded_services(Settings.load({}).replace(home=home), api=False) as settings:
        assert settings.database_url is not None
        yield settings.database_url


def asked(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(question).fetchone()
    return row and row[0]


def test_homes_with_a_space_and_an_accent_have_a_server_each_that_its_users_share(tmp_path: Path) -> None:
    first, second = tmp_path / "Été 1" / "my home", tmp_path / "Été 2" / "my (other) home"
    for home in (first, second):
        home.mkdir(parents=True)
    with standing(first) as url, standing(second) as other:
        with standing(first) as again:
            assert again == url
            assert asked(again, "SHOW data_directory") == str(first / "postgres")
        assert asked(other, "SHOW data_directory") == str(second / "postgres"), "one user of two has left"
        assert asked(url, "SHOW data_directory") == str(first / "postgres")
    for address in (url, other):
        with pytest.raises(psycopg.OperationalError):
            asked(address, "SELECT 1")
    assert not list(tmp_path.glob("*/*/postgres/postmaster.pid"))


def test_a_home_that_no_server_can_lie_in_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(GazelleSyncError, match="GAZELLE_SYNC_HOME"), standing(tmp_path / "5$"):
        pass


# The sandbox outlives who started it, so nobody waits for its process.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_who_comes_while_an_idle_sandbox_ends_waits_for_its_end_and_starts_another(tmp_path: Path) -> None:
    settings = Settings.load({}).replace(home=tmp_path / "home")
    ready, lock = sandbox_ready_file(settings), settings.home / "sandbox.lock"
    with embedded_sandbox(settings) as url:
        admin = SandboxAdmin(url)
        admin.settings(latency_ms=3000)
        admin.close()
        asking = ThreadPoolExecutor(1)
        answer = asking.submit(httpx.post, f"{url}/graphql/private/", content=b"{}", timeout=10)
        time.sleep(0.2)
    # A request is under way, so the server takes a while to end; it listens no more, and its lock is still held.
    deadline = time.monotonic() + 10
    port = int(url.rpartition(":")[2])
    while listens(port):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    with lock.open("a") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    with embedded_sandbox(settings) as other:
        assert httpx.get(f"{other}/_sandbox/health", timeout=2).is_success
        with suppress(httpx.HTTPError):
            answer.result()
        assert json.loads(ready.read_text(encoding="utf-8"))["url"] == other
    asking.shutdown()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_server_has_room_for_a_first_pull_and_keeps_what_somebody_set(tmp_path: Path) -> None:
    with standing(tmp_path) as url, psycopg.connect(url, autocommit=True) as connection:
        assert asked(url, "SHOW fsync") == "on"
        assert asked(url, "SHOW checkpoint_timeout") == "30min"
        connection.execute("ALTER SYSTEM SET checkpoint_timeout = '7min'")
        tune(connection, tmp_path)
        kept = "SELECT setting FROM pg_file_settings WHERE name = 'checkpoint_timeout' ORDER BY seqno DESC"
        assert asked(url, kept) == "7min"
