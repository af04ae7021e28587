"""Finds what the migrations created and was dropped since, and creates it again.

A table that is made again is empty. Its rows can be restored from staging or from Gazelle, except those of the table
that people edit here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg import errors, sql

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import first_line
from gazelle_sync.i18n.translator import Message, Translator
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.limits import brief_exclusive_lock
from gazelle_sync.warehouse.migrate import apply_again, migration_files
from gazelle_sync.warehouse.pool import borrow, together
from gazelle_sync.warehouse.relations import (
    CONTROL_TABLES,
    EDITS,
    PRODUCTION,
    PUSHED,
    STAGING,
    VIEWS,
    describe_public_grants,
    public_grants,
)

log = get_logger("gazelle_sync.warehouse")

INDEX = re.compile(
    r"^DROP INDEX IF EXISTS (?:public\.)?(\w+)|^CREATE (?:UNIQUE )?INDEX IF NOT EXISTS (\w+)\s+ON public\.",
    re.MULTILINE,
)
TRIGGERS = [
    *(
        (f"gazelle_count_days_{event}", "gazelle_timeline_entries")
        for event in ("insert", "update", "delete", "truncate")
    ),
    *(
        (f"gazelle_unread_{event}", table)
        for table in ("gazelle_timeline_entries", "gazelle_piano_measurements")
        for event in ("insert", "update", "delete", "truncate")
    ),
    *((name, table) for table in PUSHED for name in ("gazelle_mark_edit", "gazelle_keep_state")),
    *(
        (name, "inventory_movements")
        for name in ("gazelle_move_stock", "gazelle_refuse_change", "gazelle_refuse_truncate")
    ),
    *((name, "inventory_stock") for name in ("gazelle_guard_stock", "gazelle_guard_truncate")),
    *((name, "maintenance_alerts") for name in ("gazelle_keep_alert", "gazelle_note_alert")),
    *((name, "appointment_drafts") for name in ("gazelle_keep_draft", "gazelle_cancel_following")),
    *(
        (f"gazelle_unconsumed_{event}", table)
        for table in ("gazelle_invoices", "gazelle_invoice_items")
        for event in ("insert", "update", "delete", "truncate")
    ),
    *(("gazelle_unconsumed", table) for table in ("consumption_rules", "shop_products")),
    ("gazelle_merge_product", "shop_products"),
    *(
        (f"gazelle_unsearched_{event}", table)
        for table in (
            "gazelle_pianos",
            "gazelle_clients",
            "gazelle_contacts",
            "gazelle_invoices",
            "gazelle_timeline_entries",
            EDITS,
        )
        for event in ("insert", "update", "delete", "truncate")
    ),
    *((name, "invoice_draft_items") for name in ("gazelle_take_draft", "gazelle_copy_lines")),
    *(
        (name, "invoice_drafts")
        for name in ("gazelle_uncheck", "gazelle_new_draft", "gazelle_follow_lines", "gazelle_release_payments")
    ),
    ("gazelle_name_invoice", "invoice_draft_payments"),
]
"""Name and table of those that keep counts, what is to be read, the state of what is pushed, stock, alerts, drafts."""
SHOP_KEYS = (
    *(
        (name, "shop_product_id", "shop_products")
        for name in ("inventory_stock", "inventory_movements", "consumption_rules")
    ),
    ("shop_products", "merged_into", "shop_products"),
    ("invoice_draft_items", "draft_id", "invoice_drafts"),
    ("invoice_draft_payments", "draft_id", "invoice_drafts"),
)
"""Table, column and parent of the foreign keys among the shop's own tables."""
UNIQUE = f"a unique index on {EDITS}.gazelle_id"
KINDS = {
    "the trigger ": Message("the trigger {name}"),
    "a unique index on ": Message("a unique index on {name}"),
    "the foreign key ": Message("the foreign key {name}"),
    "the index ": Message("the index {name}"),
}
"""How the name of an object that is no table or view begins → the same for a person."""


