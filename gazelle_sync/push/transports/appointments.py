"""Visits at Gazelle: `createEvent`, `updateEvent`, `cancelEvent`, `confirmEvent`, `completeEvent`.

`updateEvent` replaces the event, so all that its input takes is read, kept and sent again. Nothing that is sent here
writes to a client: no confirmation is wanted, no message scheduled, no invoice made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from gazelle_sync.gazelle import documents
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import FIRST, LAST, parse_instant
from gazelle_sync.push.model import Action, Item, JsonValue, Remote, Values
from gazelle_sync.push.transports.lists import cut, whole
from gazelle_sync.push.transports.protocol import (
    Create,
    Ending,
    Kind,
    Pages,
    Query,
    Update,
    Wanted,
    body_of,
    lacks,
)

PIANOS = Message("the visit's pianos")
VISITS = Message("the visits")
SURVIVES = documents.selection_of("push", "PushedVisit").fields - {
    "id", "updatedAt", "location", "client", "user", "allEventPianos",
}  # fmt: skip
"""`updateEvent` replaces the event: all of it is sent again, these fields as they came."""
MARKED = re.compile(r"\s*\[gazelle_sync ([0-9a-z-]+)\]")
"""Our mark in the notes of a visit; technicians' calendars and lists leave it out."""
AROUND = timedelta(days=7)
"""A new visit is looked for so many days around its own: somebody may have moved it already."""
SELECTION = "...PushedVisit"
LISTED = "totalCount pageInfo { hasNextPage endCursor } nodes { ...PushedVisitSought }"


def mark_in(notes: object) -> str | None:
    """Our mark in the notes of a visit."""
    found = MARKED.search(notes) if isinstance(notes, str) else None
    return found.group(1) if found else None


def without_mark(notes: str | None) -> str | None:
    """Notes as people wrote them."""
    return MARKED.sub("", notes).strip() or None if notes else None


def with_mark(notes: str | None, mark: str | None) -> str | None:
    """Notes with our mark at their end."""
    said = [without_mark(notes), f"[gazelle_sync {mark}]" if mark else None]
    return "\n\n".join(part for part in said if part) or None


class AppointmentKind(Kind):
    """See `Kind`."""

    def __init__(self) -> None:
        self.operations = {
            "create_visit": CREATION, "update_visit": REPLACEMENT, "cancel_visit": CANCELLATION,
            "confirm_visit": CONFIRMATION, "complete_visit": COMPLETION,
        }  # fmt: skip

    def queries(self, wanted: Wanted, page: int) -> list[Query]:
        """See `Kind`. A visit that has no id yet is looked for among those of its client, or technician, and day."""
        if wanted.id:
            return [Query("event", {"eventId": ("String!", wanted.id)}, SELECTION)]
        arguments = {"filters": ("PrivateAllEventsFilter", _filters(wanted)), "first": ("Int", page)}
        return [Query("allEventsBatched", arguments, LISTED)]

    def record(self, wanted: Wanted, answers: Mapping[str, Any], pages: Pages) -> Remote | None:
        """See `Kind`."""
        if wanted.id:
            body = answers.get("n", ...)
            return None if body is None else visit_of(body, wanted.id, pages)

        def page(after: str) -> Any:
            return pages("PushVisits", {"filters": _filters(wanted), "after": after}).get("allEventsBatched")

        found = whole("PushVisits", VISITS, answers.get("n"), page)
        return Remote("", items={"event": tuple(_items(found))})

    def kept(self, remote: Remote, fields: Sequence[object]) -> dict[str, JsonValue]:
        """See `Kind`: what the next change of the visit is compared with."""
        return {"event": remote.get("event")}


def visit_of(body: Any, visit_id: str, pages: Pages | None = None) -> Remote:
    """A visit's body as the push sees it; `event` is the input by which `updateEvent` leaves it as it is.

    Args:
        body: Of the answer.
        visit_id: Its id.
        pages: Asks for further pages of its pianos; None: they must have come with it.

    Raises:
        AnswerUnreadable: A part that is written over is missing: absent is not empty.
        WriteRefused: Its pianos cannot be read to the end.
    """
    body = body_of(body, visit_id)
    if absent := sorted(name for name in (*SURVIVES, "allEventPianos", "client", "user") if name not in body):
        raise lacks("PushRead", absent[0], visit_id)
    event: dict[str, JsonValue] = {name: body[name] for name in sorted(SURVIVES)}
    location = body.get("location")
    event |= {
        "clientId": (body["client"] or {}).get("id"),
        "userId": (body["user"] or {}).get("id"),
        "location": (_given(location) or None) if isinstance(location, dict) else None,
        "pianos": _pianos(body["allEventPianos"], visit_id, pages),
    }
    values = {
        "event": _given(event), "status": body["status"], "type": body["type"], "confirmed_at": body["confirmedAt"],
        "is_recurring": bool(body.get("recurrenceType")),
    }  # fmt: skip
    return Remote(visit_id, values, parse_instant(body.get("updatedAt")))


def same_mark(values: Values, payload: Values) -> bool:
    """Whether a visit at Gazelle, or another draft's, is the one that a payload makes."""
    event = values.get("event")
    notes = event.get("notes") if isinstance(event, Mapping) else values.get("notes")
    mark = mark_in(payload["event"].get("notes"))
    return mark is not None and mark == mark_in(notes)


