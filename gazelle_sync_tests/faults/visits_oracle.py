"""The judge of visits: what each is to have come to, by what people said, read from the sandbox and the tables."""

from __future__ import annotations

from collections.abc import Iterator

from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.push_subject import Found, Subject
from gazelle_sync_tests.faults.visits_editor import VisitsEditor
from gazelle_sync_tests.faults.visits_seen import HELD, OVER, Visit, text, text_there
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record, Row

TOLD_TO_CLIENTS = {"CONTACT_EMAIL_AUTOMATED", "CONTACT_SMS_AUTOMATED", "SCHEDULED_MESSAGE_EMAIL"}


def at_any_time(office: EditedShop, editor: VisitsEditor) -> Iterator[Found]:
    """What is wrong that must be right after every run."""
    yield from _Oracle(office, editor).at_any_time()


def after_quiet(office: EditedShop, editor: VisitsEditor) -> Iterator[Found]:
    """What is wrong that must be right once everything is healthy and nothing is left to push."""
    oracle = _Oracle(office, editor)
    yield from oracle.at_any_time()
    yield from oracle.after_quiet()


class _Oracle:
    """Both sides at one moment."""

    def __init__(self, office: EditedShop, editor: VisitsEditor) -> None:
        editor.look()
        self._office, self._editor = office, editor
        self._rows, self._records = editor.rows(), editor.records()
        self._entries = office.shop.admin.dump("timeline")
        self._log = office.shop.rows("sync_gazelle_logs", "source_table = 'appointment_drafts'")
        self._lost = {value for one in office.conflicts() for value in (one["ours"], one["theirs"])}

    # ---- at any time

    def at_any_time(self) -> Iterator[Found]:
        for visit in self._editor.visits:
            events = self._editor.events_of(visit, self._records)
            living = [event for event in events if event["status"] != "CANCELED"]
            if len(living) > len(visit.technicians):
                yield f.VISITS_DOUBLED, f"{visit.word}: {len(living)} events for {len(visit.technicians)} technicians"
            whose = [event["userId"] for event in living]
            if len(set(whose)) < len(whose) or not set(whose) <= set(visit.technicians):
                yield f.VISITS_DOUBLED, f"{visit.word}: events of {whose}, and it is the visit of {visit.technicians}"
            if visit.is_held and events:
                yield f.TOLD, f"{visit.word}: what was to be held is at Gazelle"
            for event in events:
                yield from self._of_event(visit, event)
        for draft, row in self._rows.items():
            record = self._records.get(row["appointment_external_id"] or "")
            if row["status"] == "sent" and record is None:
                yield f.SILENT, f"draft {draft} is sent, and Gazelle has no {row['appointment_external_id']}"
        yield from ((f.WENT_BACK, words) for words in self._editor.progress.went_back)

    def _of_event(self, visit: Visit, event: Record) -> Iterator[Found]:
        mine = [one for one in self._entries if one.get("appointmentId") == event["id"]]
        if told := [one["type"] for one in mine if one["type"] in TOLD_TO_CLIENTS]:
            yield f.CLIENTS_TOLD, f"{visit.word}: the client was told by {told}"
        done = [one["pianoId"] for one in mine if one["type"] == "SERVICE_ENTRY_MANUAL"]
        if len(done) > 1:
            yield f.VISITS_DOUBLED, f"{visit.word}: what was done stands {len(done)} times in the piano's history"
        if visit.ends is None and event["status"] in OVER.values() and not self._is_taken_back(visit):
            yield f.TOLD, f"{visit.word} is {event['status']}, and nobody wanted that"
        for name, value in self._editor.foreign.get(event["id"], {}).items():
            if event.get(name) != value:
                yield (
                    f.TEXT_LOST,
                    f"{visit.word}: {name} {value!r}, which people at Gazelle gave it, is {event.get(name)!r}",
                )
        if event.get("clientId") != visit.client:
            yield f.TEXT_LOST, f"{visit.word}: its client is {event.get('clientId')}"
        if [one["pianoId"] for one in event["pianos"]] != [visit.piano]:
            yield f.TEXT_LOST, f"{visit.word}: its pianos are {event['pianos']}"

    # ---- at the end

    def after_quiet(self) -> Iterator[Found]:
        for visit in self._editor.visits:
            yield from self._of_visit(visit)
            for place, draft in enumerate(() if visit.is_deleted else visit.drafts):
                row = self._rows.get(draft)
                if row is None:
                    yield f.VISITS_LOST, f"{visit.word}: its draft is gone"
                elif visit.is_held:
                    if row["status"] != "held" or not row["sync_error"]:
                        yield f.SILENT, f"{visit.word} is {row['status']}, and cannot be sent: {row['sync_error']}"
                else:
                    yield from self._of_draft(visit, row, visit.technicians[place])
            for change in visit.changes:
                yield from self._unsettled(visit, self._rows.get(change))
        told = self._lost | self._editor.known
        yield from ((f.LOSERS_UNTOLD, words) for words in self._editor.values.untold(told))
        yield from self._of_the_log()

    def _of_visit(self, visit: Visit) -> Iterator[Found]:
        """A joint visit is made by all technicians or by none; one that was made at Gazelle is as it is to be."""
        events = self._editor.events_of(visit, self._records)
        living = [event["userId"] for event in events if event["status"] != "CANCELED"]
        if 0 < len(living) < len(visit.technicians) and not visit.is_deleted:
            yield f.HALVES, f"{visit.word}: only {living} of {visit.technicians} make it"
        wanted = OVER.get(visit.ends or "", "ACTIVE")
        for event in visit.events:
            if self._records[event]["status"] != wanted:
                yield f.SILENT, f"{visit.word} is {self._records[event]['status']} at Gazelle, and not {wanted}"

    def _of_draft(self, visit: Visit, row: Row, technician: str) -> Iterator[Found]:
        event_id = row["appointment_external_id"]
        yield from self._unsettled(visit, row)
        record = self._records.get(event_id or "")
        if record is None:
            if visit.ends != "cancel" and not self._is_taken_back(visit):
                yield f.VISITS_LOST, f"{visit.word}: Gazelle has no event for draft {row['id']} ({row['status']})"
            return
        if record["userId"] != technician:
            yield f.SILENT, f"{visit.word}: it is {record['userId']}'s, and not {technician}'s"
        wanted = OVER.get(visit.ends or "", "ACTIVE")
        if record["status"] != wanted and not self._is_taken_back(visit):
            yield f.SILENT, f"{visit.word} is {record['status']} at Gazelle, and not {wanted}"
        if (
            visit.ends is None
            and visit.is_confirmed
            and record.get("confirmedAt") is None
            and not self._is_refused(visit)
        ):
            yield f.SILENT, f"{visit.word} is not confirmed"
        if visit.ends == "complete":
            done = [one for one in self._entries if one.get("appointmentId") == event_id and one.get("pianoId")]
            if len(done) != 1:
                yield f.VISITS_LOST, f"{visit.word}: what was done stands {len(done)} times in the piano's history"
        if visit.ends is None:
            yield from self._unequal(visit, row["id"], record)
        yield from self._of_production(visit, record)

    def _unequal(self, visit: Visit, draft: int, record: Record) -> Iterator[Found]:
        """The event says what was said last, here or there; what was said here and is nowhere is told."""
        for column, name in HELD.items():
            ours, theirs = text(visit.said[column]), text_there(column, record.get(name))
            history = self._editor.values.there[draft, column]
            if ours != theirs and ours not in history and ours not in self._lost:
                yield f.SILENT, f"{visit.word}: {column} {ours!r} was never sent, and Gazelle has {theirs!r}"

    def _of_production(self, visit: Visit, record: Record) -> Iterator[Found]:
        """A pull has been since: production is equal. No list has what was cancelled before a pull saw it."""
        found = self._office.shop.rows("gazelle_appointments", "external_id = %s", record["id"])
        said = [(text(row["start_at"]), row["status"], row["title"], row["duration_minutes"]) for row in found]
        theirs = (record["start"], record["status"], record["title"], record["duration"])
        if said != [theirs] and (said or record["status"] != "CANCELED"):
            yield f.SILENT, f"{visit.word}: production says {said}, and Gazelle {theirs}"

    def _unsettled(self, visit: Visit, row: Row | None) -> Iterator[Found]:
        """A draft that is still to be sent; one that came too late for its visit says so, and is held."""
        if row is None or row["status"] in ("sent", "canceled"):
            return
        if row["status"] == "held" and row["sync_error"] and self._is_too_late(visit, row):
            return
        yield (
            f.UNSETTLED,
            f"{visit.word}: the draft {row['id']} ({row['action']}) is {row['status']}: {row['sync_error']}",
        )

    def _is_too_late(self, visit: Visit, row: Row) -> bool:
        """Whether the visit was over, or at another time, before a change of it came to be sent."""
        return visit.ends is not None or row["action"] == "confirm" or self._is_taken_back(visit)

    def _is_refused(self, visit: Visit) -> bool:
        return any((self._rows.get(one) or {}).get("status") == "held" for one in visit.changes)

    def _is_taken_back(self, visit: Visit) -> bool:
        """Whether an undo took back what one of a visit's drafts made, or is about to."""
        drafts = {str(draft) for draft in visit.drafts}
        return any(one["local_id"] in drafts and one["action"] == "undo_create_visit" for one in self._log)

    def _of_the_log(self) -> Iterator[Found]:
        """Nothing is left in doubt, and what the log says was made is there."""
        for one in self._log:
            if one["status"] == "in_doubt":
                yield f.UNSETTLED, f"draft {one['local_id']}: {one['action']} is still in doubt"
            if (one["action"], one["status"], one["undone_at"]) == ("create_visit", "success", None):
                response = one["response"] or {}
                made = response.get("found") or (response.get("event") or {}).get("id")
                if made not in self._records:
                    yield f.VISITS_LOST, f"the log says that {made} was made, and it is not there"


VISITS = Subject(VisitsEditor, at_any_time, after_quiet)
