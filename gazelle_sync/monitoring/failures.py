"""`gazelle-sync errors`: lists records in error by reason, shows one with its body, and retries them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import translator
from gazelle_sync.quality.flow import error_kind
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.names import with_name
from gazelle_sync.warehouse.pool import borrow

IDS_SHOWN = 5


@dataclass(frozen=True)
class FailedRecord:
    """A record in error, as `v_sync_errors` holds it."""

    entity: str
    external_id: str
    message: str
    fetched_at: datetime
    attempts: int
    is_set_aside: bool


@dataclass(frozen=True)
class Reason:
    """Records of one entity that are in error for the same reason.

    Attributes:
        entity: Its name.
        text: The reason without ids and values.
        records: At least one.
    """

    entity: str
    text: str
    records: tuple[FailedRecord, ...]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        ids = [record.external_id for record in self.records]
        return {"entity": self.entity, "reason": self.text, "count": len(ids), "external_ids": ids}


def read_reasons(settings: Settings) -> list[Reason]:
    """Every record in error, by entity and reason, the most frequent first.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    with borrow(str(settings.database_url)) as connection:
        records = [FailedRecord(*row) for row in connection.execute(statement("monitoring/errors_list"))]
    groups: dict[tuple[str, str], list[FailedRecord]] = {}
    for record in records:
        text = error_kind(record.message.removeprefix(f"{record.external_id}: "))
        groups.setdefault((record.entity, text), []).append(record)
    reasons = [Reason(entity, text, tuple(found)) for (entity, text), found in groups.items()]
    return sorted(reasons, key=lambda reason: (-len(reason.records), reason.entity, reason.text))


def show_record(settings: Settings, external_id: str) -> dict[str, Any]:
    """The newest staged version of a record, with its error message.

    Raises:
        GazelleSyncError: Nothing of that id is staged or in error.
    """
    with borrow(str(settings.database_url)) as connection:
        for entity in ENTITIES:
            query = sql.SQL(statement("monitoring/errors_show")).format(staging=sql.Identifier(entity.staging_table))
            unreadable = connection.execute(
                "SELECT error_message FROM sync_unreadable WHERE entity = %s AND external_id = %s",
                [entity.name, external_id],
            ).fetchone()
            row = connection.execute(query, [external_id]).fetchone()
            if row is None and unreadable is None:
                continue
            body, fetched_at, status, message, stack = row or (None, None, "error", None, None)
            return {
                "entity": entity.name, "external_id": external_id, "status": "unreadable" if unreadable else status,
                "error_message": unreadable[0] if unreadable else message, "error_stack": stack,
                "fetched_at": fetched_at.isoformat() if fetched_at else None, "raw_data": body,
            }  # fmt: skip
    raise GazelleSyncError(
        gettext("No record {id} was ever staged. `gazelle-sync errors` lists those that are in error.", id=external_id)
    )


def set_pending(settings: Settings) -> list[str]:
    """Set every record in error to pending; gives the entities concerned.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    concerned = []
    with borrow(str(settings.database_url)) as connection:
        for entity in ENTITIES:
            query = sql.SQL(statement("monitoring/errors_retry")).format(staging=sql.Identifier(entity.staging_table))
            if connection.execute(query).rowcount:
                concerned.append(entity.name)
    return concerned


def ids_shown(reasons: list[Reason]) -> list[str]:
    """The ids that the list for a terminal shows, for their names."""
    return [record.external_id for reason in reasons for record in reason.records[:IDS_SHOWN]]


def render_reasons(language: str, reasons: list[Reason], names: dict[str, str] | None = None) -> str:
    """The list for a terminal: each reason with the number of records, and the first of them with their names."""
    say = translator(language)
    if not reasons:
        return "✓ " + say("No record is in error.")
    lines = []
    for reason in reasons:
        count = len(reason.records)
        aside = " " + say("(set aside: see docs/operations.md)") if reason.records[0].is_set_aside else ""
        lines.append(f"{say.number(count):>6}  {reason.entity}: {reason.text}{aside}")
        lines += [f"        {with_name(record.external_id, names or {})}" for record in reason.records[:IDS_SHOWN]]
        lines += ["        " + say("… and {count} more", count=count - IDS_SHOWN)] if count > IDS_SHOWN else []
    lines.append(say("One of them: gazelle-sync errors --show ID. Another try: gazelle-sync errors --retry."))
    return "\n".join(lines)
