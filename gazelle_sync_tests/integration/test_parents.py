"""Whatever a record names is there: brought along, or a stub that is filled when the record turns up."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gazelle_sync.entities import Entity
from gazelle_sync.errors import DatabaseError
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.pull.conclude import Conclusion
from gazelle_sync.pull.context import EntityPull, Mode
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.pull.scan import scan
from gazelle_sync.pull.session import Pull
from gazelle_sync_tests.support.shop import ENTITY, Shop

Record = dict[str, Any]
GHOST = "cli_0Fantome000000000000"


def in_a_week() -> str:
    return (datetime.now(UTC) + timedelta(days=7)).strftime("%Y-%m-%dT15:00:00Z")


def test_nothing_dangles_after_a_first_pull(shop: Shop) -> None:
    shop.assert_nothing_dangles()


@pytest.mark.parametrize("only", ["pianos", "appointments", "invoices", "timeline"])
def test_unknown_parents_are_brought_along_in_the_same_run(new_shop: Shop, only: str) -> None:
    new_shop.sync(only=[only])
    stubs = {row["external_id"] for row in new_shop.rows("gazelle_clients", "is_stub")}
    assert stubs <= {GHOST}
    assert new_shop.value("SELECT count(*) FROM gazelle_clients WHERE NOT is_stub") > 0
    assert new_shop.value("SELECT count(*) FROM gazelle_pianos WHERE is_stub") == 0
    new_shop.sync()
    new_shop.assert_equals_api()


def test_a_visit_at_a_new_client_brings_the_client_that_a_tick_had_not_listed(shop: Shop) -> None:
    client = shop.admin.create("clients", companyName="École toute neuve", status="ACTIVE")
    visit = shop.admin.create("events", start=in_a_week(), clientId=client["id"], title="Accord", type="APPOINTMENT",
                              status="ACTIVE", duration=60)  # fmt: skip
    shop.sync(only=["appointments"])
    assert shop.row("gazelle_appointments", visit["id"])["client_external_id"] == client["id"]
    row = shop.row("gazelle_clients", client["id"])
    assert (row["company_name"], row["is_stub"]) == ("École toute neuve", False)


def test_a_client_that_comes_to_be_during_a_first_pull_is_there_with_the_visit_that_names_it(
    new_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never as a stub: a stub is shown as deleted."""
    clients_are_read, made = threading.Event(), []

    def read(pull: EntityPull) -> None:
        if pull.entity.name == "appointments":
            assert clients_are_read.wait(20)
        scan(pull)
        if pull.entity.name == "clients":
            made.append(new_shop.admin.create("clients", companyName="Pendant l'import", status="ACTIVE")["id"])
            new_shop.admin.create("events", start=in_a_week(), clientId=made[0], title="Accord", type="APPOINTMENT",
                                  status="ACTIVE", duration=60)  # fmt: skip
            clients_are_read.set()

    monkeypatch.setattr("gazelle_sync.pull.entity_threads.scan", read)
    with Pull(new_shop.settings) as pull:
        for entity in pull.entities:
            pull.stage(entity.name)
        row = new_shop.row("gazelle_clients", made[0])
        assert (row["company_name"], row["is_stub"], row["deleted_at"]) == ("Pendant l'import", False, None)
        for entity in pull.entities:
            pull.apply(entity.name)
    monkeypatch.undo()
    new_shop.sync()
    new_shop.assert_equals_api()


def test_a_client_that_a_body_of_a_killed_run_names_is_read_by_the_run_that_applies_it(shop: Shop) -> None:
    client = shop.admin.create("clients", companyName="Nommé avant la panne", status="ACTIVE")
    piano = shop.rows("gazelle_pianos", "NOT is_stub")[0]["external_id"]
    staged = (
        "UPDATE staging_pianos SET sync_status = 'pending', raw_data = raw_data || %s::jsonb WHERE external_id = %s"
    )
    shop.query(staged, json.dumps({"client": {"id": client["id"]}}), piano)
    shop.sync(only=["pianos"])
    assert shop.row("gazelle_pianos", piano)["client_external_id"] == client["id"]
    assert shop.row("gazelle_clients", client["id"])["company_name"] == "Nommé avant la panne"


def test_a_client_that_gazelle_does_not_have_becomes_a_stub_and_is_not_asked_for_again(shop: Shop) -> None:
    stub = shop.row("gazelle_clients", GHOST)
    assert stub["is_stub"]
    assert stub["deleted_at"] is not None
    assert shop.rows("gazelle_appointments", "client_external_id = %s", GHOST)
    shop.sync(Mode.DEEP)
    assert "ClientsById" not in shop.admin.stats()["by_operation"]


def test_a_stub_is_filled_when_its_record_turns_up(shop: Shop) -> None:
    before = shop.row("gazelle_clients", GHOST)
    shop.admin.create("clients", id=GHOST, companyName="Revenu de loin", status="ACTIVE")
    shop.sync()
    after = shop.row("gazelle_clients", GHOST)
    assert (after["company_name"], after["is_stub"], after["deleted_at"]) == ("Revenu de loin", False, None)
    assert after["id"] == before["id"]
    shop.assert_equals_api()


def test_a_user_who_left_is_a_stub_with_the_name_that_others_say(shop: Shop) -> None:
    formers = shop.admin.dump("former_users")
    assert formers
    for former in formers:
        row = shop.row("gazelle_users", former["id"])
        assert row["is_stub"]
        assert row["deleted_at"] is not None
        assert (row["first_name"], row["last_name"]) == (former["firstName"], former["lastName"])


def test_a_user_who_returns_is_filled(shop: Shop) -> None:
    former = shop.admin.dump("former_users")[0]
    shop.admin.create("users", **former)
    shop.sync()
    row = shop.row("gazelle_users", former["id"])
    assert (row["email"], row["is_stub"], row["deleted_at"]) == (former["email"], False, None)


