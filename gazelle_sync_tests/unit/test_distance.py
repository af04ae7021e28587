"""The proxy that stands for a database far away."""

from __future__ import annotations

import time

import psycopg

from gazelle_sync_tests.support.distance import far_away

ROUND_TRIP_S = 0.06


def test_each_statement_by_the_far_way_takes_a_round_trip_and_a_pipeline_of_many_takes_one(database: str) -> None:
    with far_away(database, ROUND_TRIP_S) as far, psycopg.connect(far.url, autocommit=True) as connection:
        asked = time.monotonic()
        for _ in range(5):
            connection.execute("SELECT 1")
        one_by_one = time.monotonic() - asked
        with connection.pipeline():
            asked = time.monotonic()
            cursors = [connection.execute("SELECT 1") for _ in range(50)]
            answers = [cursor.fetchone() for cursor in cursors]
            together = time.monotonic() - asked
    assert answers == [(1,)] * 50
    assert one_by_one >= 5 * ROUND_TRIP_S
    assert ROUND_TRIP_S <= together < 25 * ROUND_TRIP_S


def test_the_far_way_changes_nothing_of_what_passes(database: str) -> None:
    with far_away(database, 0.01) as far, psycopg.connect(far.url) as connection:
        [(text,)] = connection.execute("SELECT string_agg(n::text, ',') FROM generate_series(1, 500000) AS n")
    assert text == ",".join(str(n) for n in range(1, 500001))


def test_the_proxy_counts_round_trips_and_says_what_was_said_in_each(database: str) -> None:
    with far_away(database, ROUND_TRIP_S) as far:
        with psycopg.connect(far.url, autocommit=True) as connection:
            [opening] = far.round_trips()
            connection.execute("-- Two.\nSELECT 2")
            with connection.pipeline():
                for number in range(30):
                    connection.execute("SELECT %s::int", [number])
            with connection.cursor().copy("COPY system_settings (key, value) FROM STDIN") as copy:
                copy.write_row(["a", "b"])
        [trips] = far.round_trips()
        assert opening[0] == "(connection)"
        assert trips == ["-- Two. SELECT 2", "SELECT $1::int", "COPY system_settings (key, value) FROM STDIN", "(copy)"]
        assert far.round_trips() == []
