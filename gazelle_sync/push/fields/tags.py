"""A column with one of a few values, each a tag at Gazelle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from gazelle_sync.push.fields.common import known, text_in
from gazelle_sync.push.model import JsonValue
from gazelle_sync.push.plan import Draft, merge


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
