"""How many entries Gazelle has: of the whole timeline and of each day, and the days on which we hold other numbers.

The only filter is a lower bound on `occurredAt`, so a day has `count(from the day)` less `count(from the next day)`
entries. A request carries many counts, by aliases.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate, pairwise

from gazelle_sync.errors import AnswerUnreadable, OperationFailed, RequestRefused
from gazelle_sync.gazelle import documents
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import LAST, midnight, montreal_day
from gazelle_sync.pull.context import EntityPull
from gazelle_sync.pull.read import Source

RECENT_DAYS = 45
"""Technicians back-date their notes by two to four weeks. Of so many days, every tick compares the counts."""
COUNTS_PER_REQUEST = 50


@dataclass(frozen=True)
class DayCounts:
    """How many entries one side has, in all and from each of some Montreal days on; equal where the sides agree."""

    whole: int
    from_day: Mapping[date, int]


@dataclass(frozen=True)
class Segment:
    """Entries that occurred in `[start, end)`; None: without bound.

    Attributes:
        start: Aware UTC.
        end: Aware UTC.
        count: How many Gazelle says there are.
        held: How many we hold.
    """

    start: datetime | None
    end: datetime | None
    count: int
    held: int = 0

    def has(self, at: datetime | None) -> bool:
        """Whether an instant lies inside; an entry without one may be anywhere."""
        return at is None or ((self.start is None or self.start <= at) and (self.end is None or at < self.end))


def recent_days() -> list[date]:
    """The last 45 Montreal days, and tomorrow: what is later counts together."""
    tomorrow = montreal_day(datetime.now(UTC)) + timedelta(days=1)
    return [tomorrow - timedelta(days=n) for n in range(RECENT_DAYS, -1, -1)]


def ask_day_counts(pull: EntityPull, days: Sequence[date]) -> DayCounts:
    """Gazelle's counts, in one request where it takes so many."""
    counts = ask_counts(pull, [None, *(midnight(day) for day in days)])
    return DayCounts(counts[None], {day: counts[midnight(day)] for day in days})


def day_counts_in(operation: str, answer: Answer, days: Sequence[date]) -> DayCounts:
    """The counts that an answer holds under `whole` and, in the order of the days, `c0`, `c1`, …."""
    from_day = {day: _count_in(operation, answer, f"c{n}") for n, day in enumerate(days)}
    return DayCounts(_count_in(operation, answer, "whole"), from_day)


def ask_counts(pull: Source, instants: Iterable[datetime | None]) -> dict[datetime | None, int]:
    """How many entries Gazelle has from each instant on (None: in all); too many counts for a request are split."""
    asked = list(instants)
    counts: dict[datetime | None, int] = {}
    at_once = COUNTS_PER_REQUEST
    while asked:
        part, rest = asked[:at_once], asked[at_once:]
        variables = {f"from{n}": zulu(instant) for n, instant in enumerate(part) if instant is not None}
        try:
            text = documents.timeline_counts(len(part))
            answer = pull.client.execute("TimelineCounts", text, variables, can_ask_for_less=len(part) > 1)
        except (OperationFailed, RequestRefused):
            if len(part) == 1:
                raise
            at_once = len(part) // 2
            continue
        counts |= {instant: _count_in("TimelineCounts", answer, f"c{n}") for n, instant in enumerate(part)}
        asked = rest
    return counts


def differing_segments(
    pull: EntityPull, counts: DayCounts, held_days: Mapping[date, int], held_total: int
) -> list[Segment]:
    """Bisect (in fifty, since a request carries fifty counts) down to the days whose counts differ.

    Args:
        pull: The timeline's pull.
        counts: What Gazelle has said already.
        held_days: How many entries we hold of each day.
        held_total: How many we hold.
    """
    newest = max([*held_days, montreal_day(datetime.now(UTC))])
    last = min(newest + timedelta(days=1), montreal_day(LAST))  # what lies beyond the calendar counts on its last day
    ours_from = counts_from(held_days)
    api = dict(counts.from_day)

    def ask(days: Iterable[date]) -> None:
        unknown = sorted(set(days) - api.keys())
        answers = ask_counts(pull, [midnight(day) for day in unknown])
        api.update({day: answers[midnight(day)] for day in unknown})

    ask([min(held_days, default=last), last])
    first, last = min(api), max(api)
    found: list[Segment] = []
    older = Segment(None, midnight(first), counts.whole - api[first], held_total - ours_from(first))
    newer = Segment(midnight(last), None, api[last], ours_from(last))
    found += [segment for segment in (older, newer) if segment.count != segment.held]
    todo = list(pairwise(sorted(api)))
    while todo:
        todo = [(a, b) for a, b in todo if api[a] - api[b] != ours_from(a) - ours_from(b)]
        days = [(a, b) for a, b in todo if (b - a).days == 1]
        found += [Segment(midnight(a), midnight(b), api[a] - api[b], ours_from(a) - ours_from(b)) for a, b in days]
        wide = [(a, b) for a, b in todo if (b - a).days > 1]
        cuts = {span: _cuts(*span, max(2, COUNTS_PER_REQUEST // max(1, len(wide)))) for span in wide}
        ask(day for inner in cuts.values() for day in inner)
        todo = [pair for (a, b), inner in cuts.items() for pair in pairwise([a, *inner, b])]
    return found


def counts_from(days: Mapping[date, int]) -> Callable[[date], int]:
    """A function that says how many entries there are from a day on, made of how many each day has."""
    ordered = sorted(days)
    counts = [*accumulate(days[day] for day in reversed(ordered)), 0]
    return lambda day: counts[len(ordered) - bisect_left(ordered, day) - 1]


def zulu(instant: datetime) -> str:
    """An instant as a variable of a request."""
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _cuts(a: date, b: date, parts: int) -> list[date]:
    """Days that cut `[a, b)` into at most so many parts."""
    span = (b - a).days
    return sorted({a + timedelta(days=span * n // parts) for n in range(1, parts)} - {a, b}) or [a + timedelta(days=1)]


def _count_in(operation: str, answer: Answer, name: str) -> int:
    """The `totalCount` that an answer holds under a name."""
    held = answer.data.get(name)
    count = held.get("totalCount") if isinstance(held, dict) else None
    if not isinstance(count, int):
        raise AnswerUnreadable(operation, gettext("the answer lacks the count {name}", name=name))
    return count
