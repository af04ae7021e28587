"""`sync_conflicts`: what lost, and the side that a person takes for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement
from gazelle_sync.warehouse.migrate import migrate


@dataclass(frozen=True)
class Conflict:
    """A field that both sides had changed.

    Attributes:
        id: Of the row.
        entity: Of the record.
        external_id: Its id.
        field: Local column.
        base: What both had before.
        ours: What the local row said.
        theirs: What Gazelle said.
        winner: `ours` or `theirs`: the later edit.
        created_at: When it was met, aware UTC.
    """

    id: int
    entity: str
    external_id: str
    field: str
    base: str | None
    ours: str | None
    theirs: str | None
    winner: str
    created_at: datetime

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {**asdict(self), "created_at": self.created_at.isoformat()}


def open_conflicts(settings: Settings, keys: Sequence[str] | None = None) -> list[Conflict]:
    """The conflicts of which nobody has taken a side; `keys`: only of these records."""
    url = str(settings.database_url)
    migrate(url)
    with database_errors(), connect(url) as connection:
        return [Conflict(*row) for row in connection.execute(statement("push/conflicts_open"), {"keys": keys})]


def resolve(settings: Settings, conflict_id: int, take: str) -> tuple[Conflict, bool]:
    """Take one side of a conflict for good.

    The other side than the winner becomes an edit of the local row, which the next push sends like any other.

    Args:
        settings: For the database.
        conflict_id: Which.
        take: `ours` or `theirs`.

    Returns:
        The conflict, and whether the local row was edited.

    Raises:
        GazelleSyncError: There is no such conflict, it is resolved already, or its row is gone.
    """
    url = str(settings.database_url)
    migrate(url)
    with database_errors(), connect(url) as connection:
        found = connection.execute(statement("push/conflict_read"), {"id": conflict_id}).fetchone()
        if found is None:
            raise GazelleSyncError(
                gettext("There is no conflict {id}: `gazelle-sync conflicts` lists them.", id=conflict_id)
            )
        *values, resolved_at = found
        conflict = Conflict(*values)
        if resolved_at is not None:
            when = f"{resolved_at:%Y-%m-%d %H:%M}"
            raise GazelleSyncError(gettext("Conflict {id} was resolved on {when} UTC.", id=conflict_id, when=when))
        edited = take != conflict.winner
        if edited:
            _edit(connection, conflict, conflict.ours if take == "ours" else conflict.theirs)
        connection.execute(statement("push/conflict_resolve"), {"id": conflict_id, "taken": take})
    return conflict, edited


def _edit(connection: Connection, conflict: Conflict, value: str | None) -> None:
    """Write a value into the local row as a person would: the trigger marks it."""
    pushable = _pushable(conflict)
    query = pushable.query("edit", column=sql.Identifier(conflict.field))
    if connection.execute(query, {"value": value, "record": conflict.external_id}).rowcount == 0:
        raise GazelleSyncError(
            gettext(
                "The row of {id} is gone from {table}: there is nothing to write into. Nothing was done.",
                id=conflict.external_id,
                table=pushable.table,
            )
        )


def _pushable(conflict: Conflict) -> Pushable:
    for pushable in PUSHABLES:
        if pushable.entity.name == conflict.entity and conflict.field in pushable.columns:
            return pushable
    field = f"{conflict.entity}.{conflict.field}"
    raise GazelleSyncError(
        gettext("Conflict {id} speaks of {field}, which is not pushed.", id=conflict.id, field=field)
    )
