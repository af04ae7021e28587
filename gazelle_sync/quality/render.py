"""The findings of a round of checks as a page for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from gazelle_sync.i18n.translator import Plural, translator
from gazelle_sync.quality.finding import Finding

WIDTH = 100


def render_findings(findings: Sequence[Finding], language: str) -> str:
    """Each check on a line or a few, what is wrong with what to do about it, and the sum."""
    say = translator(language)
    lines = [line for finding in findings for line in finding_lines(finding, language)]
    failed = sum(finding.is_failure for finding in findings)
    passed = sum(finding.passed for finding in findings)
    warned = len(findings) - failed - passed
    if passed == len(findings):
        return "\n".join([*lines, say(Plural("{count} check passed.", "{count} checks passed."), count=passed)])
    text = Plural(
        "{failed} failed, {warned} with a warning, {count} passed.",
        "{failed} failed, {warned} with a warning, {count} passed.",
    )
    return "\n".join([*lines, say(text, failed=failed, warned=warned, count=passed)])


def finding_lines(finding: Finding, language: str) -> Iterator[str]:
    """One finding: its mark and name, then what it says."""
    say = translator(language)
    mark = "✓" if finding.passed else "✗" if finding.is_failure else "⚠"
    yield f"{mark} {finding.check}"
    yield from _block(finding.summary)
    if finding.examples:
        yield from _block(say("for example:"))
        yield from (f"      {example}" for example in finding.examples)
    if finding.advice:
        yield from _block("→ " + say("what to do:") + f" {finding.advice}")


def _block(text: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
