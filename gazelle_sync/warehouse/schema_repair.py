"""What the migrations made and somebody dropped: found, named, made again.

A table that is made again is empty. What it held comes back from staging or from Gazelle, but for what people wrote
here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg import errors, sql

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import first_line
from gazelle_sync.i18n.translator import Translator
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement
from gazelle_sync.warehouse.limits import locking_out_others
from gazelle_sync.warehouse.migrate import apply_again, migration_files
from gazelle_sync.warehouse.relations import CONTROL_TABLES, EDITS, PRODUCTION, STAGING, VIEWS, open_doors, say_doors

log = get_logger("gazelle_sync.warehouse")

INDEX = re.compile(
    r"^DROP INDEX IF EXISTS (?:public\.)?(\w+)|^CREATE (?:UNIQUE )?INDEX IF NOT EXISTS (\w+)\s+ON public\.",
    re.MULTILINE,
)
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

    def advice(self, say: Translator) -> list[str]:
        """What to do now, one sentence each; empty where nothing is left to do."""
        found = []
        if any(name in STAGING for name in self.made):
            found.append(say("A staging table is empty now: `gazelle-sync sync --full` reads everything again."))
        elif any(name in PRODUCTION for name in self.made):
            found.append(
                say(
                    "A production table is empty now: `gazelle-sync replay` fills it from staging; after it "
                    "`gazelle-sync migrate` holds the foreign keys against all rows."
                )
            )
        if EDITS in self.made:
            found.append(
                say("{table} is empty now: what people had written in it is in a backup, if anywhere.", table=EDITS)
            )
        if UNIQUE in self.lacking:
            found.append(
                say("Several rows of {table} speak of one piano: `gazelle-sync doctor` says which.", table=EDITS)
            )
        return found


def lacking(connection: Connection) -> list[str]:
    """Names of what the migrations made and that is not there.

    Args:
        connection: To a database with every migration applied.
    """
    wanted = [*STAGING, *PRODUCTION, *CONTROL_TABLES, *VIEWS]
    found = [name for (name,) in connection.execute(statement("quality/missing_tables"), {"tables": wanted})]
    keys = [(table.name, *key) for entity in ENTITIES for table in entity.tables for key in table.references.items()]
    tables, columns, parents = (list(part) for part in zip(*keys, strict=True))
    parameters = {"tables": tables, "columns": columns, "parents": parents, "indexes": _indexes()}
    found += [name for (name,) in connection.execute(statement("warehouse/lacking_keys"), parameters)]
    if EDITS not in found:
        row = connection.execute(statement("warehouse/edits_guards"), {"table": f"public.{EDITS}"}).fetchone()
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
        validate_keys(connection)
    if not before:
        return Restored([], [])
    apply_again(url)
    with database_errors(), connect(url) as connection:
        validate_keys(connection)
        still = lacking(connection)
    return Restored([name for name in before if name not in still], still)


def validate_keys(connection: Connection) -> None:
    """Hold foreign keys that were made again against the rows that were there, as far as those are right by now.

    Args:
        connection: Its transaction is committed for each.
    """
    connection.commit()
    for table, name in connection.execute(
        statement("warehouse/unvalidated_keys"), {"tables": list(PRODUCTION)}
    ).fetchall():
        query = sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(sql.SQL(table), sql.Identifier(name))
        try:
            with locking_out_others(connection):
                connection.execute(query)
        except (errors.ForeignKeyViolation, errors.InsufficientPrivilege, errors.LockNotAvailable) as error:
            log.info("a foreign key is not validated yet", table=table, key=name, reason=first_line(error))


def read_open_doors(url: str, say: Translator) -> str | None:
    """What of ours a hosted database's Data API lets people at, and what to do; None where nothing is open.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    with database_errors(), connect(url) as connection:
        doors = open_doors(connection)
    return say_doors(doors, say) if doors else None


def _indexes() -> list[str]:
    """The indexes that the migrations name, but for those that an import of empty tables takes off for a while."""
    names: dict[str, None] = {}
    for path in migration_files():
        for dropped, created in INDEX.findall(path.read_text(encoding="utf-8")):
            if created:
                names[created] = None
            else:
                names.pop(dropped, None)
    return [name for name in names if not name.startswith("staging_")]


def doubtful_edits(connection: Connection) -> list[tuple[str | None, int]]:
    """Pianos of which several rows speak, and how many; None: rows that name no piano."""
    query = sql.SQL(statement("warehouse/edits_doubtful")).format(
        key=sql.Identifier("gazelle_id"), table=sql.Identifier(EDITS)
    )
    return [(key, count) for key, count in connection.execute(query)]
