"""Stage 1 of the timeline, which has no `updatedAt`: recent bodies, and counts for what is not recent.

Technicians write notes two to four weeks after the service, back-dated; an entry can be deleted years later. The
counts of the last 45 days and of the whole timeline tell of both, even where they even out; only the days that differ
are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from gazelle_sync.errors import OperationFailed, RequestRefused
from gazelle_sync.gazelle import documents
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message, Plural
from gazelle_sync.montreal import midnight, montreal_day
from gazelle_sync.pull.context import EntityPull, Mode
from gazelle_sync.pull.deletions import deletion_limit
from gazelle_sync.pull.prefetch import prefetch
from gazelle_sync.pull.read import MOVED, page_of
from gazelle_sync.pull.stamps import CLOCK_NOISE
from gazelle_sync.pull.timeline_absent import SAMPLE, confirm_gone
from gazelle_sync.pull.timeline_counts import (
    RECENT_DAYS,
    DayCounts,
    Segment,
    ask_counts,
    ask_day_counts,
    day_counts_in,
    differing_segments,
    recent_days,
    zulu,
)
from gazelle_sync.pull.timeline_held import SeenIds, TimelineHeld
from gazelle_sync.pull.timeline_pages import count_of, ids_of, note_partial, others_of, read_segment, write_page
from gazelle_sync.pull.timeline_segments import RangeReader
from gazelle_sync.pull.validation import TRIES, duplicate_ids
from gazelle_sync.warehouse.connect import connect, database_errors
from gazelle_sync.warehouse.pool import Connections

OVERLAP = timedelta(minutes=15)
LEFT_OUT = Message("the recent entries and their count never agreed: what was left out comes with a later run")


def scan_timeline(pull: EntityPull, database: Connections) -> None:
    """Find and stage what changed of the timeline, and tombstone what is gone.

    Args:
        pull: The timeline's pull.
        database: Connections, for what is counted on our side.

    Raises:
        ApiError: Nothing could be read.
        MassDeletion: The guard stopped mass deletion.
    """
    ours = TimelineHeld(database)
    if pull.window is not None:
        pull.report.strategy = "backfill"
        start, end = pull.window
        from_instant = ask_counts(pull, [start, end])
        read_segment(pull, Segment(start, end, from_instant[start] - from_instant[end]))
        return
    if pull.mode is not Mode.TICK and (wrong := ours.repair_counts()):
        corrected = Plural(
            "the kept count of {count} day was not the number of its entries, and was corrected",
            "the kept counts of {count} days were not the numbers of their entries, and were corrected",
        )
        pull.report.notes.append(gettext(corrected, count=wrong))
    first_time = pull.watermark is None or pull.staging.is_empty
    if first_time or pull.mode is Mode.DEEP:
        pull.report.strategy = "full pages"
        _read_range(pull, database, ours, None)
        return
    now = pull.watermark or datetime.now(UTC)
    if pull.mode is Mode.NIGHTLY:
        pull.report.strategy = "45 days and counts"
        _read_range(pull, database, ours, midnight(montreal_day(now - timedelta(days=RECENT_DAYS))))
        counts = ask_day_counts(pull, recent_days())
    else:
        pull.report.strategy = "recent bodies and counts"
        counts = _read_recent(pull, now - OVERLAP)
        # Where the API's `Date` is ahead of the clock that dates the entries, the watermark is ahead of them as well.
        # How far it is ahead, the first answer tells, and this may have been the first.
        if pull.client.clock_ahead > CLOCK_NOISE:
            counts = _read_recent(pull, now - OVERLAP - pull.client.clock_ahead)
    pull.report.total = counts.whole
    _repair_days(pull, ours, counts)


def _read_recent(pull: EntityPull, since: datetime) -> DayCounts:
    """Read the bodies since an instant; gives the account's counts, asked for in the same request."""
    days = recent_days()
    operation, text = "TimelineTick", documents.timeline_tick(len(days))
    variables: dict[str, Any] = {"first": pull.reader.page_size, "occurredAtGet": zulu(since)}
    variables |= {f"from{n}": zulu(midnight(day)) for n, day in enumerate(days)}
    for _ in range(TRIES):
        try:
            answer = pull.client.execute(operation, text, variables, can_ask_for_less=True)
        except (OperationFailed, RequestRefused):
            # One entry that Gazelle cannot give, or too many fields in a request: page by page, around it.
            _read_pages_since(pull, since)
            return ask_day_counts(pull, days)
        page, counts = page_of(operation, answer, pull.entity.root), day_counts_in(operation, answer, days)
        has_more = bool(page.info.get("hasNextPage"))
        is_valid = not duplicate_ids(page.nodes) and (has_more or count_of(page) == page.total)
        if is_valid:
            break
    write_page(pull, page.nodes, answer)
    if has_more:
        _read_pages_since(pull, since)
    elif not is_valid:
        note_partial(pull, gettext(LEFT_OUT))
    return counts


