"""Drafts of visits go to Gazelle, or say why not; nothing is written to clients."""

from __future__ import annotations

from typing import Any

from gazelle_sync.i18n.translator import translator
from gazelle_sync.push.pushables import APPOINTMENT_DRAFTS
from gazelle_sync.push.session import preview
from gazelle_sync.push.store import is_due
from gazelle_sync.push.transports.appointments import mark_in, with_mark, without_mark
from gazelle_sync.warehouse.connect import connect
from gazelle_sync_tests.support.planner import Planner, instant


def test_a_stored_draft_without_problems_goes_with_the_next_push_and_names_its_event(planner: Planner) -> None:
    draft = planner.draft(pianos=planner.pianos, notes="Sonner\ndeux fois", buffer_minutes=15, travel_mode="TRANSIT")
    assert planner.push().succeeded
    (made,) = planner.made()
    row = planner.row(draft)
    assert (row["appointment_external_id"], row["status"], row["needs_sync"]) == (made["id"], "sent", False)
    assert row["last_synced_at"] is not None
    said = {name: made[name] for name in ("clientId", "userId", "start", "duration", "title", "buffer", "travelMode")}
    assert said == {
        "clientId": planner.client, "userId": planner.technicians[0], "start": instant(planner.at()), "duration": 60,
        "title": "Accord", "buffer": 15, "travelMode": "TRANSIT",
    }  # fmt: skip
    assert made["pianos"] == [{"pianoId": planner.pianos[0], "isTuning": True}]
    assert made["notes"] == f"Sonner\ndeux fois\n\n[gazelle_sync {row['mark']}]"
    assert planner.told_clients() == []
    planner.shop.admin.reset_stats()
    assert planner.push().sent == 0
    assert planner.shop.admin.stats()["requests"] == 0


def test_a_title_that_nobody_gave_is_the_clients_name(planner: Planner) -> None:
    planner.sent(title=None)
    (made,) = planner.made()
    name = planner.shop.value(
        "SELECT display_name FROM gazelle_clients WHERE external_id = %s", planner.client
    )  # fmt: skip
    assert made["title"] == name


def test_a_visit_is_moved_confirmed_completed_and_cancelled_without_a_word_to_the_client(planner: Planner) -> None:
    event = planner.sent(pianos=planner.pianos)
    planner.shop.admin.edit("events", event, location={"street1": "88, rue Exemple"}, confirmationWarning="X")
    planner.change(event, "move", start_at=planner.at(1), duration_minutes=90)
    planner.change(event, "confirm")
    assert planner.push().succeeded
    moved = planner.event(event)
    assert (moved["start"], moved["duration"], moved["title"]) == (instant(planner.at(1)), 90, "Accord")
    assert moved["confirmedAt"] is not None
    assert moved["location"] == {"street1": "88, rue Exemple"}, "what nobody here speaks of is sent again"
    assert mark_in(moved["notes"])
    planner.change(event, "complete", notes="Accordé à 440")
    assert planner.push().succeeded
    assert planner.event(event)["status"] == "COMPLETE"
    entries = [one for one in planner.shop.admin.dump("timeline") if one["type"] == "SERVICE_ENTRY_MANUAL"]
    assert [one["comment"] for one in entries if one.get("appointmentId") == event] == ["Accordé à 440"]
    other = planner.sent(start_at=planner.at(2))
    planner.change(other, "cancel")
    assert planner.push().succeeded
    assert planner.event(other)["status"] == "CANCELED"
    assert [action for action, _ in planner.log()] == [
        "create_visit", "update_visit", "confirm_visit", "complete_visit", "create_visit", "cancel_visit",
    ]  # fmt: skip
    assert {status for _, status in planner.log()} == {"success"}
    assert planner.told_clients() == []


def test_a_draft_with_problems_is_held_and_goes_once_they_are_gone(planner: Planner) -> None:
    taken = planner.sent(start_at=planner.at(minute=30))
    draft = planner.draft()
    with connect(planner.shop.url, autocommit=True) as connection:
        assert is_due(connection, APPOINTMENT_DRAFTS), "somebody has to say why it waits"
        report = planner.push()
        assert (report.sent, report.failed) == (0, 1)
        row = planner.row(draft)
        assert (row["status"], row["needs_sync"]) == ("held", True)
        assert taken in row["sync_error"]
        assert not is_due(connection, APPOINTMENT_DRAFTS), "nothing has changed"
        planner.change(taken, "cancel")
        assert is_due(connection, APPOINTMENT_DRAFTS)
    assert planner.push().succeeded
    assert planner.state(draft) == ("sent", False)
    assert sorted(one["status"] for one in planner.made()) == ["ACTIVE", "CANCELED"]


def test_what_was_sent_takes_its_time_before_a_pull_has_brought_it(planner: Planner) -> None:
    event = planner.sent()
    planner.change(event, "move", start_at=planner.at(1))
    assert planner.push().succeeded
    there, free = planner.draft(start_at=planner.at(1, minute=30)), planner.draft()
    assert planner.push().failed == 1
    assert [planner.state(one)[0] for one in (there, free)] == ["held", "sent"]
    planner.shop.sync()
    assert planner.push().failed == 1
    assert event in planner.row(there)["sync_error"]


