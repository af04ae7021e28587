"""A list at Gazelle that is written over or looked through: read to its end, or not believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gazelle_sync.errors import AnswerUnreadable, WriteRefused

CUT = (
    "its list of {what} cannot be read to the end ({read} of {total}), and what is not shown would be lost or doubled. "
    "It will be tried again."
)


def whole(operation: str, what: str, listed: object, page_after: Callable[[str], object]) -> Iterator[Any]:
    """The nodes of a connection, all of them: an API may cut a page shorter than it was asked for, in silence.

    Args:
        operation: That asks for a page.
        what: What is listed, for whoever reads why it did not go.
        listed: The first page, with `totalCount`, `pageInfo` and `nodes`.
        page_after: Asks for the page after a cursor.

    Yields:
        Node after node; whoever needs no more asks for no more.

    Raises:
        AnswerUnreadable: An answer holds no such list.
        WriteRefused: Its end was not reached, or it changed meanwhile: nothing may be written that rests on it.
        ApiError: A page cannot be read.
    """
    page, total = _page(operation, what, listed)
    yield from page["nodes"]
    read, cursors = len(page["nodes"]), set()
    while page["pageInfo"].get("hasNextPage") or read < total:
        after = page["pageInfo"].get("endCursor")
        if not after or after in cursors:
            raise WriteRefused(operation, CUT.format(what=what, read=read, total=total))
        cursors.add(after)
        page, now = _page(operation, what, page_after(after))
        if now != total or not page["nodes"]:
            raise WriteRefused(operation, CUT.format(what=what, read=read, total=now))
        yield from page["nodes"]
        read += len(page["nodes"])


def _page(operation: str, what: str, page: object) -> tuple[dict[str, Any], int]:
    if (
        isinstance(page, dict)
        and isinstance(page.get("nodes"), list)
        and isinstance(page.get("pageInfo"), dict)
        and isinstance(page.get("totalCount"), int)
    ):
        return page, page["totalCount"]
    raise AnswerUnreadable(operation, f"the answer holds no list of {what}")
