"""The push's side of the database: the shop's rows, their state, the log. Everything is said about many rows at once.

`Changes` gathers what a step of the push has to write down about a row; `Store.write` writes those of a wave in one
transaction and one round trip, and where a row refuses, finds that row and writes the others. Every write into a column
that people edit says so first (`gazelle_sync.pushing`), or the triggers would take it for an edit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from gazelle_sync.gazelle.answers import storable
from gazelle_sync.montreal import FIRST, LAST, MONTREAL, midnight, parse_instant
from gazelle_sync.push.model import UNDO, Action, Conflict, JsonValue, Remote, Row, Values
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.warehouse.connect import Connection, affects_every_row
from gazelle_sync.warehouse.pool import Question, together

log = get_logger("gazelle_sync.push")

NOON = timedelta(hours=12)
PATIENCE = "5s"
"""For so long a row that somebody else holds is waited for."""
SENDING = "The request was about to be sent."
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


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
        finished: The record: Gazelle has everything that this revision says.
        failed: Why it did not go.
        is_outage: Nobody could have been served: the row waits no longer for that.
        at_any_revision: The failure concerns the row whatever it says by now.
        looks_again: Gazelle's side is another one than both agreed on: the next push compares them.
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
    finished: Remote | None = None
    failed: str | None = None
    is_outage: bool = False
    at_any_revision: bool = False
    looks_again: bool = False

    @property
    def touches_row(self) -> bool:
        """Whether something is written into the shop's row."""
        return bool(self.follows or self.finished or self.failed or self.created or self.looks_again)

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


