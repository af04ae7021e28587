"""The agenda by day and week, and visits that are made, moved, cancelled and confirmed; conflicts are said first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from itertools import groupby
from typing import Any

import psycopg
from starlette.requests import Request
from starlette.responses import Response

from gazelle_sync.desk.errors import AlreadySent, ChangedMeanwhile, NotFound, Refused
from gazelle_sync.desk.journal import change
from gazelle_sync.desk.pages import Flash, desk_of, form_of, person_of, render, say_of, then
from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext, language
from gazelle_sync.i18n.translator import Message, translator
from gazelle_sync.montreal import MONTREAL, montreal_day, spoken_instant
from gazelle_sync.push.pushables.appointment_checks import Problem, check_drafts
from gazelle_sync.shop.calendar.agenda import PENDING, TYPES, Entry, read_agenda
from gazelle_sync.shop.calendar.drafts import MINUTES, add_visit, change_visit
from gazelle_sync.shop.calendar.wall_clock import TimeIsTwice, instant_of
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.names import names_in, names_question
from gazelle_sync.warehouse.pool import Question, Rows, borrow, together

WEEK = 7
VISIT = (
    "id", "draft_id", "title", "start_at", "minutes", "is_all_day", "event_type", "status", "is_confirmed",
    "technician_id", "technician", "client_id", "client", "notes", "address", "pianos", "recurs", "error",
)  # fmt: skip
ACTIONS = {
    "move": Message("Moved."),
    "cancel": Message("Cancelled."),
    "confirm": Message("Confirmed."),
    "complete": Message("Marked as done."),
}
SERVICES = {
    "tuning": Message("Tuning"), "hall": Message("Hall"), "half-day": Message("Half a day"), "day": Message("A day"),
}  # fmt: skip
NEXT_PUSH = Message("It goes to Gazelle with the next push.")
STORED = Message("The visit is stored.")
STATUSES = {
    "ACTIVE": Message("planned"), "COMPLETE": Message("done"), "CANCELED": Message("cancelled"),
    "NO_SHOW": Message("nobody was there"),
}  # fmt: skip
"""Of a visit at Gazelle."""
WAITING = {
    "move": PENDING["move"], "cancel": Message("to be cancelled there"), "confirm": Message("to be confirmed there"),
    "complete": Message("to be marked as done there"),
}  # fmt: skip
"""What was decided here about a visit at Gazelle, which does not know it yet."""


def agenda(request: Request) -> Response:
    """A day or a week, from today or another day on."""
    asked = request.query_params
    today = montreal_day(datetime.now(UTC))
    first = _day(asked.get("day", "")) or today
    is_day = asked.get("view") == "day"
    first = first if is_day else first - timedelta(days=first.weekday())
    days = 1 if is_day else WEEK
    technician = asked.get("technician") or None
    with borrow(desk_of(request).url) as connection:
        entries = read_agenda(connection, first, days, technician)
        wrong = {one.id: one.problems for one in check_drafts(connection, datetime.now(UTC)) if one.problems}
        technicians, waits = together(
            connection, (statement("desk/technicians"), None), _waiting(one.external_id for one in entries)
        )
    by_day = {day: list(of_day) for day, of_day in groupby(entries, key=lambda one: one.day)}
    shown = [
        (day, [(name, list(rows)) for name, rows in groupby(by_day.get(day, ()), key=_whose)])
        for day in (first + timedelta(days=n) for n in range(days))
    ]
    return render(
        request, "agenda", days=shown, first=first, today=today, is_day=is_day, step=timedelta(days=days),
        technician=technician, technicians=technicians, types=TYPES, pending=PENDING, wrong=wrong,
        waiting=_by_visit(waits), waiting_names=WAITING,
    )  # fmt: skip


def new(request: Request) -> Response:
    """The form of a new visit."""
    return _form(request, dict(request.query_params))


def add(request: Request) -> Response:
    """A new visit was sent: it is stored where nothing is wrong with it, or where the person wants it all the same."""
    form, say = form_of(request), say_of(request)
    person = person_of(request).name
    is_forced = form.get("force") == "1"
    technicians = (
        [form["technician"], *([form["other"]] if form.get("other") else [])] if form.get("technician") else []
    )
    try:
        start = _instant(form)
        values: dict[str, Any] = {
            "client_external_id": form.get("client") or None,
            "start_at": start,
            "duration_minutes": _minutes(form),
            "title": form.get("title", "").strip() or None,
            "notes": form.get("notes", "").strip() or None,
            "is_forced": is_forced,
            "updated_by": person,
        }
        pianos = [one for one in form.get("pianos", "").split() if one]
        with (
            change(request, "visit_create", form.get("client"), goes_to="/agenda", start=form.get("start", "")) as more,
            borrow(desk_of(request).url) as connection,
        ):
            ids, problems = _stored(connection, values, technicians or [None], pianos, keeps=form.get("keep") == "1")
            more["drafts"] = ids
            if problems and not ids:
                raise Refused("; ".join(problem.text(say) for problem in problems))
    except AlreadySent:
        raise
    except TimeIsTwice as error:
        return _form(request, form, said=Flash(_twice(), "refused"), choices=error.choices)
    except CommandRefused as error:
        return _form(request, form, said=Flash(str(error), "refused"), is_refused=True)
    said = " ".join([say(STORED), *([say(NEXT_PUSH)] if not problems else [problem.text(say) for problem in problems])])
    day = montreal_day(start) if start else ""
    return then(request, f"/agenda?view=day&day={day}", said, "refused" if problems else "done")


def visit(request: Request) -> Response:
    """A visit, and what can be done about it."""
    return _visit(request)


def alter(request: Request) -> Response:
    """A change of a visit was sent."""
    form, say = form_of(request), say_of(request)
    key, action = request.path_params["id"], form.get("action", "")
    if action not in ACTIONS:
        raise Refused(gettext("This form is incomplete: open the page again."))
    values: dict[str, Any] = {"updated_by": person_of(request).name}
    try:
        if action == "move":
            values |= {"start_at": _instant(form)}
            values |= {"duration_minutes": minutes} if (minutes := _minutes(form)) else {}
            values |= {"technician_external_id": form["technician"]} if form.get("technician") else {}
            values |= {"is_forced": True} if form.get("force") == "1" else {}
        if action == "complete" and form.get("notes", "").strip():
            values["notes"] = form["notes"].strip()
        if form.get("future") == "1":
            values["recurrence_change"] = "FUTURE"
        with (
            change(
                request, f"visit_{action}", key, goes_to=f"/agenda/visit/{key}", start=form.get("start", "")
            ) as more,
            borrow(desk_of(request).url) as connection,
        ):
            _assert_seen(connection, key, form.get("seen", ""))
            ids, problems = _changed(connection, key, action, values, keeps=form.get("keep") == "1")
            more["drafts"] = ids
            if problems and not ids:
                raise Refused("; ".join(problem.text(say) for problem in problems))
    except AlreadySent:
        raise
    except TimeIsTwice as error:
        return _visit(request, said=Flash(_twice(), "refused"), choices=error.choices)
    except CommandRefused as error:
        return _visit(request, said=Flash(str(error), "refused"), status=getattr(error, "status", 422), is_refused=True)
    said = " ".join(
        [say(ACTIONS[action]), *([say(NEXT_PUSH)] if not problems else [one.text(say) for one in problems])]
    )
    return then(request, "/agenda", said, "refused" if problems else "done")


def _stored(
    connection: Connection, values: Mapping[str, Any], technicians: Sequence[str | None], pianos: Sequence[str],
    *, keeps: bool,
) -> tuple[list[int], list[Problem]]:  # fmt: skip
    """Store a visit and say what is wrong with it; where something is, only what `keeps` says stays."""
    return _tried(connection, lambda: add_visit(connection, values, technicians, pianos), keeps=keeps)


def _changed(
    connection: Connection, key: str, action: str, values: Mapping[str, Any], *, keeps: bool
) -> tuple[list[int], list[Problem]]:
    return _tried(connection, lambda: change_visit(connection, key, action, values), keeps=keeps)


def _tried(connection: Connection, store: Callable[[], list[int]], *, keeps: bool) -> tuple[list[int], list[Problem]]:
    with connection.transaction() as transaction:
        ids = store()
        checked = check_drafts(connection, datetime.now(UTC))
        problems = [problem for one in checked if one.id in ids for problem in one.problems]
        if problems and not keeps:
            raise psycopg.Rollback(transaction)
        return ids, problems
    return [], problems


def _assert_seen(connection: Connection, key: str, seen: str) -> None:
    """Refuse to change a visit that is at another time, or somebody else's, by now."""
    now = _read(connection, key)
    if _seen(now) != seen:
        raise ChangedMeanwhile(
            gettext(
                "Somebody changed this visit in the meantime: it is on {time} with {technician} now. Nothing was "
                "changed.",
                time=spoken_instant(translator(language()), now["start_at"]),
                technician=now["technician"] or now["technician_id"] or "—",
            )
        )


