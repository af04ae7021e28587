"""What a push knows of one row: while it is under way, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from gazelle_sync.push.model import Action, JsonValue, Remote, Row
from gazelle_sync.push.transports.protocol import Sent

WHOLE = "*"
"""Stands for a row's record where a failure concerns no column."""


@dataclass
class Outcome:
    """What came of one row.

    Attributes:
        key: External id of its record.
        sent: Actions that Gazelle has now.
        failed: Field → why it did not go.
        followed: Columns that took over Gazelle's value.
        left: What an undo leaves alone → why.
        is_outage: Whether it did not go because nobody could be served: it waits no longer for that.
    """

    key: str
    sent: list[Action] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    followed: dict[str, JsonValue] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    is_outage: bool = False

    @property
    def trouble(self) -> str | None:
        """Why the row did not go, or None."""
        return " ".join(dict.fromkeys(self.failed.values())) or None


@dataclass(frozen=True)
class Unanswered:
    """An update of which no answer came.

    Attributes:
        log_id: Its row in the log.
        action: What it was.
        doubt: What the row says if it has not arrived.
        stamp: The record's stamp before it was sent, by Gazelle's clock.
    """

    log_id: int
    action: Action
    doubt: str
    stamp: datetime | None


@dataclass
class Work:
    """A row under way.

    Attributes:
        row: Local, with its base as it grows.
        compared: Gazelle's record as it is planned against.
        current: Gazelle's record as it is now: another one only where our write replaced an edit.
        since: From which instant on its entries were read.
        outcome: So far.
        is_fresh: Whether it was read just now.
        is_unsure: Whether it has to be read again before anything is planned.
        made: What was created since it was read.
        unanswered: The update of which no answer came.
    """

    row: Row
    compared: Remote
    current: Remote
    since: datetime | None
    outcome: Outcome
    is_fresh: bool = False
    is_unsure: bool = False
    made: list[Action] = field(default_factory=list)
    unanswered: Unanswered | None = None


def replaced_by(sent: Sent, planned: Remote, *attributes: str) -> Remote | None:
    """The record that a write replaced, where some attributes were not those that the write was made for."""
    if sent.before is None:
        return None
    before = seen(planned, sent.before)
    return before if any(getattr(before, name) != getattr(planned, name) for name in attributes) else None


def seen(remote: Remote, now: Remote | None) -> Remote:
    """A record with what an answer says of it now."""
    if now is None:
        return remote
    return replace(remote, tags=now.tags, notes=now.notes, last_serviced=now.last_serviced, updated_at=now.updated_at)
