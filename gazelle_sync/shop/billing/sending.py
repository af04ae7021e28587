"""Sends a draft: checked once more, given to the push, and e-mailed only where a person says so.

The push makes it a draft at Gazelle and opens it once the sums are the same. An e-mail is sent once at most: whether
one that came to no answer has arrived cannot be found out, so nothing sends it again by itself.
"""

from __future__ import annotations

from gazelle_sync.errors import AnswerUnreadable, ApiError, WriteRefused
from gazelle_sync.gazelle import documents
from gazelle_sync.gazelle.answers import format_errors
from gazelle_sync.gazelle.client import GazelleClient, client_for
from gazelle_sync.gazelle.retries import may_have_been_taken
from gazelle_sync.i18n import gettext
from gazelle_sync.push.pushables.invoices import PRICES_INCLUDE_TAXES
from gazelle_sync.push.transports.invoices import MODE, tax_pricing
from gazelle_sync.settings import Settings
from gazelle_sync.shop.billing.checking import Checked
from gazelle_sync.shop.billing.drafts import Draft
from gazelle_sync.shop.billing.store import DraftRefused, Drafts, ask
from gazelle_sync.warehouse.pool import borrow, change


def assert_exclusive(client: GazelleClient) -> None:
    """Refuse an account whose prices include their taxes: its sums are computed otherwise.

    Raises:
        DraftRefused: Prices include taxes there.
        ApiError: Gazelle cannot be asked at all.
    """
    if (mode := tax_pricing(client)) is not None:
        raise DraftRefused(gettext(PRICES_INCLUDE_TAXES, field=MODE, mode=mode))


def ask_to_send(
    settings: Settings, drafts: Drafts, draft: int, seen: str | None = None
) -> tuple[Draft, Checked | None]:
    """Give a draft to the push, where nothing is missing and it is not at Gazelle already.

    Args:
        settings: With `api_url` and `database_url` filled in.
        drafts: Of that database.
        draft: Its number.
        seen: Its fingerprint when the person saw it; None: it goes as it is now.

    Returns:
        The draft, and what the check found; None: it was sent before, and not changed since.

    Raises:
        DraftChanged: It says something else than what the person saw. Nothing was sent.
        DraftRefused: There is no such draft, it was canceled, or the account's prices include taxes.
        ApiError: Gazelle cannot be asked at all.
    """
    found = drafts.read(draft)
    if found.status == "canceled":
        raise DraftRefused(gettext("Draft {draft} was canceled. Make another one.", draft=draft))
    if found.status == "sent":
        return found, None
    client = client_for(settings)
    try:
        assert_exclusive(client)
    finally:
        client.close()
    return drafts.check(draft, to_send=True, seen=seen)


def email(client: GazelleClient, url: str, draft: Draft) -> str:
    """E-mail an invoice to its contact, once; gives the address.

    Args:
        client: The endpoint.
        url: `postgresql://…`.
        draft: One that was sent.

    Raises:
        DraftRefused: It was e-mailed before, or perhaps; or there is nobody to e-mail it to; or Gazelle refuses.
    """
    if draft.emailed is not None:
        raise DraftRefused(_emailed_before(draft))
    address_id, address = _recipient(client, draft)
    with borrow(url) as connection:
        if change(connection, ask("email_claim", {"draft": draft.id})) != [1]:
            raise DraftRefused(_emailed_before(draft))
        try:
            _send(client, str(draft.invoice), address_id)
        except ApiError as error:
            if may_have_been_taken(error):
                raise DraftRefused(_in_doubt(draft, str(error))) from error
            change(connection, ask("email_end", {"draft": draft.id, "status": None}))
            raise DraftRefused(
                gettext("The invoice is at Gazelle; it was not e-mailed: {reason}", reason=str(error))
            ) from error
        change(connection, ask("email_end", {"draft": draft.id, "status": "sent"}))
    return address


def _send(client: GazelleClient, invoice: str, address_id: str) -> None:
    name = "PushInvoiceEmail"
    variables = {"id": invoice, "emails": [address_id]}
    answer = client.execute_exactly(name, documents.operation("push", name), variables, is_write=True)
    payload = answer.data.get("sendInvoiceEmail")
    if not isinstance(payload, dict):
        raise AnswerUnreadable(name, gettext("the answer holds no {name}", name="sendInvoiceEmail"))
    if problems := payload.get("mutationErrors"):
        raise WriteRefused(name, format_errors(problems))
    if payload.get("success") is False:
        reason = payload.get("message") or gettext("Gazelle does not say why.")
        raise WriteRefused(name, str(reason))


def _recipient(client: GazelleClient, draft: Draft) -> tuple[str, str]:
    """Id and address of the e-mail address of the invoice's contact."""
    name = "PushInvoiceRecipient"
    invoice = client.execute_exactly(name, documents.operation("push", name), {"id": draft.invoice}).data.get("invoice")
    contact = invoice.get("contact") if isinstance(invoice, dict) else None
    found = contact.get("defaultEmail") if isinstance(contact, dict) else None
    if not isinstance(found, dict) or not found.get("id"):
        raise DraftRefused(
            gettext("The invoice is at Gazelle; it was not e-mailed: it has no contact with an e-mail address.")
        )
    return str(found["id"]), str(found.get("email") or "")


def _emailed_before(draft: Draft) -> str:
    if draft.emailed == "sent":
        return gettext("The invoice was e-mailed before. Send it again at Gazelle, if it has to be.")
    return _in_doubt(draft, gettext("An earlier try came to no answer."))


def _in_doubt(draft: Draft, reason: str) -> str:
    return gettext(
        "{reason} The client may have the e-mail of draft {draft}: look at Gazelle. It is not sent again from here.",
        reason=reason,
        draft=draft.id,
    )
