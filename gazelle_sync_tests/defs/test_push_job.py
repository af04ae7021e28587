"""The push under Dagster: the sensor, the schedule, the job, and the commands as a person runs them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from gazelle_sync.definitions import build_defs
from gazelle_sync.defs.incidents.sensors import ended_run
from gazelle_sync.defs.push import sensors
from gazelle_sync.defs.push.assets import POOL
from gazelle_sync.defs.push.jobs import PUSH_JOB, push_config
from gazelle_sync.defs.push.sensors import evaluate, push_every_hour, push_when_edited
from gazelle_sync.errors import ApiError
from gazelle_sync.incidents.watch import watch
from gazelle_sync.monitoring.status import push_status
from gazelle_sync.push import outage
from gazelle_sync.push.store import Store
from gazelle_sync.quality.context import CheckContext
from gazelle_sync.quality.registry import CHECKS
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.lock import PushLock
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Shop


@pytest.fixture
def office(new_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> EditedShop:
    """A shop, and an environment that names it, as a daemon's does."""
    for name, value in new_shop.environment().items():
        monkeypatch.setenv(name, value)
    return EditedShop(new_shop)


def asked(office: EditedShop, instance: dg.DagsterInstance) -> str:
    """What the sensor says: `run`, or why not."""
    found = evaluate(instance, office.shop.settings)
    return "run" if isinstance(found, dg.RunRequest) else str(found.skip_message)


def test_the_sensor_and_the_schedule_are_on_and_look_at_least_twice_a_minute() -> None:
    assert push_when_edited.default_status is dg.DefaultSensorStatus.RUNNING
    assert 0 < (push_when_edited.minimum_interval_seconds or 0) <= 30
    assert push_every_hour.default_status is dg.DefaultScheduleStatus.RUNNING
    job = build_defs().resolve_job_def(PUSH_JOB)
    assert job.executor_def is dg.in_process_executor
    pools = {node.name: getattr(node.definition, "pool", None) for node in job.nodes}
    assert pools == {"send_edits": POOL, "push_checks": None}, "a long pull must not hold an edit back"


def test_the_sensor_asks_for_a_run_only_when_a_row_is_due(office: EditedShop, instance: dg.DagsterInstance) -> None:
    assert "every edit" in asked(office, instance)
    office.edit("pno_nowhere", status="top")
    assert asked(office, instance) == "run"
    office.push()
    assert "lies ahead" in asked(office, instance)
    office.edit("pno_nowhere", status="normal", is_hidden=True)
    assert "every edit" in asked(office, instance)


IDLE = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%%' "
    "AND pid <> pg_backend_pid() AND 0 = %s"
)


def test_after_an_outage_the_sensor_starts_a_run_only_once_gazelle_answers(
    office: EditedShop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe, idle = outage.probe, []

    def probe_and_count(settings: Settings) -> ApiError | None:
        idle.append(office.shop.value(IDLE, 0))
        return probe(settings)

    monkeypatch.setattr(outage, "probe", probe_and_count)
    office.edit(office.piano(), notes="Accordé")
    office.shop.admin.fault("status", code=503, times=0)
    assert office.push(at_once=False).stopped
    assert "asked again in" in asked(office, instance)

    def half_a_minute_later() -> str:
        office.shop.query("UPDATE system_settings SET value = '2026-01-01T00:00:00Z' WHERE key = 'push_not_before'")
        return asked(office, instance)

    office.shop.admin.reset_stats()
    assert "HTTP 503" in half_a_minute_later()
    assert office.shop.admin.stats()["refused"] == {"503": 1}, "it asks once"
    assert "asked again in" in asked(office, instance)
    office.shop.admin.clear_faults()
    office.shop.admin.fault("status", code=429, retry_after=3600)
    half_a_minute_later()
    assert re.search(r"asked again in 3[56]\d\d s", asked(office, instance)), "as long as Gazelle asked for"
    assert half_a_minute_later() == "run"
    assert office.push(at_once=False).succeeded
    office.edit(office.piano(), notes="Encore")
    assert asked(office, instance) == "run"
    assert idle == [0, 0, 0], "no transaction is open while Gazelle is asked"


def test_the_sensor_waits_while_a_push_runs_or_is_about_to(office: EditedShop, instance: dg.DagsterInstance) -> None:
    office.edit(office.piano(), notes="Accordé")
    with PushLock(office.shop.url, wait_s=0):
        assert "one at a time" in asked(office, instance)
    instance.create_run_for_job(build_defs().resolve_job_def(PUSH_JOB), run_config=push_config(at_once=True))
    assert "about to push" in asked(office, instance)


def test_a_run_whose_process_died_holds_up_edits_for_two_minutes_at_most(
    office: EditedShop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster does not see that a run's process was killed: its run stays as it was."""
    office.edit(office.piano(), notes="Accordé")
    run = instance.create_run_for_job(build_defs().resolve_job_def(PUSH_JOB), run_config=push_config(at_once=True))
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, PUSH_JOB, message="begun"), run_id=run.run_id
    )
    assert "about to push" in asked(office, instance)
    monkeypatch.setattr(sensors, "LONGEST_WAY", timedelta(seconds=-1))
    assert asked(office, instance) == "run"


