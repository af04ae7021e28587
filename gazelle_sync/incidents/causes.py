"""Why a run failed, by kind.

An error's own words may quote what Gazelle or PostgreSQL said, and those quote clients. An alert leaves the house, so
it names the kind and its numbers, in the reader's language; the words themselves stay on the run's page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """A kind of failure.

    Attributes:
        kind: Key of `wording.CAUSES`.
        number: The count or the HTTP status that belongs to it, as text; empty where there is none.
    """

    kind: str
    number: str = ""


_KINDS: tuple[tuple[str, str], ...] = (
    ("mass_deletion", r"(\d+) records are (?:gone|no longer listed) at Gazelle"),
    ("mass_emptying", r"empty list for (\d+) records"),
    ("mass_vanishing", r"leaves out (\d+) rows of"),
    ("wrong_account", r"holds (?:a real|the sandbox's invented) account"),
    ("credentials", r"refuses the (?:credentials|refresh token)|no credentials for Gazelle|token file"),
    ("dagster_database", r"Dagster's own database"),
    ("disk", r"no room left|No space left"),
    ("rights", r"PostgreSQL refuses this role|Row-level security hides"),
    ("database", r"PostgreSQL|connection that holds the pull's lock"),
    ("fault", r"died of a fault"),
    ("another_run", r"Another (?:pull|push) is running"),
    ("stopped", r"was stopped|ended without a word|interrupted|terminated"),
    ("unreachable", r"did not answer in time|Gazelle cannot be reached|token could not be refreshed"),
    ("http", r"HTTP (\d{3})"),
    ("answered_errors", r"Gazelle answered with errors"),
    ("unreadable", r"the answer(?:'s)? |the pages "),
    ("settings", r"\bGAZELLE_[A-Z_]+ (?:should|is not|cannot|holds)"),
)
_KNOWN = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)


def cause_of(message: str) -> Cause:
    """The kind of a failure by its message; `unknown` for one that is none of ours."""
    for kind, pattern in _KNOWN:
        if found := pattern.search(message):
            return Cause(kind, (found.groups() or ("",))[0] or "")
    return Cause("unknown")
