"""What is wrong is told once to whoever should hear it, over real SMTP and HTTP, and so is its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from gazelle_sync.errors import Cause, EntityFailed, MassDeletion, OperationFailed
from gazelle_sync.incidents import outage
from gazelle_sync.incidents.facts import EndedRun
from gazelle_sync.incidents.watch import WatchResult, keep_watching
from gazelle_sync.notifications import delivery, ledger
from gazelle_sync_tests.support.desk import UNREACHABLE, Desk
from gazelle_sync_tests.support.distance import far_away
from gazelle_sync_tests.support.receivers import (
    HOOK_TOKEN,
    PASSWORD,
    Webhook,
    dripping,
    free_port,
    mail_server,
    webhook,
)


def test_a_healthy_shop_writes_and_says_nothing(desk: Desk, hook: Webhook) -> None:
    desk.run()
    assert desk.look(alert_urls=(hook.url,)) == WatchResult()
    assert desk.rows() == []
    assert hook.received == []


def test_a_gazelle_whose_clock_is_hours_behind_is_not_stale(desk: Desk) -> None:
    desk.query("UPDATE system_settings SET value = '2020-01-01T00:00:00+00:00' WHERE starts_with(key, 'last_sync')")
    desk.run()
    assert desk.look() == WatchResult()


def test_a_failed_run_is_told_once_by_mail_and_so_is_its_end(desk: Desk) -> None:
    with mail_server() as mail:
        run_id = desk.run(clients=UNREACHABLE, pianos=UNREACHABLE)
        urls = (mail.url(),)
        assert desk.look(alert_urls=urls).sent == 1
        for _ in range(3):
            desk.run(clients=UNREACHABLE, pianos=UNREACHABLE)
            assert desk.look(alert_urls=urls) == WatchResult()
        (letter,) = mail.letters
        assert letter.to == ["patronne@atelier.example"]
        assert "The sync failed: Clients, Pianos" in letter.subject
        assert "Gazelle cannot be reached" in letter.body
        assert f"http://127.0.0.1:3000/runs/{run_id}" in letter.body
        desk.run()
        assert desk.look(alert_urls=urls).sent == 1
        assert "Over: The sync failed: Clients, Pianos" in mail.letters[1].subject
        assert desk.look(alert_urls=urls) == WatchResult()
        assert len(mail.letters) == 2
    assert desk.rows() == [
        ("alert", "failed_run", "sent", "recovered"),
        ("recovery", "failed_run", "sent", "recovered"),
    ]


def test_another_entity_that_fails_meanwhile_is_another_trouble(desk: Desk, hook: Webhook) -> None:
    desk.run(clients=UNREACHABLE)
    desk.look(alert_urls=(hook.url,))
    desk.run(clients=UNREACHABLE, pianos=MassDeletion("pianos: 40 records are no longer listed", number=40))
    desk.look(alert_urls=(hook.url,))
    assert [title.partition(": ")[2] for title in hook.titles] == [
        "The sync failed: Clients",
        "The sync failed: Pianos",
    ]
    assert "40 records or more are gone" in hook.received[1]["message"]


def test_an_alert_that_cannot_be_delivered_is_shown_as_such_and_tried_again(desk: Desk) -> None:
    port = free_port()
    urls = (f"json://robot:{PASSWORD}@127.0.0.1:{port}/{HOOK_TOKEN}",)
    desk.run(clients=UNREACHABLE)
    assert desk.look(alert_urls=urls).failed == 1
    assert desk.rows() == [("alert", "failed_run", "failed", "open")]
    ((pause, error),) = desk.query("SELECT next_try_at - now(), last_error FROM alert_log")
    assert timedelta(seconds=30) < pause < timedelta(minutes=2)
    assert error
    with psycopg.connect(desk.url) as connection:
        status = ledger.read_ledger_status(connection)
    assert (status.undelivered, len(status.open)) == (1, 1)
    assert desk.look(alert_urls=urls) == WatchResult(), "not before the pause is over"
    desk.run()
    desk.hasten()
    assert desk.look(alert_urls=urls).failed == 1, "its end is not told before the trouble itself"
    with webhook(port) as hook:
        desk.hasten()
        assert desk.look(alert_urls=urls).sent == 2
        assert [title.split()[0] for title in hook.titles] == ["✗", "✓"]
    assert {row[2] for row in desk.rows()} == {"sent"}


def test_a_service_that_may_have_the_message_gets_the_second_one_with_a_remark(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TIMEOUT_S", 0.3)
    desk.run(clients=UNREACHABLE)
    with dripping() as url:
        desk.look(alert_urls=(url,))
    assert desk.query("SELECT status, was_interrupted FROM alert_log") == [("failed", True)]


def test_the_pause_between_tries_grows_to_an_hour(desk: Desk) -> None:
    urls = (f"json://127.0.0.1:{free_port()}",)
    desk.run(clients=UNREACHABLE)
    pauses = []
    for _ in range(9):
        desk.look(alert_urls=urls)
        pauses += desk.query("SELECT round(extract(epoch FROM next_try_at - claimed_at) / 60)::int FROM alert_log")
        desk.hasten()
    assert [minutes for (minutes,) in pauses] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_server_that_refuses_one_of_two_readers_is_tried_again_for_that_one_only(desk: Desk, hook: Webhook) -> None:
    with mail_server() as mail:
        mail.refuses = True
        urls = (mail.url("a@atelier.example", "b@atelier.example"), hook.url)
        desk.run(clients=UNREACHABLE)
        assert desk.look(alert_urls=urls) == WatchResult(opened=1, sent=1, failed=2)
        mail.refuses = False
        desk.hasten()
        assert desk.look(alert_urls=urls).sent == 2
        assert sorted(to for letter in mail.letters for to in letter.to) == ["a@atelier.example", "b@atelier.example"]
    assert len(hook.received) == 1


def test_six_that_look_at_once_tell_one_trouble_once(desk: Desk, hook: Webhook) -> None:
    desk.run(clients=UNREACHABLE)
    start = threading.Barrier(6)

    def look(_: int) -> WatchResult:
        start.wait()
        return desk.look(alert_urls=(hook.url,))

    with ThreadPoolExecutor(6) as threads:
        watched = list(threads.map(look, range(6)))
    assert sum(one.opened for one in watched) == 1
    assert len(hook.received) == 1


def test_a_message_that_is_being_sent_is_not_sent_by_another_process(desk: Desk, hook: Webhook) -> None:
    hook.delay = threading.Event()
    desk.run(clients=UNREACHABLE)
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(desk.look, alert_urls=(hook.url,))
        while desk.rows() != [("alert", "failed_run", "sending", "open")]:
            assert not slow.done()
        assert desk.look(alert_urls=(hook.url,)) == WatchResult()
        hook.delay.set()
        assert slow.result().sent == 1
    assert len(hook.received) == 1


def test_a_message_whose_sender_died_is_sent_again_and_says_so(desk: Desk, hook: Webhook) -> None:
    desk.run(clients=UNREACHABLE)
    desk.look(alert_urls=(hook.url,))
    desk.query("UPDATE alert_log SET status = 'sending', sent_at = NULL, claimed_at = now() - interval '9 minutes'")
    assert desk.look(alert_urls=(hook.url,)) == WatchResult(), "it may still be at it"
    desk.query("UPDATE alert_log SET claimed_at = now() - interval '11 minutes'")
    assert desk.look(alert_urls=(hook.url,), language="fr").sent == 1
    assert "seconde copie" in hook.received[1]["message"]


def test_a_trouble_that_comes_back_within_the_cool_down_waits_until_it_is_over(desk: Desk, hook: Webhook) -> None:
    urls = (hook.url,)
    for _ in range(4):
        desk.run(clients=UNREACHABLE)
        desk.look(alert_urls=urls)
        desk.run()
        desk.look(alert_urls=urls)
    assert [title.split()[0] for title in hook.titles] == ["✗", "✓"], "the first time only"
    desk.run(clients=UNREACHABLE)
    desk.look(alert_urls=urls)
    desk.query("UPDATE alert_log SET sent_at = sent_at - interval '3 hours'")
    desk.hasten()
    desk.look(alert_urls=urls)
    assert [title.split()[0] for title in hook.titles] == ["✗", "✓", "✗"], "it lasts: it is told"


def test_with_nobody_set_the_alert_stands_in_the_log_and_in_alert_log(desk: Desk) -> None:
    desk.run(clients=UNREACHABLE)
    desk.look()
    assert desk.rows() == [("alert", "failed_run", "logged", "open")]
    assert desk.query("SELECT recipient FROM alert_log") == [("log",)]
    desk.run()
    desk.look()
    assert desk.rows()[1] == ("recovery", "failed_run", "logged", "recovered")


def test_what_is_owed_to_somebody_who_is_no_longer_set_is_withdrawn(desk: Desk, hook: Webhook) -> None:
    desk.run(clients=UNREACHABLE)
    desk.look(alert_urls=(f"json://127.0.0.1:{free_port()}",))
    desk.look(alert_urls=(hook.url,))
    assert desk.rows() == [("alert", "failed_run", "withdrawn", "open")]


def test_an_address_that_apprise_does_not_know_is_shown_as_undelivered(desk: Desk) -> None:
    desk.run(clients=UNREACHABLE)
    assert desk.look(alert_urls=("pigeon://loft",)).failed == 1
    ((error,),) = desk.query("SELECT last_error FROM alert_log")
    assert "does not understand" in error


def test_no_password_token_or_particular_of_a_client_is_in_any_text_or_column(
    desk: Desk, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    instantiate = delivery._instantiate

    def without_a_pause(url: str) -> Any:
        plugin = instantiate(url)
        plugin.request_rate_per_sec = 0  # Apprise waits between two letters
        return plugin

    monkeypatch.setattr(delivery, "_instantiate", without_a_pause)
    secrets = (PASSWORD, HOOK_TOKEN, "Tremblay", "514 555-0123")
    leaky = f"Marie Tremblay 514 555-0123 {PASSWORD} {HOOK_TOKEN}"
    hook.status = 500
    with mail_server() as mail:
        mail.refuses = True
        desk.run(clients=OperationFailed("clients", [leaky]), pianos=EntityFailed(leaky))
        assert desk.look(alert_urls=(hook.url, mail.url())).failed == 4
        mail.refuses = False
        hook.status = 200
        desk.hasten()
        assert desk.look(alert_urls=(hook.url, mail.url())).sent == 4
        told = str(mail.letters) + str(hook.received)
    held = str(desk.query("SELECT to_jsonb(alert_log)::text FROM alert_log"))
    log = "".join(path.read_text() for path in desk.settings.home.rglob("*.log"))
    for secret in secrets:
        assert secret not in told + held + log, secret
    assert "E-Mail: patronne@atelier.example" in held


def test_a_database_out_of_reach_is_told_once_and_its_return_as_well(desk: Desk, hook: Webhook) -> None:
    urls = (hook.url,)
    away = f"postgresql://nobody:{PASSWORD}@127.0.0.1:{free_port()}/none"
    ended = EndedRun(None, "tick", succeeded=False, cause=Cause("database"))
    for _ in range(3):
        desk.look(ended, alert_urls=urls, database_url=away)
    assert len(hook.received) == 1
    assert "The database cannot be reached" in hook.titles[0]
    desk.look(alert_urls=urls)
    assert [title.split()[0] for title in hook.titles] == ["✗", "✓"]
    assert desk.rows() == [("alert", "database", "sent", "recovered"), ("recovery", "database", "sent", "recovered")]
    assert desk.look(alert_urls=urls) == WatchResult()


def test_a_server_that_only_restarts_is_not_told(desk: Desk, hook: Webhook) -> None:
    away = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    desk.look(alert_urls=(hook.url,), database_url=away)
    desk.look(alert_urls=(hook.url,))
    assert hook.received == []
    assert desk.rows() == []


def test_an_outage_that_could_not_be_told_is_told_when_the_database_is_back(desk: Desk) -> None:
    port = free_port()
    urls = (f"json://127.0.0.1:{port}",)
    away = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    desk.look(EndedRun(None, "tick", succeeded=False), alert_urls=urls, database_url=away)
    with webhook(port) as hook:
        desk.look(alert_urls=urls)
        assert [title.split()[0] for title in hook.titles] == ["✗", "✓"]


def test_up_tells_of_an_outage_and_of_its_end_without_dagster(
    desk: Desk, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sensors stand still when the server that holds its storage too is away."""
    monkeypatch.setattr(outage, "LASTS", timedelta(seconds=0.5))
    port = free_port()
    with far_away(desk.url, 0.0, port=port) as way:
        settings = desk.settings.replace(database_url=way.url, alert_urls=(hook.url,))
    stopped = threading.Event()
    watching = threading.Thread(target=keep_watching, args=(settings, stopped, 0.1))
    watching.start()
    try:
        wait_for(lambda: hook.titles)
        with far_away(desk.url, 0.0, port=port):
            wait_for(lambda: len(hook.titles) > 1)
    finally:
        stopped.set()
        watching.join()
    assert [title.split()[0] for title in hook.titles] == ["✗", "✓"]
    assert desk.rows() == [("alert", "database", "sent", "recovered"), ("recovery", "database", "sent", "recovered")]


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
