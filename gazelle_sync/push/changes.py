"""What a step of the push has to write down about rows, and the statements that write it: many rows at once.

An intent is written before its request goes out, as `in_doubt`: a process that dies in between leaves the truth behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from gazelle_sync.gazelle.answers import storable
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.model import Action, Conflict, Follow, JsonValue, Remote, Row, Values
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.text import same_text
from gazelle_sync.push.transports.protocol import Sending
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
class Intent(Sending):
    """An action that is about to be sent, or of which nobody knows whether it arrived.

    Attributes:
        search: How to look for it.
        log_id: Its row in the log, once it is written.
        reason: Why no answer came.
        wait_s: For so long it may still arrive, counted from when that was read; negative where that is over.
        until: The instant at which that is over, aware; None: nobody noted it.
    """

    search: Search = field(default_factory=Search)
    log_id: int = 0
    reason: str = ""
    wait_s: float = 0.0
    until: datetime | None = None


class Logged(NamedTuple):
    """An action that was sent, as its row in the log tells: the columns of `open`, `of_run` and `history`.

    Attributes:
        id: Of the row in the log.
        local_id: The key of its row here.
        record: External id.
        name: Of the action.
        field: The first local column that it settled.
        request: What was sent, and how its result is told from what looks the same: see `_request`.
        response: What Gazelle answered.
        before: What it replaced.
        later_run: The run that wrote the same later, if one did.
        wait_s: See `Intent`; likewise `until`.
    """

    id: int
    local_id: str
    record: str
    name: str
    field: str
    request: Mapping[str, Any]
    response: Values = MappingProxyType({})
    before: Values = MappingProxyType({})
    later_run: str | None = None
    wait_s: float = 0.0
    until: datetime | None = None

    @property
    def payload(self) -> Values:
        """What was sent."""
        return self.request.get("payload") or {}

    @property
    def base_updates(self) -> Values:
        """Facts that become base if it arrived."""
        return self.request.get("settles") or {}

    @property
    def search(self) -> Search:
        """How its result is told from what looks the same."""
        seen, since = tuple(self.request.get("seen") or ()), parse_instant(self.request.get("since"))
        return Search(seen, self.request.get("same") or 0, since)

    def as_intent(self) -> Intent:
        """As it was when it was about to be sent."""
        values = dict(self.before)
        remote = Remote(self.record, values, parse_instant(values.pop("updated_at", None)))
        action = Action(self.name, self.field, self.payload, self.base_updates, ())
        return Intent(action, remote, self.search, self.id, wait_s=self.wait_s, until=self.until)


class Said(NamedTuple):
    """What an action said of a fact: what was sent, and what became base."""

    payload: Values
    value: JsonValue

    @property
    def text(self) -> str | None:
        """The text as it was written, where the action holds it."""
        text = self.payload.get("text")
        return str(text) if text and same_text(str(text), self.value) else self.value


def said_of(
    history: Iterable[Logged], record: str, fact: str, *, before_id: int | None = None, but: Collection[int] = ()
) -> Said | None:
    """What the newest action that is still at Gazelle says of a fact.

    Args:
        history: The newest first.
        record: External id.
        fact: Which.
        before_id: Only of the actions before this row of the log.
        but: Rows of the log that are being taken back.
    """
    for one in history:
        is_earlier = before_id is None or one.id < before_id
        if one.record == record and fact in one.base_updates and one.id not in but and is_earlier:
            return Said(one.payload, one.base_updates[fact])
    return None


ORDER = (
    "lock", "log_end", "undone", "note", "created", "uncreate", "conflict_record", "settle", "agree", "follow",
    "finish", "fail", "forget", "look_again", "intent",
)  # fmt: skip
"""The statements of `sql/queries/push` that write: rows are locked first, what is to be sent comes last."""
MARKS = {"created", "uncreate", "finish", "fail", "look_again", "follow"}
"""Those of them that write into the shop's rows."""


