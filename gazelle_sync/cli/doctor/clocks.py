"""The clocks of Gazelle, the database and this machine, held against each other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from gazelle_sync.cli.doctor.finding import Finding
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.warehouse.connect import Connection, database_errors

CLOCKS_MAY_DIFFER = timedelta(seconds=60)


def database_clock(connection: Connection, ahead: dict[str, timedelta]) -> Iterator[Finding]:
    """Note how far the database's clock is ahead of ours."""
    asked_at = datetime.now(UTC)
    try:
        with database_errors():
            row = connection.execute("SELECT clock_timestamp()").fetchone()
    except GazelleSyncError as error:
        yield Finding("clock", False, str(error))
        return
    if row is not None:
        ahead["the database's"] = row[0].astimezone(UTC) - asked_at


def clocks_finding(ahead: dict[str, timedelta]) -> Finding:
    """Hold the clocks against each other; the one that stands alone is the one to set.

    Args:
        ahead: Whose clock → how far it is ahead of this machine's.
    """
    if not ahead:
        return Finding(
            "clock", True, "neither Gazelle nor the database answered, so there is nothing to hold it against"
        )
    off = {whose: difference for whose, difference in ahead.items() if abs(difference) > CLOCKS_MAY_DIFFER}
    if not off:
        furthest = max(abs(difference.total_seconds()) for difference in ahead.values())
        return Finding("clock", True, f"{', '.join(ahead)} and this machine's agree within {furthest + 1:.0f} s")
    said = ", ".join(f"{whose} is {_ahead(difference)} this machine's" for whose, difference in off.items())
    if off.keys() == ahead.keys():
        return Finding("clock", False, f"{said}. Set this machine's clock (timedatectl set-ntp true), then look again.")
    if "Gazelle's" in off:
        return Finding(
            "clock",
            False,
            f"{said}. Nothing has to be set here, since the sync goes by Gazelle's clock. If it lasts, tell Gazelle.",
        )
    return Finding(
        "clock", False, f"{said}. Have the database server's clock set (NTP): ages in `status` are off by it."
    )


def _ahead(difference: timedelta) -> str:
    seconds = abs(difference.total_seconds())
    span = (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
    return f"{span} {'ahead of' if difference > timedelta(0) else 'behind'}"
