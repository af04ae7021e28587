"""The shop's database and Dagster's own storage."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from urllib.parse import urlsplit

import psycopg

from gazelle_sync.errors import GazelleSyncError, RowsHidden
from gazelle_sync.quality.finding import Finding
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement
from gazelle_sync.warehouse.relations import (
    CONTROL_TABLES,
    EDITS,
    PRODUCTION,
    STAGING,
    open_doors,
    present_tables,
    say_doors,
)

LEAST_VERSION = 15
OWN_LOCK = 0x6761_7A04
"""Nobody else's: one that the pull or the push waits for would make a schedule believe that they run."""
MOST_SHOWN = 5
DAGSTER_TABLES = (
    "alembic_version", "asset_check_executions", "asset_daemon_asset_evaluations", "asset_event_tags", "asset_keys",
    "backfill_tags", "bulk_actions", "concurrency_limits", "concurrency_slots", "daemon_heartbeats",
    "dynamic_partitions", "event_logs", "instance_info", "instigators", "job_ticks", "jobs", "kvs", "pending_steps",
    "run_tags", "runs", "secondary_indexes", "snapshots",
)  # fmt: skip
POOLER_PORT = 6543
"""Supabase's transaction-mode pooler."""


def database_findings(
    stack: ExitStack, settings: Settings, broken: set[str]
) -> Generator[Finding, None, Connection | None]:
    """The findings; returns the connection, if there is one."""
    connection = None
    if settings.database_url is not None and "GAZELLE_DATABASE_URL" not in broken:
        try:
            connection = stack.enter_context(connect(settings.database_url, autocommit=True))
        except (GazelleSyncError, psycopg.Error) as error:
            yield Finding("database", False, str(error))
    if connection is not None:
        for check in (_server, _abilities, _visible_rows, _migrations, _rights, _public_doors, _triggers, _edits):
            try:
                with database_errors():
                    yield check(connection, settings)
            except RowsHidden:
                continue  # said by the check of visible rows: what looks at rows cannot judge
            except (GazelleSyncError, psycopg.Error) as error:
                yield Finding("database", False, f"{error} Correct this first, then run `gazelle-sync doctor` again.")
    if settings.dagster_postgres_url is not None and "GAZELLE_DAGSTER_POSTGRES_URL" not in broken:
        yield _dagster_storage(settings.dagster_postgres_url)
    return connection


def _server(connection: Connection, _settings: Settings) -> Finding:
    version = connection.info.server_version
    said = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    if version // 10_000 < LEAST_VERSION:
        return Finding("database", False, f"{said} is too old: use PostgreSQL {LEAST_VERSION} or newer.")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in ("UTF8", None):
        return Finding(
            "database", False, f"its encoding is {encoding}, which cannot hold every letter: make another one in UTF8."
        )
    # A pooler answers the handshake with a process id of its own.
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    is_pooled = row is None or row[0] != connection.info.backend_pid
    return Finding("database", True, f"{said} answers, {'through a pooler' if is_pooled else 'directly'}")


