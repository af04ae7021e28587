"""The words that the rules, the ledger and the wording share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gazelle_sync.errors import Cause
from gazelle_sync.quality.finding import Severity


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong now.

    Attributes:
        subject: What it is wrong with: an entity, a check, a job. The same rule and subject are the same trouble.
        severity: `error` or `warning`.
        cause: Troubles of one rule with the same cause are told in one message.
        details: Numbers and names for the text; never anything that a client said or is.
        run_id: The Dagster run that shows it, or None.
    """

    subject: str
    severity: Severity = "error"
    cause: str = ""
    details: Mapping[str, str | int | float] = field(default_factory=dict)
    run_id: str | None = None


def cause_details(cause: Cause) -> dict[str, str | int | float]:
    """The details of a trouble that an error caused."""
    return {"cause": cause.code, "number": "" if cause.number is None else cause.number}


@dataclass(frozen=True)
class Assessment:
    """What one rule found.

    Attributes:
        rule: Its name.
        troubles: What is wrong.
        judged: The subjects that were looked at; None: all that there are. A trouble whose subject was not looked at
            stays as it was: not knowing is no recovery.
    """

    rule: str
    troubles: tuple[Trouble, ...] = ()
    judged: frozenset[str] | None = None

    def is_well(self, subject: str) -> bool:
        """Whether a subject was looked at and nothing is wrong with it."""
        was_judged = self.judged is None or subject in self.judged
        return was_judged and all(trouble.subject != subject for trouble in self.troubles)
