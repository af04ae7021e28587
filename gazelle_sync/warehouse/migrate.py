"""Plain SQL migrations: in order, once, each in a transaction that also records it.

Why not a migration library: yoyo, the one that runs plain files over psycopg 3, guards its run with a row in a lock
table, which a killed process leaves behind so that the next command waits and fails; and it prepares statements,
which a transaction-mode pooler refuses. An advisory transaction lock has neither fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import errors, sql

from gazelle_sync.errors import DatabaseError, RoleRefused, first_line
from gazelle_sync.i18n.translator import translator
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import SQL_ROOT, Connection, connect, database_errors, statement
from gazelle_sync.warehouse.limits import locking_out_others
from gazelle_sync.warehouse.relations import MIGRATIONS, VISITORS, open_doors, present_tables, say_doors

log = get_logger("gazelle_sync.warehouse")

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
        _assert_utf8(connection)
        visitors = _visitors(connection)
        for path in migration_files():
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
                if path.name in _recorded(connection, is_there=MIGRATIONS in present_tables(connection)):
                    continue
                _run(connection, path, visitors)
                connection.execute("INSERT INTO schema_migrations (name) VALUES (%s)", [path.name])
            applied.append(path.name)
        if visitors and (doors := open_doors(connection)):
            log.warning("tables are open to the public", advice=say_doors(doors, translator("en")))
    return applied


def apply_again(url: str) -> None:
    """Apply every file once more: what is there stays as it is, what somebody dropped is made.

    Raises:
        DatabaseError: The database cannot be reached or refuses.
    """
    with database_errors(), connect(url, autocommit=True) as connection:
        visitors = _visitors(connection)
        for path in migration_files():
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_LOCK])
                _run(connection, path, visitors)


def _assert_utf8(connection: Connection) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in ("UTF8", None):
        raise DatabaseError(
            f"This database's encoding is {encoding}, which cannot hold every letter of a name or a note. Nothing was "
            f"done. Make one in UTF8 (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0 LOCALE 'C.UTF-8') and set "
            "GAZELLE_DATABASE_URL to it."
        )


def _run(connection: Connection, path: Path, visitors: Sequence[str]) -> None:
    before = _objects(connection) if visitors else set()
    try:
        with locking_out_others(connection):
            # Where it is off, each backslash of a file would mean something else, and views keep what they were told.
            connection.execute("SET LOCAL standard_conforming_strings = on")
            connection.execute(path.read_bytes())
    except errors.InsufficientPrivilege as error:
        raise RoleRefused(
            f"The role {connection.info.user} may not do what sql/migrations/{path.name} does ({first_line(error)}). "
            "Nothing of that file was applied. Run `gazelle-sync migrate` as the owner of the database or of the "
            "tables; a role that is to make them needs GRANT CREATE ON DATABASE … and GRANT CREATE ON SCHEMA public."
        ) from error
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError) as error:
        raise DatabaseError(
            f"PostgreSQL refuses sql/migrations/{path.name} ({str(error).strip()}). Nothing of that file was applied. "
            'If a table of a predecessor has the same name, rename it first (README, "Run it for a shop").'
        ) from error
    if visitors:
        _close(connection, sorted(_objects(connection) - before), visitors)


def _visitors(connection: Connection) -> list[str]:
    """Roles of a hosted database's Data API: it gives them every right to whatever is made in schema public."""
    return [name for (name,) in connection.execute(statement("warehouse/visitors"), {"roles": list(VISITORS)})]


def _objects(connection: Connection) -> set[tuple[str, str]]:
    """Kind and name of every table, view, sequence and function of our schemas."""
    return set(connection.execute(statement("warehouse/objects"), {"schemas": ["public", "gazelle"]}).fetchall())


def _close(connection: Connection, made: Sequence[tuple[str, str]], visitors: Sequence[str]) -> None:
    """Take what was just made from the visitors; anybody may call a new function unless PUBLIC is told otherwise."""
    for kind, name in made:
        from_whom = sql.SQL(", ").join([sql.Identifier(visitor) for visitor in visitors])
        if kind == "FUNCTION":
            from_whom = sql.SQL("PUBLIC, {}").format(from_whom)
        # Names come from format('%I.%I') and regprocedure: PostgreSQL has quoted them.
        connection.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(sql.SQL(f"{kind} {name}"), from_whom))


def pending(url: str) -> list[str]:
    """Names of the migrations that the database has not seen, in order.

    Raises:
        DatabaseError: The database cannot be reached.
        RowsHidden: Row-level security hides rows of our tables from this role.
    """
    with database_errors(), connect(url) as connection:
        return _missing(connection)


def migration_files() -> list[Path]:
    """The files of `sql/migrations`, in order."""
    return sorted((SQL_ROOT / "migrations").glob("*.sql"))


def _missing(connection: Connection) -> list[str]:
    recorded = _recorded(connection, is_there=MIGRATIONS in present_tables(connection))
    return [path.name for path in migration_files() if path.name not in recorded]


def _recorded(connection: Connection, *, is_there: bool) -> set[str]:
    if not is_there:
        return set()
    return {name for (name,) in connection.execute("SELECT name FROM public.schema_migrations")}
