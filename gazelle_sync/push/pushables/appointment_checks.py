"""What is wrong with a draft of a visit, by what is known of everything that it names, and so keeps it from being sent.

The rules are pure; the database is asked for facts and conflicts in one round trip.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gazelle_sync.i18n import LANGUAGES
from gazelle_sync.i18n.translator import Message, Translator, translator
from gazelle_sync.montreal import MONTREAL
from gazelle_sync.push.pushable import Verdict
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, Rows, together

LONGEST_MINUTES = 48 * 60
"""Personal blocks of two days are met; nothing longer is."""
FARTHEST_PAST = timedelta(days=366)
FARTHEST_AHEAD = timedelta(days=5 * 366)
TYPES = ("APPOINTMENT", "PERSONAL", "MEMO")
"""What can be made here; Gazelle has `SYNCED` events too, which belong to another calendar."""

MESSAGES = {
    "no_client": Message("a visit needs a client"),
    "unknown_client": Message("there is no client {id}"),
    "client_gone": Message("the client {id} was deleted at Gazelle"),
    "memo_keeps_no_client": Message("a memo keeps no client: leave it out, or make it an appointment"),
    "no_technician": Message("a visit needs a technician"),
    "unknown_technician": Message("there is no technician {id}"),
    "inactive_technician": Message("the technician {id} is not active"),
    "not_schedulable": Message("the technician {id} cannot be scheduled at Gazelle"),
    "no_start": Message("a visit needs a day and a time"),
    "start_out_of_range": Message("{id} is not within a year before or five years after today"),
    "bad_duration": Message("a visit takes 1 to {id} minutes"),
    "bad_pianos": Message("pianos are given as ids"),
    "unknown_piano": Message("there is no piano {id}"),
    "piano_gone": Message("the piano {id} was deleted at Gazelle"),
    "piano_of_another_client": Message("the piano {id} belongs to another client"),
    "inactive_piano": Message("the piano {id} is inactive and takes no service entries"),
    "bad_type": Message("a visit is an APPOINTMENT, a PERSONAL block or a MEMO, not {id}"),
    "no_event": Message("a change needs the event that it is about"),
    "unknown_event": Message("there is no event {id}"),
    "event_gone": Message("the event {id} was deleted at Gazelle"),
    "event_canceled": Message("the event {id} is cancelled already"),
    "event_complete": Message("the event {id} is complete already"),
    "not_writable": Message("the event {id} comes from a synchronized calendar: change it there"),
    "conflict": Message("the technician is taken then: {id}"),
    "no_time_to_travel": Message("there is no time to travel between this visit and {id}"),
    "joint": Message("it is one of a joint visit, and something is wrong with the other: {id}"),
    "not_sent": Message("the last push could not send it: {id}"),
}
"""Code of a problem → its sentence."""
WITH_OTHERS = ("conflict", "no_time_to_travel", "joint")
"""Problems that are about another visit or draft."""
ALREADY_SO = {("cancel", "event_canceled"), ("complete", "event_complete")}
"""Action and problem: what is wanted is so, and there is nothing left to send."""
HELD = Message("It waits: {problems}.")
IN_SPITE = Message("Sent in spite of: {problems}.")
FACTS: Question = (statement("calendar/drafts_facts"), None)
CONFLICTS: Question = (statement("calendar/drafts_conflicts"), None)


@dataclass(frozen=True)
class Problem:
    """Something that keeps a draft from being sent.

    Attributes:
        code: A key of `MESSAGES`.
        about: The id that it is about, or a limit; for a conflict the other event (`draft:12` for a draft).
    """

    code: str
    about: str | None = None

    def as_json(self, say: Translator) -> dict[str, str | None]:
        """For a program: `with` is the record of Gazelle's, or the draft, that stands in the way."""
        other = self.about if self.code in WITH_OTHERS else None
        return {"code": self.code, "text": self.text(say), "with": other}

    def text(self, say: Translator) -> str:
        """For a person."""
        return say(MESSAGES[self.code], id=self.about)


@dataclass(frozen=True)
class Piano:
    """A piano that a draft names, as it is known here.

    Attributes:
        id: At Gazelle.
        client: Whose it is, or None.
        status: `ACTIVE`, …; None: it is not known.
        is_known: Whether there is such a piano.
        is_gone: Whether it was deleted.
    """

    id: str
    client: str | None = None
    status: str | None = None
    is_known: bool = True
    is_gone: bool = False


