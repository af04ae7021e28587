"""The size of page that Gazelle accepts, by entity and for the push: found out once, remembered for a day.

Without a memory every tick would ask for the size of the settings again, and be refused again. After a day it is asked
for once more, since a limit may have been lifted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from gazelle_sync.errors import (
    AnswerUnreadable,
    ApiError,
    ApiUnavailable,
    ApiUnreachable,
    OperationFailed,
    RequestRefused,
)
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.settings_table import read_setting, write_setting

SETTING = "api_page_sizes"
PUSH = "push"
GOOD_FOR = timedelta(days=1)
NESTED_SIZES = (100, 50, 25, 10, 5)
"""Of the pages of lists inside records; the smaller ones are for an API that refuses the first."""


class _Accepted(msgspec.Struct):
    size: int
    found_at: datetime
    nested: int | None = None


class _Remembered(msgspec.Struct):
    url: str
    asked: int
    sizes: dict[str, _Accepted]


class PageSizes:
    """What a run knows of page sizes; what was found for another address or another setting does not count.

    Args:
        url: Base URL of the API.
        asked: The size that the settings ask for.
        connection: Where they are remembered.
    """

    def __init__(self, url: str, asked: int, connection: Connection) -> None:
        self._asked = asked
        self._known = _Remembered(url, asked, {})
        text = read_setting(connection, SETTING)
        connection.commit()
        try:
            held = msgspec.json.decode(text or "", type=_Remembered)
        except msgspec.DecodeError:
            return
        if (held.url, held.asked) == (url, asked):
            now = datetime.now(UTC)
            self._known.sizes = {name: s for name, s in held.sizes.items() if now - GOOD_FOR < s.found_at <= now}

    def of(self, entity: str) -> int:
        """The size to begin with."""
        known = self._known.sizes.get(entity)
        return known.size if known else self._asked

    def nested_of(self, entity: str) -> int | None:
        """The size of the pages of lists inside records, where a larger one was refused."""
        known = self._known.sizes.get(entity)
        return known.nested if known else None

    def note(self, entity: str, size: int, nested: int) -> None:
        """Gazelle refused larger pages of an entity, or of the lists inside its records, and accepted these sizes."""
        self._known.sizes[entity] = _Accepted(size, datetime.now(UTC), nested)

    def remember(self, connection: Connection) -> None:
        """Write down what was found; the caller's transaction decides when it counts."""
        write_setting(connection, SETTING, msgspec.json.encode(self._known, order="deterministic").decode())


class PushedSize:
    """The size of the push's pages, of lists and of lists inside records alike; shared by the threads of a push.

    Attributes:
        size: Rows asked for at once, by now.
        was_refused: Whether Gazelle refused a larger one.
    """

    def __init__(self) -> None:
        self.size = NESTED_SIZES[0]
        self.was_refused = False
        self._is_settled = False

    def accepted(self) -> None:
        """A page of this size came: what is refused from now on is not refused for its size."""
        self._is_settled = True

    def shrink(self, error: ApiError, asked: int) -> bool:
        """Whether a page that was refused may be asked for again, smaller.

        Where the smallest is refused as well it was not the size: then pages are asked for as before, from there on.

        Args:
            error: The refusal.
            asked: The size that was refused; another thread may have found a smaller one meanwhile.
        """
        if not isinstance(error, (OperationFailed, RequestRefused)) or not may_be_the_size(error):
            return False
        if asked != self.size:
            return asked > self.size
        if self._is_settled:
            return False
        smaller = next((size for size in NESTED_SIZES if size < asked), None)
        if smaller is None:
            self.size, self.was_refused, self._is_settled = NESTED_SIZES[0], False, True
            return False
        self.size, self.was_refused = smaller, True
        return True

    def recall(self, sizes: PageSizes) -> None:
        """Begin with what an earlier push found."""
        self.size = sizes.nested_of(PUSH) or NESTED_SIZES[0]

    def remember(self, sizes: PageSizes, connection: Connection) -> None:
        """Write down what was found, where a larger size was refused."""
        if self.was_refused:
            sizes.note(PUSH, self.size, self.size)
            sizes.remember(connection)


def may_be_the_size(error: ApiError) -> bool:
    """Whether asking for less may help: an error of GraphQL or a crash, too large, unreadable, too slow, forbidden."""
    if isinstance(error, (OperationFailed, AnswerUnreadable)):
        return True
    if isinstance(error, RequestRefused):
        return error.status in (400, 403, 413, 422)
    if isinstance(error, ApiUnreachable):
        return error.is_timeout
    return isinstance(error, ApiUnavailable) and error.status in (500, 502, 504)
