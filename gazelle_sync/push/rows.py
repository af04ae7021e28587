"""The local table: which rows are due, what they say, and the marks that the push leaves in them.

Every write of the push into a column that people edit says so first (`gazelle_sync.pushing`), or the trigger would take
it for an edit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from hashlib import md5
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
    query = _formatted("push/due", pushable)
    given = {"keys": list(keys) if keys is not None else None, "at_once": at_once, "limit": None}
    found = dict.fromkeys(key for (key,) in connection.execute(query, given))
    return [str(key) for key in found if key is not None]


def is_due(connection: Connection, pushable: Pushable) -> bool:
    """Whether there is anything to do, be it only to say what is wrong with a row that names no record."""
    given = {"keys": None, "at_once": False, "limit": 1}
    return connection.execute(_formatted("push/due", pushable), given).fetchone() is not None


def standing(
    connection: Connection, pushable: Pushable, keys: Sequence[str]
) -> list[tuple[str, bool, datetime | None]]:
    """Of records that have a row: external id, whether it is hidden, and since when Gazelle has what it says."""
    return list(connection.execute(_formatted("push/standing", pushable), {"keys": list(keys)}))


def is_hidden(pushable: Pushable) -> sql.Composed:
    """Whether a row `t` stays in the shop; whatever the type of that column is."""
    return sql.SQL("coalesce(lower({}::text) IN ('true', 't', 'yes', 'oui', 'on', '1'), false)").format(
        sql.Identifier("t", pushable.hidden)
    )


def load(connection: Connection, pushable: Pushable, keys: Sequence[str]) -> list[Row]:
    """Rows by key, in the order of the keys; those that are gone are left out."""
    columns = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier("t", column)) for column in pushable.columns)
    found = {}
    for values in connection.execute(_formatted("push/rows", pushable, columns=columns), {"keys": list(keys)}):
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
    written = connection.execute(
        _formatted("push/settle", pushable), {"record": row.key, "settles": Jsonb(clean), "facts": list(settles)}
    ).fetchone()
    return replace(row, base=written[0] if written else {**(row.base or {}), **clean})


def follow(connection: Connection, pushable: Pushable, row: Row, values: Mapping[str, JsonValue]) -> bool:
    """Take over Gazelle's values; false where the row was edited meanwhile, and then nothing was done."""
    clean, _ = storable(dict(values))
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(f"new_{column}")) for column in clean
    )
    query = sql.SQL("UPDATE {} SET {} WHERE {} = %(record)s AND revision = %(revision)s").format(
        sql.Identifier(pushable.table), assignments, pushable.record()
    )
    _be_patient(connection)
    connection.execute("SELECT set_config('gazelle_sync.pushing', 'on', true)")
    given = {f"new_{column}": value for column, value in clean.items()}
    changed = connection.execute(query, {**given, "record": row.key, "revision": row.revision}).rowcount
    connection.execute("SELECT set_config('gazelle_sync.pushing', 'off', true)")
    return changed > 0


def look_again(connection: Connection, pushable: Pushable, record: str) -> None:
    """Make a row due because Gazelle's side is another one than both agreed on: the next push compares them."""
    _be_patient(connection)
    connection.execute(_formatted("push/look_again", pushable), {"record": record})


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
    _be_patient(connection)
    connection.execute(
        _formatted("push/finish", pushable), {"record": row.key, "revision": row.revision, "remote": Jsonb(seen)}
    )


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
    said, _ = storable(reason)
    given = {"records": list(keys), "reason": said, "revision": revision, "is_outage": is_outage}
    try:
        with connection.transaction():
            _be_patient(connection)
            connection.execute(_formatted("push/fail", pushable), given)
    except psycopg.Error as error:
        if affects_every_row(error):
            raise
        if len(keys) == 1:
            log.warning("a row refuses to be marked", record=keys[0], reason=error.diag.message_primary)
            return
        for key in keys:
            fail(connection, pushable, [key], reason, revision=revision, is_outage=is_outage)


def fail_nameless(connection: Connection, pushable: Pushable, reason: str, *, at_once: bool) -> int:
    """Say why in the rows that name no record; gives how many there are."""
    query = _formatted("push/fail_nameless", pushable)
    try:
        with connection.transaction():
            _be_patient(connection)
            return connection.execute(query, {"reason": reason, "at_once": at_once}).rowcount
    except psycopg.Error as error:
        if affects_every_row(error):
            raise
        log.warning("rows that name no record refuse to be marked", reason=error.diag.message_primary)
        return 0


def _be_patient(connection: Connection) -> None:
    """Somebody who left a row locked (an open editor, a forgotten transaction) holds up that row, not the push."""
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])


def _formatted(name: str, pushable: Pushable, **more: sql.Composable) -> sql.Composed:
    return sql.SQL(statement(name)).format(
        table=sql.Identifier(pushable.table),
        key=pushable.record(),
        t_key=pushable.record("t"),
        hidden=is_hidden(pushable),
        production=sql.Identifier(pushable.entity.table.name),
        staging=sql.Identifier(pushable.entity.staging_table),
        **more,
    )


def _row(values: tuple[Any, ...], pushable: Pushable) -> Row:
    key, updated_at, arrived_at, updated_by, revision, base, attempts, *rest = values
    was_seen, seen_tags, seen_notes, was_pulled, pulled_tags, pulled_notes, *columns = rest
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
        seen=Known(tuple(seen_tags or ()), seen_notes) if was_seen else None,
        pulled=Known(tuple(pulled_tags or ()), pulled_notes) if was_pulled else None,
        faults=faults,
        edited_at=edited_at,
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
