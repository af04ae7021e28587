"""The local tables that are pushed, parents before their children."""

from __future__ import annotations

from gazelle_sync.push.model import UNDO
from gazelle_sync.push.pushable import Pushable
from gazelle_sync.push.pushables.appointments import APPOINTMENT_DRAFTS
from gazelle_sync.push.pushables.invoices import INVOICE_DRAFTS
from gazelle_sync.push.pushables.payments import INVOICE_PAYMENTS
from gazelle_sync.push.pushables.pianos import PIANO_UPDATES, with_visits
from gazelle_sync.push.pushables.products import SHOP_PRODUCTS
from gazelle_sync.settings import Settings

__all__ = [
    "APPOINTMENT_DRAFTS", "INVOICE_DRAFTS", "INVOICE_PAYMENTS", "PIANO_UPDATES", "PUSHABLES", "SHOP_PRODUCTS",
    "action_name", "pushables",
]  # fmt: skip

PUSHABLES: tuple[Pushable, ...] = (
    PIANO_UPDATES, SHOP_PRODUCTS, INVOICE_DRAFTS, INVOICE_PAYMENTS, APPOINTMENT_DRAFTS,
)  # fmt: skip


def pushables(settings: Settings) -> tuple[Pushable, ...]:
    """The declarations as `GAZELLE_PUSH_SERVICE` wants them."""
    return tuple(with_visits(one) if settings.push_service == "event" else one for one in PUSHABLES)


def action_name(language: str, name: str) -> str:
    """What staff call an action of whichever table."""
    bare = name.removeprefix(UNDO)
    return next((one.action_name(language, bare) for one in PUSHABLES if bare in one.kind.operations), bare)
