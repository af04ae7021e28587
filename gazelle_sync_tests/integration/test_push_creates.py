"""New records: rows that name none yet make theirs at Gazelle, parents first, each once."""

from __future__ import annotations

from collections import Counter

import pytest

from gazelle_sync_tests.support.newcomers import Newcomers
from gazelle_sync_tests.support.pushing import HookPush, killed_at, once

LAST_STEP = 120


def test_a_client_is_made_and_then_its_piano_in_one_push_and_both_rows_name_their_records(here: Newcomers) -> None:
    client = here.client("École Neuve")
    piano = here.piano(client, "Pleyel-Test")
    report = here.office.push()
    assert report.succeeded, [outcome.trouble for outcome in report.outcomes]
    (made,) = here.clients("École Neuve")
    (made_piano,) = here.pianos("Pleyel-Test")
    assert made_piano["clientId"] == made["id"]
    assert here.row("new_clients", client)["client_external_id"] == made["id"]
    assert here.row("new_pianos", piano)["piano_external_id"] == made_piano["id"]
    assert not here.row("new_pianos", piano)["needs_sync"]
    here.shop.admin.reset_stats()
    assert here.office.push().sent == 0
    assert here.shop.admin.stats()["requests"] == 0


def test_what_is_edited_after_it_was_made_is_an_update(here: Newcomers) -> None:
    client = here.client("École Neuve")
    here.office.push()
    here.shop.query("UPDATE new_clients SET company_name = 'École Nouvelle'")
    assert here.office.push().succeeded
    assert len(here.clients("École Neuve", "École Nouvelle")) == len(here.clients("École Nouvelle")) == 1
    assert [action for action, _ in here.office.log()] == ["create_client", "update_company"]
    assert not here.row("new_clients", client)["needs_sync"]


def test_what_gazelle_changes_of_a_record_that_was_made_here_is_followed(here: Newcomers) -> None:
    client = here.client("École Neuve")
    here.office.push()
    record = here.row("new_clients", client)["client_external_id"]
    here.shop.admin.edit("clients", record, companyName="École Nouvelle")
    here.shop.sync(only=("clients",))
    assert here.office.push().succeeded
    assert here.row("new_clients", client)["company_name"] == "École Nouvelle"
    here.shop.admin.reset_stats()
    assert here.office.push().outcomes == []
    assert here.shop.admin.stats()["requests"] == 0


def test_a_piano_waits_for_a_client_that_could_not_be_made(here: Newcomers) -> None:
    if here.office.transport == "rest":
        pytest.skip("the same document")
    here.piano(here.client("École Neuve"), "Pleyel-Test")
    here.shop.admin.fault("alias_refused", operation="createClient", message="Pas aujourd'hui")
    report = here.office.push()
    assert report.failed == 2
    assert not here.pianos("Pleyel-Test")
    here.settle()
    assert len(here.clients("École Neuve")) == len(here.pianos("Pleyel-Test")) == 1


@pytest.mark.parametrize("fault", ["close_after", "reset", "html_200"])
def test_what_came_to_no_answer_is_made_once(here: Newcomers, fault: str) -> None:
    client = here.client("École Neuve")
    piano = here.piano(client, "Pleyel-Test")
    here.shop.admin.fault(fault, operation="createClient")
    here.shop.admin.fault(fault, operation="createPiano")
    here.office.push()
    here.settle()
    (made,) = here.clients("École Neuve")
    (made_piano,) = here.pianos("Pleyel-Test")
    assert here.row("new_clients", client)["client_external_id"] == made["id"] == made_piano["clientId"]
    assert here.row("new_pianos", piano)["piano_external_id"] == made_piano["id"]
    assert not [row for row in here.office.log() if row[1] == "in_doubt"]


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_new_rows_that_say_the_same_name_records_of_their_own_though_the_connection_was_cut(
    here: Newcomers, place: int
) -> None:
    rows = [here.client("École Jumelle") for _ in range(3)]
    here.shop.admin.fault("half_done", operation="createClient", place=place)
    here.office.push()
    here.settle()
    named = [here.row("new_clients", row)["client_external_id"] for row in rows]
    assert Counter(named) == Counter(one["id"] for one in here.clients("École Jumelle"))
    assert len(set(named)) == 3


