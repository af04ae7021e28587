"""Row-level security that holds for the sync's own login hides rows: everything that runs says so and stops."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from gazelle_sync.cli.doctor import examine
from gazelle_sync.errors import RowsHidden
from gazelle_sync.monitoring.status import push_status, read_status
from gazelle_sync.pull.replay import Replay
from gazelle_sync.pull.session import Pull
from gazelle_sync.push.session import Push
from gazelle_sync.push.status import read_waiting
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.relations import EDITS, TABLES, present_tables
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Shop

NUMBERS = itertools.count()


@contextmanager
def writer(shop: Shop) -> Iterator[Settings]:
    """The settings of a login with the role `gazelle_writer`; roles belong to the server, so its name is its own."""
    name = f"writer_{os.getpid()}_{next(NUMBERS)}"
    role = sql.Identifier(name)
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE gazelle_writer").format(role))
        try:
            yield shop.settings.replace(database_url=shop.url.replace("postgres:@", f"{name}:@"))
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


def begun(settings: Settings, kind: type[Pull] | type[Push]) -> None:
    with kind(settings):
        pass


def replayed(settings: Settings) -> None:
    with Replay(settings, run_id="replay"):
        pass


LOOKS: dict[str, Callable[[Settings], object]] = {
    "pull": lambda settings: begun(settings, Pull),
    "replay": replayed,
    "push": lambda settings: begun(settings, Push),
    "push --status": read_waiting,
    "status": read_status,
    "status of the push": push_status,
}


@pytest.mark.parametrize("table", [EDITS, "gazelle_pianos", "system_settings", "schema_migrations"])
def test_a_hidden_table_stops_everything_by_its_name_with_what_to_do(shop: Shop, table: str) -> None:
    shop.query(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    with writer(shop) as settings:
        for look in LOOKS.values():
            with pytest.raises(RowsHidden, match=rf"hides rows of {table} from the role writer_\d+") as caught:
                look(settings)
            assert "ALTER ROLE writer_" in str(caught.value)
            assert "BYPASSRLS" in str(caught.value)
            assert "COPY FROM" in str(caught.value)
    assert shop.value("SELECT count(*) FROM sync_logs") == 1, "nothing was begun"


def test_an_edit_that_nobody_can_see_is_not_called_sent(person: Person) -> None:
    office = EditedShop(person.shop)
    office.edit(office.piano(), notes="Corde cassée")
    person.shop.query(f"ALTER TABLE {EDITS} ENABLE ROW LEVEL SECURITY")
    with writer(person.shop) as settings:
        for command in (("push", "--status"), ("status",), ("status", "--json"), ("push",)):
            ended = person.runs(*command, GAZELLE_DATABASE_URL=str(settings.database_url))
            assert ended.returncode == 1
            assert f"✗ Row-level security hides rows of {EDITS}" in ended.stdout + ended.stderr
            assert "well" not in ended.stdout
            assert "everything" not in ended.stdout


def test_the_doctor_names_the_hidden_tables_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with writer(shop) as settings:
        for name, value in shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=shop.url).items():
            if name.startswith("GAZELLE_"):
                monkeypatch.setenv(name, value)
        monkeypatch.setenv("GAZELLE_DATABASE_URL", str(settings.database_url))
        assert [finding.summary for finding in examine() if not finding.passed] == []
        shop.query("ALTER TABLE staging_clients ENABLE ROW LEVEL SECURITY")
        shop.query("CREATE POLICY everything ON staging_clients USING (true)")
        (found,) = [finding for finding in examine() if not finding.passed]
    assert found.check == "row-level security"
    assert "staging_clients" in found.summary
    assert "BYPASSRLS" in found.summary


def test_the_owner_and_a_role_with_bypassrls_see_every_row_and_a_forced_table_hides_them(shop: Shop) -> None:
    shop.query("ALTER TABLE gazelle_clients ENABLE ROW LEVEL SECURITY")
    read_status(shop.settings)
    with writer(shop) as settings:
        with psycopg.connect(str(settings.database_url)) as connection:
            role = connection.info.user
        shop.query(f"ALTER ROLE {role} BYPASSRLS")
        shop.sync(database_url=str(settings.database_url))
    shop.assert_equals_api()


def test_all_tables_are_asked_about_in_one_statement(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    execute = psycopg.Connection.execute

    def counted(self: psycopg.Connection[object], query: object, *args: object, **options: object) -> object:
        asked.append(str(query))
        return execute(self, query, *args, **options)  # type: ignore[call-overload] # as it came

    monkeypatch.setattr(psycopg.Connection, "execute", counted)
    with connect(database) as connection:
        assert present_tables(connection) == set(TABLES)
    assert len(asked) == 1