class Store:
    """Reads and writes over one connection, about one table.

    Attributes:
        clock_ahead: How far the database's clock is ahead of this machine's, once a run has begun.

    Args:
        connection: Autocommit, and nobody else's meanwhile.
        pushable: The table.
        run_id: Of the Dagster run.
        grace_s: How long a request may still be at work at Gazelle whose process died.
    """

    def __init__(self, connection: Connection, pushable: Pushable, run_id: str = "", grace_s: float = 0.0) -> None:
        self.connection = connection
        self.pushable = pushable
        self.clock_ahead: timedelta | None = None
        self._run_id = run_id
        self._grace_s = grace_s

    # ---- which rows

    def due(self, keys: Sequence[str] | None = None, *, at_once: bool = False) -> list[str]:
        """Local ids of the rows that are due, the oldest edit first.

        Args:
            keys: External or local ids; None: all.
            at_once: Also those whose next try lies ahead.
        """
        found = self.connection.execute(*self.due_question(keys, at_once=at_once))
        return list(dict.fromkeys(local_id for local_id, _ in found))

    def begin(self, keys: Sequence[str] | None, *, at_once: bool) -> tuple[list[Open], list[str], list[str]]:
        """What a run begins with, in one round trip: what is in doubt, local ids of nameless rows, and of due ones.

        Rows that wait and have no state get one.
        """
        given = {"keys": list(keys) if keys is not None else None}
        [(now,)], _, opens, nameless, due = together(
            self.connection,
            ("SELECT clock_timestamp()", None),
            (self.pushable.query("adopt"), None),
            (self.pushable.query("open"), given),
            (self.pushable.query("nameless"), {"at_once": at_once}),
            self.due_question(keys, at_once=at_once),
        )
        self.clock_ahead = now - datetime.now(UTC)
        named = [one for (one,) in nameless] if self.pushable.refuses_nameless else []
        return [_open(*row) for row in opens], named, list(dict.fromkeys(one for one, _ in due))

    def due_records(self, keys: Sequence[str]) -> set[str]:
        """External ids of the rows that are due, whenever their next try is."""
        return {record or one for one, record in self.connection.execute(*self.due_question(keys, at_once=True))}

    def due_question(self, keys: Sequence[str] | None, *, at_once: bool, limit: int | None = None) -> Question:
        """The statement of `due`, to be asked with others."""
        given = {
            "keys": list(keys) if keys is not None else None, "at_once": at_once, "limit": limit,
            "creates": self.pushable.creates,
        }  # fmt: skip
        return self.pushable.query("due"), given

    def is_due(self) -> bool:
        """Whether there is anything to do, be it only to say what is wrong with a row that names no record."""
        if self.connection.execute(*self.due_question(None, at_once=False, limit=1)).fetchone() is not None:
            return True
        return bool(self.pushable.refuses_nameless and self.nameless(at_once=False))

    def nameless(self, *, at_once: bool) -> list[str]:
        """Local ids of rows of which nobody can tell which record they speak of."""
        return [one for (one,) in self.connection.execute(self.pushable.query("nameless"), {"at_once": at_once})]

    def standing(self, keys: Sequence[str]) -> list[tuple[str, bool, datetime | None]]:
        """Of records that have a row: external id, whether it is hidden, and since when Gazelle has what it says."""
        return list(self.connection.execute(self.pushable.query("standing"), {"keys": list(keys)}))

    def load(self, ids: Sequence[str]) -> list[Row]:
        """Rows by local id, in that order; those that are gone are left out."""
        names = self.pushable.columns
        columns = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier("t", name)) for name in names)
        query = self.pushable.query("load", columns=columns)
        found: dict[str, Row] = {}
        for is_twin, *values in self.connection.execute(query, {"ids": list(ids)}):
            row = _row(tuple(values), self.pushable)
            found[row.local_id] = (
                replace(row, faults={self.pushable.record_key: ("twins", row.key)}) if is_twin else row
            )
        return [found[one] for one in dict.fromkeys(ids) if one in found]

    def of_records(self, records: Sequence[str]) -> list[Row]:
        """The rows that speak of some records."""
        query = self.pushable.query("local_ids")
        return self.load([one for (one,) in self.connection.execute(query, {"records": list(records)})])

    def named(self, records: Sequence[str]) -> set[str]:
        """Which of some records a row names already."""
        return {one for (one,) in self.connection.execute(self.pushable.query("named"), {"records": list(records)})}

    # ---- the log

    def sent_before(self, actions: Iterable[tuple[Row, Action]]) -> dict[str, datetime]:
        """Key of a create → since when the same edit is at Gazelle (its row was deleted here, and came back)."""
        asked = [
            {
                "key": action.key, "record": row.name, "action": action.name, "settles": dict(action.settles),
                "is_first": not any(row.generation(fact) for fact in action.settles),
            }
            for row, action in actions
            if action.is_create
        ]  # fmt: skip
        if not asked:
            return {}
        return dict(self.connection.execute(self.pushable.query("sent"), {"actions": _json(asked)}).fetchall())

    def shared_doubts(self, shared: Sequence[str]) -> list[tuple[str, str, datetime]]:
        """What is shared, external id and until when: actions that make the same, and may still arrive.

        What this run is just sending is no doubt yet.
        """
        if not shared:
            return []
        given = {"shared": list(shared), "run_id": self._run_id, "sending": SENDING}
        found = self.connection.execute(self.pushable.query("shared_doubt"), given)
        return [(what, record, until.astimezone(UTC)) for what, record, until in found]

    def open(self, keys: Sequence[str] | None) -> list[Open]:
        """What earlier runs left in doubt; the caller holds the push's lock, so none of it is under way."""
        given = {"keys": list(keys) if keys is not None else None}
        return [_open(*row) for row in self.connection.execute(self.pushable.query("open"), given)]

    def said(
        self, record: str, facts: Sequence[str], *, before_id: int | None = None, but: Sequence[int] = ()
    ) -> dict[str, Said]:
        """What the newest action that is still at Gazelle says of each fact.

        Args:
            record: External id.
            facts: Which.
            before_id: Only of the actions before this row of the log.
            but: Rows of the log that are being taken back.
        """
        given = {"record": record, "facts": list(facts), "before_id": before_id, "but": list(but)}
        return {
            fact: Said(request.get("payload") or {}, request["settles"][fact])
            for fact, request in self.connection.execute(self.pushable.query("said"), given)
        }

    # ---- writing

    def write(self, changes: Sequence[Changes]) -> Written:
        """Write down what is known about rows, all of a row or nothing.

        Raises:
            psycopg.Error: What would stop every row.
        """
        written = Written()
        if not changes:
            return written
        try:
            self._write(changes, written)
        except psycopg.Error as error:
            self._roll_back()
            if affects_every_row(error):
                raise
            if len(changes) == 1:
                written.refused[changes[0].row.local_id] = error
                return written
            middle = len(changes) // 2
            for half in (changes[:middle], changes[middle:]):
                part = self.write(half)
                written.bases |= part.bases
                written.followed |= part.followed
                written.until |= part.until
                written.refused |= part.refused
        return written

    def fail(self, ids: Sequence[str], reason: str, *, is_outage: bool = False) -> None:
        """Say in rows why they did not go, whatever they say by now; a row that refuses even that stops no other."""
        rows = [Row("", {}, datetime.now(UTC), local_id=one) for one in ids]
        self.refuse([Changes(row, failed=reason, is_outage=is_outage, at_any_revision=True) for row in rows])

    def refuse(self, changes: Sequence[Changes]) -> None:
        """As `write`, where a row that refuses to be marked is only told to the log file."""
        for local_id, error in self.write(changes).refused.items():
            log.warning("a row refuses to be marked", record=local_id, reason=error.diag.message_primary)

    def _write(self, changes: Sequence[Changes], written: Written) -> None:
        intents = [(one, intent) for one in changes for intent in one.intents]
        questions = self._questions(changes, intents)
        if not questions:
            return
        is_pushing = any(one.follows or one.created for one in changes)
        text = "SELECT set_config('lock_timeout', %s, true), set_config('gazelle_sync.pushing', %s, true)"
        begin: Question = (text, [PATIENCE, "on" if is_pushing else "off"])
        _, *answers = together(self.connection, begin, *questions.values())
        found = dict(zip(questions, answers, strict=True))
        for (_, intent), (log_id,) in zip(intents, sorted(found.get("intents", [])), strict=True):
            intent.log_id = log_id
        written.bases |= dict([*found.get("settled", []), *found.get("agreed", [])])
        written.until |= {log_id: until.astimezone(UTC) for log_id, until in found.get("ends", []) if until}
        written.followed |= {one for name, rows in found.items() if name.startswith("follow ") for (one,) in rows}

    def _questions(self, changes: Sequence[Changes], intents: Sequence[tuple[Changes, Intent]]) -> dict[str, Question]:
        """The statements that write changes down: rows are locked first, what is to be sent comes last."""
        query = self.pushable.query
        marked = [one for one in changes if one.touches_row]
        parts: list[tuple[str, str, list[Any]]] = [
            ("lock", "lock", [one.row.local_id for one in marked]),
            ("ends", "log_end", [end for one in changes for end in one.ends]),
            ("undone", "undone", [log_id for one in changes for log_id in one.undone]),
            ("notes", "note", [{**_named(one.row), **note} for one in changes for note in one.notes]),
            ("created", "created", [{"local_id": o.row.local_id, "record": o.created} for o in marked if o.created]),
            ("clashes", "conflict_record", _clashes(changes)),
            ("settled", "settle", _settled(changes)),
            ("agreed", "settle", _settled(changes, by_following=True)),
            *((f"follow {n}", "", [one]) for n, one in enumerate(marked) if one.follows),
            ("finished", "finish", [_finished(one, self.pushable) for one in marked if one.finished]),
            ("failed", "fail", [_failed(one) for one in marked if one.failed]),
            ("again", "look_again", [one.row.local_id for one in marked if one.looks_again]),
            ("intents", "intent", _requests(intents)),
        ]
        about = {
            "entity": self.pushable.entity.name, "run_id": self._run_id, "sending": SENDING, "grace_s": self._grace_s,
        }  # fmt: skip
        return {
            name: (query(statement), {**about, "given": _json(given)}) if statement else self._follow(given[0])
            for name, statement, given in parts
            if given
        }

    def _follow(self, one: Changes) -> Question:
        clean, _ = storable(dict(one.follows))
        names = {f"new_{n}": column for n, column in enumerate(clean)}
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(name)) for name, column in names.items()
        )
        given = {name: clean[column] for name, column in names.items()}
        query = self.pushable.query("follow", assignments=assignments)
        return query, {**given, "id": one.row.local_id, "revision": one.row.revision}

    def _roll_back(self) -> None:
        if not self.connection.closed:
            self.connection.rollback()


