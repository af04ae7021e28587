"""Notices on their way: each message once, by day, whatever becomes of the service or of who sends it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gazelle_sync.quality.context import CheckContext
from gazelle_sync.quality.registry import CHECKS, evaluate
from gazelle_sync.settings import Settings
from gazelle_sync.shop.calendar.notice_sending import NotDelivered, NoticeCounts, make_notices, send_notices, tell
from gazelle_sync.shop.calendar.wall_clock import instant_of
from gazelle_sync.warehouse.connect import connect
from gazelle_sync_tests.support.diary import ANNE, BEN
from gazelle_sync_tests.support.noticing import MINUTE, Technicians


def test_without_an_address_it_is_kept_and_shown(staff: Technicians) -> None:
    staff.diary.query("DELETE FROM technician_contacts")
    staff.diary.event("2027-03-02 09:00")
    staff.at("2027-03-01 09:00")
    assert staff.after() == NoticeCounts(made=1, unaddressed=1)
    assert staff.notices() == [("new", ANNE, "suppressed", "no_address")]


def test_a_service_that_refuses_is_tried_again_and_says_in_the_end_what_is_so(staff: Technicians) -> None:
    event = staff.diary.event("2027-03-02 09:00")
    staff.fault = NotDelivered("no such host")
    staff.at("2027-03-01 09:00")
    assert staff.after() == NoticeCounts(made=1, failed=1)
    assert not staff.is_due(), "the next try is a minute away"
    staff.diary.change(event, start_at=instant_of("2027-03-02 11:00"))
    staff.at("2027-03-01 09:10")
    staff.after()
    staff.fault = None
    staff.after(30)
    assert staff.heard() == [("usr_anne", "Nouvelle visite\u00a0: mardi 2 mars, 11\u00a0h")]
    assert [row[2:] for row in staff.notices()] == [("suppressed", "superseded"), ("sent", None)]


def test_what_is_undone_before_it_could_be_sent_is_not_sent(staff: Technicians) -> None:
    event = staff.diary.event("2027-03-02 09:00")
    staff.fault = NotDelivered("no such host")
    staff.at("2027-03-01 09:00")
    staff.after()
    staff.diary.change(event, status="CANCELED")
    staff.at("2027-03-01 09:10")
    staff.after()
    staff.fault = None
    staff.after(60)
    assert staff.heard() == []


def test_a_service_that_answers_too_late_is_not_asked_twice(staff: Technicians) -> None:
    staff.diary.event("2027-03-02 09:00")
    staff.fault = NotDelivered("timed out", may_have_arrived=True)
    staff.at("2027-03-01 09:00")
    staff.after()
    staff.fault = None
    staff.after(60)
    assert staff.heard() == []
    assert staff.notices() == [("new", ANNE, "failed", "unanswered")]


def test_a_sender_that_dies_leaves_what_may_have_arrived(staff: Technicians) -> None:
    staff.diary.event("2027-03-02 09:00")
    staff.at("2027-03-01 09:00")
    staff.now += 6 * MINUTE

    def die(*_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tell(staff.diary.connection, staff.clock, die)
    staff.after(9)
    staff.after(2)
    assert staff.heard() == []
    assert staff.notices() == [("new", ANNE, "failed", "interrupted")]


def test_two_daemons_tell_once(staff: Technicians) -> None:
    staff.diary.event("2027-03-02 09:00")
    staff.at("2027-03-01 09:00")
    staff.now += 6 * MINUTE
    with connect(staff.diary.url, autocommit=True) as other:
        made = [make_notices(connection, staff.now) for connection in (staff.diary.connection, other)]

        def meanwhile(address: str, title: str, text: str) -> None:
            assert send_notices(other, staff.clock, staff.deliver) == NoticeCounts()
            staff.deliver(address, title, text)

        assert send_notices(staff.diary.connection, staff.clock, meanwhile).sent == 1
    assert made == [1, 0]
    assert len(staff.heard()) == 1


def test_a_sender_that_dies_leaves_all_others_to_whoever_comes_next(staff: Technicians) -> None:
    for day in (2, 3, 4):
        staff.diary.event(f"2027-03-0{day} 09:00")
    staff.at("2027-03-01 09:00")
    staff.now += 6 * MINUTE

    def die(*_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tell(staff.diary.connection, staff.clock, die)
    staff.after(12)
    assert [row[2:] for row in staff.notices()] == [("failed", "interrupted"), ("sent", None), ("sent", None)]
    assert len(staff.heard()) == 2


def test_a_slow_service_does_not_carry_the_evening_into_the_night(staff: Technicians) -> None:
    for day in (2, 3, 4):
        staff.diary.event(f"2027-03-0{day} 09:00", confirmed_at=instant_of("2027-02-01 09:00"))
    staff.at("2027-03-01 20:52")
    staff.now = instant_of("2027-03-01 20:58:30")

    def slowly(*said: str) -> None:
        staff.box.append((said[0], said[1], said[2]))
        staff.now += MINUTE

    assert tell(staff.diary.connection, staff.clock, slowly).sent == 2
    assert len(staff.heard()) == 2
    staff.at("2027-03-02 07:05")
    assert len([title for _, title in staff.heard() if title.startswith("Nouvelle visite")]) == 1


def test_a_run_ends_before_its_time_is_up_and_the_next_goes_on(staff: Technicians) -> None:
    for hour in range(8, 16):
        staff.diary.event(f"2027-03-02 {hour:02}:00")
    staff.at("2027-03-01 09:00")
    staff.now += 6 * MINUTE
    begun = staff.now

    def slowly(*said: str) -> None:
        staff.deliver(*said)
        staff.now += 2 * MINUTE

    assert tell(staff.diary.connection, staff.clock, slowly).sent == 5
    assert staff.now - begun == timedelta(minutes=10)
    assert tell(staff.diary.connection, staff.clock, slowly).sent == 3


def test_two_daemons_do_not_tear_a_daily_list_in_two(staff: Technicians) -> None:
    for hour in (9, 11, 13):
        staff.diary.event(f"2027-03-02 {hour:02}:00", notes="x")
    staff.at("2027-03-01 15:40")
    staff.after()
    staff.heard()
    staff.now = instant_of("2027-03-01 16:00")
    staff.scan()
    make_notices(staff.diary.connection, staff.now)
    with connect(staff.diary.url, autocommit=True) as other:

        def meanwhile(*said: str) -> None:
            assert send_notices(other, staff.clock, staff.deliver) == NoticeCounts()
            staff.deliver(*said)

        assert send_notices(staff.diary.connection, staff.clock, meanwhile).sent == 3
    (one,) = staff.box
    assert one[2].count("\n") == 2


def test_a_service_that_always_refuses_is_a_warning(staff: Technicians) -> None:
    """However often it is tried again: each time it is due a little later."""
    staff.diary.event("2027-03-02 09:00")
    staff.at("2027-03-01 09:00")
    staff.fault = NotDelivered("no such user")
    staff.after()
    staff.diary.query(
        "UPDATE notices SET created_at = now() - interval '1 day', due_at = now() + interval '30 minutes'"
    )
    [(is_asked,)] = staff.diary.query("SELECT (now() AT TIME ZONE 'America/Toronto')::time BETWEEN '07:30' AND '21:00'")
    found = evaluate(CHECKS["calendar_notices"], CheckContext(Settings(database_url=staff.diary.url)))
    assert (found.passed, found.numbers["not sent"]) == (not is_asked, int(is_asked))


def test_a_list_of_tomorrow_that_comes_today_says_so(staff: Technicians) -> None:
    staff.diary.event("2027-03-02 09:00", notes="x")
    staff.at("2027-03-01 15:00")
    staff.after()
    staff.heard()
    staff.at("2027-03-02 07:05")
    assert staff.heard() == [("usr_anne", "Visites d'aujourd'hui que personne n'a confirmées")]


def test_an_address_that_another_program_wrote_with_blanks_is_found(staff: Technicians) -> None:
    staff.diary.query("UPDATE technician_contacts SET technician_external_id = ' usr_anne ' WHERE language = 'fr'")
    staff.diary.query("UPDATE technician_contacts SET address = ' ' WHERE technician_external_id = 'usr_ben'")
    for who in (ANNE, BEN):
        staff.diary.event("2027-03-02 09:00", who)
    staff.at("2027-03-01 09:00")
    assert staff.after() == NoticeCounts(made=2, sent=1, unaddressed=1)
