"""Whose turn it is in a fleet: evenly, once a period, together in runs, and later where a shop fails."""

from __future__ import annotations

import zlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.errors import Cause
from gazelle_sync.fleet import turns
from gazelle_sync.fleet.turns import (
    DEEP,
    FIRST,
    FULL_WITHIN,
    LONGEST_PAUSE,
    MOST_FULL_RUNS,
    NIGHTLY,
    SHARD,
    OwnRun,
    ShopState,
    after,
    busy_shops,
    due_runs,
    due_ticks,
    full_at,
    is_held_back,
    is_to_be_told,
    minute_of,
    pause_after,
    shards,
    slot_of,
)
from gazelle_sync.fleet.work import FOLLOWING
from gazelle_sync.shop.followers import FOLLOWERS

MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 3, 10, 16, tzinfo=UTC)
EVERY = 15
names = st.lists(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,12}", fullmatch=True), min_size=1, max_size=120, unique=True)


def held(began_at: datetime = NOON - timedelta(minutes=EVERY), **more: Any) -> ShopState:
    """A shop that was imported and has had its turn."""
    state = ShopState(
        is_imported=True, began_at=began_at, ended_at=began_at, succeeded_at=began_at, full_on=date(2026, 3, 10)
    )
    return msgspec.structs.replace(state, **more)


def test_a_slot_is_the_same_everywhere_and_for_ever() -> None:
    assert [slot_of(name, 15) for name in ("north", "south", "atelier-42")] == [
        zlib.crc32(name.encode()) % 15 for name in ("north", "south", "atelier-42")
    ]


def test_slots_are_evenly_filled() -> None:
    counts = [0] * 15
    for number in range(1000):
        counts[slot_of(f"shop-{number}", 15)] += 1
    assert min(counts) > 40
    assert max(counts) < 100


def test_a_small_fleet_has_few_minutes_and_a_large_one_all() -> None:
    for shops, most in ((1, 1), (20, 1), (25, 1), (26, 2), (100, 4), (1000, 15)):
        used = {minute_of(f"shop-{number}", shops, EVERY) for number in range(shops)}
        assert len(used) <= most
        assert used <= set(range(EVERY))
    assert {minute_of(f"shop-{n}", 1000, EVERY) for n in range(1000)} == set(range(EVERY))
    assert minute_of("north", 1000, EVERY) == slot_of("north", EVERY)


@given(names, st.integers(1, 60))
def test_every_shop_has_exactly_one_turn_a_period(shops: list[str], every: int) -> None:
    states = {shop: held(NOON - MINUTE) for shop in shops}
    seen: list[str] = []
    for minute in range(every):
        now = NOON + minute * MINUTE
        for shard in due_ticks(states, {}, (), now, every):
            seen += shard
            states |= {shop: after(states[shop], "run", FIRST, now, now, None) for shop in shard}
    assert sorted(seen) == sorted(shops)


@given(st.lists(st.integers(), unique=True, max_size=200))
def test_shards_hold_everyone_once_and_nobody_is_alone(numbers: list[int]) -> None:
    shops = [str(number) for number in numbers]
    found = shards(shops)
    assert sorted(shop for shard in found for shop in shard) == sorted(shops)
    assert all(0 < len(shard) <= SHARD for shard in found)
    sizes = [len(shard) for shard in found]
    assert not sizes or max(sizes) - min(sizes) <= 1


def test_a_turn_that_was_missed_is_taken_up_at_the_next_minute() -> None:
    minute = next(n for n in range(EVERY) if minute_of("north", 1, EVERY) != n)
    now = NOON + minute * MINUTE
    assert due_ticks({"north": held(now - timedelta(minutes=EVERY))}, {}, (), now, EVERY) == []
    late = held(now - timedelta(minutes=EVERY + 1))
    assert due_ticks({"north": late}, {}, (), now, EVERY) == [["north"]]
    assert due_ticks({"north": late}, {}, {"north"}, now, EVERY) == [], "a run of it is under way"
    assert due_ticks({"north": ShopState()}, {}, (), now, EVERY) == [], "its first import is a run of its own"


@given(st.integers(1, 200), st.integers(1, 60))
def test_a_shop_that_fails_waits_longer_each_time_and_never_for_ever(failures: int, every: int) -> None:
    pause = pause_after(failures, every)
    assert min(timedelta(minutes=every), LONGEST_PAUSE) <= pause <= LONGEST_PAUSE
    assert pause_after(failures + 1, every) >= pause
    assert pause_after(0, every) == timedelta(0)