def test_force_sends_in_spite_of_conflicts_and_the_log_says_so(planner: Planner) -> None:
    taken = planner.sent()
    draft = planner.draft(is_forced=True)
    assert planner.push().succeeded
    assert planner.state(draft) == ("sent", False)
    log = max(planner.shop.rows("sync_gazelle_logs"), key=lambda row: int(row["id"]))
    assert log["status"] == "success"
    assert taken in log["error_message"]
    assert "in spite of" in log["error_message"]


def test_a_dry_run_shows_what_a_push_sends_and_what_it_holds(planner: Planner) -> None:
    planner.draft(start_at=planner.at(3))
    planner.draft(start_at=planner.at(4), duration_minutes=100_000)
    shown = {row.local_id: (plan, reason) for row, plan, reason in preview(planner.shop.settings, keys=None)}
    (plan, _), (none, reason) = shown.values()
    assert plan is not None
    assert [action.name for action in plan.actions] == ["create_visit"]
    assert none is None
    assert "1 to 2880 minutes" in reason
    assert planner.made() == []


def test_a_personal_block_and_a_memo_have_no_client_and_are_found_by_their_technician(planner: Planner) -> None:
    planner.shop.admin.fault("close_after", operation="createEvent", times=2)
    for event_type, day in (("PERSONAL", 10), ("MEMO", 11)):
        planner.draft(client_external_id=None, event_type=event_type, start_at=planner.at(day), title="Dentiste")
        planner.push()
        planner.settle()
    found = {(one["type"], one.get("clientId")) for one in planner.made()}
    assert (found, len(planner.made())) == ({("PERSONAL", None), ("MEMO", None)}, 2)


def test_marks_are_put_below_notes_and_taken_away_again() -> None:
    assert with_mark("Sonner", "abc") == "Sonner\n\n[gazelle_sync abc]"
    assert with_mark(None, "abc") == "[gazelle_sync abc]"
    assert (without_mark("[gazelle_sync abc]"), without_mark(None), without_mark("x")) == (None, None, "x")
    assert with_mark("Sonner\n\n[gazelle_sync abc]", "def") == "Sonner\n\n[gazelle_sync def]"
    assert mark_in("Sonner [gazelle_sync 2026-01-02]") == "2026-01-02"
    assert translator("fr")("visit") != "visit"


def test_what_makes_no_sense_stays_here_says_why_and_costs_gazelle_nothing(planner: Planner) -> None:
    office, gone, *_ = planner.people[::-1]
    planner.shop.admin.edit("users", office, isSchedulable=False)
    planner.shop.admin.edit("users", gone, status="INACTIVE")
    planner.shop.sync()
    other = next(one for one in planner.shop.admin.dump("pianos") if one["clientId"] not in (None, planner.client))
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"duration_minutes": 0}, "1 to 2880"),
        ({"duration_minutes": 100_000}, "1 to 2880"),
        ({"start_at": "1900-01-01T09:00:00Z"}, "1900-01-01"),
        ({"start_at": "infinity"}, "not within"),
        ({"client_external_id": None}, "needs a client"),
        ({"client_external_id": "cli_nobody"}, "cli_nobody"),
        ({"technician_external_id": "usr_nobody"}, "usr_nobody"),
        ({"technician_external_id": gone}, "not active"),
        ({"technician_external_id": office}, "cannot be scheduled"),
        ({"pianos": [other["id"]]}, "another client"),
        ({"pianos": [7]}, "as ids"),
        ({"action": "move"}, "event"),
        ({"action": "move", "appointment_external_id": "evt_nobody"}, "evt_nobody"),
    ]
    drafts = [planner.draft(**values) for values, _ in wrong]
    planner.shop.admin.reset_stats()
    report = planner.push()
    assert (report.sent, report.failed) == (0, len(wrong))
    assert planner.shop.admin.stats()["requests"] == 0
    for draft, (values, said) in zip(drafts, wrong, strict=True):
        assert planner.state(draft) == ("held", True), values
        assert said in planner.error(draft), values
    fine = planner.draft(start_at=planner.at(2))
    assert planner.push().sent == 1
    assert planner.state(fine) == ("sent", False)


def test_pianos_that_are_no_ids_stop_a_completion_and_nothing_else(planner: Planner) -> None:
    first, second = planner.sent(), planner.sent(start_at=planner.at(2))
    held = planner.change(first, "complete", pianos=[7])
    gone = planner.change(second, "cancel", pianos=[7])
    assert planner.push().sent == 1
    assert (planner.state(held), planner.state(gone)) == (("held", True), ("sent", False))
    assert "as ids" in planner.error(held)


def test_what_gazelle_refuses_is_said_and_stops_no_other(planner: Planner) -> None:
    refused, fine = planner.draft(title="Refusée"), planner.draft(start_at=planner.at(1))
    planner.shop.admin.fault("alias_refused", about="Refusée", operation="createEvent", message="Pas ce jour-là")
    assert planner.push().failed == 1
    assert "Pas ce jour-là" in planner.row(refused)["sync_error"]
    assert planner.state(fine) == ("sent", False)
    planner.settle()
    assert len(planner.made()) == 2
