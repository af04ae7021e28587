"""What technicians are told of their visits: once, by day, of what a complete scan found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gazelle_sync.shop.calendar.telling import NotDelivered, Told, make_notices, send_notices, tell
from gazelle_sync.shop.calendar.wall_clock import instant_of
from gazelle_sync.warehouse.connect import connect, statement
from gazelle_sync_tests.support.diary import ANNE, BEN, UNSEEN, Diary

MINUTE = timedelta(minutes=1)


@dataclass
class Office:
    """A shop whose clock is ours, and whose technicians' messages we read.

    Attributes:
        diary: Its calendar.
        now: The clock.
        box: Address, title and text of what arrived.
        fault: Raised instead of the next deliveries.
    """

    diary: Diary
    now: datetime = field(default_factory=lambda: instant_of("2027-03-01 08:00"))
    box: list[tuple[str, str, str]] = field(default_factory=list)
    fault: NotDelivered | None = None

    def deliver(self, address: str, title: str, text: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.box.append((address, title, text))

    def scan(self) -> None:
        """A complete scan ends now, and has written what had changed."""
        self.diary.query("UPDATE gazelle_appointments SET synced_at = %s WHERE synced_at = %s", self.now, UNSEEN)
        self.diary.query(
            "INSERT INTO system_settings VALUES ('last_sync_date.appointments', %s, %s) ON CONFLICT (key) DO UPDATE "
            "SET value = excluded.value, updated_at = excluded.updated_at",
            self.now.isoformat(), self.now,
        )  # fmt: skip

    def at(self, time: str) -> Told:
        """It is this time: a scan ends, and technicians are told."""
        self.now = instant_of(time)
        self.scan()
        return self.tell()

    def tell(self) -> Told:
        return tell(self.diary.connection, self.now, self.deliver)

    def after(self, minutes: int = 6) -> Told:
        """So many minutes later, without a scan."""
        self.now += minutes * MINUTE
        return self.tell()

    def is_due(self) -> bool:
        """Whether a run would be started now."""
        query = statement("calendar/notices_due").replace(
            "now() AS now, now()", "%(now)s::timestamptz AS now, %(now)s::timestamptz"
        )
        row = self.diary.connection.execute(query.encode(), {"now": self.now}).fetchone()
        assert row is not None
        return bool(row[0])

    def heard(self) -> list[tuple[str, str]]:
        """Who was told which titles, since the last time."""
        found = [(address.removeprefix("mailto://"), title) for address, title, _ in self.box]
        self.box.clear()
        return found

    def notices(self) -> list[tuple[Any, ...]]:
        return self.diary.query("SELECT kind, technician_external_id, status, reason FROM notices ORDER BY id")


@pytest.fixture
def office(diary: Diary) -> Office:
    """A shop in which notices are made since 08:00 on the first of March; Anne reads French and Ben English."""
    for who, language in ((ANNE, "fr"), (BEN, "en")):
        diary.insert("technician_contacts", technician_external_id=who, address=f"mailto://{who}", language=language)
    office = Office(diary)
    diary.event("2027-03-03 14:00", BEN)
    assert office.at("2027-03-01 08:00") == Told()
    assert not office.is_due()
    return office


def test_the_first_complete_scan_tells_nobody(office: Office) -> None:
    office.after(60)
    assert (office.heard(), office.notices()) == ([], [])


def test_a_new_visit_is_told_once_after_five_minutes(office: Office) -> None:
    office.diary.event("2027-03-02 09:00", title="Accord", address_line="1, rue du Port")
    assert office.at("2027-03-01 09:00").made == 0
    office.after(4)
    assert office.heard() == []
    assert not office.is_due()
    office.after(2)
    ((address, title, text),) = office.box
    assert (address, title) == ("mailto://usr_anne", "Nouvelle visite\u00a0: mardi 2 mars, 9\u00a0h")
    assert text == "Accord, École du Nord, 1, rue du Port"
    for _ in range(3):
        office.after(15)
    assert len(office.heard()) == 1
    assert not office.is_due()


def test_a_visit_that_is_given_to_another_is_told_to_both(office: Office) -> None:
    event = office.diary.event("2027-03-02 09:00", BEN, title="Accord")
    office.at("2027-03-01 09:00")
    office.after()
    assert office.heard() == [("usr_ben", "New visit: Tuesday, March 2, 9:00")]
    office.diary.change(event, technician_external_id=ANNE)
    office.at("2027-03-01 10:00")
    office.after()
    text = office.box[-1][2]
    assert office.heard() == [
        ("usr_anne", "Une visite vous revient\u00a0: mardi 2 mars, 9\u00a0h"),
        ("usr_ben", "Slot freed: Tuesday, March 2, 9:00"),
    ]  # fmt: skip
    assert "It is Anne's now." in text


def test_one_that_was_booked_long_ago_and_is_only_now_assigned_is_new(office: Office) -> None:
    event = office.diary.event("2027-03-05 09:00", None)
    office.at("2027-03-01 09:00")
    office.after()
    office.diary.change(event, technician_external_id=ANNE)
    office.at("2027-03-01 10:00")
    office.after()
    assert [kind for kind, *_ in office.notices()] == ["new"]


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"start_at": instant_of("2027-03-04 10:30")}, "Visit moved: Thursday, March 4, 10:30"),
        ({"status": "CANCELED"}, "Visit cancelled: Wednesday, March 3, 14:00"),
        ({"deleted_at": datetime(2027, 3, 1, tzinfo=UTC)}, "Visit cancelled: Wednesday, March 3, 14:00"),
        ({"technician_external_id": None}, "Slot freed: Wednesday, March 3, 14:00"),
        ({"start_at": instant_of("2027-05-04 10:30")}, "Visit moved: Tuesday, May 4, 10:30"),
    ],
)
def test_what_becomes_of_a_known_visit_is_told(office: Office, change: dict[str, Any], title: str) -> None:
    office.diary.change("evt_1", **change)
    office.at("2027-03-01 09:00")
    office.after()
    assert office.heard() == [("usr_ben", title)]


def test_what_is_undone_within_five_minutes_and_what_is_far_away_tells_nobody(office: Office) -> None:
    office.diary.change("evt_1", start_at=instant_of("2027-03-04 10:30"))
    far = office.diary.event("2027-03-09 09:00")
    office.at("2027-03-01 08:59")
    office.diary.change("evt_1", start_at=instant_of("2027-03-03 14:00"))
    office.at("2027-03-01 09:03")
    office.after(60)
    assert office.heard() == []
    assert office.at("2027-03-05 09:00") == Told(), "it is no news that the week has come"
    office.diary.change(far, start_at=instant_of("2027-03-10 09:00"))
    office.at("2027-03-05 10:00")
    office.after()
    assert [kind for kind, *_ in office.notices()] == ["moved"]


def test_nobody_is_told_at_night_and_only_what_is_so_in_the_morning(office: Office) -> None:
    confirmed = instant_of("2027-02-01 09:00")
    event = office.diary.event("2027-03-02 09:00", confirmed_at=confirmed)
    office.at("2027-03-01 20:56")
    office.after(4)
    assert office.now == instant_of("2027-03-01 21:00")
    for _ in range(20):
        office.after(30)
        assert office.heard() == []
        assert not office.is_due()
    gone = office.diary.event("2027-03-02 10:00", confirmed_at=confirmed)
    office.diary.change(event, start_at=instant_of("2027-03-02 11:00"))
    office.at("2027-03-02 05:00")
    office.diary.change(gone, status="CANCELED")
    office.at("2027-03-02 06:59")
    office.now = instant_of("2027-03-02 07:04")
    assert (office.is_due(), office.tell()) == (False, Told())
    office.after(1)
    assert office.heard() == [("usr_anne", "Nouvelle visite\u00a0: mardi 2 mars, 11\u00a0h")]


def test_a_scan_that_is_under_way_or_failed_makes_no_notice(office: Office) -> None:
    office.now = instant_of("2027-03-01 08:30")
    office.diary.query("UPDATE gazelle_appointments SET status = 'CANCELED', synced_at = %s", office.now + MINUTE)
    assert not office.is_due()
    office.after(20)
    assert office.notices() == []
    office.scan()
    office.tell()
    office.after()
    assert [kind for kind, *_ in office.notices()] == ["canceled"]


def test_a_calendar_that_was_lost_here_cancels_nothing(office: Office) -> None:
    office.diary.query("DELETE FROM gazelle_appointments")
    office.at("2027-03-01 09:00")
    office.after()
    assert office.notices() == []


def test_whoever_did_it_is_not_told_and_the_other_reads_who_and_why(office: Office) -> None:
    changed = instant_of("2027-03-01 08:50")
    entry = {
        "client_external_id": "cli_school", "user_external_id": BEN, "occurred_at": changed,
        "entry_type": "APPOINTMENT_LOG", "description": "Anne est plus proche",
    }  # fmt: skip
    office.diary.insert("gazelle_timeline_entries", external_id="tme_1", **entry)
    office.diary.change("evt_1", technician_external_id=ANNE, gazelle_updated_at=changed)
    office.at("2027-03-01 09:00")
    office.after()
    assert sorted(office.notices()) == [("freed", BEN, "suppressed", "own"), ("reassigned", ANNE, "sent", None)]
    assert office.box[0][2].endswith("Par Ben.\nAnne est plus proche")


def test_without_an_address_it_is_kept_and_shown(office: Office) -> None:
    office.diary.query("DELETE FROM technician_contacts")
    office.diary.event("2027-03-02 09:00")
    office.at("2027-03-01 09:00")
    assert office.after() == Told(made=1, unaddressed=1)
    assert office.notices() == [("new", ANNE, "suppressed", "no_address")]


def test_a_service_that_refuses_is_tried_again_and_says_in_the_end_what_is_so(office: Office) -> None:
    event = office.diary.event("2027-03-02 09:00")
    office.fault = NotDelivered("no such host")
    office.at("2027-03-01 09:00")
    assert office.after() == Told(made=1, failed=1)
    assert not office.is_due(), "the next try is a minute away"
    office.diary.change(event, start_at=instant_of("2027-03-02 11:00"))
    office.at("2027-03-01 09:10")
    office.after()
    office.fault = None
    office.after(30)
    assert office.heard() == [("usr_anne", "Nouvelle visite\u00a0: mardi 2 mars, 11\u00a0h")]
    assert [row[2:] for row in office.notices()] == [("suppressed", "superseded"), ("sent", None)]


def test_what_is_undone_before_it_could_be_sent_is_not_sent(office: Office) -> None:
    event = office.diary.event("2027-03-02 09:00")
    office.fault = NotDelivered("no such host")
    office.at("2027-03-01 09:00")
    office.after()
    office.diary.change(event, status="CANCELED")
    office.at("2027-03-01 09:10")
    office.after()
    office.fault = None
    office.after(60)
    assert office.heard() == []


def test_a_service_that_answers_too_late_is_not_asked_twice(office: Office) -> None:
    office.diary.event("2027-03-02 09:00")
    office.fault = NotDelivered("timed out", may_have_arrived=True)
    office.at("2027-03-01 09:00")
    office.after()
    office.fault = None
    office.after(60)
    assert office.heard() == []
    assert office.notices() == [("new", ANNE, "failed", "unanswered")]


def test_a_sender_that_dies_leaves_what_may_have_arrived(office: Office) -> None:
    office.diary.event("2027-03-02 09:00")
    office.at("2027-03-01 09:00")
    office.now += 6 * MINUTE

    def die(*_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tell(office.diary.connection, office.now, die)
    office.after(9)
    office.after(2)
    assert office.heard() == []
    assert office.notices() == [("new", ANNE, "failed", "interrupted")]


def test_two_daemons_tell_once(office: Office) -> None:
    office.diary.event("2027-03-02 09:00")
    office.at("2027-03-01 09:00")
    office.now += 6 * MINUTE
    with connect(office.diary.url, autocommit=True) as other:
        made = [make_notices(connection, office.now) for connection in (office.diary.connection, other)]

        def meanwhile(address: str, title: str, text: str) -> None:
            assert send_notices(other, office.now, office.deliver) == Told()
            office.deliver(address, title, text)

        assert send_notices(office.diary.connection, office.now, meanwhile).sent == 1
    assert made == [1, 0]
    assert len(office.heard()) == 1


def test_the_lists_come_at_their_hours_once_a_technician(office: Office) -> None:
    days_ago = instant_of("2026-11-01 09:00")
    office.diary.event("2027-03-02 09:00", title="Accord", gazelle_created_at=days_ago)
    office.diary.event("2027-03-02 11:00", title="Concert", confirmed_at=instant_of("2027-02-01 09:00"))
    office.diary.event("2027-03-02 13:00", title="Harmonisation")
    office.diary.event("2027-03-01 10:00", BEN, title="Regulation", confirmed_by_client=True)
    office.diary.query("DELETE FROM system_settings WHERE key LIKE 'calendar.%'")
    office.diary.query("DELETE FROM notice_views")
    office.at("2027-03-01 08:30")
    for time, heard in (
        ("08:59", []), ("09:00", [("usr_anne", "Visites de cette semaine réservées il y a longtemps")]), ("15:59", []),
        ("16:00", [("usr_anne", "Visites de demain que personne n'a confirmées")]),
        ("17:00", [("usr_ben", "Visits without notes")]), ("18:00", []),
    ):  # fmt: skip
        office.at(f"2027-03-01 {time}")
        texts = [text for *_, text in office.box]
        assert office.heard() == heard, time
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
        ("2027-03-04 08:00", ["without_notes"]),
    ],
)
def test_a_list_that_was_missed_comes_late_and_never_at_night(office: Office, back: str, heard: list[str]) -> None:
    office.diary.event("2027-03-01 10:00", title="Aujourd'hui", confirmed_at=instant_of("2027-02-01 09:00"))
    office.diary.event("2027-03-02 10:00", title="Demain", notes="x")
    office.at("2027-03-01 15:00")
    office.after()
    office.heard()
    office.at(back)
    kinds = [kind for kind, *_ in office.notices() if kind not in ("new",)]
    assert sorted(kinds) == heard
    assert len(office.heard()) == len(heard)
    office.after(30)
    assert office.heard() == []


def test_a_list_waits_for_a_scan_that_is_fresh(office: Office) -> None:
    office.diary.event("2027-03-02 10:00", notes="x")
    office.at("2027-03-01 14:00")
    office.after()
    office.heard()
    office.now = instant_of("2027-03-01 16:30")
    assert (office.is_due(), office.tell()) == (False, Told())
    office.at("2027-03-01 16:45")
    assert len(office.heard()) == 1


def test_three_days_without_a_scheduler_tell_what_still_matters(office: Office) -> None:
    office.diary.change("evt_1", notes="x")
    office.diary.event("2027-03-02 09:00", notes="x")
    office.diary.event("2027-03-05 09:00", confirmed_at=instant_of("2027-03-01 09:00"))
    office.at("2027-03-04 12:00")
    office.after()
    assert [row[0] for row in office.notices()] == ["new"]
    assert office.heard() == [("usr_anne", "Nouvelle visite\u00a0: vendredi 5 mars, 9\u00a0h")]


def test_a_run_is_asked_for_exactly_when_there_is_something_to_do(office: Office) -> None:
    """Over two days, minute by minute where something happens: what is not due changes nothing."""
    steps: list[tuple[str, Callable[[], object]]] = [
        ("2027-03-01 09:10", lambda: office.diary.event("2027-03-02 09:00")),
        ("2027-03-01 15:55", lambda: office.diary.change("evt_1", start_at=instant_of("2027-03-04 10:30"))),
        ("2027-03-01 20:58", lambda: office.diary.change("evt_2", start_at=instant_of("2027-03-02 10:30"))),
        ("2027-03-02 06:50", lambda: office.diary.event("2027-03-03 10:30")),
    ]
    for time, happens in steps:
        office.now = instant_of(time)
        happens()
        office.scan()
        for _ in range(20):
            before, was_due = office.diary.query("SELECT * FROM notices ORDER BY id"), office.is_due()
            told = office.tell()
            if not was_due:
                assert told == Told()
                assert office.diary.query("SELECT * FROM notices ORDER BY id") == before
            office.now += MINUTE
    assert not office.is_due()
