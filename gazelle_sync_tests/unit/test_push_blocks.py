"""Planning the block of ours in a piano's notes: it comes, changes and goes, and foreign text stays."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.push.block import Marks
from gazelle_sync.push.text import normalize
from gazelle_sync_tests.support.planning import LATER, NOON, plan, remote, row, sent


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
        base = {**base, **found.base_updates, **(found.actions[0].base_updates if found.actions else {})}
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
        base = {**base, **found.base_updates, **(found.actions[0].base_updates if found.actions else {})}
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
