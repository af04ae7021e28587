"""(base, local, remote) → actions, as a pure function: no I/O, no clock.

Base is what both sides last agreed on. Only what differs from it is sent; where both sides changed the same field, the
later edit wins and the other value is told (`Conflict`), never thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Protocol

from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import Action, Base, Conflict, JsonValue, Plan, Remote, Row, key_of
from gazelle_sync.push.text import plain

NOISE = timedelta(seconds=2)
"""Clocks that differ by less are the same: the API's has whole seconds."""
WRITTEN = "written"
"""Fact: the stamp that our own last write left at Gazelle, and the one that somebody else's had left before."""


class Field(Protocol):
    """One local column (or several) and what it becomes at Gazelle."""

    def plan(self, draft: Draft) -> None:
        """Add to the draft what is to be done."""
        ...


@dataclass(frozen=True)
class Attribute:
    """An attribute of a record that fields write.

    Attributes:
        action: Name of the action that writes it.
        said_as: What the action's payload calls it.
        empty: What it is where Gazelle has nothing.
    """

    action: str
    said_as: str
    empty: JsonValue = None


@dataclass
class _Update:
    column: str
    settles: dict[str, JsonValue] = field(default_factory=dict)
    clashes: list[Conflict] = field(default_factory=list)
    after: str | None = None


@dataclass
class Draft:
    """A plan being made.

    Attributes:
        source: The local table.
        row: Local.
        remote: Gazelle's.
        api_ahead: How far Gazelle's clock is ahead of the database's, by which alone edits are compared.
        language: Of the problems.
        plan: What is decided so far.
        values: Gazelle's attributes as they should be.
        updates: Attribute → what its being sent settles, and what loses by it.
    """

    source: str
    row: Row
    remote: Remote
    api_ahead: timedelta = timedelta(0)
    language: str = "en"
    plan: Plan = field(default_factory=Plan)
    values: dict[str, JsonValue] = field(default_factory=dict)
    updates: dict[str, _Update] = field(default_factory=dict)

    @cached_property
    def base(self) -> Base:
        """What both sides last agreed on."""
        return self.row.base or {}

    @cached_property
    def ours_is_newer(self) -> bool:
        """Whether the local edit is the later one; Gazelle's stamp is of the whole record, and ties are ours."""
        theirs = last_of_theirs(self.base, self.remote.updated_at)
        if theirs is None:
            return True
        ahead = self.api_ahead if abs(self.api_ahead) > NOISE else timedelta(0)
        return theirs - ahead <= (self.row.edited_at or self.row.updated_at)

    def identity(self, name: str, fact: str, *said: JsonValue) -> tuple[JsonValue, ...]:
        """What makes an action this one."""
        return self.source, self.row.name, name, said, fact, self.row.generation(fact)

    def problem(self, column: str, key: str, **values: object) -> None:
        """Say why a column cannot be sent."""
        self.plan.problems[column] = say(self.language, key, column=column, **values)

    def settled_by(
        self, attribute: str, column: str, value: JsonValue, clash: Conflict | None = None, *, after: str | None = None
    ) -> None:
        """Sending an attribute settles a fact; `after`: a field whose action must have succeeded first."""
        update = self.updates.setdefault(attribute, _Update(column, after=after))
        update.settles[column] = value
        if clash is not None:
            update.clashes.append(clash)


def written(base: Base | None, before: datetime | None, after: datetime | None) -> dict[str, JsonValue]:
    """The fact that a write of ours gave a record its stamp.

    Args:
        base: Of the row.
        before: The record's stamp just before, by Gazelle's clock.
        after: Its stamp since.
    """
    theirs = last_of_theirs(base or {}, before)
    return {WRITTEN: {name: at.isoformat() if at else None for name, at in (("stamp", after), ("theirs", theirs))}}