def test_a_new_entry_of_an_unknown_user_does_not_wait(shop: Shop) -> None:
    stranger = shop.admin.create("former_users", firstName="Ève", lastName="Passagère")
    client = shop.admin.dump("clients")[0]
    entry = shop.admin.create("timeline", userId=stranger["id"], clientId=client["id"], summary="Bonjour")
    shop.sync()
    assert shop.row("gazelle_timeline_entries", entry["id"])["user_external_id"] == stranger["id"]
    assert shop.row("gazelle_users", stranger["id"])["first_name"] == "Ève"


def test_an_appointment_without_client_is_an_appointment(shop: Shop) -> None:
    memo = shop.admin.create("events", start=in_a_week(), clientId=None, title="Inventaire", type="MEMO",
                             status="ACTIVE", duration=0)  # fmt: skip
    shop.sync()
    assert shop.row("gazelle_appointments", memo["id"])["client_external_id"] is None


def test_parents_whose_list_fails_leave_the_children_pending_and_the_next_run_brings_both(shop: Shop) -> None:
    client = shop.admin.create("clients", companyName="Arrivé pendant la panne", status="ACTIVE")
    piano = shop.admin.create("pianos", clientId=client["id"], make="Bösendorfer", status="ACTIVE")
    shop.admin.fault("graphql_errors", times=0, operation="Clients")
    shop.sync(check=False)
    shop.admin.clear_faults()
    shop.sync()
    assert shop.row("gazelle_pianos", piano["id"])["client_external_id"] == client["id"]
    assert not shop.row("gazelle_clients", client["id"])["is_stub"]
    shop.assert_equals_api()


def test_a_deleted_client_stays_for_the_visits_that_name_it(shop: Shop) -> None:
    visit = next(e for e in shop.admin.dump("events") if e["clientId"] and e["status"] == "ACTIVE")
    shop.admin.delete("clients", visit["clientId"])
    shop.admin.create("events", **visit)
    shop.sync(Mode.DEEP)
    row = shop.row("gazelle_clients", visit["clientId"])
    assert row["deleted_at"] is not None
    assert not row["is_stub"]
    assert shop.row("gazelle_appointments", visit["id"])["deleted_at"] is None
    shop.assert_equals_api()


def test_a_parent_that_answers_only_by_id_and_could_not_be_read_is_asked_for_again(shop: Shop) -> None:
    client = shop.admin.create("clients", companyName="Absent de la liste", createdAt="2001-01-01T00:00:00Z")
    piano = shop.admin.create("pianos", clientId=client["id"], make="Pleyel", status="ACTIVE")
    # The list never names the client: only the piano does.
    shop.admin.fault("skip_row", times=0, operation="ClientsStamps", place=0)
    shop.admin.fault("graphql_errors", times=0, operation="ClientsById")
    shop.sync(check=False)
    assert shop.row("gazelle_pianos", piano["id"])["client_external_id"] == client["id"]
    assert shop.row("gazelle_clients", client["id"])["is_stub"]
    shop.admin.clear_faults()
    shop.admin.fault("skip_row", times=0, operation="ClientsStamps", place=0)
    shop.sync(check=False)
    row = shop.row("gazelle_clients", client["id"])
    assert (row["company_name"], row["is_stub"], row["deleted_at"]) == ("Absent de la liste", False, None)
    shop.admin.clear_faults()
    shop.quiet_down()
    before = shop.physical()
    shop.sync()
    assert shop.physical() == before
    shop.assert_equals_api()


def test_a_parent_that_can_never_be_read_stands_among_the_errors(shop: Shop) -> None:
    client = shop.admin.create("clients", companyName="Illisible", createdAt="2001-01-01T00:00:00Z")
    shop.admin.create("pianos", clientId=client["id"], make="Pleyel", status="ACTIVE")
    shop.admin.fault("skip_row", times=0, operation="ClientsStamps", place=0)
    shop.admin.fault("graphql_errors", times=0, operation="ClientsById", message="Boum")
    for _ in range(2):
        shop.sync(check=False)
    message = shop.value("SELECT error_message FROM v_sync_errors WHERE external_id = %s", client["id"])
    assert "Boum" in message


def test_an_entity_that_fails_on_its_parents_rows_says_so_in_the_runs_log(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_pending = Conclusion._apply_pending

    def goes_away_on_clients(self: Conclusion, entity: Entity, report: EntityReport) -> None:
        if entity.name == "clients":
            raise DatabaseError("PostgreSQL went away")
        apply_pending(self, entity, report)

    monkeypatch.setattr(Conclusion, "_apply_pending", goes_away_on_clients)
    outcome = shop.sync(only=["pianos"], check=False)
    assert set(outcome.errors) == {"pianos"}
    log = shop.last_log()
    assert (log["status"], "went away" in log["error_message"]) == ("error", True)


def test_a_parent_that_is_brought_along_after_its_own_turn_is_applied_with_the_child(shop: Shop) -> None:
    client = next(row["external_id"] for row in shop.rows("gazelle_clients", "NOT is_stub"))
    with Pull(shop.settings) as pull:
        for entity in pull.entities:
            pull.stage(entity.name)
        pull.apply("clients")
        brings = pull._threads._entity_pull(ENTITY["clients"], EntityReport(), writes=False)
        ((_, body),) = brings.staging.last_bodies([client])
        brings.staging.write([{**body, "region": "amené"}], Answer({}, datetime.now(UTC), False), {})
        assert shop.row("gazelle_clients", client)["region"] != "amené"
        pull.apply("pianos")
    assert shop.row("gazelle_clients", client)["region"] == "amené"
