"""The lists of maintenance alerts, and what people decide."""

from __future__ import annotations

from datetime import date, datetime

from starlette.requests import Request
from starlette.responses import Response

from gazelle_sync.desk.errors import ChangedMeanwhile, Refused
from gazelle_sync.desk.journal import change
from gazelle_sync.desk.pages import desk_of, form_of, language_of, number_in, page_in, person_of, render, say_of, then
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.shop.maintenance.alerts import KIND_NAMES, LISTS, STATUS_NAMES, Wanted, decide, read_alert, read_lists
from gazelle_sync.shop.maintenance.render import EFFECTS, TITLES, render_decided

A_PAGE = 30
ON = date.fromisoformat
AT = datetime.fromisoformat
DECISIONS = {
    "resolved": Message("Resolve"),
    "archived": Message("Archive"),
    "open": Message("Open again"),
}
OFFERED = {
    "open": ("resolved", "archived"),
    "suggested": ("open", "archived"),
    "resolved": ("open", "archived"),
    "archived": ("open",),
}
"""Status → what a person may make of it."""


def alerts(request: Request) -> Response:
    """The lists, one at a time."""
    asked = request.query_params
    name = asked.get("list", "open")
    name = name if name in LISTS else "open"
    kind = asked.get("kind") if asked.get("kind") in KIND_NAMES else None
    client = asked.get("client", "").strip()
    found = read_lists(desk_of(request).settings, Wanted(kind, client or None))
    page = page_in(asked.get("page", ""))
    return render(
        request,
        "alerts",
        lists=[(one, TITLES[one], len(found[one])) for one in LISTS],
        shown=name,
        rows=found[name][(page - 1) * A_PAGE : page * A_PAGE],
        more=len(found[name]) > page * A_PAGE,
        page=page,
        kind=kind,
        client=client,
        kinds=KIND_NAMES,
        offered=OFFERED,
        decisions=DECISIONS,
        on=ON,
    )


def alert(request: Request) -> Response:
    """One of them, with its notes and its history."""
    found = read_alert(desk_of(request).settings, number_in(request.path_params["id"]))
    return render(
        request, "alert", alert=found, kinds=KIND_NAMES, states=STATUS_NAMES, effects=EFFECTS, offered=OFFERED,
        decisions=DECISIONS, on=ON, at=AT,
    )  # fmt: skip


def decide_on(request: Request) -> Response:
    """A decision was sent."""
    number, form = number_in(request.path_params["id"]), form_of(request)
    status = form.get("status", "")
    if status not in DECISIONS:
        raise Refused(gettext("This form is incomplete: open the page again."))
    settings = desk_of(request).settings.replace(language=language_of(request))
    here = f"/alerts/{number}" if form.get("back") == "alert" else "/alerts"
    with change(request, f"alert_{status}", str(number), goes_to=here, may_repeat=True):
        now = read_alert(settings, number)["status"]
        if now != form.get("seen"):
            say = say_of(request)
            raise ChangedMeanwhile(
                gettext(
                    "Alert {id} is {status} in the meantime: somebody else, or a note, was quicker. Nothing was "
                    "changed.",
                    id=number,
                    status=say(STATUS_NAMES[now]),
                )
            )
        found = decide(settings, [number], status, person_of(request).name)
    return then(request, here, render_decided(language_of(request), found))