def last_of_theirs(base: Base, stamp: datetime | None) -> datetime | None:
    """When somebody else last changed a record, by Gazelle's clock: a stamp that our own last write left is none."""
    ours = base.get(WRITTEN)
    if stamp is None or not isinstance(ours, dict) or parse_instant(ours.get("stamp")) != stamp:
        return stamp
    return parse_instant(ours.get("theirs"))


def make_plan(
    source: str,
    fields: Sequence[Field],
    attributes: Mapping[str, Attribute],
    row: Row,
    remote: Remote,
    *,
    current: Remote | None = None,
    api_ahead: timedelta = timedelta(0),
    language: str = "en",
) -> Plan:
    """What is to be done about one row.

    Args:
        source: The local table.
        fields: Of the declaration.
        attributes: Of the declaration.
        row: Local.
        remote: Gazelle's record, as it is compared.
        current: Gazelle's record as it is right now, where somebody edited it between a read and a write: `remote` is
            then the state that our write replaced. None: `remote`.
        api_ahead: How far Gazelle's clock is ahead of the database's.
        language: Of the problems, `en` or `fr`.
    """
    draft = Draft(source, row, remote, api_ahead, language, values=dict(remote.values))
    if row.faults:
        for column, (why, held) in row.faults.items():
            draft.plan.problems[column] = say(language, why, column=column, value=held[:60])
        return draft.plan
    for one in fields:
        if row.key or getattr(one, "makes_record", False):
            one.plan(draft)
    first: list[Action] = []
    for name, attribute in attributes.items():
        found = _update(draft, name, attribute, current or remote)
        if found is not None:
            (draft.plan.actions if found.after else first).append(found)
    draft.plan.actions[:0] = first
    return draft.plan


def merge(
    draft: Draft, column: str, base: str | None, ours: str | None, theirs: str | None
) -> tuple[str | None, Conflict | None]:
    """Three-way merge of one value; says what it should be, and what loses.

    Where Gazelle's side wins, the local column follows, together with its base. A value that a person entered never
    loses to emptiness because of a clock; where emptiness is all that changed, it is followed and the value is kept.
    """
    if ours == theirs:
        return ours, None
    if ours == base or (theirs != base and theirs is not None and not draft.ours_is_newer):
        lost = ours != base or not theirs
        clash = _clash(draft, column, base, ours, theirs, "theirs") if lost else None
        draft.plan.follows[column] = theirs
        draft.plan.follows_settle[column] = theirs
        if clash is not None:
            draft.plan.clashes.append(clash)
        return theirs, clash
    return ours, _clash(draft, column, base, ours, theirs, "ours") if theirs != base and theirs is not None else None


def _clash(draft: Draft, column: str, base: str | None, ours: str | None, theirs: str | None, winner: str) -> Conflict:
    key = key_of(*draft.identity("clash", column, plain(base), plain(ours), plain(theirs), winner))
    return Conflict(column, base, ours, theirs, winner, key)


def _update(draft: Draft, name: str, attribute: Attribute, current: Remote) -> Action | None:
    """The action that makes an attribute what it should be; None where it is that."""
    update = draft.updates.get(name)
    wanted = attribute.empty if (value := draft.values.get(name)) is None else value
    held = attribute.empty if (value := current.get(name)) is None else value
    if wanted == held:
        if update is not None:
            draft.plan.settles |= update.settles
            draft.plan.clashes += update.clashes  # our write has replaced theirs already
        return None
    update = update or _Update(name)
    payload = {attribute.said_as: wanted}
    return Action(
        name=attribute.action,
        field=update.column,
        payload=payload,
        settles=update.settles,
        identity=draft.identity(attribute.action, update.column, payload),
        after=update.after,
        clashes=tuple(update.clashes),
        shown=(value_text(held, but=wanted), value_text(wanted, but=held)),
    )


def value_text(value: JsonValue, *, but: JsonValue = None) -> str:
    """A value as a person reads it; of an object, what differs from another."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        other = but if isinstance(but, dict) else {}
        return ", ".join(f"{name}: {held}" for name, held in sorted(value.items()) if held != other.get(name, ...))
    return "" if value is None else str(value)
