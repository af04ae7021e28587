"""A list of visits that comes in part, or empty, tells technicians nothing: notices are made of complete scans only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from gazelle_sync.montreal import MONTREAL
from gazelle_sync.shop.calendar.notice_sending import tell
from gazelle_sync.warehouse.connect import Connection, connect, statement
from gazelle_sync_tests.support.planner import instant
from gazelle_sync_tests.support.shop import Shop

LISTS = ("AppointmentsStamps", "AppointmentsPage")
DUE = "SELECT count(*) FROM notices"


@dataclass
class Watched:
    """A shop, and what its technicians are told by a clock that shows the next day at ten.

    Attributes:
        shop: Database and sandbox.
        connection: To its database.
        box: Titles of what was told.
    """

    shop: Shop
    connection: Connection
    box: list[str] = field(default_factory=list)
    now: datetime = field(
        default_factory=lambda: datetime.combine(
            datetime.now(MONTREAL).date() + timedelta(days=1), time(10), MONTREAL
        ).astimezone(UTC)
    )

    def visits(self) -> list[dict[str, Any]]:
        """Those of the week after that."""
        return [
            one
            for one in self.shop.admin.dump("events")
            if one["type"] == "APPOINTMENT" and one["status"] == "ACTIVE" and one["userId"]
        ]

    def soon(self, hours: int) -> str:
        return instant(self.now + timedelta(hours=hours))

    def look(self) -> list[str]:
        """What is told now, by kind; a run would be started exactly where there is something to do."""
        self.now += timedelta(minutes=1)
        query = statement("calendar/notices_due").replace(
            "now() AS now, now()", "%(now)s::timestamptz AS now, %(now)s::timestamptz"
        )
        [(is_due,)] = self.connection.execute(query.encode(), {"now": self.now}).fetchall()
        before = self.state()
        tell(self.connection, lambda: self.now, lambda _, title, __: self.box.append(title))
        assert is_due or self.state() == before
        rows = self.shop.query("SELECT kind FROM notices WHERE updated_at = %s OR created_at = %s", self.now, self.now)
        return sorted(kind for (kind,) in rows if kind not in ("unconfirmed", "booked_long_ago", "without_notes"))

    def pull(self, fault: str | None = None) -> None:
        """A pull some seconds after the last one, with a list that comes in part."""
        self.shop.admin.settings(clock_skew_s=self.shop.admin.settings()["clock_skew_s"] + 5)
        if fault is not None:
            for operation in LISTS:
                self.shop.admin.fault(fault, operation=operation, times=0)
        self.shop.sync(check=False)
        self.shop.admin.clear_faults()

    def state(self) -> list[tuple[Any, ...]]:
        return self.shop.query(
            "SELECT (SELECT count(*) FROM notices WHERE status <> 'due'), "
            "(SELECT count(*) FROM notice_views WHERE told_at > %s), "
            "(SELECT string_agg(key || value, ',') FROM system_settings WHERE starts_with(key, 'calendar'))",
            self.now,
        )


def watched(shop: Shop) -> Iterator[Watched]:
    with connect(shop.url, autocommit=True) as connection:
        yield Watched(shop, connection)


@pytest.fixture
def new(new_shop: Shop) -> Iterator[Watched]:
    """A shop that was never pulled."""
    yield from watched(new_shop)


@pytest.fixture
def known(shop: Shop) -> Iterator[Watched]:
    """A shop whose technicians know what the first scan found, and two visits of the day after tomorrow."""
    for one in watched(shop):
        for number, visit in enumerate(one.visits()[:2]):
            shop.admin.edit("events", visit["id"], start=one.soon(24 + number))
        one.pull()
        assert one.look() == []
        assert shop.count("notice_views") > 1
        yield one


INCOMPLETE = ["skip_row", "null_rows", "empty_list", "total_wrong"]


@pytest.mark.parametrize("fault", INCOMPLETE)
def test_a_list_that_comes_in_part_tells_nobody_and_the_next_whole_one_does(known: Watched, fault: str) -> None:
    shop = known.shop
    first, second = (one["id"] for one in known.visits()[:2])
    shop.admin.edit("events", first, start=known.soon(48))
    shop.admin.edit("events", second, status="CANCELED")
    known.pull(fault)
    assert known.look() == []
    known.pull()
    assert known.look() == ["canceled", "moved"]
    assert known.look() == []


@pytest.mark.parametrize("fault", ["empty_account", "empty_list", "early_end"])
def test_a_calendar_that_seems_to_be_gone_cancels_nothing(known: Watched, fault: str) -> None:
    for _ in range(2):
        known.pull(fault)
        assert known.look() == []
    known.pull()
    assert (known.look(), known.shop.query(DUE + " WHERE kind IN ('canceled', 'freed')")) == ([], [(0,)])


@pytest.mark.parametrize("fault", INCOMPLETE)
def test_a_first_list_that_comes_in_part_is_not_what_technicians_know(new: Watched, fault: str) -> None:
    for number, visit in enumerate(new.visits()[:3]):
        new.shop.admin.edit("events", visit["id"], start=new.soon(24 + number))
    new.pull(fault)
    assert new.look() == []
    new.pull()
    assert new.look() == []
    assert new.shop.count("notice_views") > 2
    new.now += timedelta(minutes=10)
    assert (new.look(), new.shop.count("notices")) == ([], 0)


def test_a_calendar_that_comes_empty_at_first_is_believed_when_it_comes_so_again(new: Watched) -> None:
    new.pull("empty_account")
    assert new.look() == []
    new.pull()
    assert (new.look(), new.shop.count("notice_views") > 0) == ([], True)
    new.now += timedelta(minutes=10)
    assert new.look() == []


def test_a_shop_without_a_single_visit_is_told_of_its_first(new: Watched) -> None:
    shop = new.shop
    model = new.visits()[0]
    for one in shop.admin.dump("events"):
        shop.admin.delete("events", one["id"])
    for _ in range(2):
        new.pull()
        assert new.look() == []
    shop.admin.create(
        "events", start=new.soon(24), duration=60, type="APPOINTMENT", status="ACTIVE", title="La première",
        clientId=model["clientId"], userId=model["userId"], isAllDay=False, timezone="America/Toronto",
    )  # fmt: skip
    new.pull()
    assert new.look() == ["new"]
