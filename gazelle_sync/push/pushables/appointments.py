"""Visits that the shop plans: each row makes one, or moves, cancels, confirms or completes one.

A row is one change, so several may name the same visit: they go in their order, and a change that has gone is history.
What people may write into a row, and what keeps it here, is in `appointment_checks`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from gazelle_sync.entities import APPOINTMENTS
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import MONTREAL, parse_instant
from gazelle_sync.push.fields.scalars import INSTANT, WHOLE, Created, Form, Scalar, Whole, text_in
from gazelle_sync.push.messages import say
from gazelle_sync.push.model import Action, JsonValue, Remote, Row
from gazelle_sync.push.plan import WRITTEN, Draft
from gazelle_sync.push.pushable import BLANKS, Pushable
from gazelle_sync.push.pushables.appointment_checks import evaluate_drafts
from gazelle_sync.push.transports.appointments import APPOINTMENT, mark_in, same_mark, with_mark, without_mark
from gazelle_sync.push.transports.protocol import Ending

NO_PIANOS = Message('{column} says {value!r}: write a list of ids, such as ["pno_1", "pno_2"].')
NO_VISIT = Message("This row changes a visit and does not name it: fill in its id, or delete the row.")
VISIT_CANCELED = Message(
    "The visit {id} is cancelled at Gazelle, and nothing of it is changed any more: make a new one."
)
VISIT_COMPLETE = Message("The visit {id} took place, as Gazelle says, and nothing of it is changed any more.")
VISIT_SYNCED = Message("The visit {id} belongs to a synchronized calendar: change it there.")
MOVED_SINCE = Message(
    "Somebody moved the visit {id} at Gazelle, to {when}, and the confirmation may be of the time before: confirm "
    "it once more."
)
WAS_MOVED = Message("Somebody had moved it at Gazelle meanwhile, to {when}.")
TRUE = ("true", "t")
CLOSED = {"CANCELED": VISIT_CANCELED, "COMPLETE": VISIT_COMPLETE, "NO_SHOW": VISIT_COMPLETE}
"""Status of a visit that nothing changes any more → what to say of it."""
STEPS = {"cancel": "cancel_visit", "confirm": "confirm_visit", "complete": "complete_visit"}


class _Buffer(Whole):
    """None at all is none."""

    def said(self, value: JsonValue) -> str | None:
        return str(value or 0)


class _Flag(Form):
    def normal(self, text: str) -> str:
        return "true" if text in TRUE else "false"

    def said(self, value: JsonValue) -> str | None:
        return "true" if value else "false"

    def written(self, text: str) -> JsonValue:
        return text in TRUE


class _Notes(Form):
    """Without our mark, which the visit keeps."""

    def said(self, value: JsonValue) -> str | None:
        return without_mark(value) if isinstance(value, str) else None


class _Pianos(Form):
    """A list of ids, or of objects with an id and whether it is tuned; a piano is, where nobody says otherwise."""

    problem = NO_PIANOS

    def normal(self, text: str) -> str:
        listed = json.loads(text)
        return self._text([_piano(one) for one in (listed if isinstance(listed, list) else [listed])])

    def said(self, value: JsonValue) -> str | None:
        return self._text([(one["pianoId"], bool(one.get("isTuning"))) for one in value or ()])

    def written(self, text: str) -> JsonValue:
        return [{"pianoId": one["id"], "isTuning": one["is_tuning"]} for one in json.loads(text)]

    def _text(self, pianos: Sequence[tuple[str, bool]]) -> str:
        return json.dumps([{"id": piano, "is_tuning": is_tuning} for piano, is_tuning in pianos])


def _piano(one: Any) -> tuple[str, bool]:
    if isinstance(one, str):
        return one.strip(BLANKS), True
    if isinstance(one, Mapping) and isinstance(found := one.get("id") or one.get("pianoId"), str):
        return found.strip(BLANKS), bool(one.get("is_tuning", one.get("isTuning", True)))
    raise ValueError(one)


@dataclass(frozen=True)
class Part(Scalar):
    """A part of the visit, which a row says that makes one; one that moves it only what is to change.

    Attributes:
        moves: Whether a move may say it.
        unsaid: What the column holds where a move says nothing of it.
    """

    moves: bool = True
    unsaid: str | None = None

    def plan(self, draft: Draft) -> None:
        """Three-way, as every scalar; of a visit that is over nothing is changed."""
        row = draft.row
        said = text_in(row, self.column)
        is_said = row.values.get("action") == "create" or (
            row.values.get("action") == "move" and self.moves and said != self.unsaid
        )
        if not is_said or is_withdrawn(row):
            return
        if reason := refusal(draft.remote):
            if said is not None and self.said_in(draft) != self._said(draft.remote.get(self.attribute)):
                draft.problem("action", reason, id=row.key)
            return
        super().plan(draft)

    def known(self, draft: Draft) -> str | None:
        """What whoever wrote the row could see: as a pull had brought it, or as an earlier row wrote it since."""
        seen = draft.row.edit_snapshot or {}
        ours = (draft.base.get(WRITTEN) or {}).get("said", {}).get(self.column) or {}
        at, pulled_at = parse_instant(ours.get("at")), parse_instant(seen.get("updated_at"))
        if ours.get("value") is not None and (pulled_at is None or (at is not None and at >= pulled_at)):
            return str(ours["value"])
        return self._said(seen.get(self.attribute))

    def _base(self, draft: Draft, theirs: str | None) -> str | None:
        is_known = self.column not in draft.base and self.known(draft) is not None
        return self.known(draft) if is_known else super()._base(draft, theirs)

    def written(self, held: JsonValue, text: str | None) -> JsonValue:
        """See `Scalar`; notes keep the mark that stands in them."""
        made = super().written(held, text)
        if self.part == "notes":
            made["notes"] = with_mark(made["notes"], mark_in((held or {}).get("notes")))
        return made


@dataclass(frozen=True)
class Mark(Scalar):
    """The mark by which a new visit is known again: it stands below its notes, and only a creation writes it."""

    def plan(self, draft: Draft) -> None:
        """Nothing: the visit keeps it."""

    def written(self, held: JsonValue, text: str | None) -> JsonValue:
        """See `Scalar`."""
        return {**held, "notes": with_mark(held.get("notes"), text)}

    def restored(self, record: str, now: JsonValue, wrote: JsonValue, before: JsonValue) -> tuple[JsonValue, bool]:
        """See `Written`."""
        return now, False

    def facts_of(self, record: str, value: JsonValue) -> dict[str, JsonValue]:
        """See `Written`."""
        return {}

    def has_same(self, record: str, one: JsonValue, other: JsonValue) -> bool:
        """See `Written`."""
        return True


@dataclass(frozen=True)
class Made(Created):
    """Makes the visit, unless one with the row's mark is there already: then the row names that one."""

    def plan(self, draft: Draft) -> None:
        """See `Created`."""
        row = draft.row
        if row.key or is_withdrawn(row):
            return
        if row.values.get("action") != "create":
            draft.problem("action", NO_VISIT)
            return
        super().plan(draft)
        draft.plan.actions = [self._named(row, action) for action in draft.plan.actions]
        for action in draft.plan.actions:
            found = [one.id for one in draft.remote.items.get("event", ()) if same_mark(one.values, action.payload)]
            if found:
                draft.plan.actions, draft.plan.adopts = [], found[0]

    def _named(self, row: Row, action: Action) -> Action:
        """With the client's name as its title where nobody gave another, and as people read it."""
        event = dict(action.payload["event"])
        event["title"] = event.get("title") or json.loads(row.parent or "{}").get("name")
        shown = ", ".join(part for part in (_local(event.get("start")), event["title"]) if part)
        return replace(action, payload={**action.payload, "event": event}, shown=("", shown))


