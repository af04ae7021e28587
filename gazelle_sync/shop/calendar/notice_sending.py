"""Makes notices of what the last complete scan found, and sends what is due.

Notices are made in one transaction under a lock, of rows that the last complete scan of appointments had written when
its watermark moved: a scan that failed, came in part, or is still under way, makes none. Each message is claimed just
before it is sent. One whose sender died, or got no answer, may have arrived: it is not sent again, and a check says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from gazelle_sync.i18n.translator import Translator, translator
from gazelle_sync.montreal import MONTREAL, montreal_day, parse_instant
from gazelle_sync.runtime.logs import get_logger
from gazelle_sync.shop.calendar.agenda import known_technician
from gazelle_sync.shop.calendar.notices import (
    BUFFER,
    LISTS,
    Notice,
    View,
    is_night,
    list_day,
    list_is_due,
    message_of,
    notice_of,
)
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, Rows, together

LOCK = 0x6761_7A11
WATERMARK, PARTIAL = "last_sync_date.appointments", "partial_scan.appointments"
SETTINGS = "calendar.notices."
SINCE, EMPTY = f"{SETTINGS}since", f"{SETTINGS}empty"
LONGEST_SENDING = timedelta(minutes=10)
"""After so long no further message is begun: what is left goes with the next run."""
MISSED_DAYS = 14
"""So many days' lists are made up for after an outage."""

log = get_logger("gazelle_sync.calendar")


class NotDelivered(Exception):
    """A message did not go; the reason, without secrets.

    Attributes:
        may_have_arrived: Whether no answer came: it is not sent again then.
    """

    def __init__(self, reason: str, *, may_have_arrived: bool = False) -> None:
        super().__init__(reason)
        self.may_have_arrived = may_have_arrived


Clock = Callable[[], datetime]
"""The time, aware UTC; while messages are sent, it goes on."""
Deliver = Callable[[str, str, str], None]
"""Sends a message to an address: title and text. Raises `NotDelivered`."""


@dataclass(frozen=True)
class NoticeCounts:
    """How many notices were made, sent and not delivered.

    Attributes:
        made: Notices that were made, lists apart.
        sent: Notices that were sent.
        failed: Those that did not go, or may not have arrived.
        unaddressed: Those of technicians without an address.
    """

    made: int = 0
    sent: int = 0
    failed: int = 0
    unaddressed: int = 0


@dataclass(frozen=True)
class _State:
    """When the last scan began and ended, whether it was complete, and what was made last."""

    began: datetime | None
    scanned: datetime | None
    settings: Mapping[str, str]

    @property
    def is_complete(self) -> bool:
        return self.began is not None and self.scanned is not None and PARTIAL not in self.settings


def tell(connection: Connection, clock: Clock, deliver: Deliver) -> NoticeCounts:
    """Make the notices that are due, and send them.

    Args:
        connection: Of `borrow`.
        clock: Gives the time.
        deliver: Sends a message.
    """
    made = make_notices(connection, clock())
    return replace(send_notices(connection, clock, deliver), made=made)


def make_notices(connection: Connection, now: datetime) -> int:
    """Compare what technicians know with what the last complete scan found; gives how many notices were made.

    Args:
        connection: Of `borrow`.
        now: Aware UTC.
    """
    with connection.transaction():
        _, rows = together(
            connection, (statement("calendar/notice_lock"), {"lock": LOCK}), (statement("calendar/notice_state"), None)
        )
        state = _state(rows)
        if not state.is_complete:
            return 0
        if SINCE not in state.settings:
            _begin(connection, state, now)
            return 0
        if is_night(now):
            return 0
        connection.execute(statement("calendar/notice_views_prune"), {"now": now})
        bounds = {"now": now, "scanned": state.scanned, "settled": now - BUFFER}
        found = connection.execute(statement("calendar/notice_views"), bounds).fetchall()
        made = _changes(connection, found, now) if found else 0
        _lists(connection, state, now)
        return made


