"""The journal of the desk: one row a change, with who and when; written before the change, and again after it.

The row carries the key of the form, so that a form which is sent twice (a double click, the back button) is done once.
A row that has no end is of a form whose outcome nobody knows: the database, or this process, went away in the middle.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb
from starlette.requests import Request

from gazelle_sync.desk.errors import AlreadySent, OutcomeUnknown, Refused
from gazelle_sync.desk.pages import desk_of, form_of, language_of, person_of, words_of
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import borrow, was_cut


@contextmanager
def change(
    request: Request,
    action: str,
    record: str | None = None,
    *,
    goes_to: str,
    field: str | None = None,
    may_repeat: bool = False,
    **details: Any,
) -> Iterator[dict[str, Any]]:
    """A block that changes something, noted with who and when.

    Args:
        request: A form that was sent.
        action: What is done, in a word.
        record: Id of what it is about.
        goes_to: The page that shows what came of it.
        field: Of an edit.
        may_repeat: Whether the block, run twice, does it once: then a form whose outcome nobody knows is followed.
        details: What was asked for.

    Yields:
        More details, which the block may add.

    Raises:
        AlreadySent: The same form came before.
        OutcomeUnknown: It did, and nobody knows whether it was done.
    """
    desk, key = desk_of(request), form_key(request)
    given = {
        "who": person_of(request).name, "action": action, "record": record, "field": field, "key": key,
        "details": Jsonb(details), "again": may_repeat,
    }  # fmt: skip
    with desk.handling(key) as is_alone:
        if not is_alone:
            raise _already_sent(request, datetime.now(UTC), goes_to)
        with borrow(desk.url) as connection:
            number = _begin(connection, request, given, goes_to)
        more: dict[str, Any] = {}
        try:
            yield more
        except GazelleSyncError as error:
            if not was_cut(error.__cause__):  # else what was under way may have been done
                with borrow(desk.url) as connection:
                    _end(connection, number, more, str(error))
            raise
        with borrow(desk.url) as connection:
            _end(connection, number, more)


def form_key(request: Request) -> uuid.UUID:
    """The key of the form that was sent.

    Raises:
        Refused: It has none: it is not one of ours.
    """
    try:
        return uuid.UUID(form_of(request).get("once", ""))
    except ValueError:
        raise Refused(gettext("This form is incomplete: open the page again.")) from None


def last_change(connection: Connection, record: str, field: str) -> tuple[str, Any] | None:
    """Who last changed a field of a record at the desk, and when."""
    query = (
        "SELECT who, at FROM desk_changes WHERE record = %s AND field = %s AND ended_at IS NOT NULL "
        "AND refusal IS NULL ORDER BY id DESC LIMIT 1"
    )
    row = connection.execute(query, [record, field]).fetchone()
    return (row[0], row[1]) if row else None


def read_journal(connection: Connection, record: str | None, before: int | None, most: int) -> list[dict[str, Any]]:
    """The newest changes first.

    Args:
        connection: Of `borrow`.
        record: Only of this one.
        before: Only those before this one.
        most: How many.
    """
    asked = {"record": record, "before": before, "most": most}
    names = ("id", "at", "who", "action", "record", "field", "details", "ended_at", "refusal")
    return [dict(zip(names, row, strict=True)) for row in connection.execute(statement("desk/journal"), asked)]


def _begin(connection: Connection, request: Request, given: dict[str, Any], goes_to: str) -> int:
    row = connection.execute(statement("desk/change_begin"), given).fetchone()
    number, at, is_new, has_ended = row or (0, None, True, False)
    if is_new:
        return int(number)
    if has_ended:
        raise _already_sent(request, at, goes_to)
    raise OutcomeUnknown(
        gettext(
            "This was sent at {when}, and the database went away before it was known whether it was done. Look whether "
            "it stands there; if it does not, send it again.",
            when=words_of(language_of(request)).when(at),
        ),
        goes_to,
    )


def _already_sent(request: Request, at: datetime, goes_to: str) -> AlreadySent:
    when = words_of(language_of(request)).when(at)
    return AlreadySent(gettext("This was sent already, at {when}: it is done once.", when=when), goes_to)


def _end(connection: Connection, number: int, more: dict[str, Any], refusal: str | None = None) -> None:
    query = (
        "UPDATE desk_changes SET ended_at = clock_timestamp(), refusal = %(refusal)s, details = details || %(more)s "
        "WHERE id = %(id)s"
    )
    connection.execute(query, {"refusal": refusal, "more": Jsonb(more), "id": number})
