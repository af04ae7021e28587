"""Lists inside an answer, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gazelle_sync.errors import AnswerUnreadable, WriteRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.push.transports.protocol import lacks

CUT = Message(
    "the list of {what} cannot be read to the end ({read} of {total}), and what is not shown would be lost or doubled. "
    "It will be tried again."
)


def pages_of(
    operation: str, name: str, listed: object, page_after: Callable[[str], object], record: str | None = None
) -> Iterator[list[dict[str, Any]]]:
    """The nodes of a list, page by page; whoever needs no more asks for no more.

    Args:
        operation: That asks for a page.
        name: Of the list.
        listed: Its first page, with `pageInfo` and `nodes`.
        page_after: Asks for the page after a cursor.
        record: Whose list it is.

    Raises:
        AnswerUnreadable: An answer holds no such list, or does not say how it goes on.
        ApiError: A page cannot be read.
    """
    while True:
        if not isinstance(listed, dict) or not isinstance(listed.get("nodes"), list):
            raise lacks(operation, name, record)
        yield [node for node in listed["nodes"] if isinstance(node, dict)]
        info = listed.get("pageInfo") or {}
        if not info.get("hasNextPage"):
            return
        if not info.get("endCursor"):
            raise lacks(operation, f"{name}.pageInfo.endCursor", record)
        listed = page_after(info["endCursor"])


def whole(operation: str, what: Message, listed: object, page_after: Callable[[str], object]) -> Iterator[Any]:
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
    total, read, cursors = None, 0, set[str]()
    while True:
        parts = (("nodes", list), ("pageInfo", dict), ("totalCount", int))
        if not isinstance(listed, dict) or not all(isinstance(listed.get(name), kind) for name, kind in parts):
            raise AnswerUnreadable(operation, gettext("the answer holds no list of {what}", what=gettext(what)))
        nodes, info, now = (listed[name] for name, _ in parts)
        if total is not None and (now != total or not nodes):
            raise cut(operation, what, read, now)
        yield from nodes
        total, read, after = now, read + len(nodes), info.get("endCursor")
        if not info.get("hasNextPage") and read >= total:
            return
        if not after or after in cursors:
            raise cut(operation, what, read, total)
        cursors.add(after)
        listed = page_after(after)


def cut(operation: str, what: Message, read: int, total: int) -> WriteRefused:
    """The error for a list that was not read to its end."""
    return WriteRefused(operation, gettext(CUT, what=gettext(what), read=read, total=total))
