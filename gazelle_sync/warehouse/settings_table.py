"""The `system_settings` table: watermarks, and other values that runs keep for later runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from gazelle_sync.montreal import parse_instant
from gazelle_sync.warehouse.connect import Connection, statement

LAST_SYNC_DATE = "last_sync_date"


def read_setting(connection: Connection, key: str) -> str | None:
    """The value of a key, or None."""
    row = connection.execute("SELECT value FROM system_settings WHERE key = %s", [key]).fetchone()
    return row[0] if row else None


def write_setting(connection: Connection, key: str, value: str) -> None:
    """Set a key, in the caller's transaction."""
    connection.execute(statement("warehouse/setting_write"), {"key": key, "value": value})


def read_watermarks(connection: Connection) -> dict[str, datetime]:
    """Entity → start of its last successful pull, aware UTC; the global one under the empty name.

    A value that is not an instant (a person edited it) counts as no watermark: the entity is read in full.
    """
    marks: dict[str, datetime] = {}
    rows = connection.execute("SELECT key, value FROM system_settings WHERE starts_with(key, 'last_sync_date')")
    for key, value in rows:
        if (instant := parse_instant(value)) is not None:
            marks[key.removeprefix(LAST_SYNC_DATE).removeprefix(".")] = instant
    return marks


def move_watermark(connection: Connection, entity: str, instant: datetime, all_entities: Iterable[str]) -> None:
    """Set an entity's watermark, and `last_sync_date` to the oldest of all once each entity has one.

    Call it in the transaction that commits the entity's rows, so that rows and watermark agree even if the process is
    killed.
    """
    write_setting(connection, f"{LAST_SYNC_DATE}.{entity}", instant.astimezone(UTC).isoformat(timespec="seconds"))
    connection.execute(
        statement("warehouse/watermark_oldest"), {"keys": [f"{LAST_SYNC_DATE}.{name}" for name in all_entities]}
    )
