"""The page sizes that Gazelle accepts, for each entity and for the push: stored for a day once they are known.

Otherwise every tick would ask for the size in the settings again, and be refused again. After a day that size is tried
once more, since Gazelle may have lifted a limit.
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
from gazelle_sync.warehouse.pool import Question
from gazelle_sync.warehouse.settings_table import setting

SETTING = "api_page_sizes"
PUSH, DOCUMENT = "push", "push_document"
LARGEST_DOCUMENT = 50
"""Nobody has written down how much Gazelle takes; one for each of a wave's rows is well below what others refuse."""
GOOD_FOR = timedelta(days=1)
NESTED_SIZES = (100, 50, 25, 10, 5)
"""Page sizes of lists inside records, tried in this order when Gazelle refuses one."""


class _Accepted(msgspec.Struct):
    size: int
    found_at: datetime
    nested: int | None = None


class _Remembered(msgspec.Struct):
    url: str
    asked: int
    sizes: dict[str, _Accepted]


class PageSizes:
    """The page sizes of a run. Stored ones for another address or another setting are ignored.

    Args:
        url: Base URL of the API.
        asked: The size in the settings.
        stored: What the database holds of them (`SETTING`); None: nothing.
    """

    def __init__(self, url: str, asked: int, stored: str | None) -> None:
        self._asked = asked
        self._known = _Remembered(url, asked, {})
        try:
            held = msgspec.json.decode(stored or "", type=_Remembered)
        except msgspec.DecodeError:
            return
        if (held.url, held.asked) == (url, asked):
            now = datetime.now(UTC)
            self._known.sizes = {name: s for name, s in held.sizes.items() if now - GOOD_FOR < s.found_at <= now}

    def of(self, entity: str) -> int:
        """The page size to begin with."""
        known = self._known.sizes.get(entity)
        return known.size if known else self._asked

    def nested_of(self, entity: str) -> int | None:
        """The page size of lists inside records, if a larger one was refused; else None."""
        known = self._known.sizes.get(entity)
        return known.nested if known else None

    def note(self, entity: str, size: int, nested: int) -> None:
        """Note the sizes that Gazelle accepted after it refused larger ones."""
        self._known.sizes[entity] = _Accepted(size, datetime.now(UTC), nested)

    def to_store(self) -> Question:
        """The statement that stores the noted sizes."""
        return setting(SETTING, msgspec.json.encode(self._known, order="deterministic").decode())


class PushedSize:
    """The page size of the push, for lists and for lists inside records; shared by the threads of a push.

    Attributes:
        size: Rows requested at once, at present.
        was_refused: Whether Gazelle refused a larger one.
    """

    def __init__(self) -> None:
        self.size = NESTED_SIZES[0]
        self.was_refused = False
        self._is_settled = False

    def accepted(self) -> None:
        """A page of this size was answered: later refusals are not about the size."""
        self._is_settled = True

    def shrink(self, error: ApiError, asked: int) -> bool:
        """Whether a refused page may be requested again with a smaller size.

        If the smallest size is refused as well, the size was not the reason, and the original size is used again.

        Args:
            error: The refusal.
            asked: The refused size; another thread may have found a smaller one meanwhile.
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
        """Begin with the size that an earlier push stored."""
        self.size = sizes.nested_of(PUSH) or NESTED_SIZES[0]

    def remember(self, sizes: PageSizes, connection: Connection) -> None:
        """Store the size, if a larger one was refused."""
        if self.was_refused:
            sizes.note(PUSH, self.size, self.size)
            connection.execute(*sizes.to_store())


class DocumentSize:
    """How many records or changes the push puts into one document: fewer once Gazelle refused more, or was too slow.

    Attributes:
        size: At present.
    """

    def __init__(self) -> None:
        self.size = LARGEST_DOCUMENT
        self._was_refused = False

    def shrink(self, accepted: int) -> None:
        """Use no more than was accepted after more was refused; 0: the size was not the reason."""
        if 0 < accepted < self.size:
            self.size, self._was_refused = accepted, True

    def recall(self, sizes: PageSizes) -> None:
        """Begin with the size that an earlier push stored."""
        self.size = sizes.nested_of(DOCUMENT) or LARGEST_DOCUMENT

    def remember(self, sizes: PageSizes, connection: Connection) -> None:
        """Store the size, if a larger one was refused."""
        if self._was_refused:
            sizes.note(DOCUMENT, self.size, self.size)
            connection.execute(*sizes.to_store())


def may_be_the_size(error: ApiError) -> bool:
    """Whether a smaller page may help: GraphQL errors, a crash, too large, unreadable, too slow, forbidden."""
    if isinstance(error, (OperationFailed, AnswerUnreadable)):
        return True
    if isinstance(error, RequestRefused):
        return error.status in (400, 403, 413, 422)
    if isinstance(error, ApiUnreachable):
        return error.is_timeout
    return isinstance(error, ApiUnavailable) and error.status in (500, 502, 504)
