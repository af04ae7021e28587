"""The result of a check, as sentences: the one type that the UI, the command line and the alerts use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from textwrap import wrap
from typing import Any, Literal

from gazelle_sync.i18n.translator import Plural, translator
from gazelle_sync.warehouse.names import ids_within, with_names

WIDTH = 100
SHOWN = 10
"""So many examples a finding holds."""


Severity = Literal["error", "warning"]
"""`error`: the tables may be wrong. `warning`: the tables are right, and a person should look at something."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: Name of the check.
        passed: Whether all is in order. What could not be checked has not passed.
        severity: Where it has not passed: `error` or `warning`.
        summary: One or two sentences.
        advice: What to do about it; None where nothing is to be done.
        examples: Some of the records concerned, by id: never personal data.
        numbers: Counts by name, `checked` among them.
    """

    check: str
    passed: bool
    summary: str
    severity: Severity = "error"
    advice: str | None = None
    examples: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_failure(self) -> bool:
        """Whether it failed as an error and not merely as a warning."""
        return not self.passed and self.severity == "error"

    @property
    def description(self) -> str:
        """Summary and advice."""
        return f"{self.summary} {self.advice}" if self.advice else self.summary

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "examples": list(self.examples)}


def first_few(examples: Iterable[str]) -> tuple[str, ...]:
    """The first few of many examples."""
    return tuple(example for example, _ in zip(examples, range(SHOWN), strict=False))


def ids_in(findings: Iterable[Finding]) -> list[str]:
    """What may be the ids of records in the examples of some findings, for their names."""
    return ids_within(example for finding in findings if not finding.passed for example in finding.examples)


def render_findings(findings: Sequence[Finding], language: str, names: dict[str, str] | None = None) -> str:
    """A round of checks as text for a terminal: each finding, then how many passed and failed.

    Checks that did not pass for one and the same reason (a table that is empty) stand together above it.

    Args:
        findings: Of the round.
        language: The reader's.
        names: Id of a record → what people call it, which is written beside it.
    """
    say = translator(language)
    by_result: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        result = (finding.severity, finding.summary, finding.advice, finding.examples)
        by_result.setdefault((finding.check,) if finding.passed else result, []).append(finding)
    lines = [line for group in by_result.values() for line in _lines(group, language, names or {})]
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


def finding_lines(finding: Finding, language: str, names: dict[str, str] | None = None) -> Iterator[str]:
    """The lines of one finding: mark and name, summary, examples, advice."""
    yield from _lines([finding], language, names or {})


def _lines(findings: Sequence[Finding], language: str, names: dict[str, str]) -> Iterator[str]:
    """The lines of findings that differ by their check alone."""
    say = translator(language)
    finding = findings[0]
    mark = "✓" if finding.passed else "✗" if finding.is_failure else "⚠"
    yield from (f"{mark} {one.check}" for one in findings)
    yield from _block(finding.summary)
    if finding.examples:
        yield from _block(say("for example:"))
        yield from (f"      {with_names(example, names)}" for example in finding.examples)
    if finding.advice:
        yield from _block("→ " + say("what to do:") + f" {finding.advice}")


def _block(text: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
