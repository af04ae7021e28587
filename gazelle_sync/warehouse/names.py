"""What people call Gazelle's records (make, serial number, client, day), to be written beside every id."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gazelle_sync.i18n.translator import Translator, translator
from gazelle_sync.montreal import montreal_day, spoken_day, within_calendar
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, Rows, borrow, together

MOST = 500
"""So many ids are asked for at once; more than a person reads."""
_IDS = re.compile(r"(?<![\w.:])(?:[a-z]{3}|v4)_\w+(?::\w+)*")
"""As Gazelle's ids look, and those of an older system; of a visit's piano both ids, with a colon."""


def names_question(ids: Iterable[str]) -> Question:
    """What production calls some records, to be asked with others."""
    return statement("warehouse/names"), {"ids": list(dict.fromkeys(ids))[:MOST]}


def names_of(connection: Connection, ids: Iterable[str], say: Translator | None = None) -> dict[str, str]:
    """External id → what people call the record, of whatever kind, in one round trip.

    Args:
        connection: Of the shop's database.
        ids: Of records; what is no record's is left out.
        say: For people, whose language writes days in words; None: for machines, days as in ISO 8601.

    Returns:
        What production says; of a record that it does not hold, what its newest staged body says.
    """
    if not (asked := list(dict.fromkeys(ids))[:MOST]):
        return {}
    made, staged = together(connection, names_question(asked), (statement("warehouse/names_staged"), {"ids": asked}))
    return names_in(staged, say) | names_in(made, say)


def read_names(settings: Settings, ids: Iterable[str]) -> dict[str, str]:
    """The same for people, in the language of the settings.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    if not (asked := [*ids]):
        return {}
    with borrow(str(settings.database_url)) as connection:
        return names_of(connection, asked, translator(settings.language))


def names_in(rows: Rows, say: Translator | None = None) -> dict[str, str]:
    """Id → name, from the rows of `names_question`; `say` as for `names_of`."""
    found = {}
    for external_id, name, beside, at in rows:
        parts = [" ".join(str(part).split()) for part in (name, beside) if part and str(part).strip()]
        if at is not None:
            day = montreal_day(within_calendar(at))
            parts.append(spoken_day(say, day) if say else day.isoformat())
        if parts:
            found[external_id] = ", ".join(parts)
    return found


def ids_within(texts: Iterable[str]) -> list[str]:
    """What may be the ids of records in some texts, in order, each once."""
    return list(dict.fromkeys(found for text in texts for found in _IDS.findall(text)))


def with_names(text: str, names: dict[str, str]) -> str:
    """A text with what people call the records beside their ids."""
    return _IDS.sub(lambda found: with_name(found[0], names), text)


def with_name(external_id: str, names: dict[str, str]) -> str:
    """An id with what people call the record."""
    return f"{external_id} ({names[external_id]})" if names.get(external_id) else external_id
