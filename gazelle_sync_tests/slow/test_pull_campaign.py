"""A slice of the fault campaign, and the proof that its oracle finds what is wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest

from gazelle_sync.incidents.watch import WatchResult
from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.account_editor import AccountEditor
from gazelle_sync_tests.faults.campaign import PULL, quietly
from gazelle_sync_tests.faults.case import run_case
from gazelle_sync_tests.faults.context import PullContext
from gazelle_sync_tests.faults.oracle import Before, Held, differences, emptied, instants_off
from gazelle_sync_tests.faults.servers import Servers
from gazelle_sync_tests.faults.truth import Truth
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("a campaign: whole cases under faults, and damages that its judge has to see")

SLICE = ("cut short", "partial", "row skipped", "mass deletion", "tags emptied", "an hour behind", "server crash",
         "killed at a point")  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    with quietly():
        yield


@pytest.mark.parametrize("name", SLICE)
def test_a_case_of_the_campaign_ends_with_nothing_lost(servers: Servers, name: str) -> None:
    result = run_case(7, PULL[name], PULL, servers)
    print("\n".join(result.story))  # noqa: T201 - shown where the test fails
    assert result.crash == ""
    assert result.figures.examples == []


@pytest.mark.parametrize("name", ["nested emptied in a tick", "nested cut in a tick"])
def test_a_kind_that_edits_records_takes_as_many_as_people_have_left(servers: Servers, shop: Shop, name: str) -> None:
    for piano in shop.admin.dump("pianos")[3:]:
        shop.admin.delete("pianos", piano["id"])
    draw = random.Random(1)  # noqa: S311 - reproducible, not secret
    context = PullContext(servers, shop, AccountEditor(shop, draw), draw)
    try:
        PULL[name].strike(context)
    finally:
        context.heal()
    assert len(context.runs) == 1


# ---- the oracle


def judged(shop: Shop, people: AccountEditor | None = None) -> set[str]:
    people = people or AccountEditor(shop, random.Random(1))  # noqa: S311 - reproducible, not secret
    return {difference.figure for difference in differences(Held(shop), Truth(shop.sandbox), people)}


def test_a_shop_that_is_equal_to_gazelle_is_found_equal(shop_with_history: Shop) -> None:
    people = AccountEditor(shop_with_history, random.Random(1))  # noqa: S311 - reproducible, not secret
    people.added = {external_id: {"ici"} for external_id in shop_with_history.local_tags}
    assert judged(shop_with_history, people) == set()
    assert Held(shop_with_history).restaged == []


@pytest.mark.parametrize(
    ("statement", "figures"),
    [
        ("DELETE FROM gazelle_invoice_items WHERE id = (SELECT min(id) FROM gazelle_invoice_items)", {f.LOST}),
        ("UPDATE gazelle_products SET is_stub = true WHERE id = (SELECT min(id) FROM gazelle_products)", {f.LOST}),
        ("UPDATE gazelle_products SET deleted_at = now() WHERE is_archived IS FALSE", {f.DELETED}),
        ("INSERT INTO gazelle_products (external_id) VALUES ('mit_intrus')", {f.DOUBLED}),
        ("UPDATE gazelle_pianos SET make = 'abîmé' WHERE id = (SELECT min(id) FROM gazelle_pianos)", {f.OVERWRITTEN}),
        ("UPDATE gazelle_clients SET tags = tags || '{là}'::text[]", {f.OVERWRITTEN}),
        ("UPDATE gazelle_appointments SET start_at = start_at + interval '5 hours'", {f.OVERWRITTEN, f.INSTANTS}),
        ("UPDATE gazelle_appointments SET appointment_time = appointment_time + interval '1 hour'",
         {f.OVERWRITTEN, f.INSTANTS}),
    ],
)  # fmt: skip
def test_the_judge_sees_a_damage_and_calls_it_by_its_name(shop: Shop, statement: str, figures: set[str]) -> None:
    shop.query(statement)
    assert judged(shop) == figures


def test_the_judge_sees_a_view_that_shows_another_hour(shop: Shop) -> None:
    view = shop.value("SELECT pg_get_viewdef('v_appointments_montreal')")
    broken = view.replace("America/Toronto", "Etc/GMT+5")  # winter's offset all the year
    assert broken != view
    shop.query("DROP VIEW v_appointments_montreal CASCADE")
    shop.query(f"CREATE VIEW v_appointments_montreal AS {broken}")
    off = {external_id for external_id, _ in instants_off(Held(shop), None)}
    assert 0 < len(off) < shop.count("gazelle_appointments", "deleted_at IS NULL")


def test_the_judge_sees_what_does_not_outlive_a_run(shop: Shop) -> None:
    people = AccountEditor(shop, random.Random(1))  # noqa: S311 - reproducible, not secret
    people.work_here()
    before, truth = Before(shop), Truth(shop.sandbox)
    assert list(before.outlived(Held(shop), truth, people)) == []
    tables = {
        "gazelle_timeline_entries": "measurements = NULL", "gazelle_products": "deleted_at = now()",
        "gazelle_clients": "tags = '{}'", "gazelle_pianos": "tags = '{}'",
    }  # fmt: skip
    for table, change in tables.items():
        shop.query(f"UPDATE {table} SET {change}")  # noqa: S608
    shop.query("DELETE FROM gazelle_appointment_pianos")
    shop.query("DELETE FROM gazelle_appointments WHERE id = (SELECT max(id) FROM gazelle_appointments)")
    held = Held(shop)
    words = " ".join(f"{figure} {words}" for figure, words in before.outlived(held, truth, people))
    for expected in ("its row is gone", "was marked deleted", "tags that were added here", "measurements that were"):
        assert expected in words
    assert len(list(emptied(before, held, truth))) == 2


def test_the_judge_sees_a_version_that_is_staged_twice(shop: Shop) -> None:
    shop.query(
        "INSERT INTO staging_products (external_id, raw_data, fetched_at, sync_status) "
        "SELECT external_id, raw_data, now(), 'processed' FROM staging_products LIMIT 1"
    )
    assert len(Held(shop).restaged) == 1


def test_a_run_that_hides_a_loss_is_an_alert_missing(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(self: object, *_: object) -> str:
        return "success"

    kind = PULL["503"]
    monkeypatch.setattr("gazelle_sync_tests.faults.context.PullContext.status_of", silent)
    found = [run_case(seed, kind, PULL, servers).figures.counts[f.ALERTS] for seed in range(4)]
    assert any(found)


# ---- alerts


def counted(servers: Servers, name: str, figure: str, seeds: int = 3) -> int:
    return sum(run_case(seed, PULL[name], PULL, servers).figures.counts[figure] for seed in range(seeds))


def test_a_failed_run_of_which_nobody_is_told_is_an_alert_missing(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gazelle_sync_tests.faults.alerts.watch", lambda *_: WatchResult())
    assert counted(servers, "wrong key", f.ALERTS, seeds=1)


def test_an_alert_about_nothing_is_a_false_alarm(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gazelle_sync.incidents.rules.STALE", timedelta(0))
    assert counted(servers, "a megabyte", f.FALSE_ALARMS, seeds=1)


def test_an_alert_that_nobody_ends_is_a_false_alarm(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gazelle_sync.notifications.ledger.close", lambda *_: False)
    assert counted(servers, "wrong key", f.FALSE_ALARMS, seeds=1)


# ---- the campaign
