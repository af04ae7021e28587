"""The kinds of field that a local table may have, and what each becomes at Gazelle. Pure.

A column's three-way base is what both sides last agreed on. For a row that was never sent it is what Gazelle's record
was when the row was edited, if a pull had read it by then; else Gazelle's own value, if it is older than the edit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gazelle_sync.montreal import montreal_day
from gazelle_sync.push.block import Marks, plain, read_block, write_block
from gazelle_sync.push.gist import alike, gist
from gazelle_sync.push.measurements import readings_in
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import Action, JsonValue, Known, Remote, Row, key_of
from gazelle_sync.push.plan import Draft, merge

LEAST_TENTHS = 1000
"""No piano's A4 has so many hertz."""


@dataclass(frozen=True)
class StatusTag:
    """A column with one of a few values, each a tag at Gazelle. Only these tags are ours; the others stay.

    Attributes:
        column: Local.
        tags: Value → tag, the gravest first: of two that Gazelle has, that one counts.
    """

    column: str
    tags: Mapping[str, str]

    def plan(self, draft: Draft) -> None:
        """Three-way: what the column added or took away since base, done to the tags that Gazelle has now."""
        ours = _text(draft.row, self.column)
        if ours is not None and ours not in self.tags:
            draft.problem(self.column, "unknown_status", value=ours[:60], known=", ".join(self.tags))
            return
        if ours is None and self.column not in draft.base:
            return
        base = self._base(draft)
        if not draft.remote.tags and (had := self._foreign_before(draft)):  # until a pull has seen it as well
            if ours != base:
                draft.problem(self.column, "emptied_tags", known=", ".join(had))
            return
        mine = set(self.tags.values())
        theirs = self._theirs(draft, base)
        value, clash = merge(draft, self.column, base, ours, theirs)
        if self.column in draft.plan.follows:
            draft.plan.follows_settle[f"{self.column}.tags"] = [tag for tag in draft.tags if tag in mine]
            return
        if ours == base == theirs and self.column in draft.base:
            return
        wanted = [self.tags[value]] if value else []
        if [tag for tag in draft.tags if tag in mine] != wanted:
            draft.tags = [tag for tag in draft.tags if tag not in mine] + wanted
        draft.settled_by("tags", self.column, value, clash)
        draft.settled_by("tags", f"{self.column}.tags", wanted, None)

    def value_of(self, tags: Sequence[str], *, rather_not: str | None = None) -> str | None:
        """The value that a list of tags says; of several, not the one that is known to be old."""
        values = [value for value, tag in self.tags.items() if tag in tags]
        fresh = [value for value in values if value != rather_not] or values
        return fresh[0] if fresh else None

    def _base(self, draft: Draft) -> str | None:
        if self.column in draft.base:
            value = draft.base[self.column]
            return str(value) if value else None
        if draft.row.seen is not None:
            return self.value_of(draft.row.seen.tags)
        return self.value_of(draft.remote.tags) if draft.ours_is_newer else None

    def _theirs(self, draft: Draft, base: str | None) -> str | None:
        """What Gazelle's tags say; two status tags that were agreed on are no change."""
        agreed = draft.base.get(f"{self.column}.tags", [self.tags[base]] if base else [])
        if set(agreed) == {tag for tag in draft.remote.tags if tag in self.tags.values()}:
            return base
        return self.value_of(draft.remote.tags, rather_not=base)

    def _foreign_before(self, draft: Draft) -> list[str]:
        return [tag for tag in _known(draft).tags if tag not in self.tags.values()]


