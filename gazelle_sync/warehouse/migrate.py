"""Plain SQL migrations: in order, once, each in a transaction that also records it.

Why not a migration library: yoyo, the one that runs plain files over psycopg 3, guards its run with a row in a lock
table, which a killed process leaves behind so that the next command waits and fails; and it prepares statements,
which a transaction-mode pooler refuses. An advisory transaction lock has neither fault.
"""

from __future__ import annotations

from pathlib import Path

import psycopg

from gazelle_sync.errors import DatabaseError
from gazelle_sync.warehouse.connect import SQL_ROOT, Connection, connect, database_errors
from gazelle_sync.warehouse.relations import MIGRATIONS, present_tables

MIGRATION_LOCK = 0x6761_7A01
"""Advisory lock key: two processes that migrate at once do it one after the other."""


def migrate(url: str) -> list[str]:
    """Apply every migration that the database has not seen.

    Returns:
        Names of the files applied now, in order; empty when the database was up to date.

    Raises:
        DatabaseError: The database cannot be reached or refuses; the migrations before the refused one stay applied.
        RowsHidden: Row-level security hides rows of our tables from this role. Every run begins here, so none goes on.
    """
    applied: list[str] = []
    # Autocommit: each `transaction()` below is then one of its own, not a savepoint in one that spans them all.
    with database_errors(), connect(url, autocommit=True) as connection:
        missing = _missing(connection)
        connection.commit()  # or the transactions below would be savepoints of the one that this question began
        if not missing:
            return applied
        for path in _files():
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
                if path.name in _recorded(connection, is_there=MIGRATIONS in present_tables(connection)):
                    continue
                _run(connection, path)
                connection.execute("INSERT INTO schema_migrations (name) VALUES (%s)", [path.name])
            applied.append(path.name)
    return applied


def apply_again(url: str) -> None:
    """Apply every file once more: what is there stays as it is, what somebody dropped is made.

    Raises:
        DatabaseError: The database cannot be reached or refuses.
    """
    with database_errors(), connect(url, autocommit=True) as connection:
        for path in _files():
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
                _run(connection, path)


def _run(connection: Connection, path: Path) -> None:
    try:
        # Where it is off, each backslash of a file would mean something else, and views keep what they were told.
        connection.execute("SET LOCAL standard_conforming_strings = on")
        connection.execute(path.read_bytes())
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError) as error:
        raise DatabaseError(
            f"PostgreSQL refuses sql/migrations/{path.name} ({str(error).strip()}). Nothing of that file was applied. "
            'If a table of a predecessor has the same name, rename it first (README, "Run it for a shop").'
        ) from error


def pending(url: str) -> list[str]:
    """Names of the migrations that the database has not seen, in order.

    Raises:
        DatabaseError: The database cannot be reached.
        RowsHidden: Row-level security hides rows of our tables from this role.
    """
    with database_errors(), connect(url) as connection:
        return _missing(connection)


def _files() -> list[Path]:
    return sorted((SQL_ROOT / "migrations").glob("*.sql"))


def _missing(connection: Connection) -> list[str]:
    recorded = _recorded(connection, is_there=MIGRATIONS in present_tables(connection))
    return [path.name for path in _files() if path.name not in recorded]


def _recorded(connection: Connection, *, is_there: bool) -> set[str]:
    if not is_there:
        return set()
    return {name for (name,) in connection.execute("SELECT name FROM public.schema_migrations")}
