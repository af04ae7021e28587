"""The table of edits: what counts as one, on a new table and on one that was there before us."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Shop

SEEDS_TABLES = """
CREATE TABLE vincent_dindy_piano_updates (
    gazelle_id text PRIMARY KEY, status text, notes text, observations text, is_hidden boolean, updated_at timestamptz,
    updated_by text
);
INSERT INTO vincent_dindy_piano_updates (gazelle_id, status, updated_at) VALUES ('pno_old', 'top', '2025-12-01T12:00Z');
CREATE TABLE sync_gazelle_logs (
    id serial PRIMARY KEY, piano_id text NOT NULL, action text NOT NULL, status text NOT NULL, error_message text,
    synced_at timestamptz DEFAULT now()
);
INSERT INTO sync_gazelle_logs (piano_id, action, status) VALUES ('pno_old', 'update_tags', 'done');
"""


@pytest.fixture
def office(new_shop: Shop) -> EditedShop:
    """On one transport: the table knows nothing of them."""
    return EditedShop(new_shop)


def row_of(url: str, columns: str, key: str = "pno_old") -> tuple[object, ...]:
    with psycopg.connect(url) as connection:
        query = (
            f"SELECT {columns} FROM vincent_dindy_piano_updates AS t INNER JOIN push_state AS s "  # noqa: S608 - our own names
            "ON s.local_id = t.gazelle_id WHERE t.gazelle_id = %s"
        )
        found = connection.execute(query.encode(), [key]).fetchone()
    assert found is not None
    return found


def test_a_table_that_was_there_keeps_its_rows_and_gets_what_is_missing(databases: Databases) -> None:
    with databases.temporary("template1") as url:
        with psycopg.connect(url) as connection:
            connection.execute(SEEDS_TABLES)
        migrate(url)
        assert row_of(url, "t.status, t.needs_sync, s.revision, s.base, t.updated_at") == (
            "top", True, 1, None, datetime(2025, 12, 1, 12, tzinfo=UTC),
        )  # fmt: skip
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE vincent_dindy_piano_updates SET needs_sync = false")
            connection.execute("UPDATE vincent_dindy_piano_updates SET notes = 'Accordé'")
            assert connection.execute("SELECT status FROM sync_gazelle_logs").fetchall() == [("done",)]
        assert row_of(url, "t.needs_sync, s.revision") == (True, 2)
        with pytest.raises(psycopg.errors.CheckViolation), psycopg.connect(url) as connection:
            connection.execute("INSERT INTO sync_gazelle_logs (piano_id, action, status) VALUES ('p', 'a', 'done')")


def test_an_edit_marks_counts_dates_and_tells(office: EditedShop) -> None:
    piano = office.piano()
    with psycopg.connect(office.shop.url, autocommit=True) as listener:
        listener.execute("LISTEN gazelle_push")
        office.edit(piano, notes="un")
        told = next(listener.notifies(timeout=5))
    assert told.payload == f"vincent_dindy_piano_updates {piano}"
    office.push()
    before = office.row(piano)
    office.edit(piano, notes="deux")
    after = office.row(piano)
    assert after["needs_sync"]
    assert after["revision"] > before["revision"]
    assert after["updated_at"] > before["updated_at"]


def test_saving_the_same_again_and_our_own_book_keeping_are_no_edits(office: EditedShop) -> None:
    piano = office.piano()
    office.edit(piano, notes="un", status="top")
    office.push()
    before = office.row(piano)
    office.edit(piano, notes="un", status="top")
    office.edit(piano, a_faire="x", is_hidden=False, updated_by="quelqu'un", last_synced_at=None, sync_error="x")
    after = office.row(piano)
    assert (after["needs_sync"], after["revision"]) == (False, before["revision"])


def test_asking_for_another_try_makes_a_row_due(office: EditedShop) -> None:
    office.edit("pno_nowhere", status="top")
    office.push()
    assert office.push(at_once=False).outcomes == []
    for value in (False, True):
        office.shop.query("UPDATE vincent_dindy_piano_updates SET needs_sync = %s", value)
    assert len(office.push(at_once=False).outcomes) == 1


def test_the_editors_own_clock_is_believed_unless_it_runs_ahead(office: EditedShop) -> None:
    piano = office.piano()
    now = datetime.now(UTC)
    office.edit(piano, notes="un", updated_at=now - timedelta(days=3))
    assert office.row(piano)["updated_at"] == now - timedelta(days=3)
    office.edit(piano, notes="deux", updated_at=now + timedelta(days=3))
    assert office.row(piano)["updated_at"] < now + timedelta(minutes=1)
    office.edit(piano, notes="trois")
    assert abs(office.row(piano)["updated_at"] - datetime.now(UTC)) < timedelta(minutes=1)