@dataclass(frozen=True)
class Block:
    """A text that becomes a block of our own in the record's notes, updated in place.

    Attributes:
        column: Local.
        label: What the block holds, for whoever reads it at Gazelle.
    """

    column: str
    label: str

    def plan(self, draft: Draft) -> None:
        """Three-way between the local text and the block's."""
        ours = plain(_text(draft.row, self.column)) or None
        if ours is None and self.column not in draft.base:
            return
        marks = Marks.of(self.label, draft.row.key)
        base = self._base(draft, marks)
        if not plain(draft.remote.notes) and self._had_foreign_text(draft, marks):  # until a pull has seen it as well
            if ours != base:
                draft.problem(self.column, "emptied_notes")
            return
        found = read_block(draft.remote.notes, marks, expected=base)
        theirs = found.says or None if found else None
        theirs = next((known for known in (base, ours) if alike(theirs, known)), theirs)  # blanks are nobody's edit
        value, clash = merge(draft, self.column, base, ours, theirs)
        if self.column in draft.plan.follows:
            return
        if found is None or not alike(found.says, value) or (ours != base and found.says != plain(value)):
            draft.notes = write_block(draft.notes, marks, value, expected=found.says if found else None)
        if ours != base or clash is not None or self.column not in draft.base:
            draft.settled_by("notes", self.column, value, clash)

    def _base(self, draft: Draft, marks: Marks) -> str | None:
        if self.column in draft.base:
            return plain(draft.base[self.column]) or None
        if draft.row.seen is None:
            return None  # a block that nobody here has seen is not ours to write over in silence
        found = read_block(draft.row.seen.notes, marks)
        return found.says or None if found else None

    def _had_foreign_text(self, draft: Draft, marks: Marks) -> bool:
        return bool(plain(write_block(_known(draft).notes, marks, None)))


