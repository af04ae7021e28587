"""`alert_log`: one row per message and recipient, written before anything is sent.

Incidents are opened and closed under one advisory lock, so that two processes that find the same one alert once. A
message is claimed by the statement that marks it `sending`; no lock is held while it is sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from psycopg.types.json import Jsonb

from gazelle_sync.quality.finding import Severity
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, Rows, together

ALERT_LOCK = 0x6761_7A05
LOG = "log"
"""The recipient where `GAZELLE_ALERT_URLS` is not set."""
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
CLAIM_LASTS = timedelta(minutes=10)
"""After so long a message that was claimed and not sent is claimed again: twice is better than never."""


@dataclass(frozen=True)
class OpenIncident:
    """An incident that has not ended.

    Attributes:
        occurrence: Its id.
        rule: The rule that found it.
        subjects: What it is wrong with.
        severity: Of its alert.
        title: Of its alert.
        opened_at: When it began, aware UTC.
        run_id: The run that showed it, or None.
        details: What its title is made of, in any language; None where an earlier version stored it.
    """

    occurrence: uuid.UUID
    rule: str
    subjects: frozenset[str]
    severity: Severity
    title: str
    opened_at: datetime
    run_id: str | None
    details: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Message:
    """A message to one recipient.

    Attributes:
        id: Its row.
        kind: `alert`, `recovery` or `notice`.
        severity: Of the incident.
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
"""Keeps other processes from opening and closing incidents until this transaction ends."""
IS_ANYTHING_DUE: Question = (
    "SELECT EXISTS (SELECT FROM alert_log WHERE status IN ('pending', 'sending', 'failed'))",
    None,
)
"""Whether a message waits to be sent, or was claimed by a process that may have been killed."""


def open_incidents_query() -> Question:
    """The query for `open_incidents`."""
    return statement("notifications/open"), None


def open_incidents(rows: Rows) -> list[OpenIncident]:
    """The open incidents, oldest first, from the rows of `open_incidents_query`."""
    return [OpenIncident(row[0], row[1], frozenset(row[2]), *row[3:]) for row in rows]


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
) -> uuid.UUID:
    """Open an incident with a pending message for each recipient, and give its id.

    Args:
        connection: Under `lock`.
        rule: The rule that found it.
        subjects: What it is wrong with.
        severity: `error` or `warning`.
        title: One line.
        text: The rest.
        run_id: The Dagster run that shows it.
        recipients: Labels; none: the message is logged.
        not_before: When it may be sent; None: now.
    """
    occurrence = uuid.uuid4()
    connection.execute(
        statement("notifications/open_write"),
        {
            "occurrence": occurrence, "rule": rule, "subjects": list(subjects), "severity": severity, "title": title,
            "text": text, "run_id": run_id, "recipients": list(recipients) or [LOG],
            "status": "pending" if recipients else "logged", "not_before": not_before,
        },
    )  # fmt: skip
    return occurrence


def write_details(connection: Connection, details: Mapping[uuid.UUID, Sequence[Mapping[str, Any]]]) -> None:
    """Note what the sentences of new incidents are made of: incident → each trouble of it."""
    given = {"occurrences": list(details), "details": [Jsonb(list(one)) for one in details.values()]}
    connection.execute(statement("notifications/details_write"), given)


def write_notice(connection: Connection, *, rule: str, title: str, text: str, recipients: Sequence[str]) -> None:
    """A message that is no incident, such as a digest: pending for each recipient, in the caller's transaction.

    Args:
        connection: In a transaction.
        rule: What the message is.
        title: One line.
        text: The rest.
        recipients: Labels; none: the message is logged.
    """
    connection.execute(
        statement("notifications/notice_write"),
        {
            "occurrence": uuid.uuid4(), "rule": rule, "title": title, "text": text,
            "recipients": list(recipients) or [LOG], "status": "pending" if recipients else "logged",
        },
    )  # fmt: skip


def close(connection: Connection, occurrence: OpenIncident, title: str, text: str) -> bool:
    """Close an incident, with a pending recovery message for each recipient of its alert.

    An alert that still waits for the end of a cool-down is withdrawn: nobody has received it.

    Returns:
        Whether there is a recovery message to send or to log.
    """
    connection.execute(statement("notifications/withdraw_held"), [occurrence.occurrence])
    connection.execute(statement("notifications/close"), [occurrence.occurrence])
    parameters = {"occurrence": occurrence.occurrence, "title": title, "text": text}
    return connection.execute(statement("notifications/recovery_write"), parameters).rowcount > 0


def claim(connection: Connection, recipients: Sequence[str]) -> Message | None:
    """Claim the oldest message that is due to one of these recipients, so that no other process sends it."""
    parameters = {"recipients": list(recipients), "claim_lasts": CLAIM_LASTS}
    row = connection.execute(statement("notifications/claim"), parameters).fetchone()
    return Message(*row) if row else None


def mark_sent(connection: Connection, message: Message) -> None:
    """Note that the service accepted it."""
    connection.execute(statement("notifications/mark_sent"), [message.id])


def mark_failed(connection: Connection, message: Message, reason: str, *, may_have_arrived: bool) -> None:
    """Note that it was not accepted, or that no answer came: it is sent again after a pause that grows."""
    parameters = {"id": message.id, "reason": reason, "may_have_arrived": may_have_arrived, "first": FIRST_PAUSE,
                  "longest": LONGEST_PAUSE}  # fmt: skip
    connection.execute(statement("notifications/mark_failed"), parameters)


def withdraw_for_others(connection: Connection, recipients: Sequence[str]) -> None:
    """Withdraw pending messages to recipients that are no longer set."""
    connection.execute(statement("notifications/withdraw_others"), [list(recipients)])


@dataclass(frozen=True)
class LedgerStatus:
    """Open incidents and undelivered messages.

    Attributes:
        open: Rule and title of each open incident, oldest first.
        incidents: The same, with all that is known of each.
        undelivered: Messages that could not be delivered, or are due and not sent.
        last_error: Why delivery of the newest of them failed.
        light: Red: an open incident is an error. Yellow: it is a warning, or a message is undelivered.
    """

    open: tuple[tuple[str, str], ...] = ()
    undelivered: int = 0
    last_error: str | None = None
    light: Literal["green", "yellow", "red"] = "green"
    incidents: tuple[OpenIncident, ...] = ()


def read_ledger_status(connection: Connection) -> LedgerStatus:
    """Read the open incidents and the undelivered messages."""
    if connection.execute(*IS_THERE).fetchone() != (True,):
        return LedgerStatus()
    return status_in(*together(connection, *status_questions()))


def status_questions() -> tuple[Question, Question]:
    """The queries for `status_in`, where the ledger exists."""
    return (statement("notifications/undelivered"), None), open_incidents_query()


def status_in(undelivered: Rows, are_open: Rows) -> LedgerStatus:
    """The same, from the rows of `status_questions`."""
    [(count, last_error)] = undelivered
    found = open_incidents(are_open)
    light: Literal["green", "yellow", "red"] = "yellow" if found or count else "green"
    if any(one.severity == "error" for one in found):
        light = "red"
    titles = tuple((one.rule, one.title) for one in found)
    return LedgerStatus(titles, count, last_error, light, tuple(found))
