"""`push --undo`: puts back what nobody has changed since, whatever gets in between; on both transports."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.push.block import Marks, read_block
from gazelle_sync.push.render import render_report
from gazelle_sync_tests.support.lanes import one_here
from gazelle_sync_tests.support.pushing import EditedShop, HookPush, killed_at, once
from gazelle_sync_tests.support.shop import Shop

STATUS = {"top": "TOP", "normal": "NORMAL", "problematic": "PROBLEMATIQUE", "needs_replacement": "A_REMPLACER"}
DONE_AT = datetime(2026, 7, 1, 16, tzinfo=UTC)


def block_of(office: EditedShop, piano: str) -> str | None:
    found = read_block(office.record(piano)["notes"], Marks.of("observations", piano))
    return found.says if found else None


def state_of(office: EditedShop, piano: str) -> dict[str, Any]:
    """Everything about a piano that a push or an undo may change, on both sides."""
    record, row = office.record(piano), office.row(piano)
    return {
        "tags": sorted(record["tags"]), "notes": record["notes"] or "", "served": record["manualLastService"],
        "comments": sorted(office.comments(piano)), "measured": len(office.measurements(piano)),
        **{name: row[name] for name in ("status", "observations", "notes", "travail", "completed_at", "needs_sync")},
    }  # fmt: skip


def assert_true(office: EditedShop, piano: str) -> None:
    """A row that says "nothing to send" says what Gazelle has."""
    row, record = office.row(piano), office.record(piano)
    mine = [tag for tag in record["tags"] if tag in STATUS.values()]
    assert len(mine) < 2, mine
    assert not [entry for entry in office.log(piano) if entry[1] == "in_doubt"]
    if row["needs_sync"]:
        return
    assert mine == ([STATUS[row["status"]]] if row["status"] else [])
    assert (row["observations"] or None) == (block_of(office, piano) or None)
    for column in ("notes", "travail"):
        assert row[column] is None or row[column] in office.comments(piano)
    facts = {name: (row["base"] or {}).get(name) for name in ("status", "observations", "notes", "travail")}
    assert facts == {name: row[name] for name in facts}, "base and row say the same"
    assert office.push().sent == 0


def undo_what_is_left(office: EditedShop, run_id: str) -> None:
    """Undo a run once more, though nothing of it may be left."""
    left = office.shop.count("sync_gazelle_logs", f"run_id = '{run_id}' AND status = 'success' AND undone_at IS NULL")
    with nullcontext() if left else pytest.raises(GazelleSyncError, match="could be put back"):
        assert office.undo(run_id).succeeded


def test_what_a_later_run_wrote_stays_and_is_told(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND", "A_REMPLACER"], notes="Clé")
    first = office.pushed(piano, status="top", observations="Vu en mars", notes="Première note")
    second = office.pushed(piano, status="normal", observations="Vu en mai", notes="Deuxième note")
    report = office.undo(first)
    assert report.succeeded
    assert sorted(office.record(piano)["tags"]) == ["GRAND", "NORMAL"]
    assert block_of(office, piano) == "Vu en mai"
    assert office.comments(piano) == ["Deuxième note"]
    row = office.row(piano)
    assert (row["status"], row["observations"], row["notes"]) == ("normal", "Vu en mai", "Deuxième note")
    for language, words in (("en", f"the later run {second} wrote the tags"), ("fr", second)):
        assert words in render_report(language, report)
    skipped = [name for name, status in office.log(piano) if status == "skipped"]
    assert sorted(skipped) == ["undo_update_piano", "undo_update_tags"]
    assert_true(office, piano)

    assert office.undo(second).succeeded
    assert office.undo(first).succeeded, "what it had left alone can be put back by now"
    assert sorted(office.record(piano)["tags"]) == ["A_REMPLACER", "GRAND"]
    assert (office.record(piano)["notes"], office.comments(piano)) == ("Clé", [])
    assert_true(office, piano)
    with pytest.raises(GazelleSyncError, match="could be put back"):
        office.undo(first)


def test_a_row_goes_back_to_what_an_earlier_run_had_said(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND"], notes=None, manualLastService="2026-01-05")
    measured = len(office.measurements(piano))
    office.pushed(piano, status="top", notes="Un, 440Hz", travail="Accord", completed_at=DONE_AT)
    before = state_of(office, piano)
    later = DONE_AT.replace(day=9)
    run_id = office.pushed(piano, status="normal", notes="Deux, 440Hz", travail="Cordes", completed_at=later)
    assert len(office.measurements(piano)) == measured + 2
    assert office.undo(run_id).succeeded
    assert state_of(office, piano) == before
    assert_true(office, piano)
    again = office.pushed(piano, notes="Deux, 440Hz", travail="Cordes", completed_at=later)
    assert again
    assert "Deux, 440Hz" in office.comments(piano), "what was put back may be said again"
    assert len(office.measurements(piano)) == measured + 2


def test_a_text_that_a_row_goes_back_to_is_not_measured_again(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND"])
    measured = len(office.measurements(piano))
    office.pushed(piano, notes="Un, 440Hz", observations="Vu, 21°C")
    run_id = office.pushed(piano, notes="Deux", observations="Revu")
    assert office.undo(run_id).succeeded
    office.pushed(piano, status="top")
    assert len(office.measurements(piano)) == measured + 2
    assert_true(office, piano)


def test_the_day_of_the_last_service_stays_with_later_work_of_that_day(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND"], manualLastService=None)
    run_id = office.pushed(piano, travail="Accord", completed_at=DONE_AT)
    office.pushed(piano, travail="Cordes")
    assert office.undo(run_id).succeeded
    assert (office.comments(piano), office.record(piano)["manualLastService"]) == (["Cordes"], "2026-07-01")
    assert_true(office, piano)


def test_what_people_changed_at_gazelle_since_stays_and_is_told(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND", "TOP"], notes="Clé", manualLastService="2026-01-05")
    run_id = office.pushed(
        piano, status="normal", observations="Vu", notes="Note 23°C", travail="Fait", completed_at=DONE_AT
    )
    notes = office.record(piano)["notes"]
    office.shop.admin.edit(
        "pianos", piano, tags=["PROBLEMATIQUE", "GRAND"], notes=notes.replace("\nVu\n", "\nVu et corrigé\n"),
        manualLastService="2026-09-09",
    )  # fmt: skip
    (log,) = [log for log in office.shop.admin.dump("client_logs") if log["comment"] == "Note 23°C"]
    (entry,) = [entry for entry in office.shop.admin.dump("timeline") if entry.get("clientLogId") == log["id"]]
    office.shop.admin.edit("timeline", entry["id"], comment="Note 23°C, corrigée")
    report = office.undo(run_id)
    assert report.succeeded
    record = office.record(piano)
    assert record["tags"] == ["PROBLEMATIQUE", "GRAND"]
    assert "\nVu et corrigé\n" in record["notes"]
    assert record["manualLastService"] == "2026-09-09"
    assert office.comments(piano) == ["Note 23°C, corrigée"]
    (outcome,) = report.outcomes
    assert {place.split()[0] for place in outcome.left} == {
        "update_tags", "update_piano", "set_serviced", "add_comment", "add_measurement",
    }  # fmt: skip


def test_of_a_state_set_beside_ours_one_is_left(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND", "TOP"])
    run_id = office.pushed(piano, status="normal")
    office.shop.admin.edit("pianos", piano, tags=["GRAND", "NORMAL", "A_REMPLACER"])
    report = office.undo(run_id)
    assert sorted(office.record(piano)["tags"]) == ["A_REMPLACER", "GRAND"]
    assert "somebody changed the tags since" in render_report("en", report)
    assert office.row(piano)["status"] == "needs_replacement"
    assert_true(office, piano)


@pytest.mark.parametrize("moment", ["after_read", "before_send"])
def test_an_edit_at_gazelle_under_the_undos_hands_is_not_written_over(
    office: EditedShop, hook_push: HookPush, moment: str
) -> None:
    piano = office.piano(tags=["GRAND", "TOP"], notes="Clé", manualLastService="2026-01-05")
    run_id = office.pushed(piano, status="normal", observations="Vu", travail="Fait", completed_at=DONE_AT)
    notes = office.record(piano)["notes"]

    def edited(*_: object) -> None:
        office.shop.admin.edit(
            "pianos", piano, tags=["NEUF", "PROBLEMATIQUE", "GRAND"], notes=f"Devant\n{notes}\nDerrière",
            manualLastService="2026-09-09",
        )  # fmt: skip

    hook_push(**{moment: once(edited)})
    assert office.undo(run_id).succeeded
    record = office.record(piano)
    assert sorted(record["tags"]) == ["GRAND", "NEUF", "PROBLEMATIQUE"]
    assert record["notes"] == "Devant\nClé\nDerrière"
    assert record["manualLastService"] == "2026-09-09"
    office.push()
    assert_true(office, piano)


def test_a_day_that_is_put_back_while_somebody_edits_the_piano_is_sent_again_when_it_is_entered_again(
    office: EditedShop, hook_push: HookPush
) -> None:
    """Found by the fault campaign: the base still said the day, so the same day was no change."""
    piano = office.piano(tags=["GRAND"], manualLastService="2024-06-12")
    run_id = office.pushed(piano, travail="Fait", completed_at=DONE_AT)
    day = office.record(piano)["manualLastService"]
    sent = []

    def edited(*_: object) -> None:
        sent.append(piano)
        if len(sent) == 2:  # the text was taken back, and its day follows
            office.shop.admin.edit("pianos", piano, tags=["GRAND", "NEUF"])

    hook_push(before_send=edited)
    assert office.undo(run_id).succeeded
    hook_push(before_send=lambda *_: None)
    assert office.record(piano)["manualLastService"] == "2024-06-12" != day
    office.edit(piano, travail="Refait", completed_at=DONE_AT)
    assert office.push().succeeded
    assert office.record(piano)["manualLastService"] == day
    assert_true(office, piano)


def test_an_earlier_text_that_comes_back_brings_no_second_reading_while_the_later_one_is_in_doubt(
    office: EditedShop,
) -> None:
    """Found by the fault campaign: the base still held the reading of the text that was taken back."""
    piano = office.piano()
    office.pushed(piano, notes="Avant, 13°C 403 Hz")
    run_id = office.pushed(piano, notes="Après, 20°C 410 Hz")
    office.shop.admin.fault("reset", times=1, operation="deletePianoMeasurement")
    assert office.undo(run_id).failed
    assert office.row(piano)["notes"] == "Avant, 13°C 403 Hz"
    office.shop.admin.clear_faults()
    office.let_doubts_pass()
    office.edit(piano, observations="Revu")
    office.push()
    assert sorted(measurement["a4Pitch"] for measurement in office.measurements(piano)) == [403, 410]


def test_a_row_that_is_edited_under_the_undos_hands_keeps_its_edit_and_sends_it(
    office: EditedShop, hook_push: HookPush
) -> None:
    piano = office.piano(tags=["GRAND", "TOP"], notes="Clé")
    run_id = office.pushed(piano, status="normal", observations="Vu", notes="Note")
    hook_push(before_send=once(lambda: office.edit(piano, status="problematic", observations="Revu", notes="Autre")))
    assert office.undo(run_id).succeeded
    row = office.row(piano)
    assert (row["status"], row["observations"], row["needs_sync"]) == ("problematic", "Revu", True)
    hook_push(before_send=lambda *_: None)
    assert office.push().succeeded
    assert sorted(office.record(piano)["tags"]) == ["GRAND", "PROBLEMATIQUE"]
    assert (block_of(office, piano), office.comments(piano)) == ("Revu", ["Autre"])
    assert_true(office, piano)


@pytest.mark.parametrize("pushes_first", one_here([False, True], "the same steps once more, with pushes between"))
def test_killed_between_any_two_steps_an_undo_ends_in_the_same_state(office: EditedShop, pushes_first: bool) -> None:
    """The step at which it is killed moves on with each round, until an undo gets through."""
    piano = office.piano(tags=["GRAND", "TOP"], notes="Clé", manualLastService="2026-01-05")
    office.pushed(piano, status="top", notes="Toujours là", observations="Avant")
    before = state_of(office, piano)
    step, stride = 1 + 2 * pushes_first, 4
    while True:
        run_id = office.pushed(
            piano, status="normal", observations=f"Vu {step}", notes=f"Note {step}, 23°C", travail=f"Fait {step}",
            completed_at=DONE_AT,
        )  # fmt: skip
        alive = not killed_at(office, step, partial(office.undo, run_id))
        office.let_doubts_pass()
        if pushes_first:
            office.settle(piano)
            assert_true(office, piano)
        if not alive or pushes_first:
            undo_what_is_left(office, run_id)
        assert state_of(office, piano) == before, f"killed at step {step}"
        assert_true(office, piano)
        step += stride
        if alive:
            break
    assert step > 40


@pytest.mark.parametrize("fault", ["close_after", "reset"])
def test_an_undo_without_an_answer_is_looked_for_and_what_is_still_there_was_not_deleted(
    office: EditedShop, fault: str
) -> None:
    piano = office.piano(tags=["GRAND", "TOP"], notes="Clé")
    before = {name: office.record(piano)[name] for name in ("tags", "notes")}
    run_id = office.pushed(piano, status="normal", observations="Vu", notes="Note 23°C")
    for operation in ("deleteClientLog", "deletePianoMeasurement", '"tags"', '"notes"'):
        office.shop.admin.fault(fault, operation=operation)
    report = office.undo(run_id)
    assert report.succeeded == (fault == "close_after"), "of a reset nobody knows yet"
    assert office.comments(piano) == ([] if fault == "close_after" else ["Note 23°C"])
    office.let_doubts_pass()
    assert office.push().sent == 0, "a push finds out what became of it, and says nothing again"
    assert "in_doubt" not in {status for _, status in office.log(piano)}
    if fault == "reset":
        assert (office.row(piano)["notes"], office.row(piano)["status"]) == ("Note 23°C", "normal")
        office.shop.admin.clear_faults()  # the measurement had stayed with its text
        assert office.undo(run_id).succeeded
    assert {name: office.record(piano)[name] for name in before} == before
    assert office.comments(piano) == []
    assert_true(office, piano)


def test_two_undos_of_a_run_at_once_are_one(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND", "TOP"], notes="Clé")
    office.pushed(piano, status="top", notes="Avant")
    before = state_of(office, piano)
    run_id = office.pushed(piano, status="normal", observations="Vu", notes="Note 23°C")
    refused: list[str] = []

    def undone() -> None:
        try:
            assert office.undo(run_id, lock_wait_s=20.0).succeeded
        except GazelleSyncError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=undone) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert "could be put back" in refused[0]
    assert state_of(office, piano) == before
    assert_true(office, piano)


def test_a_comment_whose_answer_was_lost_is_deleted_like_any_other(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND"])
    office.shop.admin.fault(
        "close_after", operation={"graphql": "createClientLog", "rest": "/comments"}[office.transport]
    )
    run_id = office.pushed(piano, notes="Accordé")
    assert office.undo(run_id).succeeded
    assert office.comments(piano) == []
    assert office.row(piano)["notes"] is None
    assert_true(office, piano)


def test_an_undo_of_some_pianos_leaves_the_others(office: EditedShop) -> None:
    first, second = office.piano(0), office.piano(1)
    office.edit(first, notes="un")
    run_id = office.pushed(second, notes="deux")
    assert office.undo(run_id, keys=[second]).succeeded
    assert (office.comments(first), office.comments(second)) == (["un"], [])
    with pytest.raises(GazelleSyncError, match=f"nothing at Gazelle of {second}"):
        office.undo(run_id, keys=[second])
    assert office.undo(run_id).succeeded
    assert office.comments(first) == []


def test_a_visit_and_its_readings_stay_and_the_rest_goes_back(new_shop: Shop) -> None:
    office = EditedShop(new_shop, "graphql", "event")
    piano = office.piano(tags=["GRAND", "TOP"])
    measured = len(office.measurements(piano))
    run_id = office.pushed(piano, status="normal", notes="Note", travail="Fait, 440 Hz", completed_at=DONE_AT)
    report = office.undo(run_id)
    assert not report.succeeded
    (outcome,) = report.outcomes
    assert "by hand" in (outcome.trouble or "")
    assert sorted(office.record(piano)["tags"]) == ["GRAND", "TOP"]
    assert (office.comments(piano), len(office.measurements(piano))) == ([], measured + 1)
    row = office.row(piano)
    assert (row["status"], row["notes"], row["travail"]) == ("top", None, "Fait, 440 Hz")
    assert office.push().sent == 0, "nothing of it is said again"
