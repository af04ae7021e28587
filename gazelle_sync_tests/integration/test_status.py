"""`status` tells a person, and a cron job, how far each entity is from Gazelle."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from gazelle_sync.entities import ENTITIES
from gazelle_sync.monitoring.status import (
    EntityStatus,
    Situation,
    push_status,
    read_situation,
    read_status,
)
from gazelle_sync.monitoring.status_screen import render_status
from gazelle_sync.notifications import ledger
from gazelle_sync.push.render import render_waiting
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.lock import PullLock
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.commands import run_command
from gazelle_sync_tests.support.shop import Shop

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def screen(settings: Settings) -> str:
    """What a person reads, without the colours."""
    return COLOURS.sub("", render_status(settings, read_situation(settings)))


def by_name(settings: Settings) -> dict[str, EntityStatus]:
    return {row.entity: row for row in read_status(settings)}


def run(shop: Shop, statement: str, parameters: Sequence[object] = ()) -> None:
    with psycopg.connect(shop.url) as connection:
        connection.execute(statement, parameters)


def last_synced(shop: Shop, entity: str, ago: timedelta) -> None:
    run(
        shop,
        "UPDATE system_settings SET value = %s WHERE key = %s",
        [(datetime.now(UTC) - ago).isoformat(), f"last_sync_date.{entity}"],
    )


@pytest.mark.usefixtures("just_pulled")
def test_after_a_pull_everything_is_green_with_living_rows_and_the_last_run(shop: Shop) -> None:
    rows = read_status(shop.settings)
    assert [row.entity for row in rows] == [entity.name for entity in ENTITIES]
    assert {row.light for row in rows} == {"green"}
    clients = len(shop.admin.dump("clients"))
    assert by_name(shop.settings)["clients"].rows == clients
    text = screen(shop.settings)
    assert "✓ All is well." in text
    # With its day, where midnight in Montreal lies between the two.
    assert re.search(r"Last run: tick, (\w+, \w+ \d+(, \d{4})?, )?\d?\d:\d\d, succeeded in \d+\.\d s\.", text)
    assert len(text.splitlines()) < 15, "one screen"


def test_a_database_that_was_never_migrated_is_red_and_says_what_to_do(databases: Databases, tmp_path: Path) -> None:
    with databases.temporary("template0") as url:
        settings = Settings(database_url=url, home=tmp_path)
        rows = read_status(settings)
        assert {row.light for row in rows} == {"red"}
        assert "gazelle-sync sync" in screen(settings)


def test_where_a_migration_is_missing_nothing_is_said_of_what_was_not_read(shop: Shop) -> None:
    run(shop, "DELETE FROM schema_migrations WHERE name = (SELECT max(name) FROM schema_migrations)")
    text = screen(shop.settings)
    assert "gazelle-sync sync" in text
    assert "never" not in text


def test_a_migrated_database_without_a_run_is_red_and_says_that_there_was_none(database: str, tmp_path: Path) -> None:
    settings = Settings(database_url=database, home=tmp_path)
    assert {row.light for row in read_status(settings)} == {"red"}
    assert "No run yet" in screen(settings)


@pytest.mark.usefixtures("just_pulled")
@pytest.mark.parametrize(
    ("ago", "light"),
    [(timedelta(minutes=15), "green"), (timedelta(minutes=21), "yellow"), (timedelta(minutes=61), "red")],
)
def test_an_entity_is_late_after_twenty_minutes_and_lost_after_an_hour(shop: Shop, ago: timedelta, light: str) -> None:
    last_synced(shop, "pianos", ago)
    rows = by_name(shop.settings)
    assert rows["pianos"].light == light
    assert rows["clients"].light == "green"
    assert ("Pianos: no sync for more than 20 minutes" in screen(shop.settings)) == (light != "green")


@pytest.mark.usefixtures("just_pulled")
def test_records_that_wait_or_are_in_error_make_it_yellow(shop: Shop) -> None:
    run(
        shop,
        "UPDATE staging_clients SET sync_status = 'pending' WHERE id = (SELECT id FROM staging_clients LIMIT 1)",
    )
    run(
        shop,
        "UPDATE staging_pianos SET sync_status = 'error', error_message = 'odd' "
        "WHERE id = (SELECT id FROM staging_pianos LIMIT 1)",
    )
    rows = by_name(shop.settings)
    assert (rows["clients"].light, rows["clients"].backlog) == ("yellow", 1)
    assert (rows["pianos"].light, rows["pianos"].errors) == ("yellow", 1)
    assert "v_sync_errors" in screen(shop.settings)


def test_an_entity_whose_last_run_failed_is_red_with_the_reason_said_once(shop: Shop) -> None:
    shop.admin.fault("status", status=400, times=0, operation="PianosStamps")
    shop.sync(check=False)
    rows = by_name(shop.settings)
    assert rows["pianos"].light == "red"
    assert rows["pianos"].failure
    assert rows["clients"].light == "green"
    text = screen(shop.settings)
    assert text.count(rows["pianos"].failure) == 1
    assert "failed" in text
    assert "All is well" not in text
    shop.admin.clear_faults()
    shop.sync()
    assert by_name(shop.settings)["pianos"].light == "green"


def test_a_run_that_failed_before_it_came_to_any_entity_failed_for_all(shop: Shop) -> None:
    run(
        shop,
        "INSERT INTO sync_logs (run_id, task_type, mode, status, stats, error_message) "
        "VALUES ('x', 'pull', 'tick', 'error', '{\"requests\": 4}', 'Gazelle refuses the credentials.')",
    )
    assert {row.light for row in read_status(shop.settings)} == {"red"}
    assert screen(shop.settings).count("Gazelle refuses the credentials.") == 1


def test_a_run_in_progress_is_told_from_one_that_died(shop: Shop) -> None:
    run(shop, "INSERT INTO sync_logs (run_id, task_type, mode, status) VALUES ('y', 'pull', 'deep', 'running')")
    assert "was killed" in screen(shop.settings)
    with PullLock(shop.url, wait_s=0):
        assert re.search(r"Running now: deep, since \d?\d:\d\d\.", screen(shop.settings))


def test_the_screen_speaks_french_with_its_accents(shop: Shop) -> None:
    last_synced(shop, "clients", timedelta(hours=30))
    text = screen(shop.settings.replace(language="fr"))
    assert "à Montréal" in text
    assert "dernière synchro" in text
    assert "30 h" in text
    assert "réussie" in text


@pytest.mark.usefixtures("just_pulled")
def test_json_has_the_light_and_utc_instants(shop: Shop) -> None:
    record = by_name(shop.settings)["clients"].as_json()
    assert record["light"] == "green"
    assert datetime.fromisoformat(record["last_sync_at"]).utcoffset() == timedelta(0)
    assert set(record) == {"entity", "last_sync_at", "age_s", "rows", "backlog", "errors", "failure", "light"}


@pytest.mark.usefixtures("just_pulled")
@pytest.mark.parametrize(
    ("change", "light", "said"),
    [
        ("UPDATE sync_logs SET status = 'error', error_message = 'Gazelle said no' WHERE mode = 'graphql'", "red",
         "Gazelle said no. Nothing is lost"),
        ("INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes, sync_error) VALUES ('a', 'x', 'y'); "
         "UPDATE vincent_dindy_piano_updates SET sync_error = 'unknown'", "yellow", "did not go to Gazelle"),
        ("INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes, updated_at) "
         "VALUES ('a', 'x', now() - interval '21 minutes')", "yellow", "wait for more than 20 minutes"),
    ],
)  # fmt: skip
def test_all_is_well_only_if_the_push_is_too(shop: Shop, change: str, light: str, said: str) -> None:
    run(
        shop,
        "INSERT INTO sync_logs (run_id, task_type, mode, status, started_at) VALUES "
        "('p', 'push', 'graphql', 'success', now())",
    )
    assert "All is well" in screen(shop.settings)
    run(shop, change)
    assert "All is well" not in screen(shop.settings)
    assert said in screen(shop.settings)
    found = push_status(shop.settings).as_json()
    assert (found["entity"], found["light"]) == ("push", light)
    assert set(found) == set(by_name(shop.settings)["pianos"].as_json())
    if light == "red":
        waiting = render_waiting("fr", [], push_status(shop.settings).failure)
        assert waiting.startswith("✗ Le dernier envoi a échoué\N{NO-BREAK SPACE}: Gazelle said no")


def test_lights_have_shapes_since_not_everybody_sees_their_colour(shop: Shop) -> None:
    rows = [
        EntityStatus("clients", datetime.now(UTC), 1.0),
        EntityStatus("pianos", datetime.now(UTC), 1.0, backlog=1),
        EntityStatus("users"),
    ]
    text = COLOURS.sub("", render_status(shop.settings, Situation(rows)))
    assert re.findall(r"^([●▲■]) ", text, re.MULTILINE) == ["●", "▲", "■"]


def test_an_open_incident_has_its_time_the_next_step_the_run_and_the_reader_s_language(shop: Shop) -> None:
    with psycopg.connect(shop.url) as connection:
        ledger.write_alert(
            connection, rule="failed_check", subjects=["timezone_view"], severity="error", text="…", run_id="abc",
            title="✗ Gazelle: Check failed: timezone_view", recipients=["log"],
        )  # fmt: skip
    [line] = [one for one in screen(shop.settings.replace(language="fr")).splitlines() if "timezone_view" in one]
    assert re.match(r"✗ Vérification.*timezone_view, depuis (\w+ \d+(er)? \w+, )?\d?\d\sh", line), line
    assert line.endswith("→ `gazelle-sync check --only timezone_view`")
    assert f"{shop.settings.ui_url}/runs/abc" in screen(shop.settings)
    assert run_command(shop, "status").returncode == 1, "a failed check counts"


def test_conflicts_are_counted_and_one_cause_is_one_line(shop: Shop) -> None:
    columns, values = "entity, external_id, field, winner", "'pianos', 'pno_a', 'notes', 'ours'"
    shop.query(f"INSERT INTO sync_conflicts ({columns}) VALUES ({values})")  # noqa: S608 - written above
    assert "⚠ 1 edit of both sides at once" in screen(shop.settings)
    reason = "Gazelle refuses the credentials."
    for kind in ("pull", "push"):
        shop.query(
            "INSERT INTO sync_logs (run_id, task_type, mode, status, started_at, duration_s, stats, error_message) "
            "VALUES (%s, %s, 'tick', 'error', now(), 1, '{}', %s)", kind, kind, reason,
        )  # fmt: skip
    assert screen(shop.settings).count(reason) == 1
