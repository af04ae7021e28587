"""What the API's mutations of invoices do.

Sums are taken a line and a tax at a time, each rounded half up. `updateInvoice` replaces all lines, an invoice that is
made twice exists twice, a payment that is added twice was paid twice, and a line whose taxes are not spelled out by
name has none.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from gazelle_sync.sandbox.billing import half_up
from gazelle_sync.sandbox.encoding import Json, Record
from gazelle_sync.sandbox.listing import utc
from gazelle_sync.sandbox.mutations import Writer, problem

_PAYMENT_INPUT = ("paymentAmount", "paymentType", "paymentNotes", "paymentTipAmount", "paymentPaidAt")
_EMAIL_INPUT = ("emailToAltBilling", "emailToContactEmailIds", "attachPdf", "emailSubject", "emailMessage")
_NOT_STORED = {"errorReferenceId", "invoiceItems", "estimateTierId", *_PAYMENT_INPUT, *_EMAIL_INPUT}
_DEFAULTS: Record = {
    "status": "OPEN",
    "archived": False,
    "tags": [],
    "netDays": 30,
    "notes": None,
    "topNotes": None,
    "summarize": False,
    "acceptElectronicPayment": False,
    "acceptedElectronicPaymentMethods": [],
    "hasPaymentPending": False,
    "hasPaymentsPending": False,
}


def _failed(*problems: Record) -> Record:
    return {"mutationErrors": list(problems)}


def _items(writer: Writer, rows: list[Record]) -> tuple[list[Record], list[Record]]:
    """The stored form of the lines of an input, and what is wrong with them."""
    wrong = []
    made = []
    for place, row in enumerate(rows):
        for field, kind in (("pianoId", "pianos"), ("masterServiceItemId", "products")):
            if row.get(field) and writer.store.get(kind, row[field]) is None:
                wrong.append(problem(field, f"{field} {row[field]!r} does not exist", kind="NOT_FOUND"))
        made.append(_item(writer, row, place))
    return made, wrong


def _item(writer: Writer, row: Record, place: int) -> Record:
    quantity, amount = row.get("quantity", 100), row.get("amount") or 0
    billable = row.get("billable", True) is not False
    sub_total = half_up(quantity * amount, 100) if billable else 0
    taxes = []
    for tax in (row.get("taxes") or ()) if row.get("taxable") else ():
        tax_id = tax.get("taxId") or tax.get("id")
        if not tax.get("name") or tax_id is None:
            continue
        rate = tax.get("rate") or 0
        total = half_up(sub_total * rate, 100_000)
        taxes.append({"id": writer.new_id("iit"), "taxId": tax_id, "name": tax["name"], "rate": rate, "total": total})
    tax_total = sum(tax["total"] for tax in taxes)
    now = writer.settings.now()
    return {
        "id": writer.new_id("ini"),
        "sequenceNumber": row.get("sequenceNumber", place),
        "description": row.get("description"),
        "type": row.get("type") or "OTHER",
        "masterServiceItemId": row.get("masterServiceItemId"),
        "pianoId": row.get("pianoId"),
        "quantity": quantity,
        "amount": amount,
        "subTotal": sub_total,
        "taxTotal": tax_total,
        "total": sub_total + tax_total,
        "taxable": bool(row.get("taxable")),
        "billable": billable,
        "taxes": taxes,
        "createdAt": now,
        "updatedAt": now,
    }


def _summed(writer: Writer, invoice: Record) -> Record:
    """The sums of an invoice that follow from its lines and payments."""
    sub_total = sum(item["subTotal"] for item in invoice["items"])
    tax_total = sum(item["taxTotal"] for item in invoice["items"]) + writer.settings.invoice_cents_off
    paying = [one for one in invoice["payments"] if one["status"] == "SUCCEEDED"]
    paid, tip = sum(one["amount"] for one in paying), sum(one["tipTotal"] for one in paying)
    total = sub_total + tax_total + tip
    sums = {"subTotal": sub_total, "taxTotal": tax_total, "tipTotal": tip, "total": total, "paidTotal": paid}
    status = invoice["status"]
    if status in ("OPEN", "OVERDUE") and paid and paid >= total:
        status = "PAID"
    return invoice | sums | {"dueTotal": total - paid, "status": status}


def _payment(writer: Writer, values: Record) -> Record:
    now = writer.settings.now()
    paid_at = values.get("paymentPaidAt")
    return {
        "id": writer.new_id("pay"),
        "amount": values["paymentAmount"],
        "tipTotal": values.get("paymentTipAmount") or 0,
        "type": values.get("paymentType") or "OTHER",
        "status": "SUCCEEDED",
        "paymentSource": "MANUAL",
        "paidAt": utc(paid_at) if paid_at else now,
        "notes": values.get("paymentNotes"),
        "isStripePayment": False,
        "isSyncedToQuickbooksOnline": False,
        "createdAt": now,
    }


def _wrong(writer: Writer, values: Record, client_id: str | None) -> list[Record]:
    found = []
    if writer.store.get("clients", client_id) is None:
        found.append(problem("clientId", "Client does not exist", kind="NOT_FOUND"))
    contact = writer.store.get("contacts", values.get("contactId"))
    if values.get("contactId") and (contact is None or contact.get("clientId") != client_id):
        found.append(problem("contactId", "Contact does not exist", kind="NOT_FOUND"))
    return found


def _dated(writer: Writer, invoice: Record) -> Record:
    """The day on which it is due, where only the number of days is said."""
    if invoice.get("dueOn"):
        return invoice
    due = date.fromisoformat(writer.settings.today()) + timedelta(days=invoice.get("netDays") or 0)
    return invoice | {"dueOn": due.isoformat()}


def _create_invoice(writer: Writer, input: Record, id: str | None = None) -> Record:  # noqa: A002  the API's own names
    wrong = _wrong(writer, input, input.get("clientId"))
    items, of_items = _items(writer, input.get("invoiceItems") or [])
    if writer.store.get("invoices", id) is not None:
        wrong.append(problem("id", "has already been taken"))
    if wrong or of_items:
        return _failed(*wrong, *of_items)
    now = writer.settings.now()
    numbers = (invoice.get("number") or 0 for invoice in writer.store.records("invoices"))
    own_id = id or writer.new_id("inv")
    invoice: Record = _DEFAULTS | {name: value for name, value in input.items() if name not in _NOT_STORED}
    invoice |= {
        "id": own_id,
        "number": max(numbers, default=0) + 1,
        "items": items,
        "payments": [_payment(writer, input)] if input.get("paymentAmount") else [],
        "clientUrl": f"https://gazelle.example/i/{own_id}",
        "createdById": writer.actor_id(),
        "createdAt": now,
        "updatedAt": now,
    }
    made = writer.store.put("invoices", _summed(writer, _dated(writer, invoice)))
    _email(writer, made, input)
    return {"invoice": made, "mutationErrors": []}


def _update_invoice(writer: Writer, id: str, input: Record) -> Record:  # noqa: A002
    invoice = writer.store.get("invoices", id)
    if invoice is None:
        return _failed(problem("id", f"No invoice has the id {id!r}", kind="NOT_FOUND"))
    wrong = _wrong(writer, input, invoice.get("clientId"))
    values = {name: value for name, value in input.items() if name not in _NOT_STORED}
    if "invoiceItems" in input:
        values["items"], of_items = _items(writer, input["invoiceItems"] or [])
        wrong += of_items
    if wrong:
        return _failed(*wrong)
    if input.get("paymentAmount"):
        values["payments"] = [*invoice["payments"], _payment(writer, input)]
    changed = writer.edit("invoices", invoice, _summed(writer, invoice | values) if values else {})
    _email(writer, changed, input)
    return {"invoice": changed, "mutationErrors": []}


def _add_payment(
    writer: Writer,
    invoiceId: str,  # noqa: N803  the API's own names
    **values: Json,
) -> Record:
    invoice = writer.store.get("invoices", invoiceId)
    if invoice is None:
        return _failed(problem("invoiceId", f"No invoice has the id {invoiceId!r}", kind="NOT_FOUND"))
    if values["paymentAmount"] <= 0:
        return _failed(problem("paymentAmount", "must be greater than 0"))
    payments = [*invoice["payments"], _payment(writer, values)]
    paid = writer.edit("invoices", invoice, _summed(writer, invoice | {"payments": payments}))
    writer.entry("INVOICE_PAYMENT", writer.settings.now(), clientId=invoice.get("clientId"), invoiceId=invoiceId)
    return {"invoice": paid, "mutationErrors": []}


def _delete_payment(writer: Writer, invoiceId: str, paymentId: str) -> Record:  # noqa: N803
    invoice = writer.store.get("invoices", invoiceId)
    kept = [one for one in (invoice or {}).get("payments", ()) if one["id"] != paymentId]
    if invoice is None or len(kept) == len(invoice["payments"]):
        return _failed(problem("paymentId", f"No payment has the id {paymentId!r}", kind="NOT_FOUND"))
    writer.edit("invoices", invoice, _summed(writer, invoice | {"payments": kept}))
    return {"isDeleted": True, "mutationErrors": []}


def _email(writer: Writer, invoice: Record, values: Record) -> None:
    """Tell the client, where the input says so."""
    if values.get("emailToAltBilling") or values.get("emailToContactEmailIds"):
        _send_email(writer, invoice["id"])


def _send_email(writer: Writer, invoiceId: str, **values: Json) -> Record:  # noqa: N803
    invoice = writer.store.get("invoices", invoiceId)
    if invoice is None:
        return {"success": False} | _failed(problem("invoiceId", f"No invoice has the id {invoiceId!r}"))
    if values.get("newInvoiceStatus"):
        writer.edit("invoices", invoice, {"status": values["newInvoiceStatus"]})
    writer.entry(
        "CONTACT_EMAIL_MANUAL",
        writer.settings.now(),
        clientId=invoice.get("clientId"),
        invoiceId=invoiceId,
        summary=f"Facture nº {invoice['number']}",
        comment=values.get("emailMessage"),
    )
    return {"success": True, "message": None, "mutationErrors": []}


INVOICE_MUTATIONS: dict[str, Callable[..., Record]] = {
    "createInvoice": _create_invoice,
    "updateInvoice": _update_invoice,
    "addInvoicePayment": _add_payment,
    "deleteInvoicePayment": _delete_payment,
    "sendInvoiceEmail": _send_email,
}
