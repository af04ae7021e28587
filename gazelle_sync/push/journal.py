"""`sync_gazelle_logs`: one row an action, written before its request goes out.

A row says `in_doubt` from then until somebody knows better, so a process that dies in between leaves the truth behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Jsonb

from gazelle_sync.gazelle.answers import storable
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.model import Action, Conflict, JsonValue, Remote
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.relations import EDITS

UPDATES = {"update_tags", "update_piano", "set_serviced"}
UNDO = "undo_"
"""Begins the name of an action that puts back what another did."""

SENDING = "The request was about to be sent."


@dataclass(frozen=True)
class Search:
    """How to tell ours from what was there before.

    Attributes:
        seen: Ids of what looked the same before the request was sent.
        same: How many of our own that look the same were made since then.
        since: From which instant on comments are looked at.
    """

    seen: tuple[str, ...] = ()
    same: int = 0
    since: datetime | None = None

    def arrived(self, found: Sequence[str]) -> str | None:
        """The id of ours among what is found now, or None."""
        fresh = [one for one in found if one not in self.seen]
        return fresh[0] if len(fresh) > self.same else None


@dataclass(frozen=True)
class Open:
    """An action of which nobody knows whether it arrived.

    Attributes:
        id: Of the log row.
        record: External id.
        name: The action's name.
        payload: What was sent.
        settles: What becomes base if it arrived.
        search: How to look for it.
        wait_s: For so long it may still arrive; negative where that is over.
        until: The instant at which that is over, aware UTC; None: nobody noted it.
        stamp: The record's stamp before it was sent, by Gazelle's clock.
    """

    id: int
    record: str
    name: str
    payload: Mapping[str, JsonValue]
    settles: Mapping[str, JsonValue]
    search: Search
    wait_s: float
    until: datetime | None = None
    stamp: datetime | None = None

    @property
    def is_update(self) -> bool:
        """Whether sending it twice changes nothing."""
        return self.name in UPDATES

    @property
    def is_undo(self) -> bool:
        """Whether it puts back what another did."""
        return self.name.startswith(UNDO)


@dataclass(frozen=True)
class Said:
    """What an action said of a fact.

    Attributes:
        payload: What was sent.
        value: What became base.
    """

    payload: Mapping[str, JsonValue]
    value: JsonValue


class Journal:
    """Writes the log of one run.

    Args:
        connection: Every method is part of the caller's transaction.
        entity: Whose records.
        run_id: Of the Dagster run.
    """

    def __init__(self, connection: Connection, entity: str, run_id: str) -> None:
        self._connection = connection
        self._entity = entity
        self._run_id = run_id

    def intent(self, action: Action, remote: Remote, search: Search, grace_s: float) -> int:
        """Say what is about to be sent; gives the row's id."""
        request = {
            "payload": dict(action.payload),
            "settles": dict(action.settles),
            "seen": list(search.seen),
            "same": search.same,
            "shared": action.shared,
            "since": search.since.isoformat() if search.since else None,
        }
        row = self._connection.execute(
            statement("push/intent"),
            {
                "entity": self._entity,
                "source": EDITS,
                "local_id": remote.id,
                "record": remote.id,
                "action": action.name,
                "field": action.field,
                "reason": SENDING,
                "key": action.key,
                "request": _json(request),
                "before": _json(remote.as_before()),
                "run_id": self._run_id,
                "grace_s": grace_s,
            },
        ).fetchone()
        for clash in action.clashes:
            self.clash(remote.id, clash)
        return int(row[0]) if row else 0

    def succeeded(
        self,
        log_id: int,
        response: Mapping[str, JsonValue] | None,
        reason: str | None = None,
        *,
        before: Remote | None = None,
    ) -> None:
        """Gazelle has it; `before`: what it replaced, where that is not what was read."""
        self._end(log_id, "success", reason, response, before)

    def failed(self, log_id: int, reason: str) -> None:
        """Gazelle does not have it."""
        self._end(log_id, "error", reason, None)

    def doubted(self, log_id: int, reason: str, grace_s: float) -> datetime | None:
        """Nobody knows; until the instant that this gives (the database's clock, aware UTC) it may still arrive."""
        given = {"id": log_id, "reason": storable(reason)[0], "grace_s": grace_s}
        row = self._connection.execute(statement("push/log_doubt"), given).fetchone()
        return row[0].astimezone(UTC) if row else None

    def shared_doubt(self, record: str, shared: str) -> datetime | None:
        """Until when an action for another record that makes the same may still arrive, aware UTC; None: there is none.

        What this run is just sending is no doubt yet.
        """
        given = {"entity": self._entity, "record": record, "shared": shared, "run_id": self._run_id, "sending": SENDING}
        row = self._connection.execute(statement("push/shared_doubt"), given).fetchone()
        return row[0].astimezone(UTC) if row and row[0] else None

    def note(self, record: str, action: str, field: str, status: str, reason: str, key: str | None = None) -> None:
        """A row for something that was not sent (`error`, `skipped`)."""
        given = {"entity": self._entity, "source": EDITS, "local_id": record, "record": record,
                 "action": action, "field": field, "status": status,
                 "reason": storable(reason)[0], "key": key, "run_id": self._run_id}  # fmt: skip
        self._connection.execute(statement("push/log_note"), given)

    def clash(self, record: str, clash: Conflict) -> None:
        """Keep what loses; the same clash met again is not told twice."""
        said = {name: storable(getattr(clash, name))[0] for name in ("base", "ours", "theirs")}
        given = {"entity": self._entity, "source": EDITS, "local_id": record, "record": record,
                 "field": clash.field, "winner": clash.winner,
                 "run_id": self._run_id, "key": clash.key, **said}  # fmt: skip
        self._connection.execute(statement("push/conflict_record"), given)

    def sent_before(self, record: str, action: Action, *, is_first: bool) -> datetime | None:
        """When the same edit was sent already, if it was.

        Args:
            record: External id.
            action: What would be sent.
            is_first: Whether the row knows nothing yet of what the action settles: it may be new, or have come back.
        """
        given = {"key": action.key, "is_first": is_first, "entity": self._entity, "record": record,
                 "action": action.name, "settles": _json(dict(action.settles))}  # fmt: skip
        row = self._connection.execute(statement("push/sent"), given).fetchone()
        return row[0] if row else None

    def open(self, keys: Sequence[str] | None) -> list[Open]:
        """What earlier runs left in doubt; the caller holds the push's lock, so none of it is under way."""
        given = {"entity": self._entity, "keys": list(keys) if keys is not None else None}
        found = []
        for log_id, record, name, request, wait_s, until, stamp in self._connection.execute(
            statement("push/open"), given
        ):
            ends = until.astimezone(UTC) if until else None
            found.append(Open(log_id, record, name, *as_requested(request), wait_s or 0.0, ends, parse_instant(stamp)))
        return found

    def said(self, record: str, facts: Sequence[str], *, before_id: int | None = None) -> dict[str, Said]:
        """What the newest action that is still at Gazelle says of each fact.

        Args:
            record: External id.
            facts: Which.
            before_id: Only of the actions before this row of the log.
        """
        given = {"entity": self._entity, "record": record, "facts": list(facts), "before_id": before_id}
        return {
            fact: Said(request.get("payload") or {}, request["settles"][fact])
            for fact, request in self._connection.execute(statement("push/said"), given)
        }

    def _end(
        self,
        log_id: int,
        status: str,
        reason: str | None,
        response: Mapping[str, JsonValue] | None,
        before: Remote | None = None,
    ) -> None:
        self._connection.execute(
            statement("push/log_end"),
            {
                "id": log_id,
                "status": status,
                "reason": storable(reason)[0] if reason else None,
                "response": _json(dict(response)) if response is not None else None,
                "before": _json(before.as_before()) if before is not None else None,
            },
        )


def as_requested(
    request: Mapping[str, Any] | None,
) -> tuple[Mapping[str, JsonValue], Mapping[str, JsonValue], Search]:
    """What a row of the log sent, what becomes base by it, and how its result is told from what looks the same."""
    said = request or {}
    search = Search(tuple(said.get("seen") or ()), said.get("same") or 0, parse_instant(said.get("since")))
    return said.get("payload") or {}, said.get("settles") or {}, search


def _json(value: Any) -> Jsonb:
    """JSON that PostgreSQL can hold."""
    return Jsonb(storable(value)[0])
