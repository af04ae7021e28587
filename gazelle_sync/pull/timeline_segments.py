"""Reading every entry from an instant on, in segments of time side by side.

Each page of a list waits for the cursor of the page before it, so one list alone leaves most of the budget of requests
unused where the API is far away. Segments do not wait for each other, and a list that moves while it is read disturbs
the segment that is being read, which alone is read again.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from gazelle_sync.entities import NAMELESS
from gazelle_sync.montreal import midnight, montreal_day
from gazelle_sync.pull.context import EntityPull
from gazelle_sync.pull.prefetch import prefetch
from gazelle_sync.pull.read import Page
from gazelle_sync.pull.stage import Prepared
from gazelle_sync.pull.timeline_counts import COUNTS_PER_REQUEST, Segment, ask_counts
from gazelle_sync.pull.timeline_held import SeenIds
from gazelle_sync.pull.timeline_pages import pages_from_the_newest, pages_from_the_oldest
from gazelle_sync.pull.validation import TRIES
from gazelle_sync.pull.versions import Version
from gazelle_sync.runtime.logs import get_logger

SIDE_BY_SIDE = 4
"""At 80 ms to the API and as much for a page, four use ten requests a second. Each has a page of megabytes here."""
MOST_ENTRIES = 20_000
"""Of a segment: so many ids are in memory at once, and so much is read again where the list moves."""
LEAST_PAGES = 4
"""Of the whole, to be cut at all, and of a segment, so that counts and short pages cost little."""
YEARS = 20
"""Counts are asked for from so long ago on; what is older is one segment."""

log = get_logger("gazelle_sync.pull")


@dataclass
class RangeResult:
    """What was read of a range.

    Attributes:
        total: How many entries Gazelle says it has there.
        holes: How many it cannot give.
        is_complete: Whether every segment was complete.
    """

    total: int = 0
    holes: int = 0
    is_complete: bool = True


class RangeReader:
    """Reads and stages every entry from an instant on.

    Args:
        pull: The timeline's pull.
        since: The instant; None: from the beginning.
        seen: Notes the ids that were read; None: they are not needed.
    """

    def __init__(self, pull: EntityPull, since: datetime | None, seen: SeenIds | None) -> None:
        self._pull = pull
        self._since = since
        self._seen = seen
        self._writing = threading.Lock()
        self._stopped = threading.Event()
        self._read = RangeResult()
        self._nodes = 0

    def read(self) -> RangeResult:
        """Read it all.

        Raises:
            ApiError: A page could not be read.
        """
        segments = self._segments()
        if len(segments) == 1:
            self._read_until_complete(segments[0])
            return self._read
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="segment") as pool:
            reading = [
                # The threads' log lines carry the run and the entity.
                pool.submit(contextvars.copy_context().run, self._read_until_complete, segment)
                for segment in segments
            ]
            try:
                for segment in reading:
                    segment.result()
            except BaseException:
                self._stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return self._read

    def _segments(self) -> list[Segment]:
        """The range, cut at Montreal midnights where counts say that as many entries lie on both sides."""
        whole = ask_counts(self._pull, [self._since])[self._since]
        if whole <= LEAST_PAGES * self._pull.reader.page_size:
            return [Segment(self._since, None, whole)]
        size = max(self._pull.reader.page_size, min(MOST_ENTRIES, whole // (2 * SIDE_BY_SIDE)))
        last = montreal_day(datetime.now(UTC)) + timedelta(days=1)
        first = last - timedelta(days=365 * YEARS) if self._since is None else montreal_day(self._since)
        counts: dict[date, int] = {}
        todo = [(first, last)]
        while todo:
            parts = max(2, COUNTS_PER_REQUEST // len(todo))
            days = {a + (b - a) * n // parts for a, b in todo for n in range(parts + 1)} - counts.keys()
            asked = ask_counts(self._pull, [midnight(day) for day in sorted(days)])
            counts |= {day: asked[midnight(day)] for day in days}
            ordered = list(pairwise(sorted(counts)))
            todo = [(a, b) for a, b in ordered if counts[a] - counts[b] > size and (b - a).days > 1]
        return self._merged(counts, whole, size)

    def _merged(self, counts: dict[date, int], whole: int, size: int) -> list[Segment]:
        """Segments of about a size, the newest first: the list grows there, which an early read of it sees."""
        segments: list[Segment] = []
        end: datetime | None = None
        behind = 0  # entries from `end` on
        for day in sorted(counts, reverse=True):
            if counts[day] - behind >= size and (self._since is None or midnight(day) > self._since):
                segments.append(Segment(midnight(day), end, counts[day] - behind))
                end, behind = midnight(day), counts[day]
        segments.append(Segment(self._since, end, whole - behind))
        return segments

    def _read_until_complete(self, segment: Segment) -> None:
        for attempt in range(TRIES):
            if attempt:
                with self._writing:
                    self._pull.staging.forget_recent()
                log.warning("the list moved while it was read", entity="timeline", attempt=attempt)
                segment = self._counted_again(segment)
            holes, is_complete = self._read_once(segment, from_newest=attempt == TRIES - 1 or segment.end is None)
            if is_complete or self._stopped.is_set():
                break
        with self._writing:
            self._read.total += segment.count
            self._read.holes += holes
            self._read.is_complete = self._read.is_complete and is_complete

    def _read_once(self, segment: Segment, *, from_newest: bool) -> tuple[int, bool]:
        """Read a segment; gives how many of its entries Gazelle cannot give, and whether it is complete.

        From the newest entry on, whatever is newer is read too: the last try, for a list in another order.
        """
        ids: set[str] = set()
        holes = 0
        totals: set[int] = set()
        pages = self._pages(segment, from_newest=from_newest)
        # The next page is fetched while the last is written; from the oldest on, other segments' pages are.
        for page, inside, prepared in prefetch(pages) if from_newest else pages:
            self._store(page, prepared)
            ids |= inside
            totals.add(page.total)
            holes += page.holes
            if self._stopped.is_set():
                return holes, False
        if segment.end is None:
            return holes, totals == {len(ids) + holes}
        return holes, len(ids) + holes == segment.count == self._counted_again(segment).count

    def _pages(self, segment: Segment, *, from_newest: bool) -> Iterator[tuple[Page, set[str], Prepared]]:
        """The pages of a segment, the ids of their entries that lie in it, and what is stored of their records."""
        pages = pages_from_the_newest if from_newest else pages_from_the_oldest
        for page, inside, _ in pages(self._pull, segment):
            yield page, inside, self._pull.staging.prepare(page.nodes, page.answer)

    def _store(self, page: Page, prepared: Prepared) -> None:
        ids = [version.external_id for version in prepared.versions]
        with self._pull.staging.alone(set(ids)):
            self._pull.staging.store(prepared, page.answer, self._pull.staging.held_among(ids))
        with self._writing:
            if self._seen is not None:
                self._seen.add(version.external_id for version in prepared.versions if _is_named(version))
            self._nodes += len(page.nodes)
            self._pull.show_progress(self._nodes, None)

    def _counted_again(self, segment: Segment) -> Segment:
        counts = ask_counts(self._pull, [segment.start, *([segment.end] if segment.end else [])])
        beyond = counts[segment.end] if segment.end else 0
        return Segment(segment.start, segment.end, counts[segment.start] - beyond)


def _is_named(version: Version) -> bool:
    return not version.external_id.startswith(NAMELESS)
