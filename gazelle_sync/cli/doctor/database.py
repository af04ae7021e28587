"""The shop's database and Dagster's own storage."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack
from urllib.parse import urlsplit

import psycopg

from gazelle_sync.errors import GazelleSyncError, RowsHidden
from gazelle_sync.i18n.translator import Message, Translator, translator
from gazelle_sync.quality.finding import Finding
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, connect, database_errors, statement
from gazelle_sync.warehouse.relations import (
    CONTROL_TABLES,
    EDITS,
    PRODUCTION,
    STAGING,
    describe_public_grants,
    present_tables,
    public_grants,
)

LEAST_VERSION = 15
OWN_LOCK = 0x6761_7A04
"""A key of its own: with the key of the pull or the push, a schedule would find one running."""
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
    say = translator(settings.language)
    connection = None
    if settings.database_url is not None and "GAZELLE_DATABASE_URL" not in broken:
        try:
            connection = stack.enter_context(connect(settings.database_url, autocommit=True))
        except (GazelleSyncError, psycopg.Error) as error:
            yield Finding("database", False, str(error))
    if connection is not None:
        for check in (_server, _abilities, _visible_rows, _migrations, _rights, _public_grants, _triggers, _edits):
            try:
                with database_errors():
                    yield check(connection, settings, say)
            except RowsHidden:
                continue  # said by the check of visible rows: what looks at rows cannot judge
            except (GazelleSyncError, psycopg.Error) as error:
                advice = say("Correct this first, then run `gazelle-sync doctor` again.")
                yield Finding("database", False, f"{error} {advice}")
    if settings.dagster_postgres_url is not None and "GAZELLE_DAGSTER_POSTGRES_URL" not in broken:
        yield _dagster_storage(settings.dagster_postgres_url, say)
    return connection


def _server(connection: Connection, _settings: Settings, say: Translator) -> Finding:
    version = connection.info.server_version
    server = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    if version // 10_000 < LEAST_VERSION:
        text = say("{server} is too old: use PostgreSQL {least} or newer.", server=server, least=LEAST_VERSION)
        return Finding("database", False, text)
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in ("UTF8", None):
        text = say(
            "its encoding is {encoding}, which cannot hold every letter: make another one in UTF8.", encoding=encoding
        )
        return Finding("database", False, text)
    # A pooler answers the handshake with a process id of its own.
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    is_pooled = row is None or row[0] != connection.info.backend_pid
    text = Message("{server} answers, through a pooler") if is_pooled else Message("{server} answers, directly")
    return Finding("database", True, say(text, server=server))


def _abilities(connection: Connection, _settings: Settings, say: Translator) -> Finding:
    """What a pull does with a connection, tried in a transaction that is taken back."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL lock_timeout = '5s'")
        connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [OWN_LOCK])
        connection.execute("CREATE TEMPORARY TABLE doctor_batch (n int) ON COMMIT DROP")
        with connection.cursor().copy("COPY doctor_batch (n) FROM STDIN") as copy:
            copy.write_row((1,))
        row = connection.execute("SELECT count(*) FROM doctor_batch").fetchone()
    well = row == (1,)
    text = say("temporary tables, COPY and advisory locks work")
    if not well:
        text = say("COPY lost a row. Use PostgreSQL's own address, not this proxy.")
    return Finding("database", well, text)


def _visible_rows(connection: Connection, _settings: Settings, say: Translator) -> Finding:
    try:
        present_tables(connection)
    except RowsHidden as error:
        return Finding("row-level security", False, str(error))
    return Finding("row-level security", True, say("no row of our tables is hidden from this role"))


def _migrations(connection: Connection, settings: Settings, say: Translator) -> Finding:
    from gazelle_sync.warehouse.migrate import pending

    missing = pending(str(settings.database_url))
    if not missing:
        return _schema_objects(connection, say)
    may_create, _, _ = _rights_of(connection)
    what = say("{first} is to be applied", first=missing[0])
    if len(missing) > 1:
        what = say("{n} to apply ({first} …)", n=len(missing), first=missing[0])
    if may_create:
        return Finding("migrations", True, say("{what}: the next sync does it, or `gazelle-sync migrate`", what=what))
    text = say(
        "{what}, and this role may not create tables in schema public. Run `gazelle-sync migrate` as the owner.",
        what=what,
    )
    return Finding("migrations", False, text)


