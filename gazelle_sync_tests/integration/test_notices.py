"""What technicians are told of their visits: once, by day, of what a complete scan found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gazelle_sync.shop.calendar.agenda import read_agenda
from gazelle_sync.shop.calendar.conflicts import overlaps
from gazelle_sync.shop.calendar.feeds import export
from gazelle_sync.shop.calendar.notice_sending import NoticeCounts
from gazelle_sync.shop.calendar.wall_clock import instant_of
from gazelle_sync.warehouse.connect import statement
from gazelle_sync_tests.support.diary import ANNE, BEN
from gazelle_sync_tests.support.noticing import MINUTE, Technicians


def test_the_first_complete_scan_tells_nobody(staff: Technicians) -> None:
    staff.after(60)
    assert (staff.heard(), staff.notices()) == ([], [])


def test_a_new_visit_is_told_once_after_five_minutes(staff: Technicians) -> None:
    staff.diary.event("2027-03-02 09:00", title="Accord", address_line="1, rue du Port")
    assert staff.at("2027-03-01 09:00").made == 0
    staff.after(4)
    assert staff.heard() == []
    assert not staff.is_due()
    staff.after(2)
    ((address, title, text),) = staff.box
    assert (address, title) == ("mailto://usr_anne", "Nouvelle visite\u00a0: mardi 2 mars, 9\u00a0h")
    assert text == "Accord, École du Nord, 1, rue du Port"
    for _ in range(3):
        staff.after(15)
    assert len(staff.heard()) == 1
    assert not staff.is_due()


def test_a_visit_that_is_given_to_another_is_told_to_both(staff: Technicians) -> None:
    event = staff.diary.event("2027-03-02 09:00", BEN, title="Accord")
    staff.at("2027-03-01 09:00")
    staff.after()
    assert staff.heard() == [("usr_ben", "New visit: Tuesday, March 2, 9:00")]
    staff.diary.change(event, technician_external_id=ANNE)
    staff.at("2027-03-01 10:00")
    staff.after()
    text = staff.box[-1][2]
    assert staff.heard() == [
        ("usr_anne", "Une visite vous revient\u00a0: mardi 2 mars, 9\u00a0h"),
        ("usr_ben", "Slot freed: Tuesday, March 2, 9:00"),
    ]  # fmt: skip
    assert "It is Anne's now." in text


def test_one_that_was_booked_long_ago_and_is_only_now_assigned_is_new(staff: Technicians) -> None:
    event = staff.diary.event("2027-03-05 09:00", None)
    staff.at("2027-03-01 09:00")
    staff.after()
    staff.diary.change(event, technician_external_id=ANNE)
    staff.at("2027-03-01 10:00")
    staff.after()
    assert [kind for kind, *_ in staff.notices()] == ["new"]


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"start_at": instant_of("2027-03-04 10:30")}, "Visit moved: Thursday, March 4, 10:30"),
        ({"status": "CANCELED"}, "Visit cancelled: Wednesday, March 3, 14:00"),
        ({"deleted_at": datetime(2027, 3, 1, tzinfo=UTC)}, "Visit cancelled: Wednesday, March 3, 14:00"),
        ({"technician_external_id": None}, "Slot freed: Wednesday, March 3, 14:00"),
        ({"start_at": instant_of("2027-05-04 10:30")}, "Visit moved: Tuesday, May 4, 10:30"),
        ({"start_at": instant_of("2027-02-27 23:30")}, "Visit moved: Saturday, February 27, 23:30"),
        ({"start_at": instant_of("2026-03-03 14:00")}, "Visit moved: Tuesday, March 3, 14:00"),
    ],
)
def test_what_becomes_of_a_known_visit_is_told(staff: Technicians, change: dict[str, Any], title: str) -> None:
    staff.diary.change("evt_1", **change)
    staff.at("2027-03-01 09:00")
    staff.after(4)
    assert not staff.is_due()
    staff.after(2)
    assert staff.heard() == [("usr_ben", title)]
    for _ in range(3):
        staff.after(60)
        assert not staff.is_due()
    assert staff.heard() == []


def test_what_is_undone_within_five_minutes_and_what_is_far_away_tells_nobody(staff: Technicians) -> None:
    staff.diary.change("evt_1", start_at=instant_of("2027-03-04 10:30"), notes="x")
    far = staff.diary.event("2027-03-09 09:00")
    staff.at("2027-03-01 08:59")
    staff.diary.change("evt_1", start_at=instant_of("2027-03-03 14:00"))
    staff.at("2027-03-01 09:03")
    staff.after(60)
    assert staff.heard() == []
    assert staff.at("2027-03-05 09:00") == NoticeCounts(), "it is no news that the week has come"
    staff.diary.change(far, start_at=instant_of("2027-03-10 09:00"))
    staff.at("2027-03-05 10:00")
    staff.after()
    assert [kind for kind, *_ in staff.notices()] == ["moved"]


def test_nobody_is_told_at_night_and_only_what_is_so_in_the_morning(staff: Technicians) -> None:
    confirmed = instant_of("2027-02-01 09:00")
    event = staff.diary.event("2027-03-02 09:00", confirmed_at=confirmed)
    staff.at("2027-03-01 20:56")
    staff.after(4)
    assert staff.now == instant_of("2027-03-01 21:00")
    for _ in range(20):
        staff.after(30)
        assert staff.heard() == []
        assert not staff.is_due()
    gone = staff.diary.event("2027-03-02 10:00", confirmed_at=confirmed)
    staff.diary.change(event, start_at=instant_of("2027-03-02 11:00"))
    staff.at("2027-03-02 05:00")
    staff.diary.change(gone, status="CANCELED")
    staff.at("2027-03-02 06:59")
    staff.now = instant_of("2027-03-02 07:04")
    assert (staff.is_due(), staff.tell()) == (False, NoticeCounts())
    staff.after(1)
    assert staff.heard() == [("usr_anne", "Nouvelle visite\u00a0: mardi 2 mars, 11\u00a0h")]


def test_a_visit_that_is_moved_to_a_day_that_is_over_is_told_to_whoever_still_expects_it(staff: Technicians) -> None:
    staff.diary.change("evt_1", start_at=instant_of("2027-03-01 17:00"), notes="x")
    staff.at("2027-03-01 23:30")
    staff.now = instant_of("2027-03-02 07:10")
    staff.tell()
    assert staff.heard() == [("usr_ben", "Visit moved: Monday, March 1, 17:00")]
    staff.diary.change("evt_1", start_at=instant_of("2027-03-01 18:00"))
    staff.at("2027-03-02 09:00")
    staff.after()
    assert staff.heard() == [], "nobody expects it any more"


def test_a_scan_that_is_under_way_or_failed_makes_no_notice(staff: Technicians) -> None:
    staff.now = instant_of("2027-03-01 08:30")
    staff.diary.query("UPDATE gazelle_appointments SET status = 'CANCELED', synced_at = %s", staff.now + MINUTE)
    assert not staff.is_due()
    staff.after(20)
    assert staff.notices() == []
    staff.scan()
    staff.tell()
    staff.after()
    assert [kind for kind, *_ in staff.notices()] == ["canceled"]


def test_a_calendar_that_was_lost_here_cancels_nothing(staff: Technicians) -> None:
    staff.diary.query("DELETE FROM gazelle_appointments")
    staff.at("2027-03-01 09:00")
    staff.after()
    assert staff.notices() == []


def test_whoever_did_it_is_not_told_and_the_other_reads_who_and_why(staff: Technicians) -> None:
    changed = instant_of("2027-03-01 08:50")
    entry = {
        "client_external_id": "cli_school", "user_external_id": BEN, "occurred_at": changed,
        "entry_type": "APPOINTMENT_LOG", "description": "Anne est plus proche",
    }  # fmt: skip
    staff.diary.insert("gazelle_timeline_entries", external_id="tme_1", **entry)
    staff.diary.change("evt_1", technician_external_id=ANNE, gazelle_updated_at=changed)
    staff.at("2027-03-01 09:00")
    staff.after()
    assert sorted(staff.notices()) == [("freed", BEN, "suppressed", "own"), ("reassigned", ANNE, "sent", None)]
    assert staff.box[0][2].endswith("Par Ben.\nAnne est plus proche")


def test_whoever_did_another_visit_of_the_client_is_told_what_somebody_else_did(staff: Technicians) -> None:
    """Entries of the timeline name the client, not the visit."""
    changed = instant_of("2027-03-01 08:50")
    for user, minute in ((ANNE, 50), (BEN, 51)):
        staff.diary.insert(
            "gazelle_timeline_entries", external_id=f"tme_{user}", client_external_id="cli_school",
            user_external_id=user, occurred_at=instant_of(f"2027-03-01 08:{minute}"), entry_type="APPOINTMENT_LOG",
        )  # fmt: skip
    staff.diary.change("evt_1", start_at=instant_of("2027-03-03 15:00"), gazelle_updated_at=changed)
    staff.at("2027-03-01 09:00")
    staff.after()
    assert staff.notices() == [("moved", BEN, "sent", None)]
    assert staff.box[0][2].endswith("By Anne.")


def test_notes_of_days_whose_list_was_missed_are_asked_for(staff: Technicians) -> None:
    staff.diary.change("evt_1", notes="x")
    for day in (1, 2, 3):
        staff.diary.event(f"2027-03-0{day} 10:00", title=f"Le {day}", confirmed_at=instant_of("2027-02-01 09:00"))
    staff.at("2027-03-01 09:00")
    staff.after()
    staff.box.clear()
    staff.at("2027-03-04 07:30")
    ((_, title, text),) = staff.box
    assert (title, [line.split(":")[1].split(",")[0].strip() for line in text.splitlines()]) == (
        "Visites sans notes", ["Le 1", "Le 2", "Le 3"],
    )  # fmt: skip
    staff.box.clear()
    staff.at("2027-03-04 17:00")
    assert staff.heard() == [], "once each"


def test_the_lists_come_at_their_hours_once_a_technician(staff: Technicians) -> None:
    days_ago = instant_of("2026-11-01 09:00")
    staff.diary.event("2027-03-02 09:00", title="Accord", gazelle_created_at=days_ago)
    staff.diary.event("2027-03-02 11:00", title="Concert", confirmed_at=instant_of("2027-02-01 09:00"))
    staff.diary.event("2027-03-02 13:00", title="Harmonisation")
    staff.diary.event("2027-03-01 10:00", BEN, title="Regulation", confirmed_by_client=True)
    staff.diary.query("DELETE FROM system_settings WHERE key LIKE 'calendar.%'")
    staff.diary.query("DELETE FROM notice_views")
    staff.at("2027-03-01 08:30")
    for time, heard in (
        ("08:59", []), ("09:00", [("usr_anne", "Visites de cette semaine réservées il y a longtemps")]), ("15:59", []),
        ("16:00", [("usr_anne", "Visites de demain que personne n'a confirmées")]),
        ("17:00", [("usr_ben", "Visits without notes")]), ("18:00", []),
    ):  # fmt: skip
        staff.at(f"2027-03-01 {time}")
        texts = [text for *_, text in staff.box]
        assert staff.heard() == heard, time
        if time == "16:00":
            assert texts[0].replace("\u00a0", " ") == (
                "- mardi 2 mars, 9 h : Accord, École du Nord\n- mardi 2 mars, 13 h : Harmonisation, École du Nord"
            )


@pytest.mark.parametrize(
    ("back", "heard"),
    [
        ("2027-03-01 20:00", ["unconfirmed", "without_notes"]),
        ("2027-03-01 22:00", []),
        ("2027-03-02 07:05", ["unconfirmed", "without_notes"]),
        ("2027-03-04 08:00", ["without_notes", "without_notes"]),
    ],
)
def test_a_list_that_was_missed_comes_late_and_never_at_night(staff: Technicians, back: str, heard: list[str]) -> None:
    staff.diary.event("2027-03-01 10:00", title="Aujourd'hui", confirmed_at=instant_of("2027-02-01 09:00"))
    staff.diary.event("2027-03-02 10:00", title="Demain", notes="x")
    staff.at("2027-03-01 15:00")
    staff.after()
    staff.heard()
    staff.at(back)
    kinds = [kind for kind, *_ in staff.notices() if kind not in ("new",)]
    assert sorted(kinds) == heard
    assert len(staff.heard()) == len(heard)
    staff.after(30)
    assert staff.heard() == []


def test_a_list_waits_for_a_scan_that_is_fresh(staff: Technicians) -> None:
    staff.diary.event("2027-03-02 10:00", notes="x")
    staff.at("2027-03-01 14:00")
    staff.after()
    staff.heard()
    staff.now = instant_of("2027-03-01 16:30")
    assert (staff.is_due(), staff.tell()) == (False, NoticeCounts())
    staff.at("2027-03-01 16:45")
    assert len(staff.heard()) == 1


def test_three_days_without_a_scheduler_tell_what_still_matters(staff: Technicians) -> None:
    staff.diary.change("evt_1", notes="x")
    staff.diary.event("2027-03-02 09:00", notes="x")
    staff.diary.event("2027-03-05 09:00", confirmed_at=instant_of("2027-03-01 09:00"))
    staff.at("2027-03-04 12:00")
    staff.after()
    assert [row[0] for row in staff.notices()] == ["new"]
    assert staff.heard() == [("usr_anne", "Nouvelle visite\u00a0: vendredi 5 mars, 9\u00a0h")]


def test_a_run_is_asked_for_exactly_when_there_is_something_to_do(staff: Technicians) -> None:
    """Over two days, minute by minute where something happens: what is not due changes nothing."""
    steps: list[tuple[str, Callable[[], object]]] = [
        ("2027-03-01 09:10", lambda: staff.diary.event("2027-03-02 09:00")),
        ("2027-03-01 15:55", lambda: staff.diary.change("evt_1", start_at=instant_of("2027-03-04 10:30"))),
        ("2027-03-01 20:58", lambda: staff.diary.change("evt_2", start_at=instant_of("2027-03-02 10:30"))),
        ("2027-03-02 06:50", lambda: staff.diary.event("2027-03-03 10:30")),
    ]
    for time, happens in steps:
        staff.now = instant_of(time)
        happens()
        staff.scan()
        for _ in range(20):
            before, was_due = staff.diary.query("SELECT * FROM notices ORDER BY id"), staff.is_due()
            told = staff.tell()
            if not was_due:
                assert told == NoticeCounts()
                assert staff.diary.query("SELECT * FROM notices ORDER BY id") == before
            staff.now += MINUTE
    assert not staff.is_due()


@pytest.mark.parametrize("values", [{"title": " accord chez LUCIE "}, {"title": "Aider: École du Nord"}])
def test_the_second_half_of_a_joint_visit_is_told_though_it_is_a_personal_block(
    staff: Technicians, values: dict[str, Any]
) -> None:
    block = {"event_type": "PERSONAL", "client_external_id": None}
    visit = staff.diary.event("2027-03-02 09:00", title="Accord chez Lucie")
    half = staff.diary.event("2027-03-02 09:00", BEN, **block, **values)
    staff.diary.insert("gazelle_users", external_id="usr_else", first_name="Élise")
    staff.diary.event("2027-03-02 09:00", "usr_else", **block, title="Dentiste")
    staff.at("2027-03-01 09:00")
    staff.after()
    assert staff.heard() == [
        ("usr_anne", "Nouvelle visite\u00a0: mardi 2 mars, 9\u00a0h"), ("usr_ben", "New visit: Tuesday, March 2, 9:00"),
    ]  # fmt: skip
    assert not staff.is_due()
    staff.diary.change(half, start_at=instant_of("2027-03-02 10:00"))  # the other half is not moved yet
    staff.at("2027-03-01 10:00")
    staff.after()
    assert staff.heard() == [("usr_ben", "Visit moved: Tuesday, March 2, 10:00")]
    staff.diary.change(visit, start_at=instant_of("2027-03-02 10:00"))
    staff.at("2027-03-01 11:00")
    staff.after()
    assert staff.heard() == [("usr_anne", "Visite déplacée\u00a0: mardi 2 mars, 10\u00a0h")]
    for event in (visit, half):
        staff.diary.change(event, status="CANCELED")
    staff.at("2027-03-01 12:00")
    staff.after()
    assert [who for who, _ in staff.heard()] == ["usr_anne", "usr_ben"]
    assert not staff.is_due()


def test_a_personal_block_that_one_joint_draft_made_is_a_visit_of_its_technician(staff: Technicians) -> None:
    half = staff.diary.event("2027-03-02 09:00", BEN, event_type="PERSONAL", client_external_id=None, title="À deux")
    staff.diary.insert(
        "appointment_drafts", appointment_external_id=half, joint_key="6f9619ff-8b86-d011-b42d-00c04fc964ff"
    )
    staff.at("2027-03-01 09:00")
    staff.after()
    assert staff.heard() == [("usr_ben", "New visit: Tuesday, March 2, 9:00")]


def test_our_own_mark_is_no_note(staff: Technicians) -> None:
    staff.diary.query("DELETE FROM gazelle_appointments")
    staff.diary.query("DELETE FROM notice_views")
    for number, notes in enumerate(("[gazelle_sync 3f9a2c11b0d4]", "Accordé\n\n[gazelle_sync 3f9a2c11b0d4]")):
        staff.diary.event(f"2027-03-01 1{number}:00", notes=notes, confirmed_at=instant_of("2027-02-01 09:00"))
    staff.at("2027-03-01 16:50")
    staff.heard()
    staff.at("2027-03-01 17:00")
    assert [kind for kind, *_ in staff.notices()].count("without_notes") == 1


PAST = """
INSERT INTO gazelle_appointments (external_id, technician_external_id, start_at, event_type, status, title, synced_at)
SELECT 'evt_n' || n, 'usr_anne', '2017-01-01T12:00Z'::timestamptz + n * interval '17 hours',
    CASE WHEN n % 5 = 0 THEN 'PERSONAL' ELSE 'APPOINTMENT' END, 'ACTIVE', 'Visite ' || n, '2027-02-01'
