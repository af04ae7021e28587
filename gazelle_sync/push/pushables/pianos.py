"""What the shop notes about pianos: a status, remarks, work that was done, readings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from gazelle_sync.entities import PIANOS
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import montreal_day
from gazelle_sync.push.changes import Said
from gazelle_sync.push.fields.scalars import Scalar, as_instant, day_of, text_in
from gazelle_sync.push.fields.texts import Block, Comment, StatusTag
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import JsonValue, Remote, Values, key_of
from gazelle_sync.push.plan import Draft
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.text import normalize, plain, same_text
from gazelle_sync.push.transports.pianos import PIANO

SaidOf = Callable[..., Said | None]
"""What is still at Gazelle of a fact."""
Readings = dict[str, int]
"""Field of a Gazelle measurement → value: `temperature` in °C, `humidity` in percent, `a4Pitch` in hertz."""

_NUMBER = r"(?<![\w.,])(-?\d{1,3}(?:[.,]\d+)?)\s*"
_TEMPERATURE = re.compile(_NUMBER + r"(?:°\s*([CF])?|([CF]))(?!\w)", re.IGNORECASE)
_HUMIDITY = re.compile(_NUMBER + r"%")
_PITCH = re.compile(_NUMBER + r"Hz(?!\w)", re.IGNORECASE)
_ANY = re.compile(r"\d\s*(?:[%°CFcf]|[Hh][Zz])")
_SAYS_HUMIDITY = re.compile(r"humid|\bH\.?R\b|\bRH\b", re.IGNORECASE)
_SAYS_TEMPERATURE = re.compile(r"temp", re.IGNORECASE)

LIKELY = {"temperature": (-30, 50), "humidity": (1, 100), "a4Pitch": (380, 480)}
"""What lies outside was something else (a price cut of 150 %, an angle)."""
LEAST_TENTHS = 1000
"""No piano's A4 has so many hertz."""


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
    dependents: ClassVar[tuple[str, ...]] = ("set_serviced",)

    def stays(self, action: str, base_updates: Values, said: SaidOf) -> bool:
        """See `Pushable.dependents`. A later run's work of the same day needed no other entry of that day."""
        day = said(self.done_at, is_any=True) if action == "set_serviced" else None
        return day is not None and day.value == base_updates.get("serviced")

    def base_updates_with(self, action: str, base_updates: Values) -> dict[str, JsonValue]:
        """The day of the last service came from the day on which the work was done."""
        return {self.done_at: base_updates.get("serviced")} if action == "set_serviced" else {}

    def plan(self, draft: Draft) -> None:
        """One entry, then the day of the last service."""
        ours, base = plain(text_in(draft.row, self.column)), plain(draft.base.get(self.column))
        done_at = draft.row.values.get(self.done_at)
        day, base_day = day_of(done_at), draft.base.get(self.done_at)
        if not ours:
            if base:
                draft.plan.base_updates |= {self.column: None, self.done_at: day}
            return
        is_corrected = bool(day and base_day and day < base_day and ours == base)
        if ours != base or (day and base_day and day != base_day):
            at = done_at if isinstance(done_at, datetime) else draft.row.updated_at
            payload = {
                "text": text_in(draft.row, self.column), "day": day or montreal_day(draft.row.updated_at).isoformat(),
                "created_at": as_instant(at), "created_by": draft.row.updated_by,
            }  # fmt: skip
            draft.create(
                "add_service", self.column, payload, {self.column: ours, self.done_at: day}, ours, day,
                shown=f"{payload['day']}: {ours}",
                remark=say(draft.language, "entry_stays", day=base_day) if is_corrected else None,
                shared=None if self.moves_last_service else f"{draft.remote.get('client_id')} {payload['day']}",
            )  # fmt: skip
        elif day != base_day:
            draft.plan.base_updates[self.done_at] = day
        if day and self.moves_last_service and draft.base.get("serviced") != day:
            self._move_last_service(draft, day, is_correction=bool(base_day) and ours == base)

    def _move_last_service(self, draft: Draft, day: str, *, is_correction: bool) -> None:
        """A later service that Gazelle knows of is not set back, but for a day that we entered, which was corrected.

        That one goes back to the day that is right, or to the one which it had replaced, if that is later. Other words
        correct nothing: they are another work, and that of the later day was done as well.
        """
        last: str | None = draft.remote.get("last_serviced")
        is_ours = is_correction and last is not None and last == draft.base.get("serviced.written")
        replaced = draft.base.get("serviced.replaced") if is_ours else last
        target = max(day, replaced or day) if is_ours else day
        if last is not None and (last == target or (last > day and not is_ours)):
            draft.plan.base_updates |= {"serviced": day, "serviced.written": last if is_ours else None}
            return
        draft.values["last_serviced"] = target
        for fact, value in (("serviced", day), ("serviced.written", target), ("serviced.replaced", replaced)):
            draft.updates_base("last_serviced", fact, value, after=self.column)


