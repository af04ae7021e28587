"""What staff call the kinds of record."""

from __future__ import annotations

from gazelle_sync.i18n.translator import Message, Translator

NAMES = {
    "users": Message("Technicians"),
    "products": Message("Products"),
    "clients": Message("Clients"),
    "pianos": Message("Pianos"),
    "invoices": Message("Invoices"),
    "appointments": Message("Appointments"),
    "timeline": Message("Timeline"),
}


def entity_name(say: Translator, entity: str) -> str:
    """What staff call an entity; a new one goes by its own name until somebody names it here."""
    return say(NAMES[entity]) if entity in NAMES else entity.capitalize()
