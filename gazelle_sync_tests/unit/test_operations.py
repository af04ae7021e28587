"""Every GraphQL operation is valid, and every entity's declaration agrees with its operations."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    NoUnusedFragmentsRule,
    OperationDefinitionNode,
    SelectionSetNode,
    build_schema,
    parse,
    print_ast,
    specified_rules,
    validate,
)

import gazelle_sync
from gazelle_sync.entities import ENTITIES, Entity, Strategy
from gazelle_sync.gazelle import documents
from gazelle_sync.push.model import Action, Remote
from gazelle_sync.push.transports.pianos import PIANO
from gazelle_sync.push.transports.products import PRODUCT
from gazelle_sync.push.transports.protocol import Create, Kind, Update, Wanted

PACKAGE = Path(gazelle_sync.__file__).parent
OPERATIONS = PACKAGE / "gazelle" / "operations"
SCHEMAS = {
    "sandbox": PACKAGE / "sandbox" / "schema.graphql",
    "published": PACKAGE.parent.parent / "shared" / "gazelle-api" / "schema.graphql",
}
FILES = sorted(OPERATIONS.glob("*.graphql"))

each_entity = pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
each_schema = pytest.mark.parametrize("schema_name", SCHEMAS)


@cache
def schema_of(name: str) -> GraphQLSchema:
    path = SCHEMAS[name]
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    return build_schema(path.read_text(encoding="utf-8"))


@cache
def document_of(name: str) -> DocumentNode:
    return parse((OPERATIONS / f"{name}.graphql").read_text(encoding="utf-8"))


def operations_of(entity: Entity) -> dict[str, OperationDefinitionNode]:
    nodes = document_of(entity.name).definitions
    return {node.name.value: node for node in nodes if isinstance(node, OperationDefinitionNode) and node.name}


def fragments_of(entity: Entity) -> dict[str, FragmentDefinitionNode]:
    nodes = document_of(entity.name).definitions
    return {node.name.value: node for node in nodes if isinstance(node, FragmentDefinitionNode)}


def field_of(selections: SelectionSetNode, name: str, fragments: dict[str, FragmentDefinitionNode]) -> FieldNode | None:
    """A field among selections, also inside the fragments that they spread."""
    for node in selections.selections:
        if isinstance(node, FieldNode) and node.name.value == name:
            assert node.alias is None, f"{name} is aliased: the body would not look like Gazelle's"
            return node
        inner = (
            fragments[node.name.value].selection_set
            if isinstance(node, FragmentSpreadNode)
            else node.selection_set
            if isinstance(node, InlineFragmentNode)
            else None
        )
        if inner and (found := field_of(inner, name, fragments)):
            return found
    return None


def spreads(selections: SelectionSetNode, fragment: str) -> bool:
    return any(isinstance(node, FragmentSpreadNode) and node.name.value == fragment for node in selections.selections)


def root_of(operation: OperationDefinitionNode) -> FieldNode:
    (root,) = operation.selection_set.selections
    assert isinstance(root, FieldNode)
    assert root.alias is None
    return root


def inside(node: FieldNode, *path: str) -> SelectionSetNode:
    for name in path:
        assert node.selection_set
        found = field_of(node.selection_set, name, {})
        assert found, f"{node.name.value} selects no {name}"
        node = found
    assert node.selection_set
    return node.selection_set


@each_schema
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_operation_is_valid(path: Path, schema_name: str) -> None:
    rules = [rule for rule in specified_rules if rule is not NoUnusedFragmentsRule or path.stem != "push"]
    errors = validate(schema_of(schema_name), parse(path.read_text(encoding="utf-8")), rules)
    assert errors == []


@each_schema
@pytest.mark.parametrize("kind", [PIANO, PRODUCT], ids=["pianos", "products"])
def test_every_document_of_the_push_is_valid(kind: Kind, schema_name: str) -> None:
    """They are built of the fragments in `push.graphql`, with an alias for each record and each change."""
    since = datetime(2026, 7, 1, tzinfo=UTC)
    reads = [(f"{query.place}0", query) for query in kind.queries(Wanted("mit_1", since), 100)]
    record = Remote("mit_1", {"client_id": "cli_1"})
    said = {"text": "", "created_at": None, "taken_on": "2026-07-01", "id": "log_1"}
    changes = []
    for n, (name, one) in enumerate(kind.operations.items()):
        payload = {**said, **({one.said_as: None} if isinstance(one, Update) else {})}
        changes.append((f"m{n}", one.mutation(Action(name, "", payload, {}, ()), record)))
        if isinstance(one, Update) and (nothing := one.nothing(record)) is not None:
            changes.append((f"b{n}", nothing))
        elif isinstance(one, Create) and one.deletion is not None:
            changes.append((f"m{n}0", one.deletion.mutation(Action(name, "", payload, {}, ()), record)))
    for document_kind, fields in (("query", reads), ("mutation", changes)):
        text, _ = documents.aliased(document_kind, "Push", fields)
        assert validate(schema_of(schema_name), parse(text)) == []


def test_every_entity_has_its_file_and_its_tables_come_after_those_they_point_to() -> None:
    assert {entity.name for entity in ENTITIES} <= {path.stem for path in FILES}
    filled: set[str] = set()
    for entity in ENTITIES:
        for table in entity.tables:
            filled.add(table.name)
            assert set(table.references.values()) <= filled, table.name


@each_entity
def test_the_page_operation_reads_whole_bodies_from_the_root(entity: Entity) -> None:
    root = root_of(operations_of(entity)[entity.page_operation])
    assert root.name.value == entity.root
    path = [] if entity.strategy is Strategy.WHOLE_LIST else ["nodes"]
    assert spreads(inside(root, *path), entity.body_fragment)


@each_entity
def test_a_connection_says_its_size_and_where_it_ends(entity: Entity) -> None:
    for name in {entity.page_operation, entity.stamp_operation} - {None}:
        if entity.strategy is Strategy.WHOLE_LIST:
            continue
        root = root_of(operations_of(entity)[str(name)])
        assert field_of(inside(root), "totalCount", {})
        for field in ("hasNextPage", "endCursor"):
            assert field_of(inside(root, "pageInfo"), field, {})


@each_entity
def test_stamps_are_an_id_and_an_instant_and_take_the_same_variables_as_bodies(entity: Entity) -> None:
    if entity.stamp_operation is None:
        of_type = fragments_of(entity)[entity.body_fragment].type_condition.name.value
        record = schema_of("sandbox").type_map[of_type]
        assert isinstance(record, GraphQLObjectType)
        assert entity.strategy is Strategy.WINDOWED or "updatedAt" not in record.fields, "it has stamps to compare"
        return
    operations = operations_of(entity)
    stamps, pages = operations[entity.stamp_operation], operations[entity.page_operation]
    root = root_of(stamps)
    assert root.name.value == entity.root
    selections = inside(root, *([] if entity.strategy is Strategy.WHOLE_LIST else ["nodes"]))
    assert [print_ast(node) for node in selections.selections] == ["id", "updatedAt"]
    assert [print_ast(v) for v in stamps.variable_definitions] == [print_ast(v) for v in pages.variable_definitions]
    assert [print_ast(a) for a in root.arguments] == [print_ast(a) for a in root_of(pages).arguments]


@each_entity
def test_a_body_holds_no_cursor(entity: Entity) -> None:
    """A cursor is not part of the record: with one inside, a record would seem changed when another was deleted."""
    for name, fragment in fragments_of(entity).items():
        text = print_ast(fragment)
        assert "Cursor" not in text, name
        assert "totalCount" not in text, name


@each_schema
@each_entity
def test_the_sort_orders_exist(entity: Entity, schema_name: str) -> None:
    if entity.sort_enum is None:
        assert entity.stable_sort is None
        return
    enum = schema_of(schema_name).type_map[entity.sort_enum]
    assert isinstance(enum, GraphQLEnumType)
    assert entity.stable_sort in enum.values
    assert f"[{entity.sort_enum}!]" in print_ast(operations_of(entity)[entity.page_operation])


@each_schema
@each_entity
def test_the_by_id_query_is_valid_with_the_body_fragment(entity: Entity, schema_name: str) -> None:
    if entity.by_id is None:
        return
    query, variables = documents.by_ids(entity, ["an id", "another"])
    assert len(variables) == 2
    assert validate(schema_of(schema_name), parse(query)) == []


@each_entity
def test_parents_are_selected_by_the_body_and_are_entities(entity: Entity) -> None:
    names = {e.name for e in ENTITIES}
    for path, parent in entity.parents.items():
        assert parent in names
        selections: SelectionSetNode | None = fragments_of(entity)[entity.body_fragment].selection_set
        for step in path:
            assert selections, path
            found = field_of(selections, step.removesuffix("[]"), fragments_of(entity))
            assert found, path
            selections = found.selection_set


@each_entity
def test_every_foreign_key_to_another_entity_has_a_path_to_its_record(entity: Entity) -> None:
    """Nested records have no by-id query of their own: only an entity's own table can be asked for."""
    own = {e.table.name: e.name for e in ENTITIES}
    nested = {table.name for table in entity.tables}
    wanted = {own[parent] for table in entity.tables for parent in table.references.values() if parent in own}
    assert wanted - {own[name] for name in nested & own.keys()} == set(entity.parents.values())


