"""How many round trips to the shop's database a whole command makes: each is a wait where it is far away.

Dagster's own storage is not counted.

The bounds are what is reached and a few more, since on a busy machine an answer may come while more is being sent,
which counts twice; they go down as what makes the round trips is rebuilt, and never up.
"""

from __future__ import annotations

from pathlib import Path

from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.distance import COUNTED_S, far_away
from gazelle_sync_tests.support.processes import Processes
from gazelle_sync_tests.support.shop import Shop

RATE = "10"
QUIET_TICK, BUSY_TICK = 38, 62
SCAN = 16
"""What follows a pull that brought notes has a bound of its own: they are read for maintenance alerts."""
STATUS, CHECK = 10, 64
FIRST = 110
SCHEMA = "Which of the given tables exist"
PAGE = "Stage versions of one answer"
"""A page's round trip begins so."""


def test_commands_make_few_round_trips_one_after_the_other(person: Person) -> None:
    """A quiet tick, one with 62 changes, a look at how it stands, and all checks."""
    person.shop.quiet_down()
    with far_away(person.shop.url, COUNTED_S) as far:

        def trips_of(*arguments: str) -> list[list[str]]:
            far.round_trips()
            ran = person.runs_alone(*arguments, GAZELLE_DATABASE_URL=far.url, GAZELLE_RATE_PER_S=RATE)
            assert ran.returncode == 0, ran.stdout + ran.stderr
            return far.round_trips()

        trips_of("sync")  # it asks what the API offers, and remembers it for a day
        trips = trips_of("sync")
        assert sum(map(len, trips)) <= QUIET_TICK, said(trips)
        assert said(trips).count(SCHEMA) == 1, "once for all parts of the command"
        person.shop.admin.random_edits(clients=12, pianos=12, events=24, timeline=14)
        trips = trips_of("sync")
        assert sum(map(len, trips)) <= BUSY_TICK + SCAN, said(trips)
        trips = trips_of("status")
        assert sum(map(len, trips)) <= STATUS, said(trips)
        trips = trips_of("check")
        assert sum(map(len, trips)) <= CHECK, said(trips)


def test_a_first_pull_makes_few_round_trips_besides_its_pages(
    new_shop: Shop, processes: Processes, dagster_database: str, tmp_path: Path
) -> None:
    person = Person(new_shop, processes, dagster_database, tmp_path)
    with far_away(new_shop.url, COUNTED_S) as far:
        ran = person.runs_alone("sync", GAZELLE_DATABASE_URL=far.url)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        trips = far.round_trips()
    besides = [[trip for trip in of_one if PAGE not in trip] for of_one in trips]
    assert sum(map(len, besides)) <= FIRST, said(besides)


def said(trips: list[list[str]]) -> str:
    """All of it, for whoever has to find out who makes them."""
    return "\n".join(f"{len(of_one):4} {text}" for of_one in trips for text in of_one)
