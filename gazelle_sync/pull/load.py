"""A load of empty tables, from the entity's side: which entities load, and what is looked up when their rows are in.

While entities load side by side nothing holds their rows against each other. So at the end what is named and is nowhere
gets its stub, with what the records that name it say of it, before the foreign keys are made. All loads of a run end
together: what is asked and done for each is sent at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice

from psycopg import errors, sql

from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.pull.guard import rows_of
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.loads import SETTING, begin_loads, end_loads, open_loads
from gazelle_sync.warehouse.lock import WAIT_S, PullLock
from gazelle_sync.warehouse.merge import Staged, TableWriter
from gazelle_sync.warehouse.migrate import apply_again
from gazelle_sync.warehouse.pool import Question, Rows, borrow, change, look_up, together
from gazelle_sync.warehouse.schema_repair import validate_keys
from gazelle_sync.warehouse.settings_table import read_setting

BATCH = 2000

log = get_logger("gazelle_sync.pull")


def begin(connection: Connection, entities: Sequence[Entity], *, from_staging: bool = False) -> set[str]:
    """Begin the load of those of some entities whose tables are empty; gives their names.

    Args:
        connection: In no transaction.
        entities: Which.
        from_staging: Whether their rows come from what is staged, and not with it.
    """
    return begin_loads(connection, {entity.name: _tables(entity)[from_staging:] for entity in entities})


def end_abandoned(connection: Connection, stored: str | None) -> None:
    """End the loads of a run that was killed: its rows are here, their keys and indexes are not.

    Args:
        connection: In no transaction. The caller holds the pull's lock, so no load that is open is going on.
        stored: What the database says of loads (`loads.SETTING`); None: nothing.
    """
    open_names = open_loads(stored)
    if open_names is None:
        # Somebody wrote over it. Nothing says which keys and indexes lack, so every one is looked for.
        log.warning("system_settings.first_loads cannot be read: all keys and indexes are made again where they lack")
        apply_again(connection)
    if opened := [entity for entity in ENTITIES if open_names is None or entity.name in open_names]:
        end(connection, opened)
    if open_names is None:
        validate_keys(connection)


def end_abandoned_alone(url: str) -> None:
    """The same outside of a run.

    Raises:
        AnotherPullRunning: A load is going on, and did not end for a while.
        DatabaseError: The database cannot be reached, or refuses.
    """
    # Where somebody dropped a table, `schema_repair` makes it again, and its keys and indexes with it.
    with borrow(url) as connection, suppress(errors.UndefinedTable):
        if open_loads(read_setting(connection, SETTING)) != []:
            with PullLock(url, wait_s=WAIT_S):
                end_abandoned(connection, read_setting(connection, SETTING))


def end(connection: Connection, entities: Sequence[Entity]) -> dict[str, int]:
    """End the loads of some entities, all or none.

    Args:
        connection: In no transaction.
        entities: Which. What they name is in, as far as it ever will be.

    Returns:
        Entity → how many rows were made or changed.

    Raises:
        psycopg.OperationalError: Another session was writing to a table all the while.
    """
    changed = dict.fromkeys((entity.name for entity in entities), 0)

    def write(statements: Mapping[str, Sequence[Question]]) -> None:
        counts = iter(change(connection, *chain.from_iterable(statements.values())))
        for name, questions in statements.items():
            changed[name] += sum(islice(counts, len(questions)))

    def complete() -> None:
        writers = {entity.name: TableWriter(connection, entity) for entity in entities}
        for bodies in _naming_unknown(connection, entities):
            look_up(connection, [one for name, part in bodies.items() for one in writers[name].lookups(part)])
            write({name: writers[name].stub_statements(part) for name, part in bodies.items()})
        write({name: writer.duplicate_statements(None) for name, writer in writers.items()})

    end_loads(connection, {entity.name: _tables(entity) for entity in entities}, complete)
    return changed


def _tables(entity: Entity) -> list[str]:
    return [entity.staging_table, *(table.name for table in entity.tables)]


def _naming_unknown(connection: Connection, entities: Sequence[Entity]) -> Iterator[dict[str, list[Staged]]]:
    """The last bodies of records that name a record which has no row, or only a stub: by entity, some at a time."""
    asked = [(entity, query) for entity in entities if (query := _unknown_query(entity)) is not None]
    answers = together(connection, *((query, None) for _, query in asked))
    named = [(entity, sorted(ids)) for (entity, _), ids in zip(asked, answers, strict=True)]
    while named := [(entity, ids) for entity, ids in named if ids]:
        bodies = together(connection, *(_last_bodies(entity, ids[:BATCH]) for entity, ids in named))
        yield {entity.name: list(_reconciled(entity, rows)) for (entity, _), rows in zip(named, bodies, strict=True)}
        named = [(entity, ids[BATCH:]) for entity, ids in named]


def _unknown_query(entity: Entity) -> sql.Composed | None:
    """The query for ids of records of an entity that name such a record; None: they name none of another entity."""
    own = {table.name for table in entity.tables}
    queries = [
        sql.SQL(statement("pull/naming_unknown")).format(
            key=sql.Identifier(table.owner or "external_id"),
            table=sql.Identifier(table.name),
            column=sql.Identifier(column),
            parent=sql.Identifier(parent),
        )
        for table in entity.tables
        for column, parent in table.references.items()
        if parent not in own
    ]
    return sql.SQL(" UNION ").join(queries) if queries else None


def _last_bodies(entity: Entity, ids: Rows) -> Question:
    query = sql.SQL(statement("pull/staging_last_bodies")).format(staging=sql.Identifier(entity.staging_table))
    return query, [[external_id for (external_id,) in ids]]


def _reconciled(entity: Entity, found: Rows) -> Iterator[Staged]:
    for external_id, body, fetched_at in found:
        if (rows := rows_of(entity, body)) is not None:
            yield Staged("", external_id, body, fetched_at, None, True, rows)
