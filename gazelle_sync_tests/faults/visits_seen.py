"""Visits as a campaign remembers them: what was said of each, and how far each came, which it never goes back from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gazelle_sync_tests.support.shop import Record, Row

HELD = {"start_at": "start", "duration_minutes": "duration", "title": "title", "notes": "notes"}
"""Column → the record's field."""
OVER = {"cancel": "CANCELED", "complete": "COMPLETE"}
"""What ends a visit → its status at Gazelle."""


@dataclass
class Visit:
    """A visit that somebody planned here.

    Attributes:
        word: How its title begins.
        drafts: Keys of the rows that make it: one for each technician; none, where it was made at Gazelle.
        technicians: Whose visit it is, in the order of the drafts.
        client: Whose pianos.
        piano: Which one.
        ends: What is to come of it at last: `cancel`, `complete`, or nothing.
        changes: Keys of the rows that change it.
        is_confirmed: Whether somebody here confirmed it.
        is_moved_there: Whether somebody at Gazelle gave it another hour.
        is_held: Whether it is never to be sent.
        is_deleted: Whether its rows were deleted here: what Gazelle has of it by then stays there.
        events: Those that were made at Gazelle.
        said: Column → what was last said of it here.
    """

    word: str
    drafts: list[int]
    technicians: list[str]
    client: str
    piano: str
    ends: str | None = None
    changes: list[int] = field(default_factory=list)
    is_confirmed: bool = False
    is_moved_there: bool = False
    is_held: bool = False
    is_deleted: bool = False
    events: list[str] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)


class Progress:
    """A visit that is over stays so, and one that was confirmed; a change that has gone, or was withdrawn, too.

    Attributes:
        went_back: What was once further than it is now, in words.
    """

    def __init__(self) -> None:
        self.went_back: list[str] = []
        self._over: dict[str, str] = {}
        self._confirmed: set[str] = set()
        self._drafts: dict[int, str] = {}

    def look(self, rows: dict[int, Row], events: Collection[Record]) -> None:
        """Compare with what was seen before.

        Args:
            rows: The drafts by their keys.
            events: Gazelle's, of visits that were planned here.
        """
        for event in events:
            self._look_at(event)
        for draft, row in rows.items():
            before, now = self._drafts.get(draft), row["status"]
            is_final = before == "canceled" or (before == "sent" and row["action"] != "create")
            if is_final and now != before:
                self.went_back.append(f"the draft {draft} ({row['action']}) was {before}, and is {now}")
            self._drafts[draft] = now

    def _look_at(self, event: Record) -> None:
        before, now = self._over.get(event["id"]), event["status"]
        if before and now != before:
            self.went_back.append(f"{event['title']} was {before}, and is {now}")
        if now in OVER.values():
            self._over[event["id"]] = now
        if event.get("confirmedAt") is not None:
            self._confirmed.add(event["id"])
        elif event["id"] in self._confirmed:
            self.went_back.append(f"{event['title']} was confirmed, and is not any more")


def said_above(notes: str | None) -> str:
    """What people wrote into the notes of a visit, above our mark."""
    return (notes or "").partition("\n\n[gazelle_sync")[0]


def text_there(column: str, value: Any) -> str | None:
    """What a record says, as the draft's column would."""
    return said_above(value) or None if column == "notes" else text(value)


def text(value: Any) -> str | None:
    """A value of a row or of a record, as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return None if value is None else str(value)
