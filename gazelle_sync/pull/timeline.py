"""Stage 1 of the timeline, which has no `updatedAt`: recent bodies, and a count check for what is not recent.

Technicians write notes two to four weeks after the service, back-dated; an entry can be deleted years later. The only
filter is a lower bound on `occurredAt`, so a day has `count(from the day)` less `count(from the next day)` entries:
many counts to a request (aliases) find the days that differ, and only those are read, from the far end of the list.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import Any

from gazelle_sync.entities import NAMELESS
from gazelle_sync.errors import AnswerUnreadable, OperationFailed, RequestRefused
from gazelle_sync.gazelle import documents
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message, Plural
from gazelle_sync.montreal import LAST, day_window, midnight, montreal_day, parse_instant
from gazelle_sync.pull.context import EntityPull, Mode
from gazelle_sync.pull.deletions import DeletionGuard, deletion_limit
from gazelle_sync.pull.prefetch import prefetch
from gazelle_sync.pull.read import MOVED, Page, page_of, with_versions
from gazelle_sync.pull.sound import twice
from gazelle_sync.pull.timeline_held import SeenIds, TimelineHeld
from gazelle_sync.pull.timeline_pages import (
    Owner,
    OwnTimelines,
    count_of,
    ids_of,
    note_partial,
    others_of,
    owners_of,
    write_page,
)
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection

OVERLAP = timedelta(minutes=15)
NIGHTLY = timedelta(days=45)
CLOCK_NOISE = timedelta(minutes=1)
COUNTS_PER_REQUEST = 50
TRIES = 3
SAMPLE = 10
"""Of more missing entries than pass, so many are looked for before the others: a day, a client, a piano each."""
LEFT_OUT = Message("the recent entries and their count never agreed: what was left out comes with a later run")

log = get_logger("gazelle_sync.pull")


def scan_timeline(pull: EntityPull, connection: Connection) -> None:
    """Find and stage what changed of the timeline, and tombstone what is gone.

    Args:
        pull: The timeline's pull.
        connection: One of its own, for what is counted on our side.

    Raises:
        ApiError: Nothing could be read.
        MassDeletion: The fence stopped mass deletion.
    """
    ours = TimelineHeld(connection, pull.entity)
    if pull.window is not None:
        pull.report.strategy = "backfill"
        start, end = pull.window
        counts = _counts(pull, [start, end])
        _read_segment(pull, _Segment(start, end, counts[start] - counts[end]))
        return
    first_time = pull.watermark is None or pull.staging.is_empty
    if first_time or pull.mode is Mode.DEEP:
        pull.report.strategy = "full pages"
        _read_range(pull, connection, ours, None)
        return
    now = pull.watermark or datetime.now(UTC)
    if pull.mode is Mode.NIGHTLY:
        pull.report.strategy = "45 days and counts"
        total = _read_range(pull, connection, ours, midnight(montreal_day(now - NIGHTLY)))
    else:
        pull.report.strategy = "recent bodies and counts"
        total = _read_recent(pull, now - OVERLAP)
        # Where the API's `Date` is ahead of the clock that dates the entries, the watermark is ahead of them as well.
        # How far it is ahead, the first answer tells, and this may have been the first.
        if pull.client.clock_ahead > CLOCK_NOISE:
            total = _read_recent(pull, now - OVERLAP - pull.client.clock_ahead)
    pull.report.total = total
    if total != ours.count() and _mend_days(pull, ours, total) and total != ours.count():
        _mend_days(pull, ours, total)  # what was deleted on the day that an entry moved to is seen now


def _read_recent(pull: EntityPull, since: datetime) -> int:
    """Read the bodies since an instant; gives the account's whole count, asked for in the same request."""
    operation, text = "TimelineTick", documents.timeline_tick()
    variables: dict[str, Any] = {"first": pull.reader.page_size, "occurredAtGet": _zulu(since)}
    for _ in range(TRIES):
        try:
            answer = pull.client.execute(operation, text, variables, can_ask_for_less=True)
        except (OperationFailed, RequestRefused):
            # One entry that Gazelle cannot give, or two fields too many in a request: page by page, around it.
            _read_pages_since(pull, since)
            return _whole_count(pull)
        page, whole = page_of(operation, answer, pull.entity.root), _count_in(operation, answer, "whole")
        has_more = bool(page.info.get("hasNextPage"))
        is_sound = not twice(page.nodes) and (has_more or count_of(page) == page.total)
        if is_sound:
            break
    write_page(pull, page.nodes, answer)
    if has_more:
        _read_pages_since(pull, since)
    elif not is_sound:
        note_partial(pull, gettext(LEFT_OUT))
    return whole


