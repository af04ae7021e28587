"""Answers that are well-formed and not what was asked for: nothing is concluded from them, and the run says so."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from gazelle_sync.entities import ENTITIES, TIMELINE
from gazelle_sync.errors import DatabaseError
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.incidents.watch import watch
from gazelle_sync.monitoring.status import push_status, read_status
from gazelle_sync.pull.apply import Applier
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.reading_order import ReadingOrder
from gazelle_sync.pull.report import EntityReport
from gazelle_sync.pull.stage import Staging
from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.pool import Connections
from gazelle_sync_tests.support.shop import Shop


def living(shop: Shop, table: str) -> int:
    return shop.count(table, "deleted_at IS NULL")


@pytest.mark.parametrize("kind", ["null_rows", "duplicate_id"])
@pytest.mark.parametrize(("root", "table"), [("allUsers", "gazelle_users"), ("allMasterService", "gazelle_products")])
def test_a_plain_list_with_a_null_or_an_id_twice_deletes_nobody(shop: Shop, kind: str, root: str, table: str) -> None:
    before = living(shop, table)
    shop.admin.fault(kind, times=0, operation=root)
    shop.sync(Mode.DEEP)
    assert living(shop, table) == before
    assert shop.last_log()["status"] == "warning"
    shop.admin.clear_faults()
    shop.sync(Mode.DEEP)
    assert shop.last_log()["status"] == "success"
    shop.assert_equals_api()


def test_a_plain_list_that_came_without_ids_is_put_right_by_the_next_run(shop: Shop) -> None:
    shop.admin.fault("missing_field", times=0, field="id", operation="allMasterService")
    shop.sync(Mode.DEEP, check=False)
    shop.admin.clear_faults()
    shop.sync(Mode.DEEP)
    assert shop.count("staging_products", "sync_status = 'error'") == 0
    shop.assert_equals_api()


def test_a_timeline_that_came_without_ids_is_put_right_by_the_next_deep_run(shop: Shop) -> None:
    shop.admin.fault("missing_field", times=0, field="id", operation="allTimelineEntries")
    shop.sync(Mode.DEEP, check=False)
    assert shop.count("staging_timeline", "sync_status = 'error'") > 0
    shop.admin.clear_faults()
    shop.sync(Mode.DEEP)
    assert shop.count("staging_timeline", "sync_status = 'error'") == 0
    shop.assert_equals_api()


def test_an_entry_that_came_without_its_day_and_was_deleted_since_is_in_error_no_more(shop: Shop) -> None:
    """Found by the fault campaign: it was on no day that was compared, and stayed in error for ever."""
    client = shop.admin.dump("clients")[0]["id"]
    entry = shop.admin.create("timeline", clientId=client, comment="Sans jour")["id"]
    shop.admin.fault("missing_field", times=0, field="occurredAt", operation="allTimelineEntries")
    shop.sync(Mode.DEEP, check=False)
    assert shop.count("staging_timeline", f"external_id = '{entry}' AND sync_status = 'error'") == 1
    shop.admin.clear_faults()
    shop.admin.delete("timeline", entry)
    shop.sync(Mode.DEEP)
    assert shop.count("staging_timeline", "sync_status = 'error'") == 0
    assert shop.last_log()["status"] == "success"
    shop.assert_equals_api()


@pytest.mark.parametrize(("kind", "field"), [("missing_field", "personalNotes"), ("null_field", "allContacts")])
def test_a_body_that_lacks_what_was_asked_for_is_stored_said_and_read_again(shop: Shop, kind: str, field: str) -> None:
    client = shop.admin.dump("clients")[0]["id"]
    shop.quiet_down()
    shop.admin.edit("clients", client, personalNotes="Presque perdu", referredBy="Une voisine")
    shop.admin.fault(kind, times=0, field=field, operation="ClientsById")
    outcome = shop.sync()
    assert outcome["clients"].errors == 1
    assert field in " ".join(outcome["clients"].notes)
    assert shop.row("gazelle_clients", client)["referred_by"] == "Une voisine"
    assert shop.last_log()["status"] == "warning"
    shop.admin.clear_faults()
    shop.sync()
    assert shop.last_log()["status"] == "success"
    shop.assert_equals_api()


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.DEEP])
def test_a_client_of_a_piano_that_comes_without_its_id_is_said_and_read_again(shop: Shop, mode: Mode) -> None:
    """Found by the fault campaign: a new piano was nobody's, and the run a success."""
    client = shop.admin.dump("clients")[0]["id"]
    piano = shop.admin.create("pianos", clientId=client, make="Pleyel")["id"]
    shop.admin.fault("wrong_type", times=0, field="client", operation="Pianos")
    outcome = shop.sync(mode, check=False)
    assert "lacks client.companyName, client.id" in " ".join(outcome["pianos"].notes)
    assert shop.last_log()["status"] == "warning"
    shop.admin.clear_faults()
    shop.sync()
    assert shop.row("gazelle_pianos", piano)["client_external_id"] == client
    shop.assert_equals_api()


