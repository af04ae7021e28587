"""The pages of drafts of invoices: create, change, check, send. The rules are those of `shop/billing`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gazelle_sync.desk.errors import AlreadySent, ChangedMeanwhile, NotFound, Refused
from gazelle_sync.desk.journal import change
from gazelle_sync.desk.pages import (
    Flash,
    desk_of,
    form_of,
    is_fragment,
    language_of,
    number_in,
    person_of,
    render,
    say_of,
    then,
)
from gazelle_sync.desk.payments import day_in
from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.shop.billing.drafts import Draft
from gazelle_sync.shop.billing.render import STATUSES
from gazelle_sync.shop.billing.store import DraftRefused, Drafts, number_of
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import borrow, together

CLOSED = ("sent", "canceled")
"""Drafts that take no line here: one that was sent is changed at Gazelle."""
LONGEST_TEXT = 20_000
LONGEST_LINE = 2_000
BEGUN = Message("It is being sent: this page shows what comes of it.")
CHECKED = Message("Nothing is missing: it can be sent.")
MISSING = Message("Something is missing: it stands below.")


def new(request: Request) -> Response:
    """The form of a new draft."""
    return _form(request, dict(request.query_params))


def make(request: Request) -> Response:
    """A new draft was sent: it is made, and its page opened."""
    form = form_of(request)
    try:
        with change(request, "invoice_new", form.get("client"), goes_to="/invoices?list=draft") as more:
            made = more["draft"] = _drafts(request).new(
                client=form.get("client", ""),
                contact=form.get("contact") or None,
                assigned_to=form.get("technician") or None,
                due_on=day_in(form["due_on"]) if form.get("due_on") else None,
                net_days=None,
                notes=_text(form, "notes", LONGEST_TEXT),
                top_notes=_text(form, "top_notes", LONGEST_TEXT),
                tags=[],
            )
    except AlreadySent:
        raise
    except CommandRefused as error:
        return _form(request, form, said=Flash(str(error), "refused"))
    return then(request, f"/invoices/drafts/{made}")


def draft(request: Request) -> Response:
    """A draft: its lines, what it comes to, what is missing."""
    return _draft(request)


def sending(request: Request) -> Response:
    """How far the sending of a draft is, which its page asks for again and again until it has ended."""
    number = number_in(request.path_params["id"])
    if not is_fragment(request):
        return RedirectResponse(f"/invoices/drafts/{number}")
    found, last = _read(request, number), desk_of(request).runs.of(about(number))
    answer = render(request, "fragment_sending", draft=found, last=last)
    if not (last is not None and last.is_running) and not found.waits:
        answer.headers["HX-Refresh"] = "true"  # the rest of the page has other buttons now
    return answer


def alter(request: Request) -> Response:
    """A line is added or taken off, or the draft is checked or sent."""
    number, form = number_in(request.path_params["id"]), form_of(request)
    act = ACTIONS.get(form.get("action", ""))
    if act is None:
        raise Refused(gettext("This form is incomplete: open the page again."))
    here, said = f"/invoices/drafts/{number}", None
    try:
        is_guarded = form["action"] != "add"  # a second line is another line
        with change(
            request, f"invoice_{form['action']}", str(number), goes_to=here, may_repeat=is_guarded, **_told(form)
        ):
            said = act(request, number, form)
    except (AlreadySent, NotFound):
        raise
    except CommandRefused as error:
        return _draft(request, said=Flash(str(error), "refused"), status=getattr(error, "status", REFUSED))
    return then(request, here, *(said or (None,)))


def about(number: int) -> str:
    """The key under which `Runs` remembers the sending of a draft."""
    return f"invoice draft {number}"


def _add(request: Request, number: int, form: Mapping[str, str]) -> tuple[str, str] | None:
    drafts, amount = _drafts(request), form.get("amount", "").strip()
    _assert_open(_read(request, number))
    drafts.add(
        number,
        language=language_of(request),
        description=_text(form, "description", LONGEST_LINE),
        product=form.get("product") or None,
        piano=form.get("piano") or None,
        quantity=number_of(form.get("quantity", "").strip() or "1"),
        amount=number_of(amount) if amount else None,
        billable=form.get("free") != "1",
        taxable=form.get("taxable") == "1",
    )
    return None


def _remove(request: Request, number: int, form: Mapping[str, str]) -> tuple[str, str] | None:
    _assert_open(_read(request, number))
    _drafts(request).remove(number, number_in(form.get("position", "")), line=number_in(form.get("line", "")))
    return None


def _check(request: Request, number: int, _: Mapping[str, str]) -> tuple[str, str] | None:
    found, checked = _drafts(request).check(number)
    is_missing = bool(checked.problems or not found.lines)
    return say_of(request)(MISSING if is_missing else CHECKED), "refused" if is_missing else "done"


def _send(request: Request, number: int, form: Mapping[str, str]) -> tuple[str, str] | None:
    """Start the command that a person would type. Whatever somebody changes until then, the command does not send."""
    seen, who = form.get("seen", ""), person_of(request).name
    found, checked = _drafts(request).preview(number)
    _assert_open(found)
    if found.fingerprint != seen:
        raise ChangedMeanwhile(
            gettext("Somebody changed draft {draft} in the meantime. Nothing was sent: look at it again.", draft=number)
        )
    if checked.problems:
        raise Refused("; ".join(checked.problems))
    words = ["invoices", "send", f"--by={who}", f"--seen={seen}", *(["--email"] if form.get("email") == "1" else [])]
    if not desk_of(request).runs.start(((*words, str(number)),), who, language_of(request), about(number)):
        raise Refused(gettext("Too much is under way already. Nothing was sent: try again in a minute."))
    return say_of(request)(BEGUN), "done"


ACTIONS = {"add": _add, "remove": _remove, "check": _check, "send": _send}
REFUSED = HTTPStatus.UNPROCESSABLE_ENTITY


def _assert_open(found: Draft) -> None:
    """Refuse to change what somebody has sent or canceled since the page was opened."""
    if found.status in CLOSED:
        raise ChangedMeanwhile(
            gettext(
                "Draft {draft} was sent or canceled in the meantime. Nothing was changed: look at it again.",
                draft=found.id,
            )
        )


def _draft(request: Request, *, said: Flash | None = None, status: int = HTTPStatus.OK) -> Response:
    number = number_in(request.path_params["id"])
    try:
        found, checked = _drafts(request).preview(number)
    except DraftRefused:
        raise _no_draft(number) from None
    asked = {"client": found.client, "piano": None, "language": language_of(request)}
    with borrow(desk_of(request).url) as connection:
        subject, products, numbers = together(
            connection,
            (statement("desk/visit_subject"), asked),
            (statement("desk/products"), asked),
            ("SELECT number FROM gazelle_invoices WHERE external_id = %s", [found.invoice]),
        )
    return render(
        request,
        "draft",
        status=status,
        said=said,
        draft=found,
        checked=checked,
        is_open=found.status not in CLOSED,
        states=STATUSES,
        number=numbers[0][0] if numbers else None,
        client=subject[0][1] if subject else None,
        pianos=[(id_, name, room) for _, _, id_, name, room, _ in subject if id_],
        products=products,
        form=form_of(request) if said and request.method == "POST" else {},
        last=desk_of(request).runs.of(about(number)),
    )


def _form(request: Request, form: Mapping[str, str], *, said: Flash | None = None) -> Response:
    asked = {"piano": form.get("piano") or None, "client": form.get("client") or None}
    with borrow(desk_of(request).url) as connection:
        contacts, technicians = together(
            connection, (statement("desk/draft_contacts"), asked), (statement("desk/technicians"), None)
        )
    return render(
        request, "draft_new", status=REFUSED if said else HTTPStatus.OK, said=said, form=form,
        client=contacts[0][:2] if contacts else None, contacts=[row[2:] for row in contacts if row[2]],
        technicians=technicians,
    )  # fmt: skip


def _read(request: Request, number: int) -> Draft:
    try:
        return _drafts(request).read(number)
    except DraftRefused:
        raise _no_draft(number) from None


def _no_draft(number: int) -> NotFound:
    return NotFound(gettext("There is no draft {draft}.", draft=number))


def _drafts(request: Request) -> Drafts:
    return Drafts(desk_of(request).url, person_of(request).name)


def _told(form: Mapping[str, str]) -> dict[str, str]:
    """What the journal keeps of a form."""
    names = ("position", "description", "product", "piano", "quantity", "amount", "taxable", "free", "email")
    return {name: form[name][:LONGEST_LINE] for name in names if form.get(name)}


def _text(form: Mapping[str, str], name: str, most: int) -> str | None:
    text = form.get(name, "").strip()
    if len(text) > most:
        raise Refused(gettext("That is too long: at most {count} letters.", count=most))
    return text or None
