"""Planning a push: (base, local, remote) → actions; statuses, and what holds for every kind of field."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.push.fields.texts import StatusTag
from gazelle_sync.push.model import Values
from gazelle_sync.push.pushables import PIANO_UPDATES
from gazelle_sync_tests.support.planning import EARLIER, LATER, NOON, TAGS, known, plan, remote, row, sent


def test_a_status_becomes_its_tag_and_only_its_tag() -> None:
    found = plan(row({"status": "top"}, status="problematic"), remote("GRAND", "TOP"))
    assert sent(found) == {"update_tags": {"tags": ["GRAND", "PROBLEMATIQUE"]}}
    assert found.actions[0].base_updates["status"] == "problematic"
    assert found.clashes == []
    assert found.actions[0].clashes == ()


def test_what_is_the_same_on_both_sides_is_not_sent() -> None:
    found = plan(row({"status": "top"}, status="top", notes=" "), remote("GRAND", "TOP"))
    assert found.is_quiet


def test_a_status_that_both_sides_changed_alike_is_only_agreed_on() -> None:
    found = plan(row({"status": "top"}, status="normal"), remote("NORMAL", at=LATER))
    assert found.is_quiet
    assert found.base_updates["status"] == "normal"


def test_the_later_edit_wins_and_the_other_is_told() -> None:
    local = row({"status": "top"}, status="problematic")
    ours = plan(local, remote("NORMAL", "GRAND", at=EARLIER))
    assert sent(ours) == {"update_tags": {"tags": ["GRAND", "PROBLEMATIQUE"]}}
    (clash,) = ours.actions[0].clashes
    assert (clash.base, clash.ours, clash.theirs, clash.winner) == ("top", "problematic", "normal", "ours")

    theirs = plan(local, remote("NORMAL", "GRAND", at=LATER))
    assert theirs.actions == []
    assert theirs.follows == {"status": "normal"}
    assert theirs.follow.base_updates["status"] == "normal"
    assert [(c.ours, c.theirs, c.winner) for c in theirs.follow.clashes] == [("problematic", "normal", "theirs")]


def test_a_clock_that_runs_ahead_at_gazelle_wins_nothing() -> None:
    local = row({"status": "top"}, status="problematic")
    found = plan(local, remote("NORMAL", at=LATER), api_ahead=timedelta(hours=2))
    assert sent(found) == {"update_tags": {"tags": ["PROBLEMATIQUE"]}}


def test_what_only_gazelle_changed_is_followed() -> None:
    found = plan(row({"status": "top"}, status="top"), remote("GRAND", "NORMAL"))
    assert found.actions == []
    assert found.clashes == []
    assert found.follows == {"status": "normal"}


def test_a_status_that_was_taken_away_at_gazelle_is_followed_and_kept() -> None:
    found = plan(row({"status": "top"}, status="top"), remote("GRAND"))
    assert found.follows == {"status": None}
    assert [(c.ours, c.theirs) for c in found.follow.clashes] == [("top", None)]


def test_an_edit_never_loses_to_emptiness() -> None:
    found = plan(row({"status": "top"}, status="normal"), remote("GRAND", at=LATER))
    assert sent(found) == {"update_tags": {"tags": ["GRAND", "NORMAL"]}}


def test_a_cleared_status_takes_its_tag_away() -> None:
    found = plan(row({"status": "top"}, status=None), remote("TOP", "GRAND"))
    assert sent(found) == {"update_tags": {"tags": ["GRAND"]}}


@pytest.mark.parametrize("seen", [None, known(("A_REMPLACER", "GRAND", "NORMAL"))])
@pytest.mark.parametrize("status", sorted(TAGS))
def test_a_first_status_replaces_both_of_two_tags_and_contradicts_nobody(status: str, seen: Values | None) -> None:
    found = plan(row(None, status=status, edit_snapshot=seen), remote("A_REMPLACER", "GRAND", "NORMAL"))
    assert sent(found) == {"update_tags": {"tags": ["GRAND", TAGS[status]]}}
    assert not found.follows
    assert found.actions[0].clashes == ()


def test_both_of_two_tags_come_back_when_the_status_that_replaced_them_is_undone() -> None:
    (status,) = (field for field in PIANO_UPDATES.fields if isinstance(field, StatusTag))
    for before in (["A_REMPLACER", "GRAND", "NORMAL"], ["TOP", "GRAND", "NORMAL"], ["GRAND"], ["GRAND", "NORMAL"]):
        tags, is_left = status.restored("pno_1", ["GRAND", "TOP", "NEW"], ["GRAND", "TOP"], before)
        assert (sorted(tags), is_left) == (sorted([*before, "NEW"]), False)


def test_a_row_that_says_no_status_leaves_gazelles_alone() -> None:
    assert plan(row(None, status=None, notes=None), remote("TOP")).is_quiet


def test_an_unknown_status_is_a_problem_and_stops_nothing_else() -> None:
    found = plan(row(None, status="excellent", notes="Accordé"), remote("TOP"))
    assert "excellent" in found.problems["status"]
    assert list(sent(found)) == ["add_comment"]
    assert "inconnu" in plan(row(None, status="excellent"), remote(), language="fr").problems["status"]


@pytest.mark.parametrize(
    ("seen", "at", "expected"),
    [
        (known(("TOP",)), LATER, "ours"),  # Gazelle changed something else since
        (known(("NORMAL",)), EARLIER, "ours, told"),
        (known(("NORMAL",)), LATER, "theirs"),
        (None, EARLIER, "ours"),  # the edit was made in sight of TOP
        (None, LATER, "theirs"),
    ],
)
def test_a_row_that_was_never_sent_is_compared_with_what_its_editor_could_see(
    seen: Values | None, at: datetime, expected: str
) -> None:
    found = plan(row(None, status="problematic", edit_snapshot=seen), remote("TOP", at=at))
    if expected == "theirs":
        assert found.follows == {"status": "top"}
        assert found.follow.clashes
        return
    assert sent(found) == {"update_tags": {"tags": ["PROBLEMATIQUE"]}}
    assert bool(found.actions[0].clashes) == (expected == "ours, told")


def test_tags_that_are_suddenly_all_gone_are_not_written_over_until_somebody_confirms_it() -> None:
    base = {"status": "top", "remote": {"tags": ["GRAND", "TOP"]}}
    assert "GRAND" in plan(row(base, status="normal"), remote()).problems["status"]
    assert plan(row(base, status="top"), remote()).is_quiet, "emptiness is not followed either"
    pulled = known(("GRAND", "TOP"))
    assert plan(row(None, status="normal", last_pull=pulled), remote()).problems
    assert plan(row(base, status="normal", attempts=9), remote()).problems, "asking often confirms nothing"
    confirmed = plan(row(base, status="normal", last_pull=known(())), remote())
    assert sent(confirmed) == {"update_tags": {"tags": ["NORMAL"]}}


def test_updates_go_before_what_is_created() -> None:
    local = row(None, status="top", notes="a", observations="b", travail="c", completed_at=NOON)
    names = [action.name for action in plan(local, remote("GRAND")).actions]
    assert names == ["update_tags", "update_piano", "add_comment", "add_service", "set_serviced"]


def test_an_edit_that_slipped_in_between_read_and_write_is_repaired() -> None:
    local = row({"status": "top"}, status="normal")
    replaced = remote("TOP", "NEUF")  # what our write of GRAND, NORMAL wiped out
    now = remote("NORMAL")
    assert sent(plan(local, replaced, current=now)) == {"update_tags": {"tags": ["NEUF", "NORMAL"]}}
    theirs = plan(local, remote("PROBLEMATIQUE", at=LATER), current=now)
    assert sent(theirs) == {"update_tags": {"tags": ["PROBLEMATIQUE"]}}
    assert theirs.follows == {"status": "problematic"}


STATUS = st.none() | st.sampled_from(sorted(TAGS))
FOREIGN = st.lists(st.sampled_from(["GRAND", "DROIT", "ÉGLISE", "top", "VIP"]), unique=True, min_size=1)
MINE = st.lists(st.sampled_from(sorted(TAGS.values())), unique=True, max_size=2)


@given(base=STATUS, ours=STATUS, foreign=FOREIGN, mine=MINE, newer=st.booleans(), order=st.randoms())
def test_no_foreign_tag_is_lost_and_both_sides_end_with_the_same_status(
    base: str | None, ours: str | None, foreign: list[str], mine: list[str], newer: bool, order: Any
) -> None:
    tags = [*foreign, *mine]
    order.shuffle(tags)
    local = row({"status": base}, status=ours)
    theirs = remote(*tags, at=EARLIER if newer else LATER)
    found = plan(local, theirs)
    after = sent(found).get("update_tags", {"tags": tags})["tags"]
    assert [tag for tag in after if tag not in TAGS.values()] == [tag for tag in tags if tag not in TAGS.values()]
    settled = found.base_updates | found.follow.base_updates
    for action in found.actions:
        settled |= action.base_updates
    value = found.follows.get("status", ours)
    at_gazelle = {name for name, tag in TAGS.items() if tag in after}
    assert value in at_gazelle if value else not at_gazelle
    if found.actions:
        assert at_gazelle == ({value} - {None})
    # Nothing is thrown away: a value that is on neither side any more and was not base is in a clash.
    told = {c.ours for c in [*found.clashes, *found.follow.clashes]} | {
        c.theirs for action in found.actions for c in action.clashes
    }
    lost = {ours} - {value, base, None}
    assert lost <= told
    # And then there is quiet.
    again = plan(row({"status": base, **settled}, status=value), remote(*after))
    assert again.is_quiet
