"""Connections that also work behind a transaction-mode pooler (Supabase's port 6543, PgBouncer).

Such a pooler may run each transaction in another server session, so nothing may depend on the session: no prepared
statements, no session settings, no session locks, and temporary tables only with `ON COMMIT DROP`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import TracebackType
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg import errors
from psycopg.types.json import set_json_loads

from gazelle_sync.errors import DatabaseError, DatabaseFull, RoleRefused, first_line
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.settings import FILES
from gazelle_sync.warehouse.calendar_ends import clamp_to_calendar

Connection = psycopg.Connection[tuple[Any, ...]]

SQL_ROOT = FILES / "sql"
CONNECT_TIMEOUT_S = 10
KEEPALIVE_S = 20
"""After so many seconds without a word the system asks whether the server is still there: what lies between forgets a
connection of which it hears nothing."""

set_json_loads(msgspec.json.decode)


ADVICE: tuple[tuple[tuple[type[psycopg.Error], ...], type[DatabaseError], Message], ...] = (
    (
        (errors.DiskFull, errors.OutOfMemory),
        DatabaseFull,
        Message(
            "PostgreSQL has no room left ({said}). Free space on the database's disk and run again: what was committed "
            "is kept, and the rest will be read again."
        ),
    ),
    (
        (errors.ReadOnlySqlTransaction,),
        DatabaseError,
        Message(
            "PostgreSQL accepts no changes ({said}). Use the address of the primary server and not of a standby, "
            "and look whether default_transaction_read_only is on for this database or role."
        ),
    ),
    (
        (errors.UndefinedTable,),
        DatabaseError,
        Message(
            "The database lacks something that was there ({said}). If somebody dropped it, `gazelle-sync migrate` "
            "makes it again and says what to do then; if it is there, this role's search_path leaves its schema out."
        ),
    ),
    (
        (errors.InsufficientPrivilege,),
        RoleRefused,
        Message(
            "PostgreSQL refuses this role ({said}). Use a role that owns the tables, or grant it gazelle_owner "
            "(sql/migrations/006_roles.sql)."
        ),
    ),
    (
        (errors.QueryCanceled, errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure),
        DatabaseError,
        Message(
            "PostgreSQL cancelled a statement ({said}). What was committed is kept; run again. If it happens "
            "again, see who locks the table (pg_locks), or raise statement_timeout or lock_timeout of this role."
        ),
    ),
    (
        (psycopg.OperationalError, psycopg.InterfaceError, errors.IdleInTransactionSessionTimeout),
        DatabaseError,
        Message(
            "PostgreSQL cannot be reached or the connection was lost ({said}). Check GAZELLE_DATABASE_URL, and "
            "that the server runs and accepts connections from this machine."
        ),
    ),
)
"""Errors that would stop every row: psycopg's classes, ours, and the message. The first that fits is taken."""

AFFECTING_EVERY_ROW = tuple(kind for kinds, _, _ in ADVICE for kind in kinds)


def affects_every_row(error: BaseException) -> bool:
    """Whether an error of PostgreSQL would stop every row. A lock that another session holds concerns one row only."""
    return isinstance(error, AFFECTING_EVERY_ROW) and not isinstance(error, errors.LockNotAvailable)


class _ReportingConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that also raises `DatabaseError` when the commit or rollback at the end of its block fails."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with database_errors():
            super().__exit__(kind, error, trace)


def connect(url: str, *, autocommit: bool = False) -> Connection:
    """Open a connection.

    Args:
        url: `postgresql://…`, a pooler's address included.
        autocommit: Whether each statement is its own transaction.

    Raises:
        DatabaseError: The server cannot be reached or refuses the credentials.
    """
    # libpq sends these at start-up, which poolers allow (they refuse `options`). psycopg cannot read instants that a
    # database with another DateStyle sends.
    os.environ.update(PGDATESTYLE="ISO", PGTZ="UTC")
    with database_errors():
        connection = _ReportingConnection.connect(
            url,
            autocommit=autocommit,
            prepare_threshold=None,
            client_encoding="utf8",  # names have accents, and the database's own setting may be another
            connect_timeout=CONNECT_TIMEOUT_S,
            keepalives_idle=KEEPALIVE_S,
            keepalives_interval=KEEPALIVE_S,
            application_name="gazelle_sync",
        )
    clamp_to_calendar(connection)
    return connection


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn psycopg's errors that would stop every row into `DatabaseError`, with what to do; others pass unchanged."""
    try:
        yield
    except AFFECTING_EVERY_ROW as error:
        raised, advice = next((raised, text) for kinds, raised, text in ADVICE if isinstance(error, kinds))
        raise raised(gettext(advice, said=first_line(error))) from error


def read_all_statements() -> None:
    """Read every statement of `sql/queries`, for processes that are forked from this one."""
    folder = SQL_ROOT / "queries"
    for path in folder.rglob("*.sql"):
        statement(path.relative_to(folder).with_suffix("").as_posix())


@cache
def statement(name: str) -> LiteralString:
    """The text of `sql/queries/<name>.sql`."""
    text: LiteralString = (SQL_ROOT / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    return text
