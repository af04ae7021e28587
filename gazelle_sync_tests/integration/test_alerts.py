"""Alerts are sent once per incident, and on recovery, over real SMTP and HTTP."""

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
from gazelle_sync.i18n.translator import NARROW, NO_BREAK
from gazelle_sync.incidents import outage
from gazelle_sync.incidents.facts import EndedRun
from gazelle_sync.incidents.watch import WatchResult, keep_watching
from gazelle_sync.monitoring.status import alerts_as_json, read_situation
from gazelle_sync.notifications import delivery, ledger
from gazelle_sync.warehouse.pool import keep_connections
from gazelle_sync_tests.support.distance import COUNTED_S, far_away
from gazelle_sync_tests.support.receivers import (
    HOOK_TOKEN,
    PASSWORD,
    Webhook,
    dripping,
    free_port,
    mail_server,
    webhook,
)
from gazelle_sync_tests.support.run_recorder import UNREACHABLE, RunRecorder


def test_a_healthy_shop_writes_and_says_nothing(recorder: RunRecorder, hook: Webhook) -> None:
    recorder.run()
    assert recorder.look(alert_urls=(hook.url,)) == WatchResult()
    assert recorder.rows() == []
    assert hook.received == []


def test_where_nothing_is_to_be_told_or_ended_a_look_is_one_round_trip(recorder: RunRecorder) -> None:
    recorder.run()
    with far_away(recorder.url, COUNTED_S) as far, keep_connections():
        recorder.look(database_url=far.url)
        far.round_trips()
        assert recorder.look(database_url=far.url) == WatchResult()
        assert list(map(len, far.round_trips())) == [1]


def test_a_gazelle_whose_clock_is_hours_behind_is_not_stale(recorder: RunRecorder) -> None:
    recorder.query("UPDATE system_settings SET value = '2020-01-01T00:00:00+00:00' WHERE starts_with(key, 'last_sync')")
    recorder.run()
    assert recorder.look() == WatchResult()


def test_a_failed_run_is_told_once_by_mail_and_so_is_its_end(recorder: RunRecorder) -> None:
    with mail_server() as mail:
        run_id = recorder.run(clients=UNREACHABLE, pianos=UNREACHABLE)
        urls = (mail.url(),)
        assert recorder.look(alert_urls=urls).sent == 1
        for _ in range(3):
            recorder.run(clients=UNREACHABLE, pianos=UNREACHABLE)
            assert recorder.look(alert_urls=urls) == WatchResult()
        (letter,) = mail.letters
        assert letter.to == ["patronne@atelier.example"]
        assert "The sync failed: Clients, Pianos" in letter.subject
        assert "Gazelle cannot be reached" in letter.body
        assert f"http://127.0.0.1:3000/runs/{run_id}" in letter.body
        recorder.run()
        assert recorder.look(alert_urls=urls).sent == 1
        assert "Over: The sync failed: Clients, Pianos" in mail.letters[1].subject
        assert recorder.look(alert_urls=urls) == WatchResult()
        assert len(mail.letters) == 2
    assert recorder.rows() == [
        ("alert", "failed_run", "sent", "recovered"),
        ("recovery", "failed_run", "sent", "recovered"),
    ]


def test_an_open_incident_and_its_end_are_said_in_the_language_of_whoever_reads_them(
    recorder: RunRecorder, hook: Webhook
) -> None:
    recorder.error("pianos", 1344)
    recorder.look(alert_urls=(hook.url,))
    [told] = recorder.query("SELECT title FROM alert_log")
    assert told == ("✗ Gazelle: 1,344 records came into error within an hour",)
    french = recorder.settings.replace(language="fr")
    gap, narrow = NO_BREAK, NARROW
    alerts = alerts_as_json(french, read_situation(french).incidents)
    assert alerts["failure"] == f"✗ Gazelle: 1{narrow}344 fiches en erreur depuis une heure"
    recorder.query("DELETE FROM staging_pianos")
    recorder.look(alert_urls=(hook.url,), language="fr")
    assert hook.titles[1] == f"✓ Gazelle: Terminé{gap}: 1{narrow}344 fiches en erreur depuis une heure"


