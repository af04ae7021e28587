"""What a check found, in a person's words: the one type that the UI, the command line and the alerts are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

SHOWN = 10
"""Examples that a finding carries: enough to look, not a second copy of the table."""


Severity = Literal["error", "warning"]
"""How bad it is. Of a check: with an error, what the tables say may not be believed; with a warning, a person should
look, and the tables say what Gazelle says."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: Name of the check.
        passed: Whether what it watches is in order. What could not be looked at has not passed.
        severity: How bad it is where it has not passed.
        summary: One or two sentences.
        advice: What to do about it; None where nothing is to be done.
        examples: Some of the records concerned, by id: never a client's particulars.
        numbers: What was counted, `checked` among it.
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
        """For machines."""
        return {**asdict(self), "examples": list(self.examples)}


def first_few(examples: Iterable[str]) -> tuple[str, ...]:
    """The first few of many examples."""
    return tuple(example for example, _ in zip(examples, range(SHOWN), strict=False))
