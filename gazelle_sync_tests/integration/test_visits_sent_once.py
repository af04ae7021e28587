"""A visit and a change of it are made once at Gazelle, whatever answer is lost and wherever a push is killed."""

from __future__ import annotations

from typing import Any

import pytest

from gazelle_sync_tests.support.planner import Planner, instant
from gazelle_sync_tests.support.pushing import killed_at

LAST_STEP = 120


@pytest.mark.parametrize("fault", ["close_after", "reset", "html_200", "truncated"])
def test_a_creation_of_which_no_answer_came_makes_one_visit(planner: Planner, fault: str) -> None:
    draft = planner.draft()
    planner.shop.admin.fault(fault, operation="createEvent")
    planner.push()
    planner.settle()
    (made,) = planner.made()
    assert planner.row(draft)["appointment_external_id"] == made["id"]
    assert not [row for row in planner.log() if row[1] == "in_doubt"]


def test_a_visit_that_arrived_in_doubt_and_was_moved_at_gazelle_is_known_again(planner: Planner) -> None:
    draft = planner.draft()
    planner.shop.admin.fault("close_after", operation="createEvent")
    planner.shop.admin.fault("status", code=503, operation="allEventsBatched", after=1, times=0)
    planner.push()
    planner.shop.admin.clear_faults()
    (made,) = planner.made()
    planner.shop.admin.settings(clock_skew_s=60)
    later = instant(planner.at(3))
    planner.shop.admin.edit("events", made["id"], start=later, userId=planner.technicians[1])
    planner.office.let_doubts_pass()
    planner.settle()
    assert [one["id"] for one in planner.made()] == [made["id"]]
    assert planner.row(draft)["appointment_external_id"] == made["id"]
    assert planner.event(made["id"])["start"] == later, "whoever moved it there knows why"


def test_a_draft_that_a_restored_backup_has_forgotten_makes_no_second_visit(planner: Planner) -> None:
    planner.sent()
    planner.shop.sync()
    planner.shop.query("DELETE FROM sync_gazelle_logs")
    planner.shop.query("DELETE FROM push_state")
    planner.shop.query("ALTER TABLE appointment_drafts DISABLE TRIGGER USER")
    planner.shop.query(
        "UPDATE appointment_drafts SET appointment_external_id = NULL, status = 'ready', needs_sync = true"
    )
    planner.shop.query("ALTER TABLE appointment_drafts ENABLE TRIGGER USER")
    assert planner.push().succeeded
    (made,) = planner.made()
    assert planner.shop.value("SELECT appointment_external_id FROM appointment_drafts") == made["id"]


def test_a_push_that_is_killed_at_any_step_makes_and_moves_each_visit_once(planner: Planner) -> None:
    event = planner.sent(start_at=planner.at(50))
    step, was_killed = 0, True
    while was_killed and step < LAST_STEP:
        step += 5
        draft = planner.draft(start_at=planner.at(step % 40, minute=step % 60), is_forced=True)
        planner.change(event, "move", start_at=planner.at(60 + step))
        was_killed = killed_at(planner.office, step, planner.push)
        planner.office.let_doubts_pass()
        planner.settle()
        mark = planner.row(draft)["mark"]
        found = [one["id"] for one in planner.made() if mark in one["notes"]]
        assert found == [planner.row(draft)["appointment_external_id"]]
        assert planner.event(event)["start"] == instant(planner.at(60 + step))
    assert not was_killed, "every step was passed"
    assert not [row for row in planner.log() if row[1] == "in_doubt"]


@pytest.mark.parametrize("action", ["cancel", "confirm", "complete", "move"])
@pytest.mark.parametrize("fault", ["close_after", "reset"])
def test_a_change_of_which_no_answer_came_is_made_once(planner: Planner, action: str, fault: str) -> None:
    event = planner.sent(pianos=planner.pianos)
    mutation = {"cancel": "cancelEvent", "confirm": "confirmEvent", "complete": "completeEvent", "move": "updateEvent"}
    planner.shop.admin.fault(fault, operation=mutation[action])
    given: dict[str, dict[str, Any]] = {"move": {"start_at": planner.at(1)}, "complete": {"notes": "Accordé"}}
    more = given.get(action, {})
    draft = planner.change(event, action, **more)
    planner.push()
    planner.settle()
    found = planner.event(event)
    assert planner.state(draft) == ("sent", False)
    assert {
        "cancel": found["status"] == "CANCELED", "confirm": found.get("confirmedAt") is not None,
        "complete": found["status"] == "COMPLETE", "move": found["start"] == instant(planner.at(1)),
    }[action]  # fmt: skip
    noted = [one for one in planner.shop.admin.dump("timeline") if one.get("appointmentId") == event]
    assert len([one for one in noted if one["type"] == "SERVICE_ENTRY_MANUAL"]) == (action == "complete")
    assert not [row for row in planner.log() if row[1] == "in_doubt"]


def test_while_a_change_is_in_doubt_no_other_of_that_visit_is_sent(planner: Planner) -> None:
    event = planner.sent()
    planner.shop.admin.fault("reset", operation="updateEvent")
    first = planner.change(event, "move", start_at=planner.at(1))
    second = planner.change(event, "move", start_at=planner.at(2))
    planner.push(timeout_s=30.0)
    assert planner.event(event)["start"] == instant(planner.at())
    assert "may still arrive" in planner.row(second)["sync_error"]
    planner.office.let_doubts_pass()
    planner.settle()
    assert planner.event(event)["start"] == instant(planner.at(2))
    assert [planner.state(one) for one in (first, second)] == [("sent", False)] * 2
