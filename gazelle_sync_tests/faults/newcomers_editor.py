"""People who write down what is new (clients, their pianos, visits), change it, and delete it again.

The tables are the tests' own (`support/creating.py`): a client's and a piano's record stays at Gazelle when its row is
deleted, a visit's is cancelled. What a row says begins with a word that no other row's has, so that what was made of it
is known wherever it is found.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gazelle_sync_tests.faults.push_values import Values
from gazelle_sync_tests.support.creating import add_creating
from gazelle_sync_tests.support.newcomers import TABLES, Newcomers
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record, Row, Shop

CLIENTS, PIANOS, VISITS = TABLES
KINDS = {CLIENTS: "clients", PIANOS: "pianos", VISITS: "events"}
NAMES = {CLIENTS: "client_external_id", PIANOS: "piano_external_id", VISITS: "visit_external_id"}
"""Table → its column that names the record."""
WORDS = {CLIENTS: "companyName", PIANOS: "make", VISITS: "notes"}
"""Table → the record's field that holds the word."""
SAID = {CLIENTS: ("company_name",), PIANOS: ("make",), VISITS: ("minutes", "notes", "start_at")}
HELD = {"company_name": "companyName", "make": "make", "minutes": "duration", "notes": "notes", "start_at": "start"}
ENDING = "deleted_at IS NOT NULL AND external_id IS NOT NULL"
FIRST_DAY = datetime(2027, 3, 1, 13, tzinfo=UTC)


@contextmanager
def known_tables(shop: Shop) -> Iterator[None]:
    """The push knows the three tables for the length of a case."""
    with pytest.MonkeyPatch.context() as patch:
        add_creating(shop, patch)
        yield


@dataclass
class Made:
    """A row that somebody made.

    Attributes:
        table: Which.
        id: Its key.
        word: How what it says begins.
        parent: The client's row.
        record: Its record, as far as a row ever named one.
        is_deleted: Whether the row was deleted here.
    """

    table: str
    id: int
    word: str
    parent: Made | None = None
    record: str | None = None
    is_deleted: bool = False


