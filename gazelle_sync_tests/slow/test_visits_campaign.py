"""A slice of the campaign over visits, and the proof that its judge sees what is not there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.campaign import CAMPAIGNS, quietly
from gazelle_sync_tests.faults.case import run_case
from gazelle_sync_tests.faults.servers import Servers
from gazelle_sync_tests.faults.visits_editor import VisitsEditor
from gazelle_sync_tests.faults.visits_kinds import VISIT_KINDS
from gazelle_sync_tests.faults.visits_oracle import after_quiet
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Record, Shop

pytestmark = pytest.mark.slow("a campaign: whole cases under faults, and damages that its judge has to see")

SLICE = ("joint visit cut", "deleted in doubt", "future cancelled", "killed with changes")


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    with quietly():
        yield


@pytest.mark.parametrize("name", SLICE)
def test_a_case_of_the_campaign_ends_with_nothing_lost_and_nothing_doubled(servers: Servers, name: str) -> None:
    result = run_case(7, VISIT_KINDS[name], VISIT_KINDS, servers, CAMPAIGNS["visits"].case)
    print("\n".join(result.story))  # noqa: T201 - shown where the test fails
    assert result.crash == ""
    assert result.figures.examples == []


class Damaged:
    """A shop with a visit, a joint one, and one that was moved, all pushed and pulled."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.admin = shop, shop.admin
        self.office = EditedShop(shop)
        self.editor = VisitsEditor(self.office, random.Random(1))  # noqa: S311 - reproducible, not secret
        self.visit, self.joint, self.moved = self.editor.plan(1), self.editor.plan(2), self.editor.plan(1)
        assert self.office.push().succeeded
        self.editor.look()
        self.editor.ask(self.moved, "move")
        assert self.office.push().succeeded
        self.editor.look()

    @property
    def record(self) -> Record:
        (found,) = self.editor.events_of(self.visit)
        return found

    def edit(self, **values: Any) -> None:
        self.admin.edit("events", self.record["id"], **values)

    def found(self) -> set[str]:
        self.admin.settings(clock_skew_s=self.admin.settings()["clock_skew_s"] + 2)  # so that stamps are settled
        self.shop.sync(Mode.DEEP, only=self.editor.pulled)
        found = list(after_quiet(self.office, self.editor))
        print(*found, sep="\n")  # noqa: T201 - shown where the test fails
        return {figure for figure, _ in found}


@pytest.fixture
def damaged(shop: Shop) -> Damaged:
    return Damaged(shop)


def _made_again(damaged: Damaged) -> None:
    damaged.admin.create("events", **{name: value for name, value in damaged.record.items() if name != "id"})


def _half_cancelled(damaged: Damaged) -> None:
    damaged.admin.edit("events", damaged.editor.event_ids(damaged.joint)[0], status="CANCELED")


def _mailed(damaged: Damaged) -> None:
    damaged.admin.create("timeline", type="CONTACT_EMAIL_AUTOMATED", appointmentId=damaged.record["id"])


def _confirmed_no_more(damaged: Damaged) -> None:
    damaged.edit(confirmedAt="2026-06-01T12:00:00Z")
    damaged.editor.look()
    damaged.edit(confirmedAt=None)


def _written_over(damaged: Damaged) -> None:
    damaged.editor.foreign[damaged.record["id"]] = {"buffer": 25}
    damaged.edit(buffer=0)


def _sent_again(damaged: Damaged) -> None:
    damaged.shop.query("UPDATE appointment_drafts SET status = 'ready' WHERE action = 'move'")


DAMAGES: dict[str, tuple[Callable[[Damaged], object], set[str]]] = {
    "a visit was made twice": (_made_again, {f.VISITS_DOUBLED}),
    "a visit is gone": (
        lambda it: it.admin.delete("events", it.record["id"]), {f.VISITS_LOST, f.SILENT},
    ),
    "half of a joint visit was cancelled": (_half_cancelled, {f.HALVES, f.SILENT, f.TOLD}),
    "a visit was given to another": (
        lambda it: it.edit(userId=it.admin.dump("users")[-1]["id"]), {f.VISITS_DOUBLED, f.SILENT},
    ),
    "a visit is not confirmed any more": (_confirmed_no_more, {f.WENT_BACK}),
    "a change that has gone is to be sent again": (_sent_again, {f.WENT_BACK, f.UNSETTLED}),
    "the client got a mail": (_mailed, {f.CLIENTS_TOLD}),
    "what Gazelle said of a visit was written over": (_written_over, {f.TEXT_LOST}),
    "a draft waits for ever": (
        lambda it: it.shop.query("UPDATE appointment_drafts SET sync_error = 'non' WHERE action = 'create'"),
        {f.UNSETTLED},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_the_judge_sees_a_damage_and_calls_it_by_its_name(damaged: Damaged, name: str) -> None:
    assert damaged.found() == set()
    damage, figures = DAMAGES[name]
    damage(damaged)
    assert damaged.found() == figures
