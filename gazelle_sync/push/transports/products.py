"""Products at Gazelle (master service items): their price and names, by `updateMasterServiceItem`.

There is no query for one of them by id: the account's whole list is read, once for any number of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gazelle_sync.i18n.translator import Message
from gazelle_sync.montreal import parse_instant
from gazelle_sync.push.model import JsonValue, Remote
from gazelle_sync.push.transports.protocol import Kind, Pages, Query, Update, Wanted, body_of, lacks
from gazelle_sync.reconcile.product import in_language


class ProductKind(Kind):
    """See `Kind`."""

    def __init__(self) -> None:
        self.operations = {
            "update_price": _update(Message("the price"), "amount"),
            "update_name": _update(Message("the name"), "name"),
        }

    def queries(self, wanted: Wanted, page: int) -> list[Query]:
        """See `Kind`."""
        return [Query("allMasterServiceItems", {}, "...PushedProduct")]

    def record(self, wanted: Wanted, answers: Mapping[str, Any], pages: Pages) -> Remote | None:
        """See `Kind`. An empty list is never believed: an account has a price list."""
        listed = answers.get("n")
        if not isinstance(listed, list) or not listed:
            raise lacks("PushRead", "allMasterServiceItems", wanted.id)
        body = next((one for one in listed if isinstance(one, dict) and one.get("id") == wanted.id), None)
        return None if body is None else product_of(body, wanted.id)

    def holds(self, remote: Remote) -> dict[str, JsonValue]:
        """See `Kind`; names as the pull reads them."""
        names = {locale: in_language(locale[:2])(remote.get("name")) for locale in ("fr_CA", "en_US")}
        return {"amount": remote.get("amount"), "name": names}

    def kept(self, remote: Remote, fields: Sequence[object]) -> dict[str, JsonValue]:
        """See `Kind`."""
        return {name: remote.get(name) for name in ("amount", "name")}


def product_of(body: Any, product_id: str) -> Remote:
    """A product's body as the push sees it.

    Raises:
        AnswerUnreadable: A part that is written over is missing: absent is not empty.
    """
    body = body_of(body, product_id)
    amount, name = body.get("amount", ...), body.get("name", ...)
    if amount is not None and (not isinstance(amount, int) or isinstance(amount, bool)):
        raise lacks("PushRead", "amount", product_id)
    if name is not None and not isinstance(name, dict | str):
        raise lacks("PushRead", "name", product_id)
    values = {"amount": amount, "name": name, "is_archived": bool(body.get("isArchived"))}
    return Remote(product_id, values, parse_instant(body.get("updatedAt")))


def _update(called: Message, attribute: str) -> Update:
    return Update(
        called, attribute, attribute, "updateMasterServiceItem", "PrivateMasterServiceItemInput", attribute,
        "masterServiceItem", "...PushedProduct", product_of,
    )  # fmt: skip


PRODUCT = ProductKind()
