"""People who write down what is new: clients, their pianos and visits, which the push makes at Gazelle."""

from __future__ import annotations

import pytest

from gazelle_sync.warehouse.migrate import migrate
from gazelle_sync_tests.support.creating import add_creating
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record, Row

TABLES = ("new_clients", "new_pianos", "new_visits")


class Newcomers:
    """They work in one shop."""

    def __init__(self, office: EditedShop) -> None:
        self.office = office
        self.shop = office.shop

    def client(self, name: str) -> int:
        """A new client here."""
        return int(self.shop.value("INSERT INTO new_clients (company_name) VALUES (%s) RETURNING id", name))

    def piano(self, client: int, make: str = "Yamaha", serial_number: str | None = "1234") -> int:
        """A new piano here, of a client that is here."""
        query = "INSERT INTO new_pianos (client_id, make, serial_number) VALUES (%s, %s, %s) RETURNING id"
        return int(self.shop.value(query, client, make, serial_number))

    def visit(self, client: int, minutes: int = 61, **values: object) -> int:
        """A new visit here, of a client that is here."""
        said = {"start_at": "2026-12-01T15:00:00Z", "technician": self.technician(), **values}
        names, marks = ", ".join(said), ", ".join(["%s"] * len(said))
        query = f"INSERT INTO new_visits (client_id, minutes, {names}) VALUES (%s, %s, {marks}) RETURNING id"  # noqa: S608
        return int(self.shop.value(query, client, minutes, *said.values()))

    def technician(self) -> str:
        """Somebody who can be scheduled."""
        return str(next(one["id"] for one in self.shop.admin.dump("users") if one["isSchedulable"]))

    def delete_visit(self, visit: int) -> None:
        """Somebody deletes the row here."""
        self.shop.query("DELETE FROM new_visits WHERE id = %s", visit)

    def row(self, table: str, row_id: int) -> Row:
        """The local row."""
        (row,) = self.shop.rows(table, "id = %s", row_id)
        return row

    def clients(self, *names: str) -> list[Record]:
        """Gazelle's clients of these names."""
        return [one for one in self.shop.admin.dump("clients") if one["companyName"] in names]

    def pianos(self, *makes: str) -> list[Record]:
        """Gazelle's pianos of these makes."""
        return [one for one in self.shop.admin.dump("pianos") if one["make"] in makes]

    def visits(self, *minutes: int) -> list[tuple[int, str]]:
        """Length and status of Gazelle's visits of such lengths: no other visit has an odd one."""
        return [
            (one["duration"], one["status"]) for one in self.shop.admin.dump("events") if one["duration"] in minutes
        ]

    def settle(self) -> None:
        """Push until there is nothing left to do."""
        for _ in range(10):
            self.office.push()
            dirty = [row for table in TABLES for row in self.shop.rows(table, "needs_sync")]
            dirty += self.shop.rows("push_state", "deleted_at IS NOT NULL")
            if not dirty:
                return
            self.office.let_doubts_pass()
        raise AssertionError(dirty)


@pytest.fixture
def here(office: EditedShop, monkeypatch: pytest.MonkeyPatch) -> Newcomers:
    migrate(office.shop.url)
    add_creating(office.shop, monkeypatch)
    return Newcomers(office)