def _state(rows: Rows) -> _State:
    values = {key: value for key, value, _ in rows}
    scanned = next((at for key, _, at in rows if key == WATERMARK), None)
    return _State(parse_instant(values.get(WATERMARK)), scanned, values)


def _begin(connection: Connection, state: _State, now: datetime) -> None:
    """The first complete scan is what technicians know; its lists count as made.

    One that came empty may be Gazelle's fault, and the next would tell of a whole calendar: a second has to say the
    same.
    """
    scan = state.settings[WATERMARK]
    if state.settings.get(EMPTY, scan) == scan:
        [(is_empty,)] = connection.execute("SELECT NOT EXISTS (SELECT FROM gazelle_appointments)").fetchall()
        if is_empty:
            connection.execute(*_setting({EMPTY: scan}))
            return
    connection.execute(statement("calendar/notice_baseline"), {"now": now})
    known = {SINCE: now.isoformat()} | {f"{SETTINGS}{kind}": list_day(kind, now).isoformat() for kind in LISTS}
    connection.execute(*_setting(known))


def _setting(values: Mapping[str, str]) -> Question:
    return statement("calendar/notice_setting"), {"keys": list(values), "values": list(values.values())}


def _changes(connection: Connection, rows: Rows, now: datetime) -> int:
    """Make the notices of what is not as technicians know it."""
    differing = [(View(*row[:4]), row[4:]) for row in rows]
    visits, technicians = [view.visit for view, _ in differing], [view.technician for view, _ in differing]
    pairs = {"visits": visits, "technicians": technicians}
    unsent = connection.execute(statement("calendar/notice_unsent"), pairs).fetchall()
    befores: dict[tuple[str, str], datetime | None] = {}
    for _, visit, technician, before in unsent:
        befores.setdefault((visit, technician), parse_instant(before))
    notices: list[Notice] = []
    for view, (is_alive, others_had, author, details) in differing:
        before = befores.get((view.visit, view.technician), view.told)
        notice = notice_of(view, before, now, is_alive=is_alive, others_had=others_had, author=author)
        if notice is not None:
            notices.append(replace(notice, details={**details, **notice.details}))
    known = pairs | {"told": [view.found for view, _ in differing]}
    superseded = {"ids": [id_ for id_, *_ in unsent], "now": now}
    together(
        connection,
        (statement("calendar/notice_supersede"), superseded),
        (statement("calendar/notice_views_write"), known),
        _inserted(notices, now),
    )
    return len(notices)


def _inserted(notices: Sequence[Notice], now: datetime) -> Question:
    return statement("calendar/notice_insert"), {
        "kinds": [one.kind for one in notices],
        "visits": [one.visit for one in notices],
        "technicians": [one.technician for one in notices],
        "days": [one.day for one in notices],
        "reasons": [one.reason for one in notices],
        "details": [Jsonb(dict(one.details)) for one in notices],
        "now": now,
    }


def _lists(connection: Connection, state: _State, now: datetime) -> None:
    assert state.began is not None  # noqa: S101 - the scan is complete
    for kind, hour in LISTS.items():
        last = date.fromisoformat(state.settings.get(f"{SETTINGS}{kind}", "1900-01-01"))
        if list_is_due(kind, last, state.began, now):
            day = list_day(kind, now)
            since = max(last, day - timedelta(days=MISSED_DAYS)) + timedelta(days=1)
            hours = {"day": day, "since": since, "hour": datetime.combine(day, hour, MONTREAL)}
            connection.execute(statement("calendar/notice_list"), {"kind": kind, "now": now, **hours})
            connection.execute(*_setting({f"{SETTINGS}{kind}": day.isoformat()}))


