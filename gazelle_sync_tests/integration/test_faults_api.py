"""Bad days at the API: each is survived, or said clearly; the database stays consistent, and the next run heals."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import (
    AnswerUnreadable,
    ApiUnavailable,
    ApiUnreachable,
    CredentialsRefused,
    GazelleSyncError,
    OperationFailed,
    RequestRefused,
    SettingsError,
)
from gazelle_sync.pull.context import Mode
from gazelle_sync.sandbox.admin import SandboxAdmin
from gazelle_sync_tests.shop import PRODUCTION, Shop

NAMES = [entity.name for entity in ENTITIES]
LOCATION = {"usageType": "STREET", "municipality": "Lévis", "countryCode": "CA"}
SECRET = "a-key-that-nobody-may-read"


def change_something(shop: Shop) -> None:
    shop.admin.random_edits(clients=3, pianos=2, events=5, timeline=4)


def assert_consistent(shop: Shop) -> None:
    """No row dangles and nothing half-done is left behind."""
    shop.assert_nothing_dangles()
    assert shop.count("sync_logs", "status = 'running'") == 0


ONCE: list[tuple[str, dict[str, Any]]] = [
    ("status", {"code": 500}),
    ("status", {"code": 503, "retry_after": 0}),
    ("status", {"code": 429, "retry_after": 0}),
    ("status", {"code": 502}),
    ("html_200", {}),
    ("html_502", {}),
    ("truncated", {}),
    ("empty_body", {}),
    ("invalid_utf8", {}),
    ("graphql_errors", {}),
    ("partial", {}),
    ("partial", {"field": "updatedAt"}),
    ("reset", {}),
    ("close_after", {}),
]


@pytest.mark.parametrize(("kind", "options"), ONCE, ids=lambda value: str(value))
def test_what_passes_by_itself_is_tried_again_within_the_run(shop: Shop, kind: str, options: dict[str, Any]) -> None:
    change_something(shop)
    # Three of the seven entities' first requests, and later ones, meet it.
    shop.admin.fault(kind, times=3, probability=0.5, **options)
    shop.sync()
    assert sum(fault["struck"] for fault in shop.admin.faults()) == 3
    shop.assert_equals_api()


@pytest.mark.parametrize("seed", range(2))
def test_a_storm_of_mixed_faults_is_survived_or_healed(shop: Shop, seed: int) -> None:
    change_something(shop)
    for number, (kind, options) in enumerate(ONCE):
        shop.admin.fault(kind, times=0, probability=0.04, seed=100 * seed + number, **options)
    for _ in range(3):
        shop.sync(Mode.DEEP if seed % 2 else Mode.TICK, check=False, page_size=20)
        assert_consistent(shop)
    shop.admin.clear_faults()
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


@pytest.mark.parametrize(
    ("kind", "options", "error", "words"),
    [
        ("status", {"code": 503}, ApiUnavailable, "HTTP 503"),
        ("status", {"code": 429, "retry_after": 0}, ApiUnavailable, "HTTP 429"),
        ("status", {"code": 404}, RequestRefused, "GAZELLE_API_URL"),
        ("html_200", {}, AnswerUnreadable, "not JSON"),
        ("truncated", {}, AnswerUnreadable, "not JSON"),
        ("graphql_errors", {"message": "Boum"}, OperationFailed, "Boum"),
        ("reset", {}, ApiUnreachable, "cannot be reached"),
        ("status", {"code": 403}, CredentialsRefused, "refuses the credentials"),
    ],
)
def test_what_does_not_pass_fails_each_entity_with_a_clear_message(
    shop: Shop, kind: str, options: dict[str, Any], error: type[GazelleSyncError], words: str
) -> None:
    change_something(shop)
    before, marks = shop.fingerprint(), shop.watermarks()
    shop.admin.fault(kind, times=0, **options)
    outcome = shop.sync(check=False)
    assert {name: type(e) for name, e in outcome.errors.items()} == dict.fromkeys(NAMES, error)
    assert all(words in str(e) for e in outcome.errors.values())
    assert shop.fingerprint() == before
    assert shop.watermarks() == marks
    log = shop.last_log()
    assert log["status"] == "error"
    assert words in log["error_message"]
    shop.admin.clear_faults()
    shop.sync()
    shop.assert_equals_api()


def test_a_4xx_that_will_not_change_is_not_tried_again(shop: Shop) -> None:
    shop.admin.fault("status", times=0, code=404, operation="TimelineTick")
    shop.sync(only=["timeline"], check=False)
    assert shop.admin.faults()[0]["struck"] == 1


@pytest.mark.usefixtures("real_waits")
def test_at_most_three_tries_follow_the_first(shop: Shop) -> None:
    shop.admin.fault("status", times=0, code=503, operation="TimelineTick")
    began = time.monotonic()
    shop.sync(only=["timeline"], check=False)
    assert shop.admin.faults()[0]["struck"] == 4
    assert time.monotonic() - began > 0.2 + 0.4 + 0.8, "the waits between them grow"


@pytest.mark.parametrize("failing", ["clients", "appointments", "timeline", "users"])
def test_one_failed_entity_keeps_its_watermark_and_the_others_move_on(shop: Shop, failing: str) -> None:
    shop.query("UPDATE system_settings SET value = '2026-01-01T00:00:00+00:00' WHERE key LIKE 'last_sync_date%'")
    root = {"clients": "allClients", "appointments": "allEventsBatched", "timeline": "allTimelineEntries",
            "users": "allUsers"}[failing]  # fmt: skip
    shop.admin.fault("graphql_errors", times=0, operation=root)
    outcome = shop.sync(check=False)
    assert set(outcome.errors) == {failing}
    marks = shop.watermarks()
    assert {name for name, mark in marks.items() if mark == datetime(2026, 1, 1, tzinfo=UTC)} == {failing, ""}
    shop.admin.clear_faults()
    shop.sync()
    assert shop.watermarks()[""] > datetime(2026, 1, 1, tzinfo=UTC)


def test_retry_after_is_honoured(shop: Shop) -> None:
    shop.admin.fault("status", times=1, code=429, retry_after=1, operation="TimelineTick")
    shop.admin.reset_stats()
    shop.sync(only=["timeline"])
    refused, answered = shop.admin.stats()["arrivals_monotonic"]
    assert 1.0 <= answered - refused < 2.5


def test_retry_after_holds_back_every_entity(shop: Shop) -> None:
    shop.admin.fault("status", times=1, code=429, retry_after=1, operation="UsersStamps")
    shop.admin.settings(latency_ms=30)
    shop.admin.random_edits()
    shop.admin.reset_stats()
    shop.sync(page_size=5)
    arrivals = shop.admin.stats()["arrivals_monotonic"]
    pauses = [later - earlier for earlier, later in pairwise(arrivals)]
    assert max(pauses) > 0.85, "nobody asks while Gazelle wants to be left alone"


def test_a_retry_after_of_an_hour_is_not_waited_for(shop: Shop) -> None:
    shop.admin.fault("status", times=0, code=429, retry_after=3600)
    began = time.monotonic()
    outcome = shop.sync(check=False)
    assert set(outcome.errors) == set(NAMES)
    assert time.monotonic() - began < 600


def test_an_answer_that_comes_too_late_is_a_timeout_and_tried_again(shop: Shop) -> None:
    change_something(shop)
    shop.admin.fault("timeout", times=1, seconds=30, operation="ClientsStamps")
    began = time.monotonic()
    shop.sync(timeout_s=0.5)
    assert time.monotonic() - began < 30
    shop.assert_equals_api()


def test_answers_that_never_come_in_time_fail_with_a_clear_message(shop: Shop) -> None:
    shop.admin.fault("timeout", times=0, seconds=2, operation="TimelineTick")
    outcome = shop.sync(only=["timeline"], check=False, timeout_s=0.2)
    assert isinstance(outcome.errors["timeline"], ApiUnreachable)
    assert "did not answer in time" in str(outcome.errors["timeline"])


def test_a_page_that_is_too_slow_is_asked_for_in_smaller_ones(shop: Shop) -> None:
    shop.admin.fault("timeout", times=4, seconds=1, operation="ClientsPage")
    outcome = shop.sync(Mode.DEEP, only=["clients"], timeout_s=0.3)
    assert outcome["clients"].fetched >= len(shop.admin.dump("clients"))
    shop.assert_equals_api()


def test_an_unreachable_api_is_said_clearly(shop: Shop) -> None:
    with pytest.raises(ApiUnreachable, match="GAZELLE_API_URL"):
        shop.sync(api_url="http://127.0.0.1:9")
    assert shop.last_log()["status"] == "error"


def test_wrong_credentials_end_the_pull_at_once_and_are_never_repeated_in_the_message(new_shop: Shop) -> None:
    with pytest.raises(CredentialsRefused) as caught:
        new_shop.sync(api_token=SECRET)
    assert "GAZELLE_API_TOKEN" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert new_shop.admin.stats()["refused"] == {"401": 1}
    log = new_shop.last_log()
    assert log["status"] == "error"
    assert SECRET not in str(log)
    assert all(new_shop.rows(table) == [] for table in PRODUCTION)


def test_missing_credentials_say_which_variables_to_set(new_shop: Shop) -> None:
    with pytest.raises(SettingsError, match="GAZELLE_API_TOKEN"):
        new_shop.sync(api_token=None)


# ---- lists that lie


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.DEEP])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("repeat_row", {}),
        ("skip_row", {}),
        ("skip_row", {"place": 0}),
        ("repeat_row", {"place": 99}),
        ("total_wrong", {}),
    ],
    ids=str,
)
def test_rows_repeated_or_skipped_on_some_pages_lose_nothing(
    shop: Shop, kind: str, options: dict[str, Any], mode: Mode
) -> None:
    change_something(shop)
    shop.admin.fault(kind, times=2, probability=0.3, **options)
    shop.sync(mode, page_size=20)
    shop.admin.clear_faults()
    assert shop.value("SELECT count(*) FROM gazelle_clients WHERE deleted_at IS NOT NULL AND NOT is_stub") == 0
    shop.sync(mode, page_size=20)
    shop.assert_equals_api()


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.DEEP])
@pytest.mark.parametrize("kind", ["total_wrong", "skip_row"])
def test_a_list_that_never_agrees_with_its_count_is_partial_and_nothing_is_deleted(
    shop: Shop, kind: str, mode: Mode
) -> None:
    change_something(shop)
    gone = shop.admin.dump("clients")[-1]["id"]
    shop.admin.delete("clients", gone)
    operation = "allClients"
    shop.admin.fault(kind, times=0, operation=operation)
    outcome = shop.sync(mode, page_size=20)
    assert outcome["clients"].partial
    assert outcome["clients"].deleted == 0
    assert shop.row("gazelle_clients", gone)["deleted_at"] is None
    assert shop.last_log()["status"] == "warning"
    shop.admin.clear_faults()
    shop.sync(Mode.DEEP)
    assert shop.row("gazelle_clients", gone)["deleted_at"] is not None
    shop.assert_equals_api()


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.DEEP])
def test_a_timeline_that_never_agrees_with_its_count_deletes_nothing(shop: Shop, mode: Mode) -> None:
    living = shop.value("SELECT count(*) FROM gazelle_timeline_entries WHERE deleted_at IS NULL")
    shop.admin.fault("skip_row", times=0, operation="allTimelineEntries")
    shop.sync(mode, check=False, page_size=50)
    assert shop.value("SELECT count(*) FROM gazelle_timeline_entries WHERE deleted_at IS NULL") == living
    shop.admin.clear_faults()
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


def test_pages_that_move_while_they_are_read_lose_nothing(shop: Shop) -> None:
    """Records come and go at the front of the list during the scan: every page shifts."""
    shop.admin.settings(latency_ms=15)
    over = threading.Event()
    clients = [c["id"] for c in shop.admin.dump("clients")]

    def people_work() -> None:
        with SandboxAdmin(shop.sandbox.url) as admin:
            for number in range(1000):
                if over.is_set():
                    return
                made = admin.create("pianos", clientId=clients[0], make="Éphémère", createdAt="2001-01-01T00:00:00Z")
                if number % 3:
                    admin.delete("pianos", str(made["id"]))
                time.sleep(0.01)

    worker = threading.Thread(target=people_work)
    worker.start()
    try:
        shop.sync(Mode.DEEP, page_size=5, check=False)
        shop.sync(page_size=5, check=False)
    finally:
        over.set()
        worker.join()
    shop.admin.settings(latency_ms=0)
    shop.sync(Mode.DEEP, allow_deletes=True)
    shop.assert_equals_api()


def test_a_page_size_that_is_refused_is_made_smaller(new_shop: Shop) -> None:
    new_shop.admin.settings(page_size_limit=200)
    new_shop.sync()
    new_shop.assert_equals_api()


def test_the_size_that_gazelle_accepts_is_found_out_once_a_day(shop: Shop) -> None:
    quiet = shop.sync().requests
    shop.admin.settings(page_size_limit=200)
    first = shop.sync()
    assert first.requests > quiet
    assert shop.sync().requests == quiet
    shop.query(
        "UPDATE system_settings SET value = regexp_replace(value, '\\d{4}-\\d\\d-\\d\\dT', '2026-01-01T', 'g') "
        "WHERE key = 'api_page_sizes'"
    )
    shop.admin.settings(page_size_limit=0)
    shop.admin.reset_stats()
    assert shop.sync().requests == quiet
    assert json.loads(shop.value("SELECT value FROM system_settings WHERE key = 'api_page_sizes'"))["sizes"] == {}


def test_a_size_that_is_refused_is_asked_for_twice_and_not_four_times(shop: Shop) -> None:
    shop.admin.settings(page_size_limit=200)
    shop.admin.reset_stats()
    shop.sync(only=["invoices"])
    # 1000, 500 and 250 twice each, then 200 once.
    assert shop.admin.stats()["by_operation"]["InvoicesStamps"] == 7


def test_a_record_that_cannot_be_given_says_nothing_of_the_size(shop: Shop) -> None:
    poison(shop)
    shop.sync(Mode.DEEP, check=False)
    assert json.loads(shop.value("SELECT value FROM system_settings WHERE key = 'api_page_sizes'"))["sizes"] == {}


def test_a_page_that_is_cut_in_silence_is_read_on(new_shop: Shop) -> None:
    new_shop.admin.settings(max_page_size=25)
    new_shop.sync()
    new_shop.sync()
    new_shop.assert_equals_api()


def test_too_many_fields_in_a_request_are_split(shop: Shop) -> None:
    shop.admin.settings(max_root_fields=7)
    change_something(shop)
    shop.admin.random_edits(seed=9, clients=12, timeline=0)
    client = shop.admin.dump("clients")[0]
    shop.admin.create("timeline", occurredAt="2019-05-04T12:00:00Z", summary="Antidaté", clientId=client["id"])
    shop.sync()
    shop.assert_equals_api()


# ---- one record that nobody can read


def poison(shop: Shop) -> str:
    """A client whose body breaks every answer that it is in: the API's own check fails on a contact of it."""
    contact = next(c for c in shop.admin.dump("contacts") if not c["isDefault"])
    shop.admin.edit("contacts", contact["id"], archived=None)
    shop.admin.edit("clients", contact["clientId"])
    return str(contact["clientId"])