@dataclass(frozen=True)
class Step:
    """Ends a visit, confirms it, or says that it took place."""

    column: ClassVar[str] = "action"

    def plan(self, draft: Draft) -> None:
        """One action, unless that is so already."""
        row, remote = draft.row, draft.remote
        wanted = "cancel" if is_withdrawn(row) and row.values.get("action") == "create" else row.values.get("action")
        name = STEPS.get(str(wanted))
        if name is None or (is_withdrawn(row) and row.values.get("action") != "create"):
            return
        ending = APPOINTMENT.operations[name]
        if isinstance(ending, Ending) and ending.has_ended(remote):
            draft.plan.base_updates[self.column] = wanted
            return
        reason = refusal(remote) or (MOVED_SINCE if wanted == "confirm" and self._is_moved(draft) else None)
        if reason is not None:
            draft.problem(self.column, reason, id=row.key, when=_local((remote.get("event") or {}).get("start")))
            return
        said: dict[str, JsonValue] = {}
        if wanted == "complete":
            pianos = [piano for piano, _ in map(_piano, json.loads(text_in(row, "pianos") or "[]"))]
            said = {"notes": text_in(row, "notes"), "pianos": pianos}
        draft.plan.actions.append(
            Action(
                name=name,
                field=self.column,
                payload={"id": row.key, **said},
                base_updates={self.column: wanted},
                identity=draft.identity(name, self.column, said),
                shown=("", _local((remote.get("event") or {}).get("start"))),
                remark=self._remark(draft),
            )
        )

    def _is_moved(self, draft: Draft) -> bool:
        """Whether the visit is at another time than whoever wrote the row could see: that time was not confirmed."""
        known = START.known(draft)
        return known is not None and known != INSTANT.said((draft.remote.get("event") or {}).get("start"))

    def _remark(self, draft: Draft) -> str | None:
        if not self._is_moved(draft):
            return None
        return say(draft.language, WAS_MOVED, when=_local((draft.remote.get("event") or {}).get("start")))


