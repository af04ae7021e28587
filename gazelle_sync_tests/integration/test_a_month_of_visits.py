"""A month of a shop in virtual time, with both nights in which clocks change.

Visits are planned here and at Gazelle, by drafts and by hand; Gazelle is down at times, answers get lost, the scheduler
sleeps for hours, pushes and daemons run twice. Gazelle's clock and the stamps of what a pull writes follow the clock of
the test. Each visit is at Gazelle once, and each technician is told once what is so, by day.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.montreal import MONTREAL, montreal_day
from gazelle_sync.shop.calendar.drafts import DraftRefused, add_visit, change_visit
from gazelle_sync.shop.calendar.notice_sending import tell
from gazelle_sync.shop.calendar.notices import LISTS, list_day
from gazelle_sync.shop.calendar.wall_clock import instant_of
from gazelle_sync.warehouse.connect import Connection, connect
from gazelle_sync_tests.support.planner import Planner, instant

CHANGES = {"new", "reassigned", "freed", "moved", "canceled"}
TICKS = ("06:30", "07:10", "09:02", "12:00", "15:31", "16:03", "17:04", "20:50", "23:30")
Pair = tuple[str, str]


@dataclass
class Month:
    """The shop, its clock, and what was told so far.

    Attributes:
        planner: The shop.
        connection: To its database.
        draw: What happens.
        now: The clock.
        box: Address, title and text of what arrived since the last look.
        known: Visit and technician → the start that the technician was told, or had known before.
        lists: Kind, technician and day → how often that daily list was told.
        looked: When a complete scan was last followed by a look, by day.
    """

    planner: Planner
    connection: Connection
    draw: random.Random
    now: datetime = datetime(2027, 1, 1, tzinfo=UTC)
    box: list[tuple[str, str, str]] = field(default_factory=list)
    known: dict[Pair, datetime] = field(default_factory=dict)
    lists: Counter[tuple[str, str, date]] = field(default_factory=Counter)
    looked: datetime = datetime(2027, 1, 1, tzinfo=UTC)

    def go_to(self, at: datetime) -> None:
        self.now = at
        self.planner.shop.admin.settings(clock_skew_s=(at - datetime.now(UTC)).total_seconds())

    # ---- what people do

    def somebody_works(self) -> None:
        here = [self.plans, self.plans_jointly, self.changes]
        there = [self.makes_there, self.edits_there, self.edits_there]
        for act in self.draw.sample([*here, *there], self.draw.choice((0, 1, 1, 2))):
            act()

    def soon(self) -> datetime:
        """A quarter of an hour within ten days, by Montreal's clock, at which one may work."""
        day = montreal_day(self.now) + timedelta(days=self.draw.randint(0, 10))
        at = time(self.draw.randint(8, 18), self.draw.choice((0, 15, 30, 45)))
        return datetime.combine(day, at, MONTREAL).astimezone(UTC)

    def plans(self, *, joint: bool = False) -> None:
        values = {
            "client_external_id": self.planner.client, "start_at": self.soon(), "duration_minutes": 45,
            "is_forced": self.draw.random() < 0.5, "title": f"Visite {self.draw.random():.6f}",
        }  # fmt: skip
        who = self.planner.technicians if joint else [self.draw.choice(self.planner.technicians)]
        add_visit(self.connection, values, who, self.planner.pianos)

    def plans_jointly(self) -> None:
        self.plans(joint=True)

    def changes(self) -> None:
        events = [one for one in self.planner.standing() if one["status"] == "ACTIVE"]
        if not events:
            return
        action = self.draw.choice(("move", "move", "cancel", "confirm"))
        values: dict[str, Any] = {"start_at": self.soon(), "is_forced": True} if action == "move" else {}
        with contextlib.suppress(DraftRefused):
            change_visit(self.connection, self.draw.choice(events)["id"], action, values)

    def makes_there(self) -> None:
        self.planner.shop.admin.create(
            "events", start=instant(self.soon()), duration=45, type="APPOINTMENT", status="ACTIVE", title="De Gazelle",
            clientId=self.planner.client, userId=self.draw.choice(self.planner.technicians), isAllDay=False,
            timezone="America/Toronto", notes=None,
        )  # fmt: skip

    def edits_there(self) -> None:
        events = [one for one in self.planner.shop.admin.dump("events") if one["status"] == "ACTIVE"]
        events = [one for one in events if datetime.fromisoformat(one["start"]) > self.now]
        if events:
            values = self.draw.choice(
                (
                    {"start": instant(self.soon())},
                    {"userId": self.draw.choice(self.planner.technicians)},
                    {"status": "CANCELED"},
                    {"title": "Autrement"},
                )
            )
            self.planner.shop.admin.edit("events", self.draw.choice(events)["id"], **values)

    # ---- what goes wrong, and what runs

    def something_breaks(self) -> None:
        admin = self.planner.shop.admin
        match self.draw.randint(0, 11):
            case 0:
                admin.fault("close_after", operation="createEvent")
            case 1:
                admin.fault("reset", operation="updateEvent")
            case 2:
                admin.fault("status", code=503, times=0)
            case 3:
                admin.fault("html_200", operation="AppointmentsStamps", times=3)
            case 4:
                admin.fault("half_done", operation="mutation")

    def runs(self) -> None:
        """Push, pull and tell, as the schedules do; after an outage it is found again by the next tick."""
        shop = self.planner.shop
        for _ in range(self.draw.choice((1, 1, 2))):
            with contextlib.suppress(GazelleSyncError):
                self.planner.push(timeout_s=1.0)
        before = datetime.now(UTC)
        with contextlib.suppress(GazelleSyncError):
            shop.sync(check=False)
        shop.admin.clear_faults()
        self.planner.office.let_doubts_pass()
        for table, column in (("gazelle_appointments", "synced_at"), ("system_settings", "updated_at")):
            where = "" if table == "gazelle_appointments" else " AND key = 'last_sync_date.appointments'"
            shop.query(f"UPDATE {table} SET {column} = %s WHERE {column} BETWEEN %s AND %s{where}",  # noqa: S608
                       self.now, before, datetime.now(UTC))  # fmt: skip
        self.told()

    def told(self) -> None:
        """Tell, twice at once at times, and hold what was said against what production holds."""
        expected = self.expected()
        for _ in range(self.draw.choice((1, 1, 2))):
            tell(self.connection, lambda: self.now, lambda *said: self.box.append(said))
        sent = self.connection.execute(
            "SELECT kind, appointment_external_id, technician_external_id, details FROM notices "
            "WHERE status = 'sent' AND sent_at = %s", [self.now],
        ).fetchall()  # fmt: skip
        changes = [row for row in sent if row[0] in CHANGES]
        assert Counter((kind, visit, who) for kind, visit, who, _ in changes) == Counter(expected), self.now
        for kind, visit, who, details in changes:
            after = details.get("after")
            assert (after is None) == (kind in ("freed", "canceled"))
            if after is not None:
                assert datetime.fromisoformat(after) == self.visits()[visit, who]
        lists = {(kind, who) for kind, _, who, _ in sent if kind in LISTS}
        assert len(self.box) == len(changes) + len(lists), self.box
        for kind, who in lists:
            day = list_day(kind, self.now)
            self.lists[kind, who, day] += 1
            hour = datetime.combine(day, LISTS[kind], MONTREAL)
            assert self.looked < hour <= self.now, "a list comes with the first look after its hour"
        if self.box:
            assert self.is_by_day(), "nobody is told anything at night"
        self.box.clear()
        if self.is_by_day() and self.scanned() == self.now:
            self.looked = self.now

    def is_by_day(self) -> bool:
        return time(7, 5) <= self.now.astimezone(MONTREAL).time() < time(21)

    def scanned(self) -> datetime | None:
        """When the last complete scan of visits ended."""
        query = "SELECT updated_at FROM system_settings WHERE key = 'last_sync_date.appointments'"
        row = self.connection.execute(query).fetchone()
        return row[0] if row else None

    def visits(self) -> dict[Pair, datetime]:
        """Visit and technician → start, of those that stand."""
        rows = self.connection.execute(
            "SELECT external_id, technician_external_id, start_at FROM gazelle_appointments "
            "WHERE deleted_at IS NULL AND status <> 'CANCELED' AND event_type = 'APPOINTMENT'"
        ).fetchall()
        return {(visit, who): start.astimezone(UTC) for visit, who, start in rows if who}

    def expected(self) -> list[tuple[str, str, str]]:
        """What is to be told now, and what is known from now on."""
        if not self.is_by_day():
            return []
        rows = self.connection.execute(
            "SELECT external_id, technician_external_id, start_at, deleted_at IS NULL AND status <> 'CANCELED' "
            "FROM gazelle_appointments WHERE event_type = 'APPOINTMENT' AND synced_at <= least(%s, "
            "(SELECT updated_at FROM system_settings WHERE key = 'last_sync_date.appointments'))",
            [self.now - timedelta(minutes=5)],
        ).fetchall()  # fmt: skip
        said = []
        before = dict(self.known)
        for visit, whose, start, stands in rows:
            for who in {whose, *(who for other, who in before if other == visit)}:
                knows = before.get((visit, who))
                is_so = start.astimezone(UTC) if stands and who == whose else None
                if is_so is not None and is_so <= self.now - timedelta(days=1):
                    is_so = None if knows is None else is_so
                if who is None or knows == is_so:
                    continue
                if not any(self.is_near(one) for one in (knows, is_so)):
                    pass
                elif knows is None:
                    others = any(other == visit and another != who for other, another in before)
                    said.append(("reassigned" if others else "new", visit, who))
                elif is_so is None:
                    said.append(("freed" if stands else "canceled", visit, who))
                else:
                    said.append(("moved", visit, who))
                self.known.pop((visit, who), None)
                if is_so is not None:
                    self.known[visit, who] = is_so
        self.known = {pair: at for pair, at in self.known.items() if at > self.now - timedelta(days=1)}
        return said

    def is_near(self, at: datetime | None) -> bool:
        return at is not None and montreal_day(at) >= montreal_day(self.now) and at < self.now + timedelta(days=7)


