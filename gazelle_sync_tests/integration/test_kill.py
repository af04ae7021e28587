"""Killing the process at any point loses nothing and doubles nothing."""

from __future__ import annotations

import os
import random
import signal
import time
from unittest.mock import Mock

import pytest
import structlog

from gazelle_sync.errors import AnotherPullRunning, DatabaseError
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.replay import Replay
from gazelle_sync.pull.session import Pull
from gazelle_sync.warehouse.connect import connect, statement
from gazelle_sync.warehouse.lock import PULL_LOCK, PullLock, pull_is_running, push_is_running
from gazelle_sync_tests.support.lanes import one_here
from gazelle_sync_tests.support.processes import Processes
from gazelle_sync_tests.support.shop import PRODUCTION, Shop

MORE_MOMENTS = "other moments, as in a campaign"


def assert_nothing_is_doubled(shop: Shop) -> None:
    for table in PRODUCTION:
        assert shop.count(table, f"1 < (SELECT count(*) FROM {table} AS o WHERE o.external_id = t.external_id)") == 0  # noqa: S608
    for name in ("clients", "pianos", "appointments", "timeline", "invoices", "users", "products"):
        versions = shop.rows(f"staging_{name}")
        last: dict[str, object] = {}
        for version in sorted(versions, key=lambda row: row["fetched_at"]):
            assert last.get(version["external_id"], ...) != version["raw_data"], (
                "the same body is stored twice in a row"
            )
            last[version["external_id"]] = version["raw_data"]


@pytest.mark.parametrize("seed", one_here(range(2), MORE_MOMENTS))
def test_a_first_pull_killed_at_random_moments_is_taken_up_by_the_next(
    new_shop: Shop, processes: Processes, seed: int
) -> None:
    draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
    for _ in range(5):
        processes.pull_and_kill(new_shop.environment(GAZELLE_PAGE_SIZE="25"), draw.uniform(0.02, 0.6))
    new_shop.sync()
    assert_nothing_is_doubled(new_shop)
    new_shop.assert_equals_api()
    assert new_shop.value("SELECT count(*) FROM sync_logs WHERE status = 'running'") == 0


@pytest.mark.parametrize("seed", one_here(range(3), MORE_MOMENTS))
def test_pulls_of_changes_killed_at_random_moments_lose_nothing(shop: Shop, processes: Processes, seed: int) -> None:
    draw = random.Random(100 + seed)  # noqa: S311 - reproducible, not secret
    environment = shop.environment(GAZELLE_PAGE_SIZE="25")
    for number in range(5):
        shop.admin.random_edits(seed=seed * 10 + number, clients=4, pianos=3, events=10, timeline=5)
        shop.admin.delete("timeline", draw.choice(shop.admin.dump("timeline"))["id"])
        mode = draw.choice([Mode.TICK, Mode.TICK, Mode.DEEP])
        processes.pull_and_kill(environment, draw.uniform(0.02, 0.5), mode)
    shop.sync()
    shop.sync(Mode.DEEP)
    assert_nothing_is_doubled(shop)
    shop.assert_equals_api()
    before = shop.fingerprint()
    shop.replay()
    assert shop.fingerprint() == before


def test_a_dead_runs_row_is_closed_by_the_next_run(shop: Shop, processes: Processes) -> None:
    shop.admin.settings(latency_ms=1000)
    pid = processes.begin(shop.environment())
    shop.while_pulling(lambda: os.kill(pid, signal.SIGKILL)).join()
    assert processes.end(pid) == -signal.SIGKILL
    assert shop.last_log()["status"] == "running"
    shop.admin.settings(latency_ms=0)
    shop.sync()
    statuses = [row["status"] for row in sorted(shop.rows("sync_logs"), key=lambda row: int(row["id"]))]
    assert statuses[-2:] == ["error", "success"]


def test_what_is_read_after_a_killed_run_whose_clock_was_ahead_counts_as_the_newest(shop: Shop) -> None:
    client = shop.rows("gazelle_clients", "NOT is_stub")[0]["external_id"]
    shop.query("UPDATE staging_clients SET fetched_at = now() + interval '1 hour' WHERE external_id = %s", client)
    shop.query("UPDATE sync_logs SET status = 'running'")
    shop.admin.edit("clients", client, companyName="Lu en dernier")
    shop.sync()
    shop.replay()
    assert shop.row("gazelle_clients", client)["company_name"] == "Lu en dernier"


def test_the_lock_dies_with_its_process(shop: Shop, processes: Processes) -> None:
    shop.admin.settings(latency_ms=300)
    pid = processes.begin(shop.environment())
    deadline = time.monotonic() + 10
    while not pull_is_running(shop.url):
        assert time.monotonic() < deadline
    os.kill(pid, signal.SIGKILL)
    processes.end(pid)
    shop.admin.settings(latency_ms=0)
    shop.sync(lock_wait_s=5)