def _read_pages_since(pull: EntityPull, since: datetime) -> None:
    """Read the bodies since an instant page by page."""
    ids: set[str] = set()
    others = 0
    totals: set[int] = set()
    for page in prefetch(pull.reader.pages(pull.entity.page_operation, {"occurredAtGet": _zulu(since)})):
        write_page(pull, page.nodes, page.answer)
        ids |= ids_of(page.nodes)
        others += others_of(page)
        totals.add(page.total)
    if totals != {len(ids) + others}:
        note_partial(pull, gettext(LEFT_OUT))


def _read_range(pull: EntityPull, connection: Connection, ours: TimelineHeld, since: datetime | None) -> int:
    """Read every body from an instant on (None: from the beginning), and tombstone what a complete read lacks.

    Returns:
        The account's whole count.
    """
    variables = {} if since is None else {"occurredAtGet": _zulu(since)}
    nothing_held = pull.staging.is_empty and ours.count() == 0
    for attempt in range(TRIES):
        if attempt:
            pull.staging.read_again()
        with SeenIds(connection) as seen:
            totals: set[int] = set()
            holes = 0
            read = 0
            for page, versions in prefetch(with_versions(pull.reader.pages(pull.entity.page_operation, variables))):
                totals.add(page.total)
                holes += page.holes
                ids = [version.external_id for version in versions]
                pull.staging.store(versions, page.nodes, page.answer, pull.staging.held_among(ids))
                seen.add(external_id for external_id in ids if not external_id.startswith(NAMELESS))
                read += len(page.nodes)
                pull.say(read, page.total)
            complete = len(totals) == 1 and seen.count() + holes == max(totals)
            missing = seen.missing(since) if complete and not nothing_held else {}
        if complete:
            break
        log.warning("the list moved while it was read", entity=pull.entity.name, attempt=attempt + 1)
    if holes:
        pull.report.errors += holes
        pull.report.notes.append(
            gettext("Gazelle has {holes} entries that it cannot give (its own errors are in the log)", holes=holes)
        )
    if not complete:
        note_partial(pull, gettext(MOVED))
    whole = max(totals, default=0) if since is None else _whole_count(pull)
    pull.report.total = whole
    if complete and since is None and not holes:
        # Names of ours, from a bad day: whatever they were, a complete read has it under its id.
        pull.staging.write_tombstones(ours.nameless())
    if complete and missing:
        _confirm_gone(pull, ours, missing, read_all=since is None)
    return whole


def _mend_days(pull: EntityPull, ours: TimelineHeld, total: int) -> bool:
    """Find the days whose counts differ, and make them equal; gives whether an entry had moved to one that did not."""
    held = ours.count()
    is_over = held - total > deletion_limit(held) and not pull.allow_deletes
    if is_over and pull.owners().kept:
        pull.report.notes.append(
            gettext(
                "Gazelle has {fewer} entries fewer than are held, and the fence keeps clients that may have taken them "
                "along: which ones, is looked for when their clients are let through",
                fewer=held - total,
            )
        )
        return False
    days = ours.days()
    first = min(days, default=None)
    newest = max([*days, montreal_day(datetime.now(UTC))])
    last = min(newest + timedelta(days=1), montreal_day(LAST))  # what lies beyond the calendar counts on its last day
    ours_from = _counts_from(days)
    segments = _differing(pull, first or last, last, ours_from, total, held)
    missing: dict[str, datetime] = {}
    seen: set[str] = set()
    has_moved = False
    sample = _sample(segments) if is_over else segments
    for part in (sample, [segment for segment in segments if segment not in sample]):
        for segment in part:
            listed = _read_segment(pull, segment)
            seen |= listed
            if len(listed) == segment.count:
                missing |= {i: at for i, at in ours.between(segment.start, segment.end).items() if i not in listed}
        absent = {i: at for i, at in missing.items() if i not in seen}
        unread = held - total - len(absent) if part is sample and is_over else 0
        has_moved = _confirm_gone(pull, ours, absent, read_all=False, unread=max(0, unread)) or has_moved
        missing.clear()
    days_read = Plural(
        "{count} day differed in count and was read again", "{count} days differed in count and were read again"
    )
    pull.report.notes.append(gettext(days_read, count=len(segments)))
    return has_moved