@dataclass(frozen=True)
class _Replacement(Update):
    """Of a recurring visit, one occurrence, unless a person wants all that follow."""

    def mutation(self, action: Action, remote: Remote) -> Query:
        """See `Update`."""
        values = dict(action.payload["event"])
        if remote.get("is_recurring"):
            values["recurrenceChangeType"] = values.get("recurrenceChangeType") or "SELF"
        else:
            values.pop("recurrenceChangeType", None)
        return self._field(remote, values)

    def has(self, remote: Remote, payload: Values) -> bool:
        """See `Update`."""
        wanted = {name: value for name, value in payload["event"].items() if name != "recurrenceChangeType"}
        return bool(wanted == remote.get("event"))


@dataclass(frozen=True)
class _Completion(Ending):
    """With what was done on each piano, for its service history: without it, that would stay empty.

    Of a visit without pianos it is a comment on the client's timeline.
    """

    def mutation(self, action: Action, remote: Remote) -> Query:
        """See `Ending`."""
        pianos = action.payload.get("pianos") or [one["pianoId"] for one in remote.get("event")["pianos"]]
        values: dict[str, JsonValue] = {"resultType": "COMPLETE"}
        if notes := action.payload.get("notes"):
            history = [{"pianoId": piano, "notes": notes} for piano in pianos]
            values |= {"serviceHistoryNotes": history} if history else {"clientTimelineComment": notes}
        arguments: dict[str, tuple[str, JsonValue]] = {
            "eventId": ("String!", action.payload["id"]), "input": ("PrivateCompleteEventInput", values),
        }  # fmt: skip
        return Query(self.root, arguments, self.selection)


def _creation(payload: Values, _: Remote) -> dict[str, tuple[str, JsonValue]]:
    return {"input": ("PrivateEventInput!", {**_given(payload["event"]), "timezone": "America/Toronto"})}


CANCELLATION = Ending(
    Message("the cancellation of the visit"), "cancelEvent", "eventId", f"event {{ {SELECTION} }}",
    has_ended=lambda remote: remote.get("status") == "CANCELED",
    may_end=lambda remote: remote.get("status") not in ("COMPLETE", "NO_SHOW"), member="event", parse=visit_of,
)  # fmt: skip
CONFIRMATION = Ending(
    Message("the confirmation of the visit"), "confirmEvent", selection=f"event {{ {SELECTION} }}",
    input=("PrivateConfirmEventInput", {"isSilent": True}),
    has_ended=lambda remote: remote.get("confirmed_at") is not None, member="event", parse=visit_of,
)  # fmt: skip
COMPLETION = _Completion(
    Message("the completion of the visit"), "completeEvent", "eventId", f"event {{ {SELECTION} }}",
    has_ended=lambda remote: remote.get("status") == "COMPLETE", member="event", parse=visit_of,
)  # fmt: skip
CREATION = Create(
    Message("the new visit"), "createEvent", _creation, "event", SELECTION, "event", same_mark, CANCELLATION,
    makes_record=True, is_dated=False, parse=visit_of,
)  # fmt: skip
REPLACEMENT = _Replacement(
    Message("the visit"), "event", "event", "updateEvent", "PrivateEventInput", None, "event", SELECTION, visit_of,
    empty={},
)  # fmt: skip


def _filters(wanted: Wanted) -> dict[str, JsonValue]:
    """Which visits a new one is looked for among: those of its client, or else of its technician, around its day."""
    place = json.loads(wanted.parent or "{}")
    day = _day(place.get("day"))
    whose = {"clientId": [place["client"]]} if place.get("client") else {"userId": [place.get("technician") or ""]}
    days = {"dateGet": (day - AROUND).isoformat(), "dateLet": (day + AROUND).isoformat()} if day else {}
    return {**whose, **days}


def _day(text: str | None) -> date | None:
    """A day around which others can be named."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if FIRST.date() + AROUND <= day < LAST.date() - AROUND else None


def _items(nodes: Iterator[Any]) -> Iterator[Item]:
    for node in nodes:
        if isinstance(node, dict) and node.get("id") and node.get("status") != "CANCELED":
            yield Item(str(node["id"]), {"notes": node.get("notes")})


def _pianos(listed: Any, visit_id: str, pages: Pages | None) -> list[dict[str, JsonValue]]:
    is_cut = isinstance(listed, dict) and listed.get("totalCount") != len(listed.get("nodes") or ())
    if pages is None and is_cut:
        raise lacks("Push", "allEventPianos", visit_id)

    def page(after: str) -> Any:
        if pages is None:
            raise lacks("Push", "allEventPianos", visit_id)
        event = pages("PushVisitPianos", {"id": visit_id, "after": after}).get("event")
        return event.get("allEventPianos") if isinstance(event, dict) else None

    nodes = list(whole("PushVisitPianos", PIANOS, listed, page))
    found = [
        {"pianoId": node["piano"]["id"], "isTuning": bool(node.get("isTuning"))}
        for node in nodes
        if isinstance(node, dict) and isinstance(node.get("piano"), dict)
    ]
    if len(found) < len(nodes):
        raise cut("PushVisitPianos", PIANOS, len(found), len(nodes))
    return found


def _given(values: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: value for name, value in values.items() if value is not None}


APPOINTMENT = AppointmentKind()
