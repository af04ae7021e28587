"""What a step of the push has to write down about rows, and the statements that write it: many rows at once.

An intent is written before its request goes out, as `in_doubt`: a process that dies in between leaves the truth behind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from gazelle_sync.gazelle.answers import storable
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.model import UNDO, Action, Conflict, JsonValue, Remote, Row, Values
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.warehouse.pool import Question

SENDING = "The request was about to be sent."


@dataclass(frozen=True)
class Search:
    """How to tell ours from what was there before.

    Attributes:
        seen: Ids of what looked the same before the request was sent.
        same: How many of our own that look the same were made since then.
        since: From which instant on it is looked for.
    """

    seen: tuple[str, ...] = ()
    same: int = 0
    since: datetime | None = None

    def arrived(self, found: Sequence[str]) -> str | None:
        """The id of ours among what is found now, or None."""
        fresh = [one for one in found if one not in self.seen]
        return fresh[0] if len(fresh) > self.same else None


@dataclass
class Intent:
    """An action that is about to be sent.

    Attributes:
        action: What.
        remote: The record as it was planned for: what it replaces.
        search: How to look for it.
        log_id: Its row in the log, once it is written.
    """

    action: Action
    remote: Remote
    search: Search = Search()
    log_id: int = 0


@dataclass(frozen=True)
class Open:
    """An action of which nobody knows whether it arrived.

    Attributes:
        id: Of the log row.
        local_id: The key of its row here.
        record: External id.
        name: The action's name.
        field: The local column that it came from.
        payload: What was sent.
        settles: What becomes base if it arrived.
        search: How to look for it.
        wait_s: For so long it may still arrive; negative where that is over.
        until: The instant at which that is over, aware UTC; None: nobody noted it.
        stamp: The record's stamp before it was sent, by Gazelle's clock.
    """

    id: int
    local_id: str
    record: str
    name: str
    field: str
    payload: Values
    settles: Values
    search: Search
    wait_s: float
    until: datetime | None = None
    stamp: datetime | None = None

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

    payload: Values
    value: JsonValue


@dataclass(frozen=True)
class History:
    """What actions that are still at Gazelle said of records.

    Attributes:
        entries: Row of the log, external id, what was sent, what became base; the newest first.
    """

    entries: Sequence[tuple[int, str, Values, Values]]

    def said(self, record: str, fact: str, *, before_id: int | None = None, but: Collection[int] = ()) -> Said | None:
        """What the newest of them says of a fact.

        Args:
            record: External id.
            fact: Which.
            before_id: Only of the actions before this row of the log.
            but: Rows of the log that are being taken back.
        """
        for log_id, of, payload, settles in self.entries:
            if of == record and fact in settles and log_id not in but and (before_id is None or log_id < before_id):
                return Said(payload, settles[fact])
        return None


@dataclass
class Changes:
    """What is to be written down about a row.

    Attributes:
        row: As it was loaded.
        ends: What came of actions, as `log_end` takes it.
        notes: Rows of the log for what was not sent.
        clashes: What loses.
        settles: Facts that become base.
        undone: Rows of the log that were taken back.
        intents: What is about to be sent.
        follows: Columns that take over Gazelle's value, if the row is still at its revision.
        follows_settle: Facts that become base with them.
        follows_clashes: What loses by that.
        created: External id of the record that was made for it.
        uncreated: External id of the record that was made for it and has ended again.
        finished: The record: Gazelle has everything that this revision says.
        failed: Why it did not go.
        is_outage: Nobody could have been served: the row waits no longer for that.
        at_any_revision: The failure concerns the row whatever it says by now.
        looks_again: Gazelle's side is another one than both agreed on: the next push compares them.
        is_forgotten: The row was deleted here, and nothing more is to be done about it.
    """

    row: Row
    ends: list[dict[str, JsonValue]] = field(default_factory=list)
    notes: list[dict[str, JsonValue]] = field(default_factory=list)
    clashes: list[Conflict] = field(default_factory=list)
    settles: dict[str, JsonValue] = field(default_factory=dict)
    undone: list[int] = field(default_factory=list)
    intents: list[Intent] = field(default_factory=list)
    follows: dict[str, JsonValue] = field(default_factory=dict)
    follows_settle: dict[str, JsonValue] = field(default_factory=dict)
    follows_clashes: list[Conflict] = field(default_factory=list)
    created: str | None = None
    uncreated: str | None = None
    finished: Remote | None = None
    failed: str | None = None
    is_outage: bool = False
    at_any_revision: bool = False
    looks_again: bool = False
    is_forgotten: bool = False

    @property
    def touches_row(self) -> bool:
        """Whether something is written into the shop's row."""
        return bool(self.follows or self.finished or self.failed or self.created or self.uncreated or self.looks_again)

    def end(
        self,
        log_id: int,
        status: str,
        reason: str | None = None,
        *,
        response: Values | None = None,
        before: Remote | None = None,
        grace_s: float | None = None,
    ) -> None:
        """What came of an action; `before`: what it replaced, where that is not what was read."""
        self.ends.append(
            {
                "id": log_id, "status": status, "reason": reason, "grace_s": grace_s,
                "response": dict(response) if response is not None else None,
                "before": before.as_before() if before is not None else None,
            }
        )  # fmt: skip

    def note(self, action: str, column: str, status: str, reason: str, key: str | None = None) -> None:
        """A row of the log for something that was not sent (`error`, `skipped`)."""
        self.notes.append({"action": action, "field": column, "status": status, "reason": reason, "key": key})


