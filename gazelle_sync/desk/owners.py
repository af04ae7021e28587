"""For owners: who may use the desk, and who changed what."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from gazelle_sync.desk.access import ROLE_NAMES, ROLES, people, remove_person, set_person
from gazelle_sync.desk.edits import FIELDS
from gazelle_sync.desk.errors import Refused
from gazelle_sync.desk.journal import change, read_journal
from gazelle_sync.desk.pages import desk_of, form_of, number_in, person_of, render, then
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.warehouse.names import names_of
from gazelle_sync.warehouse.pool import borrow

A_PAGE = 100
ACTIONS = {
    "edit": Message("wrote"), "sync": Message("synchronized"), "push": Message("sent what waited"),
    "resolve_conflict": Message("decided on a conflict"),
    "alert_resolved": Message("resolved an alert"), "alert_archived": Message("archived an alert"),
    "alert_open": Message("opened an alert again"),
    "stock_count": Message("counted the stock"), "stock_purchase": Message("entered a purchase"),
    "stock_transfer": Message("gave material to somebody"), "stock_loss": Message("entered a loss"),
    "stock_return": Message("brought material back"), "stock_correction": Message("corrected the stock"),
    "visit_create": Message("planned a visit"), "visit_move": Message("moved a visit"),
    "visit_cancel": Message("cancelled a visit"), "visit_confirm": Message("confirmed a visit"),
    "visit_complete": Message("marked a visit as done"),
    "invoice_new": Message("began an invoice"), "invoice_add": Message("added a line to an invoice"),
    "invoice_remove": Message("took a line off an invoice"), "invoice_check": Message("checked an invoice"),
    "invoice_send": Message("sent an invoice"), "invoice_pay": Message("entered a payment"),
    "people_set": Message("said who may use the desk"), "people_remove": Message("took somebody out"),
}  # fmt: skip
"""Action of a change → what somebody did."""


def who(request: Request) -> Response:
    """Who may use the desk."""
    with borrow(desk_of(request).url) as connection:
        found = people(connection)
    return render(request, "people", people=found, roles=ROLE_NAMES, login=desk_of(request).settings.desk_login)


def set_who(request: Request) -> Response:
    """Somebody is added, changed or taken out."""
    form, person = form_of(request), person_of(request)
    name, action = form.get("name", "").strip(), form.get("action", "")
    if action not in ("set", "remove") or (action == "set" and form.get("role") not in ROLES):
        raise Refused(gettext("This form is incomplete: open the page again."))
    if name == person.name and (action == "remove" or form.get("role") != "owner"):
        raise Refused(gettext("Nobody takes their own rights away: another owner can do it."))
    details = {"role": form["role"]} if action == "set" else {}
    with (
        change(request, f"people_{action}", name, goes_to="/people", may_repeat=True, **details),
        borrow(desk_of(request).url) as connection,
    ):
        if action == "remove":
            remove_person(connection, name)
        else:
            set_person(connection, name, form["role"], form.get("password") or None, person.name)
    return then(request, "/people", gettext("Saved: {field}.", field=name))


def journal(request: Request) -> Response:
    """Who changed what, the newest first."""
    asked = request.query_params
    before = number_in(asked["before"]) if asked.get("before") else None
    with borrow(desk_of(request).url) as connection:
        rows = read_journal(connection, asked.get("record") or None, before, A_PAGE)
        names = names_of(connection, (one["record"] for one in rows if one["record"]))
    return render(
        request, "journal", rows=rows, names=names, actions=ACTIONS, labels=FIELDS, record=asked.get("record", ""),
        has_more=len(rows) == A_PAGE,
    )  # fmt: skip
