"""The kinds of field that a local table may have, and what each becomes at Gazelle. Pure.

A field is a scalar, owned tags, a text block of ours in a foreign text, or something that is added (a comment, and what
a kind of record defines besides). Those that write an attribute know how to put it back as well (`restored`), and what
the attribute says of them (`facts_of`).

A column's three-way base is what both sides last agreed on. For a row that was never sent it is what Gazelle's record
was when the row was edited, if a pull had read it by then; else Gazelle's own value, if it is older than the edit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import ClassVar, Protocol

from gazelle_sync.montreal import montreal_day
from gazelle_sync.push.block import Marks, plain, read_block, write_block
from gazelle_sync.push.gist import alike
from gazelle_sync.push.model import Action, JsonValue, Row, Values
from gazelle_sync.push.plan import Draft, merge

CENTS = Decimal("0.01")


class Written(Protocol):
    """A field that writes an attribute of the record."""

    @property
    def column(self) -> str:
        """Local."""
        ...

    @property
    def attribute(self) -> str:
        """Of the record."""
        ...

    def restored(self, record: str, now: JsonValue, wrote: JsonValue, before: JsonValue) -> tuple[JsonValue, bool]:
        """The attribute with this field put back, and whether something of it is left because it was changed since.

        Args:
            record: External id.
            now: The attribute as it is.
            wrote: As we had left it.
            before: As it was before that.
        """
        ...

    def facts_of(self, record: str, value: JsonValue) -> dict[str, JsonValue]:
        """What becomes base by an attribute's value; its own column first."""
        ...

    def has_same(self, record: str, one: JsonValue, other: JsonValue) -> bool:
        """Whether two values of the attribute say the same of this field."""
        ...


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
        if not held and (had := [tag for tag in known(draft).get("tags") or () if tag not in self.tags.values()]):
            if ours != base:  # until a pull has seen it as well
                draft.problem(self.column, "emptied_tags", known=", ".join(had))
            return
        value, clash = merge(draft, self.column, base, ours, self._theirs(draft, base))
        if self.column in draft.plan.follows:
            draft.plan.follows_settle[f"{self.column}.tags"] = self._mine(held)
            return
        if ours == base == self._theirs(draft, base) and self.column in draft.base:
            return
        wanted = [self.tags[value]] if value else []
        tags = draft.values["tags"]
        if self._mine(tags) != wanted:
            draft.values["tags"] = [tag for tag in tags if tag not in self.tags.values()] + wanted
        draft.settled_by("tags", self.column, value, clash)
        draft.settled_by("tags", f"{self.column}.tags", wanted)

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
        if draft.row.seen is not None:
            return self.value_of(draft.row.seen.get("tags") or ())
        return self.value_of(draft.remote.get("tags") or ()) if draft.ours_is_newer else None

    def _theirs(self, draft: Draft, base: str | None) -> str | None:
        """What Gazelle's tags say; two status tags that were agreed on are no change."""
        tags = draft.remote.get("tags") or ()
        return base if set(self._agreed(draft, base)) == set(self._mine(tags)) else self.value_of(tags, rather_not=base)

    def _agreed(self, draft: Draft, base: str | None) -> list[str]:
        """The status tags that were agreed on; before that, those that Gazelle had when the row was edited."""
        if self.column not in draft.base and draft.row.seen is not None:
            return self._mine(draft.row.seen.get("tags") or ())
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
        if not plain(notes) and plain(write_block(known(draft).get("notes"), marks, None)):
            if ours != base:  # until a pull has seen it as well
                draft.problem(self.column, "emptied_notes")
            return
        found = read_block(notes, marks, expected=base)
        theirs = found.says or None if found else None
        theirs = next((text for text in (base, ours) if alike(theirs, text)), theirs)  # blanks are nobody's edit
        value, clash = merge(draft, self.column, base, ours, theirs)
        if self.column in draft.plan.follows:
            return
        if found is None or not alike(found.says, value) or (ours != base and found.says != plain(value)):
            said = found.says if found else None
            draft.values["notes"] = write_block(draft.values["notes"], marks, value, expected=said)
        if ours != base or clash is not None or self.column not in draft.base:
            draft.settled_by("notes", self.column, value, clash)

    def restored(self, record: str, now: JsonValue, wrote: JsonValue, before: JsonValue) -> tuple[JsonValue, bool]:
        """See `Written`. Only our own block is put back; the text around it stays as it is."""
        sent, earlier = self._says(record, wrote), self._says(record, before)
        if alike(sent, earlier):
            return now, False
        marks = Marks.of(self.label, record)
        found = read_block(now, marks, expected=sent)
        says = found.says if found else None
        if alike(says, sent):
            return write_block(now, marks, earlier, expected=says), False
        return now, not alike(says, earlier)

    def facts_of(self, record: str, value: JsonValue) -> dict[str, JsonValue]:
        """See `Written`."""
        return {self.column: self._says(record, value)}

    def has_same(self, record: str, one: JsonValue, other: JsonValue) -> bool:
        """See `Written`."""
        return alike(self._says(record, one), self._says(record, other))

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
class Scalar:
    """A column that is an attribute of the record, or one language of a text that has several.

    Attributes:
        column: Local.
        attribute: Of the record.
        language: Of an attribute that is a text by locale (`{"fr_CA": …}`): which one the column holds.
        is_money: The column holds dollars, the attribute whole cents.
    """

    column: str
    attribute: str
    language: str | None = None
    is_money: bool = False

    def plan(self, draft: Draft) -> None:
        """Three-way between the column and the attribute; a column that says nothing leaves Gazelle's alone."""
        ours = text_in(draft.row, self.column)
        if self.is_money and ours is not None:
            try:
                amount = Decimal(ours)
                ours = str(amount.quantize(CENTS)) if amount >= 0 else None
            except InvalidOperation:  # also what `>=` raises of a number that is none
                ours = None
            if ours is None:
                draft.problem(self.column, "no_price", value=str(draft.row.values[self.column])[:60])
                return
        theirs = self._said(draft.remote.get(self.attribute))
        if ours is None:
            return
        if draft.remote.get("is_archived"):
            if ours != theirs:
                draft.problem(self.column, "archived", id=draft.row.key)
            return
        value, clash = merge(draft, self.column, self._base(draft, theirs), ours, theirs)
        if self.column in draft.plan.follows or value is None:
            return
        if value != theirs:
            draft.values[self.attribute] = self._written(draft.values.get(self.attribute), value)
        if value != draft.base.get(self.column) or clash is not None:
            draft.settled_by(self.attribute, self.column, value, clash)

    def restored(self, record: str, now: JsonValue, wrote: JsonValue, before: JsonValue) -> tuple[JsonValue, bool]:
        """See `Written`."""
        said, sent, earlier = self._said(now), self._said(wrote), self._said(before)
        if said == sent and sent != earlier:
            return self._written(now, earlier), False
        return now, said != earlier and sent != earlier

    def facts_of(self, record: str, value: JsonValue) -> dict[str, JsonValue]:
        """See `Written`."""
        return {self.column: self._said(value)}

    def has_same(self, record: str, one: JsonValue, other: JsonValue) -> bool:
        """See `Written`."""
        return self._said(one) == self._said(other)

    def _base(self, draft: Draft, theirs: str | None) -> str | None:
        if self.column in draft.base:
            value = draft.base[self.column]
            return None if value is None else str(value)
        if draft.row.seen is not None:
            return self._said(draft.row.seen.get(self.attribute))
        return theirs if draft.ours_is_newer else None

    def _said(self, value: JsonValue) -> str | None:
        """What the column would hold for an attribute."""
        if self.language is not None:
            value = value.get(_locale(value, self.language)) if isinstance(value, dict) else value
        if value is None or value == "":
            return None
        return str((Decimal(value) / 100).quantize(CENTS)) if self.is_money else str(value)

    def _written(self, held: JsonValue, value: str | None) -> JsonValue:
        """The attribute with the column's value."""
        if self.language is not None:
            texts = dict(held) if isinstance(held, dict) else {}
            return {**texts, _locale(texts, self.language): value}
        if self.is_money and value is not None:
            return int(Decimal(value) * 100)
        return value


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