def test_an_incident_that_an_earlier_version_stored_keeps_its_words(recorder: RunRecorder) -> None:
    recorder.error("pianos", 12)
    recorder.look()
    recorder.query("UPDATE alert_log SET details = NULL")
    french = recorder.settings.replace(language="fr")
    alerts = alerts_as_json(french, read_situation(french).incidents)
    assert alerts["failure"] == "✗ Gazelle: 12 records came into error within an hour"


def test_a_database_that_is_behind_by_the_details_of_alerts_tells_them_all_the_same(
    recorder: RunRecorder, hook: Webhook
) -> None:
    recorder.query("ALTER TABLE alert_log DROP COLUMN details")
    recorder.error("pianos", 12)
    assert recorder.look(alert_urls=(hook.url,)).sent == 1
    assert recorder.look(alert_urls=(hook.url,)) == WatchResult()
    recorder.query("DELETE FROM staging_pianos")
    assert recorder.look(alert_urls=(hook.url,)).closed == 1


def test_another_entity_that_fails_meanwhile_is_another_trouble(recorder: RunRecorder, hook: Webhook) -> None:
    recorder.run(clients=UNREACHABLE)
    recorder.look(alert_urls=(hook.url,))
    recorder.run(clients=UNREACHABLE, pianos=MassDeletion("pianos: 40 records are no longer listed", number=40))
    recorder.look(alert_urls=(hook.url,))
    assert [title.partition(": ")[2] for title in hook.titles] == [
        "The sync failed: Clients",
        "The sync failed: Pianos",
    ]
    assert "40 records or more are gone" in hook.received[1]["message"]


def test_an_alert_that_cannot_be_delivered_is_shown_as_such_and_tried_again(recorder: RunRecorder) -> None:
    port = free_port()
    urls = (f"json://robot:{PASSWORD}@127.0.0.1:{port}/{HOOK_TOKEN}",)
    recorder.run(clients=UNREACHABLE)
    assert recorder.look(alert_urls=urls).failed == 1
    assert recorder.rows() == [("alert", "failed_run", "failed", "open")]
    ((pause, error),) = recorder.query("SELECT next_try_at - now(), last_error FROM alert_log")
    assert timedelta(seconds=30) < pause < timedelta(minutes=2)
    assert error
    with psycopg.connect(recorder.url) as connection:
        status = ledger.read_ledger_status(connection)
    assert (status.undelivered, len(status.open)) == (1, 1)
    assert recorder.look(alert_urls=urls) == WatchResult(), "not before the pause is over"
    recorder.run()
    recorder.hasten()
    assert recorder.look(alert_urls=urls).failed == 1, "its end is not told before the trouble itself"
    with webhook(port) as hook:
        recorder.hasten()
        assert recorder.look(alert_urls=urls).sent == 2
        assert [title.split()[0] for title in hook.titles] == ["✗", "✓"]
    assert {row[2] for row in recorder.rows()} == {"sent"}


