"""Planning a push: (base, local, remote) → actions, for every kind of field."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.push.block import Marks
from gazelle_sync.push.fields import StatusTag
from gazelle_sync.push.model import Item, Plan, Remote, Row, Values
from gazelle_sync.push.pushables import PIANO_UPDATES
from gazelle_sync.push.pushables.pianos import with_visits
from gazelle_sync.push.text import normalize

NOON = datetime(2026, 7, 1, 16, 0, tzinfo=UTC)
EARLIER, LATER = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
TAGS = {"top": "TOP", "normal": "NORMAL", "problematic": "PROBLEMATIQUE", "needs_replacement": "A_REMPLACER"}


def row(base: Mapping[str, Any] | None = None, **values: Any) -> Row:
    options: dict[str, Any] = {"updated_at": NOON, "updated_by": "helene@exemple.example"}
    options |= {name: values.pop(name) for name in ("seen", "pulled", "attempts", "updated_at") if name in values}
    return Row("pno_1", values, base=base, **options)


def remote(
    *tags: str, at: datetime = EARLIER, measurements: Mapping[str, Values] | None = None, **values: Any
) -> Remote:
    held = {"client_id": "cli_1", "tags": list(tags), "notes": None, "last_serviced": None, **values}
    if isinstance(held["last_serviced"], date):
        held["last_serviced"] = held["last_serviced"].isoformat()
    items = tuple(Item(key, value) for key, value in (measurements or {}).items())
    return Remote("pno_1", held, at, {"measurements": items})


def known(tags: tuple[str, ...] = (), notes: str | None = None) -> Values:
    """What a pull had seen."""
    return {"tags": list(tags), "notes": notes}


def plan(local: Row, theirs: Remote, *, visits: bool = False, **options: Any) -> Plan:
    return (with_visits(PIANO_UPDATES) if visits else PIANO_UPDATES).plan(local, theirs, **options)


def sent(found: Plan) -> dict[str, Any]:
    return {action.name: action.payload for action in found.actions}


def test_a_status_becomes_its_tag_and_only_its_tag() -> None:
    found = plan(row({"status": "top"}, status="problematic"), remote("GRAND", "TOP"))
    assert sent(found) == {"update_tags": {"tags": ["GRAND", "PROBLEMATIQUE"]}}
    assert found.actions[0].settles["status"] == "problematic"
    assert found.clashes == []
    assert found.actions[0].clashes == ()


def test_what_is_the_same_on_both_sides_is_not_sent() -> None:
    found = plan(row({"status": "top"}, status="top", notes=" "), remote("GRAND", "TOP"))
    assert found.is_quiet


def test_a_status_that_both_sides_changed_alike_is_only_agreed_on() -> None:
    found = plan(row({"status": "top"}, status="normal"), remote("NORMAL", at=LATER))
    assert found.is_quiet
    assert found.settles["status"] == "normal"


def test_the_later_edit_wins_and_the_other_is_told() -> None:
    local = row({"status": "top"}, status="problematic")
    ours = plan(local, remote("NORMAL", "GRAND", at=EARLIER))
    assert sent(ours) == {"update_tags": {"tags": ["GRAND", "PROBLEMATIQUE"]}}
    (clash,) = ours.actions[0].clashes
    assert (clash.base, clash.ours, clash.theirs, clash.winner) == ("top", "problematic", "normal", "ours")

    theirs = plan(local, remote("NORMAL", "GRAND", at=LATER))
    assert theirs.actions == []
    assert theirs.follows == {"status": "normal"}
    assert theirs.follows_settle["status"] == "normal"
    assert [(c.ours, c.theirs, c.winner) for c in theirs.clashes] == [("problematic", "normal", "theirs")]


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
    assert [(c.ours, c.theirs) for c in found.clashes] == [("top", None)]


def test_an_edit_never_loses_to_emptiness() -> None:
    found = plan(row({"status": "top"}, status="normal"), remote("GRAND", at=LATER))
    assert sent(found) == {"update_tags": {"tags": ["GRAND", "NORMAL"]}}


def test_a_cleared_status_takes_its_tag_away() -> None:
    found = plan(row({"status": "top"}, status=None), remote("TOP", "GRAND"))
    assert sent(found) == {"update_tags": {"tags": ["GRAND"]}}


@pytest.mark.parametrize("seen", [None, known(("A_REMPLACER", "GRAND", "NORMAL"))])
@pytest.mark.parametrize("status", sorted(TAGS))
def test_a_first_status_replaces_both_of_two_tags_and_contradicts_nobody(status: str, seen: Values | None) -> None:
    found = plan(row(None, status=status, seen=seen), remote("A_REMPLACER", "GRAND", "NORMAL"))
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
    found = plan(row(None, status="problematic", seen=seen), remote("TOP", at=at))
    if expected == "theirs":
        assert found.follows == {"status": "top"}
        assert found.clashes
        return
    assert sent(found) == {"update_tags": {"tags": ["PROBLEMATIQUE"]}}
    assert bool(found.actions[0].clashes) == (expected == "ours, told")


def test_tags_that_are_suddenly_all_gone_are_not_written_over_until_somebody_confirms_it() -> None:
    base = {"status": "top", "remote": {"tags": ["GRAND", "TOP"]}}
    assert "GRAND" in plan(row(base, status="normal"), remote()).problems["status"]
    assert plan(row(base, status="top"), remote()).is_quiet, "emptiness is not followed either"
    pulled = known(("GRAND", "TOP"))
    assert plan(row(None, status="normal", pulled=pulled), remote()).problems
    assert plan(row(base, status="normal", attempts=9), remote()).problems, "asking often confirms nothing"
    confirmed = plan(row(base, status="normal", pulled=known(())), remote())
    assert sent(confirmed) == {"update_tags": {"tags": ["NORMAL"]}}


def test_notes_become_a_comment_once_and_again_when_they_are_said_again() -> None:
    first = plan(row(None, notes="Accordé"), remote())
    assert sent(first) == {
        "add_comment": {"text": "Accordé", "created_at": "2026-07-01T16:00:00Z", "created_by": "helene@exemple.example"}
    }
    assert plan(row({"notes": "Accordé"}, notes="Accordé "), remote()).is_quiet
    again = plan(row({"notes": "Autre", "generations": {"notes": 2}}, notes="Accordé"), remote())
    same = plan(row(None, notes="Accordé", updated_at=LATER), remote())
    assert again.actions[0].key != first.actions[0].key
    assert same.actions[0].key == first.actions[0].key, "the same edit tried again is the same action"


def test_a_comment_that_was_emptied_here_sends_nothing() -> None:
    found = plan(row({"notes": "Accordé"}, notes=None), remote())
    assert found.is_quiet
    assert found.settles == {"notes": None}


def test_work_is_dated_by_the_montreal_day_on_which_it_was_done() -> None:
    late = datetime(2026, 7, 2, 3, 30, tzinfo=UTC)  # half past eleven in the evening of the first
    found = plan(row(None, travail="Cordes", completed_at=late), remote())
    assert sent(found)["add_service"]["day"] == "2026-07-01"
    assert sent(found)["add_service"]["created_at"] == "2026-07-02T03:30:00Z"
    assert sent(found)["set_serviced"] == {"last_serviced": "2026-07-01"}
    assert found.actions[-1].after == "travail"
    assert "set_serviced" not in sent(plan(row(None, travail="Cordes", completed_at=late), remote(), visits=True))


def test_a_later_service_at_gazelle_is_not_set_back() -> None:
    found = plan(row(None, travail="Cordes", completed_at=NOON), remote(last_serviced=date(2026, 8, 1)))
    assert list(sent(found)) == ["add_service"]
    assert found.settles["serviced"] == "2026-07-01"


def test_work_without_its_day_is_entered_and_the_day_follows_alone() -> None:
    first = plan(row(None, travail="Cordes"), remote())
    assert sent(first)["add_service"]["day"] == "2026-07-01"
    assert list(sent(first)) == ["add_service"]
    base = first.actions[0].settles
    assert list(sent(plan(row(base, travail="Cordes", completed_at=NOON), remote()))) == ["set_serviced"]


def test_the_same_work_on_another_day_is_another_service() -> None:
    base = {"travail": "Accord", "completed_at": "2026-01-05", "serviced": "2026-01-05"}
    found = plan(row(base, travail="Accord", completed_at=NOON), remote())
    assert list(sent(found)) == ["add_service", "set_serviced"]
    moved = NOON + timedelta(hours=2)
    same_day = {"travail": "Accord", "completed_at": "2026-07-01", "serviced": "2026-07-01"}
    assert plan(row(same_day, travail="Accord", completed_at=moved), remote()).is_quiet


def test_readings_become_one_measurement() -> None:
    text = "Accordé. 23°, 47%, 440Hz"
    found = plan(row(None, notes=text, travail=text, completed_at=NOON), remote())
    measured = [action.payload for action in found.actions if action.name == "add_measurement"]
    assert measured == [{"taken_on": "2026-07-01", "temperature": 23, "humidity": 47, "a4Pitch": 440}]
    (action,) = [action for action in found.actions if action.name == "add_measurement"]
    settled = {"notes": text, "travail": text, "completed_at": "2026-07-01", "serviced": "2026-07-01"}
    assert plan(row({**settled, **action.settles}, notes=text, travail=text, completed_at=NOON), remote()).is_quiet


def test_a_new_text_with_the_readings_of_the_last_one_is_a_new_measurement_and_the_same_text_is_none() -> None:
    first = plan(row(None, notes="accord janvier 440Hz"), remote())
    base = {key: value for action in first.actions for key, value in action.settles.items()}
    again = plan(row(base, notes=" accord  janvier 440Hz"), remote())
    assert "add_measurement" not in sent(again)
    later = plan(row(base, notes="accord juillet 440Hz"), remote())
    assert sent(later)["add_measurement"] == {"taken_on": "2026-07-01", "a4Pitch": 440}
    confirmed = {**base, "notes": "accord juillet 440Hz"}
    assert list(sent(plan(row(confirmed, notes="accord juillet 440Hz"), remote()))) == ["add_measurement"], (
        "the comment went, and the process died before the measurement"
    )


def test_a_base_that_names_no_text_of_its_readings_means_the_text_that_was_sent_last() -> None:
    base = {"notes": "accord janvier 440Hz", "readings.notes": {"a4Pitch": 440}}
    assert plan(row(base, notes="accord janvier 440Hz"), remote()).is_quiet
    assert "add_measurement" in sent(plan(row(base, notes="accord juillet 440Hz"), remote()))


@pytest.mark.parametrize(("kept", "written"), [(None, 440), (442, 440), (4420, 4400)])
def test_a_pitch_is_written_in_the_unit_of_the_pianos_other_pitches(kept: int | None, written: int) -> None:
    measured: dict[str, Values] = {"msr_1": {"a4Pitch": None}, "msr_2": {"a4Pitch": kept}}
    found = plan(row(None, notes="440Hz"), remote(measurements=measured))
    assert sent(found)["add_measurement"]["a4Pitch"] == written


WORK = {"travail": "Cordes", "completed_at": "2062-07-01", "serviced": "2062-07-01"}


@pytest.mark.parametrize(
    ("written", "replaced", "last", "set_to"),
    [
        ("2062-07-01", None, date(2062, 7, 1), "2026-07-01"),
        ("2062-07-01", "2020-01-01", date(2062, 7, 1), "2026-07-01"),
        ("2062-07-01", "2026-08-15", date(2062, 7, 1), "2026-08-15"),
        ("2062-07-01", None, date(2062, 7, 2), None),
        (None, None, date(2062, 7, 1), None),
    ],
)
def test_a_day_of_ours_that_was_mistyped_is_set_back_and_nobody_elses_is(
    written: str | None, replaced: str | None, last: date, set_to: str | None
) -> None:
    base = {**WORK, "serviced.written": written, "serviced.replaced": replaced}
    local = row(base, travail="Cordes", completed_at=NOON)
    found = plan(local, remote(last_serviced=last))
    entry = next(action for action in found.actions if action.name == "add_service")
    assert entry.payload["day"] == "2026-07-01"
    assert "2062-07-01 stays at Gazelle" in (entry.remark or "")
    assert sent(found).get("set_serviced", {}).get("last_serviced") == set_to
    settled = dict(base)
    for action in found.actions:
        settled |= action.settles
    settled |= found.settles
    then = date.fromisoformat(set_to) if set_to else last
    assert plan(replace(local, base=settled), remote(last_serviced=then)).is_quiet


@pytest.mark.parametrize("base_day", ["2062-07-01", None])
def test_another_work_of_an_earlier_day_sets_no_last_service_back(base_day: str | None) -> None:
    base = {**WORK, "completed_at": base_day, "serviced.written": "2062-07-01"}
    words = "Accord" if base_day else "Cordes"  # the day of the same words was filled in later
    local = row(base, travail=words, completed_at=NOON)
    found = plan(local, remote(last_serviced=date(2062, 7, 1)))
    assert "set_serviced" not in sent(found)
    settled = {**base, **{name: value for action in found.actions for name, value in action.settles.items()}}
    corrected = replace(local, base=settled | found.settles, values={**local.values, "completed_at": LATER})
    assert "set_serviced" not in sent(plan(corrected, remote(last_serviced=date(2062, 7, 1))))


def test_a_later_day_is_another_service_and_needs_no_remark() -> None:
    base = {**WORK, "completed_at": "2026-06-01", "serviced": "2026-06-01"}
    entry = plan(row(base, travail="Cordes", completed_at=NOON), remote()).actions[0]
    assert (entry.name, entry.remark) == ("add_service", None)


def test_observations_become_a_block_of_the_notes_and_foreign_text_stays() -> None:
    first = plan(row(None, observations="Son clair"), remote(notes="Clé sous le paillasson"))
    notes = sent(first)["update_piano"]["observations"]
    assert notes.startswith("Clé sous le paillasson\n\n[")
    assert "\nSon clair\n" in notes
    edited = notes + "\nAppeler avant"
    second = plan(row({"observations": "Son clair"}, observations="Son mat"), remote(notes=edited))
    assert sent(second)["update_piano"]["observations"] == edited.replace("Son clair", "Son mat")
    third = plan(row({"observations": "Son mat"}, observations=None), remote(notes=edited.replace("clair", "mat")))
    assert sent(third)["update_piano"]["observations"] == "Clé sous le paillasson\nAppeler avant"


def test_a_block_that_was_edited_at_gazelle_is_followed_or_beaten() -> None:
    notes = sent(plan(row(None, observations="un"), remote()))["update_piano"]["observations"].replace("un", "deux")
    assert plan(row({"observations": "un"}, observations="un"), remote(notes=notes)).follows == {"observations": "deux"}
    ours = plan(row({"observations": "un"}, observations="trois"), remote(notes=notes))
    assert "trois" in sent(ours)["update_piano"]["observations"]
    assert ours.actions[0].clashes[0].theirs == "deux"
    theirs = plan(row({"observations": "un"}, observations="trois"), remote(notes=notes, at=LATER))
    assert theirs.follows == {"observations": "deux"}


def test_a_block_that_nobody_here_had_seen_is_not_written_over_in_silence() -> None:
    """It was sent, the database crashed before it knew, and somebody at Gazelle wrote into it in that same second."""
    notes = sent(plan(row(None, observations="un"), remote()))["update_piano"]["observations"].replace("un", "deux")
    found = plan(row({"notes": "a"}, notes="a", observations="trois"), remote(notes=notes, at=NOON))
    (action,) = found.actions
    (clash,) = action.clashes
    assert (clash.ours, clash.theirs, clash.winner) == ("trois", "deux", "ours")


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
    settled = found.settles | found.follows_settle
    for action in found.actions:
        settled |= action.settles
    value = found.follows.get("status", ours)
    at_gazelle = {name for name, tag in TAGS.items() if tag in after}
    assert value in at_gazelle if value else not at_gazelle
    if found.actions:
        assert at_gazelle == ({value} - {None})
    # Nothing is thrown away: a value that is on neither side any more and was not base is in a clash.
    told = {c.ours for c in found.clashes} | {c.theirs for action in found.actions for c in action.clashes}
    lost = {ours} - {value, base, None}
    assert lost <= told
    # And then there is quiet.
    again = plan(row({"status": base, **settled}, status=value), remote(*after))
    assert again.is_quiet


TEXTS = st.text(
    alphabet="ab\n\r[]\\ é🎹\u2028\x85" + "".join(sorted(set("[/observations · gazelle_sync]"))), max_size=40
)


@given(before=TEXTS, first=TEXTS, second=TEXTS)
def test_a_block_comes_and_goes_and_leaves_foreign_text_to_the_byte(before: str, first: str, second: str) -> None:
    notes = before
    base: dict[str, Any] = {}
    for says in (first, second, None):
        found = plan(row(base, observations=says), remote(notes=notes))
        notes = sent(found).get("update_piano", {"observations": notes})["observations"]
        base = {**base, **found.settles, **(found.actions[0].settles if found.actions else {})}
        assert plan(row(base, observations=says), remote(notes=notes)).is_quiet
        if says and says.strip():
            assert notes.startswith(before)
    assert notes == before


HABITS: dict[str, Callable[[str], str]] = {
    "blanks are squeezed": lambda text: re.sub(r"[^\S\n]+", " ", text).strip(),
    "everything on one line": lambda text: " ".join(text.split()),
    "no-break spaces": lambda text: text.replace(" ", "\u00a0"),
    "other line ends": lambda text: text.replace("\r", "").replace("\n", "\r\n"),
    "escaped": lambda text: html.escape(html.unescape(text)),
    "escaped, on one line": lambda text: html.escape(html.unescape(" ".join(text.split()))),
    "accents of two signs": lambda text: unicodedata.normalize("NFD", text),
}
"""What an API may do to a text that it stores."""


@pytest.mark.parametrize("habit", HABITS)
@given(before=TEXTS, first=TEXTS, second=TEXTS)
def test_a_block_whose_blanks_and_signs_the_api_changed_is_found_and_not_doubled(
    habit: str, before: str, first: str, second: str
) -> None:
    notes = HABITS[habit](before)
    base: dict[str, Any] = {}
    written, mark = normalize(before), normalize(Marks.of("observations", "pno_1").first)
    for says in (first, f"{first} & {first}\n\n<{second}>", f"{first}\u00a0 & {first} <{second}>", second, None):
        found = plan(row(base, observations=says), remote(notes=notes))
        assert not found.follows, "blanks are nobody's edit"
        after = sent(found).get("update_piano", {"observations": notes})["observations"]
        assert normalize(after).count(mark) == (1 if says and says.strip() else 0)
        notes = HABITS[habit](after)
        base = {**base, **found.settles, **(found.actions[0].settles if found.actions else {})}
        assert plan(row(base, observations=says), remote(notes=notes)).is_quiet
    assert normalize(notes) == written


def test_a_text_that_was_reworded_at_gazelle_is_still_an_edit() -> None:
    notes = sent(plan(row(None, observations="Son clair"), remote()))["update_piano"]["observations"]
    flat = " ".join(notes.replace("clair", "mat").split())
    assert plan(row({"observations": "Son clair"}, observations="Son clair"), remote(notes=flat)).follows == {
        "observations": "Son mat"
    }
    spaced = plan(row({"observations": "Son clair"}, observations="Son\nclair"), remote(notes=notes))
    assert "\nSon\nclair\n" in sent(spaced)["update_piano"]["observations"], "a person's own blanks are sent"