@dataclass
class Written:
    """What came of `Store.write`.

    Attributes:
        bases: Local id → the row's new base.
        followed: Local ids of the rows that took over Gazelle's values.
        until: Row of the log → until when its request may still arrive, aware UTC.
        refused: Local id → why nothing could be written about a row.
    """

    bases: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    followed: set[str] = field(default_factory=set)
    until: dict[int, datetime] = field(default_factory=dict)
    refused: dict[str, psycopg.Error] = field(default_factory=dict)


def statements(changes: Sequence[Changes], pushable: Pushable, *, run_id: str, grace_s: float) -> dict[str, Question]:
    """The statements that write changes down: rows are locked first, what is to be sent comes last."""
    query = pushable.query
    intents = [(one, intent) for one in changes for intent in one.intents]
    marked = [one for one in changes if one.touches_row]
    parts: list[tuple[str, str, list[Any]]] = [
        ("lock", "lock", [one.row.local_id for one in marked]),
        ("ends", "log_end", [end for one in changes for end in one.ends]),
        ("undone", "undone", [log_id for one in changes for log_id in one.undone]),
        ("notes", "note", [{**_named(one.row), **note} for one in changes for note in one.notes]),
        ("created", "created", [{"local_id": o.row.local_id, "record": o.created} for o in marked if o.created]),
        ("uncreated", "uncreate", [{"local_id": o.row.local_id, "record": o.uncreated} for o in marked if o.uncreated]),
        ("clashes", "conflict_record", _clashes(changes)),
        ("settled", "settle", _settled(changes)),
        ("agreed", "settle", _settled(changes, by_following=True)),
        *((f"follow {n}", "", [one]) for n, one in enumerate(marked) if one.follows),
        ("finished", "finish", [_finished(one, pushable) for one in marked if one.finished]),
        ("failed", "fail", [_failed(one) for one in marked if one.failed]),
        (
            "forgotten", "forget",
            [{"local_id": o.row.local_id, "revision": o.row.revision} for o in changes if o.is_forgotten],
        ),
        ("again", "look_again", [one.row.local_id for one in marked if one.looks_again]),
        ("intents", "intent", _requests(intents)),
    ]  # fmt: skip
    about = {
        "entity": pushable.entity.name, "run_id": run_id, "sending": SENDING, "grace_s": grace_s,
    }  # fmt: skip
    return {
        name: (query(statement), {**about, "given": as_json(given)}) if statement else _follow(given[0], pushable)
        for name, statement, given in parts
        if given
    }


def _follow(one: Changes, pushable: Pushable) -> Question:
    clean, _ = storable(dict(one.follows))
    names = {f"new_{n}": column for n, column in enumerate(clean)}
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(name)) for name, column in names.items()
    )
    given = {name: clean[column] for name, column in names.items()}
    query = pushable.query("follow", assignments=assignments)
    return query, {**given, "id": one.row.local_id, "revision": one.row.revision}


def as_requested(request: Mapping[str, Any] | None) -> tuple[Values, Values, Search]:
    """What a row of the log sent, what becomes base by it, and how its result is told from what looks the same."""
    said = request or {}
    search = Search(tuple(said.get("seen") or ()), said.get("same") or 0, parse_instant(said.get("since")))
    return said.get("payload") or {}, said.get("settles") or {}, search


def _named(row: Row) -> dict[str, JsonValue]:
    return {"local_id": row.local_id, "record": row.name}


def _clashes(changes: Sequence[Changes]) -> list[dict[str, JsonValue]]:
    found = []
    for one in changes:
        with_revision = [(clash, one.row.revision if one.follows else None) for clash in one.follows_clashes]
        lost = [(clash, None) for intent in one.intents for clash in intent.action.clashes]
        for clash, revision in [*((clash, None) for clash in one.clashes), *with_revision, *lost]:
            found.append(
                {
                    **_named(one.row), "field": clash.field, "base": clash.base, "ours": clash.ours,
                    "theirs": clash.theirs, "winner": clash.winner, "key": clash.key, "revision": revision,
                }
            )  # fmt: skip
    return found


def _settled(changes: Sequence[Changes], *, by_following: bool = False) -> list[dict[str, JsonValue]]:
    return [
        {
            "local_id": one.row.local_id, "record": one.created or one.row.key or None, "settles": settles,
            "revision": one.row.revision if by_following else None,
        }
        for one in changes
        if (settles := one.follows_settle if by_following else one.settles)
    ]  # fmt: skip


def _finished(one: Changes, pushable: Pushable) -> dict[str, JsonValue]:
    remote = one.finished or Remote("")
    seen = {
        **pushable.kind.kept(remote, pushable.fields),
        "updated_at": remote.updated_at.isoformat() if remote.updated_at else None,
    }
    return {
        "local_id": one.row.local_id, "record": one.created or one.row.key or None, "revision": one.row.revision,
        "remote": seen, "holds": pushable.kind.holds(remote),
    }  # fmt: skip


def _failed(one: Changes) -> dict[str, JsonValue]:
    return {
        "local_id": one.row.local_id, "reason": one.failed, "is_outage": one.is_outage,
        "revision": None if one.at_any_revision else one.row.revision,
    }  # fmt: skip


def _requests(intents: Sequence[tuple[Changes, Intent]]) -> list[dict[str, JsonValue]]:
    return [
        {
            "place": place, **_named(one.row), "action": intent.action.name, "field": intent.action.field,
            "key": intent.action.key, "before": intent.remote.as_before(),
            "request": {
                "payload": dict(intent.action.payload),
                "settles": dict(intent.action.settles),
                "seen": list(intent.search.seen),
                "same": intent.search.same,
                "shared": intent.action.shared,
                "since": intent.search.since.isoformat() if intent.search.since else None,
            },
        }
        for place, (one, intent) in enumerate(intents)
    ]  # fmt: skip


def as_json(value: Any) -> Jsonb:
    """JSON that PostgreSQL can hold."""
    return Jsonb(storable(value)[0])