SETTLED = "2026-11-20T12:00:00Z"
LIES = [
    ("wrong_type", {"field": "allContacts"}, "allContacts.nodes"),
    ("wrong_type", {"field": "allContacts", "value": {"nodes": None, "pageInfo": {"hasNextPage": False}}},
     "allContacts.nodes"),
    ("wrong_type", {"field": "allContacts", "value": {"nodes": [], "pageInfo": None}}, "allContacts.pageInfo"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "lacks"), LIES, ids=["no rows", "null rows", "no end"])
def test_a_list_inside_a_record_that_says_nothing_of_its_rows_is_said_and_read_again(
    shop: Shop, kind: str, options: dict[str, Any], lacks: str
) -> None:
    """Found by the fault campaign: a new client's contact did not come, and the run was a success."""
    client = shop.admin.create("clients", companyName="Nouveau", status="ACTIVE", updatedAt=SETTLED)["id"]
    contact = shop.admin.create("contacts", clientId=client, firstName="Nouvelle", isDefault=True)["id"]
    shop.admin.fault(kind, times=0, operation="Clients", **options)
    outcome = shop.sync(check=False)
    assert shop.row("gazelle_clients", client)["company_name"] == "Nouveau"
    assert lacks in " ".join(outcome["clients"].notes)
    assert shop.last_log()["status"] == "warning"
    shop.admin.clear_faults()
    shop.sync()
    assert shop.row("gazelle_contacts", contact)["first_name"] == "Nouvelle"
    assert shop.last_log()["status"] == "success"
    shop.assert_equals_api()


def test_a_parent_that_was_brought_along_and_lacks_something_is_said_and_read_again(shop: Shop) -> None:
    client = shop.admin.create("clients", companyName="Nouveau", status="ACTIVE", updatedAt=SETTLED)["id"]
    contact = shop.admin.create("contacts", clientId=client, firstName="Nouvelle", isDefault=True)["id"]
    shop.admin.create("pianos", clientId=client, make="Pleyel")
    shop.admin.fault("wrong_type", times=0, field="allContacts", operation="ClientsById")
    outcome = shop.sync(only=["pianos"], check=False)
    assert "allContacts.nodes" in " ".join(outcome["clients"].notes)
    assert shop.last_log()["status"] == "warning"
    shop.admin.clear_faults()
    shop.sync()
    assert shop.row("gazelle_contacts", contact)["first_name"] == "Nouvelle"
    shop.assert_equals_api()


def test_a_record_that_is_listed_and_not_there_by_id_is_said_and_asked_for_again(shop: Shop) -> None:
    client = shop.admin.dump("clients")[0]["id"]
    shop.admin.edit("clients", client, personalNotes="Toujours là")
    shop.admin.fault("null_by_id", times=0, operation="ClientsById")
    outcome = shop.sync()
    assert client in " ".join(outcome["clients"].notes)
    assert shop.row("gazelle_clients", client)["deleted_at"] is None
    assert shop.last_log()["status"] == "warning"
    shop.admin.clear_faults()
    shop.sync()
    assert shop.row("gazelle_clients", client)["personal_notes"] == "Toujours là"


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.DEEP])
def test_two_records_under_one_id_are_read_by_id_though_their_stamps_are_equal(shop: Shop, mode: Mode) -> None:
    """Found by the fault campaign: nothing but its body told that a piano was another one."""
    moment, client = "2026-11-20T12:00:00Z", shop.admin.dump("clients")[0]["id"]
    for piano in shop.admin.dump("pianos"):
        shop.admin.edit("pianos", piano["id"], touch=moment, notes="Au même instant")
    for number in range(60):  # more than a tick reads by their ids
        shop.admin.create("pianos", clientId=client, updatedAt=moment, notes=f"Piano {number}")
    shop.admin.fault("duplicate_id", times=1, operation="PianosPage")
    shop.sync(mode)
    assert shop.admin.faults()[0]["struck"] == 1
    shop.assert_equals_api()


