"""Every reconciler: a complete body fills every column, and what a body does not say changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, SelectionSetNode, parse
from hypothesis import given, settings
from hypothesis import strategies as st

import gazelle_sync
from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.reconcile.rows import ReconcileError
from gazelle_sync_tests.support.bodies import (
    ITEM,
    JSON,
    body_of,
    changed_somewhere,
    connection,
    contact,
    no_hints,
    only,
    reconciled,
)

REQUIRED = {"id", "start", "occurredAt"}
OPERATIONS = Path(gazelle_sync.__file__).parent / "gazelle" / "operations"

each_entity = pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)


def fields_of(value: object, path: str = "") -> Iterator[str]:
    """Paths of all fields of a body; lists and free-form texts by locale are passed through."""
    if isinstance(value, list):
        for item in value:
            yield from fields_of(item, path)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if "_" not in name:  # fr_CA is a locale and not a field
                yield f"{path}.{name}"
                yield from fields_of(inner, f"{path}.{name}")


def selected_by(entity: Entity) -> set[str]:
    document = parse((OPERATIONS / f"{entity.name}.graphql").read_text(encoding="utf-8"))
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}

    def walk(selections: SelectionSetNode, path: str) -> Iterator[str]:
        for node in selections.selections:
            if isinstance(node, FragmentSpreadNode):
                yield from walk(fragments[node.name.value].selection_set, path)
            elif isinstance(node, FieldNode):
                yield f"{path}.{node.name.value}"
                if node.selection_set:
                    yield from walk(node.selection_set, f"{path}.{node.name.value}")

    return set(walk(fragments[entity.body_fragment].selection_set, ""))


@each_entity
def test_the_body_used_in_these_tests_is_the_one_that_the_query_asks_for(entity: Entity) -> None:
    assert set(fields_of(body_of(entity))) == selected_by(entity)


@each_entity
def test_a_complete_body_fills_every_column_that_is_declared_and_no_other(entity: Entity) -> None:
    rows = entity.reconcile(body_of(entity))
    assert list(rows) == [table.name for table in entity.tables]
    for table in entity.tables:
        assert rows[table.name]
        for row in rows[table.name]:
            assert set(row) == set(table.columns), table.name


@each_entity
def test_a_field_that_is_not_sent_leaves_its_columns_alone_and_changes_nothing_else(entity: Entity) -> None:
    complete = entity.reconcile(body_of(entity))
    table = entity.table.name
    for field in body_of(entity).keys() - REQUIRED:
        body = body_of(entity)
        del body[field]
        rows = entity.reconcile(body)
        assert rows.keys() <= complete.keys()
        assert only(rows, table).items() <= only(complete, table).items() or field in {
            "localization",  # the account's language stands in
            "defaultContact",  # the listed contact that is marked default stands in
        }
        assert all(rows[nested] == complete[nested] for nested in rows.keys() - {table})


@each_entity
def test_a_null_field_is_kept_as_null_except_where_null_can_only_be_a_fault(entity: Entity) -> None:
    complete = entity.reconcile(body_of(entity))
    table = entity.table.name
    for field in body_of(entity).keys() - REQUIRED:
        rows = entity.reconcile({**body_of(entity), field: None})
        without = body_of(entity)
        del without[field]
        if field == "tags" or field.startswith("all"):
            assert rows == entity.reconcile(without), field
            continue
        row, said_nothing = only(rows, table), only(entity.reconcile(without), table)
        assert row.keys() == only(complete, table).keys(), field
        assert all(row[column] == value for column, value in said_nothing.items()), field
        fallen = row.keys() - said_nothing.keys() - {"display_name"}  # without a company, the person's name
        assert all(row[column] is None for column in fallen), field


@each_entity
def test_unknown_fields_and_unknown_enum_values_are_no_errors(entity: Entity) -> None:
    body = body_of(entity)
    changed: dict[str, object] = {field: "INVENTED_TOMORROW" for field in ("status", "type") if field in body}
    rows = entity.reconcile({**body, **changed, "hologram": {"depth": [1, 2]}})
    kept = set(map(str, changed.values()))
    assert kept <= set(map(str, only(rows, entity.table.name).values()))


@each_entity
def test_a_body_without_an_id_is_refused(entity: Entity) -> None:
    for value in (None, ""):
        with pytest.raises(ReconcileError, match=r"^id: "):
            entity.reconcile({**body_of(entity), "id": value})
    with pytest.raises(ReconcileError, match=r"^id: is missing"):
        entity.reconcile({})


@each_entity
def test_references_are_to_records_that_the_body_names_to_its_caller(entity: Entity) -> None:
    """Every foreign key is a nested row's parent, a path in `parents` or a hint: else it would dangle."""
    rows = entity.reconcile(body_of(entity))
    hints = {(table, values["external_id"]) for table, values in (entity.parent_hints or no_hints)(body_of(entity))}
    inside = {(table, row["external_id"]) for table in rows for row in rows[table]}
    for table in entity.tables:
        for column, parent in table.references.items():
            for row in rows[table.name]:
                assert (parent, row[column]) in hints | inside, (table.name, column)


@each_entity
@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_whatever_stands_in_a_body_it_becomes_rows_or_a_reconcile_error(entity: Entity, data: st.DataObject) -> None:
    body = changed_somewhere(data, body_of(entity))
    before = copy.deepcopy(body)
    try:
        rows = entity.reconcile(body)
        hints = list((entity.parent_hints or no_hints)(body))
    except ReconcileError:
        pass
    else:
        for table in entity.tables:
            ids = [row["external_id"] for row in rows.get(table.name, [])]
            assert len(ids) == len(set(ids))
            assert all(isinstance(external_id, str) and external_id for external_id in ids)
        assert all(values["external_id"] for _, values in hints)
    assert repr(body) == repr(before), "a reconciler must not touch the body"


@each_entity
@settings(deadline=None)
@given(body=JSON)
def test_a_body_that_is_no_record_is_refused(entity: Entity, body: Any) -> None:
    if isinstance(body, dict) and body.get("id") not in (None, ""):
        return
    with pytest.raises(ReconcileError):
        entity.reconcile(body)


def test_an_error_says_where_in_the_body_it_stands() -> None:
    bad = connection(contact("con_a", "Ana"), contact("con_b", "Bo", wantsText="maybe"))
    with pytest.raises(ReconcileError, match=r"^allContacts\[1\]\.wantsText: expected true or false, got 'maybe'$"):
        reconciled("clients", allContacts=bad)
    items = connection({**ITEM, "taxTotal": "13.5"})
    with pytest.raises(ReconcileError, match=r"^allInvoiceItems\[0\]\.taxTotal: expected a whole number, got '13.5'$"):
        reconciled("invoices", allInvoiceItems=items)
