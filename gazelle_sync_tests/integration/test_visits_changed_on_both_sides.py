"""What was changed of a visit here meets what Gazelle changed meanwhile: three-way, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from gazelle_sync.push.conflicts import open_conflicts, resolve
from gazelle_sync.push.transports.appointments import mark_in, without_mark
from gazelle_sync_tests.support.planner import Planner, instant
from gazelle_sync_tests.support.pushing import HookPush, once


def test_what_gazelle_changed_elsewhere_in_the_visit_stays(planner: Planner) -> None:
    event = planner.seen()
    planner.change(event, "move", start_at=planner.at(1))
    planner.shop.admin.settings(clock_skew_s=60)
    planner.shop.admin.edit("events", event, notes="Chien méchant", userId=planner.technicians[1], duration=75)
    assert planner.push().succeeded
    found = planner.event(event)
    assert (found["start"], found["duration"], found["userId"], found["notes"]) == (
        instant(planner.at(1)), 75, planner.technicians[1], "Chien méchant",
    )  # fmt: skip
    assert planner.office.conflicts() == []


@pytest.mark.parametrize("later", ["ours", "theirs"])
def test_of_two_moves_the_later_counts_and_the_other_is_kept(planner: Planner, later: str) -> None:
    event = planner.seen()
    draft = None if later == "ours" else planner.change(event, "move", start_at=planner.at(1))
    planner.shop.admin.settings(clock_skew_s=60 if later == "theirs" else -60)
    planner.shop.admin.edit("events", event, start=instant(planner.at(2)))
    planner.shop.admin.settings(clock_skew_s=0)
    draft = draft or planner.change(event, "move", start_at=planner.at(1))
    assert planner.push().succeeded
    assert planner.event(event)["start"] == instant(planner.at(1 if later == "ours" else 2))
    (conflict,) = planner.office.conflicts()
    assert (conflict["field"], conflict["winner"], conflict["external_id"]) == ("start_at", later, event)
    assert (conflict["ours"], conflict["theirs"]) == (instant(planner.at(1)), instant(planner.at(2)))
    assert planner.state(draft) == ("sent", False)


def test_what_an_earlier_change_met_at_gazelle_is_not_known_to_whoever_wrote_the_next(planner: Planner) -> None:
    event = planner.sent()
    planner.change(event, "confirm")
    planner.change(event, "move", start_at=planner.at(1), duration_minutes=82)
    planner.shop.admin.settings(clock_skew_s=60)
    planner.shop.admin.edit("events", event, duration=88, title="Accord et réglage")
    planner.shop.admin.settings(clock_skew_s=0)
    assert planner.push().succeeded
    found = planner.event(event)
    assert (found["start"], found["duration"]) == (instant(planner.at(1)), 88), "the later of the two counts"
    (conflict,) = planner.office.conflicts()
    assert (conflict["field"], conflict["winner"], conflict["ours"], conflict["theirs"]) == (
        "duration_minutes", "theirs", "82", "88",
    )  # fmt: skip


def test_the_side_that_a_person_takes_goes_into_the_change_that_met_the_conflict(planner: Planner) -> None:
    event = planner.sent()
    made = planner.shop.value("SELECT id FROM appointment_drafts WHERE appointment_external_id = %s", event)
    planner.shop.admin.settings(clock_skew_s=60)
    planner.shop.admin.edit("events", event, start=instant(planner.at(2)))
    planner.shop.admin.settings(clock_skew_s=0)
    moved = planner.change(event, "move", start_at=planner.at(1))
    assert planner.push().succeeded
    (conflict,) = open_conflicts(planner.shop.settings)
    resolve(planner.shop.settings, conflict.id, "ours")
    assert instant(planner.row(moved)["start_at"]) == instant(planner.at(1))
    assert instant(planner.row(made)["start_at"]) == instant(planner.at()), "the other change of the visit stays"


def test_a_visit_that_is_moved_at_gazelle_between_reading_and_writing_is_compared_once_more(
    planner: Planner, hook_push: HookPush
) -> None:
    event = planner.seen()
    planner.change(event, "move", start_at=planner.at(1))

    def move() -> None:
        planner.shop.admin.edit("events", event, start=instant(planner.at(2)), notes="Par la cour")

    planner.shop.admin.settings(clock_skew_s=60)
    hook_push(after_read=once(move))
    planner.push()
    planner.settle()
    found = planner.event(event)
    assert (found["start"], found["notes"]) == (instant(planner.at(2)), "Par la cour")
    (conflict,) = planner.office.conflicts()
    assert (conflict["winner"], conflict["ours"]) == ("theirs", instant(planner.at(1)))


@pytest.mark.parametrize("status", ["CANCELED", "COMPLETE"])
@pytest.mark.parametrize("action", ["move", "confirm", "complete", "cancel"])
def test_a_visit_that_ended_at_gazelle_meanwhile_is_left_alone(planner: Planner, action: str, status: str) -> None:
    event = planner.sent()
    more: dict[str, Any] = {"start_at": planner.at(1)} if action == "move" else {}
    draft = planner.change(event, action, **more)
    planner.shop.admin.edit("events", event, status=status)
    is_so = (action, status) in (("cancel", "CANCELED"), ("complete", "COMPLETE"))
    assert planner.push().succeeded is is_so
    assert planner.event(event)["status"] == status
    assert planner.event(event)["start"] == instant(planner.at())
    assert planner.state(draft) == (("sent", False) if is_so else ("held", True))
    assert (event in (planner.row(draft)["sync_error"] or "")) is not is_so


def test_a_confirmation_of_an_hour_that_has_changed_is_not_sent(planner: Planner) -> None:
    event = planner.seen()
    draft = planner.change(event, "confirm")
    planner.shop.admin.edit("events", event, start=instant(planner.at(2)))
    assert planner.push().failed == 1
    assert planner.event(event).get("confirmedAt") is None
    assert "confirm it once more" in planner.row(draft)["sync_error"]


def test_a_synchronized_event_is_never_written(planner: Planner) -> None:
    event = planner.shop.admin.create(
        "events", start=instant(planner.at()), duration=60, type="SYNCED", status="ACTIVE", title="Ailleurs",
        userId=planner.technicians[0], isAllDay=False, timezone="America/Toronto",
    )["id"]  # fmt: skip
    draft = planner.change(event, "move", start_at=planner.at(1))
    planner.shop.sync()
    assert planner.push().failed == 1
    assert "synchronized calendar" in planner.row(draft)["sync_error"]
    assert planner.event(event)["start"] == instant(planner.at())


def test_several_changes_of_one_visit_go_in_their_order_and_meet_no_conflict(planner: Planner) -> None:
    event = planner.seen()
    planner.change(event, "move", start_at=planner.at(1))
    planner.change(event, "move", technician_external_id=planner.technicians[1])
    planner.change(event, "move", start_at=planner.at(2), duration_minutes=45)
    assert planner.push().succeeded
    found = planner.event(event)
    assert (found["start"], found["userId"], found["duration"]) == (
        instant(planner.at(2)), planner.technicians[1], 45,
    )  # fmt: skip
    assert planner.office.conflicts() == []


def test_an_edit_of_a_draft_that_was_sent_changes_its_visit(planner: Planner) -> None:
    event = planner.sent(notes="Sonner")
    planner.shop.admin.edit("events", event, duration=75)
    planner.shop.query("UPDATE appointment_drafts SET title = 'Harmonisation', notes = 'Frapper'")
    assert planner.shop.value("SELECT status FROM appointment_drafts") == "ready"
    assert planner.push().succeeded
    found = planner.event(event)
    assert (found["title"], found["duration"], without_mark(found["notes"])) == ("Harmonisation", 75, "Frapper")
    assert mark_in(found["notes"]) == planner.shop.value("SELECT mark FROM appointment_drafts")
    assert planner.shop.value("SELECT duration_minutes FROM appointment_drafts") == 75
