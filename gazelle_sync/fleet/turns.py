"""When each shop has its turn: slots, shards, and the pause of a shop that failed. Pure functions.

Each shop has one turn a period (15 minutes), at a minute that its name decides, so that the load is even and a shop's
ticks are evenly apart. Where a fleet is small, slots share a minute: a run costs a process of its own, and one for
each of twenty shops would cost more than all they do.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from gazelle_sync.errors import Cause
from gazelle_sync.montreal import MONTREAL, montreal_day

SHARD = 25
"""Shops of one run at most."""
LONGEST_PAUSE = timedelta(hours=4)
MATERIALIZED_EVERY = timedelta(hours=1)
"""How often a shop where nothing changes is materialized all the same."""
FULL_FROM, FULL_WITHIN = time(3), timedelta(hours=3)
"""Full runs begin at Montreal's 03:00 and are spread over three hours."""
MOST_FULL_RUNS = 2
"""First and full runs that are under way at once: each is a process of its own."""
FIRST, NIGHTLY, DEEP = "tick", "nightly", "deep"
"""Modes of a shop's own run; a first import is a tick on an empty database."""
SUNDAY = 6


class ShopState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the fleet remembers of a shop: no text, since errors may quote clients. Instants are aware UTC.

    Attributes:
        is_imported: Whether a run has ever succeeded.
        began_at: When its newest run began.
        ended_at: When its newest run ended.
        succeeded_at: When the newest that succeeded ended.
        materialized_at: When Dagster was told of it last.
        full_on: Montreal day of its newest full run, however that ended.
        failures: How many runs in a row have failed.
        cause: Why the newest failed, or None.
        number: The number that belongs to the cause, or None.
        run_id: The Dagster run of its newest run.
    """

    is_imported: bool = False
    began_at: datetime | None = None
    ended_at: datetime | None = None
    succeeded_at: datetime | None = None
    materialized_at: datetime | None = None
    full_on: date | None = None
    failures: int = 0
    cause: str | None = None
    number: int | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class OwnRun:
    """A first import, or a full run.

    Attributes:
        shop: Whose.
        mode: `tick` (a first import), `nightly` or `deep`.
    """

    shop: str
    mode: str


def slot_of(shop: str, slots: int) -> int:
    """The slot of a shop, the same on every machine."""
    return zlib.crc32(shop.encode()) % slots


def minute_of(shop: str, shops: int, every: int) -> int:
    """The minute of the period at which a shop's turn begins.

    Args:
        shop: Its name.
        shops: How many shops the fleet has: as many minutes are used as it takes to keep runs below `SHARD` shops.
        every: Minutes of the period, which is also the number of slots.
    """
    used = max(1, min(every, -(-shops // SHARD)))
    return slot_of(shop, every) * used // every * every // used


def pause_after(failures: int, every: int) -> timedelta:
    """How long a shop waits after so many failures in a row: a period, then twice as long each time."""
    return min(timedelta(minutes=every) * 2 ** min(failures - 1, 10), LONGEST_PAUSE) if failures else timedelta(0)


def next_try_at(state: ShopState, every: int) -> datetime | None:
    """When a shop that failed is tried again; None: it did not fail."""
    if not state.failures or state.ended_at is None:
        return None
    return state.ended_at + pause_after(state.failures, every)


def is_held_back(state: ShopState, now: datetime, changed_at: datetime | None, every: int) -> bool:
    """Whether a shop waits because it failed; not once somebody has changed its file."""
    waits_until = next_try_at(state, every)
    if waits_until is None or waits_until <= now:
        return False
    return changed_at is None or state.ended_at is None or changed_at <= state.ended_at


def due_ticks(
    states: Mapping[str, ShopState],
    changed_at: Mapping[str, datetime],
    busy: Collection[str],
    now: datetime,
    every: int,
) -> list[list[str]]:
    """The shops whose turn it is, in shards. Those that failed last time come last, so that they hold up no other.

    Args:
        states: Of every shop of the fleet.
        changed_at: Shop → when its file changed.
        busy: Shops of which a run is under way.
        now: The minute, aware UTC.
        every: Minutes of the period.
    """
    minute = int(now.timestamp()) // 60 % every
    missed = timedelta(minutes=every + 1)
    due = []
    for shop, state in states.items():
        if shop in busy or not state.is_imported or is_held_back(state, now, changed_at.get(shop), every):
            continue
        is_overdue = state.began_at is None or now - state.began_at >= missed
        if is_overdue or state.failures or minute_of(shop, len(states), every) == minute:
            due.append(shop)
    return shards(sorted(due, key=lambda shop: (states[shop].failures > 0, shop)))


def shards(shops: Sequence[str]) -> list[list[str]]:
    """Parts of at most `SHARD` shops, of about the same size."""
    parts = -(-len(shops) // SHARD)
    return [list(shops[part::parts]) for part in range(parts)]


def due_runs(
    states: Mapping[str, ShopState],
    changed_at: Mapping[str, datetime],
    busy: Collection[str],
    under_way: int,
    now: datetime,
    every: int,
) -> list[OwnRun]:
    """The first and full runs that should begin, as many as there is room for; first imports come first.

    Args:
        states: Of every shop of the fleet.
        changed_at: Shop → when its file changed.
        busy: Shops of which a run is under way.
        under_way: How many such runs there are already.
        now: Aware UTC.
        every: Minutes of the period.
    """
    free = {
        shop: state
        for shop, state in states.items()
        if shop not in busy and not is_held_back(state, now, changed_at.get(shop), every)
    }
    new = [OwnRun(shop, FIRST) for shop, state in free.items() if not state.is_imported]
    today = montreal_day(now)
    mode = DEEP if today.weekday() == SUNDAY else NIGHTLY
    full = [
        OwnRun(shop, mode)
        for shop, state in free.items()
        if state.is_imported and state.full_on != today and now >= full_at(shop, today)
    ]
    return [*new, *full][: max(0, MOST_FULL_RUNS - under_way)]


def full_at(shop: str, day: date) -> datetime:
    """When a shop's full run of a Montreal day may begin, aware UTC."""
    minutes = int(FULL_WITHIN.total_seconds()) // 60
    begin = datetime.combine(day, FULL_FROM, tzinfo=MONTREAL).astimezone(UTC)
    return begin + timedelta(minutes=slot_of(f"full {shop}", minutes))


