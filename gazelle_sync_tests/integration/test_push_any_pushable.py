"""Random lives of a random pushable beside the shop's own: after quiet both sides agree, and what gave way is told."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync_tests.support.creating import add_pushables, random_pushable
from gazelle_sync_tests.support.lanes import one_here
from gazelle_sync_tests.support.pushed import COLUMNS, Column, Side
from gazelle_sync_tests.support.pushing import EditedShop, HookPush, killed_at, once
from gazelle_sync_tests.support.shop import Record

FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("close_after", {}), ("reset", {}), ("truncated", {}), ("html_200", {}), ("status", {"code": 503}),
    ("status", {"code": 429, "retry_after": 0}), ("graphql_errors", {}), ("mutation_errors", {}),
    ("too_many_fields", {"max": 3}), ("too_many_fields", {"max": 2, "code": 413}), ("alias_refused", {}),
    ("alias_null", {"done": True}), ("alias_null", {"done": False}), ("half_done", {}), ("first_half", {}),
]  # fmt: skip
Cell = tuple[str, str]
"""A record and a column."""


class Life:
    """Some records of several pushables, the people on both sides, and what they said."""

    def __init__(self, office: EditedShop, hook_push: HookPush, columns: list[Column], seed: int) -> None:
        self.office, self.admin = office, office.shop.admin
        self._hook_push = hook_push
        self._draw = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._count = 0
        self.sides = [Side(office, column) for column in columns]
        self.records: dict[str, list[str]] = {}
        self.here: dict[Cell, list[str]] = defaultdict(list)
        self.there: dict[Cell, list[str]] = defaultdict(list)
        self.by_us: set[str] = set()
        self.by_them: set[str] = set()
        self.story: list[str] = []
        for side in self.sides:
            table = side.column.pushable.table
            self.records[table] = self.records.get(table) or side.records(2)
            for record in self.records[table]:
                side.say(record, self._new(side))
                side.edit(record, self._new(side))
        self.admin.settings(clock_skew_s=2)
        assert self.office.push().succeeded, "both sides agree, to begin with"

    def live(self, steps: int) -> None:
        """Some deeds."""
        deeds: list[Callable[[Side, str], object]] = [
            self._local, self._local, self._local, self._at_gazelle, self._at_gazelle, self._push, self._push,
            self._pull, self._fault, self._fault, self._killed, self._heals, self._edit_during_push,
        ]  # fmt: skip
        for _ in range(steps):
            side = self._draw.choice(self.sides)
            record = self._draw.choice(self.records[side.column.pushable.table])
            deed = self._draw.choice(deeds)
            self.story.append(f"{deed.__name__.strip('_')} {record[-4:]} {side.column}")
            deed(side, record)
            self.look()

    def quiet(self) -> None:
        """Nothing goes wrong any more."""
        self._hook_push(before_send=lambda *_: None)
        self.admin.clear_faults()
        for _ in range(6):
            self.admin.settings(clock_skew_s=self.admin.settings()["clock_skew_s"] + 2)
            self.office.shop.sync(only=["users", "products", "clients", "pianos", "invoices"])
            self.office.let_doubts_pass()
            report = self.office.push()
            self.look()
            if report.succeeded and not any(outcome.sent or outcome.followed for outcome in report.outcomes):
                return

    def cells(self) -> list[tuple[Side, str]]:
        """Every column of every record."""
        return [(side, record) for side in self.sides for record in self.records[side.column.pushable.table]]

    def others(self) -> dict[str, Any]:
        """Of each record, something that no pushable here writes."""
        return {record: self._other(side.column.kind, side.record(record)) for side, record in self.cells()}

    def _other(self, kind: str, record: Record) -> Any:
        if kind == "products":
            return {**record["name"], "fr_CA": None}
        if kind == "invoices":
            return {**record, "notes": None, "updatedAt": None}
        return record.get("notes"), record.get("serialNumber")

    def look(self) -> None:
        """Take down what both sides hold now."""
        for side, record in self.cells():
            cell = record, side.column.name
            for value, seen in ((side.local(record), self.here), (side.said(record), self.there)):
                if seen[cell][-1:] != [str(value)]:
                    seen[cell].append(str(value))

    def untold(self) -> list[str]:
        """What gave way to the other side's value, without the other side ever having seen it or being told."""
        conflicts = self.office.conflicts()
        told = {value for conflict in conflicts for value in (conflict["ours"], conflict["theirs"])}
        found = []
        for side, record in self.cells():
            here, there = self.here[record, side.column.name], self.there[record, side.column.name]
            for mine, others, ours, theirs in (
                (here, there, self.by_us, self.by_them), (there, here, self.by_them, self.by_us),
            ):  # fmt: skip
                found += [
                    f"{record} {side.column}: {value} gave way to {after}"
                    for value, after in itertools.pairwise(mine)
                    if value in ours and after in theirs and value not in (*others, *told)
                ]
        return found

    def _new(self, side: Side) -> Any:
        self._count += 1
        if side.column.name == "status":
            return self._draw.choice(side.column.values)
        return Decimal(f"{self._count}.50") if side.column.name == "retail_price" else f"mot {self._count}"

    # ---- deeds

    def _local(self, side: Side, record: str) -> None:
        value = self._new(side)
        self.by_us |= set() if side.column.name == "status" else {str(value)}
        side.edit(record, value)

    def _at_gazelle(self, side: Side, record: str) -> None:
        value = self._new(side)
        self.by_them |= set() if side.column.name == "status" else {str(value)}
        side.say(record, value)

    def _edit_during_push(self, side: Side, record: str) -> None:
        # Over REST no answer says what a write replaced: there, an edit at Gazelle in that moment cannot be seen.
        deed = self._draw.choice([self._local, self._at_gazelle]) if self.office.transport == "graphql" else self._local

        def edit() -> None:
            deed(side, record)
            self.look()

        self._hook_push(before_send=once(edit))
        self._push(side, record)
        self._hook_push(before_send=lambda *_: None)

    def _pull(self, *_: object) -> None:
        with suppress(GazelleSyncError):
            self.office.shop.sync(check=False, only=["users", "products", "clients", "pianos", "invoices"])

    def _push(self, *_: object) -> None:
        self.office.push(at_once=self._draw.random() < 0.8)

    def _killed(self, *_: object) -> None:
        killed_at(self.office, self._draw.randint(1, 30))

    def _fault(self, *_: object) -> None:
        kind, options = self._draw.choice(FAULTS)
        self.story[-1] += f" ({kind} {options})"
        self.admin.fault(
            kind, times=self._draw.randint(1, 4), probability=0.4, seed=self._draw.randrange(99), **options
        )

    def _heals(self, *_: object) -> None:
        self.admin.clear_faults()


@pytest.mark.parametrize("seed", one_here(range(4), "more lives, as in a campaign"))
def test_after_any_life_of_any_pushable_both_sides_agree_and_what_gave_way_is_told(
    office: EditedShop, hook_push: HookPush, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    seed = seed * 2 + (office.transport == "rest")
    columns = random_pushable(random.Random(seed))  # noqa: S311 - reproducible, not secret
    add_pushables(office.shop, monkeypatch, columns[0].pushable)
    # Whatever the pushable: other pianos than those of the shop's own table.
    life = Life(office, hook_push, [*(replace(one, fields=lambda _: {}) for one in columns), *COLUMNS], seed)
    before = life.others()
    life.live(25)
    life.quiet()
    print("\n".join(life.story))  # noqa: T201 - shown where the test fails
    for side, record in life.cells():
        side.assert_clean(record)
    assert life.untold() == []
    assert not [row for row in office.log() if row[1] == "in_doubt"]
    assert life.others() == before, "what nobody declared is left alone"
