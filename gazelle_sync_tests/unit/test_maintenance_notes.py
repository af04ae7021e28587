"""What notes say: measured on labelled sets, and what holds of every note."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.shop.maintenance.climate import Thresholds
from gazelle_sync.shop.maintenance.lexicon import KINDS, corrected, plain
from gazelle_sync.shop.maintenance.reading import findings_in
from gazelle_sync_tests.notes import judge, notes

PRECISION, RECALL = 0.97, 0.92
PRECISION_OF_A_KIND, RECALL_OF_A_KIND = 0.93, 0.85
ALL = [note.text for name in ("tuned", "judged") for note in notes(name)]


def said(text: str, *, asks_for_low_humidity: bool = False) -> dict[str, tuple[str, str]]:
    return {
        one.kind: (one.effect, one.status) for one in findings_in(text, asks_for_low_humidity=asks_for_low_humidity)
    }


def test_there_are_four_hundred_notes_and_no_text_is_in_both_sets() -> None:
    tuned, judged = ({note.text for note in notes(name)} for name in ("tuned", "judged"))
    assert len(tuned | judged) >= 400
    assert len(tuned & judged) <= 1


@pytest.mark.parametrize("name", ["tuned", "judged"])
def test_the_rules_read_what_the_labels_say(name: str) -> None:
    judged = judge(notes(name))
    print(judged.table())  # noqa: T201 - the confusion table
    assert judged.precision() >= PRECISION, judged.table()
    assert judged.recall() >= RECALL, judged.table()
    for kind in KINDS:
        assert judged.precision(kind) >= PRECISION_OF_A_KIND, judged.table()
        assert judged.recall(kind) >= RECALL_OF_A_KIND, judged.table()


def test_the_measure_sees_what_is_wrong() -> None:
    wrong = [note for note in notes("judged") if not note.says][:30]
    invented = [type(note)(note.text, {"housse": "opens"}, False) for note in wrong]
    judged = judge([*notes("judged"), *invented])
    assert judged.recall("housse") < RECALL_OF_A_KIND
    assert len(judged.wrong) >= len(invented)


@pytest.mark.parametrize("text", [text for text in ALL if text.isascii() or "hum" not in text.lower()][::7])
def test_capitals_and_accents_make_no_difference(text: str) -> None:
    assert said(text.upper().replace("°C", "°c")) == said(text) or "%" in text
    assert said(plain(text)) == said(text)


@given(st.text(max_size=200))
def test_any_text_can_be_read_and_says_one_thing_of_a_kind(text: str) -> None:
    found = findings_in(text)
    assert len({one.kind for one in found}) == len(found)
    assert all(0 < one.confidence <= 1 and one.words in text for one in found)


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=4))
def test_an_ordinary_note_before_another_changes_nothing(texts: list[str]) -> None:
    text = "\n".join(texts)
    assert said(f"Accord 440 Hz, piano stable.\n{text}") == said(text)


@given(
    st.sampled_from(ALL), st.sampled_from(["Réservoir rempli.", "Tank filled.", "Réservoir vide.", "PLS débranché."])
)
def test_the_last_word_counts(before: str, last: str) -> None:
    [one] = findings_in(last)
    assert said(f"{before}\n{last}")[one.kind] == (one.effect, "open")


@pytest.mark.parametrize(
    ("percent", "effect"), [(9, None), (10, "opens"), (29, "opens"), (30, "normal"), (69, "normal"), (70, "opens")]
)
def test_a_reading_has_thresholds_of_its_own(percent: int, effect: str | None) -> None:
    found = findings_in(f"22C, {percent}%")
    assert [one.effect for one in found] == ([effect] if effect else [])


def test_a_low_reading_counts_for_clients_who_ask_for_it_and_thresholds_are_settings() -> None:
    assert said("20C, 33%") == {"environnement": ("normal", "open")}
    assert said("20C, 33%", asks_for_low_humidity=True) == {"environnement": ("opens", "open")}
    [strict] = findings_in("20C, 62%", Thresholds(high=60))
    assert strict.effect == "opens"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("debranhe", "debranche"), ("houssse", "housse"), ("reservior", "reservoir"), ("mousse", "mousse"),
        ("blanche", "blanche"), ("ebranche", "ebranche"), ("vite", "vite"),
    ],
)  # fmt: skip
def test_a_letter_may_be_wrong_where_no_other_word_is_meant(typed: str, meant: str) -> None:
    assert corrected(typed) == meant
