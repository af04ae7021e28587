"""Random edits at Gazelle and here between two runs, drawn from a seed; and which of them a run has to bring."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.faults.truth import MONTREAL
from gazelle_sync_tests.support.shop import Shop

Record = dict[str, Any]
ZULU = "%Y-%m-%dT%H:%M:%SZ"
LEAST_CLIENTS = 15
REFERENCE = "Tire le Coyote"
"""Appointments that must stay: without them the timezone check cannot work, and it says so."""


@dataclass
class Promised:
    """Ids of the records whose last change a run of some depth must bring."""

    by_tick: set[str] = field(default_factory=set)
    """Its stamp moved, or it is a fresh entry of the timeline."""
    by_nightly: set[str] = field(default_factory=set)
    read: set[str] = field(default_factory=set)
    """Of the first: those that a successful run has had the chance to bring since."""

    def ran(self) -> None:
        """A run succeeded: edits from now on that move no stamp need not be seen by the next tick."""
        self.read |= self.by_tick

    def of(self, mode: Mode) -> set[str] | None:
        """Ids; None: everything."""
        return None if mode is Mode.DEEP else self.by_nightly if mode is Mode.NIGHTLY else self.by_tick

    def kept(self, mode: Mode) -> None:
        """A run of some depth brought what it had to: forget these."""
        self.by_tick.clear()
        self.read.clear()
        if mode is not Mode.TICK:
            self.by_nightly.clear()


class AccountEditor:
    """Edits the records of one shop, at Gazelle and here.

    Args:
        shop: The shop.
        draw: The random generator.
    """

    def __init__(self, shop: Shop, draw: random.Random) -> None:
        self._shop = shop
        self._admin = shop.admin
        self._draw = draw
        self.promised = Promised()
        self.added: dict[str, set[str]] = {}
        """Id → tags that were added here."""
        self.measured: set[str] = set()
        """Timeline entries to which measurements were added here."""

    def work(self, deeds: int) -> list[str]:
        """Make some edits; gives their names."""
        choice: list[Callable[[], None]] = [
            self._edits, self._edits, self._silent_edits, self._creates, self._deletes, self._deletes_a_client,
            self._cancels, self._moves, self._moves_to_a_clock_change, self._back_dates, self._tags, self._tags_here,
        ]  # fmt: skip
        chosen = self._draw.choices(choice, k=deeds)
        for deed in chosen:
            deed()
        return [deed.__name__.strip("_") for deed in chosen]

    def work_here(self) -> None:
        """What the shop enters into its own tables, so that every case has something to lose."""
        self._tags_here()
        entry = self._any("timeline")["id"]
        self._shop.query(
            """UPDATE gazelle_timeline_entries SET measurements = '{"ici": 41}' WHERE external_id = %s""", entry
        )
        if self._shop.value("SELECT count(*) FROM gazelle_timeline_entries WHERE external_id = %s", entry):
            self.measured.add(entry)

    # ---- at Gazelle

    def _edits(self) -> None:
        seed = self._draw.randrange(10**6)
        changed = self._admin.random_edits(seed=seed, clients=2, pianos=2, events=3, timeline=2)
        self._promise(*(record_id for ids in changed.values() for record_id in ids))

    def _silent_edits(self) -> None:
        """Changes that move no stamp: they come with a full run."""
        client, contact, entry = self._any("clients")["id"], self._any("contacts"), self._any("timeline")["id"]
        self._admin.edit("clients", client, touch=False, referredBy=f"{self._draw.random()}")
        self._admin.edit("contacts", contact["id"], touch=False, role=f"{self._draw.random()}")
        self._admin.edit("timeline", entry, comment=f"{self._draw.random()}")
        self.promised.by_nightly |= {client, contact["clientId"]}
        # What stays of an earlier change of the same record is in its body too, so the earlier promise holds, unless a
        # run between the two has kept it.
        self.promised.by_tick -= {client, contact["clientId"]} & self.promised.read
        self._unpromise(entry)
        piano = self._any("pianos")["id"]
        self._admin.edit("pianos", piano, touch=self._moment(-2000, -1), notes="daté d'autrefois")
        if self._admin.settings()["dialect"] == "seed":
            # Its list is sorted by stamps: a tick stops at the watermark, and a stamp that was set back lies behind it.
            self._unpromise(piano)
            self.promised.by_nightly.add(piano)
        else:
            self._promise(piano)

    def _creates(self) -> None:
        client = self._admin.create("clients", companyName="Nouveau", status="ACTIVE", tags=["Neuf"])["id"]
        self._admin.create("contacts", clientId=client, firstName="Nouvelle", isDefault=True)
        piano = self._admin.create("pianos", clientId=client, make="Pleyel")["id"]
        visit = self._admin.create(
            "events", start=self._moment(-20, 300), clientId=client, type="APPOINTMENT", status="ACTIVE",
            pianos=[{"pianoId": piano, "isTuning": True}],
        )["id"]  # fmt: skip
        self._promise(client, piano, visit)

    def _deletes(self) -> None:
        for kind in self._draw.sample(["events", "timeline", "invoices", "contacts"], k=2):
            record = self._draw.choice([r for r in self._admin.dump(kind) if not _is_reference(r)])
            self._admin.delete(kind, record["id"])
            self._unpromise(record["id"])
            if kind == "invoices":
                self._promise(record["id"])

    def _deletes_a_client(self) -> None:
        clients = self._admin.dump("clients")
        if len(clients) <= LEAST_CLIENTS:
            return
        needed = {event["clientId"] for event in self._admin.dump("events") if _is_reference(event)}
        gone = self._draw.choice([client["id"] for client in clients if client["id"] not in needed])
        own = [r["id"] for kind in ("pianos", "events", "invoices", "timeline") for r in self._admin.dump(kind)
               if r.get("clientId") == gone]  # fmt: skip
        self._admin.delete("clients", gone)
        self._unpromise(*own)
        self._promise(gone)

    def _cancels(self) -> None:
        if visit := self._listed_visit():
            self._admin.edit("events", visit["id"], status="CANCELED")
            self._promise(visit["id"])

    def _moves(self) -> None:
        if visit := self._listed_visit():
            self._admin.edit("events", visit["id"], start=self._moment(-20, 300))
            self._promise(visit["id"])

    def _moves_to_a_clock_change(self) -> None:
        if visit := self._listed_visit():
            change = self._draw.choice(clock_changes(datetime.now(UTC).date()))
            start = change + timedelta(minutes=self._draw.choice([-61, -60, -31, -1, 0, 1, 29, 59, 60, 61]))
            self._admin.edit("events", visit["id"], start=start.strftime(ZULU), isAllDay=self._draw.random() < 0.1)
            self._promise(visit["id"])

    def _back_dates(self) -> None:
        client = self._any("clients")["id"]
        self._admin.create("timeline", occurredAt=self._moment(-2500, -1), clientId=client, summary="Antidaté")

    def _tags(self) -> None:
        for kind in ("clients", "pianos"):
            record = self._any(kind)
            self._admin.edit(kind, record["id"], tags=[*record["tags"][1:], f"là-bas {self._draw.randrange(100)}"])
            self._promise(record["id"])

    # ---- here

    def _tags_here(self) -> None:
        for kind in ("clients", "pianos"):
            external_id = self._any(kind)["id"]
            tag = f"ici {self._draw.randrange(1000)}"
            done = self._shop.query(
                f"UPDATE gazelle_{kind} SET tags = tags || ARRAY[%s] WHERE external_id = %s AND NOT is_stub "  # noqa: S608
                "AND deleted_at IS NULL RETURNING external_id", tag, external_id,
            )  # fmt: skip
            if done:
                self.added.setdefault(external_id, set()).add(tag)

    # ---- inside

    def _promise(self, *ids: str) -> None:
        self.promised.by_tick |= set(ids)
        self.promised.read -= set(ids)
        self.promised.by_nightly |= set(ids)

    def _unpromise(self, *ids: str) -> None:
        self.promised.by_tick -= set(ids)
        self.promised.by_nightly -= set(ids)

    def _any(self, kind: str) -> Record:
        return dict(self._draw.choice(self._admin.dump(kind)))

    def _listed_visit(self) -> Record | None:
        """A visit that a tick looks at."""
        now = datetime.now(UTC)
        first, last = ((now + timedelta(days=days)).strftime(ZULU) for days in (-20, 300))
        visits = [
            e for e in self._admin.dump("events")
            if first <= e["start"] <= last and e["status"] != "CANCELED" and not _is_reference(e)
        ]  # fmt: skip
        return self._draw.choice(visits) if visits else None

    def _moment(self, first: float, last: float) -> str:
        return (datetime.now(UTC) + timedelta(days=self._draw.uniform(first, last))).strftime(ZULU)


def _is_reference(event: Record) -> bool:
    return REFERENCE in (event.get("title") or "")


@cache
def clock_changes(today: date) -> list[datetime]:
    """The instants, among the days that a tick looks at, at which Montreal's clock is changed: found by looking."""
    first = datetime(today.year, today.month, today.day, tzinfo=UTC) - timedelta(days=25)
    hours = [first + timedelta(hours=n) for n in range(24 * 355)]
    offsets = [hour.astimezone(MONTREAL).utcoffset() for hour in hours]
    return [hour for hour, before, now in zip(hours[1:], offsets, offsets[1:], strict=False) if before != now]
