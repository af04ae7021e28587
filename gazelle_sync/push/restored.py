"""A restored database says of some edits that they wait, though they were sent after the backup: how that is noticed.

`system_settings` holds which database this is. Where PostgreSQL says that it is another one, the rows were copied
here: by pg_restore, from a base backup, or to a server that took over from one that was lost. What edits from before
that instant make at Gazelle is then looked for there before it is sent (`Wave`). A copy of a server's files that runs
in the place of the first is not told apart from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import psycopg

from gazelle_sync.push.model import Item
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import together
from gazelle_sync.warehouse.settings_table import ALL_SETTINGS, read_settings, write_setting

KEY = "database_identity"


class _Known(msgspec.Struct):
    identity: str
    restored_at: datetime | None = None


def settings_and_restore(connection: Connection, *, writes: bool = True) -> tuple[dict[str, str], datetime | None]:
    """All settings, and since when the rows are in this database, aware UTC; None: since they were written.

    Args:
        connection: Without an open transaction.
        writes: Whether what is new about the database is written down.
    """
    try:
        stored, [(identity, now)] = together(connection, ALL_SETTINGS, (statement("push/identity"), None))
    except psycopg.errors.InsufficientPrivilege:  # of functions that a server may keep to itself
        return read_settings(connection), None
    settings: dict[str, str] = dict(stored)
    known = _known(settings.get(KEY))
    if known is None or known.identity != identity:
        known = _Known(identity, None if known is None else now.astimezone(UTC))
        if writes:
            write_setting(connection, KEY, msgspec.json.encode(known).decode())
    return settings, known.restored_at


def _known(value: str | None) -> _Known | None:
    try:
        return msgspec.json.decode(value, type=_Known) if value else None
    except msgspec.MsgspecError:
        return None  # a person edited it


def unknown_items(connection: Connection, record: str, items: Sequence[Item]) -> list[str]:
    """Ids of those things at a record that no action of the log has made.

    Args:
        connection: To the database.
        record: External id.
        items: What looks like ours.
    """
    names = {name: item.id for item in items for name in (item.id, item.made_by) if name}
    given = {"record": record, "ids": list(names)}
    made = {names[name] for (name,) in connection.execute(statement("push/made_by_us"), given)}
    return [item.id for item in items if item.id not in made]
