"""A row under way: what is known of it, and what came of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import httpx

from gazelle_sync.errors import (
    ApiError,
    ApiUnavailable,
    ApiUnreachable,
    CredentialsRefused,
)
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.push.changes import Changes, Intent
from gazelle_sync.push.model import Action, Outcome, Plan, Remote, Row

DOUBT_WAIT_S = 5.0
"""So long a run itself waits for the end of a doubt; one that lasts longer is left to a later push."""


class RunAborted(Exception):
    """Nothing can be sent at all (credentials, network): the run ends, the rows that are left stay due."""


@dataclass
class Doubt:
    """An action of which no answer came.

    Attributes:
        intent: What was sent.
        reason: Why no answer came.
        message: What the row says if it has not arrived.
    """

    intent: Intent
    reason: str
    message: str = ""


@dataclass
class Work:
    """A row under way.

    Attributes:
        row: Local, with its base as it grows.
        outcome: So far.
        changes: What is not written down yet.
        compared: Gazelle's record as it is planned against.
        current: Gazelle's record as it is now: another one only where our write replaced an edit.
        since: From which instant on its entries were read.
        plan: What is to be done about it.
        queue: Of that, what is still to be sent.
        made: What was created since it was read.
        doubts: What came to no answer.
        is_fresh: Whether it was read just before something is written over.
        is_unsure: Whether it has to be read again before anything is planned.
        was_overtaken: Whether a write of this plan replaced somebody's edit.
        needs_plan: Whether it has to be planned anew.
        is_over: Whether nothing more is done about it.
    """

    row: Row
    outcome: Outcome
    changes: Changes
    compared: Remote = field(default_factory=lambda: Remote(""))
    current: Remote = field(default_factory=lambda: Remote(""))
    since: datetime | None = None
    plan: Plan = field(default_factory=Plan)
    queue: list[Action] = field(default_factory=list)
    made: list[Action] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    is_fresh: bool = False
    is_unsure: bool = False
    was_overtaken: bool = False
    needs_plan: bool = False
    is_over: bool = False

    @classmethod
    def of(cls, row: Row) -> Work:
        """A row that nothing was done about yet."""
        return cls(row, Outcome(row.name, local_id=row.local_id), Changes(row))

    def fail(self, column: str, reason: str, *, is_over: bool = False) -> None:
        """Something of it cannot be done."""
        self.outcome.failed.setdefault(column, reason)
        self.is_over = self.is_over or is_over


def is_outage(error: ApiError) -> bool:
    """Whether an error says that nobody can be served now, whatever the record."""
    if isinstance(error, ApiUnavailable):
        return error.status == httpx.codes.TOO_MANY_REQUESTS
    return isinstance(error, CredentialsRefused) or (isinstance(error, ApiUnreachable) and not error.is_timeout)


def montreal_time(instant: datetime) -> str:
    """An instant as the clock in Montreal shows it."""
    return f"{instant.astimezone(MONTREAL):%Y-%m-%d %H:%M:%S}"


def sentence(reason: str) -> str:
    """A reason as a sentence of its own."""
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."
