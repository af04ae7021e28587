"""The local table: which rows are due, what they say, and the marks that the push leaves in them.

Every write of the push into a column that people edit says so first (`gazelle_sync.pushing`), or the trigger would take
it for an edit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import md5
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from gazelle_sync.clock import midnight
from gazelle_sync.gazelle.answers import storable
from gazelle_sync.push.block import Marks, plain, write_block
from gazelle_sync.push.fields import Block
from gazelle_sync.push.model import JsonValue, Known, Remote, Row
from gazelle_sync.push.pushables import Pushable
from gazelle_sync.warehouse.connect import Connection, statement

ALL_ROWS = 1_000_000
NOON = timedelta(hours=12)


def due(
    connection: Connection,
    pushable: Pushable,
    keys: Sequence[str] | None = None,
    *,
    at_once: bool = False,
    limit: int = ALL_ROWS,
) -> list[str]:
    """Keys of the rows that are due, the oldest edit first.

    Args:
        connection: To the shop's database.
        pushable: Which table.
        keys: Only these; None: all.
        at_once: Also those whose next try lies ahead.
        limit: So many at most.
    """
    query = _formatted("push_due", pushable)
    given = {"keys": list(keys) if keys is not None else None, "at_once": at_once, "limit": limit}
    return [str(key) for (key,) in connection.execute(query, given)]


def load(connection: Connection, pushable: Pushable, keys: Sequence[str]) -> list[Row]:
    """Rows by key, in the order of the keys; those that are gone are left out."""
    columns = sql.SQL(", ").join(sql.Identifier("t", column) for column in pushable.columns)
    found = {}
    for values in connection.execute(_formatted("push_rows", pushable, columns=columns), {"keys": list(keys)}):
        row = _row(values, pushable)
        found[row.key] = row
    return [found[key] for key in keys if key in found]


def settle(connection: Connection, pushable: Pushable, row: Row, settles: Mapping[str, JsonValue]) -> Row:
    """Let facts become base, whatever the row's revision is by now; gives the row with its new base."""
    if not settles:
        return row
    clean, _ = storable(dict(settles))
    connection.execute(
        _formatted("push_settle", pushable), {"record": row.key, "settles": Jsonb(clean), "facts": list(settles)}
    )
    base = dict(row.base or {})
    generations = dict(base.get("generations") or {})
    generations |= {fact: generations.get(fact, 0) + 1 for fact in settles}
    return replace(row, base={**base, **clean, "generations": generations})


def follow(connection: Connection, pushable: Pushable, row: Row, values: Mapping[str, JsonValue]) -> bool:
    """Take over Gazelle's values; false where the row was edited meanwhile, and then nothing was done."""
    clean, _ = storable(dict(values))
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(f"new_{column}")) for column in clean
    )
    query = sql.SQL("UPDATE {} SET {} WHERE {} = %(record)s AND revision = %(revision)s").format(
        sql.Identifier(pushable.table), assignments, sql.Identifier(pushable.key)
    )
    connection.execute("SELECT set_config('gazelle_sync.pushing', 'on', true)")
    given = {f"new_{column}": value for column, value in clean.items()}
    changed = connection.execute(query, {**given, "record": row.key, "revision": row.revision}).rowcount
    connection.execute("SELECT set_config('gazelle_sync.pushing', 'off', true)")
    return changed > 0


def finish(connection: Connection, pushable: Pushable, row: Row, remote: Remote) -> None:
    """Gazelle has everything that this revision says."""
    notes, _ = storable(remote.notes or "")
    foreign = remote.notes
    for field in pushable.fields:
        if isinstance(field, Block):
            foreign = write_block(foreign, Marks.of(field.label, row.key), None)
    seen = {
        "tags": storable(list(remote.tags))[0],
        "notes_md5": md5(notes.encode(), usedforsecurity=False).hexdigest(),
        "has_foreign_notes": bool(plain(foreign)),
        "updated_at": remote.updated_at.isoformat() if remote.updated_at else None,
    }
    connection.execute(
        _formatted("push_finish", pushable), {"record": row.key, "revision": row.revision, "remote": Jsonb(seen)}
    )


def fail(
    connection: Connection, pushable: Pushable, keys: Sequence[str], reason: str, *, revision: int | None = None
) -> None:
    """Say in rows why they did not go, and put off their next try."""
    reason, _ = storable(reason)
    connection.execute(
        _formatted("push_fail", pushable), {"records": list(keys), "reason": reason, "revision": revision}
    )


def _formatted(name: str, pushable: Pushable, **more: sql.Composable) -> sql.Composed:
    return sql.SQL(statement(name)).format(
        table=sql.Identifier(pushable.table),
        key=sql.Identifier(pushable.key),
        hidden=sql.Identifier(pushable.hidden),
        production=sql.Identifier(pushable.entity.table.name),
        staging=sql.Identifier(pushable.entity.staging_table),
        **more,
    )


def _row(values: tuple[Any, ...], pushable: Pushable) -> Row:
    key, updated_at, updated_by, revision, base, attempts, *rest = values
    was_seen, seen_tags, seen_notes, was_pulled, pulled_tags, pulled_notes, *columns = rest
    return Row(
        key=str(key),
        values={name: _instant(value) for name, value in zip(pushable.columns, columns, strict=True)},
        updated_at=_instant(updated_at) if updated_at else datetime.now(UTC),
        updated_by=updated_by,
        revision=revision,
        base=base,
        attempts=attempts,
        seen=Known(tuple(seen_tags or ()), seen_notes) if was_seen else None,
        pulled=Known(tuple(pulled_tags or ()), pulled_notes) if was_pulled else None,
    )


def _instant(value: Any) -> Any:
    """A column that somebody declared without a zone is UTC; one that holds a day, noon of it in Montreal."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return midnight(value) + NOON
    return value