def test_the_sensor_says_what_it_lacks(office: EditedShop, instance: dg.DagsterInstance, databases: Databases) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    for url, said in ((None, "no database"), (nowhere, "cannot be asked")):
        found = evaluate(instance, office.shop.settings.replace(database_url=url))
        assert isinstance(found, dg.SkipReason)
        assert said in str(found.skip_message)
    with databases.temporary("template1") as empty:
        found = evaluate(instance, office.shop.settings.replace(database_url=empty))
        assert isinstance(found, dg.SkipReason)


def test_the_button_in_the_ui_pushes_and_tells_numbers_only(office: EditedShop, instance: dg.DagsterInstance) -> None:
    piano = office.piano(tags=["TOP"])
    office.edit(piano, status="normal", notes="Chez Madame Tremblay")
    office.edit("pno_nowhere", status="top")
    job = build_defs().resolve_job_def(PUSH_JOB)
    ended = job.execute_in_process(instance=instance)
    assert ended.success, "one row that cannot go is no failure of the run"
    assert office.record(piano)["tags"] == ["NORMAL"]
    (log,) = office.shop.rows("sync_logs", "task_type = 'push'")
    assert (log["run_id"], log["status"], log["stats"]["sent"], log["stats"]["failed"]) == (
        ended.run_id,
        "warning",
        2,
        1,
    )
    assert {row["run_id"] for row in office.shop.rows("sync_gazelle_logs")} == {ended.run_id}
    events = "".join(str(entry) for entry in instance.all_logs(ended.run_id))
    assert "Tremblay" not in events
    assert "pno_nowhere" in events


