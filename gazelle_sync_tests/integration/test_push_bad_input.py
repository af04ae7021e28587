"""What people write and Gazelle refuses: a clear reason, nothing lost, nothing doubled; on both transports."""

from __future__ import annotations

import psycopg
import pytest

from gazelle_sync.push.block import Marks
from gazelle_sync_tests.support.pushing import EditedShop, HookPush, once


def test_a_piano_that_gazelle_does_not_know_is_said_and_stops_nobody_else(office: EditedShop) -> None:
    piano = office.piano()
    office.edit("pno_nowhere", status="top")
    office.edit(piano, notes="Accordé")
    report = office.push()
    assert report.failed == 1
    assert "no piano pno_nowhere" in office.row("pno_nowhere")["sync_error"]
    assert office.log("pno_nowhere") == [("read", "error")]
    assert office.comments(piano) == ["Accordé"]
    office.assert_clean(piano)


def test_a_row_that_failed_waits_longer_each_time_and_an_edit_makes_it_due_at_once(office: EditedShop) -> None:
    office.edit("pno_nowhere", status="top")
    waits = []
    for _ in range(3):
        office.push()
        waits.append(
            office.shop.value(
                "SELECT round(extract(epoch FROM next_attempt_at - clock_timestamp()) / 60) FROM push_state"
            )
        )
        assert office.push(at_once=False).outcomes == []
    assert waits == [1, 2, 4]
    office.edit("pno_nowhere", status="normal")
    assert len(office.push(at_once=False).outcomes) == 1


def test_a_row_that_was_written_for_the_wrong_piano_goes_to_the_right_one_once(office: EditedShop) -> None:
    wrong, right = office.piano(0, tags=["GRAND"]), office.piano(1, tags=["DROIT"])
    office.edit(wrong, status="top", notes="Accordé")
    assert office.push().succeeded
    before = office.row(wrong)
    correct_key(office, wrong, right)
    row = office.row(right)
    assert (row["needs_sync"], row["base"], row["last_synced_at"]) == (True, None, None)
    assert row["revision"] > before["revision"]
    for _ in range(2):
        assert office.push().succeeded
    for piano, kept in ((wrong, "GRAND"), (right, "DROIT")):
        assert office.record(piano)["tags"] == [kept, "TOP"]
        assert office.comments(piano) == ["Accordé"]
    assert office.row(right)["status"] == "top"
    office.assert_clean(right)
    correct_key(office, right, wrong)
    assert office.push().succeeded
    assert office.comments(wrong) == ["Accordé"], "it had it already"
    office.assert_clean(wrong)


def test_a_mistyped_id_that_is_corrected_is_due_at_once(office: EditedShop) -> None:
    piano = office.piano()
    office.edit("pno_nowhere", notes="Accordé")
    assert office.push().failed == 1
    correct_key(office, "pno_nowhere", piano)
    assert office.row(piano)["sync_error"] is None
    assert office.push(at_once=False).succeeded
    assert office.comments(piano) == ["Accordé"]
    office.assert_clean(piano)


def correct_key(office: EditedShop, wrong: str, right: str) -> None:
    """What somebody does who finds that a row speaks of another piano."""
    office.shop.query("UPDATE vincent_dindy_piano_updates SET gazelle_id = %s WHERE gazelle_id = %s", right, wrong)


