"""`GAZELLE_PUSH_SERVICE=event`: work that was done becomes a visit, which moves the piano's service history by itself.

One visit a Montreal day for a client, however many of its pianos were worked on: an institution's forty pianos are one
line of the calendar. A visit is looked for before it is made, so a lost answer makes no second one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from gazelle_sync.errors import AnswerUnreadable, ApiError, WriteRefused
from gazelle_sync.gazelle import documents
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.gazelle.retries import may_have_been_taken
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import midnight
from gazelle_sync.push.model import Action, Remote
from gazelle_sync.push.transports.graphql import GraphqlTransport, ends_run
from gazelle_sync.push.transports.pianos import NO_CLIENT
from gazelle_sync.push.transports.protocol import NotSent, Result, Sending, Sent, Wanted, member
from gazelle_sync.runtime.logs import get_logger

Visit = dict[str, Any]

MARK = "[gazelle_sync {day}]"
"""In the notes of our visits: by it we know them again."""

MINUTES = 60
PIANOS_AT_ONCE = 25
PIANOS = Message("the visit's pianos")
VISITS = Message("the visits")
SURVIVES = documents.selection_of("push", "PushedVisit").fields - {"id", "location", "client", "user", "allEventPianos"}
"""`updateEvent` replaces the event: all of it is sent again, these fields as they came."""

NO_TECHNICIAN = Message(
    "nobody at Gazelle can be scheduled, and a visit needs a technician. Make one schedulable there."
)

log = get_logger("gazelle_sync.push")

_doubtful: WeakKeyDictionary[GazelleClient, set[tuple[str, str]]] = WeakKeyDictionary()
"""Client and day of the visits whose creation came to no answer in a run: no other piano is given one of its own."""

DOUBTFUL = Message(
    "a visit of that day was sent for another piano of this client, and no answer came: it may still arrive. It will "
    "be tried again."
)

CUT = Message(
    "the list of {what} cannot be read to the end ({read} of {total}), and what is not shown would be lost or doubled. "
    "It will be tried again."
)


class VisitTransport(GraphqlTransport):
    """The published API, with visits."""

    def send(self, batch: Sequence[Sending]) -> list[Result]:
        """See `Transport`. A visit is several requests that build on each other: it goes alone."""
        results = dict(enumerate(super().send([one for one in batch if one.action.name != "add_service"])))
        others = iter(results.values())
        found: list[Result] = []
        for one in batch:
            if one.action.name != "add_service":
                found.append(next(others))
            elif any(ends_run(result) for result in [*results.values(), *found]):
                found.append(NotSent())
            else:
                try:
                    found.append(self._serviced(one.action, one.remote))
                except ApiError as error:
                    found.append(error)
        return found

    def _serviced(self, action: Action, remote: Remote) -> Sent:
        client_id = remote.get("client_id")
        if client_id is None:
            raise WriteRefused("PushVisitCreated", gettext(NO_CLIENT), is_missing=True)
        if remote.get("status") == "INACTIVE":
            raise WriteRefused("PushVisitCreated", gettext("the piano is inactive and takes no service entries"))
        visit = self._visit(action, remote, client_id)
        return self._completed(visit, action, remote)

    def _visit(self, action: Action, remote: Remote, client_id: str) -> Visit:
        """The day's visit to the client, with this piano."""
        visit = self._find(client_id, action.payload["day"])
        if visit is None:
            return self._created(action, remote, client_id)
        pianos = self._pianos(visit)
        if remote.id in {piano["pianoId"] for piano in pianos}:
            return visit
        values = _given({name: visit.get(name) for name in sorted(SURVIVES)})
        if isinstance(location := visit.get("location"), dict) and (place := _given(location)):
            values["location"] = place
        if "recurrenceType" in values:
            values["recurrenceChangeType"] = "SELF"  # of a series, this one visit
        values |= {
            "clientId": client_id,
            "userId": (visit.get("user") or {}).get("id"),
            "pianos": [*pianos, {"pianoId": remote.id, "isTuning": False}],
        }
        payload = self.mutate("PushVisitChanged", "updateEvent", {"id": visit["id"], "input": values})
        return member(payload, "PushVisitChanged", "event")

    def _find(self, client_id: str, day: str) -> Visit | None:
        # The filter's days may be another calendar's than Montreal's: a day to either side; the mark names ours.
        text = documents.operation("push", "PushVisits")
        days = {"from": _shifted(day, -1), "to": _shifted(day, 1)}

        def page(after: str | None) -> Any:
            variables = {"clients": [client_id], **days, "after": after}
            return self.page("PushVisits", text, variables).get("allEventsBatched")

        mark = MARK.format(day=day)
        for visit in whole("PushVisits", VISITS, page(None), page):
            if isinstance(visit, dict) and mark in (visit.get("notes") or "") and visit.get("status") != "CANCELED":
                return visit
        return None

    def _pianos(self, visit: Visit) -> list[dict[str, Any]]:
        """All pianos of a visit, as `updateEvent` wants them: it replaces the list, so none may be left out.

        Raises:
            WriteRefused: The list cannot be read to its end, or holds a piano that Gazelle does not show.
        """
        text = documents.operation("push", "PushVisitPianos")

        def page(after: str) -> Any:
            event = self.page("PushVisitPianos", text, {"id": visit["id"], "after": after}).get("event")
            return event.get("allEventPianos") if isinstance(event, dict) else None

        nodes = list(whole("PushVisitPianos", PIANOS, visit.get("allEventPianos"), page))
        pianos = [
            {"pianoId": node["piano"]["id"], "isTuning": bool(node.get("isTuning"))}
            for node in nodes
            if isinstance(node, dict) and isinstance(node.get("piano"), dict)
        ]
        if len(pianos) < len(nodes):
            raise _cut("PushVisitPianos", PIANOS, len(pianos), len(nodes))
        return pianos

    def _created(self, action: Action, remote: Remote, client_id: str) -> Visit:
        place, doubtful = (client_id, action.payload["day"]), _doubtful.setdefault(self.client, set())
        if place in doubtful:
            raise WriteRefused("PushVisitCreated", gettext(DOUBTFUL))
        values = {
            "clientId": client_id,
            "userId": self._technician(action.payload.get("created_by")),
            "start": action.payload["created_at"],
            "duration": MINUTES,
            "type": "APPOINTMENT",
            "timezone": "America/Toronto",
            "title": "Service",
            "notes": MARK.format(day=action.payload["day"]),
            "pianos": [{"pianoId": remote.id, "isTuning": False}],
        }
        try:
            made = self.mutate("PushVisitCreated", "createEvent", {"input": values})
            return member(made, "PushVisitCreated", "event")
        except ApiError as error:
            if may_have_been_taken(error):
                doubtful.add(place)
            raise

    def _completed(self, visit: Visit, action: Action, remote: Remote) -> Sent:
        """Complete the visit; where that replaced what an earlier completion had noted, all of it is said again.

        The API does not say whether another completion adds to the notes or replaces them, so it is looked at.
        """
        ours = {"pianoId": remote.id, "notes": action.payload["text"]}
        noted = self._noted(visit, action) if visit.get("status") == "COMPLETE" else Counter()
        done = self._complete(visit, [ours])
        try:
            if noted and (gone := noted - self._noted(visit, action)):
                self._complete(visit, [*({"pianoId": piano, "notes": text} for piano, text in gone.elements()), ours])
        except ApiError as error:  # ours is there: an error now must not say that it is not
            log.warning("could not look at a visit's earlier notes", visit=visit["id"], reason=str(error))
        return done

    def _complete(self, visit: Visit, notes: list[dict[str, Any]]) -> Sent:
        values = {"resultType": "COMPLETE", "serviceHistoryNotes": notes}
        payload = self.mutate("PushVisitCompleted", "completeEvent", {"id": visit["id"], "input": values})
        return Sent({"event": {"id": member(payload, "PushVisitCompleted", "event")["id"]}})

    def _noted(self, visit: Visit, action: Action) -> Counter[tuple[str, str]]:
        """What the timelines of a visit's pianos say since that day: (piano, text), as often as it stands there."""
        since = midnight(date.fromisoformat(action.payload["day"])) - timedelta(days=1)
        pianos = [piano["pianoId"] for piano in self._pianos(visit)]
        found: Counter[tuple[str, str]] = Counter()
        for start in range(0, len(pianos), PIANOS_AT_ONCE):
            reads = self.read([Wanted(piano, since) for piano in pianos[start : start + PIANOS_AT_ONCE]])
            if broken := next((read for read in reads.values() if isinstance(read, ApiError)), None):
                raise broken
            found.update(
                (r.id, str(entry.values["text"]))
                for r in reads.values()
                if isinstance(r, Remote)
                for entry in r.items["entries"]
            )
        return found

    def _technician(self, email: str | None) -> str:
        """Who did it, where the row says so and they can be scheduled; else the first who can."""
        answer = self.client.execute_exactly("PushUsers", documents.operation("push", "PushUsers"), {})
        listed = [user for user in answer.data.get("allUsers") or [] if isinstance(user, dict)]
        users = [user for user in listed if user.get("isSchedulable")]
        if not users:
            raise WriteRefused("PushUsers", gettext(NO_TECHNICIAN))
        same = [user for user in users if email and (user.get("email") or "").lower() == email.lower()]
        return str((same or users)[0]["id"])


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is not null."""
    return {name: value for name, value in values.items() if value is not None}


def _shifted(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def whole(operation: str, what: Message, listed: object, page_after: Callable[[str], object]) -> Iterator[Any]:
    """The nodes of a connection, all of them: an API may cut a page shorter than it was asked for, in silence.

    Args:
        operation: That asks for a page.
        what: What is listed, for whoever reads why it did not go.
        listed: The first page, with `totalCount`, `pageInfo` and `nodes`.
        page_after: Asks for the page after a cursor.

    Yields:
        Node after node; whoever needs no more asks for no more.

    Raises:
        AnswerUnreadable: An answer holds no such list.
        WriteRefused: Its end was not reached, or it changed meanwhile: nothing may be written that rests on it.
        ApiError: A page cannot be read.
    """
    page, total = _page(operation, what, listed)
    yield from page["nodes"]
    read, cursors = len(page["nodes"]), set()
    while page["pageInfo"].get("hasNextPage") or read < total:
        after = page["pageInfo"].get("endCursor")
        if not after or after in cursors:
            raise _cut(operation, what, read, total)
        cursors.add(after)
        page, now = _page(operation, what, page_after(after))
        if now != total or not page["nodes"]:
            raise _cut(operation, what, read, now)
        yield from page["nodes"]
        read += len(page["nodes"])


def _page(operation: str, what: Message, page: object) -> tuple[dict[str, Any], int]:
    if (
        isinstance(page, dict)
        and isinstance(page.get("nodes"), list)
        and isinstance(page.get("pageInfo"), dict)
        and isinstance(page.get("totalCount"), int)
    ):
        return page, page["totalCount"]
    raise AnswerUnreadable(operation, gettext("the answer holds no list of {what}", what=gettext(what)))


def _cut(operation: str, what: Message, read: int, total: int) -> WriteRefused:
    return WriteRefused(operation, gettext(CUT, what=gettext(what), read=read, total=total))