@pytest.mark.parametrize("times", [1, 0])
def test_recent_notes_of_which_two_bear_one_id_are_read_again_and_said_where_it_stays_so(
    shop: Shop, times: int
) -> None:
    client = shop.admin.dump("clients")[0]["id"]
    made = [shop.admin.create("timeline", clientId=client, comment=f"Note {n}")["id"] for n in range(3)]
    shop.sync()
    for number, entry in enumerate(made):
        shop.admin.edit("timeline", entry, comment=f"Note corrigée {number}")
    shop.admin.fault("duplicate_id", times=times, operation="TimelineTick")
    shop.sync(only=["timeline"])
    assert shop.last_log()["status"] == ("success" if times else "warning")
    shop.admin.clear_faults()
    shop.sync()
    assert shop.last_log()["status"] == "success"
    shop.assert_equals_api()


def test_a_list_that_leaves_out_what_is_there_by_id_is_not_believed_to_be_whole(shop: Shop) -> None:
    new = shop.admin.create("clients", companyName="Nouveau", status="ACTIVE")["id"]
    shop.admin.fault("empty_account", times=0, operation="allClients")
    outcome = shop.sync(Mode.DEEP)
    assert outcome["clients"].partial
    assert shop.last_log()["status"] == "warning"
    shop.admin.clear_faults()
    shop.sync()
    assert shop.row("gazelle_clients", new)["company_name"] == "Nouveau"


def test_tombstones_that_could_not_be_applied_are_not_staged_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = shop.admin.dump("timeline")[5]["id"]
    shop.admin.delete("timeline", gone)

    def fail(*_: object, **__: object) -> None:
        raise DatabaseError("away")

    with monkeypatch.context() as broken:
        broken.setattr(Applier, "apply", fail)
        shop.sync(Mode.DEEP, check=False)
    shop.sync(Mode.DEEP)
    assert shop.count("staging_timeline", f"external_id = '{gone}' AND raw_data = 'null'") == 1
    shop.assert_equals_api()


# ---- databases that are set up otherwise


def alter(shop: Shop, setting: str) -> None:
    name = shop.value("SELECT current_database()")
    shop.query(f"ALTER DATABASE {name} SET {setting}")


def test_a_database_that_speaks_latin_1_is_spoken_to_in_utf_8(shop: Shop) -> None:
    alter(shop, "client_encoding = 'LATIN1'")
    client = shop.admin.dump("clients")[0]["id"]
    shop.admin.edit("clients", client, personalNotes="Clavier — 🎹")
    shop.sync()
    shop.query(f"ALTER DATABASE {shop.value('SELECT current_database()')} RESET client_encoding")
    assert shop.row("gazelle_clients", client)["personal_notes"] == "Clavier — 🎹"


def test_a_database_that_writes_intervals_otherwise_is_understood(shop: Shop) -> None:
    alter(shop, "IntervalStyle = 'sql_standard'")
    shop.sync()
    assert all(row.age_s is not None for row in read_status(shop.settings))
    shop.query("INSERT INTO sync_logs (run_id, task_type, mode, status) VALUES ('one', 'push', 'rest', 'success')")
    assert push_status(shop.settings).age_s is not None
    assert watch(shop.settings).opened == 0


def test_a_database_that_takes_no_changes_is_said_clearly(shop: Shop) -> None:
    alter(shop, "default_transaction_read_only = 'on'")
    with pytest.raises(DatabaseError, match="accepts no changes"):
        shop.sync()


