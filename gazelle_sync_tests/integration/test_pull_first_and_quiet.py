"""The first pull, and the pulls after which nothing has changed."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gazelle_sync.entities import ENTITIES, TIMELINE
from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.support.shop import ENTITY, KIND_OF_ENTITY, Shop


def test_the_first_pull_makes_production_equal_to_the_api(new_shop: Shop) -> None:
    outcome = new_shop.sync()
    new_shop.assert_equals_api()
    for name, kind in KIND_OF_ENTITY.items():
        assert outcome[name].processed >= 1, name
        assert new_shop.count(ENTITY[name].staging_table, "sync_status <> 'processed'") == 0
        assert len(new_shop.admin.dump(kind)) >= outcome[name].errors == 0
    assert new_shop.last_log()["status"] == "success"


def test_the_proof_that_all_tests_rely_on_names_each_difference(shop: Shop) -> None:
    """A value, a list of tags, a row too few and a row too many; nested rows and records alike."""
    changes = {
        "gazelle_pianos": "notes = 'x'",
        "gazelle_clients": "tags = '{y}'",
        "gazelle_locations": "deleted_at = now()",
        "gazelle_timeline_entries": "external_id = 'tle_nowhere'",
    }
    for table, change in changes.items():
        last = f"SELECT max(external_id) FROM {table} WHERE NOT is_stub"  # noqa: S608
        shop.query(f"UPDATE {table} SET {change} WHERE external_id = ({last})")  # noqa: S608
    found = shop.differences()
    assert [text.split()[0] for text in sorted(found)] == sorted([*changes, "gazelle_timeline_entries"]), found
    told = " | ".join(found)
    assert ".notes: 'x' is not" in told
    assert ".tags: ['y'] is not" in told
    assert "tle_nowhere: is in production and not at Gazelle" in told
    assert told.count("is at Gazelle and not in production") == 2


@pytest.mark.parametrize("mode", [Mode.NIGHTLY, Mode.DEEP])
def test_a_full_run_on_an_empty_database_makes_production_equal_to_the_api(new_shop: Shop, mode: Mode) -> None:
    new_shop.sync(mode)
    new_shop.assert_equals_api()


def test_a_quiet_second_pull_writes_no_row_outside_its_own_log_and_fetches_no_body(shop: Shop) -> None:
    before = shop.physical()
    outcome = shop.sync()
    assert shop.physical() == before
    assert outcome.fetched == outcome.staged == 0
    assert sum(shop.admin.stats()["bodies"].values()) == 0


def test_a_quiet_pull_takes_one_request_for_each_page_of_stamps_and_each_entity_without(shop: Shop) -> None:
    shop.sync()
    stats = shop.admin.stats()
    operations = [entity.shortest_operation for entity in ENTITIES if entity is not TIMELINE]
    assert stats["by_operation"] == dict.fromkeys([*operations, "TimelineTick"], 1)


@pytest.mark.parametrize("mode", [Mode.NIGHTLY, Mode.DEEP])
def test_a_quiet_full_run_writes_no_row_outside_its_own_log(shop: Shop, mode: Mode) -> None:
    shop.sync(mode)
    before = shop.physical()
    outcome = shop.sync(mode)
    assert shop.physical() == before
    assert outcome.staged == 0
    assert outcome.fetched > 0


def test_two_pulls_of_a_new_database_log_one_row_each(new_shop: Shop) -> None:
    ids = [new_shop.sync().run_id for _ in range(2)]
    logs = sorted(new_shop.rows("sync_logs"), key=lambda row: int(row["id"]))
    assert [log["run_id"] for log in logs] == ids
    assert [log["status"] for log in logs] == ["success", "success"]
    assert logs[1]["stats"]["requests"] == len(ENTITIES)
    assert logs[1]["stats"]["clients"]["stamped"] == len(new_shop.admin.dump("clients"))


def test_only_the_chosen_entities_are_read_and_their_watermarks_move(shop: Shop) -> None:
    shop.query("UPDATE system_settings SET value = '2020-01-01T00:00:00+00:00' WHERE key LIKE 'last_sync_date%'")
    shop.sync(only=["clients", "timeline"])
    moved = {name for name, mark in shop.watermarks().items() if mark.year > 2020}
    assert moved == {"clients", "timeline"}
    assert set(shop.admin.stats()["by_operation"]) == {"ClientsStamps", "TimelineTick"}


def test_every_start_is_the_same_instant_in_the_api_in_the_table_and_in_the_montreal_view(shop: Shop) -> None:
    montreal = {row["external_id"]: row for row in shop.rows("v_appointments_montreal")}
    rows = {row["external_id"]: row for row in shop.rows("gazelle_appointments")}
    events = [event for event in shop.admin.dump("events") if event["status"] != "CANCELED"]
    assert len(events) > 100
    for event in events:
        start = datetime.fromisoformat(event["start"])
        row, local = rows[event["id"]], montreal[event["id"]]
        assert row["start_at"] == start
        assert datetime.combine(row["appointment_date"], row["appointment_time"], UTC) == start
        wall = start.astimezone(ZoneInfo("America/Toronto")).replace(tzinfo=None)
        assert local["starts_at_montreal"] == wall
        assert local["date_montreal"] == wall.date()
        assert local["time_montreal"] == (None if event["isAllDay"] else wall.time())
