"""Whether bodies are what was asked for: the look at a whole page and the look at each body agree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.gazelle import documents
from gazelle_sync.pull.validation import CONNECTION, are_valid, duplicate_ids, missing_fields
from gazelle_sync_tests.support.bodies import JSON, body_of, changed_somewhere

each_entity = pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)


def asked_of(entity: Entity) -> documents.Selection:
    return documents.selection_of(entity.name, entity.body_fragment, entity.never_null | CONNECTION)


@each_entity
def test_complete_bodies_are_sound_and_one_that_comes_twice_makes_its_page_unsound(entity: Entity) -> None:
    bodies = [{**body_of(entity), "id": f"record_{n}"} for n in range(3)]
    assert are_valid(bodies, asked_of(entity))
    assert are_valid([], asked_of(entity))
    assert not are_valid([*bodies, bodies[0]], asked_of(entity))


@each_entity
@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_a_page_is_sound_where_each_of_its_bodies_is(entity: Entity, data: st.DataObject) -> None:
    asked = asked_of(entity)
    bodies: list[Any] = [
        {**body_of(entity), "id": "record_1"},
        changed_somewhere(data, {**body_of(entity), "id": "record_2"}),
    ]
    named = [body for body in bodies if isinstance(body.get("id"), str)]
    each_is = len(named) == len(bodies) == len({body["id"] for body in named}) and not any(
        missing_fields(body, asked) for body in named
    )
    assert are_valid(bodies, asked) == each_is
    assert not (each_is and duplicate_ids(bodies))


@settings(deadline=None)
@given(bodies=st.lists(JSON, min_size=1, max_size=3))
def test_what_is_no_record_is_not_sound(bodies: list[Any]) -> None:
    assert not are_valid(bodies, asked_of(ENTITIES[0]))
