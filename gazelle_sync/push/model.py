"""What the push speaks of: a local row, the record at Gazelle, an action, a plan. Values only, no I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from typing import Any

JsonValue = Any
Base = Mapping[str, JsonValue]
"""What both sides last agreed on: name of a fact → value; `generations` has a number for each fact, another one
each time that it was agreed on."""


@dataclass(frozen=True)
class Known:
    """What was known of Gazelle's record before it was read now.

    Attributes:
        tags: Its tags.
        notes: Its notes.
    """

    tags: tuple[str, ...] = ()
    notes: str | None = None


@dataclass(frozen=True)
class Row:
    """A local row.

    Attributes:
        key: External id of the record that it speaks of.
        values: The pushed columns.
        updated_at: When somebody edited it, aware UTC, perhaps by their own clock: what is sent is dated by it.
        local_id: The key of the row in its table.
        edited_at: When that arrived, by the database's clock: what was later is told by it. None: `updated_at`.
        updated_by: Who.
        revision: Another one with every edit; none is used twice.
        base: What both sides last agreed on; None: the row was never sent.
        attempts: How often sending it has failed in a row.
        seen: For a row that was never sent: what Gazelle's record was when the row was edited, if a pull had read it.
        pulled: What the last pull saw of the record, if one did, and not before our own last push.
        faults: Column → why nothing of this row can be sent: a key of `messages.MESSAGES`, and what the column holds.
    """

    key: str
    values: Mapping[str, JsonValue]
    updated_at: datetime
    updated_by: str | None = None
    revision: int = 1
    base: Base | None = None
    attempts: int = 0
    seen: Known | None = None
    pulled: Known | None = None
    faults: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    edited_at: datetime | None = None
    local_id: str = ""

    def generation(self, fact: str) -> int:
        """Another number each time that a fact was agreed on: the same words said again later are another action."""
        return int(((self.base or {}).get("generations") or {}).get(fact, 0))


@dataclass(frozen=True)
class Entry:
    """A comment or a service entry at Gazelle.

    Attributes:
        id: Of the entry in the timeline.
        text: What it says.
        made_by: Id of the record that it stands for, under which a comment is deleted; None: Gazelle does not say.
    """

    id: str
    text: str
    made_by: str | None = None


@dataclass(frozen=True)
class Remote:
    """Gazelle's record, read now.

    Attributes:
        id: External id.
        client_id: Whose it is.
        status: As Gazelle says it (`ACTIVE`, `INACTIVE`, …).
        tags: All of them.
        notes: Free text that everybody writes in.
        last_serviced: The day that was entered by hand as the last service.
        updated_at: Gazelle's stamp, by Gazelle's clock.
        read_at: Gazelle's clock when it was read.
        measurements: Id → readings of each measurement.
        entries: Recent comments, where they were asked for.
    """

    id: str
    client_id: str | None = None
    status: str | None = None
    tags: tuple[str, ...] = ()
    notes: str | None = None
    last_serviced: date | None = None
    updated_at: datetime | None = None
    read_at: datetime | None = None
    measurements: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()

    def as_before(self) -> dict[str, JsonValue]:
        """The part of it that a push may change, as JSON."""
        return {
            "tags": list(self.tags),
            "notes": self.notes,
            "last_serviced": self.last_serviced.isoformat() if self.last_serviced else None,
            "updated_at": self.updated_at.isoformat() if self.updated_at else None,
        }


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
    """One request to Gazelle.

    Attributes:
        name: `update_tags`, `update_piano`, `add_comment`, `add_service`, `add_measurement`.
        field: The local column that it comes from.
        payload: What is sent, in terms of both transports.
        settles: Facts that become base once Gazelle has it.
        identity: What makes it this action: record, name, what is said, and the generation of its fact.
        is_create: Whether sending it twice makes two.
        after: Field whose action must have succeeded first.
        clashes: What loses by it.
        shown: Before and after, for a diff.
        remark: What a person should know about it beyond that.
        shared: What an action for another record may make as well (a client's visit of a day): while one that came to
            no answer may still arrive, no other is sent.
    """

    name: str
    field: str
    payload: Mapping[str, JsonValue]
    settles: Mapping[str, JsonValue]
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
class Plan:
    """What is to be done about one row.

    Attributes:
        actions: To send, in order.
        settles: Facts that both sides agree on without anything being sent.
        follows: Local column → the value that Gazelle's side won with, or changed alone.
        follows_settle: Facts that become base with them.
        clashes: What loses where Gazelle's side wins.
        problems: Field → why it cannot be sent, in words a person can act on.
    """

    actions: list[Action] = field(default_factory=list)
    settles: dict[str, JsonValue] = field(default_factory=dict)
    follows: dict[str, JsonValue] = field(default_factory=dict)
    follows_settle: dict[str, JsonValue] = field(default_factory=dict)
    clashes: list[Conflict] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is to be done at all."""
        return not (self.actions or self.follows or self.problems)

    def has_found(self, update: Action) -> bool:
        """Whether an update that was sent before this plan was made has arrived: nothing of it is left to do."""
        if any(planned.name == update.name for planned in self.actions) or update.field not in self.settles:
            return False
        return bool(self.settles[update.field] == update.settles.get(update.field))


def key_of(*parts: JsonValue) -> str:
    """A deterministic key of JSON values."""
    return sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str).encode()).hexdigest()[:40]
