"""Applies the SQL migrations: in order, each once, in a transaction that also records it.

No migration library is used. yoyo, the one that runs plain files over psycopg 3, locks with a row in a table, which
stays when the process is killed, so that the next command waits and fails. It also prepares statements, which a
transaction-mode pooler refuses. A transaction-level advisory lock has neither problem.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import psycopg
from psycopg import errors, sql

from gazelle_sync.errors import DatabaseError, RoleRefused, first_line
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import translator
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import SQL_ROOT, Connection, statement
from gazelle_sync.warehouse.limits import LOCK_WAIT, LONG
from gazelle_sync.warehouse.pool import borrow, together
from gazelle_sync.warehouse.relations import (
    DATA_API_ROLES,
    MIGRATIONS,
    describe_public_grants,
    present_tables,
    public_grants,
    visible_tables,
    which_tables_exist,
)

log = get_logger("gazelle_sync.warehouse")

RECORD = "INSERT INTO public.schema_migrations (name) VALUES ({}) {}"
RECORDED = "SELECT name FROM public.schema_migrations"
MIGRATION_LOCK = 0x6761_7A01
"""Key of the advisory lock that lets only one process migrate at a time."""
ASK_AGAIN_S = 60.0
_up_to_date: dict[str, float] = {}
_rememberers = 0


@contextmanager
def schema_remembered() -> Iterator[None]:
    """Until the last of these blocks ends, a database that is up to date is asked about it once a minute.

    For a command of several parts, and for a process that lives long and answers many small questions: where the
    database is far away, each of them would begin with a round trip.
    """
    global _rememberers  # as of the connections: one memory a process
    _rememberers += 1
    try:
        yield
    finally:
        _rememberers -= 1
        if not _rememberers:
            _up_to_date.clear()


def forget_schema(url: str) -> None:
    """Ask again: a statement was refused, so something of the database may be gone."""
    _up_to_date.pop(url, None)


def migrate(url: str) -> list[str]:
    """Apply every migration that the database has not seen.

    Returns:
        Names of the files applied now, in order; empty when the database was up to date.

    Raises:
        DatabaseError: The database cannot be reached or refuses; the migrations before the refused one stay applied.
        RowsHidden: Row-level security hides rows of our tables from this role. Every run begins here, so none goes on.
    """
    if _is_remembered(url):
        return []
    with borrow(url) as connection:
        missing = _missing(connection)
        if not missing:
            _remember(url)
            return []
        _assert_utf8(connection)
        roles = _data_api_roles(connection)
        applied = [] if roles else _apply_together(connection, missing)
        applied += [path.name for path in missing[len(applied) :] if _apply(connection, path, roles)]
        if roles and (grants := public_grants(connection)):
            log.warning("tables are open to the public", advice=describe_public_grants(grants, translator("en")))
    _remember(url)
    return applied


def apply_again(connection: Connection) -> None:
    """Apply every file again. What is there stays as it is; what somebody dropped is made again.

    Args:
        connection: In no transaction.

    Raises:
        DatabaseError: The database refuses.
    """
    roles = _data_api_roles(connection)
    for path in migration_files():
        _apply(connection, path, roles, again=True)


def _assert_utf8(connection: Connection) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in ("UTF8", None):
        raise DatabaseError(
            gettext(
                "This database's encoding is {encoding}, which cannot hold every letter of a name or a note. Nothing "
                "was done. Make one in UTF8 (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0 LOCALE 'C.UTF-8') "
                "and set GAZELLE_DATABASE_URL to it.",
                encoding=encoding,
            )
        )


def _apply_together(connection: Connection, missing: Sequence[Path]) -> list[str]:
    """Apply files in one round trip, each as a transaction of its own.

    Returns:
        Names of those that were applied, in order: all before the first that was refused, or that another process
        applied meanwhile.
    """
    names = [path.name for path in missing]
    if _reads_backslashes(connection):
        return []
    try:
        connection.execute(
            b"\n;\n".join([part for path in missing for part in [*_script(connection, path), b"COMMIT"]])
        )
    except psycopg.Error as error:
        if connection.closed:
            raise
        connection.rollback()
        left = {path.name for path in _missing(connection)}
        said = error.diag.message_detail or ""  # of one that another process applied it says the name
        return list(takewhile(lambda name: name not in left and name not in said, names))
    return names


def _apply(connection: Connection, path: Path, roles: Sequence[str], *, again: bool = False) -> bool:
    """Apply a file and record it, as one script and in one transaction.

    Args:
        connection: In no transaction.
        path: The file.
        roles: Those of the Data API.
        again: Whether it was applied before.

    Returns:
        Whether it was applied; False: another process has done it meanwhile.
    """
    before = _objects(connection) if roles else set()
    script = [*_script(connection, path, again=again), *([] if roles else [b"COMMIT"])]
    try:
        if _reads_backslashes(connection):
            connection.execute(script.pop(0))  # PostgreSQL reads a script whole before it runs the first statement
        connection.execute(b"\n;\n".join(script))
    except errors.UniqueViolation as error:
        if error.diag.table_name != MIGRATIONS:
            raise _refused(path, error) from error
        connection.rollback()
        return False
    except errors.InsufficientPrivilege as error:
        raise RoleRefused(
            gettext(
                "The role {role} may not do what sql/migrations/{file} does ({reason}). Nothing of that file was "
                "applied. Run `gazelle-sync migrate` as the owner of the database or of the tables; a role that is to "
                "make them needs GRANT CREATE ON DATABASE … and GRANT CREATE ON SCHEMA public.",
                role=connection.info.user,
                file=path.name,
                reason=first_line(error),
            )
        ) from error
    except (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError) as error:
        raise _refused(path, error) from error
    if roles:
        _close(connection, sorted(_objects(connection) - before), roles)
        connection.commit()
    return True


def _script(connection: Connection, path: Path, *, again: bool = False) -> list[bytes]:
    """The statements that begin a transaction, record a file and apply it."""
    opening = sql.SQL(statement("warehouse/migration_begin")).format(
        lock=sql.Literal(MIGRATION_LOCK), long=sql.Literal(LONG), lock_wait=sql.Literal(LOCK_WAIT)
    )
    record = sql.SQL(RECORD).format(sql.Literal(path.name), sql.SQL("ON CONFLICT DO NOTHING" if again else ""))
    parts = [record.as_bytes(connection), path.read_bytes()]
    if path == migration_files()[0]:  # it makes the table in which it is recorded
        parts.reverse()
    return [opening.as_bytes(connection), *parts]


def _reads_backslashes(connection: Connection) -> bool:
    """Whether the server gives backslashes a meaning until the script's first statements have said that it must not."""
    return connection.info.parameter_status("standard_conforming_strings") == "off"


