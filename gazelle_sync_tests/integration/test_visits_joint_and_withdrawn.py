"""Visits of two technicians and of a series, and visits that are withdrawn or put back."""

from __future__ import annotations

from typing import Any

import pytest

from gazelle_sync.push.pushables import APPOINTMENT_DRAFTS
from gazelle_sync.shop.calendar.drafts import add_visit
from gazelle_sync.warehouse.connect import connect
from gazelle_sync_tests.support.planner import TABLE, Planner, instant
from gazelle_sync_tests.support.pushing import HookPush, once


def joint(planner: Planner) -> list[int]:
    values = {"client_external_id": planner.client, "start_at": planner.at(), "duration_minutes": 60}
    with connect(planner.shop.url, autocommit=True) as connection:
        return add_visit(connection, values, planner.technicians, planner.pianos)


def test_a_joint_visit_is_two_events_that_move_and_cancel_together(planner: Planner) -> None:
    joint(planner)
    assert planner.push().succeeded
    assert sorted(one["userId"] for one in planner.made()) == sorted(planner.technicians)
    one = planner.made()[0]["id"]
    assert len(planner.change_visit(one, "move", start_at=planner.at(1))) == 2
    assert planner.push().succeeded
    assert {found["start"] for found in planner.made()} == {instant(planner.at(1))}
    planner.change_visit(one, "cancel")
    assert planner.push().succeeded
    assert [found["status"] for found in planner.made()] == ["CANCELED", "CANCELED"]


def test_where_one_of_a_joint_visit_cannot_go_neither_goes(planner: Planner) -> None:
    taken = planner.sent(technician_external_id=planner.technicians[1])
    drafts = joint(planner)
    assert planner.push().failed == 2
    assert [planner.state(one)[0] for one in drafts] == ["held", "held"]
    assert planner.standing() == [planner.event(taken)]
    planner.change(taken, "cancel")
    assert planner.push().succeeded
    assert len(planner.standing()) == 2


@pytest.mark.parametrize("arrives", [True, False])
def test_a_draft_that_is_withdrawn_while_it_is_in_doubt_leaves_no_visit(planner: Planner, arrives: bool) -> None:
    draft = planner.draft()
    planner.shop.admin.fault("close_after" if arrives else "reset", operation="createEvent")
    planner.shop.admin.fault("status", code=503, operation="allEventsBatched", after=1, times=0)
    planner.push()
    planner.change_visit(str(draft), "cancel")
    planner.shop.admin.clear_faults()
    planner.office.let_doubts_pass()
    planner.settle()
    assert [one["status"] for one in planner.made()] == (["CANCELED"] if arrives else [])
    assert planner.state(draft) == ("canceled", False)


def test_a_draft_that_is_withdrawn_while_it_is_sent_ends_its_visit_with_the_next_push(
    planner: Planner, hook_push: HookPush
) -> None:
    draft = planner.draft()
    hook_push(before_send=once(lambda: planner.change_visit(str(draft), "cancel")))
    planner.push()
    planner.settle()
    assert [one["status"] for one in planner.made()] == ["CANCELED"]
    assert planner.state(draft) == ("canceled", False)


def test_a_cancellation_withdraws_what_was_to_be_changed_and_a_second_move_replaces_the_first(planner: Planner) -> None:
    event = planner.sent()
    (first,) = planner.change_visit(event, "move", start_at=planner.at(1))
    (second,) = planner.change_visit(event, "move", start_at=planner.at(2))
    assert first == second
    planner.change_visit(event, "cancel")
    assert planner.push().succeeded
    assert (planner.event(event)["status"], planner.event(event)["start"]) == ("CANCELED", instant(planner.at()))
    assert planner.shop.count(TABLE, "action = 'move' AND status = 'canceled'") == 1


def test_an_undo_cancels_what_was_made_and_puts_a_move_back(planner: Planner) -> None:
    event = planner.seen()
    draft = planner.draft(start_at=planner.at(5))
    planner.change(event, "move", start_at=planner.at(1))
    planner.push()
    made = planner.row(draft)["appointment_external_id"]
    planner.office.undo(planner.shop.last_log()["run_id"])
    assert planner.event(event)["start"] == instant(planner.at())
    assert planner.event(made)["status"] == "CANCELED"
    assert planner.state(draft) == ("canceled", False)
    assert planner.push().sent == 0


def test_an_undo_leaves_a_visit_that_took_place_since(planner: Planner) -> None:
    event = planner.sent(pianos=planner.pianos)
    made_by = planner.shop.last_log()["run_id"]
    planner.change(event, "complete", notes="Accordé à 440")
    assert planner.push().succeeded
    report = planner.office.undo(made_by)
    assert report.sent == 0
    assert ["somebody changed" in said for one in report.outcomes for said in one.left.values()] == [True]
    assert planner.event(event)["status"] == "COMPLETE"


def test_of_a_recurring_visit_one_occurrence_changes_unless_a_person_says_more(
    planner: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    weekly: dict[str, Any] = {"recurrenceType": "WEEKLY", "recurrenceInterval": 1, "recurrenceId": "rec_1"}
    events = [planner.sent(start_at=planner.at(7 * week)) for week in range(3)]
    for event in events:
        planner.shop.admin.edit("events", event, **weekly)
    planner.shop.sync()
    sent: list[Any] = []
    inner = type(APPOINTMENT_DRAFTS.kind.operations["update_visit"]).mutation

    def noted(*arguments: Any) -> Any:
        query = inner(*arguments)
        sent.append(query.arguments["input"][1].get("recurrenceChangeType"))
        return query

    monkeypatch.setattr(type(APPOINTMENT_DRAFTS.kind.operations["update_visit"]), "mutation", noted)
    planner.change(events[0], "move", start_at=planner.at(1))
    planner.change(events[1], "move", start_at=planner.at(8), recurrence_change="FUTURE")
    assert planner.push().succeeded
    assert sent == ["SELF", "FUTURE"]
    assert planner.event(events[0])["recurrenceType"] == "WEEKLY"
    planner.change_visit(events[1], "cancel", recurrence_change="FUTURE")
    assert planner.push().succeeded
    assert [planner.event(event)["status"] for event in events] == ["ACTIVE", "CANCELED", "CANCELED"]
