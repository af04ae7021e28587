"""How long a statement may take, and how long it may wait for a lock that makes others wait.

A hosted server ends statements after two minutes, say. What grows with history (a sort of all that is staged, an index,
the pruning) passes that some day, and from then on every run would fail at it. So such statements have their own limit.

Whoever waits for an exclusive lock makes everybody wait who comes after: one idle reader is enough to stop a shop. So
such statements wait for a moment, and are left for another time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gazelle_sync.warehouse.connect import Connection, statement

LONG = "1h"
"""For what grows with history: long enough for any shop, and yet an end."""
LOCK_WAIT = "1s"
"""For a lock behind which others queue."""


def allow_time(connection: Connection) -> None:
    """Give the statements of the open transaction (or of the one that this opens) the time that history takes.

    Args:
        connection: Not autocommit, or inside a transaction: the limit ends with it, so a pooler may stand between.
    """
    connection.execute(statement("warehouse/limits_set"), {"statement": LONG, "lock": None})


@contextmanager
def locking_out_others(connection: Connection) -> Iterator[None]:
    """A transaction (inside another: a savepoint) of statements after which others cannot read or write a table.

    They have the time that history takes, and wait for the lock for a moment only.

    Raises:
        psycopg.errors.LockNotAvailable: Somebody holds the table.
    """
    with connection.transaction():
        connection.execute(statement("warehouse/limits_set"), {"statement": LONG, "lock": LOCK_WAIT})
        yield
        connection.execute("SET LOCAL lock_timeout TO DEFAULT")  # what follows may wait as long as the server lets it
