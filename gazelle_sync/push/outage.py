"""An outage of Gazelle ends a run and is no row's fault: how long pushes that begin by themselves hold back.

Kept in `system_settings`, by the database's clock. While it stands, the sensor looks whether Gazelle answers before it
starts a run: a night without network is a few small requests, not hundreds of failed runs.
"""

from __future__ import annotations

from datetime import timedelta

from gazelle_sync.errors import ApiError, ApiUnavailable
from gazelle_sync.gazelle.client import client_for
from gazelle_sync.montreal import parse_instant
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, statement

KEY = "push_not_before"
PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(days=1)
PROBE_TIMEOUT_S = 10.0


def note(connection: Connection, error: BaseException | None) -> None:
    """A run could send nothing at all: pushes hold back for half a minute, or for as long as Gazelle asked.

    Args:
        connection: The caller's transaction decides when it counts.
        error: What ended the run.
    """
    asked_s = error.retry_after_s if isinstance(error, ApiUnavailable) else None
    wait_s = min(max(asked_s or 0.0, PAUSE.total_seconds()), LONGEST_PAUSE.total_seconds())
    connection.execute(statement("push/outage_note"), {"key": KEY, "wait_s": wait_s})


def forget(connection: Connection) -> None:
    """A run was through: nothing holds the next one back."""
    connection.execute("DELETE FROM system_settings WHERE key = %s", [KEY])


def left(connection: Connection) -> timedelta | None:
    """For how long pushes still hold back, negative once that is over; None: Gazelle answered the last run."""
    row = connection.execute("SELECT value, clock_timestamp() FROM system_settings WHERE key = %s", [KEY]).fetchone()
    if row is None:
        return None
    until = parse_instant(row[0])
    return min(until - row[1], LONGEST_PAUSE) if until is not None else timedelta(0)


def probe(settings: Settings) -> ApiError | None:
    """Ask Gazelle once for something small; why it does not answer, or None.

    Raises:
        GazelleSyncError: There are no credentials to ask with.
    """
    client = client_for(settings.replace(timeout_s=min(settings.timeout_s, PROBE_TIMEOUT_S)))
    try:
        client.read_account(attempts=1)
    except ApiError as error:
        return error
    finally:
        client.close()
    return None
