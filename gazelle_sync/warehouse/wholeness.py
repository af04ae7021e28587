"""What the migrations made and somebody dropped: found, named, made again.

A table that is made again is empty. What it held comes back from staging or from Gazelle, but for what people wrote
here.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement
from gazelle_sync.warehouse.migrate import apply_again
from gazelle_sync.warehouse.relations import BOOKS, EDITS, PRODUCTION, STAGING, VIEWS

TRIGGER = f"the trigger gazelle_mark_edit of {EDITS}"
UNIQUE = f"a unique index on {EDITS}.gazelle_id"


@dataclass(frozen=True)
class Restored:
    """What came of an attempt to make again what lacks.

    Attributes:
        made: What is there now and was not.
        lacking: What still is not.
    """

    made: list[str]
    lacking: list[str]

    def advice(self) -> list[str]:
        """What to do now, one sentence each; empty where nothing is left to do."""
        found = []
        if any(name in STAGING for name in self.made):
            found.append("A staging table is empty now: `gazelle-sync sync --full` reads everything again.")
        elif any(name in PRODUCTION for name in self.made):
            found.append("A production table is empty now: `gazelle-sync replay` fills it from staging.")
        if EDITS in self.made:
            found.append(f"{EDITS} is empty now: what people had written in it is in a backup, if anywhere.")
        if UNIQUE in self.lacking:
            found.append(f"Several rows of {EDITS} speak of one piano: `gazelle-sync doctor` says which.")
        return found


def lacking(connection: Connection) -> list[str]:
    """Names of what the migrations made and that is not there.

    Args:
        connection: To a database with every migration applied.
    """
    wanted = [*STAGING, *PRODUCTION, *BOOKS, *VIEWS]
    found = [name for (name,) in connection.execute(statement("trust_missing_tables"), {"tables": wanted})]
    if EDITS not in found:
        row = connection.execute(statement("edits_guards"), {"table": f"public.{EDITS}"}).fetchone()
        found += [name for name, is_there in zip((TRIGGER, UNIQUE), row or (), strict=True) if not is_there]
    return found


def restore(url: str) -> Restored:
    """Make again what somebody dropped: every migration can be applied any number of times.

    Args:
        url: Of a database with every migration applied.

    Raises:
        DatabaseError: The database cannot be reached, or refuses.
    """
    with database_errors(), connect(url) as connection:
        before = lacking(connection)
    if not before:
        return Restored([], [])
    apply_again(url)
    with database_errors(), connect(url) as connection:
        still = lacking(connection)
    return Restored([name for name in before if name not in still], still)


def doubtful_edits(connection: Connection) -> list[tuple[str | None, int]]:
    """Pianos of which several rows speak, and how many; None: rows that name no piano."""
    query = sql.SQL(statement("edits_doubtful")).format(key=sql.Identifier("gazelle_id"), table=sql.Identifier(EDITS))
    return [(key, count) for key, count in connection.execute(query)]
