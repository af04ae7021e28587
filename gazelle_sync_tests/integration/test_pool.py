"""The connections that the parts of a process share, and several statements in one round trip."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from gazelle_sync.errors import DatabaseError
from gazelle_sync.warehouse import pool
from gazelle_sync.warehouse.connect import Connection, connect
from gazelle_sync.warehouse.pool import borrow, keep_connections, together
from gazelle_sync_tests.support.distance import COUNTED_S, DelayProxy, far_away

WRITE = "INSERT INTO system_settings (key, value) VALUES (%s, '1')"
READ = "SELECT key FROM system_settings WHERE key LIKE 'kept%'"


@pytest.fixture
def far(database: str) -> Iterator[DelayProxy]:
    with far_away(database, COUNTED_S) as far:
        yield far


def server_process(url: str) -> int:
    with borrow(url) as connection:
        return connection.info.backend_pid


def settings(url: str) -> list[str]:
    with borrow(url) as connection:
        return [key for (key,) in connection.execute(READ)]


def test_what_one_part_opened_is_the_next_ones_while_somebody_keeps_connections(database: str) -> None:
    with keep_connections():
        with keep_connections():
            first = server_process(database)
        assert server_process(database) == first
        with borrow(database) as one:
            assert server_process(database) != one.info.backend_pid == first
    assert one.closed
    assert server_process(database) != server_process(database)


def test_a_connection_with_an_open_transaction_is_not_given_on_and_what_was_written_in_it_is_gone(
    database: str,
) -> None:
    with keep_connections():
        with borrow(database) as connection:
            connection.execute("BEGIN")
            connection.execute(WRITE, ["kept 1"])
        assert connection.closed
        assert settings(database) == []


def test_a_connection_that_the_server_ended_while_it_was_idle_is_opened_anew(database: str) -> None:
    with keep_connections():
        before = server_process(database)
        with psycopg.connect(database, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
        assert server_process(database) != before


def test_a_connection_that_was_idle_for_long_is_not_relied_upon(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with keep_connections():
        before = server_process(database)
        monkeypatch.setattr(pool, "_idle_s", 0)
        assert server_process(database) != before


def test_several_statements_and_their_transaction_take_one_round_trip(far: DelayProxy) -> None:
    with borrow(far.url) as connection:
        far.round_trips()
        rows = together(connection, (WRITE, ["kept 1"]), (READ, None), ("SELECT %(n)s::int", {"n": 2}))
        assert rows == [[], [("kept 1",)], [(2,)]]
        assert [len(trips) for trips in far.round_trips()] == [1]
    assert settings(far.url) == ["kept 1"]


def test_in_an_open_transaction_they_are_part_of_it(far: DelayProxy) -> None:
    def write_and_fail(connection: Connection) -> None:
        with connection.transaction():
            together(connection, (WRITE, ["kept 1"]), (WRITE, ["kept 2"]))
            raise ValueError

    with borrow(far.url) as connection:
        with pytest.raises(ValueError):  # noqa: PT011 - its own
            write_and_fail(connection)
        far.round_trips()
        together(connection, (READ, None), begin="BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", ends=False)
        together(connection, (READ, None), (READ, None))
        [trips] = far.round_trips()
        assert len(trips) == 2
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
    assert settings(far.url) == []


def test_one_that_fails_is_told_and_nothing_of_them_is_done(database: str) -> None:
    def fail() -> None:
        with borrow(database) as connection:
            together(connection, (WRITE, ["kept 1"]), ("SELECT * FROM nowhere", None), (WRITE, ["kept 2"]))

    with keep_connections():
        with pytest.raises(DatabaseError, match='"nowhere" does not exist'):
            fail()
        assert settings(database) == []


def test_a_connection_that_opens_transactions_by_itself_may_ask_so_as_well(far: DelayProxy) -> None:
    with connect(far.url) as connection:
        far.round_trips()
        assert together(connection, (READ, None), ("SELECT 1", None)) == [[], [(1,)]]
        with pytest.raises(psycopg.errors.UndefinedTable):
            together(connection, (WRITE, ["kept 1"]), ("SELECT * FROM nowhere", None))
        assert [len(trips) for trips in far.round_trips()] == [3]
        assert not connection.autocommit
    assert settings(far.url) == []


def test_a_statement_that_was_broken_off_is_not_told_as_a_server_out_of_reach(database: str) -> None:
    def too_long() -> None:
        with borrow(database) as connection, connection.transaction():
            connection.execute("SET LOCAL statement_timeout = '1ms'")
            connection.execute("SELECT pg_sleep(5)")

    with pytest.raises(DatabaseError, match=r"cancelled a statement.*statement_timeout"):
        too_long()
