"""What the API's mutations of events do.

`updateEvent` replaces the event, an event that is made twice exists twice, a memo loses its client, an event of a
synced calendar is nobody's to write, and a client is told of a confirmation unless the caller says not to.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gazelle_sync.montreal import MONTREAL
from gazelle_sync.sandbox.encoding import Record
from gazelle_sync.sandbox.listing import utc
from gazelle_sync.sandbox.mutations import (
    EVENT_DEFAULTS,
    Writer,
    create_piano_measurement,
    done,
    failed,
    missing,
    problem,
    unfit_piano,
)

_NOT_STORED = {
    "errorReferenceId",
    "client",
    "isConfirmationEmailWanted",
    "confirmationEmailSubject",
    "confirmationEmailMessage",
    "recurrenceChangeType",
    "schedulerV2SearchId",
    "availabilityId",
}
_INPUT = {
    *("status", "confirmedAt", "start", "timezone", "duration", "buffer", "title", "notes", "type", "location"),
    *("isAllDay", "clientId", "userId", "pianos", "travelMode", "recurrenceType", "recurrenceWeekdays"),
    *("recurrenceWeeks", "recurrenceDates", "recurrenceInterval", "recurrenceEndingType"),
    *("recurrenceEndingOccurrences", "recurrenceEndingDate"),
}


def _from(writer: Writer, values: Record) -> tuple[Record, list[Record]]:
    """The stored form of an event's input, and what is wrong with it."""
    wrong = []
    event = EVENT_DEFAULTS | {name: value for name, value in values.items() if name not in _NOT_STORED}
    user = writer.store.get("users", values.get("userId"))
    if user is None or not user["isSchedulable"]:
        wrong.append(problem("userId", "User must be schedulable"))
    if not values.get("start"):
        wrong.append(problem("start", "can't be blank"))
    else:
        event["start"] = utc(values["start"])
    if values.get("confirmedAt"):
        event["confirmedAt"] = utc(values["confirmedAt"])
    if values.get("clientId") and writer.store.get("clients", values["clientId"]) is None:
        wrong.append(problem("clientId", "Client does not exist"))
    if event["type"] == "MEMO":
        event["clientId"] = None
    event["pianos"] = [
        {"pianoId": row["pianoId"], "isTuning": bool(row.get("isTuning"))} for row in values.get("pianos") or ()
    ]
    unknown = [row["pianoId"] for row in event["pianos"] if writer.store.get("pianos", row["pianoId"]) is None]
    wrong += [problem("pianos", f"Piano {piano_id!r} does not exist") for piano_id in unknown]
    return event, wrong


def _found(writer: Writer, event_id: str) -> tuple[Record, Record | None]:
    """An event, and why it cannot be written."""
    event = writer.store.get("events", event_id)
    if event is None:
        return {}, missing("event", event_id)
    if event.get("type") == "SYNCED":
        return event, failed(problem("base", "Events of a synced calendar are read-only"))
    return event, None


def _tell_client(writer: Writer, event: Record, subject: str | None) -> None:
    writer.entry(
        "CONTACT_EMAIL_AUTOMATED",
        writer.settings.now(),
        clientId=event.get("clientId"),
        appointmentId=event["id"],
        summary=subject or "Rendez-vous",
    )


def _create(writer: Writer, input: Record) -> Record:  # noqa: A002  the API's own names
    event, wrong = _from(writer, input)
    if wrong:
        return failed(*wrong)
    now = writer.settings.now()
    own = {"id": writer.new_id("evt"), "createdAt": now, "updatedAt": now, "createdById": writer.actor_id()}
    made = writer.store.put("events", event | own)
    if input.get("isConfirmationEmailWanted"):
        _tell_client(writer, made, input.get("confirmationEmailSubject"))
    return done(event=made)


def _update(writer: Writer, id: str, input: Record) -> Record:  # noqa: A002
    old, refusal = _found(writer, id)
    if refusal is not None:
        return refusal
    event, wrong = _from(writer, input)
    if wrong:
        return failed(*wrong)
    # What no input can say stays; all the rest is what the input says, or the default.
    own = {name: value for name, value in old.items() if name not in _INPUT}
    changed = writer.edit("events", event, own)
    if input.get("isConfirmationEmailWanted"):
        _tell_client(writer, changed, input.get("confirmationEmailSubject"))
    return done(event=changed)