def as_requested(request: Mapping[str, Any] | None) -> tuple[Values, Values, Search]:
    """What a row of the log sent, what becomes base by it, and how its result is told from what looks the same."""
    said = request or {}
    search = Search(tuple(said.get("seen") or ()), said.get("same") or 0, parse_instant(said.get("since")))
    return said.get("payload") or {}, said.get("settles") or {}, search


def _open(
    log_id: int, local_id: str | None, record: str, name: str, column: str | None, request: Any, wait_s: float | None,
    until: datetime | None, stamp: str | None,
) -> Open:  # fmt: skip
    ends = until.astimezone(UTC) if until else None
    return Open(
        log_id, local_id or record, record, name, column or "", *as_requested(request), wait_s or 0.0, ends,
        parse_instant(stamp),
    )  # fmt: skip


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


def _json(value: Any) -> Jsonb:
    """JSON that PostgreSQL can hold."""
    return Jsonb(storable(value)[0])


def _row(values: tuple[Any, ...], pushable: Pushable) -> Row:
    (
        local_id, key, updated_at, arrived_at, updated_by, revision, base, attempts, seen, pulled, parent, *columns
    ) = values  # fmt: skip
    texts = dict(zip(pushable.columns, columns, strict=True))
    said = {name: (texts[name], MONTREAL) for name in pushable.instants} | {
        "updated_at": (updated_at, UTC),
        "edited_at": (arrived_at, UTC),
    }
    instants: dict[str, datetime | None] = {}
    faults = {}
    for name, (text, zone) in said.items():
        try:
            instants[name] = _instant(text, zone)
        except (ValueError, OverflowError):
            faults[name] = ("no_instant", str(text))
    edited_at = instants.pop("edited_at", None)
    dated = instants.pop("updated_at", None) or edited_at
    return Row(
        key=key or "",
        values=texts | instants,
        updated_at=dated or datetime.now(UTC),  # where it is a fault, nothing of the row is sent
        updated_by=updated_by,
        revision=revision,
        base=base if isinstance(base, dict) else None,
        attempts=attempts,
        seen=seen,
        pulled=pulled,
        faults=faults,
        edited_at=edited_at,
        local_id=local_id,
        parent=parent,
    )


def _instant(text: str | None, zone: tzinfo) -> datetime | None:
    """An instant as PostgreSQL writes it, from a column of whatever type; a day alone is noon of it in Montreal.

    Args:
        text: As it stands in the row.
        zone: That of an instant without one.

    Raises:
        ValueError: It is no instant, or lies outside the calendar.
        OverflowError: So far outside the calendar that UTC cannot say it.
    """
    if text is None or not text.strip():
        return None
    text = text.strip()
    if _DAY.fullmatch(text):
        return midnight(date.fromisoformat(text)) + NOON
    instant = datetime.fromisoformat(text)
    instant = (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
    if not FIRST <= instant < LAST:
        raise ValueError(f"{text} lies outside the calendar")
    return instant
