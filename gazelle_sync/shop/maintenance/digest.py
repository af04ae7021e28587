"""What people are told in the morning: alerts that are open and new, each once.

A suggestion is never told, nor is a note that was older than 14 days when it was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gazelle_sync.i18n.translator import Plural, Translator, translator
from gazelle_sync.montreal import spoken_day
from gazelle_sync.shop.maintenance.alerts import KIND_NAMES
from gazelle_sync.warehouse.connect import Connection, statement

OLD_DAYS = 14
"""A note that was older than this when it was found is listed and not told."""
MOST_SHOWN = 50
LONGEST_WORDS = 120


@dataclass(frozen=True)
class Digest:
    """A message.

    Attributes:
        title: One line.
        text: The rest.
        alerts: How many it tells of.
    """

    title: str
    text: str
    alerts: int


def is_anything_new(connection: Connection) -> bool:
    """Whether there is something to tell."""
    row = connection.execute(statement("maintenance/untold"), {"days": OLD_DAYS}).fetchone()
    return row is not None


def take_digest(connection: Connection, language: str) -> Digest | None:
    """What is to be told now, marked as told in the caller's transaction; None: nothing is new.

    Args:
        connection: In a transaction, which also stores the message.
        language: `en` or `fr`.
    """
    rows = connection.execute(statement("maintenance/tell"), {"days": OLD_DAYS}).fetchall()
    return _digest(translator(language), rows) if rows else None


def _digest(say: Translator, rows: Sequence[tuple[date, str, str, str | None, str | None, str | None]]) -> Digest:
    count = len(rows)
    title = say(Plural("{count} new maintenance alert", "{count} new maintenance alerts"), count=count)
    lines: list[str] = []
    client_before: str | None = None
    for observed, kind, words, client, piano, room in rows[:MOST_SHOWN]:
        name = client or say("Without a client")
        if name != client_before:
            lines += ["", name] if lines else [name]
            client_before = name
        where = ", ".join(part for part in (piano, room) if part) or say("no piano named")
        shown = words if len(words) <= LONGEST_WORDS else f"{words[:LONGEST_WORDS]}…"
        quoted = say("“{words}”", words=shown)
        lines.append(f"- {say(KIND_NAMES[kind])}: {quoted} ({where}; {spoken_day(say, observed)})")
    if count > MOST_SHOWN:
        lines += ["", say(Plural("… and {count} more.", "… and {count} more."), count=count - MOST_SHOWN)]
    lines += ["", say("`gazelle-sync alerts list` shows all of them; `gazelle-sync alerts show` shows the note.")]
    return Digest(title, "\n".join(lines), count)
