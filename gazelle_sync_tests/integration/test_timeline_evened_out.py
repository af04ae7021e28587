"""A back-dated note and a deletion in one quarter of an hour: the whole count of the timeline stays as it was."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from gazelle_sync.montreal import montreal_day
from gazelle_sync_tests.support.lanes import one_here
from gazelle_sync_tests.support.shop import Shop

TICKS = 8


def noon(days_ago: int) -> datetime:
    return datetime.now(UTC).replace(hour=17, minute=0, second=0, microsecond=0) - timedelta(days=days_ago)


def note(shop: Shop, at: datetime, comment: str = "Accord 440") -> str:
    piano = shop.admin.dump("pianos")[0]
    made = shop.admin.create(
        "timeline", occurredAt=at.strftime("%Y-%m-%dT%H:%M:%SZ"), type="SERVICE_ENTRY_MANUAL", comment=comment,
        clientId=piano["clientId"], pianoId=piano["id"],
    )  # fmt: skip
    return str(made["id"])


def delete_one(shop: Shop, draw: random.Random, first: int, last: int, but: datetime) -> bool:
    """Delete an entry that is from `first` to `last` days old and of another day than `but`; gives whether one was."""
    days = {montreal_day(noon(n)) for n in range(first, last + 1)} - {montreal_day(but)}
    found = [e for e in shop.admin.dump("timeline") if montreal_day(datetime.fromisoformat(e["occurredAt"])) in days]
    if found:
        shop.admin.delete("timeline", draw.choice(found)["id"])
    return bool(found)


@pytest.mark.parametrize("seed", one_here(range(3), "more ticks, as in a campaign"))
def test_after_every_tick_of_a_shop_that_back_dates_and_deletes_production_is_the_account(
    shop: Shop, seed: int
) -> None:
    draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
    for days_ago in range(1, 44):
        note(shop, noon(days_ago), f"Il y a {days_ago} jours")
    shop.sync()
    for tick in range(TICKS):
        at = noon(draw.randint(1, 43)) + timedelta(minutes=draw.randint(0, 90))
        note(shop, at, f"Antidatée {tick}")
        if not (tick % 2 and delete_one(shop, draw, 60, 4000, at)):
            delete_one(shop, draw, 1, 43, at)
        shop.sync()
        shop.assert_equals_api()


def test_a_note_older_than_45_days_and_a_deletion_in_them_are_both_found(shop: Shop) -> None:
    gone = note(shop, noon(20))
    shop.sync()
    shop.admin.delete("timeline", gone)
    note(shop, noon(700))
    shop.sync()
    shop.assert_equals_api()


def test_a_note_of_a_day_to_come_and_a_deletion_are_both_found(shop: Shop) -> None:
    gone = note(shop, noon(20))
    shop.sync()
    shop.admin.delete("timeline", gone)
    note(shop, noon(-30))
    shop.sync()
    shop.assert_equals_api()


def test_a_note_and_a_deletion_of_today_are_both_found(shop: Shop) -> None:
    """The note is new and read with the recent ones, which tells of the deletion."""
    gone = note(shop, datetime.now(UTC) - timedelta(minutes=20))
    shop.sync()
    shop.admin.delete("timeline", gone)
    note(shop, datetime.now(UTC) - timedelta(minutes=1))
    shop.sync()
    shop.assert_equals_api()


@pytest.mark.parametrize("most", [30, 5])
def test_an_api_that_takes_few_fields_in_a_request_is_asked_for_fewer_counts_at_once(shop: Shop, most: int) -> None:
    gone = note(shop, noon(20))
    shop.sync()
    shop.admin.settings(max_root_fields=most)
    shop.admin.delete("timeline", gone)
    note(shop, noon(30))
    shop.sync()
    shop.assert_equals_api()


def test_the_counts_of_a_quiet_tick_come_with_its_recent_entries_and_no_entry_is_read(shop: Shop) -> None:
    shop.sync()
    stats = shop.admin.stats()
    assert {name: n for name, n in stats["by_operation"].items() if name.startswith("Timeline")} == {"TimelineTick": 1}
    assert not stats["bodies"].get("timeline")
