"""Keeps `search_entries`: the words of what was written since the last time.

All of it is one transaction under a lock of its own, so that a killed process leaves what it had taken to be read
again, and two at once do not undo each other's work.
"""

from __future__ import annotations

from collections import defaultdict
from typing import LiteralString, NamedTuple

from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import long_statements
from gazelle_sync.warehouse.pool import Question, borrow, together

LOCK = 0x6761_7A42
COMMIT: Question = ("COMMIT", None)
NO_NESTED_LOOPS: LiteralString = "SET LOCAL enable_nestloop = off"
"""Where everything is read: PostgreSQL takes what a statement itself has made for a few rows, whatever there are."""
MANY = 2000
"""From so many records on, reading everything costs less than looking for each."""


class Indexed(NamedTuple):
    """What became of the table.

    Attributes:
        written: Rows that are new or changed.
        removed: Rows of what is gone.
    """

    written: int = 0
    removed: int = 0


def refresh(settings: Settings) -> Indexed:
    """Index what was written since the last time, in two round trips; in one where nothing was.

    Raises:
        DatabaseError: The database cannot be reached, or refuses. Nothing was taken in.
    """
    with borrow(str(settings.database_url)) as connection:
        return refresh_on(connection)


def refresh_little(settings: Settings) -> None:
    """The same after an edit, where little waits. Much is left to the job, so that no page waits for it.

    Raises:
        DatabaseError: The database cannot be reached, or refuses.
    """
    with borrow(str(settings.database_url)) as connection:
        if connection.execute(statement("search/few")).fetchone() == (True,):
            refresh_on(connection)


def refresh_on(connection: Connection) -> Indexed:
    """The same over a connection of `borrow`, in which no transaction is open."""
    _, noted = together(
        connection, (statement("search/lock"), {"lock": LOCK}), (statement("search/take_unread"), None), ends=False
    )
    if not noted:
        connection.rollback()
        return Indexed()
    ids: dict[str, list[str]] = defaultdict(list)
    for kind, external_id in noted:
        if kind is not None:
            ids[f"{kind}s"].append(external_id)
    is_all = len(noted) > MANY or any(kind is None for kind, _ in noted)
    asked = {name: [] if is_all else ids[name] for name in ("pianos", "clients", "invoices", "notes")}
    *_, [(written, removed)], _, _ = together(
        connection,
        *((long_statements(), (NO_NESTED_LOOPS, None)) if is_all else ()),
        (statement("search/write"), {"all": is_all, **asked}),
        (statement("search/merge"), None),
        COMMIT,
    )
    return Indexed(written, removed)