def test_an_inactive_piano_refuses_entries_and_takes_tags(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND"])
    office.edit(piano, status="top", notes="Accordé, 23°C, 47%", travail="Cordes", completed_at="2026-07-01T16:00:00Z")
    office.shop.admin.edit("pianos", piano, status="INACTIVE", manualLastService=None)
    report = office.push()
    assert report.failed == 3
    assert office.record(piano)["tags"] == ["GRAND", "TOP"]
    assert office.record(piano)["manualLastService"] is None, "no entry, no day"
    assert "inactive" in office.row(piano)["sync_error"]
    office.shop.admin.edit("pianos", piano, status="ACTIVE")
    assert office.push().succeeded
    assert office.comments(piano) == ["Accordé, 23°C, 47%", "Cordes"]
    assert office.record(piano)["manualLastService"] == "2026-07-01"
    office.assert_clean(piano)


def test_an_unknown_status_is_said_and_the_rest_goes(office: EditedShop) -> None:
    piano = office.piano(tags=["GRAND", "TOP"])
    office.edit(piano, status="excellent", notes="Accordé")
    assert office.push().failed == 1
    assert office.comments(piano) == ["Accordé"]
    assert office.record(piano)["tags"] == ["GRAND", "TOP"]
    row = office.row(piano)
    assert "excellent" in row["sync_error"]
    assert row["needs_sync"]
    office.edit(piano, status="normal")
    assert office.push().succeeded
    assert office.comments(piano) == ["Accordé"]
    assert office.record(piano)["tags"] == ["GRAND", "NORMAL"]


def test_a_mistyped_day_of_work_is_taken_back_by_correcting_it(office: EditedShop) -> None:
    piano = office.piano(manualLastService="2026-05-01")
    for day in ("2062-11-20", "2026-04-20"):
        office.edit(piano, travail="Cordes", completed_at=f"{day} 12:00-05")
        assert office.push().succeeded
    assert office.record(piano)["manualLastService"] == "2026-05-01", "what stood there before the mistake"
    *_, last = (row for row in office.shop.rows("sync_gazelle_logs") if row["action"] == "add_service")
    assert "2062-11-20 stays" in last["error_message"]
    office.edit(piano, completed_at="2026-06-20 12:00-04")
    assert office.push().succeeded
    assert office.record(piano)["manualLastService"] == "2026-06-20"
    office.assert_clean(piano)


def test_an_empty_row_sends_nothing_and_is_done(office: EditedShop) -> None:
    piano = office.piano(tags=["TOP"])
    before = office.record(piano)
    office.edit(piano, notes="  ", observations="", travail=None)
    assert office.push().succeeded
    assert office.record(piano) == before
    assert office.log() == []
    office.assert_clean(piano)


@pytest.mark.parametrize(
    "text",
    [
        "é" * 50_000,
        "🎹 emoji 👩🏽‍🔧",
        "שלום وداعا",
        "a\u2028b\x85c\x0bd",
        "ligne\r\nligne\rligne\n\nfin",
        '"\\ {} [] <b>',
    ],
    ids=["100 KB", "emoji", "right to left", "odd line ends", "carriage returns", "quotes"],
)
def test_every_text_arrives_as_it_is_and_once(office: EditedShop, text: str) -> None:
    piano = office.piano(notes="Clé sous le paillasson")
    office.edit(piano, notes=text, observations=text, travail=text)
    assert office.push().succeeded
    assert office.comments(piano) == [text, text]
    assert office.push().sent == 0
    office.edit(piano, status="top")
    office.push()
    assert office.comments(piano) == [text, text]
    assert office.record(piano)["notes"].count(Marks.of("observations", piano).first) == 1


def test_text_that_looks_like_our_marks_hurts_nobody(office: EditedShop) -> None:
    piano = office.piano()
    marks = Marks.of("observations", piano)
    foreign = f"{marks.first}\nouvert et jamais fermé\n\nDU CLIENT"
    office.shop.admin.edit("pianos", piano, notes=foreign)
    ours = f"avant\n{marks.last}\n{marks.first}\n\\{marks.first}\naprès"
    office.edit(piano, observations=ours)
    assert office.push().succeeded
    assert office.record(piano)["notes"].startswith(foreign + "\n\n")
    assert office.push().sent == 0
    office.edit(piano, observations="simple")
    office.push()
    assert office.record(piano)["notes"] == f"{foreign}\n\n{marks.first}\nsimple\n{marks.last}"
    office.edit(piano, observations=None)
    office.push()
    assert office.record(piano)["notes"] == foreign


def test_what_postgresql_cannot_hold_stays_in_gazelles_text(office: EditedShop) -> None:
    """NUL and half of a surrogate pair: nobody can write them here, and what is there is not ours to change."""
    foreign = "nul \0 et moitié \ud83c fin"
    piano = office.piano(notes=foreign)
    with pytest.raises((psycopg.DataError, ValueError)):
        office.edit(piano, notes="a\0b")
    office.edit(piano, observations="à nous")
    assert office.push().succeeded
    assert office.record(piano)["notes"].startswith(foreign + "\n\n")
    office.assert_clean(piano)


def test_a_piano_that_is_deleted_at_gazelle_under_our_hands_is_said(office: EditedShop, hook_push: HookPush) -> None:
    piano = office.piano()
    office.edit(piano, notes="Accordé", status="top")
    hook_push(before_send=once(lambda: office.shop.admin.delete("pianos", piano)))
    assert office.push().failed
    assert office.row(piano)["needs_sync"]
    assert office.row(piano)["sync_error"]
    office.push()
    assert "no piano" in office.row(piano)["sync_error"]


def test_hidden_rows_stay_here_until_they_are_shown(office: EditedShop) -> None:
    piano = office.piano()
    office.edit(piano, notes="Accordé", is_hidden=True)
    assert office.push().outcomes == []
    office.edit(piano, is_hidden=False)
    assert office.push(at_once=False).sent == 1


def test_what_never_leaves_the_shop_makes_no_row_due(office: EditedShop) -> None:
    piano = office.piano()
    office.edit(piano, notes="Accordé", a_faire="secret", completed_in_tournee_id="tournee-secrete")
    office.push()
    revision = office.row(piano)["revision"]
    office.edit(piano, a_faire="autre secret", completed_in_tournee_id="autre")
    assert office.push().outcomes == []
    assert office.row(piano)["revision"] == revision
    everything = str([office.shop.admin.dump(kind) for kind in ("pianos", "timeline", "client_logs")])
    assert "secret" not in everything
    assert "tournee" not in everything
