"""What the push speaks of: a local row, the record at Gazelle, an action, a plan. Values only, no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

JsonValue = Any
Values = Mapping[str, JsonValue]
"""Attribute of a record → its value, as JSON."""
Base = Mapping[str, JsonValue]
"""What both sides last agreed on: name of a fact → value; `generations` has a number for each fact, another one
each time that it was agreed on."""

WHOLE = "*"
"""Stands for a row's record where a failure concerns no column."""
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=True, default=str)
UNDO = "undo_"
"""Begins the name of an action that puts back what another did."""


@dataclass(frozen=True)
class Row:
    """A local row.

    Attributes:
        key: External id of the record that it speaks of; empty: it has none yet.
        values: The pushed columns.
        updated_at: When somebody edited it, aware UTC, perhaps by their own clock: what is sent is dated by it.
        updated_by: Who.
        revision: Another one with every edit; none is used twice.
        base: What both sides last agreed on; None: the row was never sent.
        attempts: How often sending it has failed in a row.
        edit_snapshot: What Gazelle's record was when the row was edited, if a pull had read it: base of columns that
            were never sent.
        last_pull: What the last pull saw of the record, if one did, and not before our own last push.
        faults: Column → why nothing of this row can be sent: a key of `messages.MESSAGES`, and what the column holds.
        edited_at: When the edit arrived, by the database's clock: what was later is told by it. None: `updated_at`.
        local_id: The key of the row in its table.
        parent: External id of the record that its own is made under; None: there is none, or not yet.
        is_deleted: Whether it was deleted here: only its state is left, and its record is to end.
        remark: What a person should know about whatever is sent of it.
    """

    key: str
    values: Values
    updated_at: datetime
    updated_by: str | None = None
    revision: int = 1
    base: Base | None = None
    attempts: int = 0
    edit_snapshot: Values | None = None
    last_pull: Values | None = None
    faults: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    edited_at: datetime | None = None
    local_id: str = ""
    parent: str | None = None
    is_deleted: bool = False
    remark: str | None = None

    def generation(self, fact: str) -> int:
        """Another number each time that a fact was agreed on: the same words said again later are another action."""
        return int(((self.base or {}).get("generations") or {}).get(fact, 0))

    @property
    def name(self) -> str:
        """What to call it where nothing else is known."""
        return self.key or self.local_id


@dataclass(frozen=True)
class Item:
    """Something that belongs to a record (a comment, a measurement).

    Attributes:
        id: Its id, where it is listed.
        values: What it says.
        made_by: Id under which it is deleted, where that is another one; None: Gazelle does not say.
    """

    id: str
    values: Values
    made_by: str | None = None


@dataclass(frozen=True)
class Remote:
    """Gazelle's record, read now.

    Attributes:
        id: External id.
        values: What it says, by attribute.
        updated_at: Gazelle's stamp, by Gazelle's clock.
        items: What belongs to it, where it was asked for: name of a collection → its items.
    """

    id: str
    values: Values = field(default_factory=dict)
    updated_at: datetime | None = None
    items: Mapping[str, Sequence[Item]] = field(default_factory=dict)

    def get(self, attribute: str) -> JsonValue:
        """An attribute's value; None where it has none."""
        return self.values.get(attribute)

    def as_before(self) -> dict[str, JsonValue]:
        """What a push may change of it, as JSON."""
        return {**self.values, "updated_at": self.updated_at.isoformat() if self.updated_at else None}

    def now(self, answered: Remote | None) -> Remote:
        """The record with what an answer says of it now."""
        if answered is None:
            return self
        return replace(self, values={**self.values, **answered.values}, updated_at=answered.updated_at)


@dataclass(frozen=True)
class Conflict:
    """A field that both sides changed.

    Attributes:
        field: Local column.
        base: What both had.
        ours: What the local row says.
        theirs: What Gazelle says.
        winner: `ours` or `theirs`.
        key: The same clash met again is not told twice.
    """

    field: str
    base: str | None
    ours: str | None
    theirs: str | None
    winner: str
    key: str


@dataclass(frozen=True)
class Action:
    """One change at Gazelle.

    Attributes:
        name: As the log and the transport know it (`update_tags`, `add_comment`).
        field: The local column that it comes from.
        payload: What is sent, in terms of both transports.
        base_updates: Facts that become base once Gazelle has it.
        identity: What makes it this action: row, name, what is said, and the generation of its fact.
        is_create: Whether sending it twice makes two.
        after: Field whose action must have succeeded first.
        clashes: What loses by it.
        shown: Before and after, for a diff.
        remark: What a person should know about it beyond that.
        shared: What an action of another row concerns as well (a client's visit of a day, what is due of an invoice):
            while one that came to no answer may still arrive, no other is sent.
    """

    name: str
    field: str
    payload: Values
    base_updates: Values
    identity: tuple[JsonValue, ...]
    is_create: bool = False
    after: str | None = None
    clashes: tuple[Conflict, ...] = ()
    shown: tuple[str, str] = ("", "")
    remark: str | None = None
    shared: str | None = None

    @property
    def key(self) -> str:
        """Idempotency key: the same edit has the same one. Made when it is asked for: most plans are not sent."""
        return key_of(*self.identity)


@dataclass
class Follow:
    """What a row takes over from Gazelle.

    Attributes:
        values: Local column → the value that Gazelle's side won with, or changed alone.
        base_updates: Facts that become base with them.
        clashes: What loses by it.
    """

    values: dict[str, JsonValue] = field(default_factory=dict)
    base_updates: dict[str, JsonValue] = field(default_factory=dict)
    clashes: list[Conflict] = field(default_factory=list)


@dataclass
class Plan:
    """What is to be done about one row.

    Attributes:
        actions: To send, in order.
        base_updates: Facts that both sides agree on without anything being sent.
        follow: What the row takes over.
        clashes: What has lost to a write of ours already.
        problems: Field → why it cannot be sent, in words a person can act on.
        goes_on: Whether something else is to be done once Gazelle has this: it is planned in the same run.
        adopts: External id of the record that the row had made already, though nobody here knows it.
    """

    actions: list[Action] = field(default_factory=list)
    base_updates: dict[str, JsonValue] = field(default_factory=dict)
    follow: Follow = field(default_factory=Follow)
    clashes: list[Conflict] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    goes_on: bool = False
    adopts: str | None = None

    @property
    def follows(self) -> dict[str, JsonValue]:
        """Local column → the value that the row takes over."""
        return self.follow.values

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is to be done at all."""
        return not (self.actions or self.follows or self.problems)


@dataclass
class Outcome:
    """What came of one row.

    Attributes:
        key: External id of its record, or what else names it.
        sent: Actions that Gazelle has now.
        failed: Field → why it did not go.
        followed: Columns that took over Gazelle's value.
        left: What an undo leaves alone → why.
        is_outage: Whether it did not go because nobody could be served: it waits no longer for that.
        local_id: The key of the row in its table.
    """

    key: str
    sent: list[Action] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    followed: dict[str, JsonValue] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    is_outage: bool = False
    local_id: str = ""

    @property
    def trouble(self) -> str | None:
        """Why the row did not go, or None."""
        return " ".join(dict.fromkeys(self.failed.values())) or None


def key_of(*parts: JsonValue) -> str:
    """A deterministic key of JSON values."""
    return sha256(_ENCODER.encode(parts).encode()).hexdigest()[:40]
