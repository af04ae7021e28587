"""Drafts of visits in the database: written by commands here, or by any program; checked in two statements."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.shop.calendar.checks import Facts, Piano, Problem, problems_of
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, Rows, together

MINUTES = {"tuning": 120, "hall": 80, "half-day": 180, "day": 420}
"""How long a visit takes, by what is done, where nobody says otherwise."""
USUAL_MINUTES = MINUTES["tuning"]

FACTS: Question = (statement("calendar/drafts_facts"), None)
CONFLICTS: Question = (statement("calendar/drafts_conflicts"), None)


class DraftRefused(CommandRefused):
    """A change of a visit that makes no sense: it is of a draft or an event that is not there."""


@dataclass(frozen=True)
class Checked:
    """A draft that has not been sent, and what keeps it.

    Attributes:
        id: Of the draft.
        problems: Empty: the next push sends it.
    """

    id: int
    problems: tuple[Problem, ...]


def check_drafts(connection: Connection, now: datetime) -> list[Checked]:
    """Every draft that has not been sent, with what is wrong with it; one round trip.

    Args:
        connection: Of `borrow`.
        now: Aware.
    """
    facts, conflicts = together(connection, FACTS, CONFLICTS)
    return checked_in(facts, conflicts, now)


def checked_in(facts: Rows, conflicts: Rows, now: datetime) -> list[Checked]:
    """The same from the rows of `FACTS` and `CONFLICTS`."""
    found = []
    for draft in map(_facts, facts):
        taken = [Problem(code, other) for id_, code, other in conflicts if id_ == draft.id and not draft.is_forced]
        found.append(Checked(draft.id, (*problems_of(draft, now), *taken)))
    return found


def _facts(row: tuple[Any, ...]) -> Facts:
    *values, pianos, is_forced = row
    named = [Piano(*piano) for piano in pianos or ()]
    known = None if any(piano.id is None for piano in named) else tuple(named)
    return replace(Facts(*values), pianos=known, is_forced=is_forced)


def add_visit(
    connection: Connection, values: Mapping[str, Any], technicians: Sequence[str | None], pianos: Sequence[str]
) -> list[int]:
    """Store a visit, and one more of each further technician; gives the drafts' ids.

    Args:
        connection: Of `borrow`.
        values: Column → value of `appointment_drafts`.
        technicians: Who makes it; of several, each has an event of their own, and one key joins them.
        pianos: Their ids. The title is the client's name where none is given.
    """
    joint = uuid.uuid4() if len(technicians) > 1 else None
    with connection.transaction():
        title = values.get("title")
        if title is None and values.get("client_external_id"):
            query = "SELECT display_name FROM gazelle_clients WHERE external_id = gazelle.bare_id(%s)"
            row = connection.execute(query, [values["client_external_id"]]).fetchone()
            title = row[0] if row else None
        given = {**values, "title": title, "pianos": Jsonb(list(pianos)), "joint_key": joint, "action": "create"}
        return _insert(connection, given, "technician_external_id", technicians)


def service_minutes(connection: Connection, service: str | None) -> int:
    """How long a visit takes by its service: a word of `MINUTES`, or the id of a product at Gazelle.

    Raises:
        DraftRefused: It is neither.
    """
    if service is None:
        return USUAL_MINUTES
    if service in MINUTES:
        return MINUTES[service]
    query = "SELECT duration_minutes, is_tuning FROM gazelle_products WHERE external_id = gazelle.bare_id(%s)"
    row = connection.execute(query, [service]).fetchone()
    if row is None:
        raise DraftRefused(
            gettext("There is no service {id}: give {words}, or a product's id.", id=service, words=", ".join(MINUTES))
        )
    return int(row[0] or USUAL_MINUTES)


def change_visit(connection: Connection, visit: str, action: str, values: Mapping[str, Any]) -> list[int]:
    """Store a change of a visit; of a joint one, of each of its events.

    A visit that Gazelle does not have yet is changed in its draft.

    Args:
        connection: Of `borrow`.
        visit: The id of a draft, or of an event at Gazelle.
        action: `move`, `cancel`, `complete` or `confirm`.
        values: Column → value of `appointment_drafts`.

    Returns:
        The ids of the drafts that hold the change.

    Raises:
        DraftRefused: There is no such draft, or nothing of it can be changed any more.
    """
    with connection.transaction():
        rows = connection.execute(
            statement("calendar/joint"), {"draft": int(visit) if visit.isdigit() else None, "event": visit}
        ).fetchall()
        if visit.isdigit() and not rows:
            raise DraftRefused(gettext("There is no draft {id}: `gazelle-sync calendar check` lists them.", id=visit))
        unsent = [id_ for id_, event, status in rows if event is None and status in ("ready", "held")]
        events = list(dict.fromkeys(event for _, event, _ in rows if event)) or ([] if visit.isdigit() else [visit])
        if not unsent and not events:
            raise DraftRefused(gettext("The draft {id} was withdrawn, and Gazelle never had it.", id=visit))
        if unsent and action not in ("move", "cancel"):
            raise DraftRefused(gettext("Gazelle does not have the visit of draft {id} yet.", id=unsent[0]))
        if values.get("technician_external_id") and len(unsent) + len(events) > 1:
            raise DraftRefused(gettext("It is a joint visit: cancel it, and make a new one with other technicians."))
        if unsent:
            _update(connection, unsent, {"status": "canceled"} if action == "cancel" else values)
        return [*unsent, *_insert(connection, {**values, "action": action}, "appointment_external_id", events)]


def _insert(connection: Connection, values: Mapping[str, Any], each: str, of_each: Sequence[Any]) -> list[int]:
    """One row for each value of a column."""
    if not of_each:
        return []
    query = sql.SQL(
        "INSERT INTO appointment_drafts ({columns}, {each}) SELECT {places}, one FROM unnest(%(each)s::text[]) "
        "WITH ORDINALITY AS given (one, place) ORDER BY place RETURNING id"
    ).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, values)),
        each=sql.Identifier(each),
        places=sql.SQL(", ").join(map(sql.Placeholder, values)),
    )
    return [id_ for (id_,) in connection.execute(query, {**values, "each": list(of_each)}).fetchall()]


def _update(connection: Connection, ids: Sequence[int], values: Mapping[str, Any]) -> None:
    query = sql.SQL("UPDATE appointment_drafts SET {} WHERE id = ANY (%(ids)s)").format(
        sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in values)
    )
    connection.execute(query, {**values, "ids": list(ids)})