class LastService(Scalar):
    """The day of the last service, as an attribute that is put back; `Service` says what it should be."""

    def plan(self, draft: Draft) -> None:
        """Nothing."""

    def facts_of(self, record: str, value: JsonValue) -> dict[str, JsonValue]:
        """Nothing: the log knows which day was agreed on before."""
        return {}


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
    dependents: ClassVar[tuple[str, ...]] = ("add_measurement",)

    def stays(self, action: str, base_updates: Values, said: SaidOf) -> bool:
        """See `Pushable.dependents`."""
        if action != "add_measurement":
            return False
        for column in self.columns:
            agreed, text = base_updates.get(f"readings.{column}"), said(column)
            if agreed and text is not None and self.stands_in(text.text, agreed):
                return True
        return False

    def said_with(self, texts: Values, said: SaidOf) -> dict[str, JsonValue]:
        """Readings of the texts that a row goes back to, where they are at Gazelle: they are not measured again."""
        facts: dict[str, JsonValue] = {}
        for column in self.columns:
            fact = f"readings.{column}"
            if column not in texts or (found := said(fact)) is None:
                continue
            if found.value and self.stands_in(texts[column], found.value):
                facts[fact] = found.value
        return facts

    def plan(self, draft: Draft) -> None:
        """A measurement for each text with readings that is new, or was said again of another day."""
        day = day_of(draft.row.values.get(self.done_at))
        fresh: list[tuple[dict[str, int], dict[str, JsonValue]]] = []
        for column in self.columns:
            fact = f"readings.{column}"
            text = text_in(draft.row, column)
            values = readings_in(text)
            known = dict(draft.base.get(fact) or {})
            if not values:
                if known:
                    draft.plan.base_updates[fact] = None
                continue
            known_day, known_text = known.pop("day", None), known.pop("text", None)
            is_of_another_day = bool(day and known_day and day != known_day)
            if values == known and not is_of_another_day:
                # A base of an earlier version names no text: then it is the one that was sent last.
                sent = draft.base.get(column)
                if known_text == _mark(text) if known_text else same_text(sent, text):
                    continue
            said = {**values, "text": _mark(text), **({"day": day} if day else {})}
            same = next((base_updates for others, base_updates in fresh if others == values), None)
            if same is not None:
                same[fact] = said
            else:
                fresh.append((values, {fact: said}))
        for values, base_updates in fresh:
            self._measure(draft, values, base_updates, day)

    def stands_in(self, text: str | None, agreed: Mapping[str, JsonValue]) -> bool:
        """Whether readings that became base (a value of `base_updates`) are those of a text."""
        known = {name: value for name, value in agreed.items() if name not in ("text", "day")}
        return known == readings_in(text) and agreed.get("text") in (None, _mark(text))

    def _measure(
        self, draft: Draft, values: dict[str, int], base_updates: dict[str, JsonValue], day: str | None
    ) -> None:
        fact = next(iter(base_updates))
        payload = {"taken_on": day or montreal_day(draft.row.updated_at).isoformat(), **values}
        if "a4Pitch" in values and _keeps_tenths(draft.remote):
            payload["a4Pitch"] = values["a4Pitch"] * 10
        shown = ", ".join(f"{name} {value}" for name, value in payload.items())
        draft.create("add_measurement", fact, payload, base_updates, values, day, shown=shown)