def test_a_second_pull_waits_for_the_first(shop: Shop, processes: Processes) -> None:
    both = [processes.begin(shop.environment()) for _ in range(2)]
    assert [processes.end(pid) for pid in both] == [0, 0]
    logs = [row for row in shop.rows("sync_logs") if row["status"] == "success"]
    assert len(logs) == 3
    shop.assert_equals_api()


def test_a_second_pull_says_that_another_is_running(shop: Shop) -> None:
    with PullLock(shop.url, wait_s=0), pytest.raises(AnotherPullRunning, match="Another pull is running"):
        shop.sync(lock_wait_s=0.3)
    shop.sync()


def test_whoever_asks_whether_a_pull_is_running_holds_up_none(shop: Shop) -> None:
    with connect(shop.url) as asking:
        assert asking.execute(statement("warehouse/lock_is_held"), [PULL_LOCK]).fetchone() == (False,)
        with PullLock(shop.url, wait_s=0):  # the question's transaction is still open
            assert pull_is_running(shop.url)
            assert not push_is_running(shop.url)
    assert not pull_is_running(shop.url)


def test_a_pull_that_could_not_begin_leaves_its_name_on_no_later_line(shop: Shop) -> None:
    with PullLock(shop.url, wait_s=0):
        with pytest.raises(AnotherPullRunning):
            shop.sync(lock_wait_s=0)
        assert structlog.contextvars.get_contextvars() == {}
        with pytest.raises(AnotherPullRunning), Replay(shop.settings, run_id="replay", lock_wait_s=0):
            pass
    assert structlog.contextvars.get_contextvars() == {}


def test_two_first_pulls_at_once_double_nothing(new_shop: Shop, processes: Processes) -> None:
    three = [processes.begin(new_shop.environment()) for _ in range(3)]
    assert [processes.end(pid) for pid in three] == [0, 0, 0]
    assert_nothing_is_doubled(new_shop)
    new_shop.assert_equals_api()


def cut_connections(shop: Shop, which: str) -> None:
    shop.query(f"SELECT pg_terminate_backend(pid) FROM {which} AND pid <> pg_backend_pid()")  # noqa: S608


def test_connections_cut_in_the_middle_end_the_pull_clearly_and_the_next_run_heals(shop: Shop) -> None:
    shop.admin.random_edits(clients=10, pianos=10, events=30, timeline=20)
    shop.admin.settings(latency_ms=500)
    cut = shop.while_pulling(lambda: cut_connections(
        shop, "pg_stat_activity WHERE datname = current_database() AND application_name = 'gazelle_sync'"
    ))  # fmt: skip
    with pytest.raises(
        DatabaseError, match=r"cannot be reached or the connection was lost|connection that holds the lock"
    ):
        shop.sync()
    cut.join()
    shop.admin.settings(latency_ms=0)
    shop.sync()
    assert_nothing_is_doubled(shop)
    shop.assert_equals_api()


def test_a_pull_that_lost_its_lock_moves_no_watermark(shop: Shop) -> None:
    shop.query("UPDATE system_settings SET value = '2026-01-01T00:00:00+00:00' WHERE key LIKE 'last_sync_date%'")
    marks = shop.watermarks()
    shop.admin.settings(latency_ms=500)
    cut = shop.while_pulling(lambda: cut_connections(
        shop, "pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database "
        "WHERE datname = current_database())"
    ))  # fmt: skip
    outcome = shop.sync(check=False)
    cut.join()
    assert outcome.errors
    assert all(isinstance(error, DatabaseError) for error in outcome.errors.values())
    assert shop.watermarks() == marks


@pytest.mark.parametrize(
    "place",
    [
        "gazelle_sync.pull.session.read_snapshots",
        "gazelle_sync.pull.session.Conclusion",
        "gazelle_sync.pull.session.log",
    ],
)
def test_a_pull_that_is_stopped_while_it_begins_says_so_in_its_log(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(place, Mock(side_effect=KeyboardInterrupt(15), **{"info.side_effect": KeyboardInterrupt(15)}))
    with pytest.raises(KeyboardInterrupt), Pull(shop.settings):
        pytest.fail("the pull has begun")
    with PullLock(shop.url, wait_s=5):  # the server releases it a moment after the connection has ended
        assert shop.last_log()["status"] == "error"


def test_a_replay_that_is_stopped_while_it_begins_says_so_in_its_log(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gazelle_sync.pull.load.end_abandoned", Mock(side_effect=KeyboardInterrupt(15)))
    with pytest.raises(KeyboardInterrupt), Replay(shop.settings, run_id="stopped"):
        pytest.fail("the replay has begun")
    with PullLock(shop.url, wait_s=5):  # the server releases it a moment after the connection has ended
        assert shop.last_log()["status"] == "error"
