"""(base, local, remote) → actions, as a pure function: no I/O, no clock.

Base is what both sides last agreed on. Only what differs from it is sent; where both sides changed the same field, the
later edit wins and the other value is told (`Conflict`), never thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Protocol

from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import Action, Base, Conflict, JsonValue, Plan, Remote, Row, Values, key_of
from gazelle_sync.push.text import plain

NOISE = timedelta(seconds=2)
"""Clocks that differ by less are the same: the API's has whole seconds."""
WRITTEN = "written"
"""Fact: the stamp that our own last write left at Gazelle, and the one that somebody else's had left before."""


class Field(Protocol):
    """One local column (or several) and what it becomes at Gazelle."""

    def plan(self, draft: Draft) -> None:
        """Add to the draft what is to be done."""


@dataclass
class Writing:
    """What becomes base once an attribute is sent, and what loses by it."""

    column: str
    base_updates: dict[str, JsonValue] = field(default_factory=dict)
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
        updates: Attribute → what becomes base once it is sent, and what loses by it.
    """

    source: str
    row: Row
    remote: Remote
    api_ahead: timedelta = timedelta(0)
    language: str = "en"
    plan: Plan = field(default_factory=Plan)
    values: dict[str, JsonValue] = field(default_factory=dict)
    updates: dict[str, Writing] = field(default_factory=dict)

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

    def create(
        self, name: str, column: str, payload: Values, base_updates: Values, *said: JsonValue, shown: str,
        remark: str | None = None, shared: str | None = None,
    ) -> None:  # fmt: skip
        """Add an action that makes something; `said` tells it from others of its name and fact. See `Action`."""
        identity = self.identity(name, column, *said)
        action = Action(
            name, column, payload, base_updates, identity, True, shown=("", shown), remark=remark, shared=shared
        )
        self.plan.actions.append(action)

    def problem(self, column: str, key: str, **values: object) -> None:
        """Say why a column cannot be sent."""
        self.plan.problems[column] = say(self.language, key, column=column, **values)

    def updates_base(
        self, attribute: str, column: str, value: JsonValue, clash: Conflict | None = None, *, after: str | None = None
    ) -> None:
        """A fact becomes base once the attribute is sent; `after`: a field whose action must have succeeded first."""
        update = self.updates.setdefault(attribute, Writing(column, after=after))
        update.base_updates[column] = value
        if clash is not None:
            update.clashes.append(clash)


def written(
    base: Base | None, before: datetime | None, after: datetime | None, said: Values | None = None
) -> dict[str, JsonValue]:
    """The fact that a write of ours gave a record its stamp.

    Args:
        base: Of the row.
        before: The record's stamp just before, by Gazelle's clock.
        after: Its stamp since.
        said: Column → what we wrote, where rows are changes of a record: the next of them is compared with it.
    """
    theirs = last_of_theirs(base or {}, before)
    fact: dict[str, JsonValue] = {
        name: at.isoformat() if at else None for name, at in (("stamp", after), ("theirs", theirs))
    }
    ours = (base or {}).get(WRITTEN)
    earlier = (ours.get("said") if isinstance(ours, dict) else None) or {}
    if earlier or said is not None:
        fact["said"] = {
            **earlier,
            **{name: {"value": value, "at": fact["stamp"]} for name, value in (said or {}).items()},
        }
    return {WRITTEN: fact}


def last_of_theirs(base: Base, stamp: datetime | None) -> datetime | None:
    """When somebody else last changed a record, by Gazelle's clock: a stamp that our own last write left is none."""
    ours = base.get(WRITTEN)
    if stamp is None or not isinstance(ours, dict) or parse_instant(ours.get("stamp")) != stamp:
        return stamp
    return parse_instant(ours.get("theirs"))


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
        draft.plan.follow.values[column] = draft.plan.follow.base_updates[column] = theirs
        if clash is not None:
            draft.plan.follow.clashes.append(clash)
        return theirs, clash
    return ours, _clash(draft, column, base, ours, theirs, "ours") if theirs != base and theirs is not None else None


def _clash(draft: Draft, column: str, base: str | None, ours: str | None, theirs: str | None, winner: str) -> Conflict:
    key = key_of(*draft.identity("clash", column, plain(base), plain(ours), plain(theirs), winner))
    return Conflict(column, base, ours, theirs, winner, key)


def value_text(value: JsonValue, *, but: JsonValue = None) -> str:
    """A value as a person reads it; of an object, what differs from another."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        other = but if isinstance(but, dict) else {}
        return ", ".join(f"{name}: {held}" for name, held in sorted(value.items()) if held != other.get(name, ...))
    return "" if value is None else str(value)