def readings_in(text: str | None) -> Readings:
    """The first reading of each kind in a text.

    `47%` or `20C` alone may be a rebate or a model: they count beside a reading of another kind, or where the text
    names what they are. A pitch in hertz, and a temperature with its degree and its scale, speak for themselves.
    """
    if not text or not _ANY.search(text):
        return {}
    found: Readings = {}
    certain = False
    if (match := _PITCH.search(text)) and _keep(found, "a4Pitch", _number(match[1])):
        certain = True
    if match := _TEMPERATURE.search(text):
        degrees, scale = _number(match[1]), (match[2] or match[3] or "C").upper()
        if _keep(found, "temperature", (degrees - 32) / 1.8 if scale == "F" else degrees):
            certain = certain or match[2] is not None or _SAYS_TEMPERATURE.search(text) is not None
    if (match := _HUMIDITY.search(text)) and _keep(found, "humidity", _number(match[1])):
        certain = certain or _SAYS_HUMIDITY.search(text) is not None
    return found if certain or len(found) > 1 else {}


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _keep(found: Readings, name: str, value: float) -> bool:
    least, most = LIKELY[name]
    if least <= value <= most:
        found[name] = round(value)
        return True
    return False


def _keeps_tenths(remote: Remote) -> bool:
    """Whether this piano's pitches are kept in tenths of a hertz; the API only says that they are whole numbers."""
    known = [item.values.get("a4Pitch") for item in remote.items.get("measurements", ())]
    return any(isinstance(pitch, int) and pitch >= LEAST_TENTHS for pitch in known)


def _mark(text: JsonValue) -> str:
    """Stands for what a text says: the same for the same text, whatever a program did to its blanks."""
    return key_of(normalize(str(text or "")))[:12]


STATUS = {"needs_replacement": "A_REMPLACER", "problematic": "PROBLEMATIQUE", "normal": "NORMAL", "top": "TOP"}
"""State of a piano → its tag at Gazelle, the gravest first."""
PIANO_UPDATES = Pushable(
    entity=PIANOS,
    table="vincent_dindy_piano_updates",
    key="gazelle_id",
    record_key="gazelle_id",
    columns=("status", "notes", "observations", "travail", "completed_at"),
    instants=("completed_at",),
    hidden="is_hidden",
    fields=(
        StatusTag("status", STATUS),
        Block("observations", label="observations"),
        Comment("notes"),
        Service("travail", done_at="completed_at"),
        LastService("serviced", "last_serviced"),
        Measured(("travail", "notes", "observations"), done_at="completed_at"),
    ),
    kind=PIANO,
    last_pull="jsonb_build_object('tags', to_jsonb(p.gazelle_tags), 'notes', coalesce(p.notes, ''))",
    edit_snapshot="jsonb_build_object('tags', b.raw_data -> 'tags', 'notes', b.raw_data -> 'notes')",
    names="concat_ws(', ', nullif(concat_ws(' ', p.make, p.model, p.serial_number), ''), "
    "(SELECT c.display_name FROM gazelle_clients AS c WHERE c.external_id = p.client_external_id))",
    known_by="lower(btrim(p.serial_number))",
    noun=Message("piano"),
    refuses_nameless=True,
)


def with_visits(pushable: Pushable) -> Pushable:
    """The same where a visit makes the service entry, which moves the service history by itself."""
    fields = [replace(f, moves_last_service=False) if isinstance(f, Service) else f for f in pushable.fields]
    return replace(pushable, fields=fields)
