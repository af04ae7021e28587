"""Which conditions become alerts, and what the messages say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from gazelle_sync.errors import Cause, cause_of
from gazelle_sync.incidents.facts import CheckResult, EndedRun
from gazelle_sync.notifications import ledger
from gazelle_sync_tests.support.holding import WAITING, wait_until
from gazelle_sync_tests.support.receivers import Webhook
from gazelle_sync_tests.support.run_recorder import UNREACHABLE, RunRecorder


def test_data_that_is_not_in_step_for_an_hour_is_told(recorder: RunRecorder, hook: Webhook) -> None:
    recorder.run()
    recorder.synced(timedelta(minutes=61), "timeline", "invoices")
    recorder.look(alert_urls=(hook.url,), language="fr")
    (told,) = hook.received
    assert told["title"].endswith("Données en retard\N{NO-BREAK SPACE}: Factures, Historique")
    assert "depuis 61 minutes" in told["message"]
    recorder.synced(timedelta(minutes=2))
    recorder.look(alert_urls=(hook.url,), language="fr")
    assert "Terminé\N{NO-BREAK SPACE}: Données en retard" in hook.titles[1]


def test_stale_data_of_an_entity_that_fails_is_told_by_its_failure_alone(recorder: RunRecorder, hook: Webhook) -> None:
    recorder.run(clients=UNREACHABLE)
    recorder.synced(timedelta(hours=3), "clients")
    recorder.look(alert_urls=(hook.url,))
    assert len(hook.titles) == 1
    assert "The sync failed" in hook.titles[0]


@pytest.mark.parametrize(("count", "is_told"), [(10, False), (11, True)])
def test_more_than_ten_errors_in_an_hour_are_told(
    recorder: RunRecorder, hook: Webhook, count: int, is_told: bool
) -> None:
    recorder.run()
    recorder.error("pianos", count - 4)
    recorder.error("clients", 4)
    recorder.look(alert_urls=(hook.url,))
    assert bool(hook.received) == is_told
    if is_told:
        assert "Clients 4, Pianos 7" in hook.received[0]["message"]


@pytest.mark.parametrize(("count", "is_told"), [(10, False), (11, True)])
def test_more_than_ten_failed_push_actions_are_told(
    recorder: RunRecorder, hook: Webhook, count: int, is_told: bool
) -> None:
    recorder.query(
        "INSERT INTO sync_gazelle_logs (piano_id, action, status, run_id) "
        "SELECT 'ins_' || n, 'update_tags', CASE WHEN n <= %s THEN 'error' ELSE 'success' END, 'r' "
        "FROM generate_series(1, 30) AS n",
        count,
    )
    recorder.look(alert_urls=(hook.url,))
    assert bool(hook.received) == is_told


@pytest.mark.parametrize(("run", "is_told"), [("r", True), ("another", False)])
def test_more_than_ten_failures_of_one_long_push_are_told_though_no_hour_had_so_many(
    recorder: RunRecorder, hook: Webhook, run: str, is_told: bool
) -> None:
    recorder.query(
        "INSERT INTO sync_gazelle_logs (piano_id, action, status, run_id, synced_at) "
        "SELECT 'ins_' || n, 'update_tags', 'error', CASE WHEN n <= 6 THEN %s ELSE 'r' END, "
        "now() - CASE WHEN n <= 6 THEN interval '90 minutes' ELSE interval '1 minute' END "
        "FROM generate_series(1, 12) AS n",
        run,
    )
    recorder.look(alert_urls=(hook.url,))
    assert bool(hook.received) == is_told


def test_an_alert_of_failed_pushes_counts_changes_and_not_tries(recorder: RunRecorder, hook: Webhook) -> None:
    recorder.query(
        "INSERT INTO sync_gazelle_logs (piano_id, action, status, run_id) "
        "SELECT 'ins_' || n % 4, 'update_tags', 'error', 'r' || n / 4 FROM generate_series(1, 12) AS n"
    )
    recorder.look(alert_urls=(hook.url,))
    assert "4 changes could not be sent" in hook.titles[0]
    assert "Tried 12 times" in hook.received[0]["message"]


def test_a_run_that_takes_far_longer_than_usual_is_told_while_it_goes_on(recorder: RunRecorder, hook: Webhook) -> None:
    for _ in range(6):
        recorder.run(seconds=2)
    recorder.run(seconds=100)
    recorder.look(alert_urls=(hook.url,))
    assert hook.received == [], "100 s is slow, and nothing to wake anybody for"
    recorder.run(seconds=200)
    recorder.look(alert_urls=(hook.url,))
    assert "A run takes far longer than usual: tick" in hook.titles[0]
    assert "200 s, usually 2.0 s" in hook.received[0]["message"]
    recorder.run(seconds=2)
    recorder.look(alert_urls=(hook.url,))
    assert hook.titles[1].startswith("✓")


def check(*, passed: bool, description: str = "") -> CheckResult:
    return CheckResult("instants", "gazelle_appointments", passed, "warning", description)


def test_a_failed_check_of_a_run_that_succeeded_is_told_without_what_it_quotes(
    recorder: RunRecorder, hook: Webhook
) -> None:
    said = "3 rows are off by +5 h, “Accord chez Mme Côté” among them (cote@exemple.ca, 514-555-0199, H2X 1Y4)."
    ended = EndedRun("r1", "tick", succeeded=True, checks=(check(passed=False, description=said),))
    recorder.look(ended, alert_urls=(hook.url,))
    text = hook.titles[0] + hook.received[0]["message"]
    assert "⚠ Gazelle: Check failed: instants" in text
    assert "3 rows are off by +5 h" in text
    assert not any(word in text for word in ("Côté", "cote@", "555-0199", "H2X"))
    recorder.look(EndedRun("r2", "tick", succeeded=True), alert_urls=(hook.url,))
    assert len(hook.received) == 1, "a run without checks says nothing of them"
    recorder.look(EndedRun("r3", "tick", succeeded=True, checks=(check(passed=True),)), alert_urls=(hook.url,))
    assert hook.titles[1].startswith("✓")


def test_a_warning_that_stays_does_not_keep_the_alert_of_a_failed_check_open(
    recorder: RunRecorder, hook: Webhook
) -> None:
    stays = check(passed=False, description="No introspection.")
    failed = CheckResult("counts", "gazelle_pianos", passed=False, severity="error", description="2 are missing.")
    recorder.look(EndedRun("r1", "tick", succeeded=True, checks=(stays, failed)), alert_urls=(hook.url,))
    assert sorted(title[0] for title in hook.titles) == ["⚠", "✗"]
    recorder.look(
        EndedRun("r2", "tick", succeeded=True, checks=(stays, replace(failed, passed=True))), alert_urls=(hook.url,)
    )
    assert len(hook.titles) == 3
    assert hook.titles[2].startswith("✓")


def test_a_run_that_left_no_word_is_told_by_its_job(recorder: RunRecorder, hook: Webhook) -> None:
    ended = EndedRun("r1", "tick", succeeded=False, cause=cause_of(ValueError("could not convert 'Marie Tremblay'")))
    recorder.look(ended, alert_urls=(hook.url,))
    assert "A run of tick failed" in hook.titles[0]
    assert "Tremblay" not in hook.received[0]["message"]
    recorder.look(EndedRun("r2", "tick", succeeded=True), alert_urls=(hook.url,))
    assert hook.titles[1].startswith("✓")


def test_a_run_that_fails_while_the_failure_before_it_is_being_closed_is_told(recorder: RunRecorder) -> None:
    recorder.look(EndedRun("r1", "tick", succeeded=False))
    with psycopg.connect(recorder.url) as closing, ThreadPoolExecutor(1) as thread:
        closing.execute(*ledger.LOCK)
        [incident] = ledger.open_incidents(closing.execute(*ledger.open_incidents_query()).fetchall())
        ledger.close(closing, incident, "✓", "")
        looking = thread.submit(recorder.look, EndedRun("r2", "tick", succeeded=False))
        wait_until(lambda: looking.done() or recorder.query(WAITING) != [(0,)])
        closing.commit()
        assert looking.result().opened == 1


def test_a_run_that_sync_logs_tells_is_not_told_a_second_time_by_dagster(recorder: RunRecorder, hook: Webhook) -> None:
    run_id = recorder.run(clients=UNREACHABLE)
    recorder.look(EndedRun(run_id, "tick", succeeded=False, cause=Cause("unreachable")), alert_urls=(hook.url,))
    assert len(hook.received) == 1


def test_a_failure_that_was_stored_before_causes_were_is_told_as_well(recorder: RunRecorder, hook: Webhook) -> None:
    recorder.run(clients=UNREACHABLE)
    recorder.query("UPDATE sync_logs SET stats = stats #- '{clients,cause}' #- '{clients,cause_number}'")
    recorder.look(alert_urls=(hook.url,))
    assert "The sync failed: Clients" in hook.titles[0]
    assert "The cause is not known" in hook.received[0]["message"]