def _seen(visit: Mapping[str, Any]) -> str:
    """A text of when a visit is and whose, to tell later whether somebody changed it."""
    return f"{visit['start_at'].isoformat()} {visit['minutes']} {visit['technician_id']} {visit['status']}"


def _read(connection: Connection, key: str) -> dict[str, Any]:
    asked = {"id": key, "draft": int(key) if key.isascii() and key.isdigit() and len(key) < 19 else None}
    row = connection.execute(statement("desk/visit"), asked).fetchone()
    if row is None and asked["draft"] is not None:
        raise NotFound(
            gettext("Visit {id} does not wait here: it was cancelled, or Gazelle has it. The agenda shows it.", id=key)
        )
    if row is None:
        raise NotFound(gettext("There is no visit {id}.", id=key))
    return dict(zip(VISIT, row, strict=True))


def _visit(
    request: Request,
    *,
    said: Flash | None = None,
    status: int = HTTPStatus.UNPROCESSABLE_ENTITY,
    choices: Any = None,
    is_refused: bool = False,
) -> Response:
    with borrow(desk_of(request).url) as connection:
        found = _read(connection, request.path_params["id"])
        pianos, technicians, waits = together(
            connection,
            names_question(found["pianos"]),
            (statement("desk/technicians"), None),
            _waiting([found["id"]]),
        )
    form = form_of(request) if request.method == "POST" else {}
    start = form.get("start") or f"{found['start_at'].astimezone(MONTREAL):%Y-%m-%dT%H:%M}"
    return render(
        request, "visit", status=status if said else HTTPStatus.OK, said=said, visit=found,
        key=request.path_params["id"], seen=_seen(found), technicians=technicians, start=start, form=form,
        names=names_in(pianos), waits=_by_visit(waits).get(found["id"], {}), waiting_names=WAITING, states=STATUSES,
        choices=choices, is_refused=is_refused,
    )  # fmt: skip


