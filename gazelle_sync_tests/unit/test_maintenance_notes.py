"""What notes say: measured on labelled sets, and what holds of every note."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.shop.maintenance.clauses import may_say_something
from gazelle_sync.shop.maintenance.climate import Thresholds
from gazelle_sync.shop.maintenance.lexicon import KINDS, corrected, lexicon, plain
from gazelle_sync.shop.maintenance.reading import ONE_DIGIT, findings_in, outline_of, statements_in
from gazelle_sync_tests.notes import judge, notes

PRECISION, RECALL = 0.97, 0.92
PRECISION_OF_A_KIND, RECALL_OF_A_KIND = 0.93, 0.85
SETS = ("tuned", "judged", "later", "last", "phrases")
ALL = [note.text for name in SETS for note in notes(name)]
AROUND = [
    "Accord 440. {note}", "Accord et harmonisation. Remplacé une corde. {note}", "Salut Paul,\n{note}", "- {note}",
    "{note}\nPiano en bon état.\nProchain accord en mai.", "{note} Merci.", "Local 204 - {note}",
    "Le 12 mars 2024: {note}", "Tuned to A440. {note}",
]  # fmt: skip
PLAIN = {
    "housse": [
        "housse enlevée",
        "housse manquante",
        "sans housse",
        "piano découvert",
        "cover removed",
        "cover missing",
    ],
    "alimentation": ["PLS débranché", "système déconnecté", "prise débranchée", "system unplugged", "pas de courant"],
    "reservoir": ["réservoir vide", "réservoir à remplir", "réservoir manquant", "tank empty", "réservoirs vides"],
    "environnement": [
        "fenêtre ouverte",
        "température basse",
        "humidité trop haute",
        "window open",
        "humidity too high",
    ],
}
"""What opens an alert, in few words."""


def said(text: str, *, asks_for_low_humidity: bool = False) -> dict[str, tuple[str, str]]:
    return {
        one.kind: (one.effect, one.status) for one in findings_in(text, asks_for_low_humidity=asks_for_low_humidity)
    }


def test_there_are_four_hundred_notes_and_no_text_is_in_two_sets() -> None:
    assert len(ALL) >= 400
    assert len(ALL) - len(set(ALL)) <= 1


@pytest.mark.parametrize("name", SETS)
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


@pytest.mark.parametrize("text", [text for text in ALL if text.isascii() or "hum" not in text.lower()][::19])
def test_capitals_and_accents_make_no_difference(text: str) -> None:
    assert said(text.upper().replace("°C", "°c")) == said(text) or "%" in text
    assert said(plain(text)) == said(text)


@given(st.text(max_size=200))
def test_any_text_can_be_read_and_says_one_thing_of_a_kind(text: str) -> None:
    found = findings_in(text)
    assert len({one.kind for one in found}) == len(found)
    assert all(0 < one.confidence <= 1 and one.words in text for one in found)


def test_a_long_text_without_any_sign_takes_no_longer_than_another() -> None:
    """A clause without an end would take time by the square of its words."""
    text = "PLS débranché housse enlevée " * 5_000
    assert said(text) == {"housse": ("opens", "open"), "alimentation": ("opens", "open")}


READINGS = [
    "22C, 45%", "18°, 24 %", "humidité 71 %", "hum 33", "rabais 15 %", "HR: 28", "œ 75,5%", "½ 30%", "²", "A440",
]  # fmt: skip


@given(st.lists(st.sampled_from([*ALL, *READINGS]) | st.text(max_size=20), min_size=1, max_size=4))
def test_what_a_note_says_does_not_depend_on_its_digits_but_for_its_readings(texts: list[str]) -> None:
    """So notes that differ in digits alone are looked at once."""
    note = ", ".join(texts).encode("utf-8", "surrogatepass")
    assert outline_of.__wrapped__(note) == outline_of(note.translate(ONE_DIGIT))


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


@pytest.mark.parametrize("around", AROUND)
def test_what_stands_around_a_note_changes_nothing(around: str) -> None:
    texts = [note.text for name in SETS for note in notes(name) if note.says and "?" not in note.text][::5]
    assert [text for text in texts if said(around.format(note=text)) != said(text)] == []


def test_what_two_notes_say_of_different_kinds_they_say_together() -> None:
    short = [note for note in notes("tuned") if note.says and not note.may_be_suggested and "%" not in note.text]
    for one, other in itertools.combinations(short[::4], 2):
        if one.says.keys().isdisjoint(other.says):
            assert said(f"{one.text}\n{other.text}") == {**said(one.text), **said(other.text)}


def test_most_words_may_have_one_letter_wrong() -> None:
    read = Counter(
        said(f"{phrase[:start]}{typed}{phrase[start + len(word) :]}") == {kind: ("opens", "open")}
        for kind, phrases in PLAIN.items()
        for phrase in phrases
        for start, word in ((phrase.index(word), word) for word in phrase.split() if len(word) >= 5)
        for typed in _mistyped(word)
    )
    assert read[True] / read.total() >= 0.95


@pytest.mark.parametrize(
    "text",
    [
        "Rendez-vous déplacé, réservoir à voir.", "Clavier reporté sur le piano.", "La housse rose est belle.",
        "Une semaine de retard.", "Le réservoir que l'on voit.", "Le prix de la vente.", "Bonne fin de saison.",
        "La raison du retard.", "La banque est fermée.", "Prise de note.",
    ],
)  # fmt: skip
def test_everyday_words_are_no_mistyped_ones(text: str) -> None:
    assert said(text) == {}


def _mistyped(word: str) -> set[str]:
    doubled = {word[:at] + word[at] + word[at:] for at in range(len(word))}
    left_out = {word[:at] + word[at + 1 :] for at in range(1, len(word))}
    swapped = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(1, len(word) - 1)}
    return (doubled | left_out | swapped) - {word}


def test_a_note_that_is_not_read_to_its_end_says_nothing() -> None:
    entries = lexicon().entries
    called = {thing: phrase for phrase, entry in entries.items() for thing in entry.things}
    for phrase, entry in entries.items():
        named = [called[thing] for thing in called if not entry.states or thing in entry.states]
        for thing in [(), *named]:
            for text in (" ".join((*phrase, *thing)), " ".join((*thing, *phrase))):
                assert may_say_something(text) or not list(statements_in(text)), text
