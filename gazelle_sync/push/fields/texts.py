"""Columns that are a part of what belongs to others (a tag, a block of a text), or that are added to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from gazelle_sync.push.block import Marks, read_block, write_block
from gazelle_sync.push.fields.scalars import as_instant, text_in
from gazelle_sync.push.model import JsonValue, Values
from gazelle_sync.push.plan import Draft, merge
from gazelle_sync.push.text import plain, same_text


@dataclass(frozen=True)
class StatusTag:
    """A column with one of a few values, each a tag at Gazelle. Only these tags are ours; the others stay.

    Attributes:
        column: Local.
        tags: Value → tag, the gravest first: of two that Gazelle has, that one counts.
    """

    column: str
    tags: Mapping[str, str]
    attribute: ClassVar[str] = "tags"

    def plan(self, draft: Draft) -> None:
        """Three-way: what the column added or took away since base, done to the tags that Gazelle has now."""
        ours = text_in(draft.row, self.column)
        if ours is not None and ours not in self.tags:
            draft.problem(self.column, "unknown_status", value=ours[:60], known=", ".join(self.tags))
            return
        if ours is None and self.column not in draft.base:
            return
        base = self._base(draft)
        held: list[str] = draft.remote.get("tags") or []
        if not held and (had := [tag for tag in _known(draft).get("tags") or () if tag not in self.tags.values()]):
            if ours != base:  # until a pull has seen it as well
                draft.problem(self.column, "emptied_tags", known=", ".join(had))
            return
        value, clash = merge(draft, self.column, base, ours, self._theirs(draft, base))
        if self.column in draft.plan.follows:
            draft.plan.follow.base_updates[f"{self.column}.tags"] = self._mine(held)
            return
        if ours == base == self._theirs(draft, base) and self.column in draft.base:
            return
        wanted = [self.tags[value]] if value else []
        tags = draft.values["tags"]
        if self._mine(tags) != wanted:
            draft.values["tags"] = [tag for tag in tags if tag not in self.tags.values()] + wanted
        draft.updates_base("tags", self.column, value, clash)
        draft.updates_base("tags", f"{self.column}.tags", wanted)

    def value_of(self, tags: Sequence[str], *, rather_not: str | None = None) -> str | None:
        """The value that a list of tags says; of several, not the one that is known to be old."""
        values = [value for value, tag in self.tags.items() if tag in tags]
        fresh = [value for value in values if value != rather_not] or values
        return fresh[0] if fresh else None

    def restored(self, record: str, now: JsonValue, wrote: JsonValue, before: JsonValue) -> tuple[JsonValue, bool]:
        """See `Written`. Where another state was set beside the one that was written, that one is left."""
        mine, ours, had = set(self._mine(now)), set(self._mine(wrote)), self._mine(before or [])
        if mine == ours:
            return (now, False) if ours == set(had) else ([tag for tag in now if tag not in mine] + had, False)
        value = self.value_of(before or [])
        if ours == set(had) or mine == ({self.tags[value]} if value else set()):
            return now, False
        others = mine - ours
        if not ours <= mine or (others and not ours):
            return now, True
        value = self.value_of(list(others)) if others else value
        return [tag for tag in now if tag not in mine] + ([self.tags[value]] if value else []), bool(others)

    def facts_of(self, record: str, value: JsonValue) -> dict[str, JsonValue]:
        """See `Written`."""
        return {self.column: self.value_of(value), f"{self.column}.tags": self._mine(value)}

    def has_same(self, record: str, one: JsonValue, other: JsonValue) -> bool:
        """See `Written`."""
        return set(self._mine(one)) == set(self._mine(other))

    def _mine(self, tags: Sequence[str]) -> list[str]:
        return [tag for tag in tags if tag in self.tags.values()]

    def _base(self, draft: Draft) -> str | None:
        if self.column in draft.base:
            value = draft.base[self.column]
            return str(value) if value else None
        if draft.row.edit_snapshot is not None:
            return self.value_of(draft.row.edit_snapshot.get("tags") or ())
        return self.value_of(draft.remote.get("tags") or ()) if draft.ours_is_newer else None

    def _theirs(self, draft: Draft, base: str | None) -> str | None:
        """What Gazelle's tags say; two status tags that were agreed on are no change."""
        tags = draft.remote.get("tags") or ()
        return base if set(self._agreed(draft, base)) == set(self._mine(tags)) else self.value_of(tags, rather_not=base)

    def _agreed(self, draft: Draft, base: str | None) -> list[str]:
        """The status tags that were agreed on; before that, those that Gazelle had when the row was edited."""
        if self.column not in draft.base and draft.row.edit_snapshot is not None:
            return self._mine(draft.row.edit_snapshot.get("tags") or ())
        if self.column not in draft.base and draft.ours_is_newer:
            return self._mine(draft.remote.get("tags") or ())
        agreed: list[str] = draft.base.get(f"{self.column}.tags", [self.tags[base]] if base else [])
        return agreed


