"""Lists that lie, move or are cut, and records that cannot be given: nothing is lost and nothing is deleted for it."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest

from gazelle_sync.pull.context import Mode
from gazelle_sync.sandbox.admin import SandboxAdmin
from gazelle_sync_tests.support.shop import Shop


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
    shop.change_something()
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
    shop.change_something()
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
    shop.change_something()
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