def _refused(path: Path, error: psycopg.Error) -> DatabaseError:
    return DatabaseError(
        gettext(
            "PostgreSQL refuses sql/migrations/{file} ({reason}). Nothing of that file was applied. If a table of "
            'a predecessor has the same name, rename it first (README, "Run it for a shop").',
            file=path.name,
            reason=str(error).strip(),
        )
    )


def _data_api_roles(connection: Connection) -> list[str]:
    """Roles of a hosted database's Data API, which gets every right to new objects in schema public."""
    query = "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY (%s) ORDER BY rolname"
    return [name for (name,) in connection.execute(query, [list(DATA_API_ROLES)])]


def _objects(connection: Connection) -> set[tuple[str, str]]:
    """Kind and name of every table, view, sequence and function of our schemas."""
    return set(connection.execute(statement("warehouse/objects"), {"schemas": ["public", "gazelle"]}).fetchall())


def _close(connection: Connection, made: Sequence[tuple[str, str]], roles: Sequence[str]) -> None:
    """Revoke the Data API's rights to new objects. Functions are revoked from PUBLIC, which may call any new one."""
    for kind, name in made:
        from_whom = sql.SQL(", ").join([sql.Identifier(visitor) for visitor in roles])
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
    if _is_remembered(url):
        return []
    with borrow(url) as connection:
        missing = [path.name for path in _missing(connection)]
    if not missing:
        _remember(url)
    return missing


def _is_remembered(url: str) -> bool:
    return time.monotonic() - _up_to_date.get(url, -ASK_AGAIN_S) < ASK_AGAIN_S


def _remember(url: str) -> None:
    if _rememberers:
        _up_to_date[url] = time.monotonic()


def migration_files() -> list[Path]:
    """The files of `sql/migrations`, in order."""
    return sorted((SQL_ROOT / "migrations").glob("*.sql"))


def _missing(connection: Connection) -> list[Path]:
    """What is to be applied, by one round trip where some migration was ever applied."""
    recorded: set[str] = set()
    try:
        tables, names = together(connection, which_tables_exist(), (RECORDED, None))
    except errors.UndefinedTable:
        connection.rollback()
        present_tables(connection)  # raises where it hides rows of ours
    else:
        visible_tables(tables)
        recorded = {name for (name,) in names}
    return [path for path in migration_files() if path.name not in recorded]
