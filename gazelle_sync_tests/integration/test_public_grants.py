"""A hosted database serves schema public to its roles `anon` and `authenticated`: what is ours is closed to them.

On a server of its own: roles belong to the whole server.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from gazelle_sync.cli.doctor.database import DAGSTER_TABLES, _dagster_storage, _public_grants
from gazelle_sync.i18n.translator import translator
from gazelle_sync.quality.finding import Finding
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.relations import EDITS, public_grants
from gazelle_sync.warehouse.schema_repair import read_public_grants, repair
from gazelle_sync_tests.conftest import server_of_its_own

NUMBERS = itertools.count()
ROLES = """
CREATE ROLE anon NOLOGIN; CREATE ROLE authenticated NOLOGIN; CREATE ROLE service_role NOLOGIN BYPASSRLS;
CREATE ROLE project LOGIN CREATEROLE CREATEDB BYPASSRLS;
GRANT anon, authenticated, service_role TO project;
"""
DEFAULTS = """
GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;
"""
HELD = """
SELECT visitor || ' ' || c.relname FROM pg_class AS c, unnest(ARRAY['anon', 'authenticated']) AS visitor
WHERE c.relnamespace = 'public'::regnamespace AND CASE c.relkind
    WHEN 'S' THEN has_sequence_privilege(visitor, c.oid, 'USAGE, SELECT, UPDATE')
    WHEN 'r' THEN has_table_privilege(visitor, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
    WHEN 'v' THEN has_table_privilege(visitor, c.oid, 'SELECT, INSERT, UPDATE, DELETE') ELSE false END
UNION ALL
SELECT visitor || ' ' || p.proname FROM pg_proc AS p, unnest(ARRAY['anon', 'authenticated']) AS visitor
WHERE p.pronamespace::regnamespace::text IN ('public', 'gazelle')
    AND has_function_privilege(visitor, p.oid, 'EXECUTE')
"""
OWN_TABLE = "CREATE TABLE program_settings (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, value text)"
PREDECESSOR = f"CREATE TABLE {EDITS} (gazelle_id text PRIMARY KEY, status text, notes text)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    with server_of_its_own(tmp_path_factory.mktemp("hosted") / "pg") as uri:
        with psycopg.connect(uri("postgres")) as connection:
            connection.execute(ROLES.encode())
        yield uri


@pytest.fixture
def hosted(server: Callable[[str], str]) -> str:
    """An empty database as a hosting service hands it over: its owner is no superuser."""
    name = f"hosted_{next(NUMBERS)}"
    with psycopg.connect(server("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER project".encode())
    url = server(name).replace("postgres:@", "project:@")
    run(url, DEFAULTS)
    return url


def run(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(query.encode())
        while cursor.nextset():
            pass
        return cursor.fetchall() if cursor.description else []


def held(url: str) -> set[str]:
    """What the visitors hold, as `role name`."""
    return {str(name) for (name,) in run(url, HELD)}


def doors(url: str) -> Finding:
    with connect(url) as connection:
        return _public_grants(connection, Settings(database_url=url), translator("en"))


def test_what_the_migrations_make_is_closed_and_what_was_there_is_not_touched(hosted: str) -> None:
    run(hosted, OWN_TABLE)
    before = held(hosted)
    assert before
    migrate(hosted)
    assert held(hosted) == before
    assert doors(hosted).passed
    for statement in ("INSERT INTO vincent_dindy_piano_updates (gazelle_id) VALUES ('x')", "SELECT * FROM sync_logs"):
        with pytest.raises(errors.InsufficientPrivilege):
            run(hosted, f"SET ROLE anon; {statement}")


def test_a_table_of_edits_that_was_there_before_is_left_as_it_is_and_named(hosted: str) -> None:
    run(hosted, PREDECESSOR)
    before = held(hosted)
    migrate(hosted)
    assert held(hosted) == before
    found = doors(hosted)
    assert not found.passed
    assert f"anon has rights on {EDITS}; authenticated has rights on {EDITS}." in found.summary
    assert "REVOKE" in found.summary
    assert found.summary.startswith(str(read_public_grants(hosted, translator("en"))))
    run(hosted, f"REVOKE ALL ON {EDITS} FROM anon, authenticated")
    assert doors(hosted).passed


def test_an_upgrade_closes_sequences_and_functions_and_leaves_the_table_of_edits_that_is_in_use(hosted: str) -> None:
    migrate(hosted)
    everything = "IN SCHEMA public TO anon, authenticated, PUBLIC"
    run(hosted, f"GRANT ALL ON ALL SEQUENCES {everything.removesuffix(', PUBLIC')}")
    run(hosted, f"GRANT EXECUTE ON ALL FUNCTIONS {everything}")
    run(hosted, f"GRANT INSERT, UPDATE ON {EDITS} TO anon, authenticated")
    files = [
        "022_closed_doors.sql",
        "025_shop_products.sql",
        "029_import_and_stock.sql",
        "030_maintenance.sql",
        "031_consumption.sql",
        "034_calendar.sql",
        "037_invoice_drafts.sql",
        "038_sent_invoices.sql",
        "042_search.sql",
        "043_desk.sql",
    ]
    for name in files:
        run(hosted, f"DELETE FROM schema_migrations WHERE name = '{name}'")  # noqa: S608 - the test's own names
    assert len(held(hosted)) > 10
    assert migrate(hosted) == files
    assert held(hosted) == {f"anon {EDITS}", f"authenticated {EDITS}"}
    assert not doors(hosted).passed


def test_row_level_security_lets_people_in_who_signed_up_and_nobody_else(hosted: str) -> None:
    migrate(hosted)
    run(hosted, "ALTER TABLE gazelle_products ENABLE ROW LEVEL SECURITY")
    run(hosted, "GRANT SELECT ON gazelle_products TO authenticated")
    assert doors(hosted).passed
    run(hosted, "GRANT SELECT (name_fr) ON gazelle_products TO anon")
    with connect(hosted) as connection:
        assert public_grants(connection) == {"anon": ["gazelle_products"]}
    # Applied again, as `migrate` does where something is lacking, the files take nothing that somebody decided.
    run(hosted, f"DROP VIEW v_sync_dashboard; DROP TABLE {EDITS}")
    repair(hosted)
    with connect(hosted) as connection:
        assert public_grants(connection) == {"anon": ["gazelle_products"]}
    assert "authenticated gazelle_products" in held(hosted)


def test_dagsters_storage_beside_the_shops_tables_is_found_open(hosted: str) -> None:
    migrate(hosted)
    assert _dagster_storage(hosted, translator("en")).passed
    run(hosted, "CREATE TABLE runs (id int); CREATE TABLE event_logs (id int)")
    found = _dagster_storage(hosted, translator("en"))
    assert not found.passed
    assert "anon has rights on event_logs, runs" in found.summary
    assert "a database of its own" in found.summary


def test_dagsters_tables_are_known_by_name() -> None:
    from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
    from dagster._core.storage.runs.schema import RunStorageSqlMetadata
    from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata

    stores = (SqlEventLogStorageMetadata, RunStorageSqlMetadata, ScheduleStorageSqlMetadata)
    assert set(DAGSTER_TABLES) == {name for store in stores for name in store.tables} | {"alembic_version"}


def test_the_reader_sees_no_body_in_the_log_of_what_was_sent(database: str) -> None:
    run(
        database,
        "INSERT INTO sync_gazelle_logs (piano_id, action, status, request) "
        "VALUES ('pno_x', 'add_comment', 'success', '{\"payload\": \"La cliente est en voyage\"}')",
    )
    assert run(database, "SET ROLE gazelle_reader; SELECT piano_id, action, status FROM sync_gazelle_logs")
    for column in ("request", "response", "remote_before", "error_message", "*"):
        with pytest.raises(errors.InsufficientPrivilege):
            run(database, f"SET ROLE gazelle_reader; SELECT {column} FROM sync_gazelle_logs")  # noqa: S608


def test_a_server_without_such_roles_has_no_public_door(database: str, tmp_path: Path) -> None:
    assert read_public_grants(database, translator("en")) is None
    with connect(database) as connection:
        assert _public_grants(connection, Settings(database_url=database, home=tmp_path), translator("en")).passed
