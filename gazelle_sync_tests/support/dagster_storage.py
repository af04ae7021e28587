"""Dagster's own storage in PostgreSQL, as the tests use it: made once, and asked over connections that stay open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg


def make_dagster_storage(url: str) -> None:
    """Make the tables in an empty database."""
    with dagster_on(url):
        """They are made as the instance is."""


@contextmanager
def dagster_on(url: str) -> Iterator[dg.DagsterInstance]:
    """An instance whose storage is a database of the tests' server, and which is found again by its reference."""
    import dagster as dg  # most tests need none, and it takes a second

    with dg.instance_for_test(overrides={"storage": {"postgres": {"postgres_url": url}}}) as instance:
        for storage in (instance.run_storage, instance.event_log_storage):
            # As our commands do: else each query opens a connection of its own.
            storage.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
        yield instance


def read_revisions_once() -> None:
    """Each storage that is opened reads a hundred files of Alembic's to learn their order: from here on once."""
    from alembic.script import ScriptDirectory

    known: dict[str, ScriptDirectory] = {}
    read = ScriptDirectory.from_config

    def read_once(config: Any) -> ScriptDirectory:
        place = str(config.get_main_option("script_location"))
        if place not in known:
            known[place] = read(config)
        return known[place]

    ScriptDirectory.from_config = staticmethod(read_once)  # type: ignore[method-assign]
