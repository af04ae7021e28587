"""The stock: whose it is, what is to be ordered; counted, bought and moved."""

from __future__ import annotations

from decimal import Decimal
from http import HTTPStatus
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from gazelle_sync.desk.errors import ChangedMeanwhile, Refused
from gazelle_sync.desk.journal import change
from gazelle_sync.desk.pages import Flash, desk_of, form_of, language_of, person_of, render, then, words_of
from gazelle_sync.errors import SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.shop.inventory.consumption import MAIN
from gazelle_sync.shop.inventory.naming import Names
from gazelle_sync.shop.inventory.quantities import quantity_of
from gazelle_sync.shop.inventory.render import KINDS as MOVED
from gazelle_sync.shop.inventory.render import render_moved
from gazelle_sync.shop.inventory.stock import KINDS, Count, Moved, Selection, Stock, Stockroom

HUNDREDTH = Decimal("0.01")
ACTIONS = {
    "count": Message("Counted"),
    "purchase": Message("Bought"),
    "transfer": Message("Give to somebody"),
    "loss": Message("Lost"),
    "return": Message("Brought back"),
    "correction": Message("Correct by"),
}
MOVEMENTS = 30


def stock(request: Request) -> Response:
    """All of it, by technician."""
    technician = request.query_params.get("technician") or None
    is_low = request.query_params.get("low") == "1"
    room = _room(request)
    found = [one for one in room.read(technician=technician) if not is_low or one.is_low or one.quantity < 0]
    found.sort(key=lambda one: (one.technician_name or one.technician, _name(one, language_of(request))))
    by_person = [
        (name, list(rows)) for name, rows in groupby(found, key=lambda one: one.technician_name or one.technician)
    ]
    return render(
        request, "stock", by_person=by_person, is_low=is_low, technician=technician, item_address=_address, name=_name,
        people=_people(room.names()), main=MAIN,
    )  # fmt: skip


def item(request: Request) -> Response:
    """One material of one person: how much, what moved it, and the forms."""
    return _item(request)


def move(request: Request) -> Response:
    """A movement was sent."""
    form, room = form_of(request), _room(request)
    action, product, technician = form.get("action", ""), form.get("product", ""), form.get("technician", "")
    location = form.get("location", "").strip() or MAIN
    if action not in ACTIONS or not product.strip() or not technician.strip():
        raise Refused(gettext("This form is incomplete: open the page again."))
    goes_to = _address(product, technician, location)
    try:
        with change(
            request, f"stock_{action}", product, goes_to=goes_to, technician=technician, location=location,
            quantity=form.get("quantity", ""), to=form.get("to", ""), reason=form.get("reason", ""),
        ):  # fmt: skip
            asked, moved = _moved(room, action, form, location)
    except (SettingsError, ChangedMeanwhile) as error:
        status = getattr(error, "status", HTTPStatus.UNPROCESSABLE_ENTITY)
        return _item(request, product, technician, location, said=Flash(str(error), "refused"), status=status)
    return then(request, goes_to, render_moved(language_of(request), asked, moved))


def _moved(room: Stockroom, action: str, form: dict[str, str], location: str) -> tuple[Selection, list[Moved]]:
    """Do it; gives what was asked for and what came of it.

    Raises:
        SettingsError: It makes no sense, or there is not so much.
        ChangedMeanwhile: What was counted is another stock than the person saw.
    """
    reason = form.get("reason", "").strip() or None
    others = [form.get("to", "")] if action == "transfer" else []
    least = Decimal(0) if action == "count" else None if action == "correction" else HUNDREDTH
    quantity = quantity_of(form.get("quantity", "").strip(), least=least)
    asked = room.ask(form["product"], form["technician"], *others)
    if action == "count":
        _assert_seen(room, asked, location, form.get("seen", ""))
        threshold = form.get("reorder_threshold", "").strip()
        count = Count(
            room.id_of(asked.material), asked.people[0].id, location, quantity,
            quantity_of(threshold, least=Decimal(0)) if threshold else None,
        )  # fmt: skip
        return asked, room.count([count], reason)
    if action == "purchase":
        return asked, room.purchase(asked, quantity, location=location, reason=reason)
    if action == "transfer":
        there = form.get("to_location", "").strip() or MAIN
        return asked, room.transfer(asked, quantity, here=location, there=there, reason=reason)
    if action == "correction" and reason is None:
        raise SettingsError(gettext("Say why it is corrected."))
    if action not in KINDS or not quantity:
        raise SettingsError(gettext("A movement of nothing is none."))
    return asked, room.move(asked, action, quantity, location=location, reason=reason)


def _assert_seen(room: Stockroom, asked: Selection, location: str, seen: str) -> None:
    """Refuse a count of a stock that was moved since its page was opened."""
    now = None if (known := asked.material.id) is None else _quantity(room, known, asked.people[0].id, location)
    if seen and (now is None or quantity_of(seen) != now.quantity):
        raise ChangedMeanwhile(
            gettext(
                "Somebody moved this stock in the meantime: it is {now}, not {seen}. Count again with that in mind.",
                now="—" if now is None else now.quantity,
                seen=seen,
            )
        )


def _item(
    request: Request, product: str | None = None, technician: str | None = None, location: str | None = None,
    *, said: Flash | None = None, status: int = HTTPStatus.OK,
) -> Response:  # fmt: skip
    asked = request.query_params
    product = asked.get("product", "") if product is None else product
    technician = asked.get("technician", "") if technician is None else technician
    location = location or asked.get("location") or MAIN
    room, language = _room(request), language_of(request)
    names = room.names()
    material = person = now = None
    history: list[Any] = []
    try:
        material = names.material(product, language) if product else None
        person = names.person(technician) if technician else None
    except SettingsError as error:
        said = said or Flash(str(error), "refused")
    if material is not None and material.id is not None and person is not None:
        now = _quantity(room, material.id, person.id, location)
        past = room.history(product_id=material.id, technician=person.id, invoice=None, limit=MOVEMENTS)
        history = [(one, MOVED[one.kind]) for one in past]
    return render(
        request,
        "stock_item",
        status=status,
        said=said,
        material=material,
        title=material.name(language) if material else None,
        holder=person,
        product=material.label if material else product,
        technician=person.id if person else technician,
        location=location,
        now=now,
        seen="" if now is None else str(now.quantity),
        history=history,
        actions=ACTIONS,
        people=_people(names),
        materials=sorted({one.name(language) for one in names.materials if one.is_active and not one.is_archived}),
        typed_form=form_of(request) if request.method == "POST" else {},
        write=words_of(language).quantity,
    )


def _quantity(room: Stockroom, product_id: int, technician: str, location: str) -> Stock | None:
    found = room.read(product_id=product_id, technician=technician)
    return next((one for one in found if one.location == location), None)


def _people(names: Names) -> list[tuple[str, str]]:
    """Ids and names of those who are there."""
    return sorted(((one.id, one.name) for one in names.people.values() if one.is_there), key=lambda one: one[1])


def _room(request: Request) -> Stockroom:
    settings = desk_of(request).settings.replace(language=language_of(request))
    return Stockroom(settings, made_by=person_of(request).name)


def _name(one: Stock, language: str) -> str:
    names = (one.name_fr, one.name_en) if language == "fr" else (one.name_en, one.name_fr)
    return next((name for name in (*names, one.sku, one.external_id) if name), f"#{one.product_id}")


def _address(product: str, technician: str, location: str) -> str:
    return f"/stock/item?{urlencode({'product': product, 'technician': technician, 'location': location})}"
