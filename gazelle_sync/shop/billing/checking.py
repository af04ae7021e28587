"""Whether a draft can become an invoice, and what its sums are. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.shop.billing.drafts import Draft, DraftLine, LastPull
from gazelle_sync.shop.billing.sums import CENT, InvoiceSums, Line, Tax, sums_of

MOST = Decimal("9999999999.99")
"""The most that a numeric(12,2) holds."""

NOTHING = Decimal(0)

NO_CLIENT = Message("The account has no client {client}. Sync, or make a draft for another client.")
CLIENT_GONE = Message("The client {client} was deleted at Gazelle. Make a draft for another client.")
NO_CONTACT = Message("The client has no contact {contact}. Take it off the draft, or name another one.")
NO_LINES = Message("It has no line. Add one: `gazelle-sync invoices add {draft} --description …`.")
NO_TEXT = Message("Line {line} has no description.")
NO_PRICE = Message("Line {line} has no price.")
NO_DOLLARS = Message("Line {line} comes to 0.00 $. Give it a price, or take it off.")
BAD_PRICE = Message("Line {line}: {amount} $ is not a price in whole cents.")
BAD_QUANTITY = Message("Line {line}: the quantity has to be above 0, not {quantity}.")
FINE_QUANTITY = Message("Line {line}: Gazelle counts in hundredths, and {quantity} has more decimals.")
TOO_MUCH = Message("Line {line} comes to more than {most} $.")
TOO_MUCH_IN_ALL = Message("The invoice comes to more than {most} $.")
NOT_ABOVE_ZERO = Message("The invoice comes to {total} $; it has to be above 0.")
NO_PRODUCT = Message("Line {line}: the account has no product {product}. It may be another account's, or new: sync.")
PRODUCT_ARCHIVED = Message("Line {line}: the product {product} is archived at Gazelle. Take another one.")
PRODUCT_GONE = Message(
    "Line {line}: the product {product} is no longer at Gazelle. It may have been merged into another."
)
PRODUCT_MERGED = Message(
    "Line {line}: the product {product} turned out to be {other}, which is to be named in its place."
)
NO_PIANO = Message("Line {line}: the account has no piano {piano}.")
OTHER_PIANO = Message("Line {line}: the piano {piano} belongs to another client.")
NO_TAX = Message("Line {line}: the account has no tax {tax}. It was renamed or removed; name another one.")
NO_TAXES = Message("Line {line} is to be taxed, and the account has no default tax. Name one, or sync.")
BAD_TAXES = Message("Line {line}: its taxes are not a list of ids or names.")
UNTAXED = Message("Line {line} is not taxed, and its product is: were its taxes forgotten?")


OTHER = "OTHER"
"""Gazelle's kind of a line that sells no product."""


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        sums: As Gazelle will answer them; lines that cannot be summed count as nothing.
        lines: As they are sent, in Gazelle's units (cents, hundredths, thousandths of a percent); empty where there are
            problems.
        problems: What keeps the draft from becoming an invoice.
        remarks: What a person may want to look at; nothing is kept by it.
    """

    sums: InvoiceSums
    lines: tuple[dict[str, Any], ...]
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Dollars as text, exactly."""
        return {
            "sub_total": str(self.sums.sub_total),
            "taxes": [{"name": tax.name, "total": str(total)} for tax, total in self.sums.taxes],
            "tax_total": str(self.sums.tax_total),
            "total": str(self.sums.total),
            "problems": list(self.problems),
        }


def check(draft: Draft, last_pull: LastPull) -> Checked:
    """Check a draft against what is known of the account, and compute its sums.

    Args:
        draft: With its lines.
        last_pull: What the last pull knows of what the draft names.
    """
    problems = list(_of_header(draft, last_pull))
    remarks: list[str] = []
    lines: list[Line] = []
    taxes: list[tuple[Tax, ...]] = []
    for line in draft.lines:
        of_line, found = _taxes_of(line, last_pull)
        wrong = [*_of_line(draft, line, last_pull), *found]
        problems += wrong
        taxes.append(of_line)
        is_summed = line.amount is not None and _is_summed(line.quantity) and _is_summed(line.amount)
        quantity, amount = (line.quantity, line.amount or NOTHING) if is_summed else (NOTHING, NOTHING)
        lines.append(Line(quantity, amount, of_line, line.billable))
        product = last_pull.products.get(line.product or "")
        if product is not None and product.is_taxable and not line.taxable:
            remarks.append(gettext(UNTAXED, line=line.position))
    sums = sums_of(lines)
    problems += _of_sums(draft, sums) if not problems else ()
    sent = () if problems else (_sent(*one, last_pull) for one in zip(draft.lines, taxes, strict=True))
    return Checked(sums, tuple(sent), tuple(problems), tuple(remarks))


