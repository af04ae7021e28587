"""A slice of the push's fault campaign, and the proof that its judge would see what it says is not there."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gazelle_sync.push.changes import Search
from gazelle_sync.push.session import PushReport
from gazelle_sync_tests.faults import campaign
from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults.campaign import PUSH, Pipe, quietly, run
from gazelle_sync_tests.faults.case import Result, run_case
from gazelle_sync_tests.faults.push_case import PushCase
from gazelle_sync_tests.faults.push_context import PushContext
from gazelle_sync_tests.faults.push_editor import HERE, THERE, PushEditor
from gazelle_sync_tests.faults.push_oracle import after_quiet
from gazelle_sync_tests.faults.servers import Servers
from gazelle_sync_tests.support.pushing import TABLE, EditedShop
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("a campaign: whole cases under faults, and damages that its judge has to see")

SLICE = ("answer of a creation lost", "edited after the reading", "edited in doubt", "gone after a request",
         "killed again and again")  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    with quietly():
        yield


def lived_through(servers: Servers, name: str, seed: int) -> Result:
    return run_case(seed, PUSH[name], PUSH, servers, PushCase)


@pytest.mark.parametrize("name", SLICE)
def test_a_case_of_the_campaign_ends_with_nothing_lost_and_nothing_doubled(servers: Servers, name: str) -> None:
    result = lived_through(servers, name, 7)
    print("\n".join(result.story))  # noqa: T201 - shown where the test fails
    assert result.crash == ""
    assert result.figures.examples == []


def test_a_text_that_is_withdrawn_here_before_it_was_sent_does_not_give_way_to_gazelles(
    servers: Servers, shop: Shop
) -> None:
    office = EditedShop(shop)
    editor = PushEditor(office, random.Random(1))  # noqa: S311 - reproducible, not secret
    editor.pianos = editor.pianos[:1]
    (piano,) = editor.pianos
    for place in (1, 2):  # the second one is never sent
        office.edit(piano, observations=f"{HERE} {place}")
        editor.look()
        if place == 1:
            assert office.push().succeeded
            editor.look()
    notes = office.record(piano)["notes"].replace(f"{HERE} 1", f"{THERE} 1")
    shop.admin.edit("pianos", piano, notes=notes, touch="2099-01-01T00:00:00Z")  # the later edit
    editor.look()
    PUSH["empty row"].strike(PushContext(servers, shop, office, editor, random.Random(1)))  # noqa: S311
    editor.look()
    assert office.row(piano)["observations"] == f"{THERE} 1"
    assert list(after_quiet(office, editor)) == []


# ---- the judge


class Damaged:
    """A shop whose rows were all pushed, and a piano to which something happens."""

    def __init__(self, shop: Shop, service: str = "comment") -> None:
        self.shop, self.admin = shop, shop.admin
        self.office = EditedShop(shop, "graphql", service)
        self.editor = PushEditor(self.office, random.Random(1))  # noqa: S311 - reproducible, not secret
        self.piano, self.other = self.editor.pianos[:2]
        self.write("note 1", travail="travail 1", observations=f"{HERE} 1", status="top", a_faire="Ne pas le dire 1",
                   completed_at="2026-07-01T13:00:00Z")  # fmt: skip
        self.editor.secrets.add("Ne pas le dire 1")
        self.editor.readings[self.piano, "note, 21°C 440 Hz"] = 21, 440
        self.push()
        self.write("note, 21°C 440 Hz")
        self.push()

    def write(self, note: str, **values: str) -> None:
        self.office.edit(self.piano, notes=note, **values)
        self.editor.said[self.piano] |= {note, *filter(None, [values.get("travail")])}
        self.editor.look()

    def push(self) -> None:
        assert self.office.push().succeeded
        self.editor.look()

    def found(self) -> set[str]:
        return {figure for figure, _ in after_quiet(self.office, self.editor)}

    def entry(self, text: str) -> str:
        (entry,) = [e for e in self.admin.dump("timeline") if e.get("pianoId") == self.piano and e["comment"] == text]
        return str(entry["id"])

    def at_gazelle(self, **values: Any) -> None:
        self.admin.edit("pianos", self.piano, **values)

    def comment(self, text: str) -> None:
        client = self.office.record(self.piano)["clientId"]
        self.admin.create("timeline", pianoId=self.piano, clientId=client, comment=text)

    def set_here(self, change: str) -> None:
        """Change the row, and let its mark say nothing of it."""
        for columns in (change, "needs_sync = false"):
            self.shop.query(f"UPDATE {TABLE} SET {columns} WHERE gazelle_id = '{self.piano}'")  # noqa: S608

    def notes(self) -> str:
        return str(self.office.record(self.piano)["notes"])


@pytest.fixture
def damaged(shop: Shop) -> Damaged:
    return Damaged(shop)


def _gave_way(damaged: Damaged) -> None:
    """Somebody at Gazelle writes into the block, and a push writes over it without a word."""
    (ours,) = {line for line in damaged.notes().split("\n") if line.startswith(HERE)}
    damaged.at_gazelle(notes=damaged.notes().replace(ours, f"{THERE} 9"))
    damaged.editor.look()
    damaged.at_gazelle(notes=damaged.notes().replace(f"{THERE} 9", ours))
    damaged.editor.look()


def _measured_again(damaged: Damaged) -> None:
    damaged.admin.create("measurements", pianoId=damaged.piano, temperature=21, a4Pitch=440)


def _unmeasured(damaged: Damaged) -> None:
    for one in damaged.admin.dump("measurements"):
        if one["pianoId"] == damaged.piano and (one["temperature"], one["a4Pitch"]) == (21, 440):
            damaged.admin.delete("measurements", one["id"])


def _gone(damaged: Damaged) -> None:
    damaged.admin.delete("pianos", damaged.piano)
    damaged.editor.gone.add(damaged.piano)
    damaged.set_here("notes = 'venu trop tard'")


def _others_comment_gone(damaged: Damaged) -> None:
    damaged.comment("d'ailleurs")
    damaged.editor.foreign[damaged.piano]["d'ailleurs"] += 1
    assert damaged.found() == set()
    damaged.admin.delete("timeline", damaged.entry("d'ailleurs"))


DAMAGES: dict[str, tuple[Callable[[Damaged], object], set[str]]] = {
    "a note is gone": (lambda it: it.admin.delete("timeline", it.entry("note, 21°C 440 Hz")),
                       {f.COMMENTS_LOST, f.SILENT}),
    "an older note is gone": (lambda it: it.admin.delete("timeline", it.entry("note 1")), {f.COMMENTS_LOST}),
    "a service is gone": (lambda it: it.admin.delete("timeline", it.entry("travail 1")), {f.COMMENTS_LOST, f.SILENT}),
    "a measurement is gone": (_unmeasured, {f.COMMENTS_LOST, f.SILENT}),
    "a note stands twice": (lambda it: it.comment("note 1"), {f.COMMENTS_DOUBLED}),
    "a measurement stands twice": (_measured_again, {f.COMMENTS_DOUBLED}),
    "a tag of others is gone": (lambda it: it.at_gazelle(tags=["TOP"]), {f.TAGS_LOST}),
    "a tag that was taken away is back": (lambda it: it.at_gazelle(tags=["GRAND", "ANCIEN", "TOP"]), {f.TAGS_LOST}),
    "all tags are gone": (lambda it: it.at_gazelle(tags=[]), {f.TAGS_LOST, f.SILENT}),
    "the status is not at Gazelle": (lambda it: it.at_gazelle(tags=["GRAND", "NORMAL"]), {f.SILENT}),
    "the status stands beside another": (lambda it: it.at_gazelle(tags=["GRAND", "TOP", "NORMAL"]),
                                         {f.SILENT, f.TWO_STATES}),
    "text of others is gone": (lambda it: it.at_gazelle(notes=it.notes().replace("Clé", "")), {f.TEXT_LOST}),
    "text of others stands twice": (lambda it: it.at_gazelle(notes=f"Clé\n{it.notes()}"), {f.TEXT_LOST}),
    "a comment of others is gone": (_others_comment_gone, {f.TEXT_LOST}),
    "our block is gone": (lambda it: it.at_gazelle(notes="Clé"), {f.SILENT}),
    "the day of the work is not at Gazelle": (lambda it: it.at_gazelle(manualLastService="2026-06-30"), {f.SILENT}),
    "a block gave way without a word": (_gave_way, {f.LOSERS_UNTOLD}),
    "a status gave way without a word": (lambda it: it.editor.clashes.update({it.piano: ("top", "normal")}),
                                         {f.LOSERS_UNTOLD}),
    "an edit was forgotten": (lambda it: it.set_here("notes = 'oublié'"), {f.COMMENTS_LOST, f.SILENT}),
    "a secret left the shop": (lambda it: it.comment("Ne pas le dire 1"), {f.TOLD}),
    "somebody speaks in our name": (lambda it: it.comment("que personne n'a écrit"), {f.TOLD}),
    "a row is due for ever": (lambda it: it.shop.query(f"UPDATE {TABLE} SET needs_sync = true"), {f.UNSETTLED}),  # noqa: S608
    "a row is in error for ever": (lambda it: it.set_here("sync_error = 'non'"), {f.UNSETTLED}),
    "an action is in doubt for ever": (
        lambda it: it.shop.query("UPDATE sync_gazelle_logs SET status = 'in_doubt' WHERE action = 'update_tags'"),
        {f.UNSETTLED},
    ),
    "a row of a piano that is gone says that it arrived": (_gone, {f.SILENT}),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_the_judge_sees_a_damage_and_calls_it_by_its_name(damaged: Damaged, name: str) -> None:
    assert damaged.found() == set()
    damage, figures = DAMAGES[name]
    damage(damaged)
    assert damaged.found() == figures


def test_the_judge_sees_that_work_became_two_visits(shop: Shop) -> None:
    damaged = Damaged(shop, "event")
    assert damaged.found() == set()
    (visit,) = [event for event in damaged.admin.dump("events") if "gazelle_sync" in (event.get("notes") or "")]
    damaged.admin.create("events", **{name: value for name, value in visit.items() if name != "id"})
    assert damaged.found() == {f.COMMENTS_DOUBLED}


def test_a_push_that_does_not_look_before_it_sends_again_is_caught(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Search, "arrived", lambda *_: None)
    found = [lived_through(servers, "answer of a creation lost", seed).figures.counts for seed in range(3)]
    assert any(counts[f.COMMENTS_DOUBLED] for counts in found)


def test_a_push_that_hides_a_failure_is_an_alert_missing(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PushReport, "succeeded", property(lambda _: True))
    found = [lived_through(servers, "unknown status", seed).figures.counts for seed in range(2)]
    assert any(counts[f.ALERTS] for counts in found)


def test_a_push_that_complains_of_nothing_is_a_false_alarm(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PushReport, "succeeded", property(lambda _: False))
    assert lived_through(servers, "slow drip", 1).figures.counts[f.FALSE_ALARMS]


# ---- the campaign


def dies(name: str, orders: Pipe, home: Path) -> None:
    """A worker that is killed in its second case, while something that it started holds its pipe and a lock."""
    os.setpgrp()
    orders.send(None)
    while (job := orders.recv()) is not None:
        seed, left = job[0], Path(job[1])
        if seed == 1:
            with left.open("w") as lock:
                lock.write(str(home))
                lock.flush()
                fcntl.flock(lock, fcntl.LOCK_EX)
                if os.fork() == 0:
                    time.sleep(600)
                os.kill(os.getpid(), signal.SIGKILL)
        orders.send(Result(*job))


def test_a_worker_that_is_killed_fails_its_case_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "LOOK_EVERY_S", 0.2)
    left = tmp_path / "left"
    tally = run("push", [(seed, str(left)) for seed in range(4)], workers=1, work=dies)
    assert [(result.seed, result.crash) for result in tally.results] == [
        (0, ""), (1, "the worker died in this case\n"), (2, ""), (3, ""),
    ]  # fmt: skip
    with left.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it any more
        assert not Path(lock.read()).exists()


def test_a_worker_that_cannot_begin_is_no_endless_campaign() -> None:
    with pytest.raises(RuntimeError, match="could not begin"):
        run("push", [(0, "503")], workers=1, work=cannot_begin)


def cannot_begin(*_: object) -> None:
    """A worker without a ground."""
    os._exit(1)
