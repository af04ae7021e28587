"""Events of the calendar: ordinary visits, and those that made earlier programs fail.

Those are: early and late visits in winter and in summer ("Tire le Coyote"), events around both changes of the clock,
blocks of 48 hours, whole days, events without client, of a deleted client, of a user who left, with several pianos, and
joint visits.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from gazelle_sync.montreal import MONTREAL, clock_changes
from gazelle_sync.sandbox.drawing import Draw
from gazelle_sync.sandbox.encoding import Record
from gazelle_sync.sandbox.mutations import EVENT_DEFAULTS
from gazelle_sync.sandbox.settings import INSTANT
from gazelle_sync.sandbox.vocabulary import NOTES, TITLES

WINDOW_PAST_DAYS = 30
WINDOW_FUTURE_DAYS = 365


class Calendar:
    """Draws the events of an account whose people and pianos exist."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._random = draw.random
        self._now = datetime.fromtimestamp(draw.now_s, UTC)
        self._today = self._now.astimezone(MONTREAL).date()

    def events(self) -> list[Record]:
        """Every event; those that are listed fill the volume exactly, cancelled ones come on top."""
        volume = self._draw.volume
        odd = list(self._odd())
        inside = sum(map(self._is_in_window, odd))
        made = [*odd]
        made += [
            self._visit(self._day(-WINDOW_PAST_DAYS, WINDOW_FUTURE_DAYS)) for _ in range(volume.window_events - inside)
        ]
        older = volume.older_events - (len(odd) - inside)
        made += [self._visit(self._day(-3400, -WINDOW_PAST_DAYS - 2)) for _ in range(older)]
        made += [
            self._visit(self._day(-200, 200)) | {"status": "CANCELED"}
            for _ in range(max(2, volume.window_events // 40))
        ]
        return made

    def _is_in_window(self, event: Record) -> bool:
        day = datetime.fromisoformat(event["start"]).astimezone(MONTREAL).date()
        past, future = timedelta(days=WINDOW_PAST_DAYS), timedelta(days=WINDOW_FUTURE_DAYS)
        return self._today - past <= day <= self._today + future

    def _day(self, first: int, last: int) -> date:
        return self._today + timedelta(days=self._random.randint(first, last))

    def _visit(self, day: date) -> Record:
        hour, minute = self._random.randint(7, 19), self._random.choice((0, 15, 30, 45))
        start = datetime(day.year, day.month, day.day, hour, minute, tzinfo=MONTREAL)
        piano = self._random.choice(self._draw.made["pianos"])
        past = start < self._now
        return self._event(
            start,
            self._random.choice(TITLES),
            clientId=piano["clientId"],
            pianos=[{"pianoId": piano["id"], "isTuning": True}] if self._random.random() < 0.9 else [],
            status=self._random.choices(("COMPLETE", "ACTIVE", "NO_SHOW"), (90, 8, 2))[0] if past else "ACTIVE",
        )

    def _event(self, start: datetime, title: str, **values: object) -> Record:
        draw, now = self._draw, self._now
        created = min(start.astimezone(UTC), now) - timedelta(days=self._random.uniform(2, 60))
        updated = min(start.astimezone(UTC), now) - timedelta(days=self._random.uniform(1, 2))
        event: Record = EVENT_DEFAULTS | {
            "id": draw.id("evt"),
            "start": start.astimezone(UTC).strftime(INSTANT),
            "title": title,
            "notes": self._random.choice(NOTES) if self._random.random() < 0.4 else None,
            "duration": self._random.choice((45, 60, 60, 90, 120)),
            "userId": self._random.choice(draw.made["users"][: max(1, draw.volume.users - 2)])["id"],
            "createdById": draw.made["users"][0]["id"],
            "clientId": None,
            "pianos": [],
            "createdAt": created.strftime(INSTANT),
            "updatedAt": updated.strftime(INSTANT),
        }
        if self._random.random() < 0.3:
            event |= {"confirmedAt": event["updatedAt"], "confirmedByClient": True}
        return event | values

    # ---- unusual events

    def _odd(self) -> Iterator[Record]:
        yield from self._tire_le_coyote()
        changes = [change for year in range(self._now.year - 1, self._now.year + 2) for change in clock_changes(year)]
        for change in changes:
            for minutes in (-31, -1, 0, 29, 61):
                if (change - self._now).days < WINDOW_FUTURE_DAYS - 2:
                    yield self._event(
                        change + timedelta(minutes=minutes), "Changement d'heure", type="MEMO", duration=30
                    )
        yield from self._of_users()
        yield from self._of_clients()

    def _tire_le_coyote(self) -> Iterator[Record]:
        client = self._draw.made["clients"][0]
        for month in (1, 7):
            year = self._today.year + (date(self._today.year, month, 15) < self._today)
            for hour, title in ((7, "Tire le Coyote avant 8h"), (18, "Tire le Coyote à 18h")):
                start = datetime(year, month, 15, hour, tzinfo=MONTREAL)
                yield self._event(start, title, clientId=client["id"], notes="À l'heure de Montréal, été comme hiver.")

    def _of_users(self) -> Iterator[Record]:
        midnight = datetime(self._today.year, self._today.month, self._today.day, tzinfo=MONTREAL)
        yield self._event(midnight + timedelta(days=9, hours=8), "Congé", type="PERSONAL", duration=48 * 60)
        yield self._event(midnight + timedelta(days=3), "Inventaire", type="MEMO", isAllDay=True, duration=24 * 60)
        yield self._event(
            midnight + timedelta(days=20), "Salon du piano", type="PERSONAL", isAllDay=True, duration=24 * 60
        )
        yield self._event(midnight + timedelta(days=5, hours=12), "Appeler l'atelier ☎️", type="MEMO", duration=0)
        former = self._draw.made["former_users"][0]["id"]
        yield self._event(midnight - timedelta(days=12), "Accord", userId=former, status="COMPLETE")
        unknown = self._event(midnight - timedelta(days=13), "Calendrier synchronisé", type="SYNCED")
        yield unknown | {"userId": self._draw.made["former_users"][1]["id"], "title": None}

    def _of_clients(self) -> Iterator[Record]:
        midnight = datetime(self._today.year, self._today.month, self._today.day, tzinfo=MONTREAL)
        deleted = self._draw.deleted_client_id
        yield self._event(midnight - timedelta(days=8, hours=10), "Accord (client supprimé)", clientId=deleted)
        yield self._event(
            midnight - timedelta(days=500), "Accord (client supprimé)", clientId=deleted, status="COMPLETE"
        )
        pianos = self._draw.made["pianos"]
        several = [{"pianoId": piano["id"], "isTuning": place == 0} for place, piano in enumerate(pianos[:5])]
        owner = pianos[0]["clientId"]
        yield self._event(midnight + timedelta(days=6, hours=9), "Cinq pianos", clientId=owner, pianos=several)
        # A joint visit is two events: one has one user.
        for user in self._draw.made["users"][:2]:
            start = midnight + timedelta(days=7, hours=13)
            yield self._event(start, "Visite à deux", clientId=owner, pianos=several[:1], userId=user["id"])