def _abilities(connection: Connection, _settings: Settings) -> Finding:
    """What a pull does with a connection, tried in a transaction that is taken back."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL lock_timeout = '5s'")
        connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [OWN_LOCK])
        connection.execute("CREATE TEMPORARY TABLE doctor_batch (n int) ON COMMIT DROP")
        with connection.cursor().copy("COPY doctor_batch (n) FROM STDIN") as copy:
            copy.write_row((1,))
        row = connection.execute("SELECT count(*) FROM doctor_batch").fetchone()
    well = row == (1,)
    text = "temporary tables, COPY and advisory locks work"
    return Finding("database", well, text if well else "COPY lost a row. Use PostgreSQL's own address, not this proxy.")


def _visible_rows(connection: Connection, _settings: Settings) -> Finding:
    try:
        present_tables(connection)
    except RowsHidden as error:
        return Finding("row-level security", False, str(error))
    return Finding("row-level security", True, "no row of our tables is hidden from this role")


def _migrations(connection: Connection, settings: Settings) -> Finding:
    from gazelle_sync.warehouse.migrate import pending

    missing = pending(str(settings.database_url))
    if not missing:
        return _wholeness(connection)
    may_create, _, _ = _rights_of(connection)
    text = f"{len(missing)} to apply ({missing[0]} …)" if len(missing) > 1 else f"{missing[0]} is to be applied"
    if may_create:
        return Finding("migrations", True, f"{text}: the next sync does it, or `gazelle-sync migrate`")
    return Finding(
        "migrations",
        False,
        f"{text}, and this role may not create tables in schema public. Run `gazelle-sync migrate` as the owner.",
    )


def _wholeness(connection: Connection) -> Finding:
    from gazelle_sync.warehouse.schema_repair import lacking

    if found := ", ".join(lacking(connection)):
        said = f"applied, but this is not there: {found}"
        return Finding("migrations", False, f"{said}. `gazelle-sync migrate` makes it again and says what to do then.")
    return Finding("migrations", True, "up to date")


def _edits(connection: Connection, settings: Settings) -> Finding:
    from gazelle_sync.warehouse.migrate import pending
    from gazelle_sync.warehouse.schema_repair import doubtful_edits

    if pending(str(settings.database_url)):
        return Finding("edits", True, "not looked at before the migrations are applied")
    doubtful = doubtful_edits(connection)
    if not doubtful:
        return Finding("edits", True, f"every row of {EDITS} speaks of a piano of its own")
    shown = ", ".join(f"{key or 'no gazelle_id'} ({count})" for key, count in doubtful[:MOST_SHOWN])
    return Finding(
        "edits",
        False,
        f"rows of {EDITS} that nobody can assign to a piano, so none of them is sent: {shown}. Put what counts into "
        "one row a piano, fill in what is empty, delete the others, then run `gazelle-sync migrate`.",
    )


def _rights(connection: Connection, _settings: Settings) -> Finding:
    _, may_create_temporary, refused = _rights_of(connection)
    if not may_create_temporary:
        return Finding(
            "rights", False, "this role may not make temporary tables. Grant it gazelle_writer (sql/migrations)."
        )
    if refused:
        return Finding(
            "rights",
            False,
            f"this role may not read and write {', '.join(refused)}. Grant it gazelle_writer (sql/migrations).",
        )
    return Finding("rights", True, "this role may read and write what it needs")


def _public_doors(connection: Connection, _settings: Settings) -> Finding:
    if doors := open_doors(connection):
        return Finding("public doors", False, f"{say_doors(doors)} What is written there would be sent to Gazelle.")
    return Finding("public doors", True, "no role of a hosted database's Data API has a right to what is ours")


def _rights_of(connection: Connection) -> tuple[bool, bool, list[str]]:
    tables = [*STAGING, *PRODUCTION, *CONTROL_TABLES]
    row = connection.execute(statement("doctor/rights"), {"tables": tables}).fetchone()
    return row if row else (False, False, [])


def _triggers(connection: Connection, _settings: Settings) -> Finding:
    found = [name for (name,) in connection.execute(statement("doctor/triggers"))]
    if found:
        return Finding(
            "old trigger",
            False,
            f"{', '.join(found)}: hours of appointments are changed as they are stored. Remove it as "
            "sql/migrations/004_remove_timezone_trigger.sql does, then run `gazelle-sync replay`.",
        )
    return Finding("old trigger", True, "none: instants are stored as Gazelle sends them")


def _dagster_storage(url: str) -> Finding:
    if urlsplit(url).port == POOLER_PORT:
        return Finding(
            "Dagster's storage",
            False,
            "GAZELLE_DAGSTER_POSTGRES_URL is a transaction-mode pooler (port 6543), where Dagster's LISTEN does not "
            "work. Use the direct address, or the session pooler (port 5432).",
        )
    try:
        with database_errors(), connect(url) as connection:
            doors = open_doors(connection, DAGSTER_TABLES)
    except (GazelleSyncError, psycopg.Error) as error:
        said = str(error).replace("GAZELLE_DATABASE_URL", "GAZELLE_DAGSTER_POSTGRES_URL")
        return Finding("Dagster's storage", False, said)
    if doors:
        return Finding(
            "Dagster's storage",
            False,
            f'{say_doors(doors)} Better: give Dagster a database of its own (README, "Run it for a shop").',
        )
    return Finding("Dagster's storage", True, "answers")
