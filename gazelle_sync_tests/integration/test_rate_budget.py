"""The budget of requests, by the sandbox's own record of arrivals, over all processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from bisect import bisect_right

import psycopg
import pytest

from gazelle_sync.gazelle import throttle as throttle_module
from gazelle_sync.gazelle.throttle import TRANSIT_S, Throttle
from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.shop import Shop

PATIENCE_S = 5.0


def busiest_second(arrivals: list[float]) -> int:
    return max(bisect_right(arrivals, first + 1 - 1e-9) - place for place, first in enumerate(arrivals))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an answer says that a request arrived: on a busy machine any request may be long on its way."""
    monkeypatch.setattr(throttle_module, "TRANSIT_S", PATIENCE_S)


@pytest.mark.parametrize("rate", [10, 50])
def test_two_processes_at_once_never_exceed_the_budget(shop: Shop, rate: int) -> None:
    """Each process sends `rate` requests: together two seconds of work. `make bench` measures how much they use."""
    shop.admin.reset_stats()
    script = (
        "import threading\n"
        "from gazelle_sync.gazelle import throttle as module\n"
        "from gazelle_sync.gazelle.throttle import Throttle\n"
        f"module.TRANSIT_S = {PATIENCE_S}\n"
        "from gazelle_sync.sandbox.admin import plain_client\n"
        f"throttle = Throttle({rate}, {shop.url!r})\n"
        f"client = plain_client({shop.sandbox.url!r})\n"
        "def send():\n"
        f"    for _ in range({rate} // 2):\n"
        "        token = throttle.wait()\n"
        "        client.post('/graphql/private/', content=b'{}')\n"
        "        throttle.arrived(token)\n"
        "client.get('/_sandbox/health')\n"
        "threads = [threading.Thread(target=send) for _ in range(2)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    arrivals = shop.admin.stats()["arrivals_monotonic"]
    assert len(arrivals) == 2 * 2 * (rate // 2)
    assert busiest_second(arrivals) <= rate


def test_a_request_that_is_long_on_its_way_holds_its_token_no_longer_than_the_budget_can_bear(database: str) -> None:
    """Ten tokens, each lent again a second after its request arrived: unanswered ones count as arrived after 50 ms."""
    throttle = Throttle(10, database)
    sent = []
    for _ in range(21):
        throttle.wait()
        sent.append(time.monotonic())
    throttle.close()
    assert min(later - earlier for earlier, later in zip(sent, sent[10:], strict=False)) >= 1.0
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT value::float8[] FROM system_settings WHERE key = 'api_budget'").fetchall()
    [[(starts, *budget)]] = rows
    assert len(budget) == 10
    assert max(budget) == pytest.approx(starts + 1.0 + TRANSIT_S, abs=1e-3)


@pytest.mark.usefixtures("patient")
def test_a_pull_keeps_the_budget(shop: Shop) -> None:
    shop.admin.reset_stats()
    shop.sync(Mode.DEEP, rate_per_s=20, page_size=10)
    stats = shop.admin.stats()
    assert len(stats["arrivals_monotonic"]) > 40
    assert stats["max_in_a_second"] <= 20


@pytest.mark.usefixtures("patient")
def test_a_server_that_counts_refuses_none_of_ten_a_second(shop: Shop) -> None:
    shop.admin.settings(rate_per_s=10)
    shop.admin.reset_stats()
    shop.sync(rate_per_s=10)
    assert shop.admin.stats()["refused"] == {}


def test_a_server_that_counts_less_than_we_do_is_obeyed(shop: Shop) -> None:
    shop.admin.settings(rate_per_s=5)
    shop.admin.random_edits()
    shop.sync(rate_per_s=0)
    shop.admin.settings(rate_per_s=0)
    assert shop.admin.stats()["refused"]["429"] > 0
    shop.assert_equals_api()


def test_a_request_far_in_the_future_is_not_believed(shop: Shop) -> None:
    shop.query(
        "INSERT INTO system_settings (key, value) "
        "VALUES ('api_budget', format('{%s}', extract(epoch FROM now() + interval '2 hours'))) "
        "ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value"
    )
    throttle = Throttle(10, shop.url)
    began = time.monotonic()
    throttle.wait()
    throttle.close()
    assert time.monotonic() - began < 60


def test_without_a_limit_nobody_waits_but_for_retry_after(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    throttle = Throttle(0, database)
    with monkeypatch.context() as without_sleep:
        without_sleep.setattr(time, "sleep", lambda _: pytest.fail("there is nothing to wait for"))
        for _ in range(100):
            throttle.wait()
    began = time.monotonic()
    throttle.hold(0.3)
    threads = [threading.Thread(target=throttle.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began >= 0.3
