"""The one partitions definition, and the arithmetic between Montreal's days and instants.

A record belongs to the Montreal day of its last change. A day is not 24 hours: 2026-03-08 has 23 and 2026-11-01 has 25,
so a window is turned into UTC before anything is added to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from gazelle_sync.montreal import MONTREAL, montreal_day
from gazelle_sync.settings import Settings

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
PARTITION_TAG = "dagster/partition"
LONGEST_RANGE = timedelta(days=6)


def daily_partitions() -> dg.DailyPartitionsDefinition:
    """Montreal days from `GAZELLE_PARTITIONS_START` to today, today included."""
    start = Settings.for_definitions().partitions_start
    return dg.DailyPartitionsDefinition(start_date=start.isoformat(), timezone=MONTREAL.key, end_offset=1)


def utc_window(window: dg.TimeWindow) -> tuple[datetime, datetime]:
    """A partition window as aware UTC instants, closed at the start and open at the end."""
    return window.start.astimezone(UTC), window.end.astimezone(UTC)


def tick_days(watermark: datetime | None, now: datetime, partitions_start: date) -> tuple[date, date]:
    """The partitions that a tick materializes: from the day of `last_sync_date` to today, a week at most.

    An entity that fails for weeks holds `last_sync_date` back, and Dagster writes an event for each asset and day. What
    a tick reads does not depend on its partitions.

    Args:
        watermark: `last_sync_date`, or None before the first run, whose history goes on today's partition.
        now: Aware.
        partitions_start: No partition lies before it.
    """
    today = montreal_day(now)
    first = montreal_day(watermark) if watermark is not None else today
    return max(min(first, today), today - LONGEST_RANGE, partitions_start), today


def range_tags(first: date, last: date) -> dict[str, str]:
    """The run tags that make one run materialize a range of partitions.

    A single day is named as such: for a range Dagster writes the rows of its checks twice.
    """
    if first == last:
        return {PARTITION_TAG: first.isoformat()}
    return {RANGE_START_TAG: first.isoformat(), RANGE_END_TAG: last.isoformat()}


def has_partition(tags: Mapping[str, str]) -> bool:
    """Whether a run's tags say which partitions it materializes."""
    return PARTITION_TAG in tags or RANGE_START_TAG in tags