@pytest.mark.parametrize("mode", [Mode.TICK, Mode.DEEP])
def test_one_poisoned_record_does_not_hide_the_others(shop: Shop, mode: Mode) -> None:
    poisoned = poison(shop)
    changed = next(c["id"] for c in shop.admin.dump("clients") if c["id"] != poisoned)
    shop.admin.edit("clients", changed, personalNotes="Lisible")
    outcome = shop.sync(mode, check=False)
    assert shop.row("gazelle_clients", changed)["personal_notes"] == "Lisible"
    assert outcome["clients"].errors == 1
    assert "PrivateContact.archived" in " ".join(outcome["clients"].notes)
    assert shop.row("gazelle_clients", poisoned)["deleted_at"] is None
    assert shop.last_log()["status"] == "warning"
    for contact in shop.admin.dump("contacts"):
        if contact["archived"] is None:
            shop.admin.edit("contacts", contact["id"], archived=False)
    shop.sync(mode)
    shop.assert_equals_api()


# ---- what stands in the records


def test_nul_and_lone_surrogates_become_a_replacement_and_the_row_says_so(shop: Shop) -> None:
    client = shop.admin.dump("clients")[0]["id"]
    shop.admin.edit("clients", client, personalNotes="nul \0, moitié \ud83c, entier 🎹")
    shop.sync()
    assert shop.row("gazelle_clients", client)["personal_notes"] == "nul \ufffd, moitié \ufffd, entier 🎹"
    replaced = shop.value(
        "SELECT replaced_characters FROM staging_clients WHERE external_id = %s ORDER BY fetched_at DESC LIMIT 1",
        client,
    )
    assert replaced == 2
    shop.quiet_down()
    before = shop.physical()
    shop.sync()
    shop.sync(Mode.DEEP)
    assert shop.physical() == before
    shop.assert_equals_api()


