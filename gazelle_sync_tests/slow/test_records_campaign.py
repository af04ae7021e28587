"""A slice of the campaign over records that are made and end, and the proof that its judge sees what is not there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gazelle_sync.push.changes import Search
from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.campaign import CAMPAIGNS, quietly
from gazelle_sync_tests.faults.case import Result, run_case
from gazelle_sync_tests.faults.newcomers_editor import CLIENTS, PIANOS, VISITS, Made, NewcomersEditor, known_tables
from gazelle_sync_tests.faults.newcomers_kinds import RECORDS
from gazelle_sync_tests.faults.newcomers_oracle import after_quiet
from gazelle_sync_tests.faults.servers import Servers
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("a campaign: whole cases under faults, and damages that its judge has to see")

SLICE = ("deleted in doubt", "twins cut", "parent unanswered", "killed again and again", "undo killed")


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    with quietly():
        yield


def lived_through(servers: Servers, name: str, seed: int) -> Result:
    return run_case(seed, RECORDS[name], RECORDS, servers, CAMPAIGNS["records"].case)


@pytest.mark.parametrize("name", SLICE)
def test_a_case_of_the_campaign_ends_with_nothing_lost_and_nothing_doubled(servers: Servers, name: str) -> None:
    result = lived_through(servers, name, 7)
    print("\n".join(result.story))  # noqa: T201 - shown where the test fails
    assert result.crash == ""
    assert result.figures.examples == []


# ---- the judge


class Damaged:
    """A shop whose rows were all pushed."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.admin = shop, shop.admin
        self.office = EditedShop(shop)
        self.editor = NewcomersEditor(self.office, random.Random(1))  # noqa: S311 - reproducible, not secret
        self.editor.new_family()
        self.editor.new_family()
        self.push()
        self.editor.agree()

    def push(self) -> None:
        assert self.office.push().succeeded
        self.editor.look()

    def one(self, table: str, place: int = 0) -> Made:
        return [one for one in self.editor.made if one.table == table][place]

    def found(self) -> set[str]:
        return {figure for figure, _ in after_quiet(self.office, self.editor)}

    def again(self, table: str, kind: str) -> None:
        record = self.admin.record(kind, str(self.one(table).record)) or {}
        self.admin.create(kind, **{name: value for name, value in record.items() if name != "id"})

    def edit(self, table: str, kind: str, **values: Any) -> None:
        self.admin.edit(kind, str(self.one(table).record), **values)

    def mark(self, change: str) -> None:
        """Change a visit's row, and let its mark say nothing of it."""
        for columns in (change, "needs_sync = false"):
            self.shop.query(f"UPDATE {VISITS} SET {columns} WHERE id = %s", self.one(VISITS).id)  # noqa: S608


@pytest.fixture
def damaged(shop: Shop) -> Iterator[Damaged]:
    with known_tables(shop):
        yield Damaged(shop)


def _deleted_in_silence(damaged: Damaged) -> None:
    damaged.editor.delete(damaged.one(VISITS))
    damaged.shop.query("DELETE FROM push_state WHERE deleted_at IS NOT NULL")


def _gave_way(damaged: Damaged) -> None:
    """A name was changed on both sides, and a push writes over theirs without a word."""
    client = damaged.one(CLIENTS)
    ours = (damaged.admin.record("clients", str(client.record)) or {})["companyName"]
    damaged.editor.values.by_them.add(f"{client.word}là-bas")
    damaged.edit(CLIENTS, "clients", companyName=f"{client.word}là-bas")
    damaged.editor.look()
    damaged.edit(CLIENTS, "clients", companyName=ours)


def _title_gone(damaged: Damaged) -> None:
    damaged.editor.titles[str(damaged.one(VISITS).record)] = "Titre 9"


DAMAGES: dict[str, tuple[Callable[[Damaged], object], set[str]]] = {
    "a client was made twice": (lambda it: it.again(CLIENTS, "clients"), {f.DOUBLED}),
    "a piano was made twice": (lambda it: it.again(PIANOS, "pianos"), {f.DOUBLED}),
    "a visit was made twice": (lambda it: it.again(VISITS, "events"), {f.DOUBLED}),
    "a piano is gone": (lambda it: it.admin.delete("pianos", str(it.one(PIANOS).record)), {f.LOST, f.SILENT}),
    "a row names no record": (lambda it: it.mark("visit_external_id = NULL"), {f.LOST}),
    "a piano is another client's": (
        lambda it: it.edit(PIANOS, "pianos", clientId=it.one(CLIENTS, 1).record), {f.SILENT},
    ),
    "an edit was forgotten": (lambda it: it.mark("minutes = 77"), {f.SILENT}),
    "a visit was cancelled": (lambda it: it.edit(VISITS, "events", status="CANCELED"), {f.SILENT}),
    "a deleted row's visit goes on": (_deleted_in_silence, {f.SILENT}),
    "a deletion is due for ever": (lambda it: it.editor.delete(it.one(VISITS)), {f.UNSETTLED}),
    "a name gave way without a word": (_gave_way, {f.LOSERS_UNTOLD}),
    "a title is gone": (_title_gone, {f.TEXT_LOST}),
    "a row is due for ever": (lambda it: it.shop.query(f"UPDATE {VISITS} SET needs_sync = true"), {f.UNSETTLED}),  # noqa: S608
    "an action is in doubt for ever": (
        lambda it: it.shop.query("UPDATE sync_gazelle_logs SET status = 'in_doubt' WHERE action = 'create_piano'"),
        {f.UNSETTLED},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_the_judge_sees_a_damage_and_calls_it_by_its_name(damaged: Damaged, name: str) -> None:
    assert damaged.found() == set()
    damage, figures = DAMAGES[name]
    damage(damaged)
    assert damaged.found() == figures


def test_a_push_that_does_not_look_before_it_makes_again_is_caught(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Search, "arrived", lambda *_: None)
    found = [lived_through(servers, "parent unanswered", seed).figures.counts for seed in range(3)]
    assert any(counts[f.DOUBLED] for counts in found)