def _becomes(**values: str | None) -> Callable[..., Record]:
    """Gives an event a status, or takes a mark of it away."""

    def change(writer: Writer, eventId: str = "", id: str = "") -> Record:  # noqa: A002, N803
        event, refusal = _found(writer, eventId or id)
        return refusal or done(event=writer.edit("events", event, dict(values)))

    return change


def _confirm(writer: Writer, id: str, input: Record | None = None) -> Record:  # noqa: A002
    """The office confirms: `confirmedByClient` stays what it was."""
    event, refusal = _found(writer, id)
    if refusal is not None:
        return refusal
    confirmed = writer.edit("events", event, {"confirmedAt": event.get("confirmedAt") or writer.settings.now()})
    if not (input or {}).get("isSilent"):
        _tell_client(writer, confirmed, None)
    return done(event=confirmed)


def _complete(writer: Writer, eventId: str, input: Record | None = None) -> Record:  # noqa: A002, N803
    event, refusal = _found(writer, eventId)
    if refusal is not None:
        return refusal
    values = input or {"resultType": "COMPLETE"}
    notes = values.get("serviceHistoryNotes") or []
    measurements = values.get("pianoMeasurements") or []
    wrong = [
        found
        for row in (*notes, *measurements)
        if (found := unfit_piano(writer, row.get("pianoId"), "serviceHistoryNotes")) is not None
    ]
    if wrong:
        return failed(*wrong)
    for row in notes:
        _enter_service(writer, event, row["pianoId"], row["notes"])
    for row in measurements:
        create_piano_measurement(writer, row)
    if values.get("clientTimelineComment") and event.get("clientId"):
        writer.entry(
            "USER_COMMENT",
            writer.settings.now(),
            clientId=event["clientId"],
            summary="Commentaire",
            comment=values["clientTimelineComment"],
        )
    _note_client(writer, event, values)
    status = {"COMPLETE": "COMPLETE", "NO_SHOW": "NO_SHOW", "CANCELED": "CANCELED"}.get(
        values["resultType"], "COMPLETE"
    )
    return done(event=writer.edit("events", event, {"status": status}))


def _note_client(writer: Writer, event: Record, values: Record) -> None:
    client = writer.store.get("clients", event.get("clientId"))
    notes = {"personalNotes": values.get("clientPersonalNotes"), "preferenceNotes": values.get("clientPreferenceNotes")}
    given = {name: value for name, value in notes.items() if value is not None}
    if client is not None and given:
        writer.edit("clients", client, given)


def _enter_service(writer: Writer, event: Record, piano_id: str, notes: str) -> None:
    piano = writer.store.get("pianos", piano_id)
    if piano is None:
        return
    start = event.get("start") or writer.settings.now()
    # A service is dated by the day it was done in Montreal.
    day = datetime.fromisoformat(start).astimezone(MONTREAL).date().isoformat()
    writer.entry(
        "SERVICE_ENTRY_MANUAL",
        start,
        clientId=event.get("clientId") or piano.get("clientId"),
        pianoId=piano_id,
        appointmentId=event["id"],
        userId=event.get("userId"),
        summary="Service",
        comment=notes,
    )
    last = max(day, piano.get("eventLastService") or "")
    calculated = max(last, piano.get("manualLastService") or "")
    writer.edit("pianos", piano, {"eventLastService": last, "calculatedLastService": calculated})


VISIT_MUTATIONS: dict[str, Callable[..., Record]] = {
    "createEvent": _create,
    "updateEvent": _update,
    "cancelEvent": _becomes(status="CANCELED"),
    "uncancelEvent": _becomes(status="ACTIVE"),
    "confirmEvent": _confirm,
    "unconfirmEvent": _becomes(confirmedAt=None),
    "completeEvent": _complete,
    "uncompleteEvent": _becomes(status="ACTIVE"),
}