def test_a_shop_that_failed_is_left_alone_until_its_pause_is_over_or_its_file_changes() -> None:
    state = held(failures=3, cause="credentials")
    assert is_held_back(state, NOON, None, EVERY)
    assert due_ticks({"north": state}, {"north": NOON - timedelta(days=1)}, (), NOON, EVERY) == []
    assert due_ticks({"north": state}, {"north": NOON - MINUTE}, (), NOON, EVERY) == [["north"]]
    over = NOON - timedelta(minutes=EVERY) + pause_after(3, EVERY)
    assert due_ticks({"north": state}, {}, (), over, EVERY) == [["north"]]


def test_shops_that_failed_come_last_in_a_run() -> None:
    now = NOON + timedelta(hours=5)
    states = {"a": held(failures=1, cause="time_limit"), "b": held(), "c": held(failures=2, cause="http"), "d": held()}
    assert due_ticks(states, {}, (), now, EVERY) == [["b", "d", "a", "c"]]


def test_a_failure_is_counted_and_a_success_ends_it() -> None:
    state = ShopState()
    for number in (1, 2):
        state = after(state, "run", FIRST, NOON, NOON + MINUTE, Cause("http", 503))
        assert (state.failures, state.cause, state.number, state.is_imported) == (number, "http", 503, False)
    state = after(state, "run", FIRST, NOON, NOON + MINUTE, None)
    assert (state.failures, state.cause, state.is_imported) == (0, None, True)
    assert state.full_on == date(2026, 3, 10), "a first import has read everything"
    failed = after(held(), "run", NIGHTLY, NOON, NOON, Cause("disk"))
    assert failed.full_on == date(2026, 3, 10), "a full run that failed is not tried all day; ticks go on"


def test_new_shops_are_imported_by_runs_of_their_own_a_few_at_a_time() -> None:
    states = {f"shop-{number}": ShopState() for number in range(10)}
    found = due_runs(states, {}, {"shop-0"}, 1, NOON, EVERY)
    assert found == [OwnRun(f"shop-{number}", FIRST) for number in range(1, MOST_FULL_RUNS)]
    assert due_runs(states, {}, (), MOST_FULL_RUNS, NOON, EVERY) == []


def test_full_runs_begin_at_three_in_montreal_spread_over_three_hours_once_a_day() -> None:
    tuesday, sunday = date(2026, 3, 10), date(2026, 3, 8)
    begins = [full_at(f"shop-{number}", tuesday) for number in range(300)]
    assert min(begins) >= datetime(2026, 3, 10, 7, tzinfo=UTC)
    assert max(begins) < datetime(2026, 3, 10, 7, tzinfo=UTC) + FULL_WITHIN
    assert len(set(begins)) > 100
    yesterday = msgspec.structs.replace(held(), full_on=date(2026, 3, 7))
    at = full_at("north", tuesday)
    assert due_runs({"north": yesterday}, {}, (), 0, at - MINUTE, EVERY) == []
    assert due_runs({"north": yesterday}, {}, (), 0, at, EVERY) == [OwnRun("north", NIGHTLY)]
    assert due_runs({"north": yesterday}, {}, (), 0, full_at("north", sunday), EVERY) == [OwnRun("north", DEEP)]
    assert due_runs({"north": held()}, {}, (), 0, at, EVERY) == []


def test_dagster_is_told_of_a_change_at_once_and_of_nothing_every_hour() -> None:
    state = held(materialized_at=NOON)
    assert is_to_be_told(state, 3, NOON + MINUTE)
    assert not is_to_be_told(state, 0, NOON + MINUTE)
    assert is_to_be_told(state, 0, NOON + turns.MATERIALIZED_EVERY)
    assert is_to_be_told(held(), 0, NOON)


def test_a_shop_is_busy_until_the_run_that_names_it_is_done_with_it() -> None:
    states = {"a": held(run_id="now"), "b": held(run_id="before")}
    assert busy_shops([("now", ["a", "b", "new"])], states) == {"b", "new"}


def test_a_turn_knows_every_job_that_follows_a_pull() -> None:
    assert set(FOLLOWING) == {follower.job for follower in FOLLOWERS}


def test_a_state_is_remembered_as_it_was() -> None:
    state = held(run_id="run", failures=2, cause="http", number=503, materialized_at=NOON)
    assert msgspec.json.decode(msgspec.json.encode(state), type=ShopState) == state
