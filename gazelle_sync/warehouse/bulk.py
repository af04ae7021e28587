"""Loading an empty table: foreign keys and plain indexes are dropped, and made again once the rows are in.

Measured on 280,000 timeline entries: 14 s row by row, 4 s this way. All of it is one transaction, so a process that
dies leaves the table as it was, empty and whole, and its rows waiting in staging.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from psycopg import errors, sql

from gazelle_sync.log import get_logger
from gazelle_sync.warehouse.connect import Connection, statement

log = get_logger("gazelle_sync.warehouse")


@contextmanager
def bulk_load(connection: Connection, tables: Sequence[str], then: Callable[[], None]) -> Iterator[bool]:
    """Let tables take rows without foreign keys and plain indexes, in one transaction, if they are empty and ours.

    Where they are not (the first holds a row, or the role does not own them), nothing is dropped and no transaction is
    opened: the caller's batches commit one by one.

    Args:
        connection: Outside of a transaction.
        tables: The entity's own first.
        then: Called at the end of that one transaction, when the indexes are there again.

    Yields:
        Whether the tables were empty.
    """
    with connection.transaction():
        row = connection.execute(
            sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(sql.Identifier(tables[0]))
        ).fetchone()
        makers = connection.execute(statement("bulk_definitions"), {"tables": list(tables)}).fetchall()
    if row != (True,) or not makers:
        yield False
        return
    with connection.transaction():
        # A hosted server ends statements after two minutes; checking the foreign keys of millions of rows takes longer.
        connection.execute("SET LOCAL statement_timeout = 0")
        if not _drop(connection, [drop for drop, _ in makers]):
            makers = []
        yield True
        for _, make in makers:
            connection.execute(make.encode())
        for table in tables:
            # Without statistics the planner takes the table for empty: the search for twins once took a minute.
            connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
        then()


def _drop(connection: Connection, statements: list[str]) -> bool:
    try:
        with connection.transaction():
            for text in statements:
                connection.execute(text.encode())
    except errors.InsufficientPrivilege:
        log.info("this role does not own the tables: loading them with their foreign keys in place")
        return False
    return True
