"""Technicians are told under Dagster: a run starts when something is due, and reaches a real mail server."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from gazelle_sync.definitions import build_defs
from gazelle_sync.defs.shop import following
from gazelle_sync.defs.shop.calendar import JOB
from gazelle_sync.notifications.notices import send_to_address
from gazelle_sync.shop.calendar.notice_sending import NotDelivered
from gazelle_sync_tests.support.evaluating import look_at
from gazelle_sync_tests.support.receivers import mail_server
from gazelle_sync_tests.support.shop import Shop


def asked(shop: Shop, instance: dg.DagsterInstance) -> list[str]:
    """The jobs that the sensor asks for."""
    found = following.evaluate(instance, shop.settings)
    return [str(one.job_name) for one in found if isinstance(one, dg.RunRequest)]


def run(shop: Shop, set_environment: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    for name, value in shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=shop.url).items():
        if name.startswith("GAZELLE_"):
            set_environment.setenv(name, value)
    return build_defs().resolve_job_def(JOB).execute_in_process(instance=instance)


def test_the_first_run_knows_the_calendar_and_a_quiet_one_is_not_asked_for(
    shop: Shop, instance: dg.DagsterInstance, set_environment: pytest.MonkeyPatch
) -> None:
    assert asked(shop, instance) == [JOB]
    assert run(shop, set_environment, instance).success
    assert shop.count("notice_views") > 0
    assert shop.count("notices") == 0
    assert asked(shop, instance) == []
    shop.sync()
    assert asked(shop, instance) == [], "a quiet tick brings nothing to tell"


def test_a_visit_that_a_pull_brings_is_asked_about(
    shop: Shop, instance: dg.DagsterInstance, set_environment: pytest.MonkeyPatch
) -> None:
    run(shop, set_environment, instance)
    event = next(one for one in shop.admin.dump("events") if one["type"] == "APPOINTMENT" and one["status"] == "ACTIVE")
    soon = datetime.now(UTC) + timedelta(days=2)
    shop.admin.edit("events", event["id"], start=soon.strftime("%Y-%m-%dT%H:%M:%SZ"))
    shop.sync()
    assert asked(shop, instance) == [], "it waits five minutes"


def test_an_address_that_nobody_understands_or_answers_is_said(shop: Shop) -> None:
    for address in ("nonsense://", "json://127.0.0.1:1/"):
        with pytest.raises(NotDelivered) as caught:
            send_to_address(shop.settings, address, "Visite", "Accord")
        assert not caught.value.may_have_arrived


def test_a_mail_server_that_answers_after_the_time_out_may_have_taken_it(shop: Shop) -> None:
    with mail_server() as server:
        server.waits_s = 1.0
        with pytest.raises(NotDelivered) as caught:
            send_to_address(shop.settings, f"{server.url()}&cto=0.3&rto=0.3", "Visite", "Accord")
        assert caught.value.may_have_arrived
        assert len(server.letters) == 1


def test_a_mail_server_that_cannot_be_reached_has_taken_nothing(shop: Shop) -> None:
    with socket.create_server(("localhost", 0), backlog=1) as silent:  # it takes a connection and says nothing
        address = f"mailto://robot:x@localhost:{silent.getsockname()[1]}?from=a@b.example&to=c@d.example&mode=insecure"
        with pytest.raises(NotDelivered) as caught:
            send_to_address(shop.settings, f"{address}&cto=0.3&rto=0.3", "Visite", "Accord")
    assert not caught.value.may_have_arrived


def test_what_a_person_should_look_at_is_a_warning(shop: Shop) -> None:
    now = datetime.now(UTC)
    tomorrow = shop.value(
        "SELECT ((now() AT TIME ZONE 'America/Toronto')::date + 1 + '10:00'::time) AT TIME ZONE 'America/Toronto'"
    )
    shop.query("DELETE FROM gazelle_appointment_pianos")
    shop.query("DELETE FROM gazelle_appointments")
    names = ("calendar_technicians", "calendar_overlaps", "calendar_notices")
    assert all(look_at(shop, name).passed for name in names)
    who = shop.value("SELECT external_id FROM gazelle_users ORDER BY id LIMIT 1")
    for number, technician in enumerate((None, who, who)):
        shop.query(
            "INSERT INTO gazelle_appointments (external_id, technician_external_id, start_at, duration_minutes, "
            "event_type, status) VALUES (%s, %s, %s, 60, 'APPOINTMENT', 'ACTIVE')",
            f"evt_{number}", technician, tomorrow,
        )  # fmt: skip
    shop.query(
        "INSERT INTO notices (kind, appointment_external_id, technician_external_id, montreal_day, status, due_at) "
        "VALUES ('new', 'evt_1', %s, %s, 'failed', %s)",
        who, tomorrow.date(), now,
    )  # fmt: skip
    found = [look_at(shop, name) for name in names]
    assert [(one.passed, one.is_failure) for one in found] == [(False, False)] * 3
    assert [one.examples for one in found] == [("evt_0",), (f"{who}: evt_1, evt_2",), ("new evt_1",)]