def _schema_objects(connection: Connection, say: Translator) -> Finding:
    from gazelle_sync.warehouse.schema_repair import describe_object, missing_objects

    if found := ", ".join(describe_object(name, say) for name in missing_objects(connection)):
        text = say(
            "applied, but this is not there: {what}. `gazelle-sync migrate` makes it again and says what to do then.",
            what=found,
        )
        return Finding("migrations", False, text)
    return Finding("migrations", True, say("up to date"))


def _edits(connection: Connection, settings: Settings, say: Translator) -> Finding:
    from gazelle_sync.warehouse.migrate import pending
    from gazelle_sync.warehouse.schema_repair import ambiguous_edits

    if pending(str(settings.database_url)):
        return Finding("edits", True, say("not looked at before the migrations are applied"))
    doubtful = ambiguous_edits(connection)
    if not doubtful:
        return Finding("edits", True, say("every row of {table} is about another piano", table=EDITS))
    nobody = say("no gazelle_id")
    shown = ", ".join(f"{key or nobody} ({count})" for key, count in doubtful[:MOST_SHOWN])
    return Finding(
        "edits",
        False,
        say(
            "rows of {table} that nobody can assign to a piano, so none of them is sent: {shown}. Put what counts into "
            "one row a piano, fill in what is empty, delete the others, then run `gazelle-sync migrate`.",
            table=EDITS,
            shown=shown,
        ),
    )


def _rights(connection: Connection, _settings: Settings, say: Translator) -> Finding:
    _, may_create_temporary, refused = _rights_of(connection)
    if not may_create_temporary:
        text = say("this role may not make temporary tables. Grant it gazelle_writer (sql/migrations).")
        return Finding("rights", False, text)
    if refused:
        text = say(
            "this role may not read and write {tables}. Grant it gazelle_writer (sql/migrations).",
            tables=", ".join(refused),
        )
        return Finding("rights", False, text)
    return Finding("rights", True, say("this role may read and write what it needs"))


def _public_grants(connection: Connection, _settings: Settings, say: Translator) -> Finding:
    if grants := public_grants(connection):
        consequence = say("What is written there would be sent to Gazelle.")
        return Finding("public doors", False, f"{describe_public_grants(grants, say)} {consequence}")
    return Finding("public doors", True, say("no role of a hosted database's Data API has a right to what is ours"))


def _rights_of(connection: Connection) -> tuple[bool, bool, list[str]]:
    tables = [*STAGING, *PRODUCTION, *CONTROL_TABLES]
    row = connection.execute(statement("doctor/rights"), {"tables": tables}).fetchone()
    return row if row else (False, False, [])


def _triggers(connection: Connection, _settings: Settings, say: Translator) -> Finding:
    found = [name for (name,) in connection.execute(statement("doctor/triggers"))]
    if found:
        return Finding(
            "old trigger",
            False,
            say(
                "{names}: hours of appointments are changed as they are stored. Remove it as "
                "sql/migrations/004_remove_timezone_trigger.sql does, then run `gazelle-sync replay`.",
                names=", ".join(found),
            ),
        )
    return Finding("old trigger", True, say("none: instants are stored as Gazelle sends them"))


def _dagster_storage(url: str, say: Translator) -> Finding:
    if urlsplit(url).port == POOLER_PORT:
        return Finding(
            "Dagster's storage",
            False,
            say(
                "GAZELLE_DAGSTER_POSTGRES_URL is a transaction-mode pooler (port 6543), where Dagster's LISTEN does "
                "not work. Use the direct address, or the session pooler (port 5432)."
            ),
        )
    try:
        with database_errors(), connect(url) as connection:
            grants = public_grants(connection, DAGSTER_TABLES)
    except (GazelleSyncError, psycopg.Error) as error:
        said = str(error).replace("GAZELLE_DATABASE_URL", "GAZELLE_DAGSTER_POSTGRES_URL")
        return Finding("Dagster's storage", False, said)
    if grants:
        better = say('Better: give Dagster a database of its own (README, "Run it for a shop").')
        return Finding("Dagster's storage", False, f"{describe_public_grants(grants, say)} {better}")
    return Finding("Dagster's storage", True, say("answers"))
