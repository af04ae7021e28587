"""The `system_settings` table: watermarks, and other values that runs keep for later runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from gazelle_sync.montreal import parse_instant
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.lock import PullLock
from gazelle_sync.warehouse.pool import Question

LAST_SYNC_DATE = "last_sync_date"
ALL_SETTINGS: Question = "SELECT key, value FROM system_settings", None
"""The statement of `read_settings`, to be asked with others."""


def read_setting(connection: Connection, key: str) -> str | None:
    """The value of a key, or None."""
    row = connection.execute("SELECT value FROM system_settings WHERE key = %s", [key]).fetchone()
    return row[0] if row else None


def write_setting(connection: Connection, key: str, value: str) -> None:
    """Set a key, in the caller's transaction."""
    connection.execute(*setting(key, value))


def setting(key: str, value: str) -> Question:
    """The statement of `write_setting`, to be sent with others."""
    return statement("warehouse/setting_write"), {"key": key, "value": value}


def read_settings(connection: Connection) -> dict[str, str]:
    """All keys and their values: there are a dozen, so one query serves who needs several."""
    return dict(connection.execute(*ALL_SETTINGS).fetchall())


def read_watermarks(connection: Connection) -> dict[str, datetime]:
    """`watermarks_in` all settings."""
    return watermarks_in(read_settings(connection))


def watermarks_in(settings: Mapping[str, str]) -> dict[str, datetime]:
    """Entity → start of its last successful pull, aware UTC; the global one under the empty name.

    A value that is not an instant (a person edited it) counts as no watermark: the entity is read in full.
    """
    marks: dict[str, datetime] = {}
    for key, value in settings.items():
        if key.startswith(LAST_SYNC_DATE) and (instant := parse_instant(value)) is not None:
            marks[key.removeprefix(LAST_SYNC_DATE).removeprefix(".")] = instant
    return marks


def move_watermark(
    connection: Connection,
    entities: Sequence[str],
    instant: datetime,
    all_entities: Sequence[str],
    lock: PullLock,
    partial: Sequence[str] = (),
) -> None:
    """Set the watermarks of some entities, and `last_sync_date` to the oldest of all once each entity has one.

    Call it when the entities' rows are committed: a process that dies in between leaves the old watermarks, and the
    next run reads the same changes again. Only one call at a time: two at once do not see each other's.

    Args:
        connection: Of `borrow`.
        entities: Names.
        instant: Start of the pull, aware.
        all_entities: The names of all.
        lock: The pull's.
        partial: Those of `entities` whose list did not come whole: whoever concludes something of it waits.

    Raises:
        DatabaseError: The lock was lost, so another pull may have begun. Nothing was set.
    """
    parameters = {
        "entities": list(entities), "partial": list(partial), "all": list(all_entities), "lock": lock.key,
        "holder": lock.holder, "value": instant.astimezone(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    if connection.execute(statement("warehouse/watermark_move"), parameters).fetchone() != (True,):
        raise lock.lost()