def after(
    state: ShopState, run_id: str, mode: str, began_at: datetime, now: datetime, cause: Cause | None
) -> ShopState:
    """A shop's state after a run of it.

    Args:
        state: Before.
        run_id: Of the Dagster run.
        mode: `tick`, `nightly` or `deep`.
        began_at: When it began, aware UTC.
        now: When it ended.
        cause: Why it failed; None: it succeeded.
    """
    # A first import reads all there is: that is the day's full run.
    is_full = mode != FIRST or not state.is_imported
    return ShopState(
        is_imported=state.is_imported or cause is None,
        began_at=began_at,
        ended_at=now,
        succeeded_at=now if cause is None else state.succeeded_at,
        materialized_at=state.materialized_at,
        full_on=montreal_day(now) if is_full and (mode != FIRST or cause is None) else state.full_on,
        failures=0 if cause is None else state.failures + 1,
        cause=cause.code if cause else None,
        number=cause.number if cause else None,
        run_id=run_id,
    )


def is_to_be_told(state: ShopState, changed: int, now: datetime) -> bool:
    """Whether Dagster is told of a run that succeeded: when it changed something, and every hour."""
    return bool(changed) or state.materialized_at is None or now - state.materialized_at >= MATERIALIZED_EVERY


def busy_shops(named: Iterable[tuple[str, Iterable[str]]], states: Mapping[str, ShopState]) -> set[str]:
    """The shops of which a run is under way: named by it, and not ended in it yet.

    Args:
        named: Run id → the shops that it was given.
        states: Of every shop.
    """
    return {shop for run_id, shops in named for shop in shops if shop not in states or states[shop].run_id != run_id}
