"""The shortcut where the endpoint's schema sorts by `UPDATED_AT_DESC`: stop at the watermark.

It is verified while it is read. A page that is out of order or shorter than what was asked for, or a `totalCount` that
does not fit what we hold, abandons it for the run: then something was deleted, moved or is wrong, and only all the
stamps can show what. Records without a stamp come first and are always read. (Sorting by `CREATED_AT_DESC` and
stopping early is accepted by every endpoint and silently misses each edit of an old record: that is how the
predecessors lost them.)

Newest first is last changed first only while Gazelle's clock runs on. Set back, it stamps what changes now as older
than what changed before: a clock that stands before the watermark leaves the shortcut out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from gazelle_sync.errors import ApiError, CredentialsRefused
from gazelle_sync.pull.context import EntityPull
from gazelle_sync.pull.features import UPDATED_AT_DESC
from gazelle_sync.pull.held import Held
from gazelle_sync.pull.stamps import CLOCK_NOISE, StampScan, since_filter, sort_by, stamps_of, window_start
from gazelle_sync.runtime.logs import get_logger

OVERLAP = timedelta(minutes=15)
PAGE_SIZE = 100

log = get_logger("gazelle_sync.pull")


def early_exit(pull: EntityPull, held: dict[str, Held]) -> StampScan | None:
    """Read stamps newest first and stop at the watermark; None where the shortcut cannot be taken or trusted."""
    if pull.entity.sort_enum not in pull.features.updated_at_sorts or pull.watermark is None:
        return None
    filters: dict[str, Any] = {}
    listed = {i for i, h in held.items() if h.is_living and not h.is_unlisted}
    if pull.entity.has_window:
        if not pull.features.has_start_gte:
            return None
        since = window_start(pull)
        filters = since_filter(since)
        starts = {i: held[i].start for i in listed}
        if None in starts.values():  # which of them the list holds is not known
            return None
        listed = {i for i, start in starts.items() if start is not None and start >= since}
    try:
        seen, totals, has_end = _read(pull, {**filters, **sort_by(pull, UPDATED_AT_DESC), "first": PAGE_SIZE})
    except CredentialsRefused:
        raise
    except (ApiError, _Untrusted) as error:
        log.warning("the shortcut failed, reading all stamps", entity=pull.entity.name, reason=str(error))
        return None
    expected = len(listed | seen.stamps.keys())
    if totals != {expected} or (has_end and len(seen.stamps) != expected):
        return None
    pull.report.total = expected
    pull.report.strategy = "early exit"
    return seen


class _Untrusted(Exception):
    """The list is not in the order asked for, leaves something out, or its stamps do not tell what changed last."""


def _read(pull: EntityPull, variables: dict[str, Any]) -> tuple[StampScan, set[int], bool]:
    """Stamps, the totals that pages named, and whether the list was read to its end, the watermark met or not."""
    assert pull.entity.stamp_operation is not None  # noqa: S101 - a strategy by stamps has one
    assert pull.watermark is not None  # noqa: S101 - the caller looked
    stop_before = pull.watermark - OVERLAP
    seen = StampScan()
    totals: set[int] = set()
    previous: datetime | None = None
    for page in pull.reader.pages(pull.entity.stamp_operation, variables):
        if page.answer.not_before < pull.watermark - CLOCK_NOISE:
            raise _Untrusted("Gazelle's clock was set back since the last pull")
        totals.add(page.total)
        stamps = stamps_of(page.nodes)
        pull.report.stamped += len(page.nodes)
        is_short = page.info.get("hasNextPage") and len(page.nodes) < min(PAGE_SIZE, pull.reader.page_size)
        if page.holes or is_short or len(stamps) != len(page.nodes):
            raise _Untrusted("a page leaves something out")
        for external_id, stamp in stamps.items():
            if previous is not None and (stamp is None or stamp > previous):
                raise _Untrusted("the list is not in the order asked for")
            previous = stamp
            seen.stamps[external_id] = stamp
        if previous is not None and previous < stop_before:
            return seen, totals, not page.info.get("hasNextPage")
    return seen, totals, True