@dataclass(frozen=True)
class Created:
    """Makes the record of a row that has none yet: all that it says goes with it.

    Attributes:
        action: Name of the action.
        said_as: Column → what the action's payload calls it.
        needs_parent: Whether it is made under another record, which has to be there first.
    """

    action: str
    said_as: Mapping[str, str]
    needs_parent: bool = False
    makes_record: ClassVar[bool] = True

    def plan(self, draft: Draft) -> None:
        """One creation, for a row without a record."""
        row = draft.row
        if row.key:
            return
        if self.needs_parent and row.parent is None:
            draft.problem(self.action, "no_parent")
            return
        said: dict[str, JsonValue] = {name: text_in(row, column) for column, name in self.said_as.items()}
        payload = {**said, **({"parent": row.parent} if self.needs_parent else {})}
        draft.plan.actions.append(
            Action(
                name=self.action,
                field=next(iter(self.said_as)),
                payload=payload,
                settles={column: said[name] for column, name in self.said_as.items()},
                identity=draft.identity(self.action, self.action, payload),
                is_create=True,
                shown=("", ", ".join(str(value) for value in said.values() if value)),
            )
        )


def known(draft: Draft) -> Values:
    """What the last pull saw, or else our own last push."""
    if draft.row.pulled is not None:
        return draft.row.pulled
    remote = draft.base.get("remote")
    remote = remote if isinstance(remote, dict) else {}
    return {"tags": remote.get("tags") or (), "notes": "…" if remote.get("has_foreign_notes") else None}


def text_in(row: Row, column: str) -> str | None:
    """A text column; blank is as good as nothing."""
    value = row.values.get(column)
    return str(value) if value is not None and str(value).strip() else None


def day_of(instant: JsonValue) -> str | None:
    """The Montreal day of an instant, as ISO; None where it is none."""
    return montreal_day(instant).isoformat() if isinstance(instant, datetime) else None


def as_instant(instant: datetime) -> str:
    """As the API writes instants."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _locale(texts: Mapping[str, JsonValue], language: str) -> str:
    """The locale of a language: the one that the pull reads, or Canada's (the United States' for English)."""
    found = next((one for one in sorted(texts) if one.lower().startswith(language) and texts[one] is not None), None)
    return found or {"fr": "fr_CA", "en": "en_US"}[language]