@pytest.mark.parametrize("kind", ["bad_text"])
def test_a_whole_account_of_bad_text_is_stored(new_shop: Shop, kind: str) -> None:
    new_shop.admin.fault(kind, times=0)
    new_shop.sync()
    notes = {row["notes"] for row in new_shop.rows("gazelle_pianos")}
    assert notes == {"coup\u00e9 \ufffd et nul \ufffd fin"}


def test_a_note_of_a_megabyte_arrives_whole(shop: Shop) -> None:
    text = "Accord, réglage, harmonisation. " * 32_768
    client = shop.admin.dump("clients")[0]["id"]
    entry = shop.admin.create("timeline", clientId=client, summary="Long", comment=text)["id"]
    shop.admin.edit("clients", client, personalNotes=text)
    shop.sync()
    assert shop.row("gazelle_timeline_entries", entry)["description"] == text
    assert shop.row("gazelle_clients", client)["personal_notes"] == text


def test_unknown_enum_values_are_stored_as_they_came(shop: Shop) -> None:
    client = shop.admin.dump("clients")[0]["id"]
    shop.admin.fault("unknown_enum", times=0, field="type", value="TELEPATHY")
    entry = shop.admin.create("timeline", clientId=client, summary="?")["id"]
    shop.sync()
    assert shop.row("gazelle_timeline_entries", entry)["entry_type"] == "TELEPATHY"
    shop.admin.clear_faults()
    shop.admin.edit("clients", client, status="ACTIVE")
    shop.admin.fault("unknown_enum", times=0, field="status", value="HIBERNATING")
    shop.sync()
    assert shop.row("gazelle_clients", client)["status"] == "HIBERNATING"