@dataclass
class Changes:
    """What is to be written down about a row.

    Attributes:
        row: As it was loaded.
        given: Statement → what it is given about the row.
        base_updates: Facts that become base.
        intents: What is about to be sent.
        follow: What the row takes over, if it is still at its revision.
        created: External id of the record that was made for it.
    """

    row: Row
    given: dict[str, list[dict[str, JsonValue]]] = field(default_factory=dict)
    base_updates: dict[str, JsonValue] = field(default_factory=dict)
    intents: list[Intent] = field(default_factory=list)
    follow: Follow = field(default_factory=Follow)
    created: str | None = None

    def add(self, statement: str, **values: JsonValue) -> None:
        """Give a statement something about the row, beside what it knows of every row."""
        self.given.setdefault(statement, []).append(values)

    def end(
        self, log_id: int, status: str, reason: str | None = None, *,
        response: Values | None = None, before: Remote | None = None, grace_s: float | None = None,
    ) -> None:  # fmt: skip
        """What came of an action; `before`: what it replaced, where that is not what was read."""
        self.add(
            "log_end", id=log_id, status=status, reason=reason, grace_s=grace_s,
            response=None if response is None else dict(response), before=before.as_before() if before else None,
        )  # fmt: skip

    def note(self, action: str, column: str, status: str, reason: str, key: str | None = None) -> None:
        """A row of the log for something that was not sent (`error`, `skipped`)."""
        self.add("note", action=action, field=column, status=status, reason=reason, key=key)

    def lose(self, clashes: Iterable[Conflict]) -> None:
        """What gave way, whatever the row says by now."""
        for clash in clashes:
            self.add("conflict_record", **vars(clash), revision=None)

    def make(self, record: str) -> None:
        """A record was made for the row, which names it from now on."""
        self.created = record
        self.add("created", record=record)

    def fail(self, reason: str, *, is_outage: bool = False, at_any_revision: bool = False) -> None:
        """The row did not go. An outage is nobody's fault: it waits no longer for that.

        Args:
            reason: In words a person can act on.
            is_outage: Whether nobody could have been served.
            at_any_revision: Whether that concerns the row whatever it says by now.
        """
        revision = {"revision": None} if at_any_revision else {}
        self.add("fail", reason=reason, is_outage=is_outage, **revision)

    def without_marks(self) -> Changes:
        """Only what is known of the record and of what was sent."""
        given = {name: each for name, each in self.given.items() if name not in {*MARKS, "forget"}}
        return Changes(self.row, given, self.base_updates)

    def has_marks(self) -> bool:
        """Whether something is written into the shop's row."""
        return bool(self.follow.values or MARKS & self.given.keys())

    def statements(self) -> dict[str, list[dict[str, JsonValue]]]:
        """Statement → what it is given about the row, all of it."""
        row = self.row
        about = {"local_id": row.local_id, "record": row.name, "revision": row.revision}
        of_record = self.created or row.key or None
        given = {name: [about | one for one in each] for name, each in self.given.items()}
        lost: list[tuple[Conflict, int | None]] = []
        if self.follow.values:
            lost += [(clash, row.revision) for clash in self.follow.clashes]
            given["follow"] = [about | {"follows": storable(self.follow.values)[0]}]
        for name, facts, revision in (
            ("settle", self.base_updates, None),
            ("agree", self.follow.base_updates, row.revision),
        ):
            if facts:
                given[name] = [about | {"record": of_record, "settles": facts, "revision": revision}]
        lost += [(clash, None) for intent in self.intents for clash in intent.action.clashes]
        for clash, at in lost:
            given.setdefault("conflict_record", []).append(about | vars(clash) | {"revision": at})
        for one in given.get("finish", ()):
            one["record"] = of_record
        if self.has_marks():
            given["lock"] = [about]
        given["intent"] = [about | _request(intent) for intent in self.intents]
        return given


@dataclass
class Written:
    """What came of `Store.write`.

    Attributes:
        bases: Local id → the row's new base.
        followed: Local ids of the rows that took over Gazelle's values.
        until: Row of the log → until when its request may still arrive, aware.
        refused: Local id → why nothing could be written about a row.
    """

    bases: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    followed: set[str] = field(default_factory=set)
    until: dict[int, datetime] = field(default_factory=dict)
    refused: dict[str, psycopg.Error] = field(default_factory=dict)


def statements(changes: Sequence[Changes], pushable: Pushable, *, run_id: str, grace_s: float) -> dict[str, Question]:
    """The statements that write changes down, in their order."""
    of_rows = [one.statements() for one in changes]
    about = {"entity": pushable.entity.name, "run_id": run_id, "sending": SENDING, "grace_s": grace_s}
    questions: dict[str, Question] = {}
    for name in ORDER:
        given = [one for of_row in of_rows for one in of_row.get(name, ())]
        if name == "follow":
            questions |= {f"follow {n}": _follow(one, pushable) for n, one in enumerate(given)}
        elif given:
            placed = [one | {"place": place} for place, one in enumerate(given)]
            query = pushable.query("settle" if name == "agree" else name)
            questions[name] = query, {**about, "given": as_json(placed)}
    return questions


def _follow(given: Mapping[str, Any], pushable: Pushable) -> Question:
    """Columns have types of their own, so each row that follows has its own statement."""
    names = {f"new_{n}": column for n, column in enumerate(given["follows"])}
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(name)) for name, column in names.items()
    )
    values = {name: given["follows"][column] for name, column in names.items()}
    query = pushable.query("follow", assignments=assignments)
    return query, {**values, "id": given["local_id"], "revision": given["revision"]}


def _request(intent: Intent) -> dict[str, JsonValue]:
    action, search = intent.action, intent.search
    return {
        "action": action.name, "field": action.field, "key": action.key, "before": intent.remote.as_before(),
        "request": {
            "payload": dict(action.payload), "settles": dict(action.base_updates), "seen": list(search.seen),
            "same": search.same, "shared": action.shared, "since": search.since.isoformat() if search.since else None,
        },
    }  # fmt: skip


def as_json(value: Any) -> Jsonb:
    """JSON that PostgreSQL can hold."""
    return Jsonb(storable(value)[0])