@dataclass(frozen=True)
class Comment:
    """A text that becomes a comment, once."""

    column: str

    def plan(self, draft: Draft) -> None:
        """What differs from the comment that was sent last is another one; a comment cannot be taken back."""
        ours, base = plain(_text(draft.row, self.column)), plain(draft.base.get(self.column))
        if ours == base:
            return
        if not ours:
            draft.plan.settles[self.column] = None
            return
        payload = {
            "text": _text(draft.row, self.column),
            "created_at": _instant(draft.row.updated_at),
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
class Service:
    """A text that becomes a service entry, dated by the Montreal day on which the work was done.

    Without that day the entry carries the day of the edit, and the day of the last service is left alone. When the day
    is filled in later, only that is sent. The same words with another day are another service.

    Attributes:
        column: Local.
        done_at: Column with the instant at which the work was done.
        moves_last_service: Whether the day is also entered as the last service (a visit does that by itself).
    """

    column: str
    done_at: str
    moves_last_service: bool = True

    def plan(self, draft: Draft) -> None:
        """One entry, then the day of the last service."""
        ours, base = plain(_text(draft.row, self.column)), plain(draft.base.get(self.column))
        done_at = draft.row.values.get(self.done_at)
        day, base_day = day_of(done_at), draft.base.get(self.done_at)
        if not ours:
            if base:
                draft.plan.settles |= {self.column: None, self.done_at: day}
            return
        is_corrected = bool(day and base_day and day < base_day and ours == base)
        if ours != base or (day and base_day and day != base_day):
            at = done_at if isinstance(done_at, datetime) else draft.row.updated_at
            payload = {
                "text": _text(draft.row, self.column),
                "day": day or montreal_day(draft.row.updated_at).isoformat(),
                "created_at": _instant(at),
                "created_by": draft.row.updated_by,
            }
            draft.plan.actions.append(
                Action(
                    name="add_service",
                    field=self.column,
                    payload=payload,
                    settles={self.column: ours, self.done_at: day},
                    identity=draft.identity("add_service", self.column, ours, day),
                    is_create=True,
                    shown=("", f"{payload['day']}: {ours}"),
                    remark=say(draft.language, "entry_stays", day=base_day) if is_corrected else None,
                    shared=None if self.moves_last_service else f"{draft.remote.client_id} {payload['day']}",
                )
            )
        elif day != base_day:
            draft.plan.settles[self.done_at] = day
        if day and self.moves_last_service and draft.base.get("serviced") != day:
            self._move_last_service(draft, day)

    def _move_last_service(self, draft: Draft, day: str) -> None:
        """A later service that Gazelle knows of is not set back, but for a day that we entered, which was corrected.

        That one goes back to the day that is right, or to the one which it had replaced, if that is later.
        """
        last = draft.remote.last_serviced.isoformat() if draft.remote.last_serviced else None
        is_ours = last is not None and last == draft.base.get("serviced.written")
        replaced = draft.base.get("serviced.replaced") if is_ours else last
        target = max(day, replaced or day) if is_ours else day
        if last is not None and (last == target or (last > day and not is_ours)):
            draft.plan.settles["serviced"] = day
            return
        draft.plan.actions.append(
            Action(
                name="set_serviced",
                field="serviced",
                payload={"last_serviced": target},
                settles={"serviced": day, "serviced.written": target, "serviced.replaced": replaced},
                identity=draft.identity("set_serviced", "serviced", day),
                after=self.column,
                shown=(last or "", target),
            )
        )


@dataclass(frozen=True)
class Measured:
    """Readings written into texts (`23°, 47%, 440Hz`) become a measurement; the same ones in two new texts, one.

    They belong to the text that they stand in: a new text with the readings of the last one is a new measurement.

    Attributes:
        columns: Texts to look into.
        done_at: Column with the instant of the visit, whose Montreal day the measurement carries.
    """

    columns: tuple[str, ...]
    done_at: str

    def plan(self, draft: Draft) -> None:
        """A measurement for each text with readings that is new, or was said again of another day."""
        day = day_of(draft.row.values.get(self.done_at))
        fresh: list[tuple[dict[str, int], dict[str, JsonValue]]] = []
        for column in self.columns:
            fact = f"readings.{column}"
            text = _text(draft.row, column)
            values = readings_in(text)
            known = dict(draft.base.get(fact) or {})
            known_day = known.pop("day", None)
            # A base of an earlier version names no text: then it is the one that was sent last.
            known_text = known.pop("text", None) or _mark(draft.base.get(column))
            is_of_another_day = bool(day and known_day and day != known_day)
            if values == known and not (values and (known_text != _mark(text) or is_of_another_day)):
                continue
            said = {**values, "text": _mark(text), **({"day": day} if day else {})} if values else None
            same = next((settles for others, settles in fresh if others == values), None)
            if not values:
                draft.plan.settles[fact] = None
            elif same is not None:
                same[fact] = said
            else:
                fresh.append((values, {fact: said}))
        for values, settles in fresh:
            draft.plan.actions.append(self._action(draft, values, settles, day))

    def stands_in(self, text: str | None, agreed: Mapping[str, JsonValue]) -> bool:
        """Whether readings that became base (a value of `settles`) are those of a text."""
        known = {name: value for name, value in agreed.items() if name not in ("text", "day")}
        return known == readings_in(text) and agreed.get("text") in (None, _mark(text))

    def _action(self, draft: Draft, values: dict[str, int], settles: dict[str, JsonValue], day: str | None) -> Action:
        fact = next(iter(settles))
        payload = {"taken_on": day or montreal_day(draft.row.updated_at).isoformat(), **values}
        if "a4Pitch" in values and _keeps_tenths(draft.remote):
            payload["a4Pitch"] = values["a4Pitch"] * 10
        return Action(
            name="add_measurement",
            field=fact,
            payload=payload,
            settles=settles,
            identity=draft.identity("add_measurement", fact, values, day),
            is_create=True,
            shown=("", ", ".join(f"{name} {value}" for name, value in payload.items())),
        )


def _keeps_tenths(remote: Remote) -> bool:
    """Whether this piano's pitches are kept in tenths of a hertz; the API only says that they are whole numbers."""
    known = [values.get("a4Pitch") for values in remote.measurements.values()]
    return any(isinstance(pitch, int) and pitch >= LEAST_TENTHS for pitch in known)


def _mark(text: JsonValue) -> str:
    """Stands for what a text says: the same for the same text, whatever a program did to its blanks."""
    return key_of(gist(str(text or "")))[:12]


def _text(row: Row, column: str) -> str | None:
    """A text column; blank is as good as nothing."""
    value = row.values.get(column)
    return str(value) if value is not None and str(value).strip() else None


def _known(draft: Draft) -> Known:
    """What the last pull saw, or else our own last push."""
    if draft.row.pulled is not None:
        return draft.row.pulled
    remote = draft.base.get("remote") or {}
    return Known(tuple(remote.get("tags") or ()), "…" if remote.get("has_foreign_notes") else None)


def day_of(instant: JsonValue) -> str | None:
    """The Montreal day of an instant, as ISO; None where it is none."""
    return montreal_day(instant).isoformat() if isinstance(instant, datetime) else None


def _instant(instant: datetime) -> str:
    """As the API writes instants."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
