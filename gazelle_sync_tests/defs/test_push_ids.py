"""Ids that a person types or pastes: found without their blanks, and where there is nothing to send, it says why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.pushing import EditedShop

PASTED = ("{} ", "\u00a0{}", "{}\n", "\t{}\u200b")


@pytest.mark.parametrize("pasted", PASTED)
def test_an_id_that_was_pasted_with_blanks_into_a_row_speaks_of_its_piano(office: EditedShop, pasted: str) -> None:
    piano = office.piano(tags=["GRAND", "TOP"])
    office.edit(pasted.format(piano), status="normal", notes="Accordé")
    report = office.push(keys=[f" {piano}\u00a0"])
    assert report.succeeded, [outcome.failed for outcome in report.outcomes]
    assert (office.record(piano)["tags"], office.comments(piano)) == (["GRAND", "NORMAL"], ["Accordé"])
    (row,) = office.shop.rows("vincent_dindy_piano_updates")
    assert (row["gazelle_id"], row["needs_sync"], row["sync_error"]) == (pasted.format(piano), False, None)
    assert office.push().sent == 0
    office.edit(piano, notes="Une deuxième ligne pour le même piano")
    assert not office.push().succeeded
    assert office.comments(piano) == ["Accordé"], "nobody can tell which of two rows counts"


def test_of_what_is_not_sent_each_command_says_whether_it_is_unknown_hidden_or_at_gazelle_already(
    office: EditedShop, person: Person
) -> None:
    runs = replace(person, shop=office.shop).runs
    sent, hidden, waiting = office.piano(0), office.piano(1), office.piano(2)
    office.edit(sent, notes="Envoyée")
    office.edit(hidden, notes="Masquée", is_hidden=True)
    assert office.push().succeeded
    office.edit(waiting, notes="Attend")
    office.edit("pno_nowhere", notes="Faux")
    words = {"pno_unknown": "no row speaks of it", hidden: "its row is hidden", sent: "Gazelle has all"}
    for arguments, refused in (
        (("push",), ("pno_unknown", hidden)),
        (("push", "--dry-run"), ("pno_unknown", hidden)),
        (("push", "--status"), ("pno_unknown",)),
    ):
        for key, said in words.items():
            ended = runs(*arguments, "--piano", f" {key}\n")
            assert f"{key}: {said}" in ended.stdout, (arguments, ended.stdout, ended.stderr)
            assert "Nothing to send" not in ended.stdout
            assert ended.returncode == (1 if key in refused else 0), (arguments, key)
    status = runs("push", "--status", "--piano", waiting)
    assert (waiting in status.stdout, "pno_nowhere" in status.stdout, hidden in status.stdout) == (True, False, False)
    assert status.returncode == 0

    both = runs("push", "--piano", "pno_unknown", "--piano", waiting)
    assert both.returncode == 1
    assert "Attend" in both.stdout
    assert office.comments(waiting) == ["Attend"]
    assert office.comments(hidden) == []

    conflicts = runs("conflicts", "--piano", "pno_unknown", GAZELLE_LANG="fr")
    assert conflicts.returncode == 1
    assert "aucune ligne ne correspond" in conflicts.stdout
    assert runs("conflicts", "--piano", sent).returncode == 0
    (run_id,) = {row["run_id"] for row in office.shop.rows("sync_gazelle_logs") if row["piano_id"] == waiting}
    undone = runs("push", "--undo", f" {run_id} ", "--piano", sent)
    assert undone.returncode == 1
    assert f"nothing at Gazelle of {sent}" in undone.stderr
    assert runs("push", "--undo", run_id, "--piano", f"\u00a0{waiting}").returncode == 0
    assert office.comments(waiting) == []
