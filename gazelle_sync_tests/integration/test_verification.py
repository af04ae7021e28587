"""A full run finds out while it reads whether what is held is as Gazelle says; the exact comparison does the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
import pytest

from gazelle_sync.entities import ENTITIES, NAMELESS, Entity, Table
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.pull.comparison import compare
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.session import Pull
from gazelle_sync.pull.verification import MOST_UNVERIFIED, Verification
from gazelle_sync.pull.versions import Version, versions_of
from gazelle_sync.warehouse.connect import Connection, connect
from gazelle_sync_tests.support.shop import ENTITY, Shop

PAGED = [entity for entity in ENTITIES if entity.read_page is not None]
"""Entities whose rows are compared by the page: the others have few records, which are all compared when a run ends."""
OTHER = {
    "text": '"autre"',
    "text[]": '["autre"]',
    "jsonb": '[{"autre": 1}]',
    "date": '"1999-01-02"',
    "time without time zone": '"03:04:05"',
    "timestamp with time zone": '"1999-01-02T03:04:05Z"',
}
"""Type → a value, as JSON, that no column of it holds."""
A_NUMBER = "77"


@contextmanager
def whole_pages(shop: Shop, entity: Entity) -> Iterator[tuple[Connection, dict[str, tuple[Version, Any]]]]:
    """What came again of some records, and a connection with a transaction that is rolled back."""
    bodies = [
        body
        for (body,) in shop.query(
            f"SELECT raw_data FROM {entity.staging_table} WHERE sync_status = 'processed' "  # noqa: S608 - our names
            f"AND jsonb_typeof(raw_data) = 'object' AND NOT starts_with(external_id, '{NAMELESS}') "
            "ORDER BY external_id"
        )
    ]
    versions = versions_of(bodies, Answer({}, datetime.now(UTC), False))
    same = {version.external_id: (version, body) for version, body in zip(versions, bodies, strict=True)}
    with connect(shop.url) as connection:
        try:
            yield connection, same
        finally:
            connection.rollback()


def doubted(connection: Connection, entity: Entity, same: dict[str, tuple[Version, Any]]) -> set[str]:
    """The records that a full run would compare when it ends."""
    verification = Verification(same.keys())
    verification.compare(connection, entity, same)
    assert verification.unverified is not None
    return verification.unverified


def owner_of(connection: Connection, table: Table, external_id: str) -> str:
    """The record in whose body a row stands."""
    query = f"SELECT {table.owner or 'external_id'} FROM {table.name} WHERE external_id = %s"  # noqa: S608 - our names
    [(owner,)] = connection.execute(query.encode(), [external_id]).fetchall()
    return str(owner)


def some_row(connection: Connection, table: Table) -> str:
    """A living row of a table."""
    query = f"SELECT external_id FROM {table.name} WHERE deleted_at IS NULL AND NOT is_stub ORDER BY 1 LIMIT 1"  # noqa: S608
    [(external_id,)] = connection.execute(query.encode()).fetchall()
    return str(external_id)


@pytest.mark.parametrize("entity", PAGED, ids=lambda entity: entity.name)
def test_what_is_as_gazelle_says_is_found_right(shop: Shop, entity: Entity) -> None:
    with whole_pages(shop, entity) as (connection, same):
        assert len(same) > 20
        assert doubted(connection, entity, same) == set()


@pytest.mark.parametrize("entity", PAGED, ids=lambda entity: entity.name)
def test_another_value_in_any_column_is_noticed(shop: Shop, entity: Entity) -> None:
    with whole_pages(shop, entity) as (connection, same):
        connection.execute("SET LOCAL session_replication_role = replica")  # a column may name another record
        for table in entity.tables:
            row = some_row(connection, table)
            owner = owner_of(connection, table, row)
            few = {external_id: one for external_id, one in same.items() if external_id <= owner}
            for column in table.columns[1:]:
                if column in (*table.merged, table.owner):
                    continue
                with connection.transaction(force_rollback=True):
                    change(connection, table, column, row)
                    assert doubted(connection, entity, few) == {owner}, (table.name, column)


def change(connection: Connection, table: Table, column: str, external_id: str) -> None:
    """Give a column of a row another value."""
    where = f"FROM {table.name} WHERE external_id = %s"
    query = f"SELECT pg_typeof({column})::text, {column} {where}"
    [(kind, value)] = connection.execute(query.encode(), [external_id]).fetchall()
    other = str(value is not True).lower() if kind == "boolean" else OTHER.get(kind, A_NUMBER)
    connection.execute(
        f"UPDATE {table.name} SET {column} = "  # noqa: S608 - our names
        f"(json_populate_record(NULL::{table.name}, json_build_object('{column}', %s::json))).{column} "
        "WHERE external_id = %s".encode(),
        [other, external_id],
    )


DAMAGE: dict[str, LiteralString] = {
    "marked deleted": "UPDATE {table} SET deleted_at = now() WHERE external_id = %s",
    "removed": "DELETE FROM {table} WHERE external_id = %s",
    "renamed": "UPDATE {table} SET external_id = external_id || '_2' WHERE external_id = %s",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_a_row_that_is_not_there_or_one_too_many_is_noticed(shop: Shop, damage: str) -> None:
    for entity in PAGED:
        with whole_pages(shop, entity) as (connection, same):
            connection.execute("SET LOCAL session_replication_role = replica")
            for table in entity.tables:
                row = some_row(connection, table)
                owner = owner_of(connection, table, row)
                with connection.transaction(force_rollback=True):
                    connection.execute(damage.format(table=table.name).encode(), [row])
                    assert doubted(connection, entity, same) == {owner}, (entity.name, table.name)


def test_nested_rows_that_no_body_lists_are_noticed(shop: Shop) -> None:
    for entity in PAGED:
        for table in [table for table in entity.tables if table.owner is not None]:
            with whole_pages(shop, entity) as (connection, same):
                connection.execute("SET LOCAL session_replication_role = replica")
                row = some_row(connection, table)
                columns = ", ".join(column for column in table.columns if column != "external_id")
                connection.execute(
                    f"INSERT INTO {table.name} (external_id, {columns}) "  # noqa: S608 - our names
                    f"SELECT external_id || '_2', {columns} FROM {table.name} WHERE external_id = %s".encode(),
                    [row],
                )
                assert doubted(connection, entity, same) == {owner_of(connection, table, row)}, table.name


def test_a_staged_body_that_something_changed_is_told_from_one_that_is_not_applied(shop: Shop) -> None:
    entity = ENTITY["clients"]
    with whole_pages(shop, entity) as (connection, same):
        changed, waiting, *_ = same
        connection.execute(
            """UPDATE staging_clients SET raw_data = raw_data || '{"region": "x"}' WHERE external_id = %s""", [changed]
        )
        connection.execute("UPDATE staging_clients SET sync_status = 'pending' WHERE external_id = %s", [waiting])
        verification = Verification(same.keys())
        assert verification.compare(connection, entity, same) == {changed}
        assert verification.unverified == {changed, waiting}


def test_bodies_that_are_not_alike_are_all_compared_when_the_run_ends(shop: Shop) -> None:
    entity = ENTITY["timeline"]
    with whole_pages(shop, entity) as (connection, same):
        first = next(iter(same))
        uneven = {**same, first: (same[first][0], {"id": first})}
        verification = Verification(())
        assert verification.compare(connection, entity, uneven) == set()
        assert verification.unverified == uneven.keys()


def test_of_too_many_doubts_none_is_remembered() -> None:
    verification = Verification(())
    verification.doubt([str(number) for number in range(MOST_UNVERIFIED)])
    assert verification.unverified is not None
    verification.doubt(["another"])
    assert verification.unverified is None
    verification.doubt(["another"])
    assert verification.unverified is None


# ---- in a run


def full_run(shop: Shop, mode: Mode = Mode.DEEP) -> dict[str, Verification]:
    """What a full run found while it read."""
    with Pull(shop.settings, mode=mode) as pull:
        for entity in pull.entities:
            pull.apply(entity.name)
    return pull._run.verifications


def unread(shop: Shop, entity: Entity) -> set[str]:
    """Records that Gazelle lists no more."""
    query = f"SELECT external_id FROM {entity.staging_table} WHERE jsonb_typeof(raw_data) = 'null'"  # noqa: S608
    return {external_id for (external_id,) in shop.query(query)}


@pytest.mark.parametrize(
    ("mode", "entities"), [(Mode.DEEP, PAGED), (Mode.NIGHTLY, PAGED[:-1])], ids=["deep", "nightly"]
)
def test_a_full_run_leaves_nothing_to_compare_but_what_it_did_not_read(
    shop_with_history: Shop, mode: Mode, entities: Sequence[Entity]
) -> None:
    found = full_run(shop_with_history, mode)
    for entity in entities:
        unverified = found[entity.name].unverified
        assert unverified is not None, entity.name
        assert unverified <= unread(shop_with_history, entity), entity.name
    assert ("timeline" in found) == (mode is Mode.DEEP), "a nightly run reads 45 days of the timeline"


def test_a_full_run_says_of_every_record_that_it_was_compared(shop_with_history: Shop) -> None:
    outcome = shop_with_history.sync(Mode.DEEP)
    for entity in ENTITIES:
        with connect(shop_with_history.url) as connection, connection.transaction():
            whole = compare(connection, entity)
        told = outcome[entity.name].comparison
        assert told is not None
        assert (told.records, told.waiting, told.wrong) == (whole.records, whole.waiting, {}), entity.name


def test_rows_of_another_record_that_the_run_itself_changes_are_compared(shop: Shop) -> None:
    """A contact moves: the client that it comes to is read and changed, and the one that it leaves as well."""
    contact = next(contact for contact in shop.admin.dump("contacts") if not contact["isDefault"])
    other = next(c["id"] for c in shop.admin.dump("clients") if c["id"] != contact["clientId"])
    shop.admin.edit("contacts", contact["id"], clientId=other)
    outcome = shop.sync(Mode.DEEP)
    shop.assert_equals_api()
    assert outcome["clients"].comparison is not None
    assert outcome["clients"].comparison.wrong == {}


def test_a_page_that_postgresql_cannot_compare_is_compared_when_the_run_ends(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> set[str]:
        raise psycopg.DataError("out of range")

    monkeypatch.setattr(Verification, "compare", refuse)
    shop.query("UPDATE gazelle_timeline_entries SET title = 'abîmé'")
    found = full_run(shop)
    assert found["timeline"].unverified == {entry["id"] for entry in shop.admin.dump("timeline")}
    shop.assert_equals_api()
