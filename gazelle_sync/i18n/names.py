"""What staff call the kinds of record, in French and English."""

from __future__ import annotations

from collections.abc import Mapping

NAMES = {
    "en": {
        "users": "Technicians", "products": "Products", "clients": "Clients", "pianos": "Pianos",
        "invoices": "Invoices", "appointments": "Appointments", "timeline": "Timeline",
    },
    "fr": {
        "users": "Techniciens", "products": "Produits", "clients": "Clients", "pianos": "Pianos",
        "invoices": "Factures", "appointments": "Rendez-vous", "timeline": "Historique",
    },
}  # fmt: skip


def entity_name(names: Mapping[str, str], entity: str) -> str:
    """What staff call an entity; a new one goes by its own name until somebody translates it."""
    return names.get(entity, entity.capitalize())
