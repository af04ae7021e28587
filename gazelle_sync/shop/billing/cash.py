"""What was paid in a span of time, as a list and by type. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from gazelle_sync.shop.billing.store import Payment

NOTHING = Decimal("0.00")


@dataclass(frozen=True)
class PaidBy:
    """What was paid in one way; amounts in dollars, tips included and by themselves."""

    type: str
    count: int
    amount: Decimal
    tip: Decimal


@dataclass(frozen=True)
class Cash:
    """Payments that arrived, in the order in which they were paid."""

    payments: Sequence[Payment]

    @property
    def by_type(self) -> list[PaidBy]:
        """By type, the largest amount first."""
        found: dict[str, PaidBy] = {}
        for one in self.payments:
            kind = one.type or "OTHER"
            so_far = found.get(kind, PaidBy(kind, 0, NOTHING, NOTHING))
            found[kind] = PaidBy(kind, so_far.count + 1, so_far.amount + one.amount, so_far.tip + one.tip)
        return sorted(found.values(), key=lambda kind: (-kind.amount, kind.type))

    @property
    def total(self) -> Decimal:
        """All of it, tips included."""
        return sum((one.amount for one in self.payments), NOTHING)

    @property
    def tip(self) -> Decimal:
        """The tips in it."""
        return sum((one.tip for one in self.payments), NOTHING)

    def as_json(self, day: date) -> dict[str, Any]:
        """Dollars as text, instants in UTC."""
        return {
            "day": day.isoformat(),
            "total": str(self.total),
            "tip": str(self.tip),
            "by_type": [
                {"type": one.type, "count": one.count, "amount": str(one.amount), "tip": str(one.tip)}
                for one in self.by_type
            ],
            "payments": [payment_as_json(one) for one in self.payments],
        }


def payment_as_json(payment: Payment) -> dict[str, Any]:
    """A payment for machines: dollars as text, the instant in UTC."""
    return {
        "id": payment.id,
        "invoice": payment.invoice,
        "number": payment.number,
        "client": payment.client,
        "type": payment.type,
        "amount": str(payment.amount),
        "tip": str(payment.tip),
        "paid_at": payment.paid_at.isoformat(),
    }
