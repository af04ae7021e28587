"""What putting an action back comes to, as a pure function of what it did and of what Gazelle has now.

Compared field by field with what was written: what somebody changed since stays, be it a person or a later run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gazelle_sync.push.changes import Logged
from gazelle_sync.push.model import Item, JsonValue, Remote, Values
from gazelle_sync.push.plan import value_text
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.transports.protocol import Create, Ending, Operation, Update


@dataclass(frozen=True)
class Deed:
    """What a run did to one thing: a create, or all its updates of the same attribute.

    Attributes:
        done: The actions, the first first.
        operation: What they came to.
    """

    done: tuple[Logged, ...]
    operation: Operation

    @property
    def first(self) -> Logged:
        """It knows what was there before the run."""
        return self.done[0]

    @property
    def last(self) -> Logged:
        """It knows what the run left there."""
        return self.done[-1]

    @property
    def ids(self) -> list[int]:
        """Of the rows in the log."""
        return [one.id for one in self.done]

    @property
    def is_update(self) -> bool:
        """Whether something was written over, rather than made."""
        return isinstance(self.operation, Update)

    @property
    def makes_record(self) -> bool:
        """Whether the record itself was made."""
        return isinstance(self.operation, Create) and self.operation.makes_record

    @property
    def since(self) -> datetime | None:
        """From which instant on entries must be read to see what was made; None: it is none, or nobody noted it."""
        is_dated = isinstance(self.operation, Create) and self.operation.is_dated
        return self.last.search.since if is_dated else None


@dataclass(frozen=True)
class Inverse:
    """What to do about a deed.

    Attributes:
        payload: What Gazelle should have, or the id of what is to be deleted; None: nothing is left to do.
        left: Why something is left alone, a key of `messages.MESSAGES`; None: nothing is.
        is_undone: Whether nothing of the deed stands at Gazelle once that is sent.
        shown: Before and after, for a diff.
    """

    payload: Values | None
    left: str | None = None
    is_undone: bool = True
    shown: tuple[str, str] = ("", "")


def deeds(found: Iterable[Logged], pushable: Pushable) -> list[Deed]:
    """What a run did, the last first."""
    operations = pushable.kind.operations
    kept: dict[tuple[str, str, int], list[Logged]] = {}
    for one in sorted(found, key=lambda done: done.id):
        operation = operations[one.name]
        if isinstance(operation, Create) and operation.makes_record:  # the log knows it by its row: it had no id yet
            one = one._replace(record=operation.made_id(one.response) or str(one.response.get("found")))
        is_update = isinstance(operation, Update)
        kept.setdefault((one.record, one.name, 0 if is_update else one.id), []).append(one)
    found_deeds = [Deed(tuple(done), operations[done[0].name]) for done in kept.values()]
    return sorted(found_deeds, key=lambda deed: (deed.last.record, -deed.last.id))


def inverse_of(deed: Deed, now: Remote, pushable: Pushable) -> Inverse:
    """What putting a deed back comes to.

    Args:
        deed: What was done.
        now: The record as it is compared: as it was read, or as the write that was just sent replaced it.
        pushable: The declaration.
    """
    operation = deed.operation
    if isinstance(operation, Ending):
        return Inverse(None, "has_ended", is_undone=False)
    if isinstance(operation, Create):
        return _deletion(deed.last, operation, now)
    held = operation.value_in(now.values)
    value, left = held, "later_run" if deed.last.later_run is not None else None
    if left is None:
        before = deed.first.before.get(operation.attribute, operation.empty)
        for one in pushable.writing(operation.attribute):
            value, is_left = one.restored(now.id, value, deed.last.payload.get(operation.said_as), before)
            left = "changed_since" if is_left else left
    shown = value_text(held, but=value), value_text(value, but=held)
    return Inverse({operation.said_as: value}, left, left is None or value != held, shown)


def _deletion(done: Logged, operation: Create, now: Remote) -> Inverse:
    if operation.deletion is None:
        return Inverse(None, "no_deletion", is_undone=False)
    if operation.makes_record:
        if operation.deletion.has_ended(now):
            return Inverse(None, "gone")
        if not operation.same(now.values, done.payload) or not operation.deletion.may_end(now):
            return Inverse(None, "changed_since", is_undone=False)
        return Inverse({"id": now.id}, shown=(now.id, ""))
    made_id, found = operation.made_id(done.response), done.response.get("found")
    item = _item(done, operation, now, made_id, found)
    if made_id is None and item is not None:
        made_id = item.made_by if operation.is_dated else item.id
    was_looked_for = done.search.since is not None or not operation.is_dated
    if item is None and (made_id or found) and was_looked_for:
        return Inverse(None, "gone")
    if made_id is None:
        return Inverse(None, "by_hand", is_undone=False)
    if item is not None and not operation.same(item.values, done.payload):
        return Inverse(None, "changed_since", is_undone=False)
    return Inverse({"id": made_id}, shown=(str(done.payload.get("text") or done.payload.get("taken_on") or ""), ""))


def _item(done: Logged, operation: Create, now: Remote, made_id: str | None, found: JsonValue) -> Item | None:
    """What belongs to the record and stands for what was made: by its id, or else by what it says."""
    items = now.items.get(operation.collection, ())
    for item in items:
        if (made_id and made_id in (item.made_by, item.id)) or (found and item.id == found):
            return item
    if made_id is None or not operation.is_dated:
        return None
    return next((one for one in operation.found(now, done.payload) if one.id not in done.search.seen), None)
