"""The findings of a round of checks as a page for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from gazelle_sync.quality.finding import Finding, Text

WIDTH = 100
WELL = Text("{count:# check|# checks} passed.", "{count:# contrôle réussi|# contrôles réussis}.")
NOT_WELL = Text(
    "{failed} failed, {warned} with a warning, {passed} passed.",
    "{failed} en échec, {warned} avec un avertissement, {passed:# réussi|# réussis}.",
)
EXAMPLES = Text("for example:", "par exemple :")
TO_DO = Text("what to do:", "que faire :")


def render_findings(findings: Sequence[Finding], language: str) -> str:
    """Each check on a line or a few, what is wrong with what to do about it, and the sum."""
    lines = [line for finding in findings for line in finding_lines(finding, language)]
    failed = sum(finding.is_failure for finding in findings)
    passed = sum(finding.passed for finding in findings)
    warned = len(findings) - failed - passed
    if passed == len(findings):
        return "\n".join([*lines, WELL.say(language, count=passed)])
    return "\n".join([*lines, NOT_WELL.say(language, failed=failed, warned=warned, passed=passed)])


def finding_lines(finding: Finding, language: str) -> Iterator[str]:
    """One finding: its mark and name, then what it says."""
    mark = "✓" if finding.passed else "✗" if finding.is_failure else "⚠"
    yield f"{mark} {finding.check}"
    yield from _block(finding.summary)
    if finding.examples:
        yield from _block(EXAMPLES.say(language))
        yield from (f"      {example}" for example in finding.examples)
    if finding.advice:
        yield from _block(f"→ {TO_DO.say(language)} {finding.advice}")


def _block(text: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