def play(month: Month, first: str, days: int) -> None:
    """Let days pass, tick by tick."""
    begins = date.fromisoformat(first)
    sleeps_until = datetime(2000, 1, 1, tzinfo=UTC)
    for day in range(days):
        for tick in TICKS:
            month.go_to(instant_of(f"{begins + timedelta(days=day)} {tick}"))
            month.somebody_works()
            if month.now < sleeps_until:
                continue
            if month.draw.random() < 0.04:
                sleeps_until = month.now + timedelta(hours=month.draw.choice((3, 7, 20, 72)))
                continue
            month.something_breaks()
            month.runs()
    for minutes in range(3):  # a quiet morning: everything arrives
        month.go_to(instant_of(f"{begins + timedelta(days=days)} 10:00") + timedelta(minutes=20 * minutes))
        month.draw = random.Random(0)  # noqa: S311 - not secret
        month.runs()


WHOLE = pytest.mark.slow("a month of nine ticks a day takes minutes")


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=WHOLE), pytest.param(3, marks=WHOLE)])
def test_each_visit_is_at_gazelle_once_and_each_technician_is_told_once(planner: Planner, seed: int) -> None:
    shop = planner.shop
    for one in shop.admin.dump("events"):
        shop.admin.delete("events", one["id"])
    days = 2 if seed == 1 else 15
    with connect(shop.url, autocommit=True) as connection:
        month = Month(planner, connection, random.Random(seed))  # noqa: S311 - not secret
        month.go_to(instant_of("2027-03-06 08:00" if seed > 1 else "2027-03-13 06:00"))
        shop.sync(allow_deletes=True)
        for who in planner.technicians:
            shop.query(
                "INSERT INTO technician_contacts (technician_external_id, address) VALUES (%s, %s)", who, f"x://{who}"
            )
        month.runs()
        play(month, "2027-03-13" if seed == 1 else "2027-03-06", days)
        play(month, "2027-11-06" if seed == 1 else "2027-10-30", days)
        drafts = shop.rows("appointment_drafts")
        assert len(drafts) > 2 * days
        marks = Counter(mark for one in planner.made() for mark in [one["notes"].rpartition("gazelle_sync ")[2][:-1]])
        sent = [one for one in drafts if one["action"] == "create" and one["appointment_external_id"]]
        assert marks == Counter(one["mark"] for one in sent), "each visit is at Gazelle once"
        assert all(one["sync_error"] for one in drafts if one["needs_sync"]), "what did not go says why"
        assert all(count == 1 for count in month.lists.values())
        assert not [row for row in planner.log() if row[1] == "in_doubt"]
        now_known = {pair: at for pair, at in month.known.items() if at > month.now}
        assert now_known == {pair: at for pair, at in month.visits().items() if at > month.now}