@dataclass(frozen=True)
class Repair:
    """The result of a repair.

    Attributes:
        made: Names of what was missing and is there now.
        missing: Names of what is still missing.
    """

    made: list[str]
    missing: list[str]

    def advice(self, say: Translator) -> list[str]:
        """What a person should do next, a sentence each; empty where nothing is left to do."""
        found = []
        if any(name in STAGING for name in self.made):
            found.append(say("A staging table is empty now: `gazelle-sync sync --full` reads everything again."))
        elif any(name in PRODUCTION for name in self.made):
            found.append(
                say(
                    "A production table is empty now: `gazelle-sync replay` fills it from staging; after it "
                    "`gazelle-sync migrate` checks the foreign keys on all rows."
                )
            )
        if EDITS in self.made:
            found.append(
                say("{table} is empty now: what people had written in it is in a backup, if anywhere.", table=EDITS)
            )
        if UNIQUE in self.missing:
            found.append(
                say("Several rows of {table} are about one piano: `gazelle-sync doctor` says which.", table=EDITS)
            )
        return found


def missing_objects(connection: Connection) -> list[str]:
    """Names of what the migrations make and that does not exist.

    Args:
        connection: To a database with every migration applied.
    """
    wanted = [*STAGING, *PRODUCTION, *CONTROL_TABLES, *VIEWS]
    keys = [(table.name, *key) for entity in ENTITIES for table in entity.tables for key in table.references.items()]
    keys += SHOP_KEYS
    tables, columns, parents = (list(part) for part in zip(*keys, strict=True))
    parameters = {"tables": tables, "columns": columns, "parents": parents, "indexes": _indexes()}
    names, relations = (list(part) for part in zip(*TRIGGERS, strict=True))
    tables_lacking, keys_lacking, triggers_lacking, [(is_unique,)] = together(
        connection,
        (statement("quality/missing_tables"), {"tables": wanted}),
        (statement("warehouse/lacking_keys"), parameters),
        (statement("warehouse/missing_triggers"), {"names": names, "relations": relations}),
        (statement("warehouse/edits_unique"), {"table": f"public.{EDITS}"}),
    )
    found = [name for (name,) in (*tables_lacking, *keys_lacking, *triggers_lacking)]
    return found if is_unique or EDITS in found else [*found, UNIQUE]


def describe_object(name: str, say: Translator) -> str:
    """A name of `missing_objects` for a person."""
    for beginning, message in KINDS.items():
        if name.startswith(beginning):
            return say(message, name=name.removeprefix(beginning))
    return name


def repair(url: str) -> Repair:
    """Create again what was dropped, by applying all migrations once more: each may be applied repeatedly.

    Args:
        url: Of a database with every migration applied.

    Raises:
        DatabaseError: The database cannot be reached, or refuses.
    """
    with borrow(url) as connection:
        before = missing_objects(connection)
        validate_keys(connection)
    if not before:
        return Repair([], [])
    with borrow(url) as connection:
        apply_again(connection)
        validate_keys(connection)
        still = missing_objects(connection)
    return Repair([name for name in before if name not in still], still)


def validate_keys(connection: Connection) -> None:
    """Validate foreign keys that were added as NOT VALID, where no row violates them any more.

    Args:
        connection: Its open transaction is committed first.
    """
    connection.commit()
    for table, name in connection.execute(
        statement("warehouse/unvalidated_keys"), {"tables": [*PRODUCTION, *(name for name, _, _ in SHOP_KEYS)]}
    ).fetchall():
        query = sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(sql.SQL(table), sql.Identifier(name))
        try:
            with brief_exclusive_lock(connection):
                connection.execute(query)
        except (errors.ForeignKeyViolation, errors.InsufficientPrivilege, errors.LockNotAvailable) as error:
            log.info("foreign key not validated yet", table=table, key=name, reason=first_line(error))


def read_public_grants(url: str, say: Translator) -> str | None:
    """Which of our tables a hosted database's Data API gives access to, and what to do; None: nothing.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    with borrow(url) as connection:
        grants = public_grants(connection)
    return describe_public_grants(grants, say) if grants else None


def _indexes() -> list[str]:
    """Names of the indexes that the migrations create, except those that a first import drops for a while."""
    names: dict[str, None] = {}
    for path in migration_files():
        for dropped, created in INDEX.findall(path.read_text(encoding="utf-8")):
            if created:
                names[created] = None
            else:
                names.pop(dropped, None)
    return [name for name in names if not name.startswith("staging_")]


def ambiguous_edits(connection: Connection) -> list[tuple[str | None, int]]:
    """Piano id → number of rows, for pianos with more than one row; the id is None for rows without a piano."""
    query = sql.SQL(statement("warehouse/edits_ambiguous")).format(
        key=sql.Identifier("gazelle_id"), table=sql.Identifier(EDITS)
    )
    return [(key, count) for key, count in connection.execute(query)]
