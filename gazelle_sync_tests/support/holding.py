"""A table that somebody else has locked: what is to write it waits there, and can be killed in the middle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from gazelle_sync_tests.support.shop import Shop

WAIT_S = 60.0
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@contextmanager
def held(shop: Shop, table: str) -> Iterator[None]:
    """Nobody can write a table for the length of a block."""
    with psycopg.connect(shop.url) as connection:
        connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(table)))
        yield


def wait_for_the_lock(shop: Shop) -> None:
    """Wait until somebody waits for a lock."""
    wait_until(lambda: shop.value(WAITING) > 0)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for something that another process brings about."""
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)
