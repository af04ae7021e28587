"""What technicians are told of their visits, when, and why not. Pure: the clock is an argument.

What a technician knows of a visit is its start, or that it is not theirs. What the last complete scan found, and has
differed from that for five minutes, is a notice, unless it is night; so moves that are undone at once, or before
morning, tell nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from gazelle_sync.i18n.translator import Message, Translator
from gazelle_sync.montreal import MONTREAL, montreal_day, parse_instant, spoken_instant

BUFFER = timedelta(minutes=5)
AHEAD = timedelta(days=7)
EVENING, MORNING = time(21), time(7, 5)
"""From the one to the other, by Montreal's clock, nobody is told anything."""
FRESH = timedelta(hours=1)
"""A daily list is made of a scan that is not older than this before its hour."""

LISTS = {"unconfirmed": time(16), "booked_long_ago": time(9), "without_notes": time(17)}
"""Kind of daily list → its hour by Montreal's clock."""

TITLES = {
    "new": Message("New visit: {when}"),
    "reassigned": Message("A visit is yours now: {when}"),
    "freed": Message("Slot freed: {when}"),
    "moved": Message("Visit moved: {when}"),
    "canceled": Message("Visit cancelled: {when}"),
    "unconfirmed": Message("Visits of tomorrow that nobody has confirmed"),
    "booked_long_ago": Message("Visits of this week that were booked long ago"),
    "without_notes": Message("Visits without notes"),
}
UNCONFIRMED_TODAY = Message("Visits of today that nobody has confirmed")
"""Where the list of the day before comes late."""


@dataclass(frozen=True)
class View:
    """What a technician knows of a visit, and what is so.

    Attributes:
        visit: The event's id at Gazelle.
        technician: The user's id.
        told: The start that the technician knows, aware UTC; None: the visit is not theirs.
        found: The start that was found; None: it is not theirs any more.
    """

    visit: str
    technician: str
    told: datetime | None = None
    found: datetime | None = None


@dataclass(frozen=True)
class Notice:
    """Something to tell a technician of a visit.

    Attributes:
        kind: `new`, `reassigned`, `freed`, `moved` or `canceled`.
        visit: The event's id at Gazelle.
        technician: The user's id.
        day: In Montreal: of the visit, or where it was.
        reason: Why nobody is told (`own`: the technician did it); None: it is sent.
        details: What the message says.
    """

    kind: str
    visit: str
    technician: str
    day: date
    reason: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def is_night(now: datetime) -> bool:
    """Whether nobody is to be told anything now."""
    wall = now.astimezone(MONTREAL).time()
    return wall >= EVENING or wall < MORNING


def is_near(start: datetime | None, now: datetime) -> bool:
    """Whether a visit at that time is anybody's concern now: from today on, within 7 days."""
    return start is not None and montreal_day(start) >= montreal_day(now) and start < now + AHEAD


def notice_of(
    view: View, before: datetime | None, now: datetime, *, is_alive: bool, others_had: bool, author: str | None
) -> Notice | None:
    """What to tell of a view that is due; None: nothing.

    Args:
        view: What was found, which counts as known from now on.
        before: What the technician was really told, which is less than `told` where a notice was never sent.
        now: Aware.
        is_alive: Whether the visit still takes place, whoever makes it.
        others_had: Whether another technician knows it as theirs.
        author: Who changed it, where the timeline says so.
    """
    after = view.found
    if before == after or not (is_near(before, now) or is_near(after, now)):
        return None
    if before is None:
        kind = "reassigned" if others_had else "new"
    elif after is None:
        kind = "freed" if is_alive else "canceled"
    else:
        kind = "moved"
    day = montreal_day(after or before)  # type: ignore[arg-type] # not both are None: they differ
    times = {"before": before and before.isoformat(), "after": after and after.isoformat()}
    reason = "own" if author == view.technician else None
    return Notice(kind, view.visit, view.technician, day, reason, times)


def list_day(kind: str, now: datetime) -> date:
    """The Montreal day whose daily list is the last that should have been made."""
    wall = now.astimezone(MONTREAL)
    return wall.date() if wall.time() >= LISTS[kind] else wall.date() - timedelta(days=1)


def list_is_due(kind: str, last: date, scanned: datetime, now: datetime) -> bool:
    """Whether a daily list is to be made now; one that was missed is made late.

    Args:
        kind: Of `LISTS`.
        last: The day whose list was made last.
        scanned: When the last complete scan began, aware.
        now: Aware.
    """
    day = list_day(kind, now)
    hour = datetime.combine(day, LISTS[kind], MONTREAL)
    return last < day and not is_night(now) and scanned >= hour - FRESH


def message_of(say: Translator, kind: str, details: list[Mapping[str, Any]], now: datetime) -> tuple[str, str]:
    """Title and text of a message.

    Args:
        say: In the technician's language.
        kind: Of the notice, or of a daily list.
        details: Of each visit; of one, but for a list.
        now: When it is read, aware.
    """
    if kind in LISTS:
        lines = [say("- {when}: {what}", when=_when(say, one.get("after")), what=_what(say, one)) for one in details]
        first = min((at for one in details if (at := parse_instant(one.get("after")))), default=None)
        is_today = kind == "unconfirmed" and first is not None and montreal_day(first) <= montreal_day(now)
        return say(UNCONFIRMED_TODAY if is_today else TITLES[kind]), "\n".join(lines)
    (one,) = details
    after, before = one.get("after"), one.get("before")
    lines = [_what(say, one)]
    if after and before:
        lines.append(say("It was {when}.", when=_when(say, before)))
    if kind == "freed" and one.get("now_with"):
        lines.append(say("It is {name}'s now.", name=one["now_with"]))
    if one.get("who"):
        lines.append(say("By {name}.", name=one["who"]))
    if one.get("why"):
        lines.append(str(one["why"]))
    return say(TITLES[kind], when=_when(say, after or before)), "\n".join(lines)


def _when(say: Translator, instant: str | None) -> str:
    return spoken_instant(say, datetime.fromisoformat(instant), year=False) if instant else "—"


def _what(say: Translator, details: Mapping[str, Any]) -> str:
    named = [details.get("title"), details.get("client"), details.get("address")]
    return ", ".join(dict.fromkeys(str(part) for part in named if part)) or say("Visit")
