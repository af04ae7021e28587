"""What putting an action back comes to, as a pure function of what it did and of what Gazelle has now.

Compared field by field with what was written: what somebody changed since stays, be it a person or a later run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from gazelle_sync.push.block import Marks, read_block, write_block
from gazelle_sync.push.fields import Block, StatusTag
from gazelle_sync.push.gist import alike
from gazelle_sync.push.journal import UPDATES, Search
from gazelle_sync.push.model import Entry, JsonValue, Remote
from gazelle_sync.push.plan import Field
from gazelle_sync.push.transports.reading import is_measurement

DEPENDENTS = ("add_measurement", "set_serviced")
"""They stand at Gazelle because of a text, and stay with it: whether it stays is decided first."""


@dataclass(frozen=True)
class Done:
    """An action that a run did, as the log tells.

    Attributes:
        id: Of its row in the log.
        record: External id.
        name: Of the action.
        field: The first local column that it settled.
        payload: What was sent.
        settles: Facts that became base.
        search: How its result is told from what looks the same.
        response: What Gazelle answered.
        before: What it replaced.
        later_run: The run that wrote the same later, if one did.
    """

    id: int
    record: str
    name: str
    field: str | None
    payload: Mapping[str, JsonValue]
    settles: Mapping[str, JsonValue]
    search: Search
    response: Mapping[str, JsonValue]
    before: Mapping[str, JsonValue]
    later_run: str | None = None


@dataclass(frozen=True)
class Deed:
    """What a run did to one thing: a create, or all its updates of the same attribute.

    Attributes:
        done: The actions, the first first.
    """

    done: tuple[Done, ...]

    @property
    def first(self) -> Done:
        """It knows what was there before the run."""
        return self.done[0]

    @property
    def last(self) -> Done:
        """It knows what the run left there."""
        return self.done[-1]

    @property
    def ids(self) -> list[int]:
        """Of the rows in the log."""
        return [one.id for one in self.done]

    @property
    def is_update(self) -> bool:
        """Whether something was written over, rather than made."""
        return self.last.name in UPDATES

    @property
    def since(self) -> datetime | None:
        """From which instant on entries must be read to see what was made; None: it is none, or nobody noted it."""
        return None if self.is_update or self.last.name in DEPENDENTS else self.last.search.since


@dataclass(frozen=True)
class Inverse:
    """What to do about a deed.

    Attributes:
        payload: What Gazelle should have, or the id of what is to be deleted; None: nothing is left to do.
        left: Why something is left alone, a key of `words`; None: nothing is.
        is_undone: Whether nothing of the deed stands at Gazelle once that is sent.
        shown: Before and after, for a diff.
    """

    payload: Mapping[str, JsonValue] | None
    left: str | None = None
    is_undone: bool = True
    shown: tuple[str, str] = ("", "")


def deeds(found: Iterable[Done]) -> list[Deed]:
    """What a run did, in the order in which it is put back: texts before what depends on them, else the last first."""
    kept: dict[tuple[str, str, int], list[Done]] = {}
    for one in sorted(found, key=lambda done: done.id):
        kept.setdefault((one.record, one.name, 0 if one.name in UPDATES else one.id), []).append(one)
    each = [Deed(tuple(done)) for done in kept.values()]
    each.sort(key=lambda deed: (deed.last.record, deed.last.name in DEPENDENTS, -deed.last.id))
    return [deed for _, of_record in groupby(each, key=lambda deed: deed.last.record) for deed in of_record]


def inverse_of(deed: Deed, now: Remote, fields: Sequence[Field]) -> Inverse:
    """What putting a deed back comes to.

    Args:
        deed: What was done.
        now: The record as it is compared: as it was read, or as the write that was just sent replaced it.
        fields: Of the declaration.
    """
    if not deed.is_update:
        return _deletion(deed.last, now)
    value, left = _wanted(deed, now, fields)
    is_undone = left is None or value != _value(deed, now)
    payload = {ATTRIBUTES[deed.last.name]: value}
    return Inverse(payload, left, is_undone, (_shown(_value(deed, now)), _shown(value)))


def has(now: Remote, name: str, value: JsonValue) -> bool:
    """Whether a record already says what an update would write."""
    return bool(_attribute(name, now) == value)


def has_arrived(deed: Deed, payload: Mapping[str, JsonValue], now: Remote | None, fields: Sequence[Field]) -> bool:
    """Whether what puts a deed back was done at Gazelle.

    Args:
        deed: What was done.
        payload: What was sent to put it back.
        now: The record; None: Gazelle has none.
        fields: Of the declaration.
    """
    if now is None:
        return False
    if not deed.is_update:
        return _deletion(deed.last, now).left == "gone"  # still there: it was not deleted
    name = deed.last.name
    if name == "update_tags":
        return all(_mine(one, now.tags) == _mine(one, payload["tags"]) for one in fields if isinstance(one, StatusTag))
    if name == "update_piano":
        return all(
            alike(_says(one, now.id, now.notes), _says(one, now.id, payload["observations"]))
            for one in fields
            if isinstance(one, Block)
        )
    return has(now, name, payload["last_serviced"])


ATTRIBUTES = {"update_tags": "tags", "update_piano": "observations", "set_serviced": "last_serviced"}
"""Update → what its payload calls the attribute that it writes."""


def _attribute(name: str, now: Remote) -> JsonValue:
    if name == "update_tags":
        return list(now.tags)
    if name == "update_piano":
        return now.notes or ""
    return now.last_serviced.isoformat() if now.last_serviced else None


def _value(deed: Deed, now: Remote) -> JsonValue:
    return _attribute(deed.last.name, now)


def _wanted(deed: Deed, now: Remote, fields: Sequence[Field]) -> tuple[JsonValue, str | None]:
    """What an attribute should be, and why something of it is left alone."""
    if deed.last.later_run is not None:
        return _value(deed, now), "later_run"
    if deed.last.name == "update_tags":
        return _wanted_tags(deed, now, fields)
    if deed.last.name == "update_piano":
        return _wanted_notes(deed, now, fields)
    day, before = _value(deed, now), deed.first.before.get("last_serviced")
    if day == deed.last.payload["last_serviced"]:
        return before, None
    return day, None if day == before else "changed_since"


def _wanted_tags(deed: Deed, now: Remote, fields: Sequence[Field]) -> tuple[list[str], str | None]:
    """Only tags of ours are put back; where another state was set beside the one that was written, that one is left."""
    tags, left = list(now.tags), None
    for one in fields:
        if not isinstance(one, StatusTag):
            continue
        mine, wrote = _mine(one, now.tags), _mine(one, deed.last.payload["tags"])
        before = deed.first.before.get("tags") or []
        value = one.value_of(before)
        if wrote == _mine(one, before) or mine == ({one.tags[value]} if value else set()):
            continue
        others = mine - wrote
        if not wrote <= mine or (others and not wrote):
            left = "changed_since"
            continue
        if others:
            left, value = "changed_since", one.value_of(list(others))
        tags = [tag for tag in tags if tag not in mine] + ([one.tags[value]] if value else [])
    return tags, left


def _wanted_notes(deed: Deed, now: Remote, fields: Sequence[Field]) -> tuple[str, str | None]:
    """Only our own blocks are put back; the text around them stays as it is."""
    notes, left = now.notes or "", None
    for one in fields:
        if not isinstance(one, Block):
            continue
        sent = _says(one, now.id, deed.last.payload.get("observations"))
        before = _says(one, now.id, deed.first.before.get("notes"))
        if alike(sent, before):
            continue
        marks = Marks.of(one.label, now.id)
        found = read_block(notes, marks, expected=sent)
        says = found.says if found else None
        if alike(says, sent):
            notes = write_block(notes, marks, before, expected=says)
        elif not alike(says, before):
            left = "changed_since"
    return notes, left


def _deletion(done: Done, now: Remote) -> Inverse:
    if done.name == "add_measurement":
        return _deleted_measurement(done, now)
    log_id, found = _log_id(done), done.response.get("found")
    entry = _entry(done, now, log_id, found)
    if log_id is None and entry is not None:
        log_id = entry.made_by
    was_looked_for = done.search.since is not None
    if entry is None and (log_id or found) and was_looked_for:
        return Inverse(None, "gone")
    if log_id is None:
        return Inverse(None, "by_hand", is_undone=False)
    if entry is not None and not alike(entry.text, str(done.payload.get("text") or "")):
        return Inverse(None, "changed_since", is_undone=False)
    return Inverse({"id": log_id}, shown=(str(done.payload.get("text") or ""), ""))


def _deleted_measurement(done: Done, now: Remote) -> Inverse:
    made = done.response.get("pianoMeasurement")
    made_id = made.get("id") if isinstance(made, dict) else done.response.get("found")
    values = now.measurements.get(str(made_id)) if made_id else None
    if made_id is None:
        return Inverse(None, "by_hand", is_undone=False)
    if values is None:
        return Inverse(None, "gone")
    if not is_measurement(values, done.payload):
        return Inverse(None, "changed_since", is_undone=False)
    return Inverse({"id": str(made_id)}, shown=(str(done.payload.get("taken_on") or ""), ""))


def _entry(done: Done, now: Remote, log_id: str | None, found: JsonValue) -> Entry | None:
    """The entry of the timeline that stands for what was made: by its id, or else by its text."""
    for entry in now.entries:
        if (log_id and entry.made_by == log_id) or (found and entry.id == found):
            return entry
    if log_id is None:
        return None
    text = str(done.payload.get("text") or "")
    return next((e for e in now.entries if alike(e.text, text) and e.id not in done.search.seen), None)


def _log_id(done: Done) -> str | None:
    """Under which id Gazelle deletes it; None where the answer did not say."""
    for name in ("clientLog", "comment"):
        made = done.response.get(name)
        if isinstance(made, dict) and made.get("id"):
            return str(made["id"])
    return None


def _mine(field: StatusTag, tags: Iterable[str]) -> set[str]:
    return set(tags) & set(field.tags.values())


def _says(field: Block, record: str, notes: JsonValue) -> str | None:
    found = read_block(str(notes or ""), Marks.of(field.label, record))
    return found.says or None if found else None


def _shown(value: JsonValue) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value or "")
