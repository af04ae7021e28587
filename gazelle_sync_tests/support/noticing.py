"""A shop whose clock is ours, and whose technicians' messages we read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from gazelle_sync.shop.calendar.notice_sending import NotDelivered, NoticeCounts, tell
from gazelle_sync.shop.calendar.wall_clock import instant_of
from gazelle_sync.warehouse.connect import statement
from gazelle_sync_tests.support.diary import ANNE, BEN, UNSEEN, Diary

MINUTE = timedelta(minutes=1)


@dataclass
class Technicians:
    """A shop whose clock is ours, and whose technicians' messages we read.

    Attributes:
        diary: Its calendar.
        now: The clock.
        box: Address, title and text of what arrived.
        fault: Raised instead of the next deliveries.
    """

    diary: Diary
    now: datetime = field(default_factory=lambda: instant_of("2027-03-01 08:00"))
    box: list[tuple[str, str, str]] = field(default_factory=list)
    fault: NotDelivered | None = None

    def deliver(self, address: str, title: str, text: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.box.append((address, title, text))

    def clock(self) -> datetime:
        return self.now

    def scan(self) -> None:
        """A complete scan ends now, and has written what had changed."""
        self.diary.query("UPDATE gazelle_appointments SET synced_at = %s WHERE synced_at = %s", self.now, UNSEEN)
        self.diary.query(
            "INSERT INTO system_settings VALUES ('last_sync_date.appointments', %s, %s) ON CONFLICT (key) DO UPDATE "
            "SET value = excluded.value, updated_at = excluded.updated_at",
            self.now.isoformat(), self.now,
        )  # fmt: skip

    def at(self, time: str) -> NoticeCounts:
        """It is this time: a scan ends, and technicians are told."""
        self.now = instant_of(time)
        self.scan()
        return self.tell()

    def tell(self) -> NoticeCounts:
        return tell(self.diary.connection, self.clock, self.deliver)

    def after(self, minutes: int = 6) -> NoticeCounts:
        """So many minutes later, without a scan."""
        self.now += minutes * MINUTE
        return self.tell()

    def is_due(self) -> bool:
        """Whether a run would be started now."""
        query = statement("calendar/notices_due").replace(
            "now() AS now, now()", "%(now)s::timestamptz AS now, %(now)s::timestamptz"
        )
        row = self.diary.connection.execute(query.encode(), {"now": self.now}).fetchone()
        assert row is not None
        return bool(row[0])

    def heard(self) -> list[tuple[str, str]]:
        """Who was told which titles, since the last time."""
        found = [(address.removeprefix("mailto://"), title) for address, title, _ in self.box]
        self.box.clear()
        return found

    def notices(self) -> list[tuple[Any, ...]]:
        return self.diary.query("SELECT kind, technician_external_id, status, reason FROM notices ORDER BY id")


@pytest.fixture
def staff(diary: Diary) -> Technicians:
    """A shop in which notices are made since 08:00 on the first of March; Anne reads French and Ben English."""
    for who, language in ((ANNE, "fr"), (BEN, "en")):
        diary.insert("technician_contacts", technician_external_id=who, address=f"mailto://{who}", language=language)
    staff = Technicians(diary)
    diary.event("2027-03-03 14:00", BEN)
    assert staff.at("2027-03-01 08:00") == NoticeCounts()
    assert not staff.is_due()
    return staff