def _form(
    request: Request,
    form: Mapping[str, str],
    *,
    said: Flash | None = None,
    choices: Any = None,
    is_refused: bool = False,
) -> Response:
    asked = {"piano": form.get("piano") or None, "client": form.get("client") or None}
    with borrow(desk_of(request).url) as connection:
        subject = connection.execute(statement("desk/visit_subject"), asked).fetchall()
        technicians = connection.execute(statement("desk/technicians")).fetchall()
    chosen = form.get("pianos", "").split()
    return render(
        request,
        "visit_new",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if said else HTTPStatus.OK,
        said=said,
        form=form,
        client=subject[0][:2] if subject else None,
        pianos=[(id_, name, room, id_ in chosen or is_it) for *_, id_, name, room, is_it in subject if id_],
        technicians=technicians,
        services=[(code, SERVICES[code], MINUTES[code]) for code in MINUTES],
        choices=choices,
        is_refused=is_refused,
    )


def _instant(form: Mapping[str, str]) -> datetime | None:
    """When, by Montreal's clock.

    Raises:
        CommandRefused: It is no time, or happens twice and the form does not say which.
    """
    start, fold = form.get("start", "").strip(), form.get("fold", "")
    return instant_of(start.replace("T", " "), int(fold) if fold in ("0", "1") else None) if start else None


def _minutes(form: Mapping[str, str]) -> int | None:
    text = form.get("minutes", "").strip()
    if not text:
        return MINUTES.get(form.get("service", ""))
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise Refused(gettext("{text} is no number of minutes.", text=text))
    return int(text)


def _twice() -> str:
    return gettext("This time happens twice on that day: the clock is set back. Say which one is meant.")


def _waiting(visits: Iterable[str | None]) -> Question:
    return statement("desk/visits_waiting"), {"ids": [one for one in visits if one]}


def _by_visit(rows: Rows) -> dict[str, dict[str, str | None]]:
    """Visit → what waits to be done about it at Gazelle, and what is wrong with that."""
    found: dict[str, dict[str, str | None]] = {}
    for visit, action, error in rows:
        found.setdefault(visit, {})[action] = error
    return found


def _whose(entry: Entry) -> str:
    return entry.technician or entry.technician_id or "—"


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1900 < found.year < 2199 else None