def test_a_service_that_may_have_the_message_gets_the_second_one_with_a_remark(
    recorder: RunRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TIMEOUT_S", 0.3)
    recorder.run(clients=UNREACHABLE)
    with dripping() as url:
        recorder.look(alert_urls=(url,))
    assert recorder.query("SELECT status, was_interrupted FROM alert_log") == [("failed", True)]


def test_the_pause_between_tries_grows_to_an_hour(recorder: RunRecorder) -> None:
    urls = (f"json://127.0.0.1:{free_port()}",)
    recorder.run(clients=UNREACHABLE)
    pauses = []
    for _ in range(9):
        recorder.look(alert_urls=urls)
        pauses += recorder.query("SELECT round(extract(epoch FROM next_try_at - claimed_at) / 60)::int FROM alert_log")
        recorder.hasten()
    assert [minutes for (minutes,) in pauses] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_server_that_refuses_one_of_two_readers_is_tried_again_for_that_one_only(
    recorder: RunRecorder, hook: Webhook
) -> None:
    with mail_server() as mail:
        mail.refuses = True
        urls = (mail.url("a@atelier.example", "b@atelier.example"), hook.url)
        recorder.run(clients=UNREACHABLE)
        assert recorder.look(alert_urls=urls) == WatchResult(opened=1, sent=1, failed=2)
        mail.refuses = False
        recorder.hasten()
        assert recorder.look(alert_urls=urls).sent == 2
        assert sorted(to for letter in mail.letters for to in letter.to) == ["a@atelier.example", "b@atelier.example"]
    assert len(hook.received) == 1


def test_six_that_look_at_once_tell_one_trouble_once(recorder: RunRecorder, hook: Webhook) -> None:
    recorder.run(clients=UNREACHABLE)
    start = threading.Barrier(6)

    def look(_: int) -> WatchResult:
        start.wait()
        return recorder.look(alert_urls=(hook.url,))

    with ThreadPoolExecutor(6) as threads:
        watched = list(threads.map(look, range(6)))
    assert sum(one.opened for one in watched) == 1
    assert len(hook.received) == 1


def test_a_message_that_is_being_sent_is_not_sent_by_another_process(recorder: RunRecorder, hook: Webhook) -> None:
    hook.delay = threading.Event()
    recorder.run(clients=UNREACHABLE)
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(recorder.look, alert_urls=(hook.url,))
        while recorder.rows() != [("alert", "failed_run", "sending", "open")]:
            assert not slow.done()
        assert recorder.look(alert_urls=(hook.url,)) == WatchResult()
        hook.delay.set()
        assert slow.result().sent == 1
    assert len(hook.received) == 1


def test_a_message_whose_sender_died_is_sent_again_and_says_so(recorder: RunRecorder, hook: Webhook) -> None:
    recorder.run(clients=UNREACHABLE)
    recorder.look(alert_urls=(hook.url,))
    recorder.query("UPDATE alert_log SET status = 'sending', sent_at = NULL, claimed_at = now() - interval '9 minutes'")
    assert recorder.look(alert_urls=(hook.url,)) == WatchResult(), "it may still be at it"
    recorder.query("UPDATE alert_log SET claimed_at = now() - interval '11 minutes'")
    assert recorder.look(alert_urls=(hook.url,), language="fr").sent == 1
    assert "seconde copie" in hook.received[1]["message"]


def test_a_trouble_that_comes_back_within_the_cool_down_waits_until_it_is_over(
    recorder: RunRecorder, hook: Webhook
) -> None:
    urls = (hook.url,)
    for _ in range(4):
        recorder.run(clients=UNREACHABLE)
        recorder.look(alert_urls=urls)
        recorder.run()
        recorder.look(alert_urls=urls)
    assert [title.split()[0] for title in hook.titles] == ["✗", "✓"], "the first time only"
    recorder.run(clients=UNREACHABLE)
    recorder.look(alert_urls=urls)
    recorder.query("UPDATE alert_log SET sent_at = sent_at - interval '3 hours'")
    recorder.hasten()
    recorder.look(alert_urls=urls)
    assert [title.split()[0] for title in hook.titles] == ["✗", "✓", "✗"], "it lasts: it is told"


def test_with_nobody_set_the_alert_stands_in_the_log_and_in_alert_log(recorder: RunRecorder) -> None:
    recorder.run(clients=UNREACHABLE)
    recorder.look()
    assert recorder.rows() == [("alert", "failed_run", "logged", "open")]
    assert recorder.query("SELECT recipient FROM alert_log") == [("log",)]
    recorder.run()
    recorder.look()
    assert recorder.rows()[1] == ("recovery", "failed_run", "logged", "recovered")


def test_what_is_owed_to_somebody_who_is_no_longer_set_is_withdrawn(recorder: RunRecorder, hook: Webhook) -> None:
    recorder.run(clients=UNREACHABLE)
    recorder.look(alert_urls=(f"json://127.0.0.1:{free_port()}",))
    recorder.look(alert_urls=(hook.url,))
    assert recorder.rows() == [("alert", "failed_run", "withdrawn", "open")]


def test_an_address_that_apprise_does_not_know_is_shown_as_undelivered(recorder: RunRecorder) -> None:
    recorder.run(clients=UNREACHABLE)
    assert recorder.look(alert_urls=("pigeon://loft",)).failed == 1
    ((error,),) = recorder.query("SELECT last_error FROM alert_log")
    assert "does not understand" in error


def test_no_password_token_or_particular_of_a_client_is_in_any_text_or_column(
    recorder: RunRecorder, hook: Webhook, monkeypatch: pytest.MonkeyPatch
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
        recorder.run(clients=OperationFailed("clients", [leaky]), pianos=EntityFailed(leaky))
        assert recorder.look(alert_urls=(hook.url, mail.url())).failed == 4
        mail.refuses = False
        hook.status = 200
        recorder.hasten()
        assert recorder.look(alert_urls=(hook.url, mail.url())).sent == 4
        told = str(mail.letters) + str(hook.received)
    held = str(recorder.query("SELECT to_jsonb(alert_log)::text FROM alert_log"))
    log = "".join(path.read_text() for path in recorder.settings.home.rglob("*.log"))
    for secret in secrets:
        assert secret not in told + held + log, secret
    assert "E-Mail: patronne@atelier.example" in held


def test_a_database_out_of_reach_is_told_once_and_its_return_as_well(recorder: RunRecorder, hook: Webhook) -> None:
    urls = (hook.url,)
    away = f"postgresql://nobody:{PASSWORD}@127.0.0.1:{free_port()}/none"
    ended = EndedRun(None, "tick", succeeded=False, cause=Cause("database"))
    for _ in range(3):
        recorder.look(ended, alert_urls=urls, database_url=away)
    assert len(hook.received) == 1
    assert "The database cannot be reached" in hook.titles[0]
    recorder.look(alert_urls=urls)
    assert [title.split()[0] for title in hook.titles] == ["✗", "✓"]
    assert recorder.rows() == [
        ("alert", "database", "sent", "recovered"),
        ("recovery", "database", "sent", "recovered"),
    ]
    assert recorder.look(alert_urls=urls) == WatchResult()


def test_a_server_that_only_restarts_is_not_told(recorder: RunRecorder, hook: Webhook) -> None:
    away = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    recorder.look(alert_urls=(hook.url,), database_url=away)
    recorder.look(alert_urls=(hook.url,))
    assert hook.received == []
    assert recorder.rows() == []


def test_an_outage_that_could_not_be_told_is_told_when_the_database_is_back(recorder: RunRecorder) -> None:
    port = free_port()
    urls = (f"json://127.0.0.1:{port}",)
    away = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    recorder.look(EndedRun(None, "tick", succeeded=False), alert_urls=urls, database_url=away)
    with webhook(port) as hook:
        recorder.look(alert_urls=urls)
        assert [title.split()[0] for title in hook.titles] == ["✗", "✓"]


def test_up_tells_of_an_outage_and_of_its_end_without_dagster(
    recorder: RunRecorder, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster's sensors stop when the server that holds its storage too is away."""
    monkeypatch.setattr(outage, "LASTS", timedelta(seconds=0.5))
    port = free_port()
    with far_away(recorder.url, 0.0, port=port) as way:
        settings = recorder.settings.replace(database_url=way.url, alert_urls=(hook.url,))
    stopped = threading.Event()
    watching = threading.Thread(target=keep_watching, args=(settings, stopped, 0.1))
    watching.start()
    try:
        wait_for(lambda: hook.titles)
        with far_away(recorder.url, 0.0, port=port):
            # Until it is written down as well: the way to the database closes with this block.
            wait_for(lambda: len(hook.titles) > 1 and all(row[2] == "sent" for row in recorder.rows()))
    finally:
        stopped.set()
        watching.join()
    assert [title.split()[0] for title in hook.titles] == ["✗", "✓"]
    assert recorder.rows() == [
        ("alert", "database", "sent", "recovered"),
        ("recovery", "database", "sent", "recovered"),
    ]


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