def test_a_push_that_cannot_reach_gazelle_fails_its_run(
    office: EditedShop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.edit(office.piano(), notes="Accordé")
    monkeypatch.setenv("GAZELLE_API_TOKEN", "wrong")
    ended = build_defs().resolve_job_def(PUSH_JOB).execute_in_process(instance=instance, raise_on_error=False)
    assert not ended.success
    assert office.shop.last_log()["status"] == "error"


@pytest.mark.parametrize("how", ["dies", "stops"])
def test_a_push_that_fails_is_told_and_shown_until_one_succeeds(
    office: EditedShop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def push_once() -> None:
        job = build_defs().resolve_job_def(PUSH_JOB)
        ended = job.execute_in_process(instance=instance, raise_on_error=False)
        run = instance.get_run_by_id(ended.run_id)
        assert run is not None
        watch(office.shop.settings, ended_run(instance, run))

    monkeypatch.setenv("GAZELLE_DAGSTER_POSTGRES_URL", office.shop.url)  # nothing is to be started
    office.edit(office.piano(), notes="Accordé")
    with monkeypatch.context() as broken:
        if how == "dies":
            broken.setattr(Store, "load", lambda *_, **__: int("Chez Madame Tremblay"))
        else:
            broken.setenv("GAZELLE_API_TOKEN", "wrong")
        push_once()
    (alert,) = office.shop.rows("alert_log", "rule = 'failed_job'")
    assert (alert["subjects"], alert["state"]) == ([PUSH_JOB], "open")
    assert ("does not expect" if how == "dies" else "refuses the credentials") in alert["text"]
    assert push_status(office.shop.settings).light == "red"
    events = "".join(str(entry) for entry in instance.all_logs(alert["run_id"]))
    assert "ValueError" in events or how == "stops"
    assert "Tremblay" not in events
    push_once()
    assert {row["state"] for row in office.shop.rows("alert_log", "rule = 'failed_job'")} == {"recovered"}
    assert push_status(office.shop.settings).light == "green"


def test_a_person_pushes_looks_and_decides_from_the_command_line(office: EditedShop, person: Person) -> None:
    runs = replace(person, shop=office.shop).runs
    piano = office.piano(tags=["GRAND", "TOP"])
    office.edit(piano, status="problematic")
    shown = runs("push", "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "GRAND, PROBLEMATIQUE" in shown.stdout
    assert office.record(piano)["tags"] == ["GRAND", "TOP"]

    office.edit("pno_nowhere", status="top")
    pushed = runs("push", GAZELLE_LANG="fr", GAZELLE_PUSH_TRANSPORT="rest")
    assert pushed.returncode == 1, pushed.stdout
    assert "les étiquettes" in pushed.stdout
    assert office.record(piano)["tags"] == ["GRAND", "PROBLEMATIQUE"]

    status = runs("push", "--status")
    assert status.returncode == 1
    assert "Gazelle n'a pas de piano pno_nowhere" in status.stdout, "in the language of the push that said it"

    run_id = next(row["run_id"] for row in office.shop.rows("sync_gazelle_logs") if row["status"] == "success")
    undone = runs("push", "--undo", run_id)
    assert undone.returncode == 0, undone.stdout + undone.stderr
    assert office.record(piano)["tags"] == ["GRAND", "TOP"]

    again = runs("push", "--undo", run_id)
    assert again.returncode == 1
    assert "changed nothing at Gazelle that could be put back" in again.stderr
    assert [row["run_id"] for row in office.shop.rows("alert_log") if row["rule"] == "failed_job"] == []
    assert "error" not in [row["status"] for row in office.shop.rows("sync_logs")], "a second undo is no failed push"

    listed = runs("conflicts", "--json")
    (conflict,) = json.loads(listed.stdout)
    resolved = runs("conflicts", "resolve", str(conflict["id"]), "--take", "ours")
    assert resolved.returncode == 0, resolved.stderr
    assert runs("push", "--piano", piano).returncode == 0
    assert office.record(piano)["tags"] == ["GRAND", "PROBLEMATIQUE"]
    assert runs("conflicts", "resolve", "99", "--take", "ours").returncode == 1
    assert runs("push", "--dry-run", "--status").returncode == 2


def checked(instance: dg.DagsterInstance, run_id: str) -> dict[str, tuple[bool, str]]:
    """Check → whether it passed, and how bad it is."""
    found = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = [entry.dagster_event.asset_check_evaluation_data for entry in found if entry.dagster_event]
    return {one.check_name: (one.passed, one.severity.value) for one in evaluations}


def test_the_run_warns_of_a_row_in_error_and_fails_for_many(
    office: EditedShop, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAZELLE_DAGSTER_POSTGRES_URL", office.shop.url)  # nothing is to be started

    def push() -> dg.ExecuteInProcessResult:
        return build_defs().resolve_job_def(PUSH_JOB).execute_in_process(instance=instance, raise_on_error=False)

    office.edit(office.piano(), status="normal")
    ended = push()
    assert ended.success
    assert all(passed for passed, _ in checked(instance, ended.run_id).values())
    office.edit("pno_nowhere", status="top")
    ended = push()
    assert ended.success
    assert checked(instance, ended.run_id)["push_pianos_errors"] == (False, "WARN")
    for number in range(10):
        office.edit(f"pno_nowhere_{number}", status="top")
    ended = push()
    assert not ended.success
    assert checked(instance, ended.run_id)["push_pianos_errors"] == (False, "ERROR")
    run = instance.get_run_by_id(ended.run_id)
    assert run is not None
    assert ended_run(instance, run).only_checks_failed


def test_the_tables_of_edits_and_the_log_are_assets_with_their_numbers(
    office: EditedShop, instance: dg.DagsterInstance
) -> None:
    office.edit(office.piano(), status="normal")
    ended = build_defs().resolve_job_def(PUSH_JOB).execute_in_process(instance=instance)
    made = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in ended.get_asset_materialization_events()
        if event.asset_key
    }
    assert made["vincent_dindy_piano_updates"]["dagster/row_count"].value == 1
    log = {name: value.value for name, value in made["sync_gazelle_logs"].items()}
    assert (log["dagster/row_count"], log["sent"], log["failed"]) == (1, 1, 0)


def test_what_waits_and_what_is_in_doubt_for_long_is_warned_of_and_fails_at_last(office: EditedShop) -> None:
    def found(name: str) -> tuple[bool, str]:
        finding = CHECKS[name].evaluate(CheckContext(office.shop.settings, thorough=False), name)
        return finding.passed, finding.severity

    piano = office.piano()
    office.edit(piano, status="normal")
    assert found("push_pianos_waiting")[0]
    for minutes, severity in ((30, "warning"), (120, "error")):
        ago = datetime.now(UTC) - timedelta(minutes=minutes)
        office.shop.query("UPDATE push_state SET edited_at = %s", ago)
        assert found("push_pianos_waiting") == (False, severity)
    office.shop.query("UPDATE vincent_dindy_piano_updates SET is_hidden = true")
    assert found("push_pianos_waiting")[0], "a hidden row stays in the shop"
    assert found("push_doubts")[0]
    for minutes, severity in ((30, "warning"), (120, "error")):
        ago = datetime.now(UTC) - timedelta(minutes=minutes)
        office.shop.query(
            "INSERT INTO sync_gazelle_logs (piano_id, action, status, doubt_until) VALUES (%s, '…', 'in_doubt', %s)",
            piano,
            ago,
        )
        assert found("push_doubts") == (False, severity)
