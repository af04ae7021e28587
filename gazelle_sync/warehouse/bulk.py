"""Loading empty tables: what costs something for each row is put off until the rows are in.

Production tables lose their plain indexes and the foreign keys among themselves, and have them made again, all in one
transaction: a process that dies leaves them as they were, empty and whole, and their rows waiting in staging. Foreign
keys that point to other tables stay: to drop one locks that table for as long as the load takes, and others read it.

A staging table loses the index of what waits, in the transaction that brings its first rows, and gets room for a second
version of each row in its own page: marking a row as processed then touches no index at all. (Measured on 100,000 rows:
2.9 s with them, 0.8 s so.) The index is made again when nothing waits any more. A process that dies in between leaves a
table that is true and slower; whoever applies next mends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from psycopg import errors, sql

from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import allow_time, locking_out_others

ROOM_TO_MARK = 45
"""Per cent of a page that first versions fill: the second, a little longer, then fits beside each."""

log = get_logger("gazelle_sync.warehouse")


@contextmanager
def bulk_load(connection: Connection, staging: str, tables: Sequence[str], then: Callable[[], None]) -> Iterator[bool]:
    """Let tables take rows without foreign keys and plain indexes, in one transaction, if they are empty and ours.

    Where one of them holds a row, or nothing is staged, nothing is dropped and no transaction is opened: the caller's
    batches commit one by one. Where the role does not own them, or somebody holds one, they are loaded as they are.

    Args:
        connection: Outside of a transaction.
        staging: Where the rows come from.
        tables: The entity's own first.
        then: Called at the end of that one transaction, when the indexes are there again.

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
        makers = connection.execute(statement("warehouse/bulk_definitions"), {"tables": list(tables)}).fetchall()
    if row != (True,) or not makers:
        yield False
        return
    with connection.transaction():
        allow_time(connection)
        if not _drop(connection, [drop for drop, _ in makers]):
            makers = []
        yield True
        for _, make in makers:
            connection.execute(make.encode())
        for table in tables:
            # Without statistics the planner takes the table for empty: the search for twins once took a minute.
            connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
        then()


def drop_pending_index(connection: Connection, staging: str) -> None:
    """Make an empty staging table ready for many rows that are marked once, in the caller's transaction.

    Where the role does not own the table, or somebody is reading it for long, nothing is done.
    """
    try:
        with locking_out_others(connection):
            for (drop,) in connection.execute(statement("warehouse/staging_spare"), {"staging": staging}).fetchall():
                connection.execute(drop.encode())
            connection.execute(
                sql.SQL("ALTER TABLE {} SET (fillfactor = {})").format(sql.Identifier(staging), ROOM_TO_MARK)
            )
    except (errors.InsufficientPrivilege, errors.LockNotAvailable):
        log.info("this table keeps its index during its first import", table=staging)


def rebuild_pending_index(connection: Connection, staging: str) -> None:
    """Give a staging table back what `drop_pending_index` took, unless somebody is writing to it for long."""
    names = {"index": sql.Identifier(f"{staging}_unprocessed"), "staging": sql.Identifier(staging)}
    try:
        with locking_out_others(connection):
            connection.execute(sql.SQL(statement("warehouse/staging_index")).format(**names))
            connection.execute(sql.SQL("ALTER TABLE {staging} RESET (fillfactor)").format(**names))
    except errors.InsufficientPrivilege:
        log.warning("the index of what waits is missing, and this role may not make it", table=staging)
    except errors.LockNotAvailable:
        log.info("somebody holds this table: the next run makes its index of what waits", table=staging)


def _drop(connection: Connection, statements: list[str]) -> bool:
    try:
        with locking_out_others(connection):
            for text in statements:
                connection.execute(text.encode())
    except errors.InsufficientPrivilege:
        log.info("this role does not own the tables: loading them with their foreign keys in place")
        return False
    except errors.LockNotAvailable:
        log.info("somebody holds one of the tables: loading them with their foreign keys in place")
        return False
    return True
