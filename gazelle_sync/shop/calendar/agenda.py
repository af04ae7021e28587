"""The agenda: what is to be done on the coming days, by Montreal's clock, in the words of the shop's language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message, Translator
from gazelle_sync.warehouse.connect import Connection, statement

TYPES = {"PERSONAL": Message("personal"), "MEMO": Message("memo"), "SYNCED": Message("synchronized calendar")}
PENDING = {"create": Message("not at Gazelle yet"), "move": Message("to be moved there")}


class NoSuchTechnician(CommandRefused):
    """Nobody at Gazelle has this id."""


@dataclass(frozen=True)
class Entry:
    """A visit, or a draft of one, on a day of the agenda.

    Attributes:
        external_id: Of the event at Gazelle; None: it is a draft only.
        technician_id: The user's id at Gazelle.
        technician: The user's name.
        client: The client's name.
        title: Of the event.
        event_type: `APPOINTMENT`, …
        status: `ACTIVE`, …; of a draft, its action.
        day: In Montreal.
        at: By Montreal's clock; None: all day.
        start_at: Aware UTC.
        minutes: How long.
        is_confirmed: Whether the client or the office confirmed it.
        address: Where.
        minutes_since_previous: Time since the technician's visit before, on the same day.
        draft_id: Of a draft.
    """

    external_id: str | None
    technician_id: str | None
    technician: str | None
    client: str | None
    title: str | None
    event_type: str | None
    status: str | None
    day: date
    at: time | None
    start_at: datetime
    minutes: int
    is_confirmed: bool
    address: str | None
    minutes_since_previous: int | None
    draft_id: int | None

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        values = asdict(self)
        return values | {
            "day": self.day.isoformat(),
            "at": self.at and f"{self.at:%H:%M}",
            "start_at": self.start_at.isoformat(),
        }

    @property
    def needs_confirmation(self) -> bool:
        """Whether somebody should ask the client."""
        return (
            self.event_type == "APPOINTMENT"
            and self.status == "ACTIVE"
            and not self.is_confirmed
            and self.draft_id is None
        )


def read_agenda(connection: Connection, first: date, days: int, technician: str | None = None) -> list[Entry]:
    """The agenda of some days, in the order of days, technicians and hours.

    Args:
        connection: Of `borrow`.
        first: In Montreal.
        days: How many.
        technician: The user's id at Gazelle; None: of all.
    """
    bounds = {"first": first, "last": first + timedelta(days=days - 1), "technician": technician}
    return [Entry(*row) for row in connection.execute(statement("calendar/agenda"), bounds)]


def known_technician(connection: Connection, technician: str) -> str:
    """A user's id as Gazelle writes it.

    Raises:
        NoSuchTechnician: There is no such user.
    """
    query = "SELECT external_id FROM gazelle_users WHERE external_id = gazelle.bare_id(%s)"
    row = connection.execute(query, [technician]).fetchone()
    if row is None:
        raise NoSuchTechnician(gettext("There is no technician {id} at Gazelle.", id=technician))
    return str(row[0])


def render_agenda(say: Translator, entries: Sequence[Entry]) -> str:
    """The agenda for a terminal."""
    if not entries:
        return say("Nothing is planned.")
    lines: list[str] = []
    for day, of_day in groupby(entries, key=lambda entry: entry.day):
        lines += ["", say.date(day, year=False)]
        for technician, of_one in groupby(of_day, key=lambda entry: entry.technician or entry.technician_id):
            name = technician or say("nobody")
            lines.append(f"  {name}")
            lines += [f"    {_line(say, entry)}" for entry in of_one]
    return "\n".join(lines[1:])


def _line(say: Translator, entry: Entry) -> str:
    at = say("all day") if entry.at is None else say.time(entry.at)
    parts = [entry.title or entry.client or "—"]
    if entry.title and entry.client and entry.client != entry.title:
        parts.append(entry.client)
    if entry.event_type in TYPES:
        parts.append(say(TYPES[entry.event_type]))
    if entry.at is not None:
        parts.append(say("{minutes} min", minutes=entry.minutes))
    if entry.address:
        parts.append(entry.address)
    return f"{at:>8}  " + " · ".join([*parts, *remarks_of(say, entry)])


def remarks_of(say: Translator, entry: Entry) -> list[str]:
    """What a person should know of an entry: how long there is to get there, who is to be asked, what is not sent."""
    found = []
    if entry.minutes_since_previous is not None:
        gap = entry.minutes_since_previous
        found.append(
            say("{minutes} min to get there", minutes=gap)
            if gap >= 0
            else say("overlaps the one before by {minutes} min", minutes=-gap)
        )
    if entry.needs_confirmation:
        found.append(say("not confirmed"))
    if entry.draft_id is not None:
        found.append(say("draft {id}: {state}", id=entry.draft_id, state=say(PENDING[str(entry.status)])))
    return found
