"""A row that is deleted here: its record ends as the declaration says, once, or stays as it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gazelle_sync.push.render import render_preview
from gazelle_sync.push.session import preview
from gazelle_sync.push.status import read_push, read_standing, read_waiting
from gazelle_sync.push.store import is_due
from gazelle_sync.warehouse.connect import connect
from gazelle_sync_tests.support.creating import NEW_PIANOS, NEW_VISITS
from gazelle_sync_tests.support.newcomers import Newcomers
from gazelle_sync_tests.support.pushed import COLUMNS, Side
from gazelle_sync_tests.support.pushing import EditedShop, HookPush, killed_at, once
from gazelle_sync_tests.support.shop import Shop

LAST_STEP = 90


@pytest.fixture(params=["graphql"])
def office(new_shop: Shop) -> EditedShop:
    """A deletion is the same document over both transports."""
    return EditedShop(new_shop)


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


@pytest.fixture
def busy(here: Newcomers) -> tuple[Newcomers, list[int]]:
    """Eleven visits that are at Gazelle, and their lengths."""
    client = here.client("École Neuve")
    lengths = [61 + 2 * number for number in range(11)]
    for minutes in lengths:
        here.visit(client, minutes)
    assert here.office.push().sent == 12
    return here, lengths


def test_many_rows_that_are_deleted_at_once_end_nothing_until_a_person_says_that_they_were_meant(
    busy: tuple[Newcomers, list[int]],
) -> None:
    here, lengths = busy
    here.shop.query("DELETE FROM new_visits")
    text, all_well = render_preview("en", preview(here.shop.settings, keys=None))
    assert "11 of 11 rows of new_visits were deleted here" in text
    assert not all_well
    for _ in range(2):
        report = here.office.push()
        assert (report.sent, report.failed) == (0, 1)
        (outcome,) = report.outcomes
        assert "--allow-deletes" in (outcome.trouble or "")
    assert {status for _, status in here.visits(*lengths)} == {"ACTIVE"}
    assert {"--allow-deletes" in (one.error or "") for one in read_waiting(here.shop.settings)} == {True}
    assert here.office.push(allow_deletes=True).succeeded
    assert {status for _, status in here.visits(*lengths)} == {"CANCELED"}
    assert not here.shop.rows("push_state", "source_table = 'new_visits'")


def test_many_deleted_rows_hold_up_no_edit_and_those_that_come_back_end_nothing(
    busy: tuple[Newcomers, list[int]],
) -> None:
    here, lengths = busy
    kept = here.shop.rows("new_visits")
    here.shop.query("DELETE FROM new_visits")
    here.visit(here.shop.value("SELECT id FROM new_clients"), 99)
    assert here.office.push().sent == 1, "the new visit"
    for row in kept:
        names = ("id", "client_id", "visit_external_id", "start_at", "minutes", "notes", "technician")
        here.shop.query(
            f"INSERT INTO new_visits ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})",  # noqa: S608
            *(row[name] for name in names),
        )
    assert here.office.push().succeeded
    assert not read_waiting(here.shop.settings)
    assert {status for _, status in here.visits(*lengths, 99)} == {"ACTIVE"}


def test_as_few_as_a_person_deletes_need_no_word(busy: tuple[Newcomers, list[int]]) -> None:
    here, lengths = busy
    here.shop.query("DELETE FROM new_visits WHERE minutes < 81")
    assert here.office.push().sent == 10
    here.shop.query("DELETE FROM new_visits")
    assert here.office.push().sent == 1, "what was ended before does not count"
    assert {status for _, status in here.visits(*lengths)} == {"CANCELED"}


def test_records_that_are_named_one_by_one_end_without_a_word(busy: tuple[Newcomers, list[int]]) -> None:
    here, lengths = busy
    named = [row["visit_external_id"] for row in here.shop.rows("new_visits")]
    here.shop.query("DELETE FROM new_visits")
    assert here.office.push(keys=named).sent == 11
    assert {status for _, status in here.visits(*lengths)} == {"CANCELED"}


def test_a_table_that_is_emptied_by_truncate_ends_nothing(busy: tuple[Newcomers, list[int]]) -> None:
    here, lengths = busy
    here.shop.query("TRUNCATE new_visits")
    assert here.office.push().sent == 0
    assert {status for _, status in here.visits(*lengths)} == {"ACTIVE"}


@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_a_deleted_row_of_the_shops_own_tables_changes_nothing_at_gazelle(office: EditedShop, column: object) -> None:
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


@pytest.mark.parametrize("is_wanted", [True, False])
def test_what_belongs_to_a_record_that_was_taken_back_says_so_and_waits_for_a_person(
    visited: tuple[Newcomers, int, int], is_wanted: bool
) -> None:
    here, client, visit = visited
    run_id = here.shop.last_log()["run_id"]
    here.shop.query("UPDATE new_visits SET minutes = 67")
    here.office.undo(run_id)
    with connect(here.shop.url, autocommit=True) as connection:
        assert is_due(connection, NEW_VISITS), "somebody has to say why it waits"
        report = here.office.push(at_once=False)
        assert (report.sent, report.failed) == (0, 1)
        row = here.row("new_visits", visit)
        assert row["needs_sync"]
        assert "was taken back" in row["sync_error"]
        assert not is_due(connection, NEW_VISITS), "a person is to decide"
        log = here.office.log()
        for _ in range(3):
            assert [one.trouble for one in here.office.push().outcomes] == [row["sync_error"]]
        (waiting,) = read_waiting(here.shop.settings)
        assert (waiting.error, waiting.attempts, waiting.next_attempt_at) == (row["sync_error"], 0, None)
        assert here.office.log() == log, "nothing was tried"
        assert not read_push(here.shop.settings, late=timedelta(0)).is_late
        if is_wanted:
            here.shop.query("UPDATE new_clients SET company_name = 'École Nouvelle' WHERE id = %s", client)
            assert here.office.push(at_once=False).succeeded
            assert len(here.clients("École Nouvelle")) == 1
            assert here.visits(61, 67) == [(67, "ACTIVE")]
        else:
            here.delete_visit(visit)
            assert here.office.push(at_once=False).succeeded
            assert here.visits(61, 67) == []
        assert not is_due(connection, NEW_VISITS)
    assert read_waiting(here.shop.settings) == []


@pytest.mark.parametrize("answer", ["back", "another", "deleted"])
def test_what_belongs_to_a_row_that_was_deleted_here_says_so_once_and_waits_for_a_person(
    here: Newcomers, answer: str
) -> None:
    client = here.client("École Neuve")
    piano, visit = here.piano(client, "Bechstein"), here.visit(client)
    here.shop.query("DELETE FROM new_clients WHERE id = %s", client)
    with connect(here.shop.url, autocommit=True) as connection:
        assert all(is_due(connection, one) for one in (NEW_PIANOS, NEW_VISITS)), "somebody has to say why they wait"
        here.office.push(at_once=False)
        rows = [here.row("new_pianos", piano), here.row("new_visits", visit)]
        assert all("put that row back, or delete this one" in row["sync_error"] for row in rows)
        log = here.office.log()
        here.office.push()
        assert here.office.log() == log, "nothing was tried"
        waiting = read_waiting(here.shop.settings)
        assert [(one.attempts, one.next_attempt_at) for one in waiting] == [(0, None), (0, None)]
        assert not is_due(connection, NEW_PIANOS, NEW_VISITS), "a person is to decide"
        if answer == "back":
            here.shop.query("INSERT INTO new_clients (id, company_name) VALUES (%s, 'École Neuve')", client)
        for table in ("new_pianos", "new_visits"):
            if answer == "another":
                here.shop.query(f"UPDATE {table} SET client_id = %s", here.client(f"École de {table}"))  # noqa: S608
            elif answer == "deleted":
                here.shop.query(f"DELETE FROM {table}")  # noqa: S608
        assert here.office.push(at_once=False).succeeded
        there = answer != "deleted"
        assert (len(here.pianos("Bechstein")), here.visits(61)) == (there, [(61, "ACTIVE")] * there)
        assert not is_due(connection, NEW_PIANOS, NEW_VISITS)
    assert read_waiting(here.shop.settings) == []


def test_a_row_follows_an_undo_in_every_column_whatever_its_type(visited: tuple[Newcomers, int, int]) -> None:
    here, _, visit = visited
    before = here.row("new_visits", visit)
    here.shop.query("UPDATE new_visits SET start_at = start_at + interval '3 hours', minutes = 67 WHERE id = %s", visit)
    assert here.office.push().succeeded
    here.office.undo(here.shop.last_log()["run_id"])
    row = here.row("new_visits", visit)
    event = here.shop.admin.record("events", row["visit_external_id"]) or {}
    assert (event["start"], event["duration"]) == ("2026-12-01T15:00:00Z", 61)
    assert (row["start_at"], row["minutes"]) == (before["start_at"], 61), "and says what Gazelle has"
    assert not row["needs_sync"]
    assert here.office.push().sent == 0


def test_a_record_that_gazelle_denies_once_is_ended_all_the_same(visited: tuple[Newcomers, int, int]) -> None:
    """One null may be a fault: that a record is gone is told by what ends it."""
    here, _, visit = visited
    here.delete_visit(visit)
    here.shop.admin.fault("null_by_id", operation="PushRead", times=0)
    assert here.office.push().succeeded
    assert here.visits(61) == [(61, "CANCELED")]
    assert not here.shop.rows("push_state", "deleted_at IS NOT NULL")


def test_an_undo_of_one_record_finds_that_it_was_made(here: Newcomers) -> None:
    """The log knows a creation by its row: there was no id yet."""
    client = here.client("École Neuve")
    here.office.push()
    first, second = here.visit(client), here.visit(client, 63)
    here.office.push()
    run_id = here.shop.last_log()["run_id"]
    record = here.row("new_visits", first)["visit_external_id"]
    here.shop.query("UPDATE new_visits SET visit_external_id = NULL WHERE id = %s", first)  # the log alone knows it
    assert here.office.undo(run_id, keys=[record]).sent == 1
    assert here.visits(61, 63) == [(61, "CANCELED"), (63, "ACTIVE")]
    assert here.office.undo(run_id, keys=[here.row("new_visits", second)["visit_external_id"]]).sent == 1
    assert here.visits(61, 63) == [(61, "CANCELED"), (63, "CANCELED")]


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
