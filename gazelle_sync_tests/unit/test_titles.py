"""The hour that a title announces, as people write it."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from gazelle_sync.quality.titles import announced, reference_hour


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Accord à 18h", time(18)),
        ("Accord À 18 H", time(18)),
        ("Accord a 18h", time(18)),
        ("18 h 30 accord", time(18, 30)),
        ("Accord 9h15", time(9, 15)),
        ("Accord à 9:15", time(9, 15)),
        ("Accord avant 8h", time(7)),
        ("Accord avant 8h", time(6, 30)),
        ("Accord de 9h à 12h", time(9)),
        ("Entre 9h15 et 10h30", time(9, 15)),
        ("Accord à 2h", time(14)),
        ("Tuning at 6 pm", time(18)),
        ("Tuning at 6:30 PM", time(18, 30)),
        ("Tuning before 8am", time(7)),
        ("Tuning @ 18h", time(18)),
    ],
)
def test_a_title_that_agrees(title: str, shown: time) -> None:
    said = announced(title)
    assert said is not None
    assert said.agrees(shown)


@pytest.mark.parametrize("title", ["Accord à 18h", "Accord avant 8h", "18 h 30", "9h15", "at 6 pm"])
@pytest.mark.parametrize("shift", [-10, -5, -4, -1, 4, 5, 10], ids=str)
def test_a_title_does_not_agree_with_a_calendar_that_was_moved(title: str, shift: int) -> None:
    said = announced(title)
    assert said is not None
    meant = next(iter(said.at), time(7))
    shown = time((meant.hour + shift) % 24, meant.minute)
    if title == "Accord avant 8h" and shift == -1:
        assert said.agrees(shown)  # six o'clock is before eight as well
        return
    assert not said.agrees(shown)


@pytest.mark.parametrize(
    "title",
    [
        None,
        "",
        "Accord",
        "3h de route",
        "Visite 2h",
        "Durée 2h30",
        "A440",
        "Studio 18 habité",
        "Piano 1h",
        "2026",
        "à 25h",
    ],
)
def test_a_title_that_announces_nothing(title: str | None) -> None:
    assert announced(title) is None


@pytest.mark.parametrize(
    ("title", "hour"),
    [
        ("Tire le Coyote avant 8h", time(7)),
        ("tire le coyote à 18h", time(18)),
        ("Tire le Coyote à 18 h — balance", time(18)),
        ("Tire le Coyote", None),
        ("Tire le Coyote à 15h", None),
        ("Accord à 18h", None),
    ],
)
def test_the_reference_appointments_are_known_by_their_titles(title: str, hour: time | None) -> None:
    assert reference_hour(title) == hour


def test_how_far_off_a_title_is_goes_by_its_nearest_hour() -> None:
    said = announced("Accord à 18h")
    assert said is not None
    assert said.off_by(time(13)) == timedelta(hours=-5)
    assert said.off_by(time(23)) == timedelta(hours=5)
    before = announced("Accord avant 8h")
    assert before is not None
    assert before.off_by(time(12)) == timedelta(hours=5)
