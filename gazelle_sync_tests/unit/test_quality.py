"""The rules of quality: no Dagster, no personal data by design."""

from __future__ import annotations

import subprocess
import sys

from gazelle_sync.quality.finding import Finding, first_few, render_findings
from gazelle_sync.quality.registry import CHECKS, GROUPS

MODULES = [
    f"gazelle_sync.quality.{name}"
    for name in (
        "registry", "context", "conformance", "counts", "flow", "integrity", "production", "timezone"
    )
]  # fmt: skip


def test_the_room_never_imports_dagster() -> None:
    program = f"import sys, {', '.join(MODULES)}; print('dagster' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


def test_every_check_has_a_name_of_its_group_and_a_title() -> None:
    for group in GROUPS:
        for check in group.checks:
            assert check.name.startswith(f"{group.name}_")
            assert check.title
    assert len(CHECKS) == sum(len(group.checks) for group in GROUPS)


def test_examples_are_few() -> None:
    assert first_few(str(n) for n in range(1000)) == tuple("0123456789")


def test_the_page_marks_failures_and_warnings_and_sums_up() -> None:
    findings = [
        Finding("a", True, "well"),
        Finding("b", False, "odd", "warning", "look"),
        Finding("c", False, "broken", advice="mend", examples=("evt_1",)),
    ]
    page = render_findings(findings, "fr")
    assert [line for line in page.splitlines() if line[0] in "✓⚠✗"] == ["✓ a", "⚠ b", "✗ c"]
    assert "evt_1" in page
    assert "→ que faire\N{NO-BREAK SPACE}: mend" in page
    assert page.endswith("1 en échec, 1 avec un avertissement, 1 réussie.")
    assert render_findings(findings[:1], "en").endswith("1 check passed.")
    assert render_findings(findings[:1], "fr").endswith("1 vérification réussie.")


def test_checks_that_fail_for_one_reason_say_it_once() -> None:
    empty = [Finding(name, False, "Products: the table is empty.", advice="Run sync.") for name in "ac"]
    findings = [empty[0], Finding("b", False, "broken", advice="mend"), empty[1]]
    page = render_findings(findings, "en")
    assert [line for line in page.splitlines() if line[0] in "✓⚠✗"] == ["✗ a", "✗ c", "✗ b"]
    assert page.count("the table is empty") == page.count("Run sync.") == 1
    assert page.endswith("3 failed, 0 with a warning, 0 passed.")
