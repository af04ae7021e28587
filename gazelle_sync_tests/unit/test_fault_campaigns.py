"""What the campaigns draw, count and document, without living through a case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync_tests.faults import figures as f
from gazelle_sync_tests.faults import invoices_kinds, newcomers_kinds, visits_kinds
from gazelle_sync_tests.faults.__main__ import main
from gazelle_sync_tests.faults.alerts import ReportedTotal
from gazelle_sync_tests.faults.campaign import PULL, PUSH, Tally, jobs
from gazelle_sync_tests.faults.case import Result
from gazelle_sync_tests.faults.kinds import Kind


def test_the_same_seed_draws_the_same_case() -> None:
    assert jobs(PULL, 3, 5) == jobs(PULL, 0, 8)[3:]
    assert len({kind.name for kind in PULL.values()}) >= 30
    assert {kind.group for kind in PULL.values()} == {
        "network", "http", "graphql", "lists", "data", "clock", "database", "process",
    }  # fmt: skip


def test_the_push_has_every_group_of_days_that_go_wrong() -> None:
    assert len(PUSH) >= 60
    assert {kind.group for kind in PUSH.values()} == {
        "network", "http", "graphql", "gazelle", "shop", "database", "process", "undo",
    }  # fmt: skip


def test_the_table_counts_by_kind_and_names_the_seeds_of_failures(capsys: pytest.CaptureFixture[str]) -> None:
    bad, good = Result(1, "503"), Result(2, "503")
    bad.figures.add(f.LOST, "gone")
    tally = Tally({"503": PULL["503"]}, [bad, good])
    assert "| http: 503 | 2 | 1 | 0 | 0 | 0 | 0 | 0 | 0 |" in tally.render()
    assert "| **total** | 2 | 1 |" in tally.render()
    assert [result.seed for result in tally.failures] == [1]
    assert main(["--only", "no such kind"]) == 2
    assert "No kind is called" in capsys.readouterr().err


def test_a_failed_entity_that_is_left_out_is_an_alert_missing() -> None:
    told = ReportedTotal(1, frozenset({("failed_run", "clients"), ("stale_data", "pianos")}))
    assert told.knows_of("tick", ["clients"])
    assert not told.knows_of("tick", ["clients", "pianos"])
    assert not ReportedTotal(1, frozenset({("failed_job", "full"), ("many_errors", "records")})).knows_of("tick", [])
    assert ReportedTotal(1, frozenset({("failed_job", "tick")})).knows_of("tick", [])
    assert ReportedTotal(1, frozenset({("database", "database")})).knows_of("tick", ["clients"])


def test_the_document_names_every_kind_of_the_pull() -> None:
    text = document().partition("# The push")[0]
    assert [
        name for name, kind in PULL.items() if f"| {name} | {kind.about} | {kind.expects.value} |" not in text
    ] == []


@pytest.mark.parametrize(
    ("heading", "kinds", "figures"),
    [
        ("# The push", PUSH.values(), f.PUSH_FIGURES),
        ("# Records that are made and end", newcomers_kinds.OWN, f.RECORD_FIGURES),
        ("# Visits", visits_kinds.OWN, f.VISIT_FIGURES),
        ("# Invoices and payments", invoices_kinds.OWN, f.INVOICE_FIGURES),
    ],
)
def test_the_document_names_every_kind_and_figure(heading: str, kinds: Iterable[Kind], figures: Sequence[str]) -> None:
    text = document().partition(heading)[2]
    assert [k.name for k in kinds if f"| {k.group} | {k.name} | {k.about} | {k.expects.value} |" not in text] == []
    assert [figure for figure in figures if f"| {figure} |" not in text] == []


def document() -> str:
    return (PROJECT_ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
