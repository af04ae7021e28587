"""Dialect `seed`: the list sorted by stamps, newest first, read no further than need be, never trusted blindly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.support.shop import Shop

STAMPED = ["clients", "pianos", "invoices", "appointments"]


@pytest.fixture
def seed_shop(shop: Shop) -> Shop:
    """A shop on the older dialect of the API (`seed`), with more records than the early exit's page holds."""
    shop.admin.settings(dialect="seed")
    client = shop.admin.dump("clients")[0]["id"]
    for number in range(150):
        old = {"createdAt": "2019-01-01T00:00:00Z", "updatedAt": f"2019-02-01T00:{number // 60:02d}:{number % 60:02d}Z"}
        shop.admin.create("pianos", clientId=client, make="Série", **old)
    shop.query("DELETE FROM system_settings WHERE key = 'api_features'")
    shop.sync(Mode.DEEP)
    shop.admin.reset_stats()
    return shop


def test_a_quiet_tick_reads_one_short_page_and_no_body(seed_shop: Shop) -> None:
    outcome = seed_shop.sync()
    assert {name: outcome[name].strategy for name in STAMPED} == dict.fromkeys(STAMPED, "early exit")
    stats = seed_shop.admin.stats()
    assert stats["stamps"]["pianos"] == 100
    assert sum(stats["bodies"].values()) == 0


def test_changes_are_found_and_only_they_are_read(seed_shop: Shop) -> None:
    changed = seed_shop.admin.random_edits(clients=4, pianos=3, events=6, timeline=5)
    outcome = seed_shop.sync()
    assert outcome["pianos"].strategy == "early exit"
    bodies = {kind: count for kind, count in seed_shop.admin.stats()["bodies"].items() if count}
    assert bodies == {kind: len(ids) for kind, ids in changed.items()}
    seed_shop.assert_equals_api()


def test_records_without_stamp_come_first_and_are_read(seed_shop: Shop) -> None:
    piano = seed_shop.admin.dump("pianos")[0]["id"]
    seed_shop.admin.edit("pianos", piano, touch=False, updatedAt=None, notes="Sans date")
    seed_shop.sync()
    assert seed_shop.row("gazelle_pianos", piano)["notes"] == "Sans date"


def test_a_page_out_of_order_falls_back_on_the_stamps(seed_shop: Shop) -> None:
    seed_shop.admin.random_edits(clients=4, pianos=3, events=6, timeline=0)
    seed_shop.admin.fault("order_violation", times=0, operation="UPDATED_AT_DESC")
    outcome = seed_shop.sync()
    assert {name: outcome[name].strategy for name in STAMPED} == dict.fromkeys(STAMPED, "stamps")
    seed_shop.admin.clear_faults()
    seed_shop.assert_equals_api()


def test_a_page_shorter_than_asked_for_falls_back_on_the_stamps(seed_shop: Shop) -> None:
    """Found by the fault campaign: the shortcut never comes to the end, where a count would tell."""
    piano = seed_shop.admin.dump("pianos")[-1]["id"]
    seed_shop.admin.edit("pianos", piano, notes="En tête de liste")
    seed_shop.admin.fault("skip_row", times=1, operation="PianosStamps", place=0)
    outcome = seed_shop.sync()
    assert outcome["pianos"].strategy == "stamps"
    assert seed_shop.row("gazelle_pianos", piano)["notes"] == "En tête de liste"


def test_a_last_page_that_leaves_out_a_row_falls_back_though_it_reaches_the_watermark(seed_shop: Shop) -> None:
    """Found by the fault campaign: an account of fewer records than a page has its count to be judged by."""
    client = seed_shop.admin.dump("clients")[-1]["id"]
    seed_shop.admin.edit("clients", client, personalNotes="En tête de liste")
    seed_shop.admin.fault("skip_row", times=1, operation="ClientsStamps", place=0)
    outcome = seed_shop.sync()
    assert outcome["clients"].strategy == "stamps"
    assert seed_shop.row("gazelle_clients", client)["personal_notes"] == "En tête de liste"


def test_a_count_that_does_not_fit_falls_back_and_finds_what_is_gone(seed_shop: Shop) -> None:
    gone = seed_shop.admin.dump("invoices")[-1]["id"]
    seed_shop.admin.delete("invoices", gone)
    outcome = seed_shop.sync()
    assert (outcome["invoices"].strategy, outcome["pianos"].strategy) == ("stamps", "early exit")
    assert seed_shop.row("gazelle_invoices", gone)["deleted_at"] is not None
    seed_shop.sync(Mode.DEEP)  # entries lose their invoice without a stamp
    seed_shop.assert_equals_api()


def test_what_changes_after_gazelles_clock_was_set_back_is_found(seed_shop: Shop) -> None:
    """Found by the fault campaign: its stamp is older than a whole page of stamps, and than the watermark."""
    pianos = [piano["id"] for piano in seed_shop.admin.dump("pianos")]
    stamp = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
    for piano in pianos[:100]:
        seed_shop.admin.edit("pianos", piano, touch=False, updatedAt=stamp)
    seed_shop.sync()
    seed_shop.admin.settings(clock_skew_s=-3600)
    seed_shop.admin.edit("pianos", pianos[-1], notes="Après le recul de l'horloge")
    outcome = seed_shop.sync()
    assert outcome["pianos"].strategy == "stamps"
    assert seed_shop.row("gazelle_pianos", pianos[-1])["notes"] == "Après le recul de l'horloge"


def test_a_shortcut_that_is_refused_falls_back(seed_shop: Shop) -> None:
    seed_shop.admin.settings(dialect="published")  # remembered as `seed`: the sort is refused as an unknown value
    seed_shop.admin.random_edits(clients=2, pianos=2, events=2, timeline=0)
    outcome = seed_shop.sync()
    assert outcome["clients"].strategy == "stamps"
    seed_shop.assert_equals_api()


def test_a_cancelled_visit_is_found_in_either_dialect(seed_shop: Shop) -> None:
    visit = next(e for e in seed_shop.admin.dump("events") if e["status"] == "ACTIVE" and e["start"] > "2026-12")
    seed_shop.admin.edit("events", visit["id"], status="CANCELED")
    seed_shop.sync()
    assert seed_shop.row("gazelle_appointments", visit["id"])["status"] == "CANCELED"


@pytest.mark.parametrize("dialect", ["published", "seed"])
def test_both_dialects_give_the_same_production(new_shop: Shop, dialect: str) -> None:
    new_shop.admin.settings(dialect=dialect)
    new_shop.sync()
    for number in range(2):
        new_shop.admin.random_edits(seed=number, clients=4, pianos=3, events=6, timeline=4)
        new_shop.sync()
    gone = new_shop.admin.dump("clients")[-1]["id"]
    new_shop.admin.delete("clients", gone)
    new_shop.sync()
    new_shop.assert_equals_api()


@pytest.mark.parametrize(
    ("fault", "code", "asked"), [("graphql_errors", 200, [2, 2]), ("status", 400, [1, 1]), ("status", 503, [4, 8])]
)
def test_a_schema_that_may_not_be_asked_is_left_in_peace_for_the_day(
    shop: Shop, fault: str, code: int, asked: list[int]
) -> None:
    """A server that is down for the moment says nothing of that: it is asked again."""
    shop.query("DELETE FROM system_settings WHERE key = 'api_features'")
    shop.admin.fault(fault, times=0, operation="SchemaFeatures", code=code)
    struck = []
    for _ in asked:
        shop.sync()
        struck.append(shop.admin.faults()[0]["struck"])
    assert struck == asked
    shop.assert_equals_api()