def _sample(segments: list[_Segment]) -> list[_Segment]:
    """The segments in which Gazelle has more than we hold, and those that lack most, until enough is missing."""
    more = [segment for segment in segments if segment.count >= segment.held]
    lacking = sorted((s for s in segments if s.count < s.held), key=lambda s: s.count - s.held)
    missing = accumulate((s.held - s.count for s in lacking), initial=0)
    return more + [segment for segment, before in zip(lacking, missing, strict=False) if before < SAMPLE]


@dataclass(frozen=True)
class _Segment:
    """Entries that occurred in `[start, end)`; None: without bound. `count`: how many Gazelle says there are."""

    start: datetime | None
    end: datetime | None
    count: int
    held: int = 0


def _differing(
    pull: EntityPull, first: date, last: date, ours_from: Callable[[date], int], total: int, held_total: int
) -> list[_Segment]:
    """Bisect (in fifty, since a request carries fifty counts) down to the days whose counts differ."""
    api: dict[date, int] = {}

    def ask(days: list[date]) -> None:
        counts = _counts(pull, [midnight(day) for day in days])
        api.update({day: counts[midnight(day)] for day in days})

    ask([first, last])
    found: list[_Segment] = []
    if total - api[first] != held_total - ours_from(first):
        found.append(_Segment(None, midnight(first), total - api[first], held_total - ours_from(first)))
    if api[last] != ours_from(last):
        found.append(_Segment(midnight(last), None, api[last], ours_from(last)))
    todo = [(first, last)]
    while todo:
        todo = [(a, b) for a, b in todo if api[a] - api[b] != ours_from(a) - ours_from(b)]
        days = [(a, b) for a, b in todo if (b - a).days == 1]
        found += [_Segment(midnight(a), midnight(b), api[a] - api[b], ours_from(a) - ours_from(b)) for a, b in days]
        wide = [(a, b) for a, b in todo if (b - a).days > 1]
        cuts = {span: _cuts(*span, max(2, COUNTS_PER_REQUEST // max(1, len(wide)))) for span in wide}
        ask(sorted({day for inner in cuts.values() for day in inner} - api.keys()))
        todo = [pair for (a, b), inner in cuts.items() for pair in zip([a, *inner], [*inner, b], strict=True)]
    return found


def _counts(pull: EntityPull, instants: list[datetime]) -> dict[datetime, int]:
    """How many entries Gazelle has from each instant on; a request with too many counts in it is split."""
    counts: dict[datetime, int] = {}
    parts = [instants[n : n + COUNTS_PER_REQUEST] for n in range(0, len(instants), COUNTS_PER_REQUEST)]
    while parts:
        part = parts.pop()
        variables = {f"from{n}": _zulu(instant) for n, instant in enumerate(part)}
        try:
            text = documents.timeline_counts(len(part))
            answer = pull.client.execute("TimelineCounts", text, variables, can_ask_for_less=len(part) > 1)
        except (OperationFailed, RequestRefused):
            if len(part) == 1:
                raise
            middle = len(part) // 2
            parts += [part[:middle], part[middle:]]
            continue
        counts |= {instant: _count_in("TimelineCounts", answer, f"c{n}") for n, instant in enumerate(part)}
    return counts


def _cuts(a: date, b: date, parts: int) -> list[date]:
    """Days that cut `[a, b)` into at most so many parts."""
    span = (b - a).days
    return sorted({a + timedelta(days=span * n // parts) for n in range(1, parts)} - {a, b}) or [a + timedelta(days=1)]


def _counts_from(days: dict[date, int]) -> Callable[[date], int]:
    """A function that says how many entries we hold from a day on."""
    ordered = sorted(days)
    counts = [*accumulate(days[day] for day in reversed(ordered)), 0]
    return lambda day: counts[len(ordered) - bisect_left(ordered, day) - 1]


def _read_segment(pull: EntityPull, segment: _Segment) -> set[str]:
    """Read and stage the entries of a segment; gives their ids."""
    seen: set[str] = set()
    for page in _segment_pages(pull, segment):
        write_page(pull, page.nodes, page.answer)
        inside = (n for n in page.nodes if isinstance(n, dict) and _is_within(n, segment))
        seen.update(n["id"] for n in inside if isinstance(n.get("id"), str))
    return seen


def _segment_pages(pull: EntityPull, segment: _Segment) -> Iterator[Page]:
    """The segment's pages, read backwards from the far end of the list (newest first, so the oldest come last)."""
    lower = {} if segment.start is None else {"occurredAtGet": _zulu(segment.start)}
    left = segment.count
    before: str | None = None
    while left > 0:
        variables = {**lower, "last": min(left, pull.reader.page_size), **({"before": before} if before else {})}
        page = pull.reader.page(pull.entity.page_operation, variables, size_name="last")
        if any(not _is_within(node, segment) for node in page.nodes):
            # Not newest first, as every list of Gazelle's has been: read on from the lower bound instead.
            log.warning("the timeline is not newest first, reading it from the day on", day=str(segment.start))
            yield from pull.reader.pages(pull.entity.page_operation, lower)
            return
        yield page
        left -= len(page.nodes)
        before = page.info.get("startCursor")
        if not page.nodes or not before or not page.info.get("hasPreviousPage"):
            return


def _is_within(node: object, segment: _Segment) -> bool:
    at = parse_instant(node.get("occurredAt")) if isinstance(node, dict) else None
    return at is None or ((segment.start is None or segment.start <= at) and (segment.end is None or at < segment.end))


def _confirm_gone(
    pull: EntityPull, ours: TimelineHeld, missing: dict[str, datetime], *, read_all: bool, unread: int = 0
) -> bool:
    """Tombstone the missing entries that neither their day nor their client's or piano's own timeline has.

    A day lacks an entry that was moved to another day as well, and no count tells where to: where another entry of that
    day was deleted, the day has as many as before.

    Args:
        pull: The timeline's pull.
        ours: Our side.
        missing: Id → instant of entries that a complete read lacks.
        read_all: Whether that was a read of everything. Only then is an entry gone that names no client and no piano.
        unread: How many more are missing, by their count, of days that were not read yet.

    Returns:
        Whether some were moved, and are staged where they are now.
    """
    known = pull.staging.held_among(sorted(missing))
    # Gone already, by a run that ended before it could apply its tombstones: they wait in staging.
    missing = {i: at for i, at in missing.items() if i not in known or known[i].is_living}
    fence = DeletionGuard(pull, ours.count(), sorted(missing), sample=SAMPLE, unread=unread)
    timelines = OwnTimelines(pull)
    crowds = Counter(montreal_day(missing[i]) for i in fence.asked_first)
    first = sorted(fence.asked_first, key=lambda i: (-crowds[montreal_day(missing[i])], missing[i]))
    sample = SAMPLE if fence.is_over else len(first)
    for part in (first[:sample], [*first[sample:], *fence.asked_then]):
        _look_for(pull, fence, timelines, {i: missing[i] for i in part}, read_all=read_all)
    fence.tombstone()
    return timelines.stage_moved()


def _look_for(
    pull: EntityPull, fence: DeletionGuard, timelines: OwnTimelines, missing: dict[str, datetime], *, read_all: bool
) -> None:
    """Look for missing entries in their days and in their owners' timelines, and tell the fence."""
    absent = _absent_from_their_days(pull, missing)
    fence.add([], looked_for=sorted(missing.keys() - set(absent)))
    by_owners: dict[tuple[Owner, ...], list[str]] = {}
    for external_id, owners in owners_of(pull, absent).items():
        by_owners.setdefault(owners, []).append(external_id)
    for owners, ids in sorted(by_owners.items()):
        answering = timelines.answering(owners)
        if answering or read_all:
            fence.add(sorted(set(ids) - timelines.having(answering, ids)), looked_for=ids)
        else:
            pull.report.notes.append(
                gettext("{count} missing entries are in no client's timeline: the deep run will tell", count=len(ids))
            )


def _absent_from_their_days(pull: EntityPull, missing: dict[str, datetime]) -> list[str]:
    """Read the days of missing entries once more; gives the ids that these lack as well."""
    if not missing:
        return []
    by_day: dict[date, set[str]] = {}
    for external_id, at in missing.items():
        by_day.setdefault(montreal_day(at), set()).add(external_id)
    windows = {day: day_window(day) for day in by_day}
    counts = _counts(pull, sorted({bound for window in windows.values() for bound in window}))
    absent: list[str] = []
    for day, ids in sorted(by_day.items()):
        start, end = windows[day]
        segment = _Segment(start, end, counts[start] - counts[end])
        listed = _read_segment(pull, segment)
        if len(listed) == segment.count:
            absent += sorted(ids - listed)
    return absent


def _whole_count(pull: EntityPull) -> int:
    answer = pull.client.execute("TimelineCount", documents.TIMELINE_COUNT)
    return _count_in("TimelineCount", answer, pull.entity.root)


def _count_in(operation: str, answer: Answer, name: str) -> int:
    """The `totalCount` that an answer holds under a name."""
    held = answer.data.get(name)
    count = held.get("totalCount") if isinstance(held, dict) else None
    if not isinstance(count, int):
        raise AnswerUnreadable(operation, gettext("the answer lacks the count {name}", name=name))
    return count


def _zulu(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
