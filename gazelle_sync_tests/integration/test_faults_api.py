"""Faults of the API: a run recovers or reports it; the database stays consistent, and the next run corrects it."""

from __future__ import annotations

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
from gazelle_sync_tests.support.shop import PRODUCTION, Shop

NAMES = [entity.name for entity in ENTITIES]
SECRET = "a-key-that-nobody-may-read"


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
    shop.change_something()
    # Three of the entities' first requests, and later ones, meet it.
    shop.admin.fault(kind, times=3, probability=0.5, **options)
    shop.sync()
    assert sum(fault["struck"] for fault in shop.admin.faults()) == 3
    shop.assert_equals_api()


@pytest.mark.parametrize("seed", range(2))
def test_a_storm_of_mixed_faults_is_survived_or_healed(shop: Shop, seed: int) -> None:
    shop.change_something()
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
    shop.change_something()
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


@pytest.mark.parametrize("code", [403, 500])
def test_neighbours_that_gazelle_does_not_give_are_only_themselves_in_error(shop: Shop, code: int) -> None:
    """Five of them, among others that changed as well: a firewall that stumbles over them, or a crash for each."""
    clients = sorted(client["id"] for client in shop.admin.dump("clients"))[:12]
    for client in clients:
        shop.admin.edit("clients", client, personalNotes=f"neuf {client}")
    bad = clients[3:8]
    for client in bad:
        shop.admin.fault("status", code=code, times=0, operation=client)
    outcome = shop.sync(only=["clients"], check=False)
    assert outcome.errors == {}
    assert shop.last_log()["status"] == "warning"
    held = {row["external_id"]: row["personal_notes"] for row in shop.rows("gazelle_clients")}
    assert [client for client in clients if held[client] != f"neuf {client}"] == bad
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


def test_after_an_operation_failed_the_next_run_asks_anew_what_the_schema_offers(shop: Shop) -> None:
    known = "SELECT count(*) FROM system_settings WHERE key = 'api_features'"
    assert shop.value(known) == 1
    shop.admin.fault("graphql_errors", times=0, operation="allInvoices")
    assert "invoices" in shop.sync(check=False).errors
    assert shop.value(known) == 0
    shop.admin.clear_faults()
    shop.sync()
    assert shop.value(known) == 1


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
    shop.change_something()
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
