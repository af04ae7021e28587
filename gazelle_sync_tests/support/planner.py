"""Somebody who plans visits in a shop that was pulled once: drafts here, pushes, and what Gazelle holds then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from gazelle_sync.montreal import MONTREAL
from gazelle_sync.push.session import PushReport
from gazelle_sync.shop.calendar.drafts import change_visit
from gazelle_sync.warehouse.connect import connect
from gazelle_sync.warehouse.pool import keep_connections
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record, Row, Shop

TABLE = "appointment_drafts"


@dataclass
class Planner:
    """Plans the visits of one client by two technicians, at hours at which nobody else works.

    Attributes:
        shop: Database and sandbox.
        office: Pushes.
        client: An id, with `pianos` of its own.
        pianos: Two ids.
        people: Ids of those who can be scheduled.
        technicians: Two of them.
    """

    shop: Shop
    office: EditedShop = field(init=False)
    client: str = field(init=False)
    pianos: list[str] = field(init=False)
    people: list[str] = field(init=False)
    technicians: list[str] = field(init=False)
    begun: datetime = field(default_factory=lambda: datetime.now(MONTREAL))
    """The day that others are counted from, though midnight passes."""

    def __post_init__(self) -> None:
        self.office = EditedShop(self.shop)
        admin = self.shop.admin
        piano = next(one for one in admin.dump("pianos") if one["status"] == "ACTIVE" and one["clientId"])
        self.client = piano["clientId"]
        self.pianos = [piano["id"]]
        self.people = [one["id"] for one in admin.dump("users") if one["isSchedulable"] and one["status"] == "ACTIVE"]
        self.technicians = self.people[:2]

    def at(self, day: int = 0, hour: int = 4, minute: int = 0) -> datetime:
        """An instant by Montreal's clock, some months ahead, before anybody is at work."""
        wall = self.begun.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return wall + timedelta(days=100 + day)

    def draft(self, **values: Any) -> int:
        """A draft, as any program would write it; gives its id."""
        given: dict[str, Any] = {
            "client_external_id": self.client, "technician_external_id": self.technicians[0], "start_at": self.at(),
            "duration_minutes": 60, "title": "Accord",
        }  # fmt: skip
        return self.insert(given | values)

    def change(self, event: str, action: str, **values: Any) -> int:
        """A draft that changes an event; gives its id."""
        return self.insert({"appointment_external_id": event, "action": action} | values)

    def insert(self, values: dict[str, Any]) -> int:
        names = sql.SQL(", ").join(map(sql.Identifier, values))
        marks = sql.SQL(", ").join(sql.Placeholder() for _ in values)
        query = sql.SQL("INSERT INTO appointment_drafts ({}) VALUES ({}) RETURNING id").format(names, marks)
        given = [Jsonb(value) if isinstance(value, list) else value for value in values.values()]
        return int(self.shop.query(query, *given)[0][0])

    def push(self, **options: Any) -> PushReport:
        return self.office.push(**options)

    def sent(self, **values: Any) -> str:
        """The event of a draft that was written and pushed; a second later, nobody edits it any more."""
        draft = self.draft(**values)
        report = self.push()
        assert report.succeeded, [outcome.failed for outcome in report.outcomes]
        return str(self.row(draft)["appointment_external_id"])

    def seen(self, **values: Any) -> str:
        """A visit that was made a while ago, and that a pull has brought."""
        event = self.sent(**values)
        self.shop.admin.edit("events", event, touch="2026-01-01T00:00:00Z")
        self.shop.sync()
        return event

    def change_visit(self, visit: str, action: str, **values: Any) -> list[int]:
        """What the commands do with an event or a draft; gives the ids of the drafts that say it."""
        with connect(self.shop.url, autocommit=True) as connection:
            return change_visit(connection, visit, action, values)

    def row(self, draft: int) -> Row:
        (row,) = self.shop.rows(TABLE, "id = %s", draft)
        return row

    def state(self, draft: int) -> tuple[str, bool]:
        """Status, and whether it waits."""
        return self.shop.query("SELECT status, needs_sync FROM appointment_drafts WHERE id = %s", draft)[0]

    def error(self, draft: int) -> str:
        """Why it did not go."""
        return str(self.shop.value("SELECT sync_error FROM appointment_drafts WHERE id = %s", draft))

    def event(self, event: str) -> Record:
        found = self.shop.admin.record("events", event)
        assert found is not None
        return found

    def made(self) -> list[Record]:
        """Gazelle's events with a mark of ours, the first first."""
        found = [one for one in self.shop.admin.dump("events") if "[gazelle_sync " in (one.get("notes") or "")]
        return sorted(found, key=lambda one: (one["createdAt"], one["id"]))

    def standing(self) -> list[Record]:
        """Those that are not cancelled."""
        return [one for one in self.made() if one["status"] != "CANCELED"]

    def log(self) -> list[tuple[str, str]]:
        return self.office.log()

    def told_clients(self) -> list[Record]:
        """What was written to clients about these events."""
        ours = {one["id"] for one in self.made()}
        entries = [one for one in self.shop.admin.dump("timeline") if one.get("appointmentId") in ours]
        return [one for one in entries if one["type"] == "CONTACT_EMAIL_AUTOMATED"]

    def settle(self) -> None:
        """Push until nothing waits that could go."""
        for _ in range(10):
            self.push()
            if not self.shop.count(TABLE, "needs_sync"):
                return
            self.office.let_doubts_pass()
        raise AssertionError(self.shop.rows(TABLE, "needs_sync"))


def instant(at: datetime) -> str:
    """As Gazelle writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def planner(shop: Shop) -> Iterator[Planner]:
    """Somebody who plans visits in a shop that was pulled once; connections are kept from push to push."""
    with keep_connections():
        yield Planner(shop)
