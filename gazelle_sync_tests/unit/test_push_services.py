"""Planning what is added to a piano: comments, work that was done, measurements."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from gazelle_sync.push.model import Values
from gazelle_sync_tests.support.planning import LATER, NOON, plan, remote, row, sent


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
    assert found.base_updates == {"notes": None}


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
    assert found.base_updates["serviced"] == "2026-07-01"


def test_work_without_its_day_is_entered_and_the_day_follows_alone() -> None:
    first = plan(row(None, travail="Cordes"), remote())
    assert sent(first)["add_service"]["day"] == "2026-07-01"
    assert list(sent(first)) == ["add_service"]
    base = first.actions[0].base_updates
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
    assert plan(row({**settled, **action.base_updates}, notes=text, travail=text, completed_at=NOON), remote()).is_quiet


def test_a_new_text_with_the_readings_of_the_last_one_is_a_new_measurement_and_the_same_text_is_none() -> None:
    first = plan(row(None, notes="accord janvier 440Hz"), remote())
    base = {key: value for action in first.actions for key, value in action.base_updates.items()}
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
        settled |= action.base_updates
    settled |= found.base_updates
    then = date.fromisoformat(set_to) if set_to else last
    assert plan(replace(local, base=settled), remote(last_serviced=then)).is_quiet


@pytest.mark.parametrize("base_day", ["2062-07-01", None])
def test_another_work_of_an_earlier_day_sets_no_last_service_back(base_day: str | None) -> None:
    base = {**WORK, "completed_at": base_day, "serviced.written": "2062-07-01"}
    words = "Accord" if base_day else "Cordes"  # the day of the same words was filled in later
    local = row(base, travail=words, completed_at=NOON)
    found = plan(local, remote(last_serviced=date(2062, 7, 1)))
    assert "set_serviced" not in sent(found)
    settled = {**base, **{name: value for action in found.actions for name, value in action.base_updates.items()}}
    corrected = replace(local, base=settled | found.base_updates, values={**local.values, "completed_at": LATER})
    assert "set_serviced" not in sent(plan(corrected, remote(last_serviced=date(2062, 7, 1))))


def test_a_later_day_is_another_service_and_needs_no_remark() -> None:
    base = {**WORK, "completed_at": "2026-06-01", "serviced": "2026-06-01"}
    entry = plan(row(base, travail="Cordes", completed_at=NOON), remote()).actions[0]
    assert (entry.name, entry.remark) == ("add_service", None)
