"""Evaluates the rules, stores alerts, then delivers them: in this order a crash loses no alert and adds none."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby

from gazelle_sync.errors import DatabaseError, cause_of
from gazelle_sync.incidents import outage
from gazelle_sync.incidents.facts import WHAT_IS_THERE, EndedRun, facts_in, facts_wanted
from gazelle_sync.incidents.messages import AlertText, describe, describe_end, worst
from gazelle_sync.incidents.rules import COOL_DOWN, assess
from gazelle_sync.incidents.trouble import Assessment, Trouble
from gazelle_sync.notifications import ledger
from gazelle_sync.notifications.delivery import NotTaken, Recipients, send
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync.warehouse.pool import borrow, together

DELIVERY_S = 30.0
"""Delivering stops after so long: a service that hangs must not hold up a sensor or a command."""

log = get_logger("gazelle_sync.incidents")


@dataclass(frozen=True)
class Watched:
    """What one look came to.

    Attributes:
        opened: Troubles told or owed now.
        closed: Troubles that ended now.
        sent: Messages delivered now, older ones included.
        failed: Messages that could not be delivered now.
    """

    opened: int = 0
    closed: int = 0
    sent: int = 0
    failed: int = 0


def watch(settings: Settings, ended: EndedRun | None = None) -> Watched:
    """Evaluate the rules, store new alerts and recoveries, and deliver pending messages.

    Args:
        settings: With `database_url` filled in.
        ended: The run that has just ended, or None.

    Returns:
        What came of it. Where the database is out of reach, that is told by itself (`outage`).
    """
    url = str(settings.database_url)
    recipients = Recipients(settings)
    try:
        opened, closed, is_due = _write_down(settings, url, ended, recipients)
        sent, failed = _deliver(settings, url, recipients) if is_due else (0, 0)
    except DatabaseError as error:
        outage.tell(settings, cause_of(error), recipients, at_once=ended is not None)
        return Watched()
    return Watched(opened, closed, sent, failed)


def keep_watching(settings: Settings, stopped: threading.Event, every_s: float) -> None:
    """Look again and again, without Dagster: its sensors need its own database, which goes away with ours.

    Args:
        settings: With `database_url` filled in.
        stopped: Ends it.
        every_s: Seconds between two looks.
    """
    while not stopped.wait(every_s):
        try:
            watch(settings)
        except Exception:  # the next round may succeed
            log.exception("alerts could not be looked after")


def _write_down(settings: Settings, url: str, ended: EndedRun | None, recipients: Recipients) -> tuple[int, int, bool]:
    """Bring `alert_log` to what is true now, in one transaction under the lock.

    Returns:
        How many troubles were opened, how many closed, and whether something is to be delivered.
    """
    with borrow(url) as connection:
        [[(is_there, has_push)], _] = together(connection, (WHAT_IS_THERE, None), ledger.LOCK, ends=False)
        if not is_there:
            return 0, 0, False
        outage.record(settings, connection)
        asked = facts_wanted(has_push=has_push)
        *found, are_open, [(is_due,)] = together(connection, *asked, ledger.what_is_open(), ledger.IS_ANYTHING_DUE)
        assessments = assess(facts_in(found, ended))
        known = ledger.occurrences(are_open)
        opened = sum(_open_new(settings, connection, one, known, recipients) for one in assessments)
        closed = sum(_close_ended(settings, connection, one, known) for one in assessments)
        connection.commit()
    outage.forget(settings)
    return opened, closed, bool(is_due or opened or closed)


def _open_new(
    settings: Settings,
    connection: Connection,
    found: Assessment,
    known: Iterable[ledger.Occurrence],
    recipients: Recipients,
) -> int:
    covered = {subject for one in known if one.rule == found.rule for subject in one.subjects}
    new = sorted((t for t in found.troubles if t.subject not in covered), key=lambda t: (t.cause, t.subject))
    count = 0
    for _, group in groupby(new, key=lambda trouble: trouble.cause):
        _open(settings, connection, found.rule, list(group), recipients)
        count += 1
    return count


def _open(
    settings: Settings, connection: Connection, rule: str, troubles: Sequence[Trouble], recipients: Recipients
) -> None:
    said = describe(rule, troubles, settings, datetime.now(UTC))
    subjects = [trouble.subject for trouble in troubles]
    told_at = ledger.last_sent_within(connection, rule, subjects, COOL_DOWN[rule])
    ledger.write_alert(
        connection,
        rule=rule,
        subjects=subjects,
        severity=worst(troubles),
        title=said.title,
        text=said.text,
        run_id=troubles[0].run_id,
        recipients=recipients.labels,
        not_before=told_at + COOL_DOWN[rule] if told_at else None,
    )
    if told_at is None:
        _log("alert", rule, said)


def _close_ended(
    settings: Settings, connection: Connection, found: Assessment, known: Iterable[ledger.Occurrence]
) -> int:
    count = 0
    for one in known:
        if one.rule == found.rule and all(found.is_well(subject) for subject in one.subjects):
            said = describe_end(one, settings, datetime.now(UTC))
            if ledger.close(connection, one, said.title, said.text):
                _log("recovery", one.rule, said)
            count += 1
    return count


def _log(kind: str, rule: str, said: AlertText) -> None:
    """The log file has every alert, whether or not anybody is set to hear it."""
    log.info(kind, rule=rule, title=said.title, text=said.text)


def _deliver(settings: Settings, url: str, recipients: Recipients) -> tuple[int, int]:
    """Send what is due, a message at a time; gives what was delivered and what was not."""
    deadline = time.monotonic() + DELIVERY_S
    sent = failed = 0
    with borrow(url) as connection:
        ledger.withdraw_for_others(connection, recipients.labels)
        while time.monotonic() < deadline and (message := ledger.claim(connection, recipients.labels)):
            try:
                send(recipients.by_label[message.recipient], message, settings)
            except NotTaken as error:
                ledger.mark_failed(connection, message, str(error), may_have_it=error.may_have_it)
                log.warning("alert not delivered", recipient=message.recipient, reason=str(error))
                failed += 1
            else:
                ledger.mark_sent(connection, message)
                sent += 1
    return sent, failed
