"""What happens to one row stops only that row: it says why, and waits for its next try."""

from __future__ import annotations

import traceback

import psycopg

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.push import rows
from gazelle_sync.push.messages import say
from gazelle_sync.push.pushables import Pushable
from gazelle_sync.push.send import RunAborted
from gazelle_sync.push.work import WHOLE, Outcome
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, affects_every_row

LONGEST_REASON = 200

log = get_logger("gazelle_sync.push")


def waits(connection: Connection, pushable: Pushable, key: str, reason: str, *, is_outage: bool = False) -> Outcome:
    """A row about which nothing can be done now says why."""
    rows.fail(connection, pushable, [key], reason, is_outage=is_outage)
    return Outcome(key, failed={WHOLE: reason}, is_outage=is_outage)


def unforeseen(connection: Connection, pushable: Pushable, language: str, key: str, error: Exception) -> Outcome:
    """What nobody thought of concerns one row: the row says so, and the others go on.

    Raises:
        Exception: The same error, where it concerns every row.
    """
    if isinstance(error, (GazelleSyncError, RunAborted)) or affects_every_row(error):
        raise error
    # Where it happened, not what it says: that may quote what people wrote.
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("row could not be dealt with", record=key, error=type(error).__name__, where=where)
    reason = error.diag.message_primary if isinstance(error, psycopg.Error) else str(error)
    said = f"{type(error).__name__}: {(reason or '').partition(chr(10))[0][:LONGEST_REASON]}"
    return waits(connection, pushable, key, say(language, "unforeseen", reason=said))
