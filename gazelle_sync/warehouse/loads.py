"""First loads: empty tables take rows without foreign keys and plain indexes, which are made when the rows are in.

Loads begin in one transaction and end in another; in between each page commits by itself, and readers see what is in.
What has to be made again is written down in `system_settings`, in the transaction that drops it. So a process that dies
in between leaves tables that are true and slower, and the next run ends its loads first.

Only empty tables are loaded so, and only foreign keys among them are dropped: to drop one locks the table that it
points to as well, which others may read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import LiteralString

import msgspec
import stamina
from psycopg import errors, sql

from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import LOCK_WAIT_DEFAULT, brief_lock
from gazelle_sync.warehouse.pool import Question, Rows, change, together
from gazelle_sync.warehouse.settings_table import setting

SETTING = "first_loads"
"""JSON: entity → the statements that make its keys and indexes again."""

WRITERS_S = 60.0
"""How long the end of a load waits for those that write to its tables."""
SMALL_SAMPLE: LiteralString = "SET LOCAL default_statistics_target = 10"
MAY_MAKE = "SELECT has_schema_privilege('public', 'CREATE')"
STORED: Question = "SELECT value FROM system_settings WHERE key = %s", [SETTING]
log = get_logger("gazelle_sync.warehouse")


def begin_loads(connection: Connection, wanted: Mapping[str, Sequence[str]]) -> set[str]:
    """Begin the load of entities of which all tables are empty.

    Nothing is dropped where the role does not own the tables or may make nothing in their schema (it could not make
    an index again), or another session holds a lock on one of them.

    Args:
        connection: In no transaction.
        wanted: Entity → the tables that its load fills.

    Returns:
        The entities that are loaded.
    """
    tables = {table for names in wanted.values() for table in names}
    if not tables:
        return set()
    is_empty = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {} WHERE NOT EXISTS (SELECT FROM {})").format(sql.Literal(table), sql.Identifier(table))
        for table in sorted(tables)
    )
    found, [(may_make,)], stored, definitions = together(
        connection,
        (is_empty, None),
        (MAY_MAKE, None),
        STORED,
        (statement("warehouse/load_definitions"), {"tables": sorted(tables)}),
    )
    empty = {name for (name,) in found if may_make}
    loaded = {entity: names for entity, names in wanted.items() if empty.issuperset(names)}
    if not loaded:
        return set()
    owners = {table: entity for entity, names in loaded.items() for table in names}
    makers = _makers(stored) | {entity: [] for entity in loaded}
    drops: list[Question] = []
    for table, parent, drop, make in definitions:
        if table in owners and parent in (None, *owners):
            makers[owners[table]].append(make)
            drops.append((drop.encode(), None))
    drops += _autovacuum("SET (autovacuum_enabled = off)", owners)
    try:
        change(connection, brief_lock(), *drops, setting(SETTING, json.dumps(makers)))
    except (errors.InsufficientPrivilege, errors.LockNotAvailable) as error:
        log.info("tables are loaded with their keys and indexes in place", reason=str(error).strip())
        return set()
    return set(loaded)


def open_loads(stored: str | None) -> list[str] | None:
    """The entities whose load was begun and not ended, by the value of `SETTING`; None: it cannot be read."""
    makers = _read(stored)
    return None if makers is None else list(makers)


def end_loads(connection: Connection, wanted: Mapping[str, Sequence[str]], then: Callable[[], None]) -> None:
    """Make the keys and indexes of some entities again, in one transaction.

    All at once, so that they cost as many round trips as one: far away, ending eight loads one by one took three
    seconds.

    Args:
        connection: In no transaction.
        wanted: Entity → the tables that its load filled.
        then: Called when the indexes are there and before the foreign keys are: it gives a row to what is named and
            has none.

    Raises:
        psycopg.OperationalError: Another session was writing to a table all the while. The loads stay open, and the
            next run ends them.
    """
    tables = [table for names in wanted.values() for table in names]
    stored = _keep_writers_out(connection, tables)
    try:
        makers = _makers(stored)
        made = [make for entity in wanted for make in makers.pop(entity, [])]
        keys = [make for make in made if make.startswith("ALTER TABLE")]
        # Without statistics the planner assumes an empty table: the search for duplicate notes once took a minute. A
        # small sample is enough until autovacuum takes its own; the usual one reads thirty thousand bodies a table.
        analyze = sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(map(sql.Identifier, tables)))
        _make(connection, [make for make in made if make not in keys], (SMALL_SAMPLE, None), (analyze, None))
        then()
        cleaned = _autovacuum("RESET (autovacuum_enabled)", tables)
        _make(connection, keys, *cleaned, setting(SETTING, json.dumps(makers)), ("COMMIT", None))
    except BaseException:
        if not connection.closed:
            connection.rollback()
        raise


def _keep_writers_out(connection: Connection, tables: Sequence[str]) -> Rows:
    """Open a transaction in which no other session writes to some tables; gives the answer to `STORED`.

    An index is made only when those that write have ended. Readers never wait for that, but whoever writes next does:
    so it is waited for briefly, and again.
    """
    lock = sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.SQL(", ").join(map(sql.Identifier, tables)))
    asked: list[Question] = [brief_lock(), (lock, None), (LOCK_WAIT_DEFAULT, None), STORED]
    for attempt in stamina.retry_context(
        on=(errors.LockNotAvailable, errors.DeadlockDetected),
        attempts=None,
        timeout=WRITERS_S,
        wait_initial=0.2,
        wait_max=2.0,
    ):
        with attempt:
            return together(connection, *asked, ends=False)[-1]
    raise AssertionError("stamina returns or raises")


def _autovacuum(option: LiteralString, tables: Iterable[str]) -> list[Question]:
    """Statements that keep autovacuum away from tables that are loaded, or let it come.

    Next to nothing is dead in them, and it would come again each time that they have grown by a fifth, to read and
    freeze what is in: of 2,800,000 entries that took a twelfth of the server's processor time. It comes after the load.
    """
    return [(sql.SQL("ALTER TABLE {} " + option).format(sql.Identifier(table)), None) for table in tables]


def _make(connection: Connection, statements: Sequence[str], *after: Question) -> None:
    """Make keys or indexes and do what comes after them, in one round trip; where one is refused, each by itself."""
    making: list[Question] = [(text.encode(), None) for text in statements]
    try:
        change(connection, ("SAVEPOINT making", None), *making, ("RELEASE SAVEPOINT making", None), *after)
    except (errors.DuplicateTable, errors.DuplicateObject, errors.ForeignKeyViolation):
        connection.execute("ROLLBACK TO SAVEPOINT making")
        for text in statements:
            _make_one(connection, text)
        change(connection, *after)


def _make_one(connection: Connection, text: str) -> None:
    try:
        with connection.transaction():
            connection.execute(text.encode())
    except (errors.DuplicateTable, errors.DuplicateObject):
        log.info("somebody has made it again already", statement=text)
    except errors.ForeignKeyViolation as error:
        # A row that somebody put there by hand meanwhile. It must not hold up every run from now on: the key holds
        # for what is written, and `gazelle-sync migrate` holds it against all rows when that row is put right.
        log.warning("a foreign key holds for new rows only", reason=str(error).strip())
        connection.execute(f"{text} NOT VALID".encode())


def _makers(stored: Rows) -> dict[str, list[str]]:
    return _read(stored[0][0] if stored else None) or {}


def _read(stored: str | None) -> dict[str, list[str]] | None:
    try:
        return msgspec.json.decode(stored or "{}", type=dict[str, list[str]])
    except msgspec.MsgspecError:
        return None
