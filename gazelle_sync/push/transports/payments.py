"""Payments of invoices at Gazelle: added once, and never changed.

No mutation takes a key of ours, so one that came to no answer is known again by its amount, type and instant among
those that were not there before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from gazelle_sync.errors import AnswerUnreadable, WriteRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.model import Item, JsonValue, Remote, Values
from gazelle_sync.push.transports.lists import pages_of
from gazelle_sync.push.transports.protocol import Create, Kind, Pages, Query, Sent, Wanted, lacks, member

NO_INVOICE = Message("Gazelle has no invoice {id}.")


class PaymentKind(Kind):
    """See `Kind`."""

    def __init__(self) -> None:
        self.operations = {"add_invoice_payment": PAYMENT}

    def queries(self, wanted: Wanted, page: int) -> list[Query]:
        """See `Kind`: there is no query for a payment, so its invoice is read."""
        return [Query("invoice", {"id": ("String!", wanted.parent)}, "...PushedPayments")]

    def record(self, wanted: Wanted, answers: Mapping[str, Any], pages: Pages) -> Remote | None:
        """See `Kind`."""
        body = answers.get("n", ...)
        if body is None:
            raise WriteRefused("PushRead", gettext(NO_INVOICE, id=wanted.parent), is_missing=True)
        if not isinstance(body, dict) or not isinstance(body.get("status"), str) or "dueTotal" not in body:
            raise lacks("PushRead", "status, dueTotal", wanted.parent)
        items = tuple(_payments(wanted, body.get("allInvoicePayments"), pages))
        if wanted.id and wanted.id not in {item.id for item in items}:
            return None
        values = {"status": body["status"], "due": body["dueTotal"]}
        return Remote(wanted.id, values, parse_instant(body.get("updatedAt")), {"payment": items})


def _payments(wanted: Wanted, listed: Any, pages: Pages) -> Iterator[Item]:
    def page(after: str) -> Any:
        answer = pages("PushPayments", {"id": wanted.parent, "after": after}).get("invoice")
        return answer.get("allInvoicePayments") if isinstance(answer, dict) else None

    for node in chain.from_iterable(pages_of("PushRead", "allInvoicePayments", listed, page, wanted.parent)):
        if node.get("id"):
            paid_at = parse_instant(node.get("paidAt"))
            said = {
                "amount": node.get("amount"), "tip": node.get("tipTotal") or 0, "type": node.get("type"),
                "paid_at": paid_at.isoformat() if paid_at else None,
            }  # fmt: skip
            yield Item(str(node["id"]), said)


def _same(item: Values, payload: Values) -> bool:
    """Whether a payment, at Gazelle or of another action, says what this one says."""
    mine, theirs = (
        (one["amount"], one.get("tip") or 0, one["type"], parse_instant(one.get("paid_at"))) for one in (payload, item)
    )
    return mine == theirs


def _arguments(payload: Values, _: Remote) -> dict[str, tuple[str, JsonValue]]:
    arguments: dict[str, tuple[str, JsonValue]] = {
        "invoiceId": ("String!", payload["parent"]), "paymentAmount": ("Int!", payload["amount"]),
        "paymentType": ("InvoicePaymentType", payload["type"]), "paymentPaidAt": ("CoreDateTime", payload["paid_at"]),
    }  # fmt: skip
    if payload.get("notes"):
        arguments["paymentNotes"] = ("String", payload["notes"])
    if payload.get("tip"):
        arguments["paymentTipAmount"] = ("Int", payload["tip"])
    return arguments


@dataclass(frozen=True)
class _Addition(Create):
    """A payment that is added; the answer is its invoice."""

    def sent(self, payload: Mapping[str, Any], remote: Remote) -> Sent:
        """The one payment that was not there before.

        Raises:
            AnswerUnreadable: There are several, or none: it is looked for.
        """
        listed = (member(payload, self.root, self.member).get("allInvoicePayments") or {}).get("nodes")
        if not isinstance(listed, list):
            raise lacks(self.root, "allInvoicePayments")
        known = {item.id for item in remote.items.get(self.collection, ())}
        added = [one for one in listed if isinstance(one, dict) and one.get("id") and one["id"] not in known]
        if len(added) != 1:
            raise AnswerUnreadable(self.root, gettext("the answer does not say which payment is the new one"))
        return Sent({"payment": added[0]}, created_id=str(added[0]["id"]))


PAYMENT = _Addition(
    Message("the payment"), "addInvoicePayment", _arguments, "invoice", "...PaidInvoice", "payment", _same,
    makes_record=True, is_dated=False,
)  # fmt: skip
INVOICE_PAYMENT = PaymentKind()
