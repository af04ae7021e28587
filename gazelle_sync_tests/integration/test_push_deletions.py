"""A row that is deleted here: its record ends as the declaration says, once, or stays as it is."""

from __future__ import annotations

import pytest

from gazelle_sync.push.status import read_standing, read_waiting
from gazelle_sync_tests.support.newcomers import Newcomers
from gazelle_sync_tests.support.pushed import COLUMNS, Side
from gazelle_sync_tests.support.pushing import HookPush, Office, killed_at, once
from gazelle_sync_tests.support.shop import Shop

LAST_STEP = 90


@pytest.fixture(params=["graphql"])
def office(new_shop: Shop) -> Office:
    """A deletion is the same document over both transports."""
    return Office(new_shop)


@pytest.fixture
def visited(here: Newcomers) -> tuple[Newcomers, int, int]:
    """A client with a visit of 61 minutes, which are at Gazelle."""
    client = here.client("École Neuve")
    visit = here.visit(client)
    report = here.office.push()
    assert report.succeeded, [outcome.failed for outcome in report.outcomes]
    assert here.visits(61) == [(61, "ACTIVE")]
    return here, client, visit


def test_a_record_that_is_replaced_as_a_whole_keeps_what_nobody_here_speaks_of(
    visited: tuple[Newcomers, int, int],
) -> None:
    here, _, visit = visited
    record = here.row("new_visits", visit)["visit_external_id"]
    here.shop.admin.edit("events", record, title="Une visite", buffer=15)
    here.shop.query("UPDATE new_visits SET minutes = 63, notes = 'Deux pianos' WHERE id = %s", visit)
    assert here.office.push().succeeded
    found = here.shop.admin.record("events", record) or {}
    said = {name: found[name] for name in ("duration", "notes", "title", "buffer", "start", "status")}
    assert said == {
        "duration": 63, "notes": "Deux pianos", "title": "Une visite", "buffer": 15, "start": "2026-12-01T15:00:00Z",
        "status": "ACTIVE",
    }  # fmt: skip
    assert here.office.log()[-1] == ("update_visit", "success")


def test_a_deleted_row_ends_its_record_once_and_leaves_no_trace(visited: tuple[Newcomers, int, int]) -> None:
    here, _, visit = visited
    record = here.row("new_visits", visit)["visit_external_id"]
    here.delete_visit(visit)
    (waiting,) = read_waiting(here.shop.settings)
    assert (waiting.key, waiting.error) == (record, None)
    assert [one.state for one in read_standing(here.shop.settings, [record])] == ["due"]
    report = here.office.push()
    assert [action.name for outcome in report.outcomes for action in outcome.sent] == ["cancel_visit"]
    assert here.visits(61) == [(61, "CANCELED")]
    here.shop.admin.reset_stats()
    assert here.office.push().outcomes == []
    assert here.shop.admin.stats()["requests"] == 0
    assert not here.shop.rows("push_state", "source_table = 'new_visits'")


def test_a_refusal_is_told_and_tried_again(visited: tuple[Newcomers, int, int]) -> None:
    here, _, visit = visited
    here.delete_visit(visit)
    here.shop.admin.fault("alias_refused", operation="cancelEvent", message="Pas aujourd'hui", times=1)
    assert here.office.push().failed == 1
    (waiting,) = read_waiting(here.shop.settings)
    assert "Pas aujourd'hui" in (waiting.error or "")
    assert waiting.attempts == 1
    assert here.office.push().succeeded
    assert here.visits(61) == [(61, "CANCELED")]


@pytest.mark.parametrize("fault", ["close_after", "reset", "html_200"])
def test_an_end_of_which_no_answer_came_is_looked_for(visited: tuple[Newcomers, int, int], fault: str) -> None:
    here, _, visit = visited
    here.delete_visit(visit)
    here.shop.admin.fault(fault, operation="cancelEvent")
    here.office.push()
    here.settle()
    assert here.visits(61) == [(61, "CANCELED")]
    assert not [row for row in here.office.log() if row[1] == "in_doubt"]


def test_a_record_that_is_gone_already_needs_no_end(visited: tuple[Newcomers, int, int]) -> None:
    here, _, visit = visited
    here.shop.admin.delete("events", here.row("new_visits", visit)["visit_external_id"])
    here.delete_visit(visit)
    report = here.office.push()
    assert (report.succeeded, report.sent) == (True, 0)
    assert not here.shop.rows("push_state", "source_table = 'new_visits'")


def test_a_row_that_is_deleted_before_it_was_sent_makes_nothing(here: Newcomers) -> None:
    here.delete_visit(here.visit(here.client("École Neuve")))
    assert here.office.push().succeeded
    assert not here.visits(61)
    assert not here.shop.rows("push_state", "source_table = 'new_visits'")


