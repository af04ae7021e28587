"""Invoices at Gazelle: made as drafts, known again by a mark in their notes, opened once their sums are known.

`updateInvoice` replaces all lines, since a line has no id in its input, and a line without its taxes spelled out has
none. Nothing deletes an invoice: what a run made, a person cancels at Gazelle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from gazelle_sync.errors import OperationFailed, RequestRefused
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.model import Action, Item, JsonValue, Remote, Values
from gazelle_sync.push.transports.lists import pages_of
from gazelle_sync.push.transports.protocol import Create, Kind, Pages, Query, Update, Wanted, body_of, lacks

MARK = "[gazelle_sync {mark}]"
WHOLE_RATE = 100_000
"""A rate of 100 %, in thousandths of a percent."""
_MARKED = re.compile(r"\s*\[gazelle_sync ([0-9a-f-]{36})\]\s*\Z")
MODE, EXCLUSIVE = "taxPricingMode", "EXCLUSIVE"
OFFERS = 'query InvoiceFields { __type(name: "PrivateInvoice") { fields { name } } }'
NEWEST = f"query TaxPricing {{ allInvoices(first: 1, sortBy: [CREATED_AT_DESC]) {{ nodes {{ id {MODE} }} }} }}"
"""Not in an operations file: the published schema does not know the field, which production has."""
SUMS = {"sub_total": "subTotal", "tax_total": "taxTotal", "total": "total"}
"""Name of a sum here → at Gazelle."""


class InvoiceKind(Kind):
    """See `Kind`."""

    def __init__(self) -> None:
        self.operations = {
            "create_invoice": CREATION,
            "update_invoice_contact": _update(Message("the contact of the invoice"), "contact_id", "contactId"),
            "update_invoice_technician": _update(Message("who did the work"), "assigned_to", "assignedToId"),
            "update_invoice_due_day": _update(Message("the day on which it is due"), "due_on", "dueOn"),
            "update_invoice_net_days": _update(Message("the days until it is due"), "net_days", "netDays"),
            "update_invoice_notes": _update(Message("the invoice's notes"), "notes", "notes"),
            "update_invoice_top_notes": _update(Message("the notes at its top"), "top_notes", "topNotes"),
            "update_invoice_tags": _update(Message("the invoice's tags"), "tags", "tags"),
            "update_invoice_lines": LINES,
            "open_invoice": OPENING,
        }

    def queries(self, wanted: Wanted, page: int) -> list[Query]:
        """See `Kind`: an invoice, or the newest of a client; and the account's taxes as they are now."""
        taxes = Query("allTaxes", {}, "...PushedTax", place="t")
        if wanted.id:
            return [Query("invoice", {"id": ("String!", wanted.id)}, "...PushedInvoice"), taxes]
        newest = {
            "filters": ("PrivateAllInvoicesFilter", {"clientId": wanted.parent}),
            "sortBy": ("[InvoiceSort!]", ["CREATED_AT_DESC"]), "first": ("Int", page),
        }  # fmt: skip
        return [Query("allInvoices", newest, "...PushedInvoices"), taxes]

    def of_account(self, client: GazelleClient) -> Mapping[str, JsonValue]:
        """See `Kind`: whether prices include their taxes."""
        return {"tax_pricing": tax_pricing(client)}

    def record(self, wanted: Wanted, answers: Mapping[str, Any], pages: Pages) -> Remote | None:
        """See `Kind`."""
        values = {"taxes": _taxes(answers.get("t")), "tax_pricing": answers.get("tax_pricing")}
        if not wanted.id:
            return Remote("", values, items={"invoice": tuple(_made(wanted, answers.get("n"), pages))})
        if answers.get("n", ...) is None:
            return None
        found = invoice_of(answers.get("n"), wanted.id, pages)
        return Remote(found.id, {**found.values, **values}, found.updated_at)

    def holds(self, remote: Remote) -> dict[str, JsonValue]:
        """See `Kind`."""
        names = ("status", "contact_id", "assigned_to", "due_on", "net_days", "notes", "top_notes", "tags", "items")
        return {name: remote.get(name) for name in names}


