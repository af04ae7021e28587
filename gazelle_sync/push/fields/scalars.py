"""Columns that are attributes of the record, or parts of one; and the record that a row makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import ClassVar, Protocol

from gazelle_sync.montreal import montreal_day, parse_instant
from gazelle_sync.push.model import JsonValue, Row
from gazelle_sync.push.plan import Draft, merge

CENTS = Decimal("0.01")


class Written(Protocol):
    """A field that writes an attribute of the record."""

    @property
    def column(self) -> str:
        """Local."""

    @property
    def attribute(self) -> str:
        """Of the record."""

    def restored(self, record: str, now: JsonValue, wrote: JsonValue, before: JsonValue) -> tuple[JsonValue, bool]:
        """The attribute with this field put back, and whether something of it is left because it was changed since.

        Args:
            record: External id.
            now: The attribute as it is.
            wrote: As we had left it.
            before: As it was before that.
        """

    def facts_of(self, record: str, value: JsonValue) -> dict[str, JsonValue]:
        """What becomes base by an attribute's value; its own column first."""

    def has_same(self, record: str, one: JsonValue, other: JsonValue) -> bool:
        """Whether two values of the attribute say the same of this field."""


class Form:
    """How a column and an attribute say the same. This one: a text says itself.

    Another form says in `problem` what a person is to write: a key of `messages.MESSAGES`, whose sentence may name
    `{column}` and `{value}`.
    """

    problem = ""

    def normal(self, text: str) -> str:
        """What a column says, in the one way in which it is compared.

        Raises:
            ValueError: It says nothing that Gazelle can know.
        """
        return text

    def said(self, value: JsonValue) -> str | None:
        """What the column would hold for a value of the attribute, in the same way."""
        return None if value is None or value == "" else str(value)

    def written(self, text: str) -> JsonValue:
        """The attribute's value for what a column says."""
        return text

    def agreed(self, value: JsonValue) -> str | None:
        """What a value of the column comes to, in the same way; as it stands there, where Gazelle cannot know it."""
        text = "" if value is None else str(value)
        try:
            return self.normal(text) if text.strip() else None
        except ValueError:
            return text


class _Money(Form):
    """The column holds dollars, the attribute whole cents."""

    problem = "no_price"

    def normal(self, text: str) -> str:
        try:
            amount = Decimal(text).quantize(CENTS)
            is_price = amount >= 0
        except InvalidOperation as error:  # also what `>=` raises of a number that is none
            raise ValueError(text) from error
        if not is_price:
            raise ValueError(text)
        return str(amount)

    def said(self, value: JsonValue) -> str | None:
        return None if value is None else str((Decimal(value) / 100).quantize(CENTS))

    def written(self, text: str) -> JsonValue:
        return int(Decimal(text) * 100)


class Whole(Form):
    """Both sides hold a whole number."""

    problem = "no_number"

    def normal(self, text: str) -> str:  # noqa: D102 - see `Form`
        return str(int(text))

    def written(self, text: str) -> JsonValue:  # noqa: D102 - see `Form`
        return int(text)


class _Instant(Form):
    """Both sides hold an instant."""

    problem = "no_instant"

    def normal(self, text: str) -> str:
        return as_instant(datetime.fromisoformat(text))

    def said(self, value: JsonValue) -> str | None:
        instant = parse_instant(value)
        return None if instant is None else as_instant(instant)


TEXT, MONEY, WHOLE, INSTANT = Form(), _Money(), Whole(), _Instant()


