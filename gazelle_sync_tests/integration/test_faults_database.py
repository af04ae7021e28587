"""Faults of the database: unreachable, full, behind a pooler, without the right to write."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from gazelle_sync.errors import AnotherPullRunning, DatabaseError
from gazelle_sync.pull.context import Mode
from gazelle_sync.warehouse.connect import SQL_ROOT
from gazelle_sync.warehouse.lock import PullLock
from gazelle_sync_tests.conftest import WORKER, Databases, server_of_its_own
from gazelle_sync_tests.support.evaluating import look_at
from gazelle_sync_tests.support.pooler import pgbouncer, pooler
from gazelle_sync_tests.support.sandbox import RunningSandbox
from gazelle_sync_tests.support.shop import Shop

SECRET = "a-word-that-nobody-may-read"


@pytest.mark.parametrize(
    "url",
    [f"postgresql://shop:{SECRET}@127.0.0.1:9/shop", f"postgresql://shop:{SECRET}@no-such-host.invalid/shop"],
)
def test_an_unreachable_database_is_said_clearly_and_without_its_password(new_shop: Shop, url: str) -> None:
    with pytest.raises(DatabaseError, match="GAZELLE_DATABASE_URL") as caught:
        new_shop.sync(database_url=url)
    assert SECRET not in str(caught.value)
    assert new_shop.admin.stats()["arrivals"] == 0


def test_a_database_that_is_not_there_is_said_clearly(new_shop: Shop) -> None:
    with pytest.raises(DatabaseError, match="does not exist"):
        new_shop.sync(database_url=new_shop.url.replace("/gw", "/no_gw"))


def test_a_role_without_the_right_to_write_is_told_what_it_needs(shop: Shop) -> None:
    role = f"visitor_{WORKER}"
    shop.query(f"DROP ROLE IF EXISTS {role}")
    shop.query(f"CREATE ROLE {role} LOGIN")
    shop.query(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    try:
        with pytest.raises(DatabaseError, match="gazelle_owner"):
            shop.sync(database_url=shop.url.replace("postgres:@", f"{role}:@"))
    finally:
        shop.query(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
        shop.query(f"DROP ROLE {role}")


def test_a_server_that_reads_backslashes_its_own_way_gets_the_same_answers(shop: Shop) -> None:
    client = shop.admin.dump("clients")[0]["id"]
    note = {"clientId": client, "type": "USER_COMMENT", "comment": "deux fois", "occurredAt": "2026-02-03T10:00:00Z"}
    for prefix in ("tle", "tme"):
        shop.admin.create("timeline", id=f"{prefix}_twin", **note)
    names = ("timezone_titles", "timezone_reference", "integrity_twins")
    before = {name: look_at(shop, name) for name in names}
    shop.query(f"ALTER DATABASE {urlsplit(shop.url).path[1:]} SET standard_conforming_strings = off")
    shop.leave()
    assert {name: look_at(shop, name) for name in names} == before
    assert shop.value("SHOW standard_conforming_strings") == "off"
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


def test_no_statement_has_a_backslash_that_a_setting_of_the_server_gives_another_meaning() -> None:
    for path in sorted((SQL_ROOT / "queries").glob("*.sql")):
        for literal in re.findall(r"(E?)'([^']*)'", path.read_text(encoding="utf-8")):
            assert "\\" not in literal[1] or literal[0] == "E", f"{path.name}: write E'…' with doubled backslashes"


# ---- a full disk


@pytest.fixture
def small_disk(databases: Databases, tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MB for one database."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = databases.directory.parent / f"disk_{WORKER}"
    disk.mkdir(exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"this machine lets nobody mount: {mounted.stderr.decode().strip()}")
    try:
        (disk / "space").mkdir()
        owner = databases.directory.stat()
        os.chown(disk / "space", owner.st_uid, owner.st_gid)
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_said_clearly_loses_nothing_and_heals_when_there_is_room(
    small_disk: Path, databases: Databases, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    with server_of_its_own(databases.directory.parent / f"pg_{WORKER}") as uri:
        with psycopg.connect(uri("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{small_disk / 'space'}'".encode())
            connection.execute("CREATE DATABASE shop TABLESPACE small")
        shop = Shop.on(uri("shop"), sandbox, tmp_path)
        shop.sync(only=["users", "products"])
        before = shop.fingerprint()
        fill(small_disk, leave=300_000)

        outcome = shop.sync(check=False)

        assert outcome.errors
        assert all(isinstance(error, DatabaseError) for error in outcome.errors.values())
        assert any("no room left" in str(error) for error in outcome.errors.values())
        assert shop.fingerprint()["gazelle_products"] == before["gazelle_products"]
        (small_disk / "filler").unlink()
        shop.sync()
        shop.assert_equals_api()


def fill(disk: Path, *, leave: int) -> None:
    """Fill a disk but for so many bytes."""
    free = shutil.disk_usage(disk).free
    with (disk / "filler").open("wb") as file:
        file.write(b"\0" * max(0, free - leave))


# ---- a pooler in transaction mode


@pytest.fixture
def pooled(shop: Shop, tmp_path: Path) -> Iterator[Shop]:
    """The shop behind PgBouncer in transaction mode."""
    if pgbouncer() is None:
        pytest.skip("PgBouncer is not installed")
    with pooler(shop.url, tmp_path) as url:
        yield Shop.on(url, shop.sandbox, tmp_path)


def test_a_whole_sync_runs_through_a_pooler_in_transaction_mode(shop: Shop, pooled: Shop) -> None:
    shop.admin.random_edits(clients=4, pianos=3, events=8, timeline=6)
    shop.admin.delete("clients", shop.admin.dump("clients")[-1]["id"])
    settings = pooled.settings
    for mode in (Mode.TICK, Mode.NIGHTLY, Mode.DEEP):
        Shop(shop.url, shop.sandbox, settings).sync(mode)
    shop.assert_equals_api()
    before = shop.fingerprint()
    shop.query("UPDATE gazelle_clients SET city = 'abîmé' WHERE NOT is_stub")
    Shop(shop.url, shop.sandbox, settings).replay()
    assert shop.fingerprint() == before


def test_a_first_pull_runs_through_a_pooler_in_transaction_mode(shop: Shop, pooled: Shop) -> None:
    tables = ", ".join(name for name in shop.tables() if name != "schema_migrations")
    # The stock and its movements refuse to be removed, by triggers; that of the movements fires for replicas too.
    movements = "ALTER TABLE inventory_movements {} TRIGGER gazelle_refuse_truncate;"
    shop.query(
        f"SET session_replication_role = replica; {movements.format('DISABLE')} TRUNCATE {tables} CASCADE;"
        f"{movements.format('ENABLE ALWAYS')} RESET session_replication_role"
    )
    Shop(shop.url, shop.sandbox, pooled.settings).sync(rate_per_s=200)
    shop.assert_equals_api()


def test_one_pull_at_a_time_holds_behind_the_pooler(shop: Shop, pooled: Shop) -> None:
    with PullLock(str(pooled.settings.database_url), wait_s=0), pytest.raises(AnotherPullRunning):
        shop.sync(lock_wait_s=0.1)
    # The pooler ends the first one's transaction a moment after its client has gone.
    with PullLock(shop.url, wait_s=5), pytest.raises(AnotherPullRunning):
        Shop(shop.url, shop.sandbox, pooled.settings).sync(lock_wait_s=0.1)
