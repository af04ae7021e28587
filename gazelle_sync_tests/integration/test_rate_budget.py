"""The budget of requests, by the sandbox's own record of arrivals, over all processes."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from httpcore import NetworkStream
from httpcore._backends.sync import SyncBackend

from gazelle_sync.gazelle import throttle as throttle_module
from gazelle_sync.gazelle.auth import FixedToken
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.gazelle.throttle import TRANSIT_S, USABLE_S, Throttle
from gazelle_sync.pull.context import Mode
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import take
from gazelle_sync_tests.support.distance import far_away
from gazelle_sync_tests.support.shop import Shop

PATIENCE_S = 5.0


def busiest_second(arrivals: list[float]) -> int:
    return max(bisect_right(arrivals, first + 1 - 1e-9) - place for place, first in enumerate(arrivals))


def sent_by(throttle: Throttle, *, threads: int, requests: int) -> list[float]:
    """When each of so many requests of so many threads could be sent, in order."""
    sent: list[float] = []

    def send() -> None:
        for _ in range(requests):
            token = throttle.wait()
            sent.append(time.monotonic())
            throttle.arrived(token)

    senders = [threading.Thread(target=send) for _ in range(threads)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return sorted(sent)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an answer says that a request arrived: on a busy machine any request may be long on its way."""
    monkeypatch.setattr(throttle_module, "TRANSIT_S", PATIENCE_S)


def sender(url: str, sandbox_url: str, rate: int, requests: int) -> list[str]:
    """The command of a process with two threads that send so many requests each."""
    script = (
        "import threading\n"
        "from gazelle_sync.gazelle import throttle as module\n"
        "from gazelle_sync.gazelle.throttle import Throttle\n"
        f"module.TRANSIT_S = {PATIENCE_S}\n"
        "from gazelle_sync.sandbox.admin import plain_client\n"
        f"throttle = Throttle({rate}, {url!r})\n"
        f"client = plain_client({sandbox_url!r})\n"
        "def send():\n"
        f"    for _ in range({requests}):\n"
        "        token = throttle.wait()\n"
        "        client.post('/graphql/private/', content=b'{}')\n"
        "        throttle.arrived(token)\n"
        "client.get('/_sandbox/health')\n"
        "threads = [threading.Thread(target=send) for _ in range(2)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "throttle.close()\n"
    )
    return [sys.executable, "-c", script]