def send_notices(connection: Connection, clock: Clock, deliver: Deliver) -> NoticeCounts:
    """Send what is due, one message after the other; at night nothing is.

    A message is claimed in the transaction that marks the one before, so a sender that dies leaves one that may have
    arrived, and all others to whoever comes next.

    Args:
        connection: Of `borrow`.
        clock: Gives the time.
        deliver: Sends a message.
    """
    counts: Counter[str] = Counter()
    marks: list[Question] = []
    until = clock() + LONGEST_SENDING
    while not is_night(now := clock()) and now < until:
        *_, unaddressed, claimed = together(connection, *marks, *_next_message(now))
        marks = []
        counts["suppressed"] += len(unaddressed)
        for (technician, kind), visits in Counter(unaddressed).items():
            log.info("a technician has no address for notices", technician=technician, kind=kind, visits=visits)
        if not claimed:
            break
        status, reason = _deliver(claimed, now, deliver)
        counts[status] += len(claimed)
        ended = {"ids": [row[0] for row in claimed], "status": status, "reason": reason, "now": clock()}
        marks = [(statement("calendar/notice_mark"), ended)]
    if marks:
        together(connection, *marks)
    return NoticeCounts(sent=counts["sent"], failed=counts["failed"] + counts["due"], unaddressed=counts["suppressed"])


def _next_message(now: datetime) -> tuple[Question, ...]:
    """Put away what is not sent any more, and claim the message that is due next."""
    return (
        (statement("calendar/notice_lock"), {"lock": LOCK}),
        (statement("calendar/notice_interrupted"), {"now": now}),
        (statement("calendar/notice_over"), {"now": now, "today": montreal_day(now)}),
        (statement("calendar/notice_unaddressed"), {"now": now}),
        (statement("calendar/notice_claim"), {"now": now, "lists": list(LISTS)}),
    )


def _deliver(rows: Rows, now: datetime, deliver: Deliver) -> tuple[str, str | None]:
    """Send a message; gives the status of its notices, and why."""
    (_, kind, technician, _, address, language), *_ = rows
    details = sorted((row[3] for row in rows), key=lambda one: str(one.get("after")))
    title, text = message_of(translator(language), kind, details, now)
    try:
        deliver(address, title, text)
    except NotDelivered as error:
        log.warning("a notice was not delivered", technician=technician, kind=kind, reason=str(error))
        return ("failed", "unanswered") if error.may_have_arrived else ("due", str(error)[:200])
    return "sent", None


def set_contact(connection: Connection, technician: str, address: str, language: str) -> None:
    """Say where a technician gets notices.

    Args:
        connection: Of `borrow`.
        technician: The user's id at Gazelle.
        address: An Apprise address.
        language: `en` or `fr`.

    Raises:
        NoSuchTechnician: There is no such user.
    """
    values = {"technician": known_technician(connection, technician), "address": address, "language": language}
    connection.execute(statement("calendar/contact_write"), values)


def forget_contact(connection: Connection, technician: str) -> None:
    """A technician gets no notices any more."""
    query = "DELETE FROM technician_contacts WHERE technician_external_id = gazelle.bare_id(%s)"
    connection.execute(query, [technician])


def read_notices(connection: Connection, since: datetime) -> list[dict[str, Any]]:
    """The notices that were made since then, the newest first, as a program reads them.

    Args:
        connection: Of `borrow`.
        since: Aware.
    """
    names = ("id", "kind", "external_id", "technician", "day", "status", "reason", "due_at", "sent_at")
    found = []
    for row in connection.execute(statement("calendar/notices_read"), {"since": since}):
        values = dict(zip(names, row, strict=True))
        dates = {name: values[name] and values[name].isoformat() for name in ("day", "due_at", "sent_at")}
        found.append(values | dates)
    return found


def render_notices(say: Translator, notices: Sequence[Mapping[str, Any]]) -> str:
    """Notices for a terminal."""
    if not notices:
        return say("Nobody was told anything.")
    return "\n".join(
        f"{one['day']}  {one['technician']}  {one['kind']}  {one['external_id']}  "
        + " ".join(str(one[name]) for name in ("status", "reason") if one[name])
        for one in notices
    )
