"""The connection that a run keeps: committed or rolled back after each use, and opened anew when it was lost."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from gazelle_sync.errors import DatabaseError
from gazelle_sync.warehouse import connect as module
from gazelle_sync.warehouse.connect import ReusedConnection


@pytest.fixture
def kept(database: str) -> Iterator[ReusedConnection]:
    reused = ReusedConnection(database)
    yield reused
    reused.close()


def server_process(kept: ReusedConnection) -> int:
    with kept.use() as connection:
        return connection.info.backend_pid


def settings(kept: ReusedConnection) -> list[str]:
    with kept.use() as connection:
        return [key for (key,) in connection.execute("SELECT key FROM system_settings WHERE key LIKE 'kept%'")]


WRITE = "INSERT INTO system_settings (key, value) VALUES (%s, '1')"


def test_two_uses_share_one_connection_and_leave_no_transaction_open(kept: ReusedConnection) -> None:
    with kept.use() as connection:
        before = connection.info.backend_pid
        connection.execute(WRITE, ["kept 1"])
    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
    assert server_process(kept) == before
    assert settings(kept) == ["kept 1"]


def test_a_use_that_fails_is_rolled_back_and_the_next_one_works(kept: ReusedConnection) -> None:
    def fail_after_writing() -> None:
        with kept.use() as connection:
            connection.execute(WRITE, ["kept 1"])
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - its own
        fail_after_writing()
    assert settings(kept) == []


def test_a_connection_that_was_lost_between_two_uses_is_opened_anew_by_the_next_but_one(
    kept: ReusedConnection, database: str
) -> None:
    before = server_process(kept)
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
    with pytest.raises(DatabaseError):
        settings(kept)
    assert server_process(kept) != before


def test_a_connection_that_was_idle_for_long_is_not_relied_upon(
    kept: ReusedConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = server_process(kept)
    monkeypatch.setattr(module, "IDLE_S", 0)
    assert server_process(kept) != before


def test_a_statement_that_was_broken_off_is_not_told_as_a_server_out_of_reach(kept: ReusedConnection) -> None:
    def too_long() -> None:
        with kept.use() as connection:
            connection.execute("SET LOCAL statement_timeout = '1ms'")
            connection.execute("SELECT pg_sleep(5)")

    with pytest.raises(DatabaseError, match=r"cancelled a statement.*statement_timeout"):
        too_long()
    assert settings(kept) == []
