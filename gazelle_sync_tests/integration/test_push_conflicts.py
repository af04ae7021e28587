"""What loses is kept, a person has the last word, a run can be put back, what waits says why; on both transports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.push.conflicts import open_conflicts, resolve
from gazelle_sync.push.render import render_conflicts, render_preview, render_waiting
from gazelle_sync.push.session import Push, PushReport, preview
from gazelle_sync.push.status import read_waiting
from gazelle_sync_tests.support.pushing import WRITES, EditedShop, HookPush, once


def undo(office: EditedShop, run_id: str) -> PushReport:
    with Push(office.shop.settings.replace(push_transport=office.transport)) as push:
        return push.undo(run_id)


def run_of(office: EditedShop) -> str:
    return str(max(office.shop.rows("sync_logs", "task_type = 'push'"), key=lambda row: int(row["id"]))["run_id"])


def clashing(office: EditedShop, *, ours_is_newer: bool) -> str:
    """A piano whose status both sides have changed."""
    piano = office.piano(tags=["GRAND", "TOP"])
    office.edit(piano, status="top")
    office.push()
    edited = datetime.now(UTC) + timedelta(hours=-1 if ours_is_newer else 1)
    office.shop.admin.edit("pianos", piano, tags=["NORMAL", "GRAND"], touch=edited.strftime("%Y-%m-%dT%H:%M:%SZ"))
    office.edit(piano, status="problematic")
    return piano


def test_ours_wins_and_theirs_is_kept(office: EditedShop) -> None:
    piano = clashing(office, ours_is_newer=True)
    office.push()
    assert office.record(piano)["tags"] == ["GRAND", "PROBLEMATIQUE"]
    (conflict,) = open_conflicts(office.shop.settings)
    assert (conflict.base, conflict.ours, conflict.theirs, conflict.winner) == ("top", "problematic", "normal", "ours")
    assert "normal" in render_conflicts("fr", [conflict])

    resolve(office.shop.settings, conflict.id, "theirs")
    assert office.push(at_once=False).succeeded
    assert office.record(piano)["tags"] == ["GRAND", "NORMAL"]
    assert office.row(piano)["status"] == "normal"
    assert open_conflicts(office.shop.settings) == []
    assert len(office.conflicts()) == 1, "a person's word is no conflict"
    with pytest.raises(GazelleSyncError, match="was resolved on"):
        resolve(office.shop.settings, conflict.id, "ours")


def test_theirs_wins_and_the_beaten_value_does_not_come_back(office: EditedShop) -> None:
    piano = clashing(office, ours_is_newer=False)
    office.push()
    assert office.record(piano)["tags"] == ["NORMAL", "GRAND"]
    assert office.row(piano)["status"] == "normal"
    (conflict,) = open_conflicts(office.shop.settings)
    assert (conflict.ours, conflict.theirs, conflict.winner) == ("problematic", "normal", "theirs")
    office.edit(piano, notes="Accordé")
    office.push()
    assert office.record(piano)["tags"] == ["NORMAL", "GRAND"]

    resolve(office.shop.settings, conflict.id, "ours")
    office.push()
    assert office.record(piano)["tags"] == ["GRAND", "PROBLEMATIQUE"]


def test_an_edit_made_while_theirs_wins_is_not_written_over(office: EditedShop, hook_push: HookPush) -> None:
    piano = clashing(office, ours_is_newer=False)
    hook_push(after_read=once(lambda: office.edit(piano, status="needs_replacement")))
    office.push()
    row = office.row(piano)
    assert (row["status"], row["needs_sync"], row["base"]["status"]) == ("needs_replacement", True, "top")
    assert office.conflicts() == [], "nothing was decided yet"


def test_the_side_that_won_can_be_confirmed_and_unknown_conflicts_are_said(office: EditedShop) -> None:
    piano = clashing(office, ours_is_newer=True)
    office.push()
    (conflict,) = open_conflicts(office.shop.settings)
    assert resolve(office.shop.settings, conflict.id, "ours")[1] is False
    assert office.push().outcomes == []
    assert office.record(piano)["tags"] == ["GRAND", "PROBLEMATIQUE"]
    with pytest.raises(GazelleSyncError, match="no conflict 99"):
        resolve(office.shop.settings, 99, "ours")


def test_a_run_is_put_back_and_what_came_since_stays(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND", "TOP"], notes="Clé", manualLastService="2026-01-05")
    measured = len(office.measurements(piano))
    done_at = datetime(2026, 7, 1, 16, tzinfo=UTC)
    office.edit(piano, status="normal", observations="Vu", notes="Note 23°C", travail="Fait", completed_at=done_at)
    office.push()
    run_id = run_of(office)
    notes = office.record(piano)["notes"]
    office.shop.admin.edit("pianos", piano, tags=["GRAND", "NORMAL", "NEUF"], notes=notes + "\nDepuis")
    report = undo(office, run_id)
    assert report.succeeded, [outcome.failed for outcome in report.outcomes]
    record = office.record(piano)
    assert sorted(record["tags"]) == ["GRAND", "NEUF", "TOP"]
    assert record["notes"] == "Clé\nDepuis"
    assert record["manualLastService"] == "2026-01-05"
    assert office.comments(piano) == []
    assert len(office.measurements(piano)) == measured
    row = office.row(piano)
    assert (row["status"], row["observations"], row["needs_sync"]) == ("top", None, False)
    assert (row["notes"], row["travail"], row["completed_at"]) == (None, None, None)
    assert {(c["field"], c["ours"]) for c in office.conflicts()} == {
        ("status", "normal"), ("observations", "Vu"), ("notes", "Note 23°C"), ("travail", "Fait"),
        ("completed_at", done_at.isoformat()),
    }  # fmt: skip
    assert office.push().sent == 0
    with pytest.raises(GazelleSyncError, match="nothing at Gazelle"):
        undo(office, run_id)
    office.edit(piano, notes="Autre note")
    office.push()
    assert office.comments(piano) == ["Autre note"]
    assert sorted(office.record(piano)["tags"]) == ["GRAND", "NEUF", "TOP"]


@pytest.mark.parametrize("lost", [("update_tags", "update_piano"), ("set_serviced",)])
def test_an_update_whose_answer_was_lost_counts_as_sent_and_can_be_put_back(
    office: EditedShop, lost: tuple[str, ...]
) -> None:
    piano = office.piano(tags=["GRAND", "TOP"], notes="Vieux", manualLastService="2026-01-02")
    before = office.record(piano)
    office.edit(piano, status="problematic", observations="Neuf", travail="Accord", completed_at="2026-03-08T15:00:00Z")
    for name in lost:
        office.shop.admin.fault("close_after", operation=WRITES[name][office.transport])
    report = office.push()
    assert all(fault["struck"] for fault in office.shop.admin.faults())
    assert {action.name for outcome in report.outcomes for action in outcome.sent} == {
        "update_tags", "update_piano", "add_service", "set_serviced",
    }  # fmt: skip
    assert {status for _, status in office.log()} == {"success"}
    assert office.row(piano)["base"]["serviced.written"] == "2026-03-08", "a mistyped day could be set back"
    undo(office, run_of(office))
    after = office.record(piano)
    assert [after[name] for name in ("tags", "notes", "manualLastService")] == [
        before[name] for name in ("tags", "notes", "manualLastService")
    ]


def test_a_dry_run_tells_what_would_go_and_touches_nothing(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND", "TOP"])
    office.edit(piano, status="normal", notes="Accordé\nDeux lignes")
    office.edit("pno_nowhere", status="top")
    before, remote = office.shop.physical(), office.record(piano)
    text, all_well = render_preview(
        "en", preview(office.shop.settings.replace(push_transport=office.transport), keys=None)
    )
    assert "- GRAND, TOP + GRAND, NORMAL" in text
    assert "+ Accordé" in text
    assert "no piano pno_nowhere" in text
    assert not all_well
    assert office.shop.physical() == before
    assert office.record(piano) == remote
    only, all_well = render_preview("fr", preview(office.shop.settings, keys=[piano]))
    assert "pno_nowhere" not in only
    assert all_well


def test_a_dry_run_announces_nothing_that_gazelle_has_from_a_row_that_was_removed(office: EditedShop) -> None:
    piano = office.piano()
    settings = office.shop.settings.replace(push_transport=office.transport)
    office.edit(piano, notes="Accordé, 21°C", travail="Cordes")
    assert office.push().succeeded
    office.shop.query("DELETE FROM vincent_dindy_piano_updates")
    office.edit(piano, notes="Accordé, 21°C", travail="Cordes")
    before = office.shop.physical()
    assert render_preview("en", preview(settings, keys=None)) == ("Nothing to send.", True)
    assert office.shop.physical() == before
    office.edit(piano, travail="Marteaux")
    text, _ = render_preview("en", preview(settings, keys=None))
    assert ("Accordé" in text, "Cordes" in text, "Marteaux" in text) == (False, False, True)
    assert office.push().sent == 1
    assert office.comments(piano) == ["Accordé, 21°C", "Cordes", "Marteaux"]


def test_what_waits_says_why_in_the_shops_language(office: EditedShop) -> None:
    piano = office.piano()
    office.edit("pno_nowhere", status="top")
    office.edit(piano, notes="Accordé", is_hidden=True)
    office.push(language="fr")
    waiting = read_waiting(office.shop.settings)
    assert [row.key for row in waiting] == ["pno_nowhere", piano]
    text = render_waiting("fr", waiting)
    assert "Gazelle n'a pas de piano pno_nowhere" in text
    assert "masquée\N{NO-BREAK SPACE}: reste ici" in text
    assert "prochain essai" in text


def test_only_the_pianos_that_were_asked_for_go(office: EditedShop) -> None:
    first, second = office.piano(0), office.piano(1)
    office.edit(first, notes="un")
    office.edit(second, notes="deux")
    assert office.push(keys=[second]).sent == 1
    assert office.comments(first) == []
    assert office.row(first)["needs_sync"]


def test_what_only_the_answer_of_another_write_shows_is_followed(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND"], notes="Clé")
    office.pushed(piano, observations="Vu ici")
    notes = office.record(piano)["notes"].replace("Vu ici", "Vu là-bas")
    office.shop.admin.settings(clock_skew_s=60)
    office.shop.admin.edit("pianos", piano, notes=notes)
    office.shop.admin.fault("null_field", operation="PushRead", field="notes", times=0)
    office.edit(piano, status="top")
    office.push()
    office.shop.admin.clear_faults()
    office.settle(piano)
    assert office.row(piano)["observations"] == "Vu là-bas"
