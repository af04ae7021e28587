"""`gazelle-sync verify` proves that production equals the account, names what differs, and writes nothing."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gazelle_sync.pull.context import Mode
from gazelle_sync.quality.verify.session import SETTING
from gazelle_sync_tests.support.commands import Said, run_command
from gazelle_sync_tests.support.shop import Shop


def verify(shop: Shop, *arguments: str) -> Said:
    return run_command(shop, "verify", *arguments)


def found(said: Said) -> dict[str, Any]:
    verdict: dict[str, Any] = json.loads(said.stdout)
    return verdict


def contents(shop: Shop) -> dict[str, Any]:
    """Every row of every table, but for what a proof may write."""
    all_but = {"system_settings": f"key NOT IN ('{SETTING}') AND key NOT LIKE 'request%'"}
    return {
        table: shop.query(
            f"SELECT ctid::text, xmin::text, to_jsonb(t)::text FROM {table} AS t WHERE {all_but.get(table, 'true')}"  # noqa: S608
            " ORDER BY 1"
        )
        for table in shop.tables()
    }


@pytest.mark.parametrize("deep", [(), ("--deep",)], ids=["a sample", "all"])
def test_a_shop_that_was_pulled_equals_its_account_and_the_proof_writes_no_row(
    shop_with_history: Shop, deep: tuple[str, ...]
) -> None:
    shop = shop_with_history
    before = contents(shop)
    said = verify(shop, *deep)
    assert said.returncode == 0, said.text
    assert "✓ Production equals the account." in said.stdout
    assert contents(shop) == before
    assert {"clients", "timeline"} <= json.loads(
        shop.value("SELECT value FROM system_settings WHERE key = %s", SETTING)
    ).keys()


@pytest.mark.parametrize(
    ("table", "change", "field"),
    [
        ("gazelle_timeline_entries", "description = 'somebody else''s words'", "description"),
        ("gazelle_pianos", "serial_number = 'X'", "serial_number"),
        ("gazelle_contacts", "phone = '000'", "phone"),
        ("gazelle_appointments", "start_at = start_at + interval '5 hours'", "start_at"),
        ("gazelle_products", "amount = amount + 1", "amount"),
    ],
)  # fmt: skip
def test_one_wrong_row_is_found_and_named_with_both_values(shop: Shop, table: str, change: str, field: str) -> None:
    first = f"(SELECT min(external_id) FROM {table} WHERE deleted_at IS NULL)"  # noqa: S608 - the tests' own names
    external_id = shop.value(f"UPDATE {table} SET {change} WHERE external_id = {first} RETURNING external_id")  # noqa: S608
    said = verify(shop, "--deep", "--json")
    assert said.returncode == 1
    assert [(one["table"], one["id"], one["field"]) for one in found(said)["differs"]] == [(table, external_id, field)]
    assert found(said)["differs"][0]["name"]
    text = verify(shop, "--deep").stdout
    assert external_id in text
    assert f"{field}: here " in text
    assert "gazelle-sync replay --only" in text


def test_a_row_that_is_gone_and_one_that_nobody_sent_are_told_apart(shop: Shop) -> None:
    last = "(SELECT max(external_id) FROM gazelle_timeline_entries)"
    gone = shop.value(f"DELETE FROM gazelle_timeline_entries WHERE external_id = {last} RETURNING external_id")  # noqa: S608
    shop.query("INSERT INTO gazelle_clients (external_id, display_name) VALUES ('cli_nobody', 'Nobody')")
    first = "(SELECT min(external_id) FROM gazelle_pianos)"
    marked = shop.value(
        f"UPDATE gazelle_pianos SET deleted_at = now() WHERE external_id = {first} RETURNING external_id"  # noqa: S608
    )
    said = verify(shop, "--json")
    assert said.returncode == 1
    assert {(one["id"], one["why"]) for one in found(said)["differs"]} == {
        (gone, "missing"), ("cli_nobody", "surplus"), (marked, "deleted"),
    }  # fmt: skip
    assert found(said)["newer"] == []


def test_what_changed_at_gazelle_since_the_last_pull_is_newer_there_and_not_wrong(shop: Shop) -> None:
    edited, *_ = (client["id"] for client in shop.admin.dump("clients") if not client.get("pianos"))
    piano = shop.rows("gazelle_pianos", "deleted_at IS NULL")[0]
    entry = shop.admin.dump("timeline")[0]["id"]
    shop.admin.edit("clients", edited, companyName="A new name")
    shop.admin.edit("timeline", entry, comment="Written anew")
    owners = {"pianoId": piano["external_id"], "clientId": piano["client_external_id"]}
    new = shop.admin.create("timeline", occurredAt="2025-03-01T15:00:00Z", comment="Back-dated", **owners)["id"]
    said = verify(shop, "--deep", "--json")
    assert said.returncode == 0, said.text
    news = {one["id"]: one["why"] for one in found(said)["newer"]}
    assert news == {edited: "changed_there", entry: "changed_there", new: "new_there"}
    assert found(said)["differs"] == []
    assert "Written anew" not in said.stdout
    shop.sync(Mode.DEEP)
    assert found(verify(shop, "--deep", "--json"))["newer"] == []


def test_edits_that_wait_and_tags_of_the_shop_s_own_are_no_differences(shop: Shop) -> None:
    piano = shop.value("UPDATE gazelle_pianos SET tags = tags || '{OURS}'::text[] WHERE external_id = (SELECT min("
                       "external_id) FROM gazelle_pianos WHERE deleted_at IS NULL) RETURNING external_id")  # fmt: skip
    shop.query("INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes) VALUES (%s, 'Waits')", piano)
    assert verify(shop, "--deep").returncode == 0


def test_only_says_which_are_proven(shop: Shop) -> None:
    shop.query("UPDATE gazelle_pianos SET make = 'X'")
    assert found(verify(shop, "--only", "clients,users", "--only", "taxes", "--json"))["entities"].keys() == {
        "clients", "users", "taxes",
    }  # fmt: skip
    assert "--only: clocks" in verify(shop, "--only", "clocks").stderr
    many = verify(shop, "--only", "pianos", "--deep")
    assert many.returncode == 1
    assert "… and" in many.stdout


def test_a_day_with_another_count_is_shown_and_its_entry_named(shop: Shop) -> None:
    entry, day = shop.query(
        "UPDATE gazelle_timeline_entries SET occurred_at = occurred_at - interval '400 days' "
        "WHERE external_id = (SELECT max(external_id) FROM gazelle_timeline_entries) "
        "RETURNING external_id, (occurred_at AT TIME ZONE 'America/Toronto')::date::text"
    )[0]
    said = found(verify(shop, "--only", "timeline", "--json"))
    assert day in {one["day"] for one in said["days"]}
    assert [(one["id"], one["field"]) for one in said["differs"]] == [(entry, "occurred_at")]


def test_a_pull_goes_on_while_a_proof_runs(shop: Shop) -> None:
    shop.admin.random_edits(clients=3, pianos=3, events=3, timeline=3)
    with ThreadPoolExecutor(1) as thread:
        proof = thread.submit(verify, shop, "--deep", "--json")
        shop.sync()
        said = proof.result()
    assert said.returncode == 0, said.text