@pytest.mark.parametrize("arrives", [True, False])
def test_a_row_that_is_deleted_while_its_creation_is_in_doubt_ends_what_arrived(here: Newcomers, arrives: bool) -> None:
    client = here.client("École Neuve")
    here.office.push()
    visit = here.visit(client)
    here.shop.admin.fault("close_after" if arrives else "reset", operation="createEvent")
    here.shop.admin.fault("status", code=503, operation="allEventsBatched", times=0, after=1)
    here.office.push()
    assert ("create_visit", "in_doubt") in here.office.log()
    here.delete_visit(visit)
    here.shop.admin.clear_faults()
    here.settle()
    assert here.visits(61) == ([(61, "CANCELED")] if arrives else [])
    assert not [row for row in here.office.log() if row[1] == "in_doubt"]
    assert not here.shop.rows("push_state", "source_table = 'new_visits'")


def test_a_row_that_is_deleted_while_its_record_is_made_ends_it_with_the_next_push(
    here: Newcomers, hook_push: HookPush
) -> None:
    client = here.client("École Neuve")
    here.office.push()
    visit = here.visit(client)
    hook_push(before_send=once(lambda: here.delete_visit(visit)))
    here.office.push()
    assert here.visits(61) == [(61, "ACTIVE")]
    here.settle()
    assert here.visits(61) == [(61, "CANCELED")]


def test_another_row_that_takes_the_key_makes_a_record_of_its_own(visited: tuple[Newcomers, int, int]) -> None:
    here, client, visit = visited
    here.delete_visit(visit)
    here.visit(client, 67, id=visit)
    here.settle()
    assert sorted(here.visits(61, 67)) == [(61, "CANCELED"), (67, "ACTIVE")]


def test_a_row_that_comes_back_with_its_record_keeps_it(visited: tuple[Newcomers, int, int]) -> None:
    here, client, visit = visited
    record = here.row("new_visits", visit)["visit_external_id"]
    here.delete_visit(visit)
    here.visit(client, 67, id=visit, visit_external_id=record)
    here.settle()
    assert here.visits(61, 67) == [(67, "ACTIVE")]


def test_a_push_that_is_killed_at_any_step_ends_each_record_once(here: Newcomers) -> None:
    client = here.client("École Neuve")
    here.office.push()
    step, was_killed = 0, True
    while was_killed and step < LAST_STEP:
        step += 6
        visit = here.visit(client, 600 + step)
        here.office.push()
        here.delete_visit(visit)
        was_killed = killed_at(here.office, step)
        here.office.let_doubts_pass()
        here.settle()
        assert here.visits(600 + step) == [(600 + step, "CANCELED")]
    assert not was_killed, "every step was passed"
    assert not [row for row in here.office.log() if row[1] == "in_doubt"]


@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_a_deleted_row_of_the_shops_own_tables_changes_nothing_at_gazelle(office: Office, column: object) -> None:
    side = Side(office, column)  # type: ignore[arg-type]
    (record,) = side.records(1)
    side.edit(record, side.column.values[1])
    office.push()
    before = side.record(record)
    pushable = side.column.pushable
    office.shop.query(f"DELETE FROM {pushable.table}")  # noqa: S608 - a name of ours
    assert pushable.on_delete is None
    assert office.push().outcomes == []
    assert side.record(record) == before


# ---- undo


def test_an_undo_of_a_creation_ends_the_record_and_the_row_names_none(visited: tuple[Newcomers, int, int]) -> None:
    here, client, visit = visited
    run_id = here.shop.last_log()["run_id"]
    assert here.office.undo(run_id).failed == 0
    assert here.office.log()[-2:] == [("undo_create_visit", "success"), ("undo_create_client", "success")]
    assert not here.clients("École Neuve")
    assert here.row("new_visits", visit)["visit_external_id"] is None
    assert here.row("new_clients", client)["client_external_id"] is None
    assert here.office.push().sent == 0, "an undo is not undone by the next push"
    here.shop.query("UPDATE new_clients SET company_name = 'École Nouvelle'")
    here.shop.query("UPDATE new_visits SET minutes = 67")
    here.settle()
    assert len(here.clients("École Nouvelle")) == 1
    assert sorted(here.visits(61, 67)) == [(67, "ACTIVE")], "what the client took along is gone with it"


def test_an_undo_leaves_a_new_record_that_somebody_has_changed(here: Newcomers) -> None:
    client = here.client("École Neuve")
    here.office.push()
    visit = here.visit(client)
    here.office.push()
    run_id = here.shop.last_log()["run_id"]
    record = here.row("new_visits", visit)["visit_external_id"]
    here.shop.admin.edit("events", record, duration=67)
    report = here.office.undo(run_id)
    assert [why for outcome in report.outcomes for why in outcome.left.values()]
    assert here.visits(61, 67) == [(67, "ACTIVE")]
    assert here.row("new_visits", visit)["visit_external_id"] == record


def test_an_end_is_not_taken_back(visited: tuple[Newcomers, int, int]) -> None:
    here, _, visit = visited
    here.delete_visit(visit)
    here.office.push()
    report = here.office.undo(here.shop.last_log()["run_id"])
    assert [why for outcome in report.outcomes for why in outcome.left.values()]
    assert here.visits(61) == [(61, "CANCELED")]
