"""Loads empty tables quickly: indexes and foreign keys are made once the rows are in, instead of row by row.

Plain indexes of production tables, and the foreign keys among these tables, are dropped and made again in the
transaction that loads the rows. If the process is killed, PostgreSQL rolls all of it back and the rows still wait in
staging. Foreign keys that point to other tables stay: dropping one would lock the other table during the whole load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from psycopg import errors, sql

from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import allow_long_statements, brief_exclusive_lock

log = get_logger("gazelle_sync.warehouse")


@contextmanager
def bulk_load(connection: Connection, staging: str, tables: Sequence[str], then: Callable[[], None]) -> Iterator[bool]:
    """Load empty tables in one transaction, without their foreign keys and plain indexes until the rows are in.

    Where one of them holds a row, or nothing is staged, nothing is dropped and no transaction is opened: the caller's
    batches commit one by one. Where the role does not own the tables, or another session holds a lock on one, they are
    loaded with indexes and keys in place.

    Args:
        connection: Outside of a transaction.
        staging: Where the rows come from.
        tables: Names of the tables, the entity's own first.
        then: Called at the end of the transaction, after the indexes were made again.

    Yields:
        Whether the tables were empty.
    """
    are_empty = sql.SQL(" AND ").join(
        sql.SQL("NOT EXISTS (SELECT FROM {})").format(sql.Identifier(table)) for table in tables
    )
    question = sql.SQL(statement("warehouse/bulk_may_load")).format(
        are_empty=are_empty, staging=sql.Identifier(staging)
    )
    with connection.transaction():
        row = connection.execute(question).fetchone()
        makers = connection.execute(statement("warehouse/load_definitions"), {"tables": list(tables)}).fetchall()
    if row != (True,) or not makers:
        yield False
        return
    with connection.transaction():
        allow_long_statements(connection)
        if not _drop(connection, [drop for _, drop, _ in makers]):
            makers = []
        yield True
        for _, _, make in makers:
            connection.execute(make.encode())
        for table in tables:
            # Without statistics the planner assumes an empty table: the search for duplicate notes once took a minute.
            connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
        then()


def _drop(connection: Connection, statements: list[str]) -> bool:
    try:
        with brief_exclusive_lock(connection):
            for text in statements:
                connection.execute(text.encode())
    except errors.InsufficientPrivilege:
        log.info("role does not own the tables: loading them with their foreign keys in place")
        return False
    except errors.LockNotAvailable:
        log.info("a table is locked by another session: loading them with their foreign keys in place")
        return False
    return True
