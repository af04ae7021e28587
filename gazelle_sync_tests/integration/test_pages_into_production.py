"""A whole account straight from its bodies into production: the rows are those of the reconcilers."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.page_lines import page_lines
from gazelle_sync_tests.faults.truth import Truth
from gazelle_sync_tests.support.sandbox import RunningSandbox

PAGE = 250


def load(connection: psycopg.Connection[Any], entity: Entity, bodies: list[Any]) -> None:
    for start in range(0, len(bodies), PAGE):
        found = page_lines(entity, bodies[start : start + PAGE])
        assert found is not None, f"a page of {entity.name} gave up"
        for table, lines in found.items():
            columns = sql.SQL(", ").join(map(sql.Identifier, lines.columns))
            query = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
            with connection.cursor().copy(query) as copy:
                copy.write(lines.text)


def test_every_page_of_an_account_goes_into_production_as_the_rows_of_its_bodies(
    database: str, sandbox: RunningSandbox
) -> None:
    truth = Truth(sandbox)
    with connect(database) as connection:
        connection.execute("SET session_replication_role = replica")  # parents that are gone have no stubs here
        paged = [entity for entity in ENTITIES if entity.read_page]
        for entity in paged:
            load(connection, entity, list(truth.bodies[entity.name].values()))
        for entity in paged:
            for table in entity.tables:
                query = sql.SQL("SELECT * FROM {}").format(sql.Identifier(table.name))
                with connection.cursor(row_factory=dict_row) as cursor:
                    held = {row["external_id"]: row for row in cursor.execute(query)}
                assert held.keys() == truth.rows[table.name].keys()
                for external_id, row in truth.rows[table.name].items():
                    assert {column: held[external_id][column] for column in row} == row
