"""How many round trips to the shop's database a whole command makes: each is a wait where it is far away.

Dagster's own storage is not counted.

The bounds are what is reached; they go down as what makes the round trips is rebuilt, and never up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.distance import COUNTED_S, DelayProxy, far_away

RATE = "10"
QUIET_TICK, BUSY_TICK = 40, 66
SCAN = 16
"""What follows a pull that brought notes has a bound of its own: they are read for maintenance alerts."""
STATUS, CHECK = 16, 64


@dataclass(frozen=True)
class Counted:
    """Runs commands on a shop whose database is reached through a proxy that counts round trips."""

    person: Person
    far: DelayProxy

    def trips_of(self, *arguments: str) -> list[list[str]]:
        """The round trips of a command, by connection."""
        self.far.round_trips()
        ran = self.person.runs_alone(*arguments, GAZELLE_DATABASE_URL=self.far.url, GAZELLE_RATE_PER_S=RATE)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return self.far.round_trips()


@pytest.fixture
def counted(person: Person) -> Iterator[Counted]:
    person.shop.quiet_down()
    with far_away(person.shop.url, COUNTED_S) as far:
        yield Counted(person, far)


def test_a_quiet_tick(counted: Counted) -> None:
    counted.trips_of("sync")  # it asks what the API offers, and remembers it for a day
    trips = counted.trips_of("sync")
    assert sum(map(len, trips)) <= QUIET_TICK, said(trips)


def test_a_tick_with_62_changes(counted: Counted) -> None:
    counted.trips_of("sync")
    counted.person.shop.admin.random_edits(clients=12, pianos=12, events=24, timeline=14)
    trips = counted.trips_of("sync")
    assert sum(map(len, trips)) <= BUSY_TICK + SCAN, said(trips)


def test_a_look_at_how_it_stands(counted: Counted) -> None:
    counted.trips_of("sync")
    trips = counted.trips_of("status")
    assert sum(map(len, trips)) <= STATUS, said(trips)


def test_all_checks(counted: Counted) -> None:
    counted.trips_of("sync")
    trips = counted.trips_of("check")
    assert sum(map(len, trips)) <= CHECK, said(trips)


def said(trips: list[list[str]]) -> str:
    """All of it, for whoever has to find out who makes them."""
    return "\n".join(f"{len(of_one):4} {text}" for of_one in trips for text in of_one)
