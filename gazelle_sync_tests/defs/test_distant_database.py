"""Whole commands of a shop whose database is in another region, 60 ms a round trip away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.distance import FAR_S
from gazelle_sync_tests.support.pushing import EditedShop

RATE = 10


@pytest.fixture
def far_person(person: Person) -> Iterator[Person]:
    """Dagster's storage is beside the shop's machine."""
    with person.shop.far_away(FAR_S):
        yield person


@pytest.mark.slow("three commands, each statement of which waits for a distant database")
def test_sync_push_and_check_end_in_success_and_keep_the_budget_of_requests(far_person: Person) -> None:
    shop, rate = far_person.shop, {"GAZELLE_RATE_PER_S": str(RATE), "GAZELLE_TIMEOUT_S": "30"}
    office = EditedShop(shop)
    shop.admin.random_edits(clients=5, pianos=4, events=6, timeline=8)
    shop.admin.reset_stats()
    synced = far_person.runs("sync", **rate)
    assert synced.returncode == 0, synced.stdout + synced.stderr
    assert shop.admin.stats()["max_in_a_second"] <= RATE
    shop.assert_equals_api()
    pianos = [office.piano(place) for place in range(3)]
    for piano in pianos:
        office.edit(piano, notes=f"Note de {piano}", status="top")
    pushed = far_person.runs("push", **rate)
    assert pushed.returncode == 0, pushed.stdout + pushed.stderr
    assert all(office.comments(piano) == [f"Note de {piano}"] for piano in pianos)
    checked = far_person.runs("check", **rate)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow("a pull of everything in small pages, each statement of which waits for a distant database")
def test_two_commands_at_once_send_no_more_than_the_budget_in_any_second(far_person: Person) -> None:
    """A pull of everything and a push, which share it by way of the database."""
    shop, rate = far_person.shop, {"GAZELLE_RATE_PER_S": str(RATE), "GAZELLE_TIMEOUT_S": "30"}
    office = EditedShop(shop)
    pianos = [office.piano(place) for place in range(6)]
    for piano in pianos:
        office.edit(piano, notes=f"Note de {piano}", status="top")
    shop.admin.reset_stats()
    pid = far_person.begins("sync", "--full", GAZELLE_PAGE_SIZE="50", **rate)
    report = office.push(rate_per_s=RATE, timeout_s=30.0)
    ended = far_person.processes.ended(pid, far_person.directory)
    stats = shop.admin.stats()
    assert report.succeeded
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(stats["arrivals_monotonic"]) > 30
    assert stats["max_in_a_second"] <= RATE
