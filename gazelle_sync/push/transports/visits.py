"""`GAZELLE_PUSH_SERVICE=event`: work that was done becomes a visit, which moves the piano's service history by itself.

One visit a Montreal day for a client, however many of its pianos were worked on: an institution's forty pianos are one
line of the calendar. A visit is looked for before it is made, so a lost answer makes no second one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from gazelle_sync.errors import ApiError, WriteRefused
from gazelle_sync.gazelle import documents
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.gazelle.retries import may_have_been_taken
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import midnight
from gazelle_sync.push.model import Action, Remote
from gazelle_sync.push.transports.appointments import VISITS, visit_of
from gazelle_sync.push.transports.graphql import GraphqlTransport, ends_run
from gazelle_sync.push.transports.lists import whole
from gazelle_sync.push.transports.pianos import NO_CLIENT
from gazelle_sync.push.transports.protocol import Kind, NotSent, Result, Sending, Sent, Wanted, member
from gazelle_sync.runtime.logs import get_logger

MARK = "[gazelle_sync {day}]"
"""In the notes of our visits: by it we know them again."""

MINUTES = 60
PIANOS_AT_ONCE = 25

NO_TECHNICIAN = Message(
    "nobody at Gazelle can be scheduled, and a visit needs a technician. Make one schedulable there."
)

log = get_logger("gazelle_sync.push")

DOUBTFUL = Message(
    "a visit of that day was sent for another piano of this client, and no answer came: it may still arrive. It will "
    "be tried again."
)


class VisitTransport(GraphqlTransport):
    """The published API, with visits."""

    def __init__(self, client: GazelleClient, kind: Kind) -> None:
        super().__init__(client, kind)
        self._doubtful: set[tuple[str, str]] = set()
        """Client and day of the visits whose creation came to no answer: no other piano is given one of its own."""

    def send(self, batch: Sequence[Sending]) -> list[Result]:
        """See `GraphqlTransport`. A visit is several requests that build on each other: it goes alone."""
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

    def _visit(self, action: Action, remote: Remote, client_id: str) -> Remote:
        """The day's visit to the client, with this piano."""
        found = self._find(client_id, action.payload["day"])
        if found is None:
            return self._created(action, remote, client_id)
        visit = visit_of(found, str(found["id"]), self.page)
        event = visit.values["event"]
        if remote.id in {piano["pianoId"] for piano in event["pianos"]}:
            return visit
        values = {**event, "pianos": [*event["pianos"], {"pianoId": remote.id, "isTuning": False}]}
        if visit.get("is_recurring"):
            values["recurrenceChangeType"] = "SELF"  # of a series, this one visit
        payload = self.mutate("PushVisitChanged", "updateEvent", {"id": visit.id, "input": values})
        return visit_of(member(payload, "PushVisitChanged", "event"), visit.id, self.page)

    def _find(self, client_id: str, day: str) -> dict[str, Any] | None:
        # The filter's days may be another calendar's than Montreal's: a day to either side; the mark names ours.
        before, after_it = (date.fromisoformat(day) + timedelta(days=days) for days in (-1, 1))
        filters = {"clientId": [client_id], "dateGet": before.isoformat(), "dateLet": after_it.isoformat()}

        def page(after: str | None) -> Any:
            return self.page("PushVisits", {"filters": filters, "after": after}).get("allEventsBatched")

        mark = MARK.format(day=day)
        for visit in whole("PushVisits", VISITS, page(None), page):
            if isinstance(visit, dict) and mark in (visit.get("notes") or "") and visit.get("status") != "CANCELED":
                return visit
        return None

    def _created(self, action: Action, remote: Remote, client_id: str) -> Remote:
        place = (client_id, action.payload["day"])
        if place in self._doubtful:
            raise WriteRefused("PushVisitCreated", gettext(DOUBTFUL))
        values = {
            "clientId": client_id, "userId": self._technician(action.payload.get("created_by")),
            "start": action.payload["created_at"], "duration": MINUTES, "type": "APPOINTMENT",
            "timezone": "America/Toronto", "title": "Service", "notes": MARK.format(day=action.payload["day"]),
            "pianos": [{"pianoId": remote.id, "isTuning": False}],
        }  # fmt: skip
        try:
            made = self.mutate("PushVisitCreated", "createEvent", {"input": values})
            event = member(made, "PushVisitCreated", "event")
            return visit_of(event, str(event["id"]), self.page)
        except ApiError as error:
            if may_have_been_taken(error):
                self._doubtful.add(place)
            raise

    def _completed(self, visit: Remote, action: Action, remote: Remote) -> Sent:
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
            log.warning("could not look at a visit's earlier notes", visit=visit.id, reason=str(error))
        return done

    def _complete(self, visit: Remote, notes: list[dict[str, Any]]) -> Sent:
        values = {"resultType": "COMPLETE", "serviceHistoryNotes": notes}
        payload = self.mutate("PushVisitCompleted", "completeEvent", {"id": visit.id, "input": values})
        return Sent({"event": {"id": member(payload, "PushVisitCompleted", "event")["id"]}})

    def _noted(self, visit: Remote, action: Action) -> Counter[tuple[str, str]]:
        """What the timelines of a visit's pianos say since that day: (piano, text), as often as it stands there."""
        since = midnight(date.fromisoformat(action.payload["day"])) - timedelta(days=1)
        pianos = [piano["pianoId"] for piano in visit.values["event"]["pianos"]]
        found: Counter[tuple[str, str]] = Counter()
        for start in range(0, len(pianos), PIANOS_AT_ONCE):
            reads = self.read([Wanted(piano, since) for piano in pianos[start : start + PIANOS_AT_ONCE]])
            if broken := next((read for read in reads.values() if isinstance(read, ApiError)), None):
                raise broken
            records = [read for read in reads.values() if isinstance(read, Remote)]
            found.update((one.id, str(entry.values["text"])) for one in records for entry in one.items["entries"])
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
