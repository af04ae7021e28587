"""The three-way merge of tags, in PostgreSQL itself, against what it must mean."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazelle_sync_tests.conftest import Databases

TAGS = st.lists(st.sampled_from("abcdefg"), max_size=5, unique=True)
MAYBE = st.none() | TAGS


@pytest.fixture(scope="module")
def connection(databases: Databases) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(databases.uri("migrated"), autocommit=True) as connection:
        yield connection


def merge(
    connection: psycopg.Connection[tuple[object, ...]],
    ours: list[str] | None,
    base: list[str] | None,
    theirs: list[str] | None,
) -> list[str] | None:
    row = connection.execute(
        "SELECT gazelle_merge_tags(%s::text[], %s::text[], %s::text[])", [ours, base, theirs]
    ).fetchone()
    assert row is not None
    value = row[0]
    assert value is None or isinstance(value, list)
    return value


RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@RELAXED
@given(ours=TAGS, base=TAGS, theirs=TAGS)
def test_what_each_side_added_is_there_and_what_either_removed_is_not(
    connection: psycopg.Connection[tuple[object, ...]], ours: list[str], base: list[str], theirs: list[str]
) -> None:
    merged = merge(connection, ours, base, theirs)
    assert merged is not None
    added_here, added_there = set(ours) - set(base), set(theirs) - set(base)
    removed = (set(base) - set(ours)) | (set(base) - set(theirs))
    assert set(merged) == (set(base) | added_here | added_there) - removed
    assert len(merged) == len(set(merged))


@RELAXED
@given(base=TAGS, theirs=TAGS)
def test_while_nothing_was_changed_here_gazelles_list_is_taken_as_it_is(
    connection: psycopg.Connection[tuple[object, ...]], base: list[str], theirs: list[str]
) -> None:
    assert merge(connection, base, base, theirs) == theirs


@RELAXED
@given(ours=TAGS, base=TAGS)
def test_while_gazelle_changes_nothing_ours_stays(
    connection: psycopg.Connection[tuple[object, ...]], ours: list[str], base: list[str]
) -> None:
    assert merge(connection, ours, base, base) == ours


@RELAXED
@given(ours=TAGS, base=TAGS, theirs=TAGS)
def test_merging_again_changes_nothing(
    connection: psycopg.Connection[tuple[object, ...]], ours: list[str], base: list[str], theirs: list[str]
) -> None:
    once = merge(connection, ours, base, theirs)
    assert merge(connection, once, theirs, theirs) == once


@RELAXED
@given(ours=MAYBE, base=MAYBE)
def test_silence_says_nothing(
    connection: psycopg.Connection[tuple[object, ...]], ours: list[str] | None, base: list[str] | None
) -> None:
    assert merge(connection, ours, base, None) == ours
