"""Invoices, their items and their payments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gazelle_sync.reconcile.client import named_client
from gazelle_sync.reconcile.pages import Columns, connections, flat, ids_of, keys, read_page, tags_page
from gazelle_sync.reconcile.piano import named_piano
from gazelle_sync.reconcile.product import NAMES
from gazelle_sync.reconcile.rows import (
    PERSON,
    STAMPS,
    Body,
    FieldMap,
    Rows,
    Values,
    boolean,
    columns,
    day,
    day_in_montreal,
    hundredths,
    identity,
    instant,
    integer,
    list_of_records,
    named,
    nodes,
    read,
    reference_in_record,
    text,
    texts,
    within,
)

INVOICE: FieldMap = (
    *STAMPS,
    ("client_external_id", "client", reference_in_record),
    ("contact_external_id", "contact", reference_in_record),
    ("assigned_to_external_id", "assignedTo", reference_in_record),
    ("number", "number", integer),
    # Gazelle filters by an invoice date and gives none: an invoice is of the day in Montreal on which it was made.
    ("invoice_date", "createdAt", day_in_montreal),
    ("due_on", "dueOn", day),
    ("net_days", "netDays", integer),
    ("status", "status", text),
    ("sub_total", "subTotal", hundredths),
    ("tax_total", "taxTotal", hundredths),
    ("tip_total", "tipTotal", hundredths),
    ("total", "total", hundredths),
    ("paid_total", "paidTotal", hundredths),
    ("due_total", "dueTotal", hundredths),
    ("notes", "notes", text),
    ("top_notes", "topNotes", text),
    ("archived", "archived", boolean),
)

ITEM: FieldMap = (
    *STAMPS,
    ("piano_external_id", "piano", reference_in_record),
    ("product_external_id", "masterServiceItem", reference_in_record),
    ("sequence_number", "sequenceNumber", integer),
    ("description", "description", text),
    ("item_type", "type", text),
    ("quantity", "quantity", hundredths),
    ("amount", "amount", hundredths),
    ("sub_total", "subTotal", hundredths),
    ("tax_total", "taxTotal", hundredths),
    ("total", "total", hundredths),
    ("billable", "billable", boolean),
    ("taxable", "taxable", boolean),
    # As Gazelle spells them out: rates in thousandths of a percent, totals in cents.
    ("taxes", "taxes", list_of_records),
)

# A payment has no updatedAt.
PAYMENT: FieldMap = (
    ("gazelle_created_at", "createdAt", instant),
    # What was paid in all: the tip is a part of it.
    ("amount", "amount", hundredths),
    ("tip", "tipTotal", hundredths),
    ("type", "type", text),
    ("status", "status", text),
    ("paid_at", "paidAt", instant),
    ("notes", "notes", text),
    ("source", "paymentSource", text),
    ("failure_reason", "failureReason", text),
)

INVOICE_COLUMNS = ("external_id", *columns(INVOICE), "tags")
ITEM_COLUMNS = ("external_id", "invoice_external_id", *columns(ITEM))
PAYMENT_COLUMNS = ("external_id", "invoice_external_id", *columns(PAYMENT))


def reconcile_invoice(body: Body) -> Rows:
    """One invoice, its items and its payments."""
    external_id = identity(body)
    invoice = read(body, INVOICE, external_id=external_id)
    if body.get("tags") is not None:  # null is a fault of the moment (see rows.tags)
        invoice.update(read(body, (("tags", "tags", texts),)))
    rows: Rows = {"gazelle_invoices": [invoice]}
    items = nodes(body, "allInvoiceItems")
    if items is not None:
        rows["gazelle_invoice_items"] = _items(external_id, items)
    payments = nodes(body, "allInvoicePayments")
    if payments is not None:
        rows["gazelle_invoice_payments"] = _payments(external_id, payments)
    return rows


def invoice_page(bodies: Sequence[Body]) -> dict[str, Columns]:
    """The same for a page."""
    ids = ids_of(bodies)
    items, owners = flat(connections(bodies, "allInvoiceItems"), ids)
    payments, payers = flat(connections(bodies, "allInvoicePayments"), ids)
    tags = tags_page(bodies)["tags"]
    return {
        "gazelle_invoices": keys(external_id=ids) | read_page(bodies, INVOICE) | {"tags": tags},
        "gazelle_invoice_items": keys(external_id=ids_of(items), invoice_external_id=owners) | read_page(items, ITEM),
        "gazelle_invoice_payments": keys(external_id=ids_of(payments), invoice_external_id=payers)
        | read_page(payments, PAYMENT),
    }


def parents_of_invoice(body: Body) -> Iterator[tuple[str, Values]]:
    """The client and its contact, the person in charge, and the pianos and products of the items.

    A contact's row goes when its client lists it no more, and an invoice keeps naming the one that it was sent to.
    """
    yield from named_client(body)
    yield from named(body, "contact", "gazelle_contacts", PERSON)
    yield from named(body, "assignedTo", "gazelle_users", PERSON)
    for item in nodes(body, "allInvoiceItems") or ():
        yield from named_piano(item)
        yield from named(item, "masterServiceItem", "gazelle_products", NAMES)


def _items(invoice_external_id: str, items: list[Body]) -> list[Values]:
    found: dict[str, Values] = {}
    for index, item in enumerate(items):
        with within("allInvoiceItems", index):
            values = read(item, ITEM)
            external_id = "" if item.get("id") is None else identity(item)
        if not external_id:
            sequence = values.get("sequence_number")
            external_id = f"{invoice_external_id}:{index if sequence is None else sequence}"
            if external_id in found:  # two items without id that claim the same place are still two items
                external_id = f"{external_id}.{index}"
        found[external_id] = {"external_id": external_id, "invoice_external_id": invoice_external_id, **values}
    return list(found.values())


def _payments(invoice_external_id: str, payments: list[Body]) -> list[Values]:
    found: dict[str, Values] = {}
    for index, payment in enumerate(payments):
        with within("allInvoicePayments", index):
            external_id = identity(payment)
            found[external_id] = read(
                payment, PAYMENT, external_id=external_id, invoice_external_id=invoice_external_id
            )
    return list(found.values())