class NewcomersEditor:
    """See the module and `Editor`.

    Attributes:
        made: Every row that there ever was.
        values: What both sides held.
        titles: Visit → the title that somebody gave it at Gazelle.
    """

    pulled: tuple[str, ...] = ("clients", "pianos", "appointments")
    tables: tuple[str, ...] = TABLES
    creates: tuple[str, ...] = ("createClient(", "createPiano(", "createEvent(")
    writes: tuple[str, ...] = ("updateClient(", "updatePiano(", "updateEvent(", "cancelEvent(")

    def __init__(self, office: EditedShop, draw: random.Random) -> None:
        self._here = Newcomers(office)
        self._shop, self._admin, self._draw = office.shop, office.shop.admin, draw
        self._count = 0
        self._one_at_a_time = threading.RLock()
        self.made: list[Made] = []
        self.values = Values()
        self.titles: dict[str, str] = {}
        self.gone: set[str] = set()
        self._agreed: set[tuple[str, int, str]] = set()

    @property
    def in_trouble(self) -> bool:
        """See `Editor`."""
        return False

    def knows(self, record: str) -> bool:
        """See `Editor`: whatever these tables' push reads is theirs."""
        return True

    # ---- what there is

    def rows(self, table: str) -> dict[int, Row]:
        """The rows of a table by their keys."""
        return {row["id"]: row for row in self._shop.rows(table)}

    def records(self, table: str) -> dict[str, Record]:
        """Gazelle's records of that kind by id, read from the sandbox itself."""
        return {record["id"]: record for record in self._admin.dump(KINDS[table])}

    def living(self, *tables: str) -> list[Made]:
        """Rows that there are."""
        return [one for one in self.made if one.table in tables and not one.is_deleted]

    def due(self) -> list[str]:
        """See `Editor`: also the ends of records whose rows were deleted."""
        due = [f"{table} {row['id']}" for table in TABLES for row in self._shop.rows(table, "needs_sync")]
        return due + [str(row["local_id"]) for row in self._shop.rows("push_state", ENDING)]

    def look(self) -> None:
        """See `Editor`."""
        with self._one_at_a_time:
            for table in TABLES:
                rows, records = self.rows(table), self.records(table)
                for one in self.made:
                    if one.table == table and one.record not in self.gone:
                        self._look(one, rows.get(one.id), records)

    def _look(self, one: Made, row: Row | None, records: dict[str, Record]) -> None:
        one.record = row[NAMES[one.table]] if row else one.record
        record = records.get(one.record or "")
        for column in SAID[one.table]:
            ours = said(row[column]) if row else None
            theirs = said(record[HELD[column]]) if record else None
            self.values.look(((one.table, one.id), column), ours, theirs)

    # ---- here

    def begin(self) -> None:
        """See `Editor`."""
        for _ in range(self._draw.randint(1, 2)):
            client = self._new_client()
            for _ in range(self._draw.randint(0, 2)):
                self._new_piano(client)
            for _ in range(self._draw.randint(1, 2)):
                self._new_visit(client)
        self.look()

    def go_on(self) -> None:
        """See `Editor`."""
        if self._draw.random() < 0.4:
            self.edit_both()
        self.edit_here()
        self._new_visit(self._a_client())
        if self._draw.random() < 0.5:
            self.delete_visit()

    def work(self, deeds: int) -> list[str]:
        """See `Editor`."""
        draw = self._draw
        choice = (
            self.edit_here, self.edit_here, self.edit_there, self._piano_here, self._visit_here, self.delete_visit,
            self._delete_other,
        )  # fmt: skip
        done = draw.choices(choice, k=deeds)
        for deed in done:
            deed()
        return [deed.__name__.strip("_") for deed in done]

    def edit_here(self, record: str = "") -> None:
        """See `Editor`."""
        with self._one_at_a_time:
            living = self.living(*TABLES)
            one = next((it for it in living if record and it.record == record), None) or self._draw.choice(living)
            self.say(one)
            self.look()

    def edit_every(self) -> None:
        """See `Editor`."""
        for one in self.living(*TABLES):
            self.say(one)
        self.look()

    def delete_visit(self) -> None:
        """Somebody deletes a visit here: it is cancelled at Gazelle."""
        with self._one_at_a_time:
            if len(visits := self.living(VISITS)) > 1:
                self.delete(self._draw.choice(visits))

    def delete_every_visit(self) -> None:
        """Somebody deletes all visits here."""
        for one in self.living(VISITS):
            self.delete(one)

    def _delete_other(self) -> None:
        """Somebody deletes a piano or a client without any here: Gazelle keeps the record."""
        with self._one_at_a_time:
            named = [one.parent for one in self.living(PIANOS, VISITS)]
            free = [one for one in self.living(PIANOS, CLIENTS) if one not in named]
            if len(self.living(CLIENTS)) > 1 or (free and free[0].table == PIANOS):
                self.delete(self._draw.choice(free)) if free else None

    def delete(self, one: Made) -> None:
        """Somebody deletes a row."""
        self.look()
        self._shop.query(f"DELETE FROM {one.table} WHERE id = %s", one.id)  # noqa: S608
        one.is_deleted = True

    def say(self, one: Made) -> None:
        """Somebody edits a row."""
        values = {name: self._value(one, name, self.values.by_us) for name in self._some(SAID[one.table])}
        sets = ", ".join(f"{name} = %s" for name in values)
        self._shop.query(f"UPDATE {one.table} SET {sets} WHERE id = %s", *values.values(), one.id)  # noqa: S608

    def _some(self, names: tuple[str, ...]) -> list[str]:
        return self._draw.sample(names, self._draw.randint(1, len(names)))

    def _value(self, one: Made, column: str, made: set[str], mark: str = "") -> Any:
        self._count += 1
        value: Any = f"{one.word}{self._count}{mark}"
        if column == "minutes":
            value = 200 + self._count
        if column == "start_at":
            value = FIRST_DAY + timedelta(hours=self._count)
        made.add(said(value) or "")
        return value

    def answer(self) -> None:
        """Of rows whose client's record was taken back: the client is wanted after all, or the row is deleted."""
        for one in self.living(PIANOS, VISITS):
            reason = self.rows(one.table)[one.id]["sync_error"]
            if one.parent is not None and "was taken back" in (reason or ""):
                self.say(one.parent) if self._draw.random() < 0.5 else self.delete(one)

    def _a_client(self) -> Made:
        client = self._draw.choice(self.living(CLIENTS))
        row = self.rows(CLIENTS)[client.id]
        if row["client_external_id"] is None and not row["needs_sync"]:
            self.say(client)  # an undo took its record back: it makes another one once somebody edits it
        return client

    def _new(self, table: str, parent: Made | None) -> Made:
        self._count += 1
        one = Made(table, 0, f"Neuf {self._count}/", parent)
        self.made.append(one)
        return one

    def _new_client(self) -> Made:
        one = self._new(CLIENTS, None)
        one.id = self._here.client(self._value(one, "company_name", self.values.by_us))
        return one

    def _new_piano(self, client: Made) -> None:
        one = self._new(PIANOS, client)
        one.id = self._here.piano(client.id, self._value(one, "make", self.values.by_us))

    def _new_visit(self, client: Made) -> None:
        one = self._new(VISITS, client)
        values = {name: self._value(one, name, self.values.by_us) for name in SAID[VISITS]}
        one.id = self._here.visit(client.id, values.pop("minutes"), **values)

    def new_family(self) -> Made:
        """A client with a piano and a visit, all of them new; gives the client's row."""
        client = self._new_client()
        self._new_piano(client)
        self._new_visit(client)
        self.look()
        return client

    def new_twins(self) -> None:
        """New clients of the same name."""
        one = self._new_client()
        name = self.rows(CLIENTS)[one.id]["company_name"]
        self.made += [Made(CLIENTS, self._here.client(name), one.word) for _ in range(2)]

    def _piano_here(self) -> None:
        self._new_piano(self._a_client())

    def _visit_here(self) -> None:
        self._new_visit(self._a_client())

    # ---- at Gazelle

    def edit_there(self, record: str = "") -> None:
        """See `Editor`. A visit is replaced as a whole: an edit of it in the middle of a push cannot be seen."""
        with self._one_at_a_time:
            tables = (CLIENTS, PIANOS) if record else TABLES
            named = [one for one in self.living(*tables) if one.record and one.record not in self.gone]
            named = [one for one in named if record in ("", one.record)]
            named = [one for one in named if one.record in self.records(one.table)]  # an undo may just have ended it
            if named:
                self.look()  # they see what they write over: perhaps a push has just brought it
                self._say_there(self._draw.choice(named))
                self.look()

    def edit_all_there(self, record: str) -> None:
        """See `Editor`."""
        self.edit_there(record)

    def edit_both(self) -> None:
        """The same is changed here and at Gazelle, before either side has heard of the other."""
        named = [one for one in self.living(*TABLES) if one.record and one.record not in self.gone]
        for one in named[:2]:
            self.say(one)
            self.look()
            self._say_there(one)
        self.look()

    def delete_there(self) -> Made | None:
        """Somebody deletes a visit at Gazelle."""
        found = [one for one in self.living(VISITS) if one.record and one.record in self.records(VISITS)]
        if not found:
            return None
        one = self._draw.choice(found)
        self.gone.add(str(one.record))
        self._admin.delete("events", str(one.record))
        return one

    def _say_there(self, one: Made) -> None:
        agreed = (one.table, one.id)
        values: Record = {}
        for name in self._some(SAID[one.table]):
            makers = self.values.by_them if (*agreed, name) in self._agreed else set[str]()
            value = self._value(one, name, makers, " là-bas")
            values[HELD[name]] = said(value) if name == "start_at" else value
        if one.table == VISITS:
            self._count += 1
            self.titles[str(one.record)] = values["title"] = f"Titre {self._count}"
        self._admin.edit(KINDS[one.table], str(one.record), **values)

    # ---- clashes

    def agree(self) -> None:
        """See `Editor`: what is changed from here on, on both sides, clashes."""
        self._agreed = set()
        for table in TABLES:
            rows, records = self.rows(table), self.records(table)
            for one in self.living(table):
                row, record = rows[one.id], records.get(one.record or "")
                if record is None or row["needs_sync"]:
                    continue
                self._agreed |= {
                    (table, one.id, name) for name in SAID[table] if said(row[name]) == said(record[HELD[name]])
                }

    def settle(self) -> None:
        """See `Editor`: whatever clashes, at any time, is told."""


def said(value: Any) -> str | None:
    """A value of a row or of a record, as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return None if value is None else str(value)