@dataclass(frozen=True)
class Scalar:
    """A column that is an attribute of the record, or a part of one.

    Attributes:
        column: Local.
        attribute: Of the record.
        part: Of an attribute that is an object (the whole input of a mutation that replaces the record): which part.
        language: Of an attribute that is a text by locale (`{"fr_CA": …}`): which one.
        form: How the two say the same.
    """

    column: str
    attribute: str
    part: str | None = None
    language: str | None = None
    form: Form = TEXT

    def plan(self, draft: Draft) -> None:
        """Three-way between the column and the attribute; a column that says nothing leaves Gazelle's alone."""
        ours = self.said_in(draft)
        if ours is None:
            return
        theirs = self._said(draft.remote.get(self.attribute))
        if draft.remote.get("is_archived"):
            if ours != theirs:
                draft.problem(self.column, "archived", id=draft.row.key)
            return
        value, clash = merge(draft, self.column, self._base(draft, theirs), ours, theirs)
        if self.column in draft.plan.follows or value is None:
            return
        if value != theirs:
            draft.values[self.attribute] = self.written(draft.values.get(self.attribute), value)
        if value != draft.base.get(self.column) or clash is not None:
            draft.updates_base(self.attribute, self.column, value, clash)

    def said_in(self, draft: Draft) -> str | None:
        """What the row says; None where it says nothing, or what Gazelle cannot know, which is told."""
        ours = text_in(draft.row, self.column)
        try:
            return None if ours is None else self.form.normal(ours)
        except ValueError:
            draft.problem(self.column, self.form.problem, value=str(ours)[:60])
            return None

    def restored(self, record: str, now: JsonValue, wrote: JsonValue, before: JsonValue) -> tuple[JsonValue, bool]:
        """See `Written`."""
        said, sent, earlier = self._said(now), self._said(wrote), self._said(before)
        if said == sent and sent != earlier:
            return self.written(now, earlier), False
        return now, said != earlier and sent != earlier

    def facts_of(self, record: str, value: JsonValue) -> dict[str, JsonValue]:
        """See `Written`."""
        return {self.column: self._said(value)}

    def has_same(self, record: str, one: JsonValue, other: JsonValue) -> bool:
        """See `Written`."""
        return self._said(one) == self._said(other)

    def written(self, held: JsonValue, text: str | None) -> JsonValue:
        """The attribute with what the column says."""
        value = None if text is None else self.form.written(text)
        if self.part is None and self.language is None:
            return value
        held = dict(held) if isinstance(held, dict) else {}
        return {**held, self.part or _locale(held, str(self.language)): value}

    def _base(self, draft: Draft, theirs: str | None) -> str | None:
        if self.column in draft.base:
            value = draft.base[self.column]
            return None if value is None else str(value)
        for known in (draft.row.edit_snapshot, draft.base.get("remote")):
            if isinstance(known, dict) and self.attribute in known:
                return self._said(known[self.attribute])
        return theirs if draft.ours_is_newer else None

    def _said(self, value: JsonValue) -> str | None:
        """What the column would hold for an attribute."""
        if isinstance(value, dict) and self.part is not None:
            value = value.get(self.part)
        if isinstance(value, dict) and self.language is not None:
            value = value.get(_locale(value, self.language))
        return self.form.said(value)


@dataclass(frozen=True)
class Created:
    """Makes the record of a row that has none yet: all that its scalars say goes with it.

    The action's payload holds the attributes as the scalars write them and, under `parent`, the external id of the
    record that it is made under.

    Attributes:
        action: Its name.
        scalars: What is said with it.
        needs_parent: Whether it is made under another record, which has to be there first.
        is_final: Whether nothing of it can be changed later (a payment): a row that then says otherwise is told so.
    """

    action: str
    scalars: Sequence[Scalar]
    needs_parent: bool = False
    is_final: bool = False
    makes_record: ClassVar[bool] = True

    def plan(self, draft: Draft) -> None:
        """One creation, for a row without a record."""
        row = draft.row
        if row.key:
            if self.is_final:
                self._refuse_changes(draft)
            return
        if self.needs_parent and row.parent is None:
            draft.problem(self.action, "no_parent")
            return
        said = {one: one.said_in(draft) for one in self.scalars}
        if any(one.column in draft.plan.problems for one in self.scalars):
            return
        payload: dict[str, JsonValue] = {"parent": row.parent} if self.needs_parent else {}
        for one, text in said.items():
            payload[one.attribute] = one.written(payload.get(one.attribute), text)
        base_updates = {one.column: text for one, text in said.items()}
        shown = ", ".join(text for text in said.values() if text)
        draft.create(self.action, self.scalars[0].column, payload, base_updates, payload, shown=shown)

    def _refuse_changes(self, draft: Draft) -> None:
        for one in self.scalars:
            if one.column in draft.base and one.said_in(draft) != (sent := draft.base[one.column]):
                draft.problem(one.column, "final", value=sent)


def _locale(texts: Mapping[str, JsonValue], language: str) -> str:
    """The locale of a language: the one that the pull reads, or Canada's (the United States' for English)."""
    found = next((one for one in sorted(texts) if one.lower().startswith(language) and texts[one] is not None), None)
    return found or {"fr": "fr_CA", "en": "en_US"}[language]


def text_in(row: Row, column: str) -> str | None:
    """A text column; blank is as good as nothing."""
    value = row.values.get(column)
    if value is None:
        return None
    text = value if isinstance(value, str) else str(value)
    return text if text and not text.isspace() else None


def day_of(instant: JsonValue) -> str | None:
    """The Montreal day of an instant, as ISO; None where it is none."""
    return montreal_day(instant).isoformat() if isinstance(instant, datetime) else None


def as_instant(instant: datetime) -> str:
    """As the API writes instants."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
