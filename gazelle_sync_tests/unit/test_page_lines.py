"""A page that becomes lines at once holds the rows of its bodies, and none that a reconciler refuses."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazelle_sync.entities import ENTITIES, USERS, Entity
from gazelle_sync.reconcile import rows
from gazelle_sync.reconcile.rows import Conversion, ReconcileError
from gazelle_sync.warehouse import copytext
from gazelle_sync.warehouse.page_lines import page_lines, texts_of
from gazelle_sync_tests.support.bodies import JSON, body_of, changed_somewhere

PAGED = [entity for entity in ENTITIES if entity.read_page]
each_entity = pytest.mark.parametrize("entity", PAGED, ids=lambda entity: entity.name)

NUMBERS = {"latitude", "longitude"}
JSONB = {"taxes"}


def said(column: str, cell: str) -> object:
    """What PostgreSQL reads: an instant may be written with `Z` or with an offset, a degree with zeros at its end."""
    if cell == copytext.NULL:
        return None
    if column in NUMBERS:
        return float(cell)
    try:
        return datetime.fromisoformat(cell).astimezone(UTC) if "T" in cell else cell
    except ValueError:
        return cell


def cells(columns: Sequence[str], text: str) -> list[dict[str, object]]:
    lines = text.split("\n")[:-1]
    return [
        {column: said(column, cell) for column, cell in zip(columns, line.split("\t"), strict=True)} for line in lines
    ]


def one_by_one(entity: Entity, bodies: Sequence[Any]) -> dict[str, list[dict[str, object]]]:
    """The rows that the reconciler gives, as COPY would be told them."""
    found: dict[str, list[dict[str, object]]] = {}
    for body in bodies:
        for table, given_rows in entity.reconcile(body).items():
            for row in given_rows:
                text = copytext.lines([tuple(row.values())], [column in JSONB for column in row])
                found.setdefault(table, []).extend(cells(tuple(row), text))
    return found


def at_once(entity: Entity, bodies: Sequence[Any]) -> dict[str, list[dict[str, object]]] | None:
    found = page_lines(entity, bodies)
    if found is None:
        return None
    assert list(found) == [table.name for table in entity.tables]
    written = {table: cells(lines.columns, lines.text.decode()) for table, lines in found.items()}
    for table, lines in found.items():
        assert [row["external_id"] for row in written[table]] == [
            said("external_id", copytext.escaped(i)) for i in lines.ids
        ]
        for column, ids in lines.named.items():
            assert {said(column, i) for i in ids} == {row[column] for row in written[table]} - {None}
    return {table: lines for table, lines in written.items() if lines}


@each_entity
def test_a_page_of_one_complete_body_gives_its_rows(entity: Entity) -> None:
    assert at_once(entity, [body_of(entity)]) == one_by_one(entity, [body_of(entity)])
    assert at_once(entity, []) == {}


@each_entity
@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_whatever_stands_in_a_body_a_page_gives_its_rows_or_gives_up(entity: Entity, data: st.DataObject) -> None:
    body = changed_somewhere(data, body_of(entity))
    before = copy.deepcopy(body)
    written = at_once(entity, [body])
    try:
        expected = one_by_one(entity, [body])
    except ReconcileError:
        expected = None
    assert written is None or written == expected
    assert repr(body) == repr(before), "a page must not touch its bodies"


def test_an_entity_of_few_records_has_no_pages() -> None:
    assert {"users", "products"}.isdisjoint(entity.name for entity in PAGED)
    assert page_lines(USERS, [body_of(USERS)]) is None


@each_entity
def test_a_page_gives_up_where_a_record_comes_twice_or_a_body_is_refused_or_lacks_a_field(entity: Entity) -> None:
    sound = body_of(entity)
    lacking = {key: value for key, value in {**body_of(entity), "id": "another"}.items() if key != "updatedAt"}
    others: list[Any] = [sound, {**sound, "id": None}, {**sound, "id": ""}, {**sound, "id": 7}, [], lacking]
    for other in others:
        if entity.changed_at == "updatedAt" or other is not lacking:
            assert page_lines(entity, [sound, other]) is None


@pytest.mark.parametrize("entity", [e for e in PAGED if len(e.tables) > 1], ids=lambda entity: entity.name)
def test_a_page_gives_up_where_two_bodies_list_the_same_nested_row(entity: Entity) -> None:
    two = [body_of(entity), {**body_of(entity), "id": "another"}]
    is_its_own = entity.name == "appointments"  # the line of a visit's piano is named after the visit
    assert (page_lines(entity, two) is None) is not is_its_own


CLOCK = st.sampled_from(
    ["12:00:00Z", "23:59:59Z", "24:00:00Z", "05:30:00Z", "12:00:00", "12:00:00.5Z", "07:00:00-05:00"]
)
DAYS = st.dates().map(str) | st.sampled_from(["2024-02-29", "2023-02-29", "1899-12-31", "2200-01-01", "2024-13-01"])
LIKELY = {
    str: DAYS
    | st.tuples(DAYS, CLOCK).map("T".join)
    | st.sampled_from(["", "a\tb", "\\N", "l\n", "r\r", "a\0b", "45.50", "-73", "1e3", " 7 ", "1_0", "٣"])
    | st.text(max_size=5),
    int: st.integers() | st.integers(-(10**13), 10**13) | st.integers(-(2**31) - 1, 2**31),
    bool: st.booleans(),
    list: st.lists(st.sampled_from(["TOP", 'a"b', "b\\", "", "ligne\n", 7, None]) | st.dictionaries(st.text(), JSON)),
}


CONVERSIONS: list[Conversion] = [
    rows.text, rows.reference, rows.boolean, rows.integer, rows.hundredths, rows.decimal_degrees, rows.instant,
    rows.utc_day, rows.utc_time, rows.day, rows.day_in_montreal, rows.texts, rows.list_of_records,
]  # fmt: skip
COLUMNS = st.one_of(
    *(st.lists(st.none() | values | values | JSON, min_size=1, max_size=4) for values in LIKELY.values())
)


def converted_one_by_one(convert: Conversion, values: Sequence[object]) -> list[Any] | None:
    """None: a value is refused."""
    try:
        return [None if value is None else convert(value) for value in values]
    except ReconcileError:
        return None


@settings(deadline=None, max_examples=1000)
@given(values=COLUMNS)
def test_a_column_written_at_once_says_what_its_values_say_one_by_one(values: list[Any]) -> None:
    """Every conversion is given the same values: to draw them takes far longer than to convert them."""
    for convert in CONVERSIONS:
        converted = converted_one_by_one(convert, values)
        if converted is None:
            with pytest.raises(ReconcileError):
                texts_of(convert, values)
            continue
        is_json = convert is rows.list_of_records
        expected = copytext.json_column(converted) if is_json else copytext.column_of(converted)
        column = "latitude" if convert is rows.decimal_degrees else "of another kind"
        found = [said(column, cell) for cell in texts_of(convert, values)]
        assert found == [said(column, cell) for cell in expected], convert
