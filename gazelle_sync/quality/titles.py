"""The hour that a title announces: "à 18h", "avant 8h", "18 h 30", "9h15", "at 6 pm"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time, timedelta

BEFORE = timedelta(hours=3)
"""Who writes "avant 8h" comes at seven; at two in the morning comes a calendar that was moved."""
DAY = timedelta(days=1)

_HOUR = r"(?P<hour>[01]?\d|2[0-3])\s*(?:h(?:eures?|rs?)?(?![a-zà-ÿ])|:(?=[0-5]\d))\s*(?P<minute>[0-5]\d(?!\d))?"
_MENTION = re.compile(rf"(?<![\d:])(?P<word>\b(?:à|a|at|avant|before)\s+|@\s*)?{_HOUR}", re.IGNORECASE)
_AMERICAN = re.compile(
    r"(?P<word>\b(?:à|at|before)\s+|@\s*)(?P<hour>1[0-2]|0?[1-9])(?::(?P<minute>[0-5]\d))?\s*(?P<half>[ap])\.?m\b",
    re.IGNORECASE,
)
_SPAN = re.compile(r"\b(?:durée|pendant|for|de route|de travail|of work)\b", re.IGNORECASE)
_REFERENCE = re.compile(r"tire\s+le\s+coyote", re.IGNORECASE)


@dataclass(frozen=True)
class Announced:
    """What a title says of the hour.

    Attributes:
        at: Hours that it names.
        before: Hours before which it lies.
    """

    at: tuple[time, ...] = ()
    before: tuple[time, ...] = ()

    def agrees(self, shown: time) -> bool:
        """Whether a time of the wall clock is one that the title may mean: of "de 9h à 12h" either."""
        return any(_is_meant(hour, shown) for hour in self.at) or any(
            timedelta() < _span(shown, hour) <= BEFORE for hour in self.before
        )

    def off_by(self, shown: time) -> timedelta:
        """How far the shown time is from the hour that is nearest to it, twelve hours either way."""
        hours = [*self.at, *(time(hour.hour - 1, hour.minute) for hour in self.before if hour.hour)]
        spans = [(_span(hour, shown) + DAY / 2) % DAY - DAY / 2 for hour in hours]
        return min(spans, key=abs, default=timedelta())

    def __str__(self) -> str:
        return ", ".join([*(f"{h:%H:%M}" for h in self.at), *(f"< {h:%H:%M}" for h in self.before)])


def announced(title: str | None) -> Announced | None:
    """The hours that a title announces; None where it announces none.

    A bare "18h" may be a duration, so it announces nothing by itself; beside an hour that is announced it counts.
    """
    if not title or _SPAN.search(title):
        return None
    at: list[time] = []
    before: list[time] = []
    announces = False
    for match in (*_MENTION.finditer(title), *_AMERICAN.finditer(title)):
        said = match.groupdict(default="")
        hour = int(said["hour"])
        if half := said.get("half"):
            hour = hour % 12 + (12 if half in "pP" else 0)
        word = said["word"].strip().lower()
        (before if word in ("avant", "before") else at).append(time(hour, int(said["minute"] or 0)))
        announces = announces or bool(word or said["minute"])
    return Announced(tuple(at), tuple(before)) if announces else None


def reference_hour(title: str | None) -> time | None:
    """What a reference appointment must show: "Tire le Coyote avant 8h" 07:00, "Tire le Coyote à 18h" 18:00."""
    said = announced(title) if title and _REFERENCE.search(title) else None
    if said is None:
        return None
    return time(7) if time(8) in said.before else time(18) if time(18) in said.at else None


def _is_meant(hour: time, shown: time) -> bool:
    """Whether they are the same; "à 2h" is two in the afternoon, since nobody tunes at night."""
    if hour == shown:
        return True
    return 1 <= hour.hour <= 6 and time(hour.hour + 12, hour.minute) == shown


def _span(start: time, end: time) -> timedelta:
    minutes = (end.hour - start.hour) * 60 + end.minute - start.minute
    return timedelta(minutes=minutes, seconds=end.second - start.second)
