"""A table of edits that another program made before: other types, another key, several rows a piano, none named."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from gazelle_sync.cli.doctor.database import _edits, _migrations
from gazelle_sync.i18n.translator import translator
from gazelle_sync.push.status import read_waiting
from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync.warehouse.schema_repair import UNIQUE, repair
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.pushing import TABLE, EditedShop
from gazelle_sync_tests.support.shop import Shop

SEED = (
    "status text, notes varchar(4000), observations text, travail text, a_faire text, completed_in_tournee_id text, "
    "updated_by text"
)


@pytest.fixture
def older(new_shop: Shop, databases: Databases) -> Iterator[EditedShop]:
    """A shop whose database has nothing but the program's table."""
    with databases.temporary("template1") as url:
        yield EditedShop(Shop.on(url, new_shop.sandbox, new_shop.settings.home))


def make(office: EditedShop, columns: str) -> None:
    """What the program of old did."""
    with psycopg.connect(office.shop.url) as connection:
        connection.execute(f"CREATE TABLE {TABLE} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), {columns})".encode())


def add(office: EditedShop, piano: str | None, **values: object) -> None:
    """What it does since."""
    names = ", ".join(["gazelle_id", *values])
    marks = ", ".join(["%s"] * (len(values) + 1))
    office.shop.query(f"INSERT INTO {TABLE} ({names}) VALUES ({marks})", piano, *values.values())  # noqa: S608


def test_rows_that_nobody_can_assign_are_named_and_not_sent(older: EditedShop) -> None:
    make(older, f"gazelle_id text, {SEED}")
    twice, good = older.piano(), older.piano(1)
    add(older, twice, notes="dup one")
    assert UNIQUE not in restore_after_migration(older), "where every row has a piano of its own, the index is made"
    older.shop.query(f"DROP INDEX {TABLE}_gazelle_id")
    add(older, twice, notes="dup two")
    add(older, None, notes="de qui ?")
    add(older, good, notes="Accordé")
    report = older.push()
    assert sorted(outcome.key for outcome in report.outcomes if outcome.failed) == ["(gazelle_id: NULL)", twice]
    assert older.comments(twice) == []
    assert older.comments(good) == ["Accordé"]
    rows = older.rows("needs_sync")
    assert sorted(row["notes"] for row in rows) == ["de qui ?", "dup one", "dup two"]
    assert sorted(row["sync_error"].partition(" ")[0] for row in rows) == ["Several", "Several", "This"]
    assert {row["attempts"] for row in rows} == {1}
    assert {row.key for row in read_waiting(older.shop.settings)} == {twice, "(gazelle_id: NULL)"}
    assert older.push(at_once=False).outcomes == [], "they wait like others"

    with connect(older.shop.url) as connection:
        parts = (connection, older.shop.settings, translator("en"))
        told, lacks = _edits(*parts), _migrations(*parts)
    assert not told.passed
    assert f"{twice} (2)" in told.summary
    assert "no gazelle_id (1)" in told.summary
    assert UNIQUE in lacks.summary
    assert repair(older.shop.url).missing == [UNIQUE]

    older.shop.query(f"DELETE FROM {TABLE} WHERE notes = 'dup one' OR gazelle_id IS NULL")  # noqa: S608
    assert older.push().succeeded
    assert older.comments(twice) == ["dup two"]
    assert repair(older.shop.url).made == [UNIQUE]
    with pytest.raises(psycopg.errors.UniqueViolation):
        add(older, twice, notes="dup three")


def restore_after_migration(office: EditedShop) -> list[str]:
    migrate(office.shop.url)
    return repair(office.shop.url).missing


@pytest.mark.parametrize(
    ("kind", "value", "day"),
    [
        ("text", "2026-11-20T22:30:00-05:00", "2026-11-20"),
        ("text", "2026-11-20 02:30", "2026-11-20"),
        ("text", "2026-11-20", "2026-11-20"),
        ("timestamp", "2026-11-20 02:30", "2026-11-20"),
        ("date", "2026-11-20", "2026-11-20"),
        ("timestamptz", "2026-11-21 03:30+00", "2026-11-20"),
        ("text", "hier soir", None),
        ("bigint", 1_795_000_000, None),
    ],
)
def test_the_day_of_the_work_is_read_from_a_column_of_any_type(
    older: EditedShop, kind: str, value: object, day: str | None
) -> None:
    """Its other columns have other types too; what the sync writes itself gets the type that it needs."""
    make(
        older,
        f"gazelle_id text UNIQUE, {SEED}, completed_at {kind}, updated_at timestamp DEFAULT now(), "
        "is_hidden text DEFAULT 'false', last_synced_at text DEFAULT '', sync_error varchar(10)",
    )
    hidden, piano = older.piano(), older.piano(1, manualLastService="2020-01-01")
    add(older, hidden, notes="Caché", is_hidden="true")
    add(older, piano, travail="Cordes, 23°, 47%", completed_at=value)
    report = older.push()
    assert older.comments(hidden) == []
    row = older.row(piano)
    if day is None:
        assert report.failed == 1
        assert f"completed_at says '{value}'" in row["sync_error"]
        assert older.comments(piano) == []
        return
    assert report.succeeded
    assert older.record(piano)["manualLastService"] == day
    assert [m["takenOn"] for m in older.measurements(piano)] == [day]
    older.assert_clean(piano)
    assert row["updated_at"].tzinfo is not None
    assert older.push().outcomes == []
