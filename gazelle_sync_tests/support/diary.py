"""A calendar for tests: clients, technicians, pianos and events written straight into production, and drafts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from gazelle_sync.push.pushables.appointment_checks import check_drafts
from gazelle_sync.shop.calendar.wall_clock import instant_of
from gazelle_sync.warehouse.connect import Connection, connect

ANNE, BEN = "usr_anne", "usr_ben"
SCHOOL, HALL = "cli_school", "cli_hall"
UNSEEN = instant_of("2100-01-01 00:00")
"""When a row was written that no scan has brought yet."""
NOW = instant_of("2027-03-01 08:00")
"""When the tests of the calendar play."""


@dataclass
class Diary:
    """A calendar with two technicians and two clients.

    Attributes:
        url: Of its database.
        connection: To it; each statement is a transaction.
    """

    url: str
    connection: Connection
    made: int = 0

    def insert(self, table: str, **values: Any) -> Any:
        """A row; gives its first column."""
        names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        query = f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING *"  # noqa: S608 - the tests' own names
        row = self.connection.execute(query.encode(), list(values.values())).fetchone()
        assert row is not None
        return row[0]

    def query(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        cursor = self.connection.execute(query.encode(), values or None)
        return cursor.fetchall() if cursor.description else []

    def event(self, start: str | datetime, technician: str | None = ANNE, **values: Any) -> str:
        """An event at Gazelle of 60 minutes, by Montreal's clock; gives its id."""
        self.made += 1
        given = {
            "external_id": f"evt_{self.made}",
            "start_at": start if isinstance(start, datetime) else instant_of(start),
            "technician_external_id": technician, "client_external_id": SCHOOL, "duration_minutes": 60,
            "event_type": "APPOINTMENT", "status": "ACTIVE", "is_all_day": False, "title": f"Visite {self.made}",
            "synced_at": UNSEEN,
        } | values  # fmt: skip
        self.insert("gazelle_appointments", **given)
        return str(given["external_id"])

    def change(self, event: str, **values: Any) -> None:
        """Change an event at Gazelle."""
        values = {"synced_at": UNSEEN} | values
        sets = ", ".join(f"{name} = %s" for name in values)
        self.query(f"UPDATE gazelle_appointments SET {sets} WHERE external_id = %s", *values.values(), event)  # noqa: S608

    def draft(self, start: str | None = "2027-03-02 09:00", **values: Any) -> int:
        """A draft, written as another program would; gives its id."""
        given = {
            "client_external_id": SCHOOL, "technician_external_id": ANNE, "duration_minutes": 120,
            "start_at": start and instant_of(start),
        } | values  # fmt: skip
        return int(self.insert("appointment_drafts", **given))

    def problems(self, draft: int, now: datetime = NOW) -> list[tuple[str, str | None]]:
        """Codes of what is wrong with a draft, and what they are about."""
        (found,) = [one for one in check_drafts(self.connection, now) if one.id == draft]
        return [(one.code, one.about) for one in found.problems]

    def codes(self, draft: int) -> list[str]:
        """The codes alone."""
        return [code for code, _ in self.problems(draft)]


@pytest.fixture
def diary(database: str) -> Iterator[Diary]:
    """A shop with two technicians, two clients, and a piano of each client."""
    with connect(database, autocommit=True) as connection:
        diary = Diary(database, connection)
        for user, name in ((ANNE, "Anne"), (BEN, "Ben")):
            diary.insert("gazelle_users", external_id=user, first_name=name, status="ACTIVE", is_schedulable=True)
        for client, name in ((SCHOOL, "École du Nord"), (HALL, "Salle Bécarre")):
            diary.insert("gazelle_clients", external_id=client, display_name=name)
            piano = client.replace("cli", "pno")
            diary.insert("gazelle_pianos", external_id=piano, client_external_id=client, make="Heintzman")
        yield diary
