"""The one incident that `alert_log` cannot store: its own database is unreachable.

It is stored in a file under `GAZELLE_SYNC_HOME`. The alert is sent at once when a run failed because of it, otherwise
after `LASTS`. When the database is reachable again, the incident is copied to the ledger and closed like any other.
"""

from __future__ import annotations

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from gazelle_sync.errors import Cause
from gazelle_sync.incidents.messages import describe
from gazelle_sync.incidents.rules import Incident, cause_details
from gazelle_sync.notifications.delivery import DeliveryFailed, Recipient, Recipients, send
from gazelle_sync.notifications.ledger import FIRST_PAUSE, LOG, LONGEST_PAUSE, Message
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, statement

RULE = "database"
LASTS = timedelta(minutes=2)
"""No alert before this time, as for a server that restarts, unless a run failed because of it."""

log = get_logger("gazelle_sync.incidents")


class _Delivery(msgspec.Struct):
    """One recipient's message.

    Attributes:
        attempts: How often it was tried.
        next_try_at: When it is tried again, aware UTC.
        sent_at: When it was delivered, or None.
    """

    next_try_at: datetime
    attempts: int = 0
    sent_at: datetime | None = None


class _Outage(msgspec.Struct):
    """What the file holds."""

    occurrence: str
    since: datetime
    title: str
    text: str
    is_told: bool = False
    owed: dict[str, _Delivery] = {}


def alert(settings: Settings, cause: Cause, recipients: Recipients, *, at_once: bool) -> None:
    """Alert once that the database is unreachable; later calls retry messages that were not delivered.

    Args:
        settings: For the home, the language and the UI's address.
        cause: Of the database error.
        recipients: Who is alerted.
        at_once: Whether a run failed because of it; otherwise the alert waits until it has lasted two minutes.
    """
    with _locked(settings):
        now = datetime.now(UTC)
        found = _read(settings) or _begin(settings, cause, now)
        if not found.is_told and (at_once or now - found.since >= LASTS):
            found.is_told = True
            found.owed = {label: _Delivery(now) for label in recipients.labels}
            log.info("alert", rule=RULE, title=found.title, text=found.text)
        _write(settings, found)  # before anything is sent, so that a crash causes no second alert
        for label, owed in found.owed.items():
            recipient = recipients.by_label.get(label)
            if recipient is not None and owed.sent_at is None and owed.next_try_at <= now:
                _send(settings, found, recipient, owed)
                _write(settings, found)


def is_told(settings: Settings) -> bool:
    """Whether the file holds an outage of which an alert was sent: the ledger lacks it."""
    found = _read(settings)
    return found is not None and found.is_told


def copy_to_ledger(settings: Settings, connection: Connection) -> None:
    """Copy an outage of which an alert was sent to the ledger; the rules then close it.

    Args:
        settings: For the home.
        connection: Under the ledger's lock; the file is deleted after it has committed (`delete_file`).
    """
    found = _read(settings)
    if found is None or not found.is_told:
        return
    for label in list(found.owed) or [LOG]:
        owed = found.owed.get(label)
        status = "logged" if owed is None else "sent" if owed.sent_at else "pending"
        connection.execute(
            statement("incidents/outage_write"),
            {
                "occurrence": found.occurrence, "rule": RULE, "title": found.title, "text": found.text,
                "recipient": label, "status": status,
                "attempts": owed.attempts if owed else 0, "since": found.since,
                "sent_at": owed.sent_at if owed else None,
            },
        )  # fmt: skip


def delete_file(settings: Settings) -> None:
    """Delete the file: the database is back and holds its contents."""
    _path(settings).unlink(missing_ok=True)


def _begin(settings: Settings, cause: Cause, now: datetime) -> _Outage:
    said = describe(RULE, [Incident("database", details=cause_details(cause))], settings, now)
    return _Outage(str(uuid.uuid4()), now, said.title, said.text)


def _send(settings: Settings, found: _Outage, recipient: Recipient, owed: _Delivery) -> None:
    message = Message(0, "alert", "error", found.title, found.text, recipient.label, was_interrupted=False)
    owed.attempts += 1
    try:
        send(recipient, message, settings)
    except DeliveryFailed as error:
        owed.next_try_at = datetime.now(UTC) + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(owed.attempts - 1, 10))
        log.warning("alert not delivered", recipient=recipient.label, reason=str(error))
    else:
        owed.sent_at = datetime.now(UTC)


def _path(settings: Settings) -> Path:
    return settings.home / "alerts" / (settings.shop or "") / "outage.json"


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    directory = _path(settings).parent
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "outage.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(settings: Settings) -> _Outage | None:
    try:
        return msgspec.json.decode(_path(settings).read_bytes(), type=_Outage)
    except (OSError, msgspec.MsgspecError):
        return None  # there is none, or a crash cut it short: then there is a second alert


def _write(settings: Settings, found: _Outage) -> None:
    path = _path(settings)
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(found))
    part.replace(path)
