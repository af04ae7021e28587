"""Maintenance alerts under Dagster: the scan that follows a pull, and the digest in the morning."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from gazelle_sync.defs.shop import following
from gazelle_sync.defs.shop.maintenance import SCAN_JOB
from gazelle_sync.notifications.notices import MAINTENANCE_JOB
from gazelle_sync_tests.support.receivers import MailServer, mail_server
from gazelle_sync_tests.support.shop import Shop

SCHEDULE = "tell_in_the_morning"


@pytest.fixture
def mail(set_environment: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """Where the digest goes."""
    with mail_server() as server:
        set_environment.setenv("GAZELLE_MAINTENANCE_URLS", server.url("atelier@exemple.ca"))
        set_environment.setenv("GAZELLE_LANG", "fr")
        yield server


def write_note(shop: Shop, text: str, *, days_ago: int) -> str:
    """Of a piano of its own: what the sandbox invents of the others, and when, depends on the day."""
    client = shop.admin.create("clients", companyName="Salle des Essais")["id"]
    piano = shop.admin.create("pianos", clientId=client, make="Pratte", location="Foyer")
    at = (datetime.now(UTC) - timedelta(days=days_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    note = shop.admin.create(
        "timeline", occurredAt=at, comment=text, summary="", clientId=piano["clientId"], pianoId=piano["id"],
        type="SERVICE_ENTRY_MANUAL",
    )  # fmt: skip
    return str(note["id"])


def run(definitions: dg.Definitions, instance: dg.DagsterInstance, job: str) -> dg.ExecuteInProcessResult:
    return definitions.resolve_job_def(job).execute_in_process(instance=instance)


def in_the_morning(definitions: dg.Definitions, instance: dg.DagsterInstance) -> list[str] | str:
    """The jobs that the schedule asks for; why none where it asks for none."""
    found = [one for one in definitions.schedules or () if one.name == SCHEDULE]
    [schedule] = found
    assert isinstance(schedule, dg.ScheduleDefinition)
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=datetime.now(UTC), repository_def=definitions.get_repository_def()
    ) as context:
        data = schedule.evaluate_tick(context)
    return data.skip_message or [schedule.job_name for _ in data.run_requests or ()]


def nothing_told_yet(shop: Shop) -> None:
    shop.query("UPDATE maintenance_alerts SET notified_at = now()")


def test_the_digest_is_due_at_half_past_seven_in_montreal_all_year(definitions: dg.Definitions) -> None:
    [schedule] = [one for one in definitions.schedules or () if one.name == SCHEDULE]
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 7 * * *", "America/Toronto")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == MAINTENANCE_JOB


def test_a_note_is_read_after_its_pull_told_once_in_the_morning_and_never_when_it_is_old(
    definitions: dg.Definitions, findable_instance: dg.DagsterInstance, named_shop: Shop, mail: MailServer
) -> None:
    shop, instance = named_shop, findable_instance
    nothing_told_yet(shop)
    assert "nothing new" in str(in_the_morning(definitions, instance))
    old, new = write_note(shop, "PLS débranché", days_ago=15), write_note(shop, "Housse enlevée", days_ago=1)
    shop.sync()
    asked = [one.job_name for one in following.evaluate(instance, shop.settings) if isinstance(one, dg.RunRequest)]
    assert SCAN_JOB in asked
    scanned = run(definitions, instance, SCAN_JOB)
    [made] = scanned.asset_materializations_for_node("scan_notes")
    assert (made.metadata["notes read"].value, made.metadata["opened"].value) == (2, 2)
    assert in_the_morning(definitions, instance) == [MAINTENANCE_JOB]
    assert run(definitions, instance, MAINTENANCE_JOB).success
    [letter] = mail.letters
    assert letter.to == ["atelier@exemple.ca"]
    assert "nouvelle alerte" in letter.subject
    assert "Housse enlevée" in letter.body
    assert "débranché" not in letter.body
    told = dict(shop.query("SELECT source_external_id, notified_at IS NOT NULL FROM maintenance_alerts"))
    assert (told[new], told[old]) == (True, False)
    assert "nothing new" in str(in_the_morning(definitions, instance))
    assert run(definitions, instance, MAINTENANCE_JOB).success
    assert len(mail.letters) == 1
    shop.sync()
    run(definitions, instance, SCAN_JOB)
    assert "nothing new" in str(in_the_morning(definitions, instance)), "what was old when it was found stays so"


def test_a_digest_that_the_mail_server_refuses_is_not_told_a_second_time_by_the_schedule(
    definitions: dg.Definitions, findable_instance: dg.DagsterInstance, named_shop: Shop, mail: MailServer
) -> None:
    shop = named_shop
    nothing_told_yet(shop)
    write_note(shop, "Réservoir vide", days_ago=0)
    shop.sync()
    run(definitions, findable_instance, SCAN_JOB)
    mail.refuses = True
    assert run(definitions, findable_instance, MAINTENANCE_JOB).success
    assert mail.letters == []
    mail.refuses = False
    assert "nothing new" in str(in_the_morning(definitions, findable_instance)), "it waits in the ledger"
    assert shop.count("alert_log", "kind = 'notice'") == 1


def test_before_there_is_a_database_the_schedule_waits(
    definitions: dg.Definitions, findable_instance: dg.DagsterInstance, set_environment: pytest.MonkeyPatch
) -> None:
    set_environment.setenv("GAZELLE_HOME", "nowhere")
    assert "no database" in str(in_the_morning(definitions, findable_instance))
