"""The page of a piano: what it is, what was done, what waits to be sent; and its fields, edited in place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gazelle_sync.desk.edits import FIELDS, STATUSES, FieldChanged, mark_of, shown, write
from gazelle_sync.desk.errors import NotFound, Refused
from gazelle_sync.desk.journal import change, last_change
from gazelle_sync.desk.pages import (
    Flash,
    desk_of,
    form_of,
    is_fragment,
    language_of,
    person_of,
    render,
    say_of,
    then,
    words_of,
)
from gazelle_sync.entities import entity_name
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.shop.maintenance.alerts import KIND_NAMES, STATUS_NAMES
from gazelle_sync.shop.search.index import refresh_little
from gazelle_sync.shop.search.piano import KINDS, PushState, push_state, read_page, read_piano
from gazelle_sync.warehouse.pool import borrow

PLOT = (320, 90)


def piano(request: Request) -> Response:
    """The page."""
    return _page(request)


def edit(request: Request) -> Response:
    """A field was sent."""
    key, form = request.path_params["id"], form_of(request)
    field = FIELDS.get(form.get("field", ""))
    if field is None:
        raise Refused(gettext("This form is incomplete: open the page again."))
    text, here = form.get("value", ""), f"/pianos/{key}"
    desk = desk_of(request)
    try:
        with (
            change(request, "edit", key, goes_to=here, field=field.name, may_repeat=True) as more,
            borrow(desk.url) as connection,
        ):
            more |= write(connection, key, field, text, form.get("seen", ""), person_of(request).name)
    except FieldChanged as changed:
        return _told(request, key, changed)
    found_soon = BackgroundTask(refresh_little, desk.settings)  # nobody waits for it
    said = say_of(request)(SAVED, field=say_of(request)(field.label))
    if is_fragment(request):
        answer = _field(request, key, field.name, Flash(said))
    else:
        answer = then(request, f"{here}#field-{field.name}", said)
    answer.background = found_soon
    return answer


SAVED = Message("Saved: {field}.")


def pushing(request: Request) -> Response:
    """How the push of a piano stands, which the page asks for again and again until Gazelle has it."""
    key = request.path_params["id"]
    if not is_fragment(request):
        return RedirectResponse(f"/pianos/{key}")
    return render(
        request, "fragment_push", piano_id=key, push=_push(request, key, _read(request, key)["row"]), oob=False
    )


def _page(request: Request, *, status: int = 200, changed: FieldChanged | None = None, by: Any = None) -> Response:
    key = request.path_params["id"]
    before = _day(request.query_params.get("before", ""))
    page = read_page(desk_of(request).settings, key, before)
    if page is None:
        raise _no_piano(key)
    found = page.piano
    said = Flash(str(changed), "refused") if changed else None
    return render(
        request,
        "piano",
        status=status,
        said=said,
        piano=found,
        fields=[_field_values(found["row"], one.name) for one in FIELDS.values()],
        statuses=STATUSES,
        changed=_changed_values(changed, by),
        push=_said_of(request, page.push),
        oob=False,
        conflicts=page.conflicts,
        alerts=page.alerts,
        alert_kinds=KIND_NAMES,
        alert_states=STATUS_NAMES,
        kinds=KINDS,
        days=page.days,
        read_at=page.read_at,
        unapplied=[(entity_name(say_of(request), name), *rest) for name, *rest in page.unapplied],
        before=before,
        earlier=page.earlier,
        measured=page.measured,
        plot=_plot(page.measured),
    )


def _field(request: Request, key: str, name: str, said: Flash | None, **values: Any) -> Response:
    row = _read(request, key)["row"]
    push = _push(request, key, row)
    given = {"changed": None, **values}
    status = given.pop("status", 200)
    return render(
        request, "fragment_field", status=status, said=said, piano_id=key, field=_field_values(row, name),
        statuses=STATUSES, push=push, oob=True, **given,
    )  # fmt: skip


def _told(request: Request, key: str, changed: FieldChanged) -> Response:
    """Somebody else was quicker: both are shown, and the person decides."""
    with borrow(desk_of(request).url) as connection:
        last = last_change(connection, key, changed.field.name)
    by = last or (changed.row.get("updated_by"), None)
    if is_fragment(request):
        return _field(
            request, key, changed.field.name, Flash(str(changed), "refused"), status=changed.status,
            changed=_changed_values(changed, by),
        )  # fmt: skip
    return _page(request, status=changed.status, changed=changed, by=by)


def _changed_values(changed: FieldChanged | None, by: Any) -> dict[str, Any] | None:
    if changed is None:
        return None
    who, at = by or (None, None)
    theirs = shown(changed.row, changed.field)
    return {"name": changed.field.name, "mine": changed.mine, "theirs": theirs, "who": who, "at": at}


def _field_values(row: dict[str, Any] | None, name: str) -> dict[str, Any]:
    field = FIELDS[name]
    return {
        "name": name, "label": field.label, "hint": field.hint, "kind": field.kind, "value": shown(row, field),
        "seen": mark_of(row, field),
    }  # fmt: skip


def _read(request: Request, key: str) -> dict[str, Any]:
    with borrow(desk_of(request).url) as connection:
        found = read_piano(connection, key)
    if found is None:
        raise _no_piano(key)
    return found


def _no_piano(key: str) -> NotFound:
    return NotFound(gettext("There is no piano {id}.", id=key))


def _push(request: Request, key: str, row: dict[str, Any] | None) -> dict[str, Any]:
    return _said_of(request, push_state(desk_of(request).settings, key, row))


def _said_of(request: Request, push: PushState) -> dict[str, Any]:
    """How the push of a piano's row stands: its state, `at` in words, `reason`, and whether to ask again."""
    at = words_of(language_of(request)).when(push.at) if push.at else None
    return {"state": push.state, "at": at, "reason": push.reason, "is_open": push.is_open}


def _plot(rows: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]] | None:
    """Two lines, of humidity and temperature, over time; None: there are too few readings to draw."""
    readings = [row for row in reversed(rows) if row[1] is not None or row[2] is not None]
    if len(readings) < 2:
        return None
    width, height = PLOT
    first, last = readings[0][0].toordinal(), readings[-1][0].toordinal()
    span = max(last - first, 1)
    lines = []
    for name, place, top in (("humidity", 1, 100), ("temperature", 2, 40)):
        points = [
            (
                _scaled(row[0].toordinal() - first, span, width),
                height - _scaled(min(max(row[place], 0), top), top, height),
            )
            for row in readings
            if row[place] is not None
        ]
        if points:
            lines.append({"name": name, "points": points, "last": next(r[place] for r in rows if r[place] is not None)})
    return lines


def _scaled(value: float, of: float, length: float) -> float:
    return round(value / of * length, 1)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