def test_a_row_that_was_deleted_while_its_creation_is_in_doubt_makes_no_second_record(here: Newcomers) -> None:
    client = here.client("École Neuve")
    here.shop.admin.fault("close_after", operation="createClient")
    here.shop.admin.fault("status", code=503, operation="allClients", after=1, times=0)
    here.office.push()
    here.shop.query("DELETE FROM new_clients WHERE id = %s", client)
    here.shop.admin.clear_faults()
    for _ in range(3):
        here.office.let_doubts_pass()
        here.office.push()
    assert len(here.clients("École Neuve")) == 1
    assert not [row for row in here.office.log() if row[1] == "in_doubt"], "it is known what came of it"


def test_what_came_to_no_answer_is_looked_for_where_it_was_sent_and_not_where_its_row_says_by_then(
    here: Newcomers,
) -> None:
    client, other = here.client("École Neuve"), here.client("École Autre")
    here.office.push()
    piano = here.piano(client, "Pleyel-Test")
    visit = here.visit(client)
    for mutation in ("createPiano", "createEvent"):
        here.shop.admin.fault("close_after", operation=mutation)
    here.shop.admin.fault("status", code=503, operation="PushEntries", times=0)
    here.office.push()
    for table, row in (("new_pianos", piano), ("new_visits", visit)):
        here.shop.query(f"UPDATE {table} SET client_id = %s WHERE id = %s", other, row)  # noqa: S608
    here.shop.admin.clear_faults()
    here.office.let_doubts_pass()
    here.settle()
    assert len(here.pianos("Pleyel-Test")) == len(here.visits(61)) == 1


def test_a_row_edited_while_its_record_is_made_is_updated_by_the_next_push(
    here: Newcomers, hook_push: HookPush
) -> None:
    here.client("École Neuve")
    hook_push(before_send=once(lambda: here.shop.query("UPDATE new_clients SET company_name = 'École Nouvelle'")))
    here.office.push()
    here.settle()
    assert not here.clients("École Neuve")
    assert len(here.clients("École Nouvelle")) == 1


def test_a_push_that_is_killed_at_any_step_makes_each_record_once(here: Newcomers) -> None:
    step, was_killed = 0, True
    while was_killed and step < LAST_STEP:
        step += 5
        client = here.client(f"École {step}")
        piano = here.piano(client, f"Marque {step}")
        was_killed = killed_at(here.office, step)
        here.office.let_doubts_pass()
        here.settle()
        (made,) = here.clients(f"École {step}")
        (made_piano,) = here.pianos(f"Marque {step}")
        assert here.row("new_clients", client)["client_external_id"] == made["id"] == made_piano["clientId"]
        assert here.row("new_pianos", piano)["piano_external_id"] == made_piano["id"]
    assert not was_killed, "every step was passed"
    assert not [row for row in here.office.log() if row[1] == "in_doubt"]


def test_two_tables_with_the_same_key_and_the_same_words_do_not_get_in_each_others_way(here: Newcomers) -> None:
    product = next(one["id"] for one in here.shop.admin.dump("products") if not one["isArchived"])
    here.shop.query("INSERT INTO new_clients (id, company_name) VALUES (7, 'Accord')")
    here.shop.query("INSERT INTO shop_products (id, product_external_id, name_fr) VALUES (7, %s, 'Accord')", product)
    assert here.office.push().succeeded
    assert len(here.clients("Accord")) == 1
    assert (here.shop.admin.record("products", product) or {})["name"]["fr_CA"] == "Accord"
    bases = {one["source_table"]: one["base"] for one in here.shop.rows("push_state", "local_id = '7'")}
    assert bases["new_clients"]["company_name"] == bases["shop_products"]["name_fr"] == "Accord"
    keys = [row["idempotency_key"] for row in here.shop.rows("sync_gazelle_logs")]
    assert len(keys) == len(set(keys))
