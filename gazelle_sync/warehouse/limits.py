"""Time limits of statements, and of waiting for an exclusive lock.

Hosted servers cancel statements after two minutes or so. Statements whose duration grows with history (a sort of all
staged rows, an index, the pruning) exceed that some day, and every later run would fail. They get a limit of their own.

A session that waits for an exclusive lock makes every later session wait behind it: one idle reader could stop the
whole shop. Such statements wait for one second, and are tried again by a later run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question

LONG = "1h"
"""For statements whose duration grows with history: enough for any shop, and still a limit."""
LOCK_WAIT = "1s"
"""For an exclusive lock, behind which other sessions queue."""
LOCK_WAIT_DEFAULT: LiteralString = "SET LOCAL lock_timeout TO DEFAULT"
"""Later statements of the transaction wait as the server is set."""


def allow_long_statements(connection: Connection) -> None:
    """Raise the time limit of the statements in the current transaction (one is opened if there is none).

    Args:
        connection: Not in autocommit mode, or inside a transaction. The limit ends with the transaction, as behind a
            pooler it has to.
    """
    connection.execute(*long_statements())


def long_statements() -> Question:
    """The statement of `allow_long_statements`, to be sent with others."""
    return statement("warehouse/limits_set"), {"statement": LONG, "lock": None}


def brief_lock() -> Question:
    """The statement after which a transaction waits for locks for `LOCK_WAIT` only, and may take as long as history."""
    return statement("warehouse/limits_set"), {"statement": LONG, "lock": LOCK_WAIT}


@contextmanager
def brief_exclusive_lock(connection: Connection) -> Iterator[None]:
    """A transaction (a savepoint inside another) for statements that lock a table against reads or writes.

    They wait for the lock for `LOCK_WAIT` only, and then may take as long as history needs.

    Raises:
        psycopg.errors.LockNotAvailable: Another session holds a lock on the table.
    """
    with connection.transaction():
        connection.execute(*brief_lock())
        yield
        connection.execute(LOCK_WAIT_DEFAULT)