@dataclass(frozen=True)
class Facts:
    """A draft, and what is known of what it names.

    Attributes:
        id: Of the draft.
        action: `create`, `move`, `cancel`, `complete` or `confirm`.
        event: The event that is to be changed, or None.
        event_is_known: Whether there is such an event here.
        event_is_gone: Whether it was deleted.
        event_status: `ACTIVE`, …
        event_of_type: `APPOINTMENT`, `SYNCED`, …
        event_client: Its client.
        client: Of the draft.
        client_is_known: Whether there is such a client.
        client_is_gone: Whether it was deleted.
        technician: Of the draft.
        technician_is_known: Whether there is such a user.
        technician_status: `ACTIVE`, …; None where the user was deleted.
        is_schedulable: Of the user.
        start_at: Aware UTC, or None.
        minutes: The duration, or None.
        is_all_day: Whether it lasts all day.
        of_type: `APPOINTMENT`, …
        pianos: Those that the draft names; None: what stands there are no ids.
        is_forced: Whether conflicts do not count.
        joint: What the drafts of a joint visit have in common, or None.
        told: Why it was not sent, as its row says.
    """

    id: int
    action: str = "create"
    event: str | None = None
    event_is_known: bool = False
    event_is_gone: bool = False
    event_status: str | None = None
    event_of_type: str | None = None
    event_client: str | None = None
    client: str | None = None
    client_is_known: bool = False
    client_is_gone: bool = False
    technician: str | None = None
    technician_is_known: bool = False
    technician_status: str | None = None
    is_schedulable: bool | None = None
    start_at: datetime | None = None
    minutes: int | None = None
    is_all_day: bool = False
    of_type: str = "APPOINTMENT"
    pianos: tuple[Piano, ...] | None = field(default=())
    is_forced: bool = False
    joint: str | None = None
    told: str | None = None


@dataclass(frozen=True)
class Checked:
    """A draft that has not been sent, and what keeps it.

    Attributes:
        id: Of the draft.
        problems: Empty: the next push sends it.
        ignored: Conflicts in spite of which it is sent.
        action: `create`, `move`, `cancel`, `complete` or `confirm`.
        joint: What the drafts of a joint visit have in common, or None.
        told: Why it was not sent, as its row says.
    """

    id: int
    problems: tuple[Problem, ...]
    ignored: tuple[Problem, ...] = ()
    action: str = "create"
    joint: str | None = None
    told: str | None = None


def check_drafts(connection: Connection, now: datetime) -> list[Checked]:
    """Every draft that has not been sent, with what is wrong with it; one round trip.

    Args:
        connection: Of `borrow`.
        now: Aware.
    """
    facts, conflicts = together(connection, FACTS, CONFLICTS)
    return checked_in(facts, conflicts, now)


def checked_in(facts: Rows, conflicts: Rows, now: datetime) -> list[Checked]:
    """The same from the rows of `FACTS` and `CONFLICTS`; of a joint visit, all drafts go or none."""
    taken: dict[int, list[Problem]] = {}
    for id_, code, other in conflicts:
        taken.setdefault(id_, []).append(Problem(code, other))
    found = []
    for draft in map(_facts, facts):
        met = tuple(taken.get(draft.id, ()))
        problems = (*problems_of(draft, now), *(() if draft.is_forced else met))
        found.append(Checked(draft.id, problems, met if draft.is_forced else (), draft.action, draft.joint, draft.told))
    return [_with_joint(one, found) for one in found]


def _with_joint(one: Checked, all_: list[Checked]) -> Checked:
    others = (
        other for other in all_
        if one.joint and other.joint == one.joint and other.action == one.action and other.id != one.id
    )  # fmt: skip
    waiting = [Problem("joint", f"draft:{other.id}") for other in others if keeping(other)]
    return replace(one, problems=(*one.problems, *waiting))


def explain_drafts(connection: Connection, now: datetime) -> list[Checked]:
    """The same for people: of a draft with which nothing is wrong here, what the last push met, at Gazelle for example.

    Args:
        connection: Of `borrow`.
        now: Aware.
    """
    # What was wrong here, and is not any more, the next push sees.
    held = tuple(translator(language).text(HELD).partition("{")[0] for language in LANGUAGES)
    return [
        replace(one, problems=(Problem("not_sent", one.told),))
        if one.told and not one.problems and not one.told.startswith(held)
        else one
        for one in check_drafts(connection, now)
    ]


def keeping(checked: Checked) -> list[Problem]:
    """Of what is wrong with a draft, what keeps it from being sent."""
    return [problem for problem in checked.problems if (checked.action, problem.code) not in ALREADY_SO]


