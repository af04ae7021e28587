"""The local table: which rows are due, what they say, and the marks that the push leaves in them.

Every write of the push into a column that people edit says so first (`gazelle_sync.pushing`), or the trigger would take
it for an edit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from gazelle_sync.gazelle.answers import storable
from gazelle_sync.montreal import FIRST, LAST, MONTREAL, midnight
from gazelle_sync.push.block import Marks, plain, write_block
from gazelle_sync.push.fields import Block
from gazelle_sync.push.model import JsonValue, Known, Remote, Row
from gazelle_sync.push.pushables import Pushable
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, affects_every_row, statement

log = get_logger("gazelle_sync.push")

NOON = timedelta(hours=12)
PATIENCE = "5s"
"""For so long a row that somebody else holds is waited for."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def due(
    connection: Connection,
    pushable: Pushable,
    keys: Sequence[str] | None = None,
    *,
    at_once: bool = False,
) -> list[str]:
    """Keys of the rows that are due, the oldest edit first.

    Args:
        connection: To the shop's database.
        pushable: Which table.
        keys: Only these; None: all.
        at_once: Also those whose next try lies ahead.
    """
    query = formatted("push/due", pushable)
    given = {"keys": list(keys) if keys is not None else None, "at_once": at_once, "limit": None}
    found = dict.fromkeys(key for _, key in connection.execute(query, given))
    return [str(key) for key in found if key is not None]


def is_due(connection: Connection, pushable: Pushable) -> bool:
    """Whether there is anything to do, be it only to say what is wrong with a row that names no record."""
    given = {"keys": None, "at_once": False, "limit": 1}
    return connection.execute(formatted("push/due", pushable), given).fetchone() is not None


def standing(
    connection: Connection, pushable: Pushable, keys: Sequence[str]
) -> list[tuple[str, bool, datetime | None]]:
    """Of records that have a row: external id, whether it is hidden, and since when Gazelle has what it says."""
    return list(connection.execute(formatted("push/standing", pushable), {"keys": list(keys)}))


def is_hidden(pushable: Pushable) -> sql.Composed:
    """Whether a row `t` stays in the shop; whatever the type of that column is."""
    return sql.SQL("coalesce(lower({}::text) IN ('true', 't', 'yes', 'oui', 'on', '1'), false)").format(
        sql.Identifier("t", pushable.hidden)
    )


def load(connection: Connection, pushable: Pushable, keys: Sequence[str]) -> list[Row]:
    """Rows by key, in the order of the keys; those that are gone are left out."""
    columns = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier("t", column)) for column in pushable.columns)
    found = {}
    ids = sql.SQL("SELECT {} FROM {} AS t WHERE {} = ANY (%s)").format(
        pushable.local(), sql.Identifier(pushable.table), pushable.record()
    )
    given = {"ids": [one for (one,) in connection.execute(ids, [list(keys)])]}
    for values in connection.execute(formatted("push/rows", pushable, columns=columns), given):
        row = _row(values, pushable)
        twin = row.key in found
        found[row.key] = replace(row, faults={pushable.key: ("twins", row.key)}) if twin else row
    return [found[key] for key in keys if key in found]


def settle(connection: Connection, pushable: Pushable, row: Row, settles: Mapping[str, JsonValue]) -> Row:
    """Let facts become base, whatever the row's revision is by now; gives the row with its new base."""
    if not settles:
        return row
    clean, _ = storable(dict(settles))
    _be_patient(connection)
    settled = Jsonb([{"local_id": row.local_id, "record": row.key, "settles": clean}])
    written = connection.execute(formatted("push/settle", pushable), {"settled": settled}).fetchone()
    return replace(row, base=written[1] if written else {**(row.base or {}), **clean})


def follow(connection: Connection, pushable: Pushable, row: Row, values: Mapping[str, JsonValue]) -> bool:
    """Take over Gazelle's values; false where the row was edited meanwhile, and then nothing was done."""
    clean, _ = storable(dict(values))
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(f"new_{column}")) for column in clean
    )
    query = sql.SQL(
        "UPDATE {} AS t SET {} FROM push_state AS s WHERE {} = %(id)s AND s.source_table = {} AND s.local_id = %(id)s "
        "AND s.revision = %(revision)s"
    ).format(sql.Identifier(pushable.table), assignments, pushable.local(), sql.Literal(pushable.table))
    _lock(connection, pushable, [row.local_id])
    connection.execute("SELECT set_config('gazelle_sync.pushing', 'on', true)")
    given = {f"new_{column}": value for column, value in clean.items()}
    changed = connection.execute(query, {**given, "id": row.local_id, "revision": row.revision}).rowcount
    connection.execute("SELECT set_config('gazelle_sync.pushing', 'off', true)")
    return changed > 0


def look_again(connection: Connection, pushable: Pushable, record: str) -> None:
    """Make a row due because Gazelle's side is another one than both agreed on: the next push compares them."""
    _be_patient(connection)
    connection.execute(formatted("push/look_again", pushable), {"record": record})


def finish(connection: Connection, pushable: Pushable, row: Row, remote: Remote) -> None:
    """Gazelle has everything that this revision says."""
    foreign = remote.notes
    for field in pushable.fields:
        if isinstance(field, Block):
            foreign = write_block(foreign, Marks.of(field.label, row.key), None)
    holds, _ = storable({"tags": list(remote.tags), "notes": remote.notes or ""})
    seen = {
        "tags": holds["tags"],
        "has_foreign_notes": bool(plain(foreign)),
        "updated_at": remote.updated_at.isoformat() if remote.updated_at else None,
    }
    done = {"local_id": row.local_id, "record": row.key, "revision": row.revision, "remote": seen, "holds": holds}
    _lock(connection, pushable, [row.local_id])
    connection.execute(formatted("push/finish", pushable), {"finished": Jsonb([done])})