@dataclass(frozen=True)
class Block:
    """A text that becomes a block of our own in the record's notes, updated in place.

    Attributes:
        column: Local.
        label: What the block holds, for whoever reads it at Gazelle.
    """

    column: str
    label: str
    attribute: ClassVar[str] = "notes"

    def plan(self, draft: Draft) -> None:
        """Three-way between the local text and the block's."""
        ours = plain(text_in(draft.row, self.column)) or None
        if ours is None and self.column not in draft.base:
            return
        marks = Marks.of(self.label, draft.row.key)
        base = self._base(draft, marks)
        notes: str | None = draft.remote.get("notes")
        if not plain(notes) and plain(write_block(_known(draft).get("notes"), marks, None)):
            if ours != base:  # until a pull has seen it as well
                draft.problem(self.column, "emptied_notes")
            return
        found = read_block(notes, marks, expected=base)
        theirs = found.says or None if found else None
        theirs = next((text for text in (base, ours) if same_text(theirs, text)), theirs)  # blanks are nobody's edit
        value, clash = merge(draft, self.column, base, ours, theirs)
        if self.column in draft.plan.follows:
            return
        if found is None or not same_text(found.says, value) or (ours != base and found.says != plain(value)):
            said = found.says if found else None
            draft.values["notes"] = write_block(draft.values["notes"], marks, value, expected=said)
        if ours != base or clash is not None or self.column not in draft.base:
            draft.updates_base("notes", self.column, value, clash)

    def restored(self, record: str, now: JsonValue, wrote: JsonValue, before: JsonValue) -> tuple[JsonValue, bool]:
        """See `Written`. Only our own block is put back; the text around it stays as it is."""
        sent, earlier = self._says(record, wrote), self._says(record, before)
        if same_text(sent, earlier):
            return now, False
        marks = Marks.of(self.label, record)
        found = read_block(now, marks, expected=sent)
        says = found.says if found else None
        if same_text(says, sent):
            return write_block(now, marks, earlier, expected=says), False
        return now, not same_text(says, earlier)

    def facts_of(self, record: str, value: JsonValue) -> dict[str, JsonValue]:
        """See `Written`."""
        return {self.column: self._says(record, value)}

    def has_same(self, record: str, one: JsonValue, other: JsonValue) -> bool:
        """See `Written`."""
        return same_text(self._says(record, one), self._says(record, other))

    def foreign(self, record: str, notes: JsonValue) -> str:
        """What others wrote into the notes."""
        return plain(write_block(notes, Marks.of(self.label, record), None))

    def _says(self, record: str, notes: JsonValue) -> str | None:
        found = read_block(str(notes or ""), Marks.of(self.label, record))
        return found.says or None if found else None

    def _base(self, draft: Draft, marks: Marks) -> str | None:
        if self.column in draft.base:
            return plain(draft.base[self.column]) or None
        if draft.row.edit_snapshot is None:
            return None  # a block that nobody here has seen is not ours to write over in silence
        found = read_block(draft.row.edit_snapshot.get("notes"), marks)
        return found.says or None if found else None


@dataclass(frozen=True)
class Comment:
    """A text that becomes a comment, once."""

    column: str

    def plan(self, draft: Draft) -> None:
        """What differs from the comment that was sent last is another one; a comment cannot be taken back."""
        row, text = draft.row, text_in(draft.row, self.column)
        ours = plain(text)
        if ours == plain(draft.base.get(self.column)):
            return
        if not ours:
            draft.plan.base_updates[self.column] = None
            return
        payload = {"text": text, "created_at": as_instant(row.updated_at), "created_by": row.updated_by}
        draft.create("add_comment", self.column, payload, {self.column: ours}, ours, shown=ours)


def _known(draft: Draft) -> Values:
    """What the last pull saw, or else our own last push."""
    if draft.row.last_pull is not None:
        return draft.row.last_pull
    remote = draft.base.get("remote")
    remote = remote if isinstance(remote, dict) else {}
    return {"tags": remote.get("tags") or (), "notes": "…" if remote.get("has_foreign_notes") else None}
