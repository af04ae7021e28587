"""A technician's calendar as iCalendar text (RFC 5545). Pure; the library folds lines and escapes text.

A time is Montreal's wall clock with a zone that the file describes. The second of two equal hours has no such name: an
event that begins or ends in it is given in UTC.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gazelle_sync.i18n.translator import Translator
from gazelle_sync.montreal import MONTREAL, montreal_day

PRODUCT = "-//gazelle-sync//calendar//EN"
HOST = "gazelle-sync"
DAY = timedelta(days=1)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Event:
    """An event of a technician's calendar.

    Attributes:
        external_id: At Gazelle.
        is_canceled: Whether it is cancelled, deleted, or somebody else's now.
        start_at: Aware UTC.
        minutes: How long.
        is_all_day: Whether it lasts the whole Montreal day, or days.
        title: What the calendar shows.
        notes: For the technician.
        address: Where.
        is_confirmed: Whether the client or the office confirmed it.
        pianos: A line each.
        digest: Of what the file says of it; empty where the file has never said anything.
        sequence: How often that changed.
        changed_at: When it did last, aware UTC.
    """

    external_id: str
    is_canceled: bool
    start_at: datetime
    minutes: int
    is_all_day: bool
    title: str | None
    notes: str | None
    address: str | None
    is_confirmed: bool
    pianos: tuple[str, ...] = ()
    digest: str = ""
    sequence: int = 0
    changed_at: datetime | None = None


def counted(event: Event, now: datetime) -> Event:
    """The event as the file says it now: what differs from what it said before is one change more.

    Args:
        event: With what the file said before.
        now: Aware UTC.
    """
    said = replace(event, digest="", sequence=0, changed_at=None)
    if event.is_canceled:  # of a cancelled visit nothing else counts, least of all where it is at somebody else's
        said = replace(said, notes=None, address=None, pianos=(), is_confirmed=False)
    digest = hashlib.sha256(repr(said).encode()).hexdigest()
    if digest == event.digest:
        return replace(said, digest=digest, sequence=event.sequence, changed_at=event.changed_at)
    sequence = event.sequence + 1 if event.digest else 0
    return replace(said, digest=digest, sequence=sequence, changed_at=now.replace(microsecond=0))


def ics_text(say: Translator, name: str, events: Sequence[Event]) -> bytes:
    """The file.

    Args:
        say: In the language of the technician.
        name: Of the calendar.
        events: As `counted` gives them.
    """
    from icalendar import Calendar

    calendar = Calendar()
    for key, value in (
        ("prodid", PRODUCT),
        ("version", "2.0"),
        ("calscale", "GREGORIAN"),
        ("method", "PUBLISH"),
        ("x-wr-calname", _clean(name)),
        ("x-wr-timezone", MONTREAL.key),
    ):
        calendar.add(key, value)
    calendar.add_component(_zone())
    for event in events:
        calendar.add_component(_component(say, event))
    return bytes(calendar.to_ical())


def _component(say: Translator, event: Event) -> Any:
    from icalendar import Event as Component

    component = Component()
    changed = event.changed_at or event.start_at
    component.add("uid", f"{event.external_id}@{HOST}")
    component.add("dtstamp", changed)
    component.add("last-modified", changed)
    component.add("sequence", event.sequence)
    first, last = _bounds(event)
    component.add("dtstart", first)
    if last is not None:
        component.add("dtend", last)
    component.add("summary", _clean(event.title or say("Visit")))
    if event.address:
        component.add("location", _clean(event.address))
    if text := "\n\n".join(part for part in ("\n".join(event.pianos), event.notes or "") if part):
        component.add("description", _clean(text))
    component.add("status", _status(event))
    component.add("class", "PRIVATE")
    return component


def _status(event: Event) -> str:
    if event.is_canceled:
        return "CANCELLED"
    return "CONFIRMED" if event.is_confirmed else "TENTATIVE"


def _bounds(event: Event) -> tuple[datetime, datetime | None] | tuple[date, date]:
    if event.is_all_day:
        first = montreal_day(event.start_at)
        return first, first + max(1, -(-event.minutes // 1440)) * DAY
    first, last = event.start_at, event.start_at + timedelta(minutes=max(event.minutes, 0))
    walls = [instant.astimezone(MONTREAL) for instant in (first, last)]
    is_second = any(wall.fold for wall in walls)
    shown = [instant.astimezone(UTC) for instant in (first, last)] if is_second else walls
    return shown[0], shown[1] if last > first else None


def _zone() -> Any:
    """Montreal's clock since 2007: forward on the second Sunday of March, back on the first of November, at 2:00.

    The first winter began in 2006, by the rule before.
    """
    from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

    zone = Timezone()
    zone.add("tzid", MONTREAL.key)
    standard, daylight = timedelta(hours=-5), timedelta(hours=-4)
    for part, name, begins, rule, before, after in (
        (TimezoneStandard(), "EST", (2006, 10, 29), None, daylight, standard),
        (TimezoneDaylight(), "EDT", (2007, 3, 11), {"bymonth": 3, "byday": "2SU"}, standard, daylight),
        (TimezoneStandard(), "EST", (2007, 11, 4), {"bymonth": 11, "byday": "1SU"}, daylight, standard),
    ):
        part.add("dtstart", datetime(*begins, 2))  # noqa: DTZ001 - a zone's own rules are in wall time
        if rule is not None:
            part.add("rrule", {"freq": "yearly", **rule})
        part.add("tzoffsetfrom", before)
        part.add("tzoffsetto", after)
        part.add("tzname", name)
        zone.add_component(part)
    return zone


def _clean(text: str) -> str:
    """Without control characters, which no calendar text may hold; other line ends become ordinary ones."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
