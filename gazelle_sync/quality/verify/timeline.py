"""Verifies the timeline: how many entries each Montreal day has, and bodies, those of a few days or all.

Entries have neither stamps nor a query by id. Days whose counts differ are read whole, and so are a few others. A deep
verification reads all, in stretches of time that are complete by themselves, so that the ids of one stretch alone are
in memory.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from typing import Any

from gazelle_sync.i18n import gettext, language
from gazelle_sync.i18n.translator import Message, Plural, translator
from gazelle_sync.montreal import LAST, midnight, montreal_day, spoken_day
from gazelle_sync.pull.prefetch import prefetch
from gazelle_sync.pull.timeline_counts import Segment, ask_counts
from gazelle_sync.pull.timeline_pages import ids_of, others_of, pages_from_the_newest, pages_from_the_oldest
from gazelle_sync.pull.validation import TRIES
from gazelle_sync.quality.verify.account import Account
from gazelle_sync.quality.verify.compare import ask_read_only, examine, examine_absent, suspects
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import borrow

SAMPLED_DAYS = 5
MOST_DAYS = 40
"""Days whose counts differ that are read, at a request or two each; of more, the number is told."""
SIDE_BY_SIDE = 3
MOST_ENTRIES = 20_000
"""Of a stretch of time: so many ids are in memory at once."""
MOVED = Message("Entries of {days} changed during every try, so it is not known which ones Gazelle lacks.")
UNREADABLE = Plural(
    "{days}: Gazelle has {count} entry that it cannot give, or that has no id.",
    "{days}: Gazelle has {count} entries that it cannot give, or that have no id.",
)


@dataclass(frozen=True)
class DayCount:
    """A Montreal day on which one side has another number of entries than the other."""

    day: date
    here: int
    there: int


class TimelineVerifier:
    """Proves the timeline.

    Args:
        account: The timeline's.
        deep: Whether every entry is compared.
    """

    def __init__(self, account: Account, *, deep: bool) -> None:
        self._account = account
        self._deep = deep
        self._noting = Lock()
        self._absent: dict[str, datetime] = {}
        self._read = 0

    def verify(self) -> list[DayCount]:
        """Verify it; gives the days whose counts differ."""
        held = self._held_days()
        counts = self._counts(held)
        days = sorted(day for day in counts if day is not None)
        self._account.findings.days = len(days)
        self._account.findings.listed = sum(counts.values())
        off = [DayCount(day, held.get(day, 0), counts[day]) for day in days if held.get(day, 0) != counts[day]]
        if self._deep:
            self._compare(self._stretches(counts))
        else:
            self._account.findings.beyond += sum(abs(one.here - one.there) for one in off[MOST_DAYS:])
            wanted = [one.day for one in off[:MOST_DAYS]]
            full = [day for day in days if counts[day]]
            wanted += random.sample(full, min(SAMPLED_DAYS, len(full)))
            older = [Segment(None, midnight(days[0]), counts[None])] if counts.get(None) else []
            self._compare([*older, *(self._segment(day, day, counts[day]) for day in dict.fromkeys(wanted))])
        self._examine_absent()
        return off

    def _held_days(self) -> dict[date, int]:
        with borrow(self._account.url) as connection:
            [rows] = ask_read_only(connection, (statement("quality/verify_days"), None))
        return {day: count for day, count in rows if day is not None}

    def _counts(self, held: Mapping[date, int]) -> dict[date | None, int]:
        """Montreal day → how many entries Gazelle has; None: before the first day on which there is one here.

        What is later than tomorrow counts on its last day, as it does here.
        """
        tomorrow = montreal_day(datetime.now(UTC)) + timedelta(days=1)
        last = min(max([*held, tomorrow]), montreal_day(LAST) - timedelta(days=1))
        first = min([*held, last])
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        asked = ask_counts(self._account, [None, *(midnight(day) for day in days)])
        since = [asked[midnight(day)] for day in days] + [0]
        counts: dict[date | None, int] = {day: since[n] - since[n + 1] for n, day in enumerate(days)}
        return {None: asked[None] - since[0], **counts}

    def _stretches(self, counts: Mapping[date | None, int]) -> Iterator[Segment]:
        days = sorted(day for day in counts if day is not None)
        if counts[None]:
            yield Segment(None, midnight(days[0]), counts[None])
        begun, count = days[0], 0
        for day in days:
            if count and count + counts[day] > MOST_ENTRIES:
                yield Segment(midnight(begun), midnight(day), count)
                begun, count = day, 0
            count += counts[day]
        yield Segment(midnight(begun), None, count)

    @staticmethod
    def _segment(first: date, last: date, count: int) -> Segment:
        return Segment(midnight(first), midnight(last + timedelta(days=1)), count)

    def _compare(self, segments: Iterable[Segment]) -> None:
        """Read stretches of time side by side, and compare each page."""
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="verify") as pool:
            reading = [pool.submit(copy_context().run, self._segment_compared, segment) for segment in segments]
            try:
                for one in reading:
                    one.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _segment_compared(self, segment: Segment) -> None:
        for attempt in range(TRIES):
            ids, others = self._pages_compared(segment, from_newest=attempt > 0)
            if len(ids) + others == segment.count:
                break
            segment = self._counted_again(segment)
        else:
            with self._noting:
                self._account.findings.unproven.append(gettext(MOVED, days=_days_of(segment)))
            return
        query = statement("quality/verify_entries_others")
        parameters = {"start": segment.start, "end": segment.end, "ids": list(ids)}
        with borrow(self._account.url) as connection:
            [rows] = ask_read_only(connection, (query, parameters))
        with self._noting:
            self._absent.update(rows)
            if others:
                self._account.findings.unproven.append(gettext(UNREADABLE, days=_days_of(segment), count=others))

    def _pages_compared(self, segment: Segment, *, from_newest: bool) -> tuple[set[str], int]:
        """The ids of a stretch's entries, and how many others there are, after each page was compared."""
        seen: set[str] = set()
        others = 0
        pages = pages_from_the_newest if from_newest else pages_from_the_oldest
        for page, inside, _ in prefetch(pages(self._account, segment)):
            bodies = [body for body in page.nodes if isinstance(body, dict) and body.get("id") in inside - seen]
            bodies = list({body["id"]: body for body in bodies}.values())
            others += others_of(page)
            seen |= ids_of(bodies)
            self._page_compared(bodies)
        return seen, others

    def _page_compared(self, bodies: list[Any]) -> None:
        if not bodies:
            return
        account = self._account
        with borrow(account.url) as connection:
            differ = suspects(connection, account.entity, bodies)
            found = list(
                examine(connection, account.entity, [b for b in bodies if b["id"] in differ], account.read_until)
            )
        with self._noting:
            account.findings.bodies += len(bodies)
            account.findings.add(found)
            self._read += len(bodies)
            account.show_progress(self._read, account.findings.listed if self._deep else None)

    def _counted_again(self, segment: Segment) -> Segment:
        asked = ask_counts(self._account, [segment.start, *([segment.end] if segment.end else [])])
        beyond = asked[segment.end] if segment.end else 0
        return Segment(segment.start, segment.end, asked[segment.start] - beyond)

    def _examine_absent(self) -> None:
        """Entries that are here on a day on which Gazelle did not list them, and that were not read on another.

        Their days are read again: what was written at Gazelle, and pulled, while the verification ran is no difference.
        """
        noted = {one.external_id for one in self._account.findings.differences}
        absent = {external_id: at for external_id, at in self._absent.items() if external_id not in noted}
        for day in sorted({montreal_day(at) for at in absent.values()})[:MOST_DAYS]:
            segment = self._counted_again(self._segment(day, day, 0))
            for page, inside, _ in pages_from_the_oldest(self._account, segment):
                self._page_compared(
                    [body for body in page.nodes if isinstance(body, dict) and body.get("id") in inside]
                )
                for external_id in inside:
                    absent.pop(external_id, None)
        with borrow(self._account.url) as connection:
            self._account.findings.add(examine_absent(connection, self._account.entity, sorted(absent)))


def _days_of(segment: Segment) -> str:
    say = translator(language())
    first = "…" if segment.start is None else spoken_day(say, montreal_day(segment.start))
    last = "…" if segment.end is None else spoken_day(say, montreal_day(segment.end - timedelta(seconds=1)))
    return first if first == last else f"{first} … {last}"
