"""Technicians' calendars in other programs: two parsers that are not the writer's read them, and say the same."""

from __future__ import annotations

import io
import socket
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import icalendar
import ics
import pytest
import vobject
from dateutil.tz import tzical
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazelle_sync.i18n.translator import translator
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.settings import Settings
from gazelle_sync.shop.calendar.agenda import NoSuchTechnician
from gazelle_sync.shop.calendar.feeds import export, open_feed, revoke_feeds, serve_feeds
from gazelle_sync.shop.calendar.ics import Event, counted, ics_text
from gazelle_sync.shop.calendar.wall_clock import instant_of
from gazelle_sync_tests.support.diary import ANNE, BEN, NOW, Diary

LATER = NOW + timedelta(hours=1)


def text_of(*events: Event) -> bytes:
    """A file of these events."""
    return ics_text(translator("fr"), "Anne", [counted(event, NOW) for event in events])


def event_at(start: datetime, minutes: int = 60, **values: Any) -> Event:
    given: dict[str, Any] = {
        "is_all_day": False,
        "title": "Accord",
        "notes": None,
        "address": None,
        "is_confirmed": True,
    } | values
    return Event("evt_1", False, start, minutes, **given)


def components(text: bytes) -> dict[str, Any]:
    """UID → the event, as vobject reads it."""
    return {one.uid.value: one for one in vobject.readOne(text.decode()).contents.get("vevent", [])}


def read_by_ics(text: bytes) -> dict[str, ics.Event]:
    """UID → the event, as ics reads it."""
    return {one.uid: one for one in ics.Calendar(text.decode()).events}


def test_the_zone_is_right_at_every_hour_from_2007_to_2050() -> None:
    zone = tzical(io.StringIO(text_of(event_at(NOW)).decode())).get("America/Toronto")
    hour, end = datetime(2007, 1, 1, 5, tzinfo=UTC), datetime(2051, 1, 1, tzinfo=UTC)
    wrong = []
    # Around each change every hour, else twice a day: a zone's reader of a library takes long.
    while hour < end:
        wall = hour.astimezone(MONTREAL)
        if wall.replace(tzinfo=zone, fold=wall.fold).utcoffset() != wall.utcoffset():
            wrong.append(hour)
        near = any(
            (hour + timedelta(days=days)).astimezone(MONTREAL).utcoffset() != wall.utcoffset() for days in (-1, 1)
        )
        hour += timedelta(hours=1 if near else 12)
    assert wrong == []


@pytest.mark.parametrize(
    "start",
    [
        instant_of("2027-01-14 09:00"), instant_of("2027-07-14 09:00"), instant_of("2027-03-14 01:30"),
        instant_of("2027-03-14 03:00"), instant_of("2027-11-07 00:30"), instant_of("2027-11-07 01:30", fold=0),
        instant_of("2027-11-07 01:30", fold=1), instant_of("2027-11-07 02:00"), instant_of("2050-11-06 01:30", fold=1),
    ],
    ids=str,
)  # fmt: skip
def test_two_parsers_read_the_instants_that_gazelle_holds(start: datetime) -> None:
    text = text_of(event_at(start, 90))
    (one,) = components(text).values()
    zone = tzical(io.StringIO(text.decode())).get("America/Toronto")
    for said, meant in ((one.dtstart.value, start), (one.dtend.value, start + timedelta(minutes=90))):
        shown = said if said.tzname() == "UTC" else said.replace(tzinfo=zone)
        assert shown.astimezone(UTC) == meant
    (other,) = read_by_ics(text).values()
    assert (other.begin.astimezone(UTC), other.end.astimezone(UTC)) == (start, start + timedelta(minutes=90))


def test_events_that_last_all_day_are_dates_and_end_on_the_day_after() -> None:
    text = text_of(event_at(instant_of("2027-03-14 00:00"), 1440, is_all_day=True))
    assert b"DTSTART;VALUE=DATE:20270314\r\n" in text
    assert b"DTEND;VALUE=DATE:20270315\r\n" in text
    (one,) = components(text).values()
    assert (one.dtstart.value, one.dtend.value) == (date(2027, 3, 14), date(2027, 3, 15))
    assert b"DTEND;VALUE=DATE:20270316" in text_of(event_at(instant_of("2027-03-14 00:00"), 1441, is_all_day=True))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(title=st.text(min_size=1), notes=st.text(), address=st.text())
def test_whatever_people_write_is_folded_escaped_and_read_back(title: str, notes: str, address: str) -> None:
    text = text_of(event_at(NOW, title=title, notes=notes, address=address))
    assert all(len(line) <= 75 for line in text.split(b"\r\n"))
    assert b"\n" not in text.replace(b"\r\n", b"")
    text.decode()
    assert b"\nBEGIN:VALARM" not in text
    (one,) = icalendar.Calendar.from_ical(text).walk("VEVENT")
    printable = "".join(
        c for c in title.replace("\r\n", "\n").replace("\r", "\n") if c in "\t\n" or (c >= " " and c != "\x7f")
    )
    assert str(one["summary"]) == printable


def test_two_parsers_read_the_words_that_people_wrote() -> None:
    title = "Accord; « Bécarre », 2e étage \\ côté cour — " + "très long " * 20
    text = text_of(event_at(NOW, title=title, notes="Sonner\ndeux fois", pianos=("Heintzman 12345, salon",)))
    (one,), (other,) = components(text).values(), read_by_ics(text).values()
    assert one.summary.value == other.name == title
    assert one.description.value == other.description == "Heintzman 12345, salon\n\nSonner\ndeux fois"
    assert one.uid.value == other.uid == "evt_1@gazelle-sync"


