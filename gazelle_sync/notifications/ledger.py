"""`alert_log`: one row a message and recipient, written before anything is sent.

All changes of what is open happen under one advisory lock, so that two processes that see the same incident alert
once. A message is claimed by the statement that marks it `sending`; no lock is held while it is sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gazelle_sync.quality.finding import Severity
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, Rows, together

ALERT_LOCK = 0x6761_7A05
LOG = "log"
"""The recipient where `GAZELLE_ALERT_URLS` is not set."""
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
CLAIM_LASTS = timedelta(minutes=10)
"""After so long the process that claimed a message is dead. It is sent again: twice is better than never."""


@dataclass(frozen=True)
class Occurrence:
    """A trouble that is open.

    Attributes:
        occurrence: Its id.
        rule: The rule that found it.
        subjects: What it is wrong with.
        severity: As it was told.
        title: As it was told.
        opened_at: When it began, aware UTC.
        run_id: The run that showed it, or None.
    """

    occurrence: uuid.UUID
    rule: str
    subjects: frozenset[str]
    severity: Severity
    title: str
    opened_at: datetime
    run_id: str | None


@dataclass(frozen=True)
class Message:
    """What is to be sent to one recipient.

    Attributes:
        id: Its row.
        kind: `alert` or `recovery`.
        severity: Of the trouble.
        title: One line.
        text: The rest.
        recipient: The label of `delivery.Recipient`.
        was_interrupted: Whether a process died while it sent this, or no answer came: the recipient may have it.
    """

    id: int
    kind: str
    severity: Severity
    title: str
    text: str
    recipient: str
    was_interrupted: bool


IS_THERE: Question = "SELECT to_regclass('public.alert_log') IS NOT NULL", None
"""Whether this database has the ledger (it may be behind by a migration)."""
LOCK: Question = "SELECT pg_advisory_xact_lock(%s)", [ALERT_LOCK]
"""Keep every other process from changing what is open until this transaction ends."""
IS_ANYTHING_DUE: Question = (
    "SELECT EXISTS (SELECT FROM alert_log WHERE status IN ('pending', 'sending', 'failed'))",
    None,
)
"""Whether some message waits to be sent, or was claimed by somebody who may be dead."""


def what_is_open() -> Question:
    """The rows of `occurrences`."""
    return statement("notifications/open"), None


def occurrences(rows: Rows) -> list[Occurrence]:
    """What is open, oldest first, by the rows of `what_is_open`."""
    return [Occurrence(row[0], row[1], frozenset(row[2]), *row[3:]) for row in rows]


def last_sent_within(
    connection: Connection, rule: str, subjects: Iterable[str], cool_down: timedelta
) -> datetime | None:
    """When the last alert for the same incident was stored, if within the cool-down; aware."""
    parameters = {"rule": rule, "subjects": list(subjects), "cool_down": cool_down}
    row = connection.execute(statement("notifications/last_sent"), parameters).fetchone()
    return row[0] if row else None


def write_alert(
    connection: Connection,
    *,
    rule: str,
    subjects: Sequence[str],
    severity: Severity,
    title: str,
    text: str,
    run_id: str | None,
    recipients: Sequence[str],
    not_before: datetime | None = None,
) -> None:
    """Open a trouble and owe its message to each recipient.

    Args:
        connection: Under `lock`.
        rule: The rule that found it.
        subjects: What it is wrong with.
        severity: How bad.
        title: One line.
        text: The rest.
        run_id: The Dagster run that shows it.
        recipients: Labels; none: the message is logged.
        not_before: When it may be sent; None: now.
    """
    connection.execute(
        statement("notifications/open_write"),
        {
            "occurrence": uuid.uuid4(), "rule": rule, "subjects": list(subjects), "severity": severity, "title": title,
            "text": text, "run_id": run_id, "recipients": list(recipients) or [LOG],
            "status": "pending" if recipients else "logged", "not_before": not_before,
        },
    )  # fmt: skip


def close(connection: Connection, occurrence: Occurrence, title: str, text: str) -> bool:
    """End a trouble, and owe the news to each recipient who was told or will be.

    A message that still waits for the end of a cool-down is withdrawn: nobody heard of that trouble.

    Returns:
        Whether somebody is owed the news, or it is to be logged.
    """
    connection.execute(statement("notifications/withdraw_held"), [occurrence.occurrence])
    connection.execute(statement("notifications/close"), [occurrence.occurrence])
    parameters = {"occurrence": occurrence.occurrence, "title": title, "text": text}
    return connection.execute(statement("notifications/recovery_write"), parameters).rowcount > 0


def claim(connection: Connection, recipients: Sequence[str]) -> Message | None:
    """Take the oldest message that is due to one of these recipients; no other process gets it. One transaction."""
    parameters = {"recipients": list(recipients), "claim_lasts": CLAIM_LASTS}
    row = connection.execute(statement("notifications/claim"), parameters).fetchone()
    return Message(*row) if row else None


def mark_sent(connection: Connection, message: Message) -> None:
    """The service took it."""
    connection.execute(statement("notifications/mark_sent"), [message.id])


def mark_failed(connection: Connection, message: Message, reason: str, *, may_have_it: bool) -> None:
    """The service did not take it, or did not say so: it is tried again after a pause that grows."""
    parameters = {"id": message.id, "reason": reason, "may_have_it": may_have_it, "first": FIRST_PAUSE,
                  "longest": LONGEST_PAUSE}  # fmt: skip
    connection.execute(statement("notifications/mark_failed"), parameters)


def withdraw_for_others(connection: Connection, recipients: Sequence[str]) -> None:
    """What is owed to a recipient that is no longer set will never be delivered, and says so."""
    connection.execute(statement("notifications/withdraw_others"), [list(recipients)])


@dataclass(frozen=True)
class Standing:
    """What the ledger says now.

    Attributes:
        open: Rule and title of each open trouble, oldest first.
        undelivered: Messages that were tried in vain, or are due and not sent.
        last_error: Why the newest of them could not be delivered.
        light: Red: something is open that was told as an error. Yellow: a warning, or what could not be delivered.
    """

    open: tuple[tuple[str, str], ...] = ()
    undelivered: int = 0
    last_error: str | None = None
    light: Literal["green", "yellow", "red"] = "green"


def standing(connection: Connection) -> Standing:
    """What is open and what could not be delivered."""
    if connection.execute(*IS_THERE).fetchone() != (True,):
        return Standing()
    return standing_in(*together(connection, *how_it_stands()))


def how_it_stands() -> tuple[Question, Question]:
    """The rows of `standing_in`, where the ledger is there."""
    return (statement("notifications/undelivered"), None), what_is_open()


def standing_in(undelivered: Rows, are_open: Rows) -> Standing:
    """`standing`, by the rows of `how_it_stands`."""
    [(count, last_error)] = undelivered
    found = occurrences(are_open)
    light: Literal["green", "yellow", "red"] = "yellow" if found or count else "green"
    if any(one.severity == "error" for one in found):
        light = "red"
    return Standing(tuple((one.rule, one.title) for one in found), count, last_error, light)