def test_a_transaction_that_is_ended_for_idling_is_said_clearly(shop: Shop) -> None:
    def idle() -> None:
        with connect(shop.url) as connection:
            connection.execute("SET idle_in_transaction_session_timeout = '10ms'")
            time.sleep(0.1)

    with pytest.raises(DatabaseError, match="connection was lost"):
        idle()


def test_a_session_that_was_ended_before_its_commit_is_said_clearly(shop: Shop) -> None:
    def write() -> None:
        with connect(shop.url) as connection:
            connection.execute("UPDATE gazelle_products SET name_fr = name_fr")
            shop.query("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)

    with pytest.raises(DatabaseError, match="connection was lost"):
        write()


def test_a_setting_that_is_no_instant_stops_nothing(shop: Shop) -> None:
    shop.query("UPDATE system_settings SET value = 'demain' WHERE key = 'last_reading'")
    shop.admin.random_edits(clients=2)
    shop.sync()
    shop.assert_equals_api()


def test_two_bodies_of_one_id_in_an_answer_are_not_stored_again_by_the_next(shop: Shop) -> None:
    now = datetime.now(UTC)
    staging = Staging(Connections(shop.url), TIMELINE, "a run", ReadingOrder(now), EntityReport())
    first, second = ({"id": "tme_double", "occurredAt": "2026-01-01T12:00:00Z", "comment": c} for c in "ab")
    for bodies, stored in (([first, second], 1), ([first, second], 0), ([first], 1), ([second, first], 0)):
        answer = Answer({}, now, has_replacements=False)
        assert len(staging.write(bodies, answer, staging.held_among(["tme_double"]))) == stored
    held = shop.query(
        "SELECT raw_data ->> 'comment' FROM staging_timeline WHERE external_id = 'tme_double' ORDER BY fetched_at"
    )
    assert held == [("b",), ("a",)]


def test_lists_inside_records_that_come_null_say_nothing(shop: Shop) -> None:
    nested = [table.name for entity in ENTITIES for table in entity.tables if table.owner is not None]
    before = {name: shop.count(name, "deleted_at IS NULL") for name in nested}
    assert all(before.values()), before
    shop.admin.fault("null_nested", times=0)
    shop.sync(Mode.DEEP, check=False)
    assert {name: shop.count(name, "deleted_at IS NULL") for name in nested} == before
    shop.admin.clear_faults()
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


@pytest.mark.parametrize("dialect", ["published", "seed"])
def test_a_visit_cancelled_after_a_list_that_came_empty_is_seen_by_the_next_tick(shop: Shop, dialect: str) -> None:
    """Found by the fault campaign: every visit was taken for one that its list leaves out, and not asked for again."""
    shop.admin.settings(dialect=dialect)
    shop.query("DELETE FROM system_settings WHERE key = 'api_features'")
    listed = shop.rows("gazelle_appointments", "start_at BETWEEN now() AND now() + interval '300 days'")
    shop.admin.fault("empty_account", times=0, operation="allEventsBatched")
    shop.sync(check=False)
    shop.admin.clear_faults()
    visit = listed[0]["external_id"]
    shop.admin.edit("events", visit, status="CANCELED")
    shop.sync()
    shop.assert_equals_api()
    shop.quiet_down()
    before = shop.physical()
    assert shop.sync().fetched == 0
    assert shop.physical() == before


@pytest.mark.parametrize("times", [1, 0], ids=["once", "always"])
def test_a_nested_list_whose_pages_leave_out_rows_removes_nobody(shop: Shop, times: int) -> None:
    """Found by the fault campaign: contacts between two pages were taken for contacts that somebody had removed."""
    crowd = shop.value("SELECT client_external_id FROM gazelle_contacts GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    held = shop.value("SELECT count(*) FROM gazelle_contacts WHERE client_external_id = %s", crowd)
    shop.admin.edit("clients", crowd, personalNotes="Encore")
    shop.admin.fault("moved_page", times=times, after=1, delta=3, operation="ClientContacts")
    outcome = shop.sync(check=False)
    assert shop.admin.faults()[0]["struck"] > 0
    assert outcome["clients"].errors == (0 if times else 1)
    assert shop.value("SELECT count(*) FROM gazelle_contacts WHERE client_external_id = %s", crowd) == held == 120
    shop.admin.clear_faults()
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()
