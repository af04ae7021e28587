"""`push_state`: what earlier versions kept in the table of edits moves there, and triggers keep it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.migrate import apply_again, migrate, migration_files
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.pushing import TABLE, EditedShop
from gazelle_sync_tests.support.shop import Row, Shop

BASE = (
    '{"notes": "Un", "status": "top", "remote": {"tags": ["GRAND", "TOP"], "notes_md5": "%s", '
    '"updated_at": "2026-01-01T00:00:00+00:00"}, "generations": {"notes": 7}}'
)
ROWS = f"""
ALTER TABLE {TABLE} DISABLE TRIGGER USER;
INSERT INTO {TABLE} (
    gazelle_id, notes, status, needs_sync, sync_error, revision, base, sync_attempts, next_attempt_at, edited_at
)
VALUES
    ('pno_new', 'Un', NULL, true, NULL, 11, NULL, 0, NULL, '2026-01-05T12:00Z'),
    ('pno_sent', 'Un', 'top', false, NULL, 12, '{BASE}', 0, '2026-01-05T12:05Z', '2026-01-05T12:00Z'),
    ('pno_edited', 'Deux', 'top', true, NULL, 13, '{BASE}', 0, NULL, NULL),
    (
        'pno_failed', 'Un', 'excellent', true, 'unknown', 14, '{{"notes": "Un"}}', 3, '2099-01-05T12:00Z',
        '2026-01-05T12:00Z'
    ),
    (' pno_blank', 'Un', NULL, true, NULL, 15, '[1]', 2147483647, 'infinity', '2026-01-05T12:00Z');
ALTER TABLE {TABLE} ENABLE TRIGGER USER;
INSERT INTO sync_gazelle_logs (piano_id, action, status, field, request)
VALUES ('pno_sent', 'add_comment', 'success', 'notes', '{{"payload": {{}}, "settles": {{"notes": "Un"}}}}'),
    ('pno_blank', 'add_comment', 'in_doubt', 'notes', '{{}}'), ('pno_gone', 'add_comment', 'error', 'notes', NULL);
INSERT INTO sync_conflicts (entity, external_id, field, ours, theirs, winner)
VALUES ('pianos', 'pno_sent', 'status', 'top', 'normal', 'ours');
"""  # noqa: S608 - the tests' own names


@pytest.fixture
def office(new_shop: Shop) -> EditedShop:
    """On one transport: the state knows nothing of them."""
    return EditedShop(new_shop)


@pytest.fixture
def landed(databases: Databases) -> Iterator[str]:
    """A database of the version before, with rows in every state."""
    with databases.temporary("template1") as url:
        with connect(url, autocommit=True) as connection:
            for path in migration_files():
                if path.name < "024":
                    connection.execute(path.read_bytes())
                    connection.execute("INSERT INTO schema_migrations (name) VALUES (%s)", [path.name])
            connection.execute(ROWS.encode())
        yield url


def found(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


STATES = (
    "SELECT local_id, external_id, revision, base ->> 'notes', base #>> '{generations,notes}', attempts, last_error "
    "FROM push_state ORDER BY revision"
)


def test_rows_in_every_state_of_the_version_before_keep_it(landed: str) -> None:
    migrate(landed)
    expected = [
        ("pno_new", "pno_new", 11, None, None, 0, None),
        ("pno_sent", "pno_sent", 12, "Un", "7", 0, None),
        ("pno_edited", "pno_edited", 13, "Un", "7", 0, None),
        ("pno_failed", "pno_failed", 14, "Un", None, 3, "unknown"),
        (" pno_blank", "pno_blank", 15, None, None, 2147483647, None),
    ]
    assert found(landed, STATES) == expected
    assert found(landed, "SELECT piano_id, source_table, local_id FROM sync_gazelle_logs ORDER BY id") == [
        ("pno_sent", TABLE, "pno_sent"), ("pno_blank", TABLE, " pno_blank"), ("pno_gone", TABLE, "pno_gone"),
    ]  # fmt: skip
    assert found(landed, "SELECT source_table, local_id FROM sync_conflicts") == [(TABLE, "pno_sent")]
    waits = "SELECT isfinite(next_attempt_at), edited_at < '2026-02-01' FROM push_state WHERE local_id = %s"
    with psycopg.connect(landed) as connection:
        assert connection.execute(waits.encode(), ["pno_failed"]).fetchone() == (True, True)
    with connect(landed, autocommit=True) as connection:
        apply_again(connection)
    assert found(landed, STATES) == expected, "what is there stays as it is"


def test_a_migration_that_is_interrupted_is_begun_again(landed: str) -> None:
    with psycopg.connect(landed) as somebody:
        somebody.execute(f"UPDATE {TABLE} SET a_faire = 'x'".encode())  # noqa: S608 - the tests' own names
        with connect(landed, autocommit=True) as connection:
            connection.execute("SET lock_timeout = '50ms'")
            text = next(path for path in migration_files() if path.name == "024_push_state.sql").read_bytes()
            with pytest.raises(psycopg.errors.LockNotAvailable):
                connection.execute(text)
    assert found(landed, "SELECT to_regclass('push_state')") == [(None,)]
    migrate(landed)
    assert len(found(landed, STATES)) == 5


def state(office: EditedShop, local_id: str) -> Row | None:
    rows = office.shop.rows("push_state", "local_id = %s", local_id)
    return rows[0] if rows else None


def test_triggers_keep_the_state_of_a_row_from_its_insertion_to_its_deletion(office: EditedShop) -> None:
    piano = office.piano()
    office.edit(piano, notes="Un")
    first = state(office, piano)
    assert first is not None
    assert (first["source_table"], first["external_id"], first["base"]) == (TABLE, piano, None)
    assert office.push().succeeded
    office.edit(piano, notes="Un", a_faire="reste ici")
    assert (state(office, piano) or {})["revision"] == first["revision"]
    office.edit(piano, notes="Deux")
    assert (state(office, piano) or {})["revision"] > first["revision"]
    assert (state(office, piano) or {})["base"]["notes"] == "Un"
    office.shop.query(f"DELETE FROM {TABLE}")  # noqa: S608
    assert state(office, piano) is None
    office.edit(piano, notes="Deux")
    assert (state(office, piano) or {})["base"] is None


def test_an_insert_that_comes_to_nothing_leaves_the_state_alone(office: EditedShop) -> None:
    piano = office.piano()
    office.pushed(piano, notes="Un")
    before = state(office, piano)
    again = f"INSERT INTO {TABLE} (gazelle_id, notes) VALUES (%s, 'Autre') ON CONFLICT DO NOTHING"  # noqa: S608
    office.shop.query(again, piano)
    assert state(office, piano) == before


def test_a_row_that_came_while_the_triggers_were_off_is_sent_all_the_same(office: EditedShop) -> None:
    piano = office.piano()
    office.shop.query(f"ALTER TABLE {TABLE} DISABLE TRIGGER USER")
    office.edit(piano, notes="Un")
    office.shop.query(f"ALTER TABLE {TABLE} ENABLE TRIGGER USER")
    assert state(office, piano) is None
    assert office.push().succeeded
    assert office.comments(piano) == ["Un"]
    office.assert_clean(piano)
