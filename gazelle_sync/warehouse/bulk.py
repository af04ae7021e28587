"""Loading empty tables: what costs something for each row is put off until the rows are in.

A production table loses its foreign keys and plain indexes and has them made again, all in one transaction: a process
that dies leaves it as it was, empty and whole, and its rows waiting in staging.

A staging table loses the index of what waits, in the transaction that brings its first rows, and gets room for a second
version of each row in its own page: marking a row as processed then touches no index at all. (Measured on 100,000 rows:
2.9 s with them, 0.8 s so.) The index is made again when nothing waits any more. A process that dies in between leaves a
table that is true and slower; whoever applies next mends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from psycopg import errors, sql

from gazelle_sync.log import get_logger
from gazelle_sync.warehouse.connect import Connection, statement

ROOM_TO_MARK = 45
"""Per cent of a page that first versions fill: the second, a little longer, then fits beside each."""

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


def spare_marking(connection: Connection, staging: str) -> None:
    """Make an empty staging table ready for many rows that are marked once, in the caller's transaction.

    Where the role does not own the table, or somebody is reading it for long, nothing is done.
    """
    try:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '1s'")
            for (drop,) in connection.execute(statement("staging_spare"), {"staging": staging}).fetchall():
                connection.execute(drop.encode())
            connection.execute(
                sql.SQL("ALTER TABLE {} SET (fillfactor = {})").format(sql.Identifier(staging), ROOM_TO_MARK)
            )
    except (errors.InsufficientPrivilege, errors.LockNotAvailable):
        log.info("this table keeps its index during its first import", table=staging)


def restore_marking(connection: Connection, staging: str) -> None:
    """Give a staging table back what `spare_marking` took."""
    names = {"index": sql.Identifier(f"{staging}_unprocessed"), "staging": sql.Identifier(staging)}
    try:
        with connection.transaction():
            connection.execute(sql.SQL(statement("staging_index")).format(**names))
            connection.execute(sql.SQL("ALTER TABLE {staging} RESET (fillfactor)").format(**names))
    except errors.InsufficientPrivilege:
        log.warning("the index of what waits is missing, and this role may not make it", table=staging)


def _drop(connection: Connection, statements: list[str]) -> bool:
    try:
        with connection.transaction():
            for text in statements:
                connection.execute(text.encode())
    except errors.InsufficientPrivilege:
        log.info("this role does not own the tables: loading them with their foreign keys in place")
        return False
    return True