def test_a_file_goes_from_thirty_days_back_and_holds_the_technicians_own_events(diary: Diary) -> None:
    kept = [diary.event(NOW + timedelta(days=days)) for days in (-29, 0, 3000)]
    diary.event(NOW - timedelta(days=31))
    diary.event(NOW, BEN)
    diary.event(NOW, status="CANCELED")
    diary.query("UPDATE gazelle_clients SET phone = '514-555-0199', personal_notes = 'Chien'")
    text = export(diary.connection, f" {ANNE} ", NOW)
    assert set(components(text)) == {f"{event}@gazelle-sync" for event in kept}
    assert set(read_by_ics(text)) == set(components(text))
    assert b"514-555" not in text
    assert b"Chien" not in text
    with pytest.raises(NoSuchTechnician):
        export(diary.connection, "usr_nobody", NOW)


def test_what_changes_is_counted_and_what_does_not_stays_to_the_byte(diary: Diary) -> None:
    event, other = diary.event("2027-03-05 09:00"), diary.event("2027-03-06 09:00")
    before = export(diary.connection, ANNE, NOW)
    assert export(diary.connection, ANNE, LATER) == before
    diary.change(event, start_at=instant_of("2027-03-05 10:00"))
    found = components(export(diary.connection, ANNE, LATER))
    one, same = found[f"{event}@gazelle-sync"], found[f"{other}@gazelle-sync"]
    assert (one.sequence.value, same.sequence.value) == ("1", "0")
    assert (one.dtstamp.value, same.dtstamp.value) == (LATER, NOW)


@pytest.mark.parametrize(
    "change",
    [{"status": "CANCELED"}, {"deleted_at": NOW}, {"technician_external_id": BEN}],
    ids=["cancelled", "deleted", "given to another"],
)
def test_what_is_not_the_technicians_any_more_is_cancelled_in_the_file(diary: Diary, change: dict[str, Any]) -> None:
    event = diary.event("2027-03-05 09:00", notes="Code 1234", address_line="1, rue du Port")
    assert components(export(diary.connection, ANNE, NOW))[f"{event}@gazelle-sync"].status.value == "TENTATIVE"
    diary.change(event, **change)
    (one,) = components(export(diary.connection, ANNE, LATER)).values()
    assert (one.status.value, one.sequence.value) == ("CANCELLED", "1")
    assert not {"location", "description"} & set(one.contents)
    diary.change(event, status="ACTIVE", deleted_at=None, technician_external_id=ANNE, confirmed_at=NOW)
    (one,) = components(export(diary.connection, ANNE, LATER)).values()
    assert (one.status.value, one.sequence.value) == ("CONFIRMED", "2")


@pytest.fixture
def feeds(diary: Diary) -> Iterator[str]:
    """The address of a server of feeds."""
    server, thread = serve_feeds(Settings(database_url=diary.url), 0)
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def get(url: str, headers: dict[str, str] | None = None) -> tuple[int, bytes, dict[str, str]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})) as answer:  # noqa: S310 - our own
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b"", dict(error.headers)


def test_a_feed_is_read_at_its_secret_address_until_it_is_revoked(diary: Diary, feeds: str) -> None:
    event = diary.event(datetime.now(UTC))
    paths = [open_feed(diary.connection, who) for who in (ANNE, ANNE, BEN)]
    assert all(len(path) > 40 for path in paths)
    assert len(set(paths)) == 3
    for path in paths[:2]:
        status, text, headers = get(feeds + path)
        assert (status, list(components(text))) == (200, [f"{event}@gazelle-sync"])
        assert headers["Content-Type"].startswith("text/calendar")
        assert get(feeds + path, {"If-None-Match": headers["ETag"]})[0] == 304
    assert components(get(feeds + paths[2])[1]) == {}
    assert revoke_feeds(diary.connection, ANNE) == 2
    assert [get(feeds + path)[0] for path in paths] == [404, 404, 200]
    stored = diary.query("SELECT * FROM calendar_feeds")
    assert not any(path.strip("/").removesuffix(".ics") in str(stored) for path in paths)


def test_a_program_that_goes_away_amid_an_answer_disturbs_nobody(
    diary: Diary, feeds: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(200):
        diary.event(datetime.now(UTC), notes="x" * 5000)
    path = open_feed(diary.connection, ANNE)
    host, _, port = feeds.removeprefix("http://").partition(":")
    for _ in range(3):
        with socket.create_connection((host, int(port))) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            client.recv(10)
    assert get(feeds + path)[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_nothing_else_is_served(diary: Diary, feeds: str) -> None:
    path = open_feed(diary.connection, ANNE)
    for wrong in (
        "/",
        "/.ics",
        f"/{ANNE}.ics",
        path[:-5] + ".ics",
        path.removesuffix(".ics"),
        "/../../etc/passwd",
        path[:30],
    ):
        assert get(feeds + wrong)[0] == 404
    with pytest.raises(NoSuchTechnician):
        open_feed(diary.connection, "usr_nobody")


def test_every_minute_of_both_nights_of_a_change_is_the_same_instant_in_a_file() -> None:
    zone = tzical(io.StringIO(text_of(event_at(NOW)).decode())).get("America/Toronto")
    for night in ("2027-03-14 00:00", "2027-11-07 00:00"):
        for minute in range(0, 300, 7):
            start = instant_of(night) + timedelta(minutes=minute)
            (one,) = components(text_of(event_at(start, 30))).values()
            said = one.dtstart.value
            assert (said if said.tzname() == "UTC" else said.replace(tzinfo=zone)).astimezone(UTC) == start
