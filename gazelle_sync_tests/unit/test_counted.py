"""Numbers in sentences, by each language's grammar."""

from __future__ import annotations

import pytest

from gazelle_sync.i18n.plurals import counted
from gazelle_sync.push.render import TEXTS, render_report, render_waiting
from gazelle_sync.push.session import PushReport
from gazelle_sync.push.status import Waiting
from gazelle_sync.quality.flow import WAITS


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [("en", 0, "0 rows"), ("en", 1, "1 row"), ("en", 2, "2 rows"),
     ("fr", 0, "0 row"), ("fr", 1, "1 row"), ("fr", 2, "2 rows")],
)  # fmt: skip
def test_a_number_takes_the_form_that_its_language_asks_for(language: str, count: int, said: str) -> None:
    assert counted(language, "{n:# row|# rows} {x!r:>4} {y:.1f}", n=count, x="a", y=1) == f"{said}  'a' 1.0"


def test_one_row_waits_and_one_action_is_sent() -> None:
    row = Waiting("pno_1", False, None, 0, None, False)
    assert render_waiting("en", [row]).endswith("1 row waits; 0 because of an error.")
    assert render_waiting("fr", [row]).endswith("1 ligne attend, dont 0 à cause d'une erreur.")
    report = PushReport(stopped="Non.", left=1, requests=1)
    assert "1 row waits for the next one" in render_report("en", report)
    assert "0 envoyée, 0 en échec, 0.0 s, 1 requête." in render_report("fr", report)
    assert WAITS.say("fr", count=1, what="x", minutes=3).startswith("1 fiche attend d'être appliquée")


def test_both_languages_have_every_text_of_a_push() -> None:
    assert TEXTS["en"].keys() == TEXTS["fr"].keys()
