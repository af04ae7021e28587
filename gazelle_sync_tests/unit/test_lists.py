"""A list that a write rests on is read to its end, or refused."""

from __future__ import annotations

from typing import Any

import pytest

from gazelle_sync.errors import AnswerUnreadable, WriteRefused
from gazelle_sync.i18n.translator import Message
from gazelle_sync.push.transports.lists import whole


def page(nodes: str, total: int = 4, after: str | None = None, *, more: bool | None = None) -> dict[str, Any]:
    more = after is not None if more is None else more
    return {"nodes": list(nodes), "totalCount": total, "pageInfo": {"hasNextPage": more, "endCursor": after}}


def read(*pages: object) -> str:
    """What is read of a list whose pages come in this order."""
    rest = iter(pages[1:])
    return "".join(whole("Op", Message("things"), pages[0], lambda _: next(rest)))


@pytest.mark.parametrize(
    "pages",
    [
        [page("abcd")],
        [page("ab", after="1"), page("cd")],
        [page("ab", after="1", more=False), page("cd")],
        [page("abc", total=3, after="1"), page("d", total=3)],
        [page("ab", after="1"), page("c", after="2"), page("d", after="3", more=False)],
    ],
    ids=["one page", "two pages", "more than it says", "a count that is too low", "cut in silence"],
)
def test_a_list_is_read_to_its_end(pages: list[object]) -> None:
    assert read(*pages) == "abcd"


@pytest.mark.parametrize(
    "pages",
    [
        [page("ab")],
        [page("ab", after="1"), page("c", after="1")],
        [page("ab", after="1"), page("cd", total=5, after="2")],
        [page("ab", after="1"), page("", after="2")],
    ],
    ids=["no cursor", "a cursor twice", "a count that moves", "an empty page"],
)
def test_a_list_whose_end_is_not_reached_is_refused(pages: list[object]) -> None:
    with pytest.raises(WriteRefused, match="things cannot be read to the end"):
        read(*pages)


@pytest.mark.parametrize(
    "first", [None, {"nodes": ["a"]}, page("a") | {"totalCount": None}, page("a") | {"nodes": None}]
)
def test_what_is_no_list_is_no_empty_list(first: object) -> None:
    with pytest.raises(AnswerUnreadable, match="no list of things"):
        read(first)
