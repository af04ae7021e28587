"""`sync_conflicts`: what lost, and the side that a person takes for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext, language
from gazelle_sync.i18n.translator import translator
from gazelle_sync.montreal import spoken_instant
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.pool import borrow


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
    with borrow(url) as connection:
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
    with borrow(url) as connection, connection.transaction():
        found = connection.execute(statement("push/conflict_read"), {"id": conflict_id}).fetchone()
        if found is None:
            raise GazelleSyncError(
                gettext("There is no conflict {id}: `gazelle-sync conflicts` lists them.", id=conflict_id)
            )
        *values, resolved_at, table, local_id = found
        conflict = Conflict(*values)
        if resolved_at is not None:
            when = spoken_instant(translator(language()), resolved_at)
            raise GazelleSyncError(
                gettext("Conflict {id} was resolved on {when} (Montreal).", id=conflict_id, when=when)
            )
        edited = take != conflict.winner
        if edited:
            _edit(connection, conflict, table, local_id, conflict.ours if take == "ours" else conflict.theirs)
        connection.execute(statement("push/conflict_resolve"), {"id": conflict_id, "taken": take})
    return conflict, edited


def _edit(
    connection: Connection, conflict: Conflict, table: str | None, local_id: str | None, value: str | None
) -> None:
    """Write a value into the local row as a person would: the trigger marks it.

    Another program's conflict may name no table: then it is the first that pushes this field of its entity.
    """
    of_entity = [one for one in PUSHABLES if one.entity.name == conflict.entity and table in (None, one.table)]
    pushable = next((one for one in of_entity if conflict.field in one.columns), None)
    if pushable is None:
        field = f"{conflict.entity}.{conflict.field}"
        raise GazelleSyncError(
            gettext("Conflict {id} speaks of {field}, which is not pushed.", id=conflict.id, field=field)
        )
    query = pushable.query("edit", column=sql.Identifier(conflict.field))
    given = {"value": value, "record": conflict.external_id, "local_id": local_id}
    if connection.execute(query, given).rowcount == 0:
        raise GazelleSyncError(
            gettext(
                "The row of {id} is gone from {table}: there is nothing to write into. Nothing was done.",
                id=conflict.external_id,
                table=pushable.table,
            )
        )
