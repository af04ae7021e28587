"""`gazelle-sync show` answers what the desk's page of a piano answers; `history` tells a record as of any day."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gazelle_sync.montreal import montreal_day
from gazelle_sync_tests.support.commands import run_command
from gazelle_sync_tests.support.shop import Row, Shop

ALONE = "(SELECT count(*) FROM gazelle_pianos AS o WHERE o.serial_number = t.serial_number) = 1"
NOTE = (
    "INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes, a_faire, updated_by) "
    "VALUES (%s, 'Ma note', 'Vis', 'Allan')"
)
ERROR = (
    "UPDATE staging_timeline SET sync_status = 'error', error_message = 'occurredAt: is missing', "
    "raw_data = jsonb_set(raw_data, '{piano}', jsonb_build_object('id', %s::text)) WHERE external_id = %s"
)
EDIT = (
    "INSERT INTO desk_changes (who, action, record, field, details, ended_at) "
    "VALUES ('Nick', 'edit', %s, 'notes', jsonb_build_object('after', 'Neuf'), now())"
)
MAKES = "SELECT make FROM gazelle_pianos GROUP BY make ORDER BY count(nullif(make, '')) DESC LIMIT 1"


@pytest.fixture
def piano(shop: Shop) -> Row:
    """One with a serial number that no other has."""
    return shop.rows("gazelle_pianos", f"deleted_at IS NULL AND serial_number <> '' AND {ALONE}")[0]


def shown(shop: Shop, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run_command(shop, "show", *words, "--json").stdout)
    return found


def test_a_note_that_waits_is_shown_with_the_command_that_sends_it(shop: Shop, piano: Row) -> None:
    key = piano["external_id"]
    shop.query(NOTE, key)
    said = run_command(shop, "show", piano["serial_number"], GAZELLE_LANG="fr")
    assert said.returncode == 0, said.text
    for part in (key, "Ma note", "Allan", "reste à l'atelier", f"gazelle-sync push --piano {key}"):
        assert part in said.stdout
    assert shown(shop, key)["push"]["state"] == "due"
    reason = "HTTP 403: a word in it"
    shop.query("UPDATE vincent_dindy_piano_updates SET sync_error = %s", reason)
    assert reason in run_command(shop, "show", key).stdout
    shop.query("UPDATE vincent_dindy_piano_updates SET is_hidden = true, sync_error = NULL")
    assert shown(shop, key)["push"]["state"] == "hidden"


def test_a_note_that_was_read_and_cannot_be_shown_is_named_with_its_reason(shop: Shop, piano: Row) -> None:
    entry = shop.rows("gazelle_timeline_entries")[0]["external_id"]
    shop.query(ERROR, piano["external_id"], entry)
    said = run_command(shop, "show", piano["external_id"]).stdout
    assert "occurredAt: is missing" in said
    assert f"gazelle-sync errors --show {entry}" in said


@pytest.mark.usefixtures("just_pulled")
def test_old_data_say_that_they_are_old(shop: Shop, piano: Row) -> None:
    assert "✓ Gazelle was last read at" in run_command(shop, "show", piano["external_id"]).stdout
    before = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
    shop.query("UPDATE system_settings SET value = %s WHERE key LIKE 'last_sync_date%%'", before)
    assert "is not here yet" in run_command(shop, "show", piano["external_id"]).stdout


def test_several_hits_are_listed_and_nothing_says_so(shop: Shop) -> None:
    many = shop.value(MAKES)
    said = run_command(shop, "show", many)
    assert said.returncode == 0
    assert "pno_" in said.stdout
    assert shown(shop, many)["kind"] == "hits"
    nothing = run_command(shop, "show", "zzzyx")
    assert nothing.returncode == 1
    assert "«zzzyx»" in nothing.stderr


def test_a_client_and_any_other_record_are_shown_by_their_id_with_names_beside_the_ids(shop: Shop) -> None:
    has_piano = "EXISTS (SELECT FROM gazelle_pianos AS p WHERE p.client_external_id = t.external_id)"
    client = shop.rows("gazelle_clients", has_piano)[0]
    assert shown(shop, client["external_id"])["client"]["pianos"]
    invoice = shop.rows("gazelle_invoices")[0]
    said = run_command(shop, "show", invoice["external_id"]).stdout
    name = shop.row("gazelle_clients", invoice["client_external_id"])["display_name"]
    assert f"{invoice['client_external_id']} ({name})" in said


def test_the_history_of_a_record_says_what_changed_and_who_and_what_it_was_on_a_day(shop: Shop, piano: Row) -> None:
    key, now = piano["external_id"], datetime.now(UTC)
    then = now - timedelta(days=3)
    shop.query("UPDATE staging_pianos SET fetched_at = %s, gazelle_updated_at = %s", then, then)
    shop.admin.edit("pianos", key, location="Salle des Songes")
    shop.query(EDIT, key)
    shop.sync()
    said = run_command(shop, "history", key)
    assert said.returncode == 0, said.text
    assert "«Salle des Songes»" in said.stdout
    assert "Nick edited notes at the desk: Neuf" in said.stdout
    yesterday, today = ((montreal_day(now) - timedelta(days=days)).isoformat() for days in (1, 0))
    as_it_was = json.loads(run_command(shop, "history", key, "--at", yesterday, "--json").stdout)
    assert as_it_was["record"]["gazelle_pianos"][0].get("location") == piano["location"]
    assert "Salle des Songes" in run_command(shop, "history", key, "--at", today).stdout
    early = run_command(shop, "history", key, "--at", "2001-01-01")
    assert (early.returncode, "the oldest version" in early.stderr) == (1, True)
    changes = json.loads(run_command(shop, "history", key, "--json").stdout)["versions"][-1]["changes"]
    [moved] = [one for one in changes if one["field"] == "location"]
    assert (moved["before"], moved["after"]) == (piano["location"], "Salle des Songes")
    assert piano["serial_number"] in moved["name"]


def test_the_history_is_french_where_its_reader_is(shop: Shop, piano: Row) -> None:
    key = piano["external_id"]
    shop.query("UPDATE staging_pianos SET fetched_at = '2019-12-01T14:30Z', gazelle_updated_at = '2019-12-01T14:30Z'")
    visited, months = "2018-12-01", 1344
    shop.admin.edit("pianos", key, calculatedLastService=visited, serviceIntervalMonths=months, year=1987)
    shop.sync()
    said = run_command(shop, "history", key, GAZELLE_LANG="fr").stdout
    assert "depuis dimanche 1er décembre 2019, 9\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}30, lu" in said
    assert "samedi 1er décembre 2018" in said
    assert "→ 1\N{NARROW NO-BREAK SPACE}344" in said
    assert "«1987»" in said, "a year is no count"
    assert not re.search(r"\d{4}-\d\d-\d\d", said), said
    on_a_day = run_command(shop, "history", key, "--at", "2019-12-03", GAZELLE_LANG="fr").stdout
    assert "à la fin du mardi 3 décembre 2019" in on_a_day
    assert not re.search(r"\d{4}-\d\d-\d\d", on_a_day), on_a_day


def test_a_record_that_gazelle_deleted_says_so_and_keeps_what_it_was(shop: Shop) -> None:
    entry = shop.admin.dump("timeline")[-1]["id"]
    shop.admin.delete("timeline", entry)
    shop.sync()
    assert "deleted at Gazelle" in run_command(shop, "history", entry).stdout
