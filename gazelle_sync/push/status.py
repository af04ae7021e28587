"""What has not gone to Gazelle, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import connect, database_errors, statement
from gazelle_sync.warehouse.migrate import migrate


@dataclass(frozen=True)
class Waiting:
    """A row that is not at Gazelle yet.

    Attributes:
        key: External id of its record.
        is_hidden: It stays here while it is hidden.
        error: Why the last try failed.
        attempts: Tries that failed in a row.
        next_attempt_at: When the next one is due, aware UTC; None: now.
        is_in_doubt: Something was sent of which nobody knows whether it arrived.
    """

    key: str
    is_hidden: bool
    error: str | None
    attempts: int
    next_attempt_at: datetime | None
    is_in_doubt: bool


def read_waiting(settings: Settings) -> list[Waiting]:
    """The rows that wait, those in error first."""
    url = str(settings.database_url)
    migrate(url)
    found: list[Waiting] = []
    with database_errors(), connect(url) as connection:
        for pushable in PUSHABLES:
            query = sql.SQL(statement("push_waiting")).format(
                table=sql.Identifier(pushable.table),
                key=sql.Identifier(pushable.key),
                hidden=sql.Identifier(pushable.hidden),
            )
            found += [Waiting(*row) for row in connection.execute(query, {"entity": pushable.entity.name})]
    return found
