"""People who plan visits: new ones, joint ones, moves, cancellations, confirmations, completions, here and at Gazelle.

Each row of `appointment_drafts` is a change of one visit, stored by a command of `gazelle-sync calendar`, or written as
any program may write it. A visit's title begins with a word that no other's has, so that what was made of its draft is
known without the push's own mark.
"""

from __future__ import annotations

import random
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.faults.push_values import Values
from gazelle_sync_tests.faults.visits_commands import CalendarCommands
from gazelle_sync_tests.faults.visits_seen import HELD, Progress, Visit, said_above, text, text_there
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record, Row

TABLE = "appointment_drafts"
BY_COMMAND = 0.5
"""So much of the planning is done by commands; the rest by programs that write the table."""
PLACE = {"singleLineAddress": "1, rue Neuve, Montréal", "locationType": "ADDRESS"}


class VisitsEditor:
    """See the module and `Editor`.

    Attributes:
        visits: Every visit that was ever planned here.
        values: What both sides held.
        foreign: Event → the fields that people at Gazelle gave it, and of which nobody here speaks.
        known: Values of Gazelle's that people here saw, as a pull had brought them, when they wrote another.
        progress: How far each visit came.
    """

    pulled: tuple[str, ...] = ("users", "clients", "pianos", "appointments")
    tables: tuple[str, ...] = (TABLE,)
    creates: tuple[str, ...] = ("createEvent(",)
    writes: tuple[str, ...] = ("updateEvent(", "cancelEvent(", "confirmEvent(", "completeEvent(", "allEventsBatched")

    def __init__(self, office: EditedShop, draw: random.Random) -> None:
        self._shop, self._admin, self._draw = office.shop, office.shop.admin, draw
        self._commands = CalendarCommands(office.shop)
        self._count = 0
        self._one_at_a_time = threading.RLock()
        self._first_day = datetime.now(UTC).replace(hour=13, minute=0, second=0, microsecond=0) + timedelta(days=450)
        self.visits: list[Visit] = []
        self.values = Values()
        self.foreign: dict[str, Record] = {}
        self.known: set[str | None] = set()
        self.progress = Progress()
        self._technicians = [one["id"] for one in self._admin.dump("users") if one["isSchedulable"]][:3]
        self._pianos = [one for one in self._admin.dump("pianos") if one["status"] == "ACTIVE" and one["clientId"]]

    def knows(self, record: str) -> bool:
        """See `Editor`: whatever is read of this table is theirs."""
        return True

    @property
    def gone(self) -> set[str]:
        """See `Editor`: drafts that are held, and what they are about; whether they may be, is judged by itself."""
        held = self._shop.rows(TABLE, "status = 'held'")
        return {str(row[name]) for row in held for name in ("id", "appointment_external_id")}

    @property
    def in_trouble(self) -> bool:
        """See `Editor`: a confirmation waits of a visit that Gazelle has at another hour than people here could see."""
        waiting = {row["id"] for row in self._shop.rows(TABLE, "action = 'confirm' AND status IN ('ready', 'held')")}
        return any(visit.is_moved_there and waiting & set(visit.changes) for visit in self.visits)

    # ---- what there is

    def rows(self) -> dict[int, Row]:
        """All drafts by their keys."""
        return {row["id"]: row for row in self._shop.rows(TABLE)}

    def records(self) -> dict[str, Record]:
        """All events at Gazelle by id, read from the sandbox itself."""
        return {record["id"]: record for record in self._admin.dump("events")}

    def events_of(self, visit: Visit, records: dict[str, Record] | None = None) -> list[Record]:
        """Gazelle's events that bear a visit's word."""
        found = (self.records() if records is None else records).values()
        return [record for record in found if str(record.get("title") or "").startswith(visit.word)]

    def due(self) -> list[str]:
        """See `Editor`."""
        return [str(row["id"]) for row in self._shop.rows(TABLE, "needs_sync AND status IN ('ready', 'held')")]

    def look(self) -> None:
        """See `Editor`."""
        with self._one_at_a_time:
            rows, records = self.rows(), self.records()
            self.progress.look(rows, [event for visit in self.visits for event in self.events_of(visit, records)])
            for visit in self.visits:
                for draft in visit.drafts:
                    row = rows.get(draft) or {}
                    record = records.get(row.get("appointment_external_id") or "") or {}
                    for column, name in HELD.items():
                        self.values.look((draft, column), text(row.get(column)), text_there(column, record.get(name)))

    def open(self) -> list[Visit]:
        """Visits that are neither over nor cancelled, and that were planned here."""
        return [
            visit for visit in self.visits
            if visit.ends is None and not visit.is_held and not visit.is_deleted and visit.drafts
        ]  # fmt: skip

    def sent(self) -> list[Visit]:
        """Those of them that Gazelle has."""
        rows = self.rows()
        return [
            visit
            for visit in self.open()
            if all((rows.get(draft) or {}).get("appointment_external_id") for draft in visit.drafts)
        ]

    def event_ids(self, visit: Visit) -> list[str]:
        """The events that a visit's drafts name, or that were made at Gazelle."""
        rows = self.rows()
        return visit.events or [str(rows[draft]["appointment_external_id"]) for draft in visit.drafts if draft in rows]

    # ---- here

    def begin(self) -> None:
        """See `Editor`."""
        for _ in range(self._draw.randint(2, 3)):
            self.plan()
        self.look()

    def go_on(self) -> None:
        """See `Editor`."""
        if self._draw.random() < 0.4:
            self.edit_both()
        self.plan()
        self.change()
        self.look()

    def work(self, deeds: int) -> list[str]:
        """See `Editor`."""
        choice = (self.plan, self.change, self.change, self.change, self.edit_here, self.edit_there, self.edit_there)
        done = self._draw.choices(choice, k=deeds)
        for deed in done:
            deed()
        self.look()
        return [deed.__name__ for deed in done]

    def plan(self, technicians: int = 0) -> Visit:
        """Somebody plans a visit, by a command or in a program of their own; one in four by two technicians."""
        with self._one_at_a_time:
            self._count += 1
            technicians = technicians or (2 if self._draw.random() < 0.25 else 1)
            piano = self._draw.choice(self._pianos)
            chosen = self._draw.sample(self._technicians, technicians)
            visit = Visit(f"Visite {self._count}/", [], chosen, piano["clientId"], piano["id"])
            values = {name: self._value(visit, name) for name in HELD}
            visit.said = dict(values)
            self.visits.append(visit)
            if self._draw.random() < BY_COMMAND:
                visit.drafts += self._commands.new(visit.client, chosen, visit.piano, values)
                return visit
            pianos: list[Any] = [piano["id"]] if self._draw.random() < 0.5 else [{"id": piano["id"], "is_tuning": True}]
            joint = uuid.uuid4() if technicians > 1 else None
            for technician in chosen:
                row = {
                    "action": "create", "client_external_id": visit.client, "technician_external_id": technician,
                    "pianos": Jsonb(pianos), "joint_key": joint, **values,
                }  # fmt: skip
                visit.drafts.append(self._insert(row))
            return visit

    def change(self) -> None:
        """Somebody moves, cancels, confirms or completes a visit that Gazelle has; or plans one, where it has none."""
        with self._one_at_a_time:
            sent = self.sent()
            if not sent:
                self.plan()
                return
            visit = self._draw.choice(sent)
            self.ask(visit, self._draw.choice(["move", "move", "cancel", "confirm", "complete"]))

    def ask(self, visit: Visit, action: str) -> None:
        """Somebody asks for a change of a visit, of all events of a joint one."""
        values: dict[str, Any] = {}
        if action == "move":
            self._see(visit)
            moved = {name: self._value(visit, name) for name in ("start_at", "duration_minutes")}
            visit.said |= moved
            values |= moved
        if action == "complete":
            values["notes"] = f"{visit.word}fait"
        if action in ("cancel", "complete"):
            visit.ends = action
        visit.is_confirmed = visit.is_confirmed or action == "confirm"
        events = self.event_ids(visit)
        if self._draw.random() < BY_COMMAND:
            named = str(self._draw.choice([*events, *visit.drafts]))
            visit.changes += self._commands.change(named, action, values)
            return
        joint = uuid.uuid4() if len(events) > 1 and self._draw.random() < 0.5 else None
        for event in events:
            row = {"action": action, "appointment_external_id": event, "joint_key": joint, **values}
            visit.changes.append(self._insert(row))

    def cancel_future(self) -> None:
        """Of a weekly visit that was made at Gazelle, and that a pull has brought, all from the second on end."""
        self._count += 1
        piano, technician = self._draw.choice(self._pianos), self._draw.choice(self._technicians)
        series = []
        for week in range(self._draw.randint(2, 4)):
            visit = Visit(f"Visite {self._count}.{week}/", [], [technician], piano["clientId"], piano["id"])
            values: Record = {
                "title": visit.word, "start": text(self._first_day + timedelta(days=7 * week, hours=6)), "duration": 45,
                "type": "APPOINTMENT", "status": "ACTIVE", "userId": technician, "clientId": visit.client,
                "timezone": "America/Toronto", "isAllDay": False, "recurrenceType": "WEEKLY", "recurrenceInterval": 1,
                "recurrenceId": f"rec_{self._count}", "pianos": [{"pianoId": visit.piano, "isTuning": True}],
            }  # fmt: skip
            visit.events.append(self._admin.create("events", **values)["id"])
            series.append(visit)
        self.visits += series
        self._shop.sync(Mode.DEEP, only=self.pulled)  # a tick reads no calendar so far ahead
        first, *later = series[self._draw.randint(0, 1) :]
        first.changes += self._commands.change(first.events[0], "cancel", {}, future=True)
        for visit in (first, *later):
            visit.ends = "cancel"

    def edit_here(self, record: str = "") -> None:
        """See `Editor`: the draft of a new visit is corrected, before or after it was sent."""
        with self._one_at_a_time:
            if visits := self.open():
                self._correct(self._draw.choice(visits))
                self.look()

    def edit_every(self) -> None:
        """See `Editor`."""
        for visit in self.open():
            self._correct(visit)
        self.look()

    def _correct(self, visit: Visit) -> None:
        self._see(visit)
        names = self._draw.sample(sorted(HELD), self._draw.randint(1, 2))
        values = {name: self._value(visit, name) for name in names}
        visit.said |= values
        sets = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values)
        query = sql.SQL("UPDATE {} SET {} WHERE id = ANY (%s)").format(sql.Identifier(TABLE), sets)
        self._shop.query(query, *values.values(), visit.drafts)

    def _see(self, visit: Visit) -> None:
        """Who writes another value knows what Gazelle had by the last pull."""
        for row in self._shop.rows("gazelle_appointments", "external_id = ANY (%s)", self.event_ids(visit)):
            held = {"title": row["title"], "start_at": row["start_at"], "duration_minutes": row["duration_minutes"]}
            self.known |= {text(value) for value in held.values()} | {said_above(row["notes"])}

    def withdraw(self, visit: Visit) -> None:
        """Somebody thinks better of it: what was not sent stays here, what was is cancelled."""
        visit.ends = "cancel"
        if self._draw.random() < BY_COMMAND:
            stored = self._commands.change(str(self._draw.choice(visit.drafts)), "cancel", {})
            visit.changes += [one for one in stored if one not in visit.drafts]
            return
        self._shop.query(f"UPDATE {TABLE} SET status = 'canceled' WHERE id = ANY (%s)", visit.drafts)  # noqa: S608

    def delete(self, record: str = "") -> None:
        """Somebody deletes the rows of a visit that is not at Gazelle yet, as far as they say."""
        with self._one_at_a_time:
            rows = self.rows()
            unsent = [
                visit for visit in self.open()
                if not visit.changes and not any(rows[draft]["appointment_external_id"] for draft in visit.drafts)
            ]  # fmt: skip
            for visit in unsent[:1]:
                self._shop.query(f"DELETE FROM {TABLE} WHERE id = ANY (%s)", visit.drafts)  # noqa: S608
                visit.is_deleted = True

    def hold(self) -> Visit:
        """Somebody plans a visit for a client who is none: it stays here, and says so; of a joint one, both do."""
        visit = self.plan(self._draw.randint(1, 2))
        visit.is_held = True
        self._shop.query(f"UPDATE {TABLE} SET client_external_id = 'cli_personne' WHERE id = %s", visit.drafts[0])  # noqa: S608
        return visit

    def _insert(self, values: dict[str, Any]) -> int:
        query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING id").format(
            sql.Identifier(TABLE),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() for _ in values),
        )
        return int(self._shop.query(query, *values.values())[0][0])

    def _value(self, visit: Visit, column: str, *, by: set[str] | None = None, mark: str = "") -> Any:
        self._count += 1
        value: Any = f"{visit.word}{self._count}{mark}"
        if column == "duration_minutes":
            value = 60 + self._count
        if column == "start_at":
            # A day of its own each time: nobody is taken twice, and both changes of the clock are among them.
            value = self._first_day + timedelta(days=3 * self._count, minutes=self._count)
        (self.values.by_us if by is None else by).add(text(value) or "")
        return value

    # ---- at Gazelle

    def edit_there(self, record: str = "") -> None:
        """See `Editor`: somebody moves a visit at Gazelle, or writes into it; not in the middle of a push."""
        with self._one_at_a_time:
            if record == "" and (sent := self.sent()):
                self._say_there(self._draw.choice(sent))
                self.look()

    def edit_all_there(self, record: str) -> None:
        """See `Editor`."""
        self.edit_there(record)

    def edit_both(self) -> None:
        """The same is changed here and at Gazelle, before either side has heard of the other."""
        for visit in self.sent()[:2]:
            self._correct(visit)
            self.look()
            self._say_there(visit)
        self.look()

    def move_there(self) -> None:
        """Somebody moves every visit at Gazelle."""
        with self._one_at_a_time:
            for visit in self.sent():
                self._say_there(visit, names=("start_at",))
            self.look()

    def _say_there(self, visit: Visit, names: tuple[str, ...] | None = None) -> None:
        names = names or tuple(self._draw.sample(sorted(HELD), self._draw.randint(1, 2)))
        visit.is_moved_there = visit.is_moved_there or "start_at" in names
        for event in self.event_ids(visit):
            record = self._admin.record("events", event)
            if record is None:
                continue
            values: Record = {}
            for name in names:
                value = self._value(visit, name, by=self.values.by_them, mark=" là-bas")
                values[HELD[name]] = text(value) if name == "start_at" else value
            if "notes" in values:
                # Our mark stands in the notes, and people leave it where it is.
                values["notes"] = str(record.get("notes") or "").replace(
                    said_above(record.get("notes")), values["notes"], 1
                )
            foreign = self.foreign.setdefault(event, {})
            foreign["buffer"] = 5 * (self._count % 12)
            if self._draw.random() < 0.3:
                foreign["location"] = PLACE
            self._admin.edit("events", event, **values, **foreign)

    # ---- clashes

    def agree(self) -> None:
        """See `Editor`: whatever clashes, at any time, is told."""

    def settle(self) -> None:
        """See `Editor`: whatever clashes, at any time, is told."""
