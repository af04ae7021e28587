"""Texts that become part of a record's notes, or entries of its timeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gazelle_sync.push.block import Marks, read_block, write_block
from gazelle_sync.push.fields.common import as_instant, known, text_in
from gazelle_sync.push.model import Action, JsonValue
from gazelle_sync.push.plan import Draft, merge
from gazelle_sync.push.text import plain, same_text


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
        if not plain(notes) and plain(write_block(known(draft).get("notes"), marks, None)):
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
            draft.settled_by("notes", self.column, value, clash)

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
        if draft.row.seen is None:
            return None  # a block that nobody here has seen is not ours to write over in silence
        found = read_block(draft.row.seen.get("notes"), marks)
        return found.says or None if found else None


@dataclass(frozen=True)
class Comment:
    """A text that becomes a comment, once."""

    column: str

    def plan(self, draft: Draft) -> None:
        """What differs from the comment that was sent last is another one; a comment cannot be taken back."""
        ours, base = plain(text_in(draft.row, self.column)), plain(draft.base.get(self.column))
        if ours == base:
            return
        if not ours:
            draft.plan.settles[self.column] = None
            return
        payload = {
            "text": text_in(draft.row, self.column),
            "created_at": as_instant(draft.row.updated_at),
            "created_by": draft.row.updated_by,
        }
        draft.plan.actions.append(
            Action(
                name="add_comment",
                field=self.column,
                payload=payload,
                settles={self.column: ours},
                identity=draft.identity("add_comment", self.column, ours),
                is_create=True,
                shown=("", ours),
            )
        )
