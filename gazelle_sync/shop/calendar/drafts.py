"""Drafts of visits in the database, as commands here write them; any program may write them as well.

What is wrong with a draft is said where it is sent: `gazelle_sync.push.pushables.appointment_checks`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.push.pushable import record_id
from gazelle_sync.warehouse.connect import Connection, statement

MINUTES = {"tuning": 120, "hall": 80, "half-day": 180, "day": 420}
"""How long a visit takes, by what is done, where nobody says otherwise."""
USUAL_MINUTES = MINUTES["tuning"]
FIGURES = 18
"""PostgreSQL's largest whole numbers have one figure more."""


class DraftRefused(CommandRefused):
    """A change of a visit that makes no sense: it is of a draft or an event that is not there."""


def add_visit(
    connection: Connection, values: Mapping[str, Any], technicians: Sequence[str | None], pianos: Sequence[str]
) -> list[int]:
    """Store a visit, and one more of each further technician; gives the drafts' ids.

    Args:
        connection: Of `borrow`.
        values: Column → value of `appointment_drafts`.
        technicians: Who makes it; of several, each has an event of their own, and one key joins them.
        pianos: Their ids. The title is the client's name where none is given.

    Raises:
        DraftRefused: A technician is named twice.
    """
    named = [record_id(one) for one in technicians if one is not None]
    if twice := next((one for one in named if named.count(one) > 1), None):
        raise DraftRefused(gettext("The technician {id} is named twice.", id=twice))
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
    is_draft = visit.isascii() and visit.isdigit()
    with connection.transaction():
        named = {"draft": _draft_number(visit) if is_draft else None, "event": visit}
        rows = connection.execute(statement("calendar/joint"), named).fetchall()
        if is_draft and not rows:
            raise DraftRefused(gettext("There is no draft {id}: `gazelle-sync calendar check` lists them.", id=visit))
        unsent = [id_ for id_, event, status, _ in rows if event is None and status in ("ready", "held")]
        events = list(dict.fromkeys(event for _, event, *_ in rows if event)) or ([] if is_draft else [visit])
        if not unsent and not events:
            raise DraftRefused(gettext("The draft {id} was withdrawn, and Gazelle never had it.", id=visit))
        if unsent and action not in ("move", "cancel"):
            raise DraftRefused(gettext("Gazelle does not have the visit of draft {id} yet.", id=unsent[0]))
        if values.get("technician_external_id") and len(unsent) + len(events) > 1:
            raise DraftRefused(gettext("It is a joint visit: cancel it, and make a new one with other technicians."))
        if unsent:
            _update(connection, unsent, {"status": "canceled"} if action == "cancel" else values)
        joint = next((key for *_, key in rows if key), None) if len(events) > 1 else None
        changed = {**values, "action": action, "joint_key": joint}
        ids = [*unsent, *_change(connection, action, changed, events)]
        if action == "cancel" and values.get("recurrence_change") == "FUTURE":  # the table's trigger wrote the others
            query = statement("calendar/following_canceled")
            ids += [id_ for (id_,) in connection.execute(query, {"events": events}).fetchall() if id_ not in ids]
        return ids


def _draft_number(digits: str) -> int:
    """Of more figures than a number has in the database: of no draft."""
    return int(digits) if len(digits) <= FIGURES else -1


def _change(connection: Connection, action: str, values: Mapping[str, Any], events: Sequence[str]) -> list[int]:
    """Store a change of each event; gives the drafts that hold it.

    A change that Gazelle does not have yet is replaced by a later one of its kind, and withdrawn by a cancellation.
    """
    given = {"events": list(events), "action": action}
    waiting = connection.execute(statement("calendar/waiting"), given).fetchall()
    if action == "cancel" and waiting:
        _update(connection, [id_ for id_, _, kind in waiting if kind != "cancel"], {"status": "canceled"})
    same = {event: id_ for id_, event, kind in waiting if kind == action}
    if same:
        _update(connection, list(same.values()), values)
    new = [event for event in events if record_id(event) not in same]
    return [*same.values(), *_insert(connection, values, "appointment_external_id", new)]


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
    if not ids:
        return
    query = sql.SQL("UPDATE appointment_drafts SET {} WHERE id = ANY (%(ids)s)").format(
        sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in values)
    )
    connection.execute(query, {**values, "ids": list(ids)})
