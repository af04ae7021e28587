"""What is wrong is told once to whoever should hear it, over real SMTP and HTTP, and so is its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from gazelle_sync.alerts import delivery, ledger
from gazelle_sync.alerts.facts import CheckResult, EndedRun
from gazelle_sync.alerts.watch import Watched, watch
from gazelle_sync.entities import ENTITIES
from gazelle_sync.settings import Settings
from gazelle_sync_tests.receivers import HOOK_TOKEN, PASSWORD, Webhook, free_port, mail_server, webhook

UNREACHABLE = "ClientsStamps: Gazelle cannot be reached (refused). Check GAZELLE_API_URL and the network."


class Desk:
    """A shop's database, where runs are written down by hand, and the look at it."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.settings = Settings(database_url=url, home=home, language="en")
        self._runs = 0

    def query(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(text.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def run(self, *, seconds: float = 1.0, mode: str = "tick", **failures: str) -> str:
        """Write down a pull of every entity; those named failed."""
        self._runs += 1
        run_id = f"run-{self._runs}"
        stats = {e.name: {"failure": failures.get(e.name), "errors": 0} for e in ENTITIES}
        self.query(
            "INSERT INTO sync_logs (run_id, task_type, mode, status, duration_s, stats, error_message) "
            "VALUES (%s, 'pull', %s, %s, %s, %s, %s)",
            run_id,
            mode,
            "error" if failures else "success",
            seconds,
            Jsonb(stats),
            "\n".join(failures.values()) or None,
        )
        return run_id

    def synced(self, ago: timedelta, *entities: str) -> None:
        for entity in entities or [entity.name for entity in ENTITIES]:
            self.query(
                "INSERT INTO system_settings (key, value, updated_at) VALUES (%s, %s, %s) "
                "ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, updated_at = EXCLUDED.updated_at",
                f"last_sync_date.{entity}",
                (datetime.now(UTC) - ago).isoformat(),
                datetime.now(UTC) - ago,
            )

    def error(self, entity: str, count: int) -> None:
        self.query(
            f"INSERT INTO staging_{entity} "  # noqa: S608 - the tests' own names
            "(external_id, raw_data, fetched_at, sync_status, error_message, processed_at) "
            "SELECT 'bad_' || n, '{}', now(), 'error', 'wrong', now() FROM generate_series(1, %s) AS n",
            count,
        )

    def look(self, ended: EndedRun | None = None, **changes: Any) -> Watched:
        return watch(replace(self.settings, **changes), ended)

    def rows(self) -> list[tuple[Any, ...]]:
        return self.query("SELECT kind, rule, status, state FROM alert_log ORDER BY id")

    def hasten(self) -> None:
        """Let every pause before another try be over."""
        self.query("UPDATE alert_log SET next_try_at = now() WHERE next_try_at IS NOT NULL")


@pytest.fixture
def desk(database: str, tmp_path: Path) -> Desk:
    desk = Desk(database, tmp_path / "home")
    desk.synced(timedelta(minutes=1))
    return desk


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as receiver:
        yield receiver


def test_a_healthy_shop_writes_and_says_nothing(desk: Desk, hook: Webhook) -> None:
    desk.run()
    assert desk.look(alert_urls=(hook.url,)) == Watched()
    assert desk.rows() == []
    assert hook.received == []


def test_a_gazelle_whose_clock_is_hours_behind_is_not_stale(desk: Desk) -> None:
    desk.query("UPDATE system_settings SET value = '2020-01-01T00:00:00+00:00' WHERE starts_with(key, 'last_sync')")
    desk.run()
    assert desk.look() == Watched()


def test_a_failed_run_is_told_once_by_mail_and_so_is_its_end(desk: Desk) -> None:
    with mail_server() as mail:
        run_id = desk.run(clients=UNREACHABLE, pianos=UNREACHABLE)
        urls = (mail.url(),)
        assert desk.look(alert_urls=urls).sent == 1
        for _ in range(3):
            desk.run(clients=UNREACHABLE, pianos=UNREACHABLE)
            assert desk.look(alert_urls=urls) == Watched()
        (letter,) = mail.letters
        assert letter.to == ["patronne@atelier.example"]
        assert "The sync failed: Clients, Pianos" in letter.subject
        assert "Gazelle cannot be reached" in letter.body
        assert f"http://127.0.0.1:3000/runs/{run_id}" in letter.body
        desk.run()
        assert desk.look(alert_urls=urls).sent == 1
        assert "Over: The sync failed: Clients, Pianos" in mail.letters[1].subject
        assert desk.look(alert_urls=urls) == Watched()
        assert len(mail.letters) == 2
    assert desk.rows() == [
        ("alert", "failed_run", "sent", "recovered"),
        ("recovery", "failed_run", "sent", "recovered"),
    ]


def test_another_entity_that_fails_meanwhile_is_another_trouble(desk: Desk, hook: Webhook) -> None:
    desk.run(clients=UNREACHABLE)
    desk.look(alert_urls=(hook.url,))
    desk.run(clients=UNREACHABLE, pianos="pianos: at least 40 records are gone at Gazelle, more than the 20 that pass")
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
        standing = ledger.standing(connection)
    assert (standing.undelivered, len(standing.open)) == (1, 1)
    assert desk.look(alert_urls=urls) == Watched(), "not before the pause is over"
    desk.run()
    desk.hasten()
    assert desk.look(alert_urls=urls).failed == 1, "its end is not told before the trouble itself"
    with webhook(port) as hook:
        desk.hasten()
        assert desk.look(alert_urls=urls).sent == 2
        assert [title.split()[0] for title in hook.titles] == ["✗", "✓"]
    assert {row[2] for row in desk.rows()} == {"sent"}


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
        assert desk.look(alert_urls=urls) == Watched(opened=1, sent=1, failed=2)
        mail.refuses = False
        desk.hasten()
        assert desk.look(alert_urls=urls).sent == 2
        assert sorted(to for letter in mail.letters for to in letter.to) == ["a@atelier.example", "b@atelier.example"]
    assert len(hook.received) == 1


def test_six_that_look_at_once_tell_one_trouble_once(desk: Desk, hook: Webhook) -> None:
    desk.run(clients=UNREACHABLE)
    start = threading.Barrier(6)

    def look(_: int) -> Watched:
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
        assert desk.look(alert_urls=(hook.url,)) == Watched()
        hook.delay.set()
        assert slow.result().sent == 1
    assert len(hook.received) == 1


def test_a_message_whose_sender_died_is_sent_again_and_says_so(desk: Desk, hook: Webhook) -> None:
    desk.run(clients=UNREACHABLE)
    desk.look(alert_urls=(hook.url,))
    desk.query("UPDATE alert_log SET status = 'sending', sent_at = NULL, claimed_at = now() - interval '9 minutes'")
    assert desk.look(alert_urls=(hook.url,)) == Watched(), "it may still be at it"
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


def test_data_that_is_not_in_step_for_an_hour_is_told(desk: Desk, hook: Webhook) -> None:
    desk.run()
    desk.synced(timedelta(minutes=61), "timeline", "invoices")
    desk.look(alert_urls=(hook.url,), language="fr")
    (told,) = hook.received
    assert told["title"].endswith("Données en retard : Factures, Historique")
    assert "depuis 61 minutes" in told["message"]
    desk.synced(timedelta(minutes=2))
    desk.look(alert_urls=(hook.url,), language="fr")
    assert "Terminé : Données en retard" in hook.titles[1]


def test_stale_data_of_an_entity_that_fails_is_told_by_its_failure_alone(desk: Desk, hook: Webhook) -> None:
    desk.run(clients=UNREACHABLE)
    desk.synced(timedelta(hours=3), "clients")
    desk.look(alert_urls=(hook.url,))
    assert len(hook.titles) == 1
    assert "The sync failed" in hook.titles[0]


@pytest.mark.parametrize(("count", "is_told"), [(10, False), (11, True)])
def test_more_than_ten_errors_in_an_hour_are_told(desk: Desk, hook: Webhook, count: int, is_told: bool) -> None:
    desk.run()
    desk.error("pianos", count - 4)
    desk.error("clients", 4)
    desk.look(alert_urls=(hook.url,))
    assert bool(hook.received) == is_told
    if is_told:
        assert "Clients 4, Pianos 7" in hook.received[0]["message"]


@pytest.mark.parametrize(("count", "is_told"), [(10, False), (11, True)])
def test_more_than_ten_failed_push_actions_are_told(desk: Desk, hook: Webhook, count: int, is_told: bool) -> None:
    desk.query("CREATE TABLE IF NOT EXISTS sync_gazelle_logs (id serial PRIMARY KEY, piano_id text, action text, "
               "status text, error_message text, synced_at timestamptz DEFAULT now(), run_id text)")  # fmt: skip
    desk.query(
        "INSERT INTO sync_gazelle_logs (piano_id, action, status, run_id) "
        "SELECT 'ins_' || n, 'update_tags', CASE WHEN n <= %s THEN 'error' ELSE 'success' END, 'r' "
        "FROM generate_series(1, 30) AS n",
        count,
    )
    desk.look(alert_urls=(hook.url,))
    assert bool(hook.received) == is_told


@pytest.mark.parametrize(("run", "is_told"), [("r", True), ("another", False)])
def test_more_than_ten_failures_of_one_long_push_are_told_though_no_hour_had_so_many(
    desk: Desk, hook: Webhook, run: str, is_told: bool
) -> None:
    desk.query(
        "INSERT INTO sync_gazelle_logs (piano_id, action, status, run_id, synced_at) "
        "SELECT 'ins_' || n, 'update_tags', 'error', CASE WHEN n <= 6 THEN %s ELSE 'r' END, "
        "now() - CASE WHEN n <= 6 THEN interval '90 minutes' ELSE interval '1 minute' END "
        "FROM generate_series(1, 12) AS n",
        run,
    )
    desk.look(alert_urls=(hook.url,))
    assert bool(hook.received) == is_told


def test_an_alert_of_failed_pushes_counts_changes_and_not_tries(desk: Desk, hook: Webhook) -> None:
    desk.query(
        "INSERT INTO sync_gazelle_logs (piano_id, action, status, run_id) "
        "SELECT 'ins_' || n % 4, 'update_tags', 'error', 'r' || n / 4 FROM generate_series(1, 12) AS n"
    )
    desk.look(alert_urls=(hook.url,))
    assert "4 changes could not be sent" in hook.titles[0]
    assert "Tried 12 times" in hook.received[0]["message"]


def test_a_run_that_takes_far_longer_than_usual_is_told_while_it_goes_on(desk: Desk, hook: Webhook) -> None:
    for _ in range(6):
        desk.run(seconds=2)
    desk.run(seconds=100)
    desk.look(alert_urls=(hook.url,))
    assert hook.received == [], "100 s is slow, and nothing to wake anybody for"
    desk.run(seconds=200)
    desk.look(alert_urls=(hook.url,))
    assert "A run takes far longer than usual: tick" in hook.titles[0]
    assert "200 s, usually 2.0 s" in hook.received[0]["message"]
    desk.run(seconds=2)
    desk.look(alert_urls=(hook.url,))
    assert hook.titles[1].startswith("✓")


def check(*, passed: bool, description: str = "") -> CheckResult:
    return CheckResult("instants", "gazelle_appointments", passed, "warning", description)


def test_a_failed_check_of_a_run_that_succeeded_is_told_without_what_it_quotes(desk: Desk, hook: Webhook) -> None:
    said = "3 rows are off by +5 h, “Accord chez Mme Côté” among them (cote@exemple.ca, 514-555-0199, H2X 1Y4)."
    ended = EndedRun("r1", "tick", succeeded=True, checks=(check(passed=False, description=said),))
    desk.look(ended, alert_urls=(hook.url,))
    text = hook.titles[0] + hook.received[0]["message"]
    assert "⚠ Gazelle: Check failed: instants" in text
    assert "3 rows are off by +5 h" in text
    assert not any(word in text for word in ("Côté", "cote@", "555-0199", "H2X"))
    desk.look(EndedRun("r2", "tick", succeeded=True), alert_urls=(hook.url,))
    assert len(hook.received) == 1, "a run without checks says nothing of them"
    desk.look(EndedRun("r3", "tick", succeeded=True, checks=(check(passed=True),)), alert_urls=(hook.url,))
    assert hook.titles[1].startswith("✓")


def test_a_warning_that_stays_does_not_keep_the_alert_of_a_failed_check_open(desk: Desk, hook: Webhook) -> None:
    stays = check(passed=False, description="No introspection.")
    failed = CheckResult("counts", "gazelle_pianos", passed=False, severity="error", description="2 are missing.")
    desk.look(EndedRun("r1", "tick", succeeded=True, checks=(stays, failed)), alert_urls=(hook.url,))
    assert sorted(title[0] for title in hook.titles) == ["⚠", "✗"]
    desk.look(
        EndedRun("r2", "tick", succeeded=True, checks=(stays, replace(failed, passed=True))), alert_urls=(hook.url,)
    )
    assert len(hook.titles) == 3
    assert hook.titles[2].startswith("✓")


def test_a_run_that_left_no_word_is_told_by_its_job(desk: Desk, hook: Webhook) -> None:
    ended = EndedRun("r1", "tick", succeeded=False, reason="ValueError: could not convert 'Marie Tremblay'")
    desk.look(ended, alert_urls=(hook.url,))
    assert "A run of tick failed" in hook.titles[0]
    assert "Tremblay" not in hook.received[0]["message"]
    desk.look(EndedRun("r2", "tick", succeeded=True), alert_urls=(hook.url,))
    assert hook.titles[1].startswith("✓")


def test_a_run_that_sync_logs_tells_is_not_told_a_second_time_by_dagster(desk: Desk, hook: Webhook) -> None:
    run_id = desk.run(clients=UNREACHABLE)
    desk.look(EndedRun(run_id, "tick", succeeded=False, reason=UNREACHABLE), alert_urls=(hook.url,))
    assert len(hook.received) == 1


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
    leaky = f"pianos: Gazelle answered with errors: Marie Tremblay 514 555-0123 {PASSWORD} {HOOK_TOKEN}"
    hook.status = 500
    with mail_server() as mail:
        mail.refuses = True
        desk.run(clients=leaky, pianos=leaky.replace("answered with errors", "said"))
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
    ended = EndedRun(None, "tick", succeeded=False, reason="PostgreSQL cannot be reached")
    for _ in range(3):
        desk.look(ended, alert_urls=urls, database_url=away)
    assert len(hook.received) == 1
    assert "The database cannot be reached" in hook.titles[0]
    desk.look(alert_urls=urls)
    assert [title.split()[0] for title in hook.titles] == ["✗", "✓"]
    assert desk.rows() == [("alert", "database", "sent", "recovered"), ("recovery", "database", "sent", "recovered")]
    assert desk.look(alert_urls=urls) == Watched()


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