def evaluate_drafts(connection: Connection, language: str) -> Mapping[str, Verdict]:
    """See `Pushable.gate`."""
    say = translator(language)

    def said(text: Message, problems: list[Problem] | tuple[Problem, ...]) -> str | None:
        return say(text, problems="; ".join(problem.text(say) for problem in problems)) if problems else None

    verdicts = {}
    for one in check_drafts(connection, datetime.now(UTC)):
        reason = said(HELD, keeping(one))
        verdicts[str(one.id)] = Verdict(reason, reason == one.told, said(IN_SPITE, one.ignored))
    return verdicts


def _facts(row: tuple[Any, ...]) -> Facts:
    *values, pianos, is_forced, joint, told = row
    named = [Piano(*piano) for piano in pianos or ()]
    known = None if any(piano.id is None for piano in named) else tuple(named)
    return replace(Facts(*values), pianos=known, is_forced=is_forced, joint=joint, told=told)


def problems_of(facts: Facts, now: datetime) -> list[Problem]:
    """What is wrong with a draft; conflicts apart, which the database finds.

    Args:
        facts: The draft, and what is known of what it names.
        now: Aware.
    """
    found: list[Problem] = []
    if facts.action != "create":
        found += _of_event(facts)
    if facts.action in ("create", "move"):
        found += [*_of_technician(facts), *_of_time(facts, now)]
    if facts.action in ("create", "move", "complete"):
        found += _of_pianos(facts)
    if facts.action == "create":
        found = [*_of_client(facts), *found]
    if facts.action == "complete":
        found += [Problem("inactive_piano", one.id) for one in facts.pianos or () if one.status == "INACTIVE"]
    return found


def _of_client(facts: Facts) -> Iterator[Problem]:
    if facts.of_type not in TYPES:
        yield Problem("bad_type", facts.of_type)
    if facts.client is None:
        if facts.of_type == "APPOINTMENT":
            yield Problem("no_client")
    elif facts.of_type == "MEMO":
        yield Problem("memo_keeps_no_client")
    elif not facts.client_is_known:
        yield Problem("unknown_client", facts.client)
    elif facts.client_is_gone:
        yield Problem("client_gone", facts.client)


def _of_technician(facts: Facts) -> Iterator[Problem]:
    if facts.technician is None:
        if facts.action == "create":
            yield Problem("no_technician")
    elif not facts.technician_is_known:
        yield Problem("unknown_technician", facts.technician)
    elif facts.technician_status != "ACTIVE":
        yield Problem("inactive_technician", facts.technician)
    elif not facts.is_schedulable:
        yield Problem("not_schedulable", facts.technician)


def _of_time(facts: Facts, now: datetime) -> Iterator[Problem]:
    if facts.start_at is None:
        if facts.action == "create":
            yield Problem("no_start")
    elif not now - FARTHEST_PAST <= facts.start_at <= now + FARTHEST_AHEAD:
        yield Problem("start_out_of_range", f"{facts.start_at.astimezone(MONTREAL):%Y-%m-%d %H:%M}")
    minutes = facts.minutes
    if minutes is None:
        is_wrong = facts.action == "create" and not facts.is_all_day
    else:
        is_wrong = not 1 <= minutes <= LONGEST_MINUTES
    if is_wrong:
        yield Problem("bad_duration", str(LONGEST_MINUTES))


def _of_pianos(facts: Facts) -> Iterator[Problem]:
    if facts.pianos is None:
        yield Problem("bad_pianos")
        return
    owner = facts.client if facts.action == "create" else facts.client or facts.event_client
    for piano in facts.pianos:
        if not piano.is_known:
            yield Problem("unknown_piano", piano.id)
        elif piano.is_gone:
            yield Problem("piano_gone", piano.id)
        elif owner is not None and piano.client is not None and piano.client != owner:
            yield Problem("piano_of_another_client", piano.id)


def _of_event(facts: Facts) -> Iterator[Problem]:
    if facts.event is None:
        yield Problem("no_event")
    elif not facts.event_is_known:
        yield Problem("unknown_event", facts.event)
    elif facts.event_is_gone:
        yield Problem("event_gone", facts.event)
    elif facts.event_of_type == "SYNCED":
        yield Problem("not_writable", facts.event)
    elif facts.event_status == "CANCELED":
        yield Problem("event_canceled", facts.event)
    elif facts.event_status == "COMPLETE":
        yield Problem("event_complete", facts.event)
