"""Producing items on a thread of their own: in order, not too far ahead, and to an end with its consumer."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from gazelle_sync.pull.prefetch import prefetch


def test_items_come_in_their_order() -> None:
    assert list(prefetch(iter(range(100)))) == list(range(100))
    assert list(prefetch(iter(()))) == []


def test_an_error_is_raised_where_its_item_would_have_come() -> None:
    def two_and_a_fault() -> Iterator[int]:
        yield from (1, 2)
        raise ZeroDivisionError

    items = prefetch(two_and_a_fault())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ZeroDivisionError):
        next(items)


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_items_are_made_ahead_than_allowed(depth: int) -> None:
    made: list[int] = []
    enough = threading.Event()

    def counted() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if len(made) == depth + 1:
                enough.set()
            yield number

    items = prefetch(counted(), depth)
    assert next(items) == 0
    assert enough.wait(10), "while one is used, as many more are made as allowed"
    assert next(items) == 1
    assert len(made) <= depth + 2
    items.close()  # type: ignore[attr-defined]


def test_a_consumer_that_stops_early_ends_the_producer_and_what_it_holds_open() -> None:
    closed = threading.Event()
    before = threading.active_count()

    def with_something_open() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.set()

    held = with_something_open()  # by a name, so that nothing closes it by itself
    items = prefetch(held)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert closed.is_set()
    assert threading.active_count() == before
