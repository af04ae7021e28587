"""Evaluates the rules, stores alerts, then delivers them: in this order a crash loses no alert and adds none."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from uuid import UUID

from gazelle_sync.errors import DatabaseError, cause_of
from gazelle_sync.incidents import outage
from gazelle_sync.incidents.facts import TABLES_PRESENT, EndedRun, fact_questions, facts_in
from gazelle_sync.incidents.messages import AlertText, describe, describe_recovery, stored, worst
from gazelle_sync.incidents.rules import COOL_DOWN, Assessment, Incident, assess
from gazelle_sync.notifications import ledger
from gazelle_sync.notifications.delivery import Recipients, deliver
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.pool import borrow, together

log = get_logger("gazelle_sync.incidents")


@dataclass(frozen=True)
class WatchResult:
    """What one evaluation did.

    Attributes:
        opened: Incidents that were opened.
        closed: Incidents that were closed.
        sent: Messages that were delivered, older ones included.
        failed: Messages that could not be delivered.
    """

    opened: int = 0
    closed: int = 0
    sent: int = 0
    failed: int = 0


def watch(settings: Settings, ended: EndedRun | None = None) -> WatchResult:
    """Evaluate the rules, store new alerts and recoveries, and deliver pending messages.

    Args:
        settings: With `database_url` filled in.
        ended: The run that has just ended, or None.

    Returns:
        What it did. An unreachable database has an alert of its own (`outage`).
    """
    url = str(settings.database_url)
    recipients = Recipients(settings)
    try:
        opened, closed, is_due = _update_ledger(settings, url, ended, recipients)
        sent, failed = deliver(settings, recipients) if is_due else (0, 0)
    except DatabaseError as error:
        outage.alert(settings, cause_of(error), recipients, at_once=ended is not None)
        return WatchResult()
    return WatchResult(opened, closed, sent, failed)


def keep_watching(settings: Settings, stopped: threading.Event, every_s: float) -> None:
    """Evaluate at intervals without Dagster, whose sensors need its own database, often on the same server.

    Args:
        settings: With `database_url` filled in.
        stopped: Ends it when set.
        every_s: Seconds between two evaluations.
    """
    while not stopped.wait(every_s):
        try:
            watch(settings)
        except Exception:  # the next round may succeed
            log.exception("alerts could not be evaluated")


def _update_ledger(
    settings: Settings, url: str, ended: EndedRun | None, recipients: Recipients
) -> tuple[int, int, bool]:
    """Open and close incidents in `alert_log`, in one transaction under its lock.

    Returns:
        How many incidents were opened, how many closed, and whether a message is due.
    """
    with borrow(url) as connection:
        [[(has_ledger, has_push, has_stock, has_details)], _] = together(
            connection, (TABLES_PRESENT, None), ledger.LOCK, ends=False
        )
        if not has_ledger:
            return 0, 0, False
        outage.copy_to_ledger(settings, connection)
        asked = fact_questions(has_push=has_push, has_stock=has_stock)
        *found, are_open, [(is_due,)] = together(
            connection, *asked, ledger.open_incidents_query(), ledger.IS_ANYTHING_DUE
        )
        assessments = assess(facts_in(found, ended, has_push=has_push, pause=settings.pause))
        known = ledger.open_incidents(are_open)
        opened = {
            occurrence: incidents
            for one in assessments
            for occurrence, incidents in _open_new(settings, connection, one, known, recipients)
        }
        if opened and has_details:
            ledger.write_details(connection, {one: stored(incidents) for one, incidents in opened.items()})
        closed = sum(_close_ended(settings, connection, one, known) for one in assessments)
        connection.commit()
    outage.delete_file(settings)
    return len(opened), closed, bool(is_due or opened or closed)


def _open_new(
    settings: Settings,
    connection: Connection,
    found: Assessment,
    known: Iterable[ledger.OpenIncident],
    recipients: Recipients,
) -> Iterator[tuple[UUID, list[Incident]]]:
    covered = {subject for one in known if one.rule == found.rule for subject in one.subjects}
    new = sorted((t for t in found.incidents if t.subject not in covered), key=lambda t: (t.cause, t.subject))
    for _, group in groupby(new, key=lambda incident: incident.cause):
        incidents = list(group)
        yield _open(settings, connection, found.rule, incidents, recipients), incidents


def _open(
    settings: Settings, connection: Connection, rule: str, incidents: Sequence[Incident], recipients: Recipients
) -> UUID:
    said = describe(rule, incidents, settings, datetime.now(UTC))
    subjects = [incident.subject for incident in incidents]
    told_at = ledger.last_sent_within(connection, rule, subjects, COOL_DOWN[rule])
    occurrence = ledger.write_alert(
        connection,
        rule=rule,
        subjects=subjects,
        severity=worst(incidents),
        title=said.title,
        text=said.text,
        run_id=incidents[0].run_id,
        recipients=recipients.labels,
        not_before=told_at + COOL_DOWN[rule] if told_at else None,
    )
    if told_at is None:
        _log("alert", rule, said)
    return occurrence


def _close_ended(
    settings: Settings, connection: Connection, found: Assessment, known: Iterable[ledger.OpenIncident]
) -> int:
    count = 0
    for one in known:
        if one.rule == found.rule and all(found.has_recovered(subject) for subject in one.subjects):
            said = describe_recovery(one, settings, datetime.now(UTC))
            if ledger.close(connection, one, said.title, said.text):
                _log("recovery", one.rule, said)
            count += 1
    return count


def _log(kind: str, rule: str, said: AlertText) -> None:
    """The log file has every alert, whether or not a recipient is set."""
    log.info(kind, rule=rule, title=said.title, text=said.text)