@each_entity
def test_long_nested_lists_can_be_read_to_their_end(entity: Entity) -> None:
    fragments = fragments_of(entity)
    for path, name in entity.nested_operations.items():
        root = root_of(operations_of(entity)[name])
        (rest,) = inside(root).selections
        assert isinstance(rest, FieldNode)
        assert rest.name.value == path[-1]
        assert field_of(inside(rest, "pageInfo"), "endCursor", {})
        in_body: FieldNode | None = None
        selections: SelectionSetNode | None = fragments[entity.body_fragment].selection_set
        for step in path:
            assert selections, path
            in_body = field_of(selections, step.removesuffix("[]"), fragments)
            selections = in_body.selection_set if in_body else None
        assert in_body, path
        assert field_of(inside(in_body, "pageInfo"), "hasNextPage", {})
        assert print_ast(inside(in_body, "nodes")) == print_ast(inside(rest, "nodes"))


@each_entity
def test_columns_are_declared_once_and_well(entity: Entity) -> None:
    for table in entity.tables:
        assert table.columns[0] == "external_id"
        assert len(set(table.columns)) == len(table.columns)
        assert {*table.merged, *table.merged.values(), *table.references} <= set(table.columns)
        assert table.owner is None or table.owner in table.columns
        assert (table.owner is None) == (table is entity.table)
        assert table.description.endswith(".")
    assert entity.description.endswith(".")