FROM generate_series(1, 5000) AS n
"""


def test_whether_something_is_due_is_asked_without_looking_through_what_is_over(staff: Technicians) -> None:
    """Of 42,500 visits, 1 ms; it is asked twice a minute. A plan does not depend on the machine."""
    staff.diary.query(PAST)
    staff.diary.query("ANALYZE")
    plan = staff.diary.query(f"EXPLAIN {statement('calendar/notices_due')}")
    assert any("gazelle_appointments_start" in line for (line,) in plan)
    assert not [line for (line,) in plan if "Seq Scan on gazelle_appointments a" in line]


def test_events_that_make_no_sense_stop_nobody(staff: Technicians) -> None:
    for start, values in (
        ("2027-03-02 09:00", {"duration_minutes": 0}),
        ("2027-03-02 10:00", {"duration_minutes": 100_000}),
        ("1900-01-01 09:00", {}),
        ("2199-12-31 09:00", {"duration_minutes": 2**31 - 1}),
        ("2027-03-02 12:00", {"client_external_id": None, "title": None, "duration_minutes": None}),
        ("2027-03-02 13:00", {"technician_external_id": None}),
    ):
        staff.diary.event(start, **values)
    staff.at("2027-03-01 09:00")
    staff.after()
    assert len(staff.heard()) == 3
    assert len(read_agenda(staff.diary.connection, date(2027, 3, 2), 1)) == 4
    assert overlaps(staff.diary.connection) == [], "what takes no time overlaps nothing"
    assert export(staff.diary.connection, ANNE, staff.now)