def test_bodies_without_updated_at_are_stored(new_shop: Shop) -> None:
    new_shop.admin.fault("null_updated_at", times=0)
    new_shop.sync()
    new_shop.sync()
    new_shop.admin.clear_faults()
    new_shop.sync(Mode.NIGHTLY)
    new_shop.assert_equals_api()


@pytest.mark.parametrize(("kind", "field"), [("events", "start"), ("timeline", "occurredAt"), ("clients", "id")])
def test_a_record_that_cannot_be_right_waits_in_staging_with_its_reason(shop: Shop, kind: str, field: str) -> None:
    root = {"events": "allEventsBatched", "timeline": "allTimelineEntries", "clients": "allClients"}[kind]
    shop.admin.fault("missing_field", times=0, operation=root, field=field)
    shop.admin.fault("missing_field", times=0, operation="ById", field=field)
    change_something(shop)
    shop.sync(Mode.DEEP, check=False)
    assert_consistent(shop)
    shop.admin.clear_faults()
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


def test_one_record_that_cannot_be_reconciled_is_set_in_error_and_the_batch_goes_on(shop: Shop) -> None:
    bad, good = (c["id"] for c in shop.admin.dump("clients")[:2])
    shop.admin.edit("clients", bad, noContactUntil="demain")
    shop.admin.edit("clients", good, personalNotes="Bonne fiche")
    outcome = shop.sync()
    assert outcome["clients"].errors == 1
    assert shop.row("gazelle_clients", good)["personal_notes"] == "Bonne fiche"
    ((message, stack),) = shop.query(
        "SELECT error_message, error_stack FROM staging_clients WHERE sync_status = 'error'"
    )
    assert bad in message
    assert "noContactUntil" in message
    assert "Traceback" in stack
    assert shop.last_log()["status"] == "warning"
    shop.admin.edit("clients", bad, noContactUntil="2026-12-24")
    shop.sync()
    assert shop.value("SELECT count(*) FROM staging_clients WHERE sync_status = 'error'") == 0
    shop.assert_equals_api()