def _read_pages_since(pull: EntityPull, since: datetime) -> None:
    """Read the bodies since an instant page by page."""
    ids: set[str] = set()
    others = 0
    totals: set[int] = set()
    for page in prefetch(pull.reader.pages(pull.entity.page_operation, {"occurredAtGet": zulu(since)})):
        write_page(pull, page.nodes, page.answer)
        ids |= ids_of(page.nodes)
        others += others_of(page)
        totals.add(page.total)
    if totals != {len(ids) + others}:
        note_partial(pull, gettext(LEFT_OUT))


def _read_range(pull: EntityPull, database: Connections, ours: TimelineHeld, since: datetime | None) -> None:
    """Read every body from an instant on (None: from the beginning), and tombstone what a complete read lacks."""
    missing: dict[str, datetime] = {}
    if pull.staging.is_empty and ours.count() == 0:
        read = RangeReader(pull, since, None).read()
    else:
        if since is None:
            pull.verify(())
        with database_errors(), connect(database.url) as connection, SeenIds(connection) as seen:
            read = RangeReader(pull, since, seen).read()
            missing = seen.missing(since) if read.is_complete else {}
        if (verification := pull.staging.verification) is not None:
            verification.doubt(missing) if read.is_complete else verification.doubt_all()
    if read.holes:
        pull.report.errors += read.holes
        pull.report.notes.append(
            gettext("Gazelle has {holes} entries that it cannot give (its own errors are in the log)", holes=read.holes)
        )
    if not read.is_complete:
        note_partial(pull, gettext(MOVED))
    pull.report.total = read.total
    if read.is_complete and since is None and not read.holes:
        # Names of ours, from a bad day: whatever they were, a complete read has it under its id.
        pull.staging.write_tombstones(ours.nameless())
    if missing:
        confirm_gone(pull, ours, missing, read_all=since is None)


def _repair_days(pull: EntityPull, ours: TimelineHeld, counts: DayCounts) -> None:
    """Make the days equal whose counts differ."""
    if _differs(ours, counts) and _repair(pull, ours, counts) and _differs(ours, counts):
        _repair(pull, ours, counts)  # what was deleted on the day that an entry moved to is seen now


def _differs(ours: TimelineHeld, counts: DayCounts) -> bool:
    return ours.counts(counts.from_day) != counts


def _repair(pull: EntityPull, ours: TimelineHeld, counts: DayCounts) -> bool:
    """Find the days whose counts differ, and make them equal; gives whether an entry had moved to one that did not."""
    held, total = ours.count(), counts.whole
    is_over = held - total > deletion_limit(held) and not pull.allow_deletes
    if is_over and pull.owners().kept:
        pull.report.notes.append(
            gettext(
                "Gazelle has {fewer} entries fewer than are held, and the guard keeps clients that may have taken them "
                "along: which ones, is looked for when their clients are let through",
                fewer=held - total,
            )
        )
        return False
    segments = differing_segments(pull, counts, ours.days(), held)
    missing: dict[str, datetime] = {}
    seen: set[str] = set()
    has_moved = False
    sample = _sample(segments) if is_over else segments
    for part in (sample, [segment for segment in segments if segment not in sample]):
        for segment in part:
            listed = read_segment(pull, segment)
            seen |= listed
            if len(listed) == segment.count:
                missing |= {i: at for i, at in ours.between(segment.start, segment.end).items() if i not in listed}
        absent = {i: at for i, at in missing.items() if i not in seen}
        unread = max(0, held - total - len(absent)) if part is sample and is_over else 0
        has_moved = confirm_gone(pull, ours, absent, read_all=False, unread=unread) or has_moved
        if not unread:
            missing.clear()
    days_read = Plural(
        "{count} day differed in count and was read again", "{count} days differed in count and were read again"
    )
    pull.report.notes.append(gettext(days_read, count=len(segments)))
    return has_moved


def _sample(segments: Sequence[Segment]) -> list[Segment]:
    """The segments in which Gazelle has more than we hold, and those that lack most, until enough is missing."""
    more = [segment for segment in segments if segment.count >= segment.held]
    lacking = sorted((s for s in segments if s.count < s.held), key=lambda s: s.count - s.held)
    missing = accumulate((s.held - s.count for s in lacking), initial=0)
    return more + [segment for segment, before in zip(lacking, missing, strict=False) if before < SAMPLE]