def _sent(line: DraftLine, taxes: Sequence[Tax], last_pull: LastPull) -> dict[str, Any]:
    """A line as the push compares and sends it: see `push.transports.invoices.line_of`."""
    product = last_pull.products.get(line.product or "")
    return {
        "description": (line.description or "").strip(),
        "type": line.type or (product.type if product is not None else None) or OTHER,
        "product": line.product,
        "piano": line.piano,
        "quantity": int(line.quantity * 100),
        "amount": int((line.amount or NOTHING) * 100),
        "billable": line.billable,
        "taxable": line.taxable,
        "taxes": [{"id": tax.id, "name": tax.name, "rate": tax.rate} for tax in sorted(taxes, key=lambda tax: tax.id)],
    }


def _of_header(draft: Draft, last_pull: LastPull) -> Iterator[str]:
    if last_pull.client is None:
        yield gettext(NO_CLIENT, client=draft.client)
    elif not last_pull.client[1]:
        yield gettext(CLIENT_GONE, client=last_pull.client[0] or draft.client)
    elif draft.contact is not None and draft.contact not in last_pull.contacts:
        yield gettext(NO_CONTACT, contact=draft.contact)
    if not draft.lines:
        yield gettext(NO_LINES, draft=draft.id)


def _of_line(draft: Draft, line: DraftLine, last_pull: LastPull) -> Iterator[str]:
    place = line.position
    if not (line.description or "").strip():
        yield gettext(NO_TEXT, line=place)
    yield from _of_numbers(line)
    if line.product is not None:
        product = last_pull.products.get(line.product)
        if product is None:
            yield gettext(NO_PRODUCT, line=place, product=line.product)
        elif product.is_gone:
            yield gettext(PRODUCT_GONE, line=place, product=product.name or line.product)
        elif product.merged_into is not None:
            yield gettext(PRODUCT_MERGED, line=place, product=product.name or line.product, other=product.merged_into)
        elif product.is_archived:
            yield gettext(PRODUCT_ARCHIVED, line=place, product=product.name or line.product)
    if line.piano is not None and line.piano not in last_pull.pianos:
        yield gettext(NO_PIANO, line=place, piano=line.piano)
    elif line.piano is not None and last_pull.pianos[line.piano] != draft.client:
        yield gettext(OTHER_PIANO, line=place, piano=line.piano)


def _of_numbers(line: DraftLine) -> Iterator[str]:
    place = line.position
    if not line.quantity.is_finite() or line.quantity <= 0:
        yield gettext(BAD_QUANTITY, line=place, quantity=line.quantity)
    elif line.quantity > MOST:
        yield gettext(TOO_MUCH, line=place, most=MOST)
    elif not _is_whole(line.quantity):
        yield gettext(FINE_QUANTITY, line=place, quantity=line.quantity)
    if line.amount is None:
        yield gettext(NO_PRICE, line=place)
    elif not line.amount.is_finite() or not _is_whole(line.amount):
        yield gettext(BAD_PRICE, line=place, amount=line.amount)
    elif abs(line.amount) > MOST:
        yield gettext(TOO_MUCH, line=place, most=MOST)
    elif line.amount == 0 and line.billable:
        yield gettext(NO_DOLLARS, line=place)


def _of_sums(draft: Draft, sums: InvoiceSums) -> Iterator[str]:
    """What is wrong with sums whose parts are right."""
    is_whole = True
    for line, of_line in zip(draft.lines, sums.lines, strict=True):
        if abs(of_line.total) > MOST:
            is_whole = False
            yield gettext(TOO_MUCH, line=line.position, most=MOST)
        elif of_line.sub_total == 0 and line.billable:
            is_whole = False
            yield gettext(NO_DOLLARS, line=line.position)
    if is_whole and abs(sums.total) > MOST:
        yield gettext(TOO_MUCH_IN_ALL, most=MOST)
    elif is_whole and sums.total <= 0:
        yield gettext(NOT_ABOVE_ZERO, total=sums.total)


def _taxes_of(line: DraftLine, last_pull: LastPull) -> tuple[tuple[Tax, ...], list[str]]:
    """The taxes of a line as the account has them now, and what is wrong with them."""
    if not line.taxable:
        return (), []
    if line.taxes is None:
        defaults = tuple(tax for tax in last_pull.taxes if tax.id in last_pull.default_taxes)
        return defaults, [] if defaults else [gettext(NO_TAXES, line=line.position)]
    if not isinstance(line.taxes, list) or not all(isinstance(said, str) for said in line.taxes):
        return (), [gettext(BAD_TAXES, line=line.position)]
    found = {said: last_pull.tax(said) for said in line.taxes}
    wrong = [gettext(NO_TAX, line=line.position, tax=said) for said, tax in found.items() if tax is None]
    return tuple(dict.fromkeys(tax for tax in found.values() if tax is not None)), wrong


def _is_whole(value: Decimal) -> bool:
    """Whether a number has no more than two decimals."""
    if not value.is_finite() or value.adjusted() > 20:
        return False
    return value == value.quantize(CENT)


def _is_summed(number: Decimal) -> bool:
    """Whether a number can be multiplied; the check of each line has reported the others."""
    return number.is_finite() and abs(number) <= MOST and _is_whole(number)