def fail(
    connection: Connection,
    pushable: Pushable,
    keys: Sequence[str],
    reason: str,
    *,
    revision: int | None = None,
    is_outage: bool = False,
) -> None:
    """Say in rows why they did not go, and put off their next try; a row that refuses even that stops no other.

    Args:
        connection: To the shop's database.
        pushable: Which table.
        keys: Of the rows.
        reason: For a person.
        revision: Only where the row is still at this one.
        is_outage: Nobody could have been served: no row waits longer for that.
    """
    query = sql.SQL("SELECT DISTINCT {} FROM {} AS t WHERE {} = ANY (%s)").format(
        pushable.local(), sql.Identifier(pushable.table), pushable.record()
    )
    ids = [local_id for (local_id,) in connection.execute(query, [list(keys)])]
    _fail(connection, pushable, ids, reason, revision=revision, is_outage=is_outage)


def _fail(
    connection: Connection,
    pushable: Pushable,
    ids: Sequence[str],
    reason: str,
    *,
    revision: int | None = None,
    is_outage: bool = False,
) -> None:
    said, _ = storable(reason)
    failed = [{"local_id": one, "revision": revision, "reason": said, "is_outage": is_outage} for one in ids]
    try:
        with connection.transaction():
            _lock(connection, pushable, ids)
            connection.execute(formatted("push/fail", pushable), {"failed": Jsonb(failed)})
    except psycopg.Error as error:
        if affects_every_row(error):
            raise
        if len(ids) == 1:
            log.warning("a row refuses to be marked", record=ids[0], reason=error.diag.message_primary)
            return
        for one in ids:
            _fail(connection, pushable, [one], reason, revision=revision, is_outage=is_outage)


def fail_nameless(connection: Connection, pushable: Pushable, reason: str, *, at_once: bool) -> int:
    """Say why in the rows that name no record; gives how many keys they have."""
    found = connection.execute(formatted("push/nameless", pushable), {"at_once": at_once}).fetchall()
    _fail(connection, pushable, [local_id for (local_id,) in found], reason)
    return len(found)


def adopt(connection: Connection, pushable: Pushable) -> None:
    """Give a state to rows that wait and have none."""
    connection.execute(formatted("push/adopt", pushable))


def _lock(connection: Connection, pushable: Pushable, ids: Sequence[str]) -> None:
    _be_patient(connection)
    connection.execute(formatted("push/lock", pushable), {"ids": list(ids)})


def _be_patient(connection: Connection) -> None:
    """Somebody who left a row locked (an open editor, a forgotten transaction) holds up that row, not the push."""
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])


def formatted(name: str, pushable: Pushable, **more: sql.Composable) -> sql.Composed:
    """A statement about a table of edits."""
    return sql.SQL(statement(name)).format(
        table=sql.Identifier(pushable.table),
        source=sql.Literal(pushable.table),
        local=pushable.local(),
        record=pushable.record(),
        pulled=sql.SQL(pushable.pulled),
        seen=sql.SQL(pushable.seen),
        hidden=is_hidden(pushable),
        production=sql.Identifier(pushable.entity.table.name),
        staging=sql.Identifier(pushable.entity.staging_table),
        **more,
    )


def _row(values: tuple[Any, ...], pushable: Pushable) -> Row:
    local_id, key, updated_at, arrived_at, updated_by, revision, base, attempts, seen, pulled, *columns = values
    texts = dict(zip(pushable.columns, columns, strict=True))
    said = {name: (texts[name], MONTREAL) for name in pushable.instants} | {
        "updated_at": (updated_at, UTC),
        "edited_at": (arrived_at, UTC),
    }
    instants: dict[str, datetime | None] = {}
    faults = {}
    for name, (text, zone) in said.items():
        try:
            instants[name] = _instant(text, zone)
        except (ValueError, OverflowError):
            faults[name] = ("no_instant", str(text))
    edited_at = instants.pop("edited_at", None)
    dated = instants.pop("updated_at", None) or edited_at
    return Row(
        key=str(key),
        values=texts | instants,
        updated_at=dated or datetime.now(UTC),  # where it is a fault, nothing of the row is sent
        updated_by=updated_by,
        revision=revision,
        base=base if isinstance(base, dict) else None,
        attempts=attempts,
        seen=Known(tuple(seen["tags"] or ()), seen["notes"]) if seen else None,
        pulled=Known(tuple(pulled["tags"] or ()), pulled["notes"]) if pulled else None,
        faults=faults,
        edited_at=edited_at,
        local_id=local_id,
    )


def _instant(text: str | None, zone: tzinfo) -> datetime | None:
    """An instant as PostgreSQL writes it, from a column of whatever type; a day alone is noon of it in Montreal.

    Args:
        text: As it stands in the row.
        zone: That of an instant without one.

    Raises:
        ValueError: It is no instant, or lies outside the calendar.
        OverflowError: So far outside the calendar that UTC cannot say it.
    """
    if text is None or not text.strip():
        return None
    text = text.strip()
    if _DAY.fullmatch(text):
        return midnight(date.fromisoformat(text)) + NOON
    instant = datetime.fromisoformat(text)
    instant = (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
    if not FIRST <= instant < LAST:
        raise ValueError(f"{text} lies outside the calendar")
    return instant
