"""What staff read about a push, with its numbers by each language's grammar."""

from __future__ import annotations

from datetime import UTC, datetime

from gazelle_sync.push.model import Outcome, Plan, Row
from gazelle_sync.push.render import render_preview, render_report, render_waiting
from gazelle_sync.push.session import PushReport
from gazelle_sync.push.status import Waiting


def test_one_row_waits_and_one_action_is_sent() -> None:
    row = Waiting("pno_1", False, None, 0, None, False)
    assert render_waiting("en", [row]).endswith("1 row waits; 0 because of an error.")
    assert render_waiting("fr", [row]).endswith("1 ligne attend, dont 0 à cause d'une erreur.")
    report = PushReport(stopped="Non.", left=1, requests=1)
    assert "1 row waits for the next one" in render_report("en", report)
    assert "0 envoyée, 0 en échec, 0,0 s, 1 requête." in render_report("fr", report)


def test_a_reason_that_holds_for_several_columns_is_said_once() -> None:
    reasons = {
        "name_fr": "Gazelle has archived it.",
        "name_en": "Gazelle has archived it.",
        "retail_price": "No price.",
    }
    row = Row("mit_1", {}, datetime(2026, 7, 1, tzinfo=UTC))
    preview, _ = render_preview("en", [(row, Plan(problems=dict(reasons)), "")])
    report = render_report("en", PushReport(outcomes=[Outcome("mit_1", failed=dict(reasons))]))
    for text in (preview, report):
        assert (text.count("archived"), text.count("No price.")) == (1, 1)
