"""Faults of the database, and of people who work in it by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

from gazelle_sync.entities import ENTITIES
from gazelle_sync.errors import StagingIncomplete
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.replay import WithoutStaging
from gazelle_sync_tests.faults.context import PullContext
from gazelle_sync_tests.faults.kinds import Expect, Kind, Strike
from gazelle_sync_tests.faults.oracle import Before

SAID, HARMLESS, HONEST, PLAUSIBLE = Expect.SAID, Expect.HARMLESS, Expect.HONEST, Expect.PLAUSIBLE
OURS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gazelle_sync'"
LOCKS = (
    "FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database "
    "WHERE datname = current_database())"
)


def _cut(which: str) -> Strike:
    def strike(context: PullContext) -> None:
        with context.meanwhile(lambda: context.shop.query(f"SELECT pg_terminate_backend(pid) {which}")):
            context.pull()

    return strike


def _crash(context: PullContext) -> None:
    # A copied database's sequences begin again where they stood, unless a checkpoint lies between copy and crash.
    context.shop.query("CHECKPOINT")
    with context.meanwhile(context.servers.crash):
        context.pull()
    context.servers.wait_until_up()


def _far(context: PullContext) -> None:
    with context.far_away():
        context.pull(Mode.TICK, rate_per_s=context.draw.choice([0, 10, 20]))


def _set(*choices: dict[str, str], held: bool = False) -> Strike:
    def strike(context: PullContext) -> None:
        context.held = held
        context.set_database(**context.draw.choice(choices))
        context.pull()

    return strike


def _closed(context: PullContext) -> None:
    context.finally_do(lambda: context.allow_connections(allowed=True))
    with context.meanwhile(lambda: context.allow_connections(allowed=False), within_s=0.2):
        context.pull()


def _locked(seconds: float | None) -> Strike:
    """Somebody holds a table for so long; None: until the run has ended, which waits 0.1 s at most."""

    def strike(context: PullContext) -> None:
        table = context.draw.choice(
            ["gazelle_clients", "gazelle_timeline_entries", "staging_pianos", "system_settings"]
        )
        if seconds is None:
            context.held = True
            context.set_database(lock_timeout="100ms")
        with psycopg.connect(context.shop.url) as other:
            other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
            timer = threading.Timer(seconds, other.rollback) if seconds is not None else None
            if timer is not None:
                timer.start()
            try:
                context.pull()
            finally:
                if timer is not None:
                    timer.join()
                other.rollback()

    return strike


def _deadlock(context: PullContext) -> None:
    """Somebody holds one client's row, and wants the others' once the run waits for that one."""
    changed = context.shop.admin.random_edits(clients=8, seed=context.draw.randrange(10**6))["clients"]
    context.editor.promised.by_tick |= set(changed)
    context.set_database(deadlock_timeout="200ms")
    with psycopg.connect(context.shop.url, autocommit=True) as other:
        other.execute("SET deadlock_timeout = '20s'")
        row = context.draw.choice(changed)

        def collide() -> None:
            deadline = time.monotonic() + 5
            with other.transaction():
                other.execute("SELECT FROM gazelle_clients WHERE external_id = %s FOR UPDATE", [row])
                held.set()
                while time.monotonic() < deadline and not over.is_set():
                    if context.shop.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                        other.execute("SELECT FROM gazelle_clients FOR UPDATE")
                        return
                    time.sleep(0.01)

        held, over = threading.Event(), threading.Event()
        thread = threading.Thread(target=collide)
        thread.start()
        held.wait(5)
        try:
            context.pull(Mode.TICK)
        finally:
            over.set()
            thread.join()


def _serializable(context: PullContext) -> None:
    """Every transaction is serializable, and somebody writes to the same rows."""
    context.set_database(default_transaction_isolation="serializable")
    over = threading.Event()

    def write() -> None:
        while not over.wait(0.01):
            try:
                context.shop.query("UPDATE gazelle_clients SET tags = tags; UPDATE system_settings SET value = value")
            except psycopg.OperationalError:
                continue

    thread = threading.Thread(target=write)
    thread.start()
    try:
        context.pull()
    finally:
        over.set()
        thread.join()


def _unreachable(context: PullContext) -> None:
    context.held = True
    context.pull(database_url="postgresql://shop@127.0.0.1:9/shop")


def _without_rights(context: PullContext) -> None:
    query = context.shop.query
    query("DROP ROLE IF EXISTS visitor")
    query("CREATE ROLE visitor LOGIN")
    query("GRANT SELECT ON ALL TABLES IN SCHEMA public TO visitor")
    context.finally_do(lambda: query("DROP OWNED BY visitor; DROP ROLE visitor"))
    context.held = True
    context.pull(database_url=context.shop.url.replace("postgres:@", "visitor:@"))


# ---- by hand


def _by_hand(deed: Callable[[PullContext], Any]) -> Strike:
    """Somebody changes what is ours to write; the run that follows is an ordinary one."""

    def strike(context: PullContext) -> None:
        deed(context)
        context.before = Before(context.shop)
        context.pull()

    return strike


def _statements(*choices: str) -> Strike:
    def deed(context: PullContext) -> None:
        chosen = context.draw.choice(choices)
        context.story.append(chosen)
        context.shop.query(chosen)

    return _by_hand(deed)


def _removed(context: PullContext) -> None:
    table = context.draw.choice(["gazelle_timeline_entries", "gazelle_contacts", "gazelle_invoice_items",
                               "gazelle_appointment_pianos"])  # fmt: skip
    context.story.append(f"rows of {table} removed")
    context.shop.query(f"DELETE FROM {table} WHERE id % 5 = 0")  # noqa: S608
    _forget(context)


def _truncated(context: PullContext) -> None:
    context.shop.query("TRUNCATE gazelle_timeline_entries")
    _forget(context)


STAGING_LOSSES = (
    "TRUNCATE {}",
    "DELETE FROM {} WHERE hashtext(external_id) % 3 = 0",
    "DELETE FROM {} WHERE hashtext(external_id) % 40 = 0",
    # Single versions: bodies, and tombstones that nothing follows (without one between them, two bodies may be equal).
    "DELETE FROM {} WHERE raw_data <> 'null' AND hashtext(external_id || fetched_at::text) % 4 = 0",
    "DELETE FROM {} AS s WHERE raw_data = 'null' AND NOT EXISTS (SELECT FROM {} AS newer "
    "WHERE newer.external_id = s.external_id AND newer.fetched_at > s.fetched_at)",
)


def _staging_lost(context: PullContext) -> None:
    """Staging tables lose rows between two runs; then somebody replays, or an ordinary run follows."""
    draw = context.draw
    loss = draw.choice(STAGING_LOSSES)
    for entity in draw.sample(ENTITIES, draw.choice([1, 1, 2, len(ENTITIES)])):
        statement = loss.format(*[entity.staging_table] * 2)
        context.story.append(statement)
        context.shop.query(statement)
    if "fetched_at" not in loss and draw.random() < 0.6:
        choice = draw.choice([None, None, WithoutStaging.KEEP])
        try:
            context.shop.replay(without_staging=choice)
            context.story.append(f"replay {choice}")
        except StagingIncomplete as refused:
            context.story.append(f"replay refused: {str(refused)[:80]}")
    if draw.random() < 0.8:
        context.pull()


def _forget(context: PullContext) -> None:
    """What stood in removed rows cannot be asked of anybody."""
    editor, rows = context.editor, context.shop.rows("gazelle_timeline_entries")
    editor.measured &= {row["external_id"] for row in rows}


DATABASE = (
    Kind("unreachable", "database", "nothing listens at the address", _unreachable, SAID, "GAZELLE_DATABASE_URL"),
    Kind("connections cut", "database", "every session is ended at some moment", _cut(OURS), HONEST),
    Kind("lock cut", "database", "the session that holds the pull's lock is ended", _cut(LOCKS), HONEST),
    Kind("server crash", "database", "a process of the server is killed; it recovers", _crash, HONEST),
    Kind("closed", "database", "no new session is let in from some moment on", _closed, HONEST),
    Kind("read-only", "database", "no transaction may write", _set({"default_transaction_read_only": "on"}, held=True),
         SAID, "read-only"),
    Kind("no rights", "database", "a role that may only read", _without_rights, SAID, "gazelle_owner"),
    Kind("statement timeout", "database", "statements are cut off after some milliseconds",
         _set(*({"statement_timeout": f"{ms}ms"} for ms in (1, 2, 3, 5, 8, 13))), HONEST),
    Kind("lock timeout", "database", "a table is held, and nobody may wait", _locked(None), SAID, "lock timeout"),
    Kind("table locked", "database", "somebody holds a table for a while", _locked(0.4), HARMLESS),
    Kind("far away", "database", "it is 20 to 80 ms away", _far, HARMLESS),
    Kind("idle timeout", "database", "transactions that idle are ended",
         _set(*({"idle_in_transaction_session_timeout": f"{ms}ms"} for ms in (10, 30, 100))), HONEST),
    Kind("deadlock", "database", "somebody else wants the same rows in another order", _deadlock, HONEST),
    Kind("serialization", "database", "transactions fail because others wrote", _serializable, HONEST),
    Kind("odd settings", "database", "another DateStyle, time zone, text format",
         _set({"DateStyle": "SQL, DMY", "TimeZone": "Asia/Kolkata"}, {"TimeZone": "America/Toronto"},
              {"IntervalStyle": "sql_standard", "bytea_output": "escape"}, {"extra_float_digits": "-15"},
              {"client_encoding": "LATIN1"}, {"jit": "on", "enable_hashjoin": "off", "enable_seqscan": "off"}),
         HARMLESS),
    Kind("rows changed by hand", "database", "Gazelle's columns are written over",
         _statements("UPDATE gazelle_products SET name_fr = 'abîmé' WHERE id % 7 = 0",
                     "UPDATE gazelle_clients SET city = 'abîmé', display_name = NULL",
                     "UPDATE gazelle_pianos SET deleted_at = now() WHERE id % 4 = 0",
                     "UPDATE gazelle_timeline_entries SET title = NULL, occurred_at = now()"), PLAUSIBLE),
    Kind("starts changed by hand", "database", "the old trigger's ten hours",
         _statements("UPDATE gazelle_appointments SET title = 'abîmé'"), PLAUSIBLE),
    Kind("rows removed by hand", "database", "a fifth of a table", _by_hand(_removed), PLAUSIBLE),
    Kind("table emptied by hand", "database", "TRUNCATE", _by_hand(_truncated), PLAUSIBLE),
    Kind("staging lost", "database", "staging tables are truncated or lose rows", _staging_lost, PLAUSIBLE),
    Kind("watermarks lost", "database", "removed, garbage, or in the future",
         _statements("DELETE FROM system_settings",
                     "UPDATE system_settings SET value = 'demain' WHERE key LIKE 'last_sync_date%'",
                     "UPDATE system_settings SET value = '2099-01-01T00:00:00+00:00' WHERE key LIKE 'last_sync_date%'",
                     "UPDATE system_settings SET value = '1999-01-01T00:00:00+00:00' WHERE key LIKE 'last_sync_date%'",
                     "UPDATE system_settings SET value = 'x' WHERE key NOT LIKE 'last_sync_date%' AND key <> 'source'"),
         HONEST),
    Kind("history lost", "database", "sync_logs is emptied", _statements("TRUNCATE sync_logs"), HARMLESS),
)  # fmt: skip