@pytest.mark.parametrize("rate", [10, 50])
def test_two_processes_at_once_never_exceed_the_budget(shop: Shop, rate: int) -> None:
    """Each process sends `rate` requests: together two seconds of work. `make bench` measures how much they use."""
    shop.admin.reset_stats()
    processes = [subprocess.Popen(sender(shop.url, shop.sandbox.url, rate, rate // 2)) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    arrivals = shop.admin.stats()["arrivals_monotonic"]
    assert len(arrivals) == 2 * 2 * (rate // 2)
    assert busiest_second(arrivals) <= rate


def test_two_processes_never_exceed_the_budget_of_which_one_has_the_database_far_away(shop: Shop) -> None:
    shop.admin.reset_stats()
    with far_away(shop.url) as far:
        urls = (far.url, shop.url)
        processes = [subprocess.Popen(sender(url, shop.sandbox.url, 20, requests=10)) for url in urls]
        assert [process.wait(timeout=60) for process in processes] == [0, 0]
    arrivals = shop.admin.stats()["arrivals_monotonic"]
    assert len(arrivals) == 2 * 2 * 10
    assert busiest_second(arrivals) <= 20


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("round_trip_s", [0.06, 0.5])
def test_a_database_far_away_costs_no_token(database: str, round_trip_s: float) -> None:
    """As many requests as with the database beside it, but for a round trip or two; and few statements for them."""
    with far_away(database, round_trip_s) as far:
        throttle = Throttle(50, far.url)
        sent = sent_by(throttle, threads=5, requests=30)
        throttle.close()
    assert busiest_second(sent) <= 50
    with psycopg.connect(database) as connection:
        [(value,)] = connection.execute("SELECT value::jsonb FROM system_settings WHERE key = 'request_leases'")
    assert value["holder"] == [None] * 50, "an ended process gives everything back"


@pytest.mark.usefixtures("patient")
def test_a_way_that_is_suddenly_long_makes_nobody_send_too_early_or_wait_for_ever(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each third statement takes a second more, before or after the database has done it."""
    asked = itertools.count(1)
    row = Throttle._row

    def slow(self: Throttle, wanted: int, returned: Mapping[int, float]) -> tuple[Any, float, float]:
        number, began = next(asked), time.monotonic()
        if number % 6 == 3:
            time.sleep(1.0)
        found, began_inside, answered = row(self, wanted, returned)
        if number % 6 == 0:
            time.sleep(1.0)
            answered = time.monotonic()
        return found, min(began, began_inside), answered

    monkeypatch.setattr(Throttle, "_row", slow)
    throttles = [Throttle(20, database) for _ in range(2)]
    sent: list[float] = []
    threads = [threading.Thread(target=lambda t=t: sent.extend(sent_by(t, threads=2, requests=20))) for t in throttles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for throttle in throttles:
        throttle.close()
    assert len(sent) == 2 * 2 * 20
    assert busiest_second(sorted(sent)) <= 20


def test_a_process_that_dies_with_its_tokens_holds_them_no_longer_than_their_term(database: str) -> None:
    dead = Throttle(10, database)
    dead.wait()
    other = Throttle(10, database)
    sent = sent_by(other, threads=4, requests=5)
    with psycopg.connect(database) as connection:
        [(value,)] = connection.execute("SELECT value::jsonb FROM system_settings WHERE key = 'request_leases'")
    other.close()
    dead._keeping.close()  # without giving back
    assert len(set(value["holder"])) == 1, "the one that lives holds all"
    assert busiest_second(sent) <= 10


def test_an_answer_that_was_lost_leaves_the_budget_true(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The statement was done, and its answer never came: what it gave away is nobody's until its term ends."""
    throttle = Throttle(10, database)
    throttle.wait()
    row = Throttle._row

    def lost(self: Throttle, wanted: int, returned: Mapping[int, float]) -> tuple[Any, float, float]:
        monkeypatch.setattr(Throttle, "_row", row)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(statement("gazelle/request_lease"), {
                "holder": self._holder, "wanted": 10, "tokens": 10, "term_s": 1.5, "returned": [], "free_in_s": [],
            })  # fmt: skip
        monkeypatch.setattr(throttle_module, "take", cut)
        return row(self, wanted, returned)

    def cut(url: str) -> Connection:
        monkeypatch.setattr(throttle_module, "take", take)
        connection = take(url)
        connection.close()
        return connection

    monkeypatch.setattr(Throttle, "_row", lost)
    sent = sent_by(throttle, threads=4, requests=8)
    throttle.close()
    assert busiest_second(sent) <= 10


def test_a_request_is_not_written_with_a_token_that_ran_out_while_its_connection_was_opened(database: str) -> None:
    throttle = Throttle(10, database)
    token = throttle.wait()
    assert token is not None
    assert throttle.writing(token) is token
    throttle._leases[token.number].usable_until = time.monotonic() - 0.01
    other = throttle.writing(token)
    assert other is not None
    assert other is not token
    assert throttle._leases[other.number].usable_until > time.monotonic()
    throttle.close()


def test_a_connection_that_takes_longer_to_open_than_a_token_can_be_used_is_opened_once_and_used(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is looked up slowly, say: given up and opened anew, it would take as long for ever."""
    connect = SyncBackend.connect_tcp
    opened: list[float] = []

    def slowly(self: SyncBackend, *arguments: Any, **named: Any) -> NetworkStream:
        opened.append(time.monotonic())
        assert len(opened) == 1
        time.sleep(USABLE_S + 0.2)
        return connect(self, *arguments, **named)

    monkeypatch.setattr(SyncBackend, "connect_tcp", slowly)
    throttle = Throttle(10, shop.url)
    client = GazelleClient(shop.sandbox.url, FixedToken(shop.sandbox.api_key), throttle)
    shop.admin.reset_stats()
    client.execute("Ping", "query Ping { __typename }")
    client.close()
    assert shop.admin.stats()["arrivals"] == 1


def test_a_request_that_is_long_on_its_way_holds_its_token_no_longer_than_the_budget_can_bear(database: str) -> None:
    """Ten tokens, each used again a second after its request arrived: unanswered ones count as arrived after 80 ms."""
    throttle = Throttle(10, database)
    tokens: dict[int, list[float]] = {}
    for _ in range(21):
        token = throttle.wait()
        assert token is not None
        tokens.setdefault(token.number, []).append(throttle._demand.used_at[-1])  # by the throttle's own clock
    throttle.close()
    assert len(tokens) == 10
    for used in tokens.values():
        assert all(later - earlier >= 1.0 + TRANSIT_S - 1e-3 for earlier, later in pairwise(used))


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
        'VALUES (\'request_leases\', format(\'{"holder": ["x"], "until": [%s]}\', '
        "extract(epoch FROM now() + interval '2 hours'))) "
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