def tax_pricing(client: GazelleClient) -> str | None:
    """How an account's prices include their taxes, where that is not `EXCLUSIVE`, by which sums are computed here.

    None as well where Gazelle does not let itself be asked: the sums are compared all the same.

    Raises:
        ApiError: Gazelle cannot be asked at all.
    """
    try:
        offered = client.execute("InvoiceFields", OFFERS, can_ask_for_less=True).data.get("__type") or {}
        if MODE not in {field.get("name") for field in offered.get("fields") or ()}:
            return None
        nodes = client.execute("TaxPricing", NEWEST, can_ask_for_less=True).data["allInvoices"]["nodes"]
    except (OperationFailed, RequestRefused):
        return None
    mode = next((node.get(MODE) for node in nodes), None)
    return None if mode is None or str(mode).upper() == EXCLUSIVE else str(mode)


def invoice_of(body: Any, invoice_id: str, pages: Pages | None = None) -> Remote:
    """An invoice's body as the push sees it; its notes are without our mark.

    Args:
        body: As it came.
        invoice_id: That was asked for.
        pages: Reads lines that the body has no room for; None: then it cannot be told what the lines are.

    Raises:
        AnswerUnreadable: A part that is written over is missing: absent is not empty.
    """
    body = body_of(body, invoice_id)
    for name in ("status", "notes", "topNotes", "tags", "client", *SUMS.values()):
        if name not in body:
            raise lacks("PushRead", name, invoice_id)
    if not isinstance(body["status"], str) or any(not _is_cents(body[name]) for name in SUMS.values()):
        raise lacks("PushRead", "status, subTotal, taxTotal, total", invoice_id)
    notes, mark = parted(body["notes"])
    tip = body.get("tipTotal")
    sums = {name: body[field] for name, field in SUMS.items()}
    values: dict[str, JsonValue] = {
        "status": body["status"],
        "client_id": _id_of(body["client"]),
        "contact_id": _id_of(body.get("contact")),
        "assigned_to": _id_of(body.get("assignedTo")),
        "due_on": body.get("dueOn"),
        "net_days": body.get("netDays"),
        "notes": notes,
        "mark": mark,
        "top_notes": body["topNotes"],
        "tags": body["tags"] or [],
        "items": [line_of(node) for node in _lines(body, invoice_id, pages)],
        "sums": {**sums, "total": sums["total"] - (tip if _is_cents(tip) else 0)},
    }
    return Remote(invoice_id, values, parse_instant(body.get("updatedAt")))


def line_of(node: Mapping[str, Any]) -> dict[str, JsonValue]:
    """A line, in the one form in which lines are compared: cents, hundredths, thousandths of a percent."""
    taxes = [
        {"id": tax.get("taxId") or tax.get("id"), "name": tax.get("name"), "rate": tax.get("rate")}
        for tax in node.get("taxes") or ()
    ]
    return {
        "description": (node.get("description") or "").strip() or None,
        "type": node.get("type"),
        "product": _id_of(node.get("masterServiceItem")),
        "piano": _id_of(node.get("piano")),
        "quantity": node.get("quantity"),
        "amount": node.get("amount"),
        "billable": node.get("billable") is not False,
        "taxable": bool(node.get("taxable")),
        "taxes": sorted(taxes, key=lambda tax: str(tax["id"])),
    }


def half_up(number: int, divisor: int) -> int:
    """A quotient as Gazelle rounds it: to the nearest whole number, and a half away from zero."""
    quotient, rest = divmod(abs(number), divisor)
    rounded = quotient + (2 * rest >= divisor)
    return rounded if number >= 0 else -rounded


def parted(notes: Any) -> tuple[str | None, str | None]:
    """Notes without our mark, and the mark."""
    if not isinstance(notes, str):
        return None, None
    found = _MARKED.search(notes)
    return (notes, None) if found is None else (notes[: found.start()] or None, found.group(1))


def _input_line(line: Mapping[str, JsonValue], place: int) -> dict[str, JsonValue]:
    """A line as the API takes it; the totals of its taxes are those that it computes itself."""
    sub_total = half_up(line["quantity"] * line["amount"], 100) if line["billable"] else 0
    taxes = [
        {
            "taxId": tax["id"], "name": tax["name"], "rate": tax["rate"],
            "total": half_up(sub_total * tax["rate"], WHOLE_RATE),
        }
        for tax in line["taxes"]
    ]  # fmt: skip
    values = {
        "description": line["description"], "type": line["type"], "masterServiceItemId": line["product"],
        "pianoId": line["piano"], "quantity": line["quantity"], "amount": line["amount"], "billable": line["billable"],
        "taxable": line["taxable"], "taxes": taxes, "sequenceNumber": place,
    }  # fmt: skip
    return {name: value for name, value in values.items() if value is not None}


