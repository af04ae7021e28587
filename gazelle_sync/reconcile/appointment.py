"""Appointments: calendar events of every type, and the pianos that each one is for.

`start` is the instant that Gazelle holds, in UTC, in all three of its columns. No offset is added or taken away here or
anywhere after: local time exists in views only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gazelle_sync.i18n import gettext
from gazelle_sync.reconcile.client import named_client
from gazelle_sync.reconcile.pages import (
    Columns,
    Uneven,
    connections,
    distinct,
    flat,
    ids_of,
    keys,
    read_page,
    strings,
)
from gazelle_sync.reconcile.piano import named_piano
from gazelle_sync.reconcile.rows import (
    PERSON,
    STAMPS,
    Body,
    FieldMap,
    ReconcileError,
    Rows,
    Values,
    boolean,
    columns,
    identity,
    instant,
    integer,
    named,
    nodes,
    read,
    reference_in_record,
    text,
    utc_day,
    utc_time,
    within,
)

APPOINTMENT: FieldMap = (
    *STAMPS,
    ("client_external_id", "client", reference_in_record),
    ("technician_external_id", "user", reference_in_record),
    ("title", "title", text),
    # An event has one text field. `description` is the name that the shop's other programs read it by.
    ("description", "notes", text),
    ("notes", "notes", text),
    ("start_at", "start", instant),
    ("appointment_date", "start", utc_day),
    ("appointment_time", "start", utc_time),
    ("duration_minutes", "duration", integer),
    ("buffer_minutes", "buffer", integer),
    ("is_all_day", "isAllDay", boolean),
    ("event_type", "type", text),
    ("status", "status", text),
    ("confirmed_by_client", "confirmedByClient", boolean),
    ("confirmed_at", "confirmedAt", instant),
    ("source", "source", text),
    ("travel_mode", "travelMode", text),
    ("timezone", "timezone", text),
    ("address_line", "addressLine", text),
    ("recurrence_id", "recurrenceId", text),
    ("lifecycle_state", "lifecycleState", text),
)

EVENT_PIANO: FieldMap = (
    ("piano_external_id", "piano", reference_in_record),
    ("is_tuning", "isTuning", boolean),
)

APPOINTMENT_COLUMNS = ("external_id", *columns(APPOINTMENT), "piano_external_id")
APPOINTMENT_PIANO_COLUMNS = ("external_id", "appointment_external_id", *columns(EVENT_PIANO))


def reconcile_appointment(body: Body) -> Rows:
    """One appointment and its pianos.

    Raises:
        ReconcileError: Also when `start` is missing or null: an appointment at no time cannot be shown to anyone.
    """
    external_id = identity(body)
    appointment = read(body, APPOINTMENT, external_id=external_id)
    if appointment.get("start_at") is None:
        raise ReconcileError("start: " + gettext("is missing"))
    rows: Rows = {"gazelle_appointments": [appointment]}
    event_pianos = nodes(body, "allEventPianos")
    if event_pianos is not None:
        pianos = _pianos(external_id, event_pianos)
        appointment["piano_external_id"] = pianos[0]["piano_external_id"] if pianos else None
        rows["gazelle_appointment_pianos"] = pianos
    return rows


def appointment_page(bodies: Sequence[Body]) -> dict[str, Columns]:
    """The same for a page."""
    ids = ids_of(bodies)
    appointments = keys(external_id=ids) | read_page(bodies, APPOINTMENT)
    event_pianos, owners = flat(connections(bodies, "allEventPianos"), ids)
    pianos = read_page(event_pianos, EVENT_PIANO)
    named = strings(pianos["piano_external_id"][1])
    if None in appointments["start_at"][1] or not all(named):
        raise Uneven
    first = dict(zip(reversed(owners), reversed(named), strict=True))
    appointments["piano_external_id"] = text, [first.get(external_id) for external_id in ids]
    lines = distinct([f"{owner}:{piano}" for owner, piano in zip(owners, named, strict=True)])
    return {
        "gazelle_appointments": appointments,
        "gazelle_appointment_pianos": keys(external_id=lines, appointment_external_id=owners) | pianos,
    }


def parents_of_appointment(body: Body) -> Iterator[tuple[str, Values]]:
    """The client, the technician and the pianos."""
    yield from named_client(body)
    yield from named(body, "user", "gazelle_users", PERSON)
    for event_piano in nodes(body, "allEventPianos") or ():
        yield from named_piano(event_piano)


def _pianos(appointment_external_id: str, event_pianos: list[Body]) -> list[Values]:
    """One row a piano, in order. A piano that is listed twice is tuned if either line says so."""
    found: dict[str, Values] = {}
    for index, event_piano in enumerate(event_pianos):
        with within("allEventPianos", index):
            values = read(event_piano, EVENT_PIANO)
        piano = values.get("piano_external_id")
        if piano is None:
            continue
        row = {
            "external_id": f"{appointment_external_id}:{piano}",
            "appointment_external_id": appointment_external_id,
            **values,
        }
        known = found.setdefault(piano, row)
        if values.get("is_tuning"):
            known["is_tuning"] = True
    return list(found.values())
