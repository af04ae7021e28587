"""The GraphQL text that is sent: each operation with its fragments, and many records or counts to a request."""

from __future__ import annotations

import pytest
from graphql import OperationDefinitionNode, parse, validate

from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.gazelle import documents
from gazelle_sync.sandbox.execution import schema_for

BY_ID = [entity for entity in ENTITIES if entity.by_id]


def names(text: str) -> list[str]:
    return [d.name.value for d in parse(text).definitions if isinstance(d, OperationDefinitionNode) and d.name]


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_every_operation_that_an_entity_declares_stands_in_its_file(entity: Entity) -> None:
    wanted = [entity.page_operation, entity.stamp_operation, *entity.nested_operations.values()]
    for name in filter(None, wanted):
        assert names(documents.operation(entity.name, name)) == [name]


@pytest.mark.parametrize("dialect", ["published", "seed"])
@pytest.mark.parametrize("count", [1, 2, 50])
@pytest.mark.parametrize("entity", BY_ID, ids=lambda entity: entity.name)
def test_many_records_by_id_are_one_valid_request(entity: Entity, count: int, dialect: str) -> None:
    ids = [f"id-{n}" for n in range(count)]
    text, variables = documents.by_ids(entity, ids)
    assert validate(schema_for(dialect), parse(text)) == []
    assert list(variables.values()) == ids
    assert text.count(f"...{entity.body_fragment}") == count


@pytest.mark.parametrize("count", [1, 50])
def test_many_counts_are_one_valid_request(count: int) -> None:
    assert validate(schema_for("published"), parse(documents.timeline_counts(count))) == []


@pytest.mark.parametrize("count", [1, 46])
def test_the_tick_of_the_timeline_asks_for_page_and_counts_at_once(count: int) -> None:
    text = documents.timeline_tick(count)
    assert validate(schema_for("published"), parse(text)) == []
    assert names(text) == ["TimelineTick"]
    assert "whole: allTimelineEntries { totalCount }" in text
    assert text.count("(occurredAtGet: $from") == count


@pytest.mark.parametrize("entity", [e for e in ENTITIES if not e.by_id], ids=lambda entity: entity.name)
def test_what_has_no_by_id_query_says_so(entity: Entity) -> None:
    with pytest.raises(ValueError, match="cannot be read by id"):
        documents.by_ids(entity, ["x"])


def test_what_a_body_must_have_is_what_its_fragment_asks_at_every_depth() -> None:
    entries = documents.selection_of("timeline", "TimelineBody")
    assert entries.fields == {
        "id", "occurredAt", "type", "summary", "comment", "client", "piano", "user", "invoice", "estimate",
    }  # fmt: skip
    assert dict(entries.inside)["user"].fields == {"id", "firstName", "lastName"}
    clients = documents.selection_of("clients", "ClientBody")
    assert {"id", "updatedAt", "tags", "allContacts", "defaultContact"} <= clients.fields
    assert not {"nodes", "pageInfo", "first", "includeArchived"} & clients.fields
    contacts = dict(clients.inside)["allContacts"]
    assert contacts.fields == {"pageInfo", "nodes"}
    contact = dict(contacts.inside)["nodes"]
    assert {"firstName", "archived", "allLocations"} <= contact.fields
    assert "street1" in dict(dict(contact.inside)["allLocations"].inside)["nodes"].fields
