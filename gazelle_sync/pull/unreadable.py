"""Records that Gazelle names and cannot give: noted where a person looks, until a run reads them."""

from __future__ import annotations

from collections.abc import Mapping

from gazelle_sync.warehouse.connect import Connection, statement


def note_unreadable(
    connection: Connection, entity: str, failed: Mapping[str, str], *, run_id: str, is_whole: bool
) -> None:
    """Make `sync_unreadable` say what this run could not read. Nothing is written where nothing changed.

    Args:
        connection: In no transaction that must not commit.
        entity: Its name.
        failed: Id → why.
        run_id: Of the Dagster run.
        is_whole: Whether the run tried every record that the runs before it could not read.
    """
    with connection.transaction():
        if failed:
            parameters = {"entity": entity, "ids": list(failed), "messages": list(failed.values()), "run_id": run_id}
            connection.execute(statement("pull/unreadable_note"), parameters)
        if is_whole:
            connection.execute(statement("pull/unreadable_forget"), {"entity": entity, "ids": list(failed)})
