"""What people call records (make, serial number, client), beside the ids; and the ids of what they name so."""

from __future__ import annotations

from collections.abc import Sequence

from gazelle_sync.errors import SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.push.pushable import record_id
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.names import with_name
from gazelle_sync.warehouse.pool import borrow, together

SEVERAL = Message("{text} may be {records}: name the one that is meant by its id.")


def ids_of(settings: Settings, given: Sequence[str]) -> list[str] | None:
    """The ids of records that a person names by an id, perhaps with blanks, or by a serial number or a name.

    Args:
        settings: For the database, which is up to date.
        given: As it was typed.

    Returns:
        In that order; what nobody knows stays as it is. None: nothing was given.

    Raises:
        SettingsError: Several records go by such a name.
        DatabaseError: The database cannot be reached.
    """
    found = []
    for text in map(record_id, given):
        with borrow(str(settings.database_url)) as connection:
            asked = {"keys": [text], "text": text}
            rows = together(
                connection, *((one.query(name), asked) for one in PUSHABLES for name in ("names", "known_by"))
            )
        by_id: dict[str, str] = {key: name for part in rows[::2] for key, name in part}
        by_name: dict[str, str] = {key: name for part in rows[1::2] for key, name in part}
        if len(by_name) > 1 and not by_id:
            records = ", ".join(with_name(key, by_name) for key in by_name)
            raise SettingsError(gettext(SEVERAL, text=text, records=records))
        found.append(text if by_id or not by_name else next(iter(by_name)))
    return found or None
