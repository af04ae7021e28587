"""Evaluates the rules, stores alerts, then delivers them: in this order a crash loses no alert and adds none."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from uuid import UUID

from psycopg import errors

from gazelle_sync.errors import DatabaseError, cause_of
from gazelle_sync.incidents import outage
from gazelle_sync.incidents.facts import (
    ALL_TABLES,
    TABLES_PRESENT,
    EndedRun,
    Facts,
    TablesPresent,
    fact_questions,
    facts_in,
)
from gazelle_sync.incidents.messages import AlertText, describe, describe_recovery, stored, worst
from gazelle_sync.incidents.rules import COOL_DOWN, Incident, assess
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


@dataclass(frozen=True)
class _Seen:
    """What the rules evaluate and what the ledger says of it.

    Attributes:
        tables: Which tables the database has, as `TABLES_PRESENT` says.
        facts: For the rules.
        known: Incidents that are open.
        is_due: Whether a message waits that is to be sent now.
    """

    tables: TablesPresent
    facts: Facts
    known: Sequence[ledger.OpenIncident]
    is_due: bool


def _update_ledger(
    settings: Settings, url: str, ended: EndedRun | None, recipients: Recipients
) -> tuple[int, int, bool]:
    """Open and close incidents in `alert_log`, in one transaction under its lock.

    Mostly there is nothing to open or close: so it is looked first, in one round trip, and locked only for what there
    is to do, which is then looked up again.

    Returns:
        How many incidents were opened, how many closed, and whether a message is due.
    """
    opened: dict[UUID, list[Incident]] = {}
    closed = 0
    with borrow(url) as connection:
        seen = _look(connection, settings, ended)
        if seen is None:
            return 0, 0, False
        if outage.is_told(settings) or _tells_once(ended) or any(_new_and_ended(seen)):
            together(connection, ledger.LOCK, ends=False)
            outage.copy_to_ledger(settings, connection)
            seen = _read(connection, settings, ended, seen.tables)
            new, over = _new_and_ended(seen)
            for rule, incidents in new:
                opened[_open(settings, connection, rule, incidents, recipients)] = incidents
            if opened and seen.tables.has_details:
                ledger.write_details(connection, {one: stored(incidents) for one, incidents in opened.items()})
            for one in over:
                _close(settings, connection, one)
            closed = len(over)
            connection.commit()
    outage.delete_file(settings)
    return len(opened), closed, bool(seen.is_due or opened or closed)


def _look(connection: Connection, settings: Settings, ended: EndedRun | None) -> _Seen | None:
    """What there is, on a database that may lack tables; None: it has no ledger yet."""
    try:
        return _read(connection, settings, ended, ALL_TABLES)
    except errors.UndefinedTable:  # migrations are pending, or somebody dropped one
        [[found]] = together(connection, (TABLES_PRESENT, None))
        tables = TablesPresent(*found)
        return _read(connection, settings, ended, tables) if tables.has_ledger else None


def _read(connection: Connection, settings: Settings, ended: EndedRun | None, tables: TablesPresent) -> _Seen:
    """What the rules evaluate and what the ledger says, of a database that has these tables.

    Raises:
        psycopg.errors.UndefinedTable: It lacks one.
    """
    [present], *found, are_open, [(is_due,)] = together(
        connection,
        (TABLES_PRESENT, None),
        *fact_questions(tables),
        ledger.open_incidents_query(),
        ledger.IS_ANYTHING_DUE,
    )
    facts = facts_in(found, ended, tables, pause=settings.pause)
    return _Seen(TablesPresent(*present), facts, ledger.open_incidents(are_open), is_due)


def _tells_once(ended: EndedRun | None) -> bool:
    """Whether a run failed, which only its end tells: another process may be closing what seems to cover it."""
    return ended is not None and not (ended.succeeded and all(check.passed for check in ended.checks))


def _new_and_ended(seen: _Seen) -> tuple[list[tuple[str, list[Incident]]], list[ledger.OpenIncident]]:
    """The incidents that are to be opened, by rule and cause, and those that have ended."""
    new: list[tuple[str, list[Incident]]] = []
    over: list[ledger.OpenIncident] = []
    for one in assess(seen.facts):
        known = [incident for incident in seen.known if incident.rule == one.rule]
        covered = {subject for incident in known for subject in incident.subjects}
        left = sorted((t for t in one.incidents if t.subject not in covered), key=lambda t: (t.cause, t.subject))
        new += [(one.rule, list(group)) for _, group in groupby(left, key=lambda incident: incident.cause)]
        over += [incident for incident in known if all(map(one.has_recovered, incident.subjects))]
    return new, over


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


def _close(settings: Settings, connection: Connection, incident: ledger.OpenIncident) -> None:
    said = describe_recovery(incident, settings, datetime.now(UTC))
    if ledger.close(connection, incident, said.title, said.text):
        _log("recovery", incident.rule, said)


def _log(kind: str, rule: str, said: AlertText) -> None:
    """The log file has every alert, whether or not a recipient is set."""
    log.info(kind, rule=rule, title=said.title, text=said.text)
