"""What shop staff read after a run, in both languages."""

from __future__ import annotations

from typing import Any

import pytest

from gazelle_sync.cli.summary import Summary
from gazelle_sync.pull.report import EntityReport, Progress


def stats(**reports: EntityReport) -> dict[str, Any]:
    return {**{name: report.as_stats() for name, report in reports.items()}, "requests": 7, "bytes": 1_250_000}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Nothing changed.", "1,344", "Done in 1.5 s, 7 requests, 1.2 MB.")),
        ("fr", ("Rien n'a changé.", "1\N{NARROW NO-BREAK SPACE}344", "Terminé en 1,5 s, 7 requêtes, 1,2 Mo.")),
    ],
)
def test_a_quiet_run_says_that_nothing_changed(language: str, words: tuple[str, ...]) -> None:
    text = Summary("tick", "success", 1.5, stats(clients=EntityReport(total=1344))).render(language, fallback=[])
    assert [part for part in words if part not in text] == []


def test_a_run_with_changes_says_how_many_records_changed() -> None:
    report = EntityReport(total=1344, fetched=5, staged=3, deleted=1, changed=9)
    text = Summary("tick", "success", 1.5, stats(clients=report)).render("en", fallback=[])
    assert "3 records changed." in text
    assert "1,344" in text


def test_a_failure_names_its_entity_and_the_reason_once() -> None:
    failed = EntityReport(failure="ClientsStamps: HTTP 503: 'no'")
    also = EntityReport(failure="PianosStamps: HTTP 503: 'no'")
    text = Summary("tick", "error", 1.5, stats(clients=failed, pianos=also)).render("en", fallback=[])
    assert "Clients, Pianos" in text
    assert text.count("HTTP 503") == 1


def test_a_run_that_never_began_gives_the_reason_it_was_told() -> None:
    assert "no such host" in Summary().render("en", fallback=["no such host"])


def test_errors_point_to_where_they_can_be_read() -> None:
    text = Summary("tick", "warning", 1.0, stats(clients=EntityReport(errors=2))).render("en", fallback=[])
    assert "v_sync_errors" in text


def test_progress_is_a_picture_of_the_moment() -> None:
    progress = Progress()
    progress.update("clients", "read", 10, 20)
    before = progress.snapshot()
    progress.update("clients", "apply", 5, None)
    assert before == {"clients": ("read", 10, 20)}
    assert progress.snapshot() == {"clients": ("apply", 5, None)}