def test_a_row_that_the_database_refuses_is_found_by_splitting_its_batch(shop: Shop) -> None:
    bad, *others = (c["id"] for c in shop.admin.dump("clients")[:9])
    shop.query("ALTER TABLE gazelle_clients ADD CONSTRAINT a_shop_rule CHECK (personal_notes <> 'refusée')")
    for external_id in others:
        shop.admin.edit("clients", external_id, personalNotes="acceptée")
    shop.admin.edit("clients", bad, personalNotes="refusée")
    outcome = shop.sync()
    assert outcome["clients"].errors == 1
    assert all(shop.row("gazelle_clients", external_id)["personal_notes"] == "acceptée" for external_id in others)
    message = shop.value("SELECT error_message FROM staging_clients WHERE sync_status = 'error'")
    assert bad in message
    assert "a_shop_rule" in message


def test_an_institution_with_120_contacts_has_them_all(shop: Shop) -> None:
    counts = shop.query("SELECT client_external_id, count(*) FROM gazelle_contacts GROUP BY 1 ORDER BY 2 DESC LIMIT 1")
    ((client, count),) = counts
    assert count == 120
    shop.admin.edit("clients", client, personalNotes="Encore")
    contact = shop.admin.create("contacts", clientId=client, firstName="La", lastName="Cent-vingt-et-unième")
    shop.admin.reset_stats()
    shop.sync()
    assert shop.row("gazelle_contacts", contact["id"])["first_name"] == "La"
    assert shop.value("SELECT count(*) FROM gazelle_contacts WHERE client_external_id = %s", client) == 121
    shop.assert_equals_api()


@pytest.mark.parametrize("count", [101, 230])
def test_a_contact_with_more_locations_than_a_page_has_them_all(shop: Shop, count: int) -> None:
    crowd = shop.value("SELECT client_external_id FROM gazelle_contacts GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    # One of the contacts comes with the body, the other is beyond the first page of contacts.
    contacts = sorted(
        (c for c in shop.admin.dump("contacts") if c["clientId"] == crowd), key=lambda c: c.get("sortOrder") or 0
    )
    for contact in (contacts[0], contacts[-1]):
        locations = [
            {**LOCATION, "id": f"loc_{contact['id']}_{n}", "street1": f"{n}, rue Longue"} for n in range(count)
        ]
        shop.admin.edit("contacts", contact["id"], locations=locations)
    shop.admin.edit("clients", crowd, personalNotes="Un réseau d'écoles")
    shop.sync()
    for contact in (contacts[0], contacts[-1]):
        held = shop.rows("gazelle_locations", "contact_external_id = %s", contact["id"])
        assert {row["street1"] for row in held} == {f"{n}, rue Longue" for n in range(count)}
    shop.assert_equals_api()