def _input_lines(lines: Sequence[Mapping[str, JsonValue]]) -> list[dict[str, JsonValue]]:
    return [_input_line(line, place) for place, line in enumerate(lines, start=1)]


def _creation(payload: Values, _: Remote) -> dict[str, tuple[str, JsonValue]]:
    """The whole invoice as a draft, with our mark; none of the input's fields of payments and e-mail."""
    notes = "\n\n".join(part for part in (payload["notes"], MARK.format(mark=payload["mark"])) if part)
    values = {
        "clientId": payload["parent"], "contactId": payload["contact_id"], "assignedToId": payload["assigned_to"],
        "dueOn": payload["due_on"], "netDays": payload["net_days"], "notes": notes, "topNotes": payload["top_notes"],
        "tags": payload["tags"], "status": "DRAFT", "invoiceItems": _input_lines(payload["items"]),
    }  # fmt: skip
    return {"input": ("PrivateCreateInvoiceInput!", {name: one for name, one in values.items() if one is not None})}


def _same(item: Values, payload: Values) -> bool:
    return bool(item["mark"]) and item["mark"] == payload["mark"]


@dataclass(frozen=True)
class _Update(Update):
    """An attribute of an invoice."""

    def mutation(self, action: Action, remote: Remote) -> Query:
        value = action.payload[self.said_as]
        return self._field(remote, {str(self.field): _input_lines(value) if self.attribute == "items" else value})


@dataclass(frozen=True)
class _Opening(Update):
    """The status; our mark leaves the notes with it, before anybody sees them."""

    def mutation(self, action: Action, remote: Remote) -> Query:
        notes = {"notes": remote.get("notes")} if remote.get("mark") else {}
        return self._field(remote, {"status": action.payload[self.said_as], **notes})


def _update(called: Message, attribute: str, field: str, of: type[Update] = _Update) -> Update:
    return of(
        called, attribute, attribute, "updateInvoice", "PrivateUpdateInvoiceInput", field, "invoice",
        "...PushedInvoice", invoice_of, empty=[] if attribute in ("tags", "items") else None,
    )  # fmt: skip


def _taxes(listed: Any) -> dict[str, JsonValue]:
    """Id → name and rate of the taxes that the account uses now."""
    if not isinstance(listed, list):
        raise lacks("PushRead", "allTaxes")
    return {
        str(tax["id"]): [tax.get("name"), tax.get("rate")]
        for tax in listed
        if isinstance(tax, dict) and tax.get("id") and tax.get("activeOrHistorical") != "HISTORICAL"
    }


def _made(wanted: Wanted, listed: Any, pages: Pages) -> Iterator[Item]:
    """The client's invoices, the newest first, as far back as one of ours could have been made."""

    def page(after: str) -> Any:
        return pages("PushInvoices", {"client": wanted.parent, "after": after}).get("allInvoices")

    for nodes in pages_of("PushInvoices", "allInvoices", listed, page, wanted.id):
        yield from (Item(str(one["id"]), {"mark": parted(one.get("notes"))[1]}) for one in nodes if one.get("id"))
        if _is_before(nodes, wanted.since):
            return


def _is_before(nodes: Sequence[Mapping[str, Any]], since: datetime | None) -> bool:
    """Whether the oldest of a page was made before an instant."""
    made = parse_instant(nodes[-1].get("createdAt")) if nodes else None
    return since is not None and made is not None and made < since


def _lines(body: Mapping[str, Any], invoice_id: str, pages: Pages | None) -> list[Mapping[str, Any]]:
    """All lines, by their place."""

    def page(after: str) -> Any:
        answer = pages("PushInvoiceLines", {"id": invoice_id, "after": after}).get("invoice") if pages else None
        return answer.get("allInvoiceItems") if isinstance(answer, dict) else None

    found = pages_of("PushRead", "allInvoiceItems", body.get("allInvoiceItems"), page, invoice_id)
    return sorted(chain.from_iterable(found), key=lambda node: node.get("sequenceNumber") or 0)


def _id_of(record: Any) -> str | None:
    return str(record["id"]) if isinstance(record, dict) and record.get("id") else None


def _is_cents(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


CREATION = Create(
    Message("the new invoice"), "createInvoice", _creation, "invoice", "id", "invoice", _same, makes_record=True
)
LINES = _update(Message("the lines of the invoice"), "items", "invoiceItems")
OPENING = _update(Message("the opening of the invoice"), "status", "status", _Opening)
INVOICE = InvoiceKind()
