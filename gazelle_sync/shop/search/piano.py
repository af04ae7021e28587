"""All that is known of a piano: what it is, what was done, what the shop wrote about it, and whether Gazelle has that.

The desk's page and `gazelle-sync show` say the same, since both ask here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any, Literal

from gazelle_sync.i18n.translator import Message
from gazelle_sync.push.conflicts import Conflict, open_conflicts
from gazelle_sync.push.status import Waiting, read_waiting
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Rows, borrow, together

MOST_ENTRIES = 100
COLUMNS = (
    "id", "name", "serial_number", "year", "type", "room", "status", "tags", "notes", "last_service", "next_service",
    "has_dampp_chaser", "deleted_at", "client_id", "client", "row", "rows",
)  # fmt: skip
KINDS = {"note": Message("note"), "visit": Message("visit")}


@dataclass(frozen=True)
class PushState:
    """How the push of the shop's own row about a piano stands.

    Attributes:
        state: `none`: nothing was written here; `sent`: Gazelle has it; `hidden`: it stays here; `doubt`: nobody knows
            yet whether it arrived; `error`: it did not go; `due`: it waits.
        at: Since when Gazelle has it, or when the next try is, aware UTC; None: not known, or at once.
        reason: Why it did not go.
    """

    state: Literal["none", "sent", "hidden", "doubt", "error", "due"]
    at: datetime | None = None
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether that will change by itself."""
        return self.state in ("due", "doubt", "error")


@dataclass(frozen=True)
class PianoPage:
    """What is told of a piano.

    Attributes:
        piano: Its columns, by the names of `COLUMNS`; `row` is the shop's own row, `rows` how many there are.
        days: Its history by Montreal day, the newest first: `day` and `entries`.
        earlier: The day before which there is more, or None.
        measured: What was measured, the newest first: day, humidity, temperature, pitch.
        alerts: Open maintenance alerts: id, kind, status, words, day.
        conflicts: What both sides had changed.
        push: How its push stands.
        read_at: When Gazelle was last read, of pianos and notes the earlier, aware UTC; None: never.
        unapplied: What was read about it and is not in production: entity, id, status, reason.
    """

    piano: dict[str, Any]
    days: list[dict[str, Any]]
    earlier: date | None
    measured: Rows
    alerts: Rows
    conflicts: list[Conflict]
    push: PushState
    read_at: datetime | None = None
    unapplied: Rows = field(default_factory=list)


def read_piano(connection: Connection, key: str) -> dict[str, Any] | None:
    """A piano with its client and the shop's own row, by the names of `COLUMNS`; None: there is none of this id."""
    row = connection.execute(statement("search/piano"), {"id": key}).fetchone()
    return None if row is None else dict(zip(COLUMNS, row, strict=True))


def read_page(settings: Settings, key: str, before: date | None = None) -> PianoPage | None:
    """All of a piano; None: there is none of this id.

    Args:
        settings: For the database.
        key: External id.
        before: Only the history before this Montreal day.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    asked = {"id": key, "before": before, "most": MOST_ENTRIES + 1}
    with borrow(str(settings.database_url)) as connection:
        piano = read_piano(connection, key)
        if piano is None:
            return None
        parts = ("history", "measurements", "alerts", "unapplied", "read_at")
        history, measured, alerts, unapplied, [(read_at,)] = together(
            connection, *((statement(f"search/piano_{name}"), asked) for name in parts)
        )
    days, earlier = _by_day(history)
    conflicts, push = open_conflicts(settings, [key]), push_state(settings, key, piano["row"])
    return PianoPage(piano, days, earlier, measured, alerts, conflicts, push, _instant(read_at), unapplied)


def push_state(settings: Settings, key: str, row: dict[str, Any] | None) -> PushState:
    """How the push of a piano's row stands."""
    waiting = next(iter(read_waiting(settings, [key])), None) if row else None
    if waiting is not None:
        return PushState(_state_of(waiting), waiting.next_attempt_at, waiting.error)
    since = _instant((row or {}).get("last_synced_at"))
    return PushState("none") if since is None else PushState("sent", since)


def _state_of(waiting: Waiting) -> Literal["hidden", "doubt", "error", "due"]:
    if waiting.is_hidden:
        return "hidden"
    if waiting.is_in_doubt:
        return "doubt"
    return "error" if waiting.error else "due"


def _by_day(rows: Sequence[tuple[Any, ...]]) -> tuple[list[dict[str, Any]], date | None]:
    """The history by day, and the day before which there is more. A day that is cut short is left to the next page."""
    names = ("kind", "day", "at", "title", "details", "who", "id")
    entries = [dict(zip(names, row, strict=True)) for row in rows]
    days = [{"day": day, "entries": list(of_day)} for day, of_day in groupby(entries, key=lambda one: one["day"])]
    if len(entries) <= MOST_ENTRIES:
        return days, None
    if len(days) > 1:
        days.pop()
    return days, days[-1]["day"]


def _instant(value: Any) -> datetime | None:
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