@dataclass(frozen=True)
class Series:
    """Of a recurring visit, a move may concern all that follow."""

    def plan(self, draft: Draft) -> None:
        """Beside what changes."""
        if (
            draft.values.get("event") != draft.remote.get("event")
            and draft.row.values.get("recurrence_change") == "FUTURE"
        ):
            draft.values["event"] = {**draft.values["event"], "recurrenceChangeType": "FUTURE"}


def refusal(remote: Remote) -> str | None:
    """Why a visit cannot be changed; see `messages.say`."""
    if remote.get("type") == "SYNCED":
        return VISIT_SYNCED
    return CLOSED.get(str(remote.get("status")))


def is_withdrawn(row: Row) -> bool:
    """Whether somebody has thought better of it."""
    return row.values.get("is_withdrawn") in TRUE


def _local(start: JsonValue) -> str:
    instant = parse_instant(start)
    return f"{instant.astimezone(MONTREAL):%Y-%m-%d %H:%M}" if instant else ""


FLAG, NOTES, PIANOS = _Flag(), _Notes(), _Pianos()
START = Part("start_at", "event", part="start", form=INSTANT)
PARTS = (
    START,
    Part("duration_minutes", "event", part="duration", form=WHOLE),
    Part("client_external_id", "event", part="clientId", moves=False),
    Part("technician_external_id", "event", part="userId"),
    Part("title", "event", part="title"),
    Part("notes", "event", part="notes", form=NOTES),
    Part("buffer_minutes", "event", part="buffer", form=_Buffer()),
    Part("is_all_day", "event", part="isAllDay", form=FLAG, unsaid="false"),
    Part("event_type", "event", part="type", moves=False),
    Part("travel_mode", "event", part="travelMode"),
    Part("pianos", "event", part="pianos", form=PIANOS, unsaid="[]"),
)
APPOINTMENT_DRAFTS = Pushable(
    entity=APPOINTMENTS,
    table="appointment_drafts",
    key="id",
    record_key="appointment_external_id",
    columns=(
        "action", "client_external_id", "technician_external_id", "pianos", "start_at", "duration_minutes",
        "buffer_minutes", "is_all_day", "title", "notes", "event_type", "travel_mode", "recurrence_change", "is_forced",
        "is_withdrawn", "mark",
    ),
    fields=(
        Made("create_visit", (*PARTS, Mark("mark", "event", part="notes")), needs_parent=True),
        Step(),
        *PARTS,
        Series(),
    ),
    kind=APPOINTMENT,
    last_pull="'{}'::jsonb",
    edit_snapshot="jsonb_build_object('event', jsonb_build_object("
    "'start', b.raw_data -> 'start', 'duration', b.raw_data -> 'duration', 'buffer', b.raw_data -> 'buffer', "
    "'title', b.raw_data -> 'title', 'notes', b.raw_data -> 'notes', 'type', b.raw_data -> 'type', "
    "'isAllDay', b.raw_data -> 'isAllDay', 'travelMode', b.raw_data -> 'travelMode', "
    "'clientId', b.raw_data #> '{client,id}', 'userId', b.raw_data #> '{user,id}', 'pianos', "
    "(SELECT coalesce(jsonb_agg(jsonb_build_object('pianoId', n #> '{piano,id}', 'isTuning', n -> 'isTuning')), '[]') "
    "FROM jsonb_path_query(b.raw_data, '$.allEventPianos.nodes[*]') AS n)))",
    names="concat_ws(', ', p.title, to_char(p.start_at AT TIME ZONE 'America/Toronto', 'YYYY-MM-DD HH24:MI'))",
    known_by="NULL::text",
    noun=Message("visit"),
    creates=True,
    place="jsonb_build_object('client', t.client_external_id, 'technician', t.technician_external_id, "
    "'day', (t.start_at AT TIME ZONE 'America/Toronto')::date, "
    "'name', (SELECT c.display_name FROM gazelle_clients AS c WHERE c.external_id = t.client_external_id))::text",
    are_changes=True,
    gate=evaluate_drafts,
)  # fmt: skip
