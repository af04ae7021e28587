"""The size of page that Gazelle accepts, by entity: found out once, remembered in `system_settings` for a day.

Without a memory every tick would ask for the size of the settings again, and be refused again. After a day it is asked
for once more, since a limit may have been lifted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.settings_table import read_setting, write_setting

SETTING = "api_page_sizes"
GOOD_FOR = timedelta(days=1)


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
