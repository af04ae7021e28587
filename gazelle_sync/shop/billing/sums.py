"""The sums of an invoice, rounded as Gazelle rounds them.

A line's sub-total is its quantity times its amount, rounded half up to the cent. Each tax is taken of each line by
itself and rounded half up as well; the invoice's sums are sums of its lines. Rounding once for the whole invoice would
differ on more than half of ordinary invoices, so the order matters. Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

CENT = Decimal("0.01")
WHOLE_RATE = 100_000
"""A rate of 100 %, in thousandths of a percent."""
EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
"""Wide enough that no product of what a person may type is rounded before it is rounded to the cent."""


@dataclass(frozen=True)
class Tax:
    """A tax of the account.

    Attributes:
        id: Gazelle's (`tax_…`).
        name: As invoices show it.
        rate: In thousandths of a percent: 9975 is 9.975 %.
    """

    id: str
    name: str
    rate: int


@dataclass(frozen=True)
class Line:
    """A line of an invoice, as far as sums need it.

    Attributes:
        quantity: How many, in at most two decimals.
        amount: Price of one in dollars, before tax, in at most two decimals.
        taxes: Those that the line takes.
        billable: Whether the client pays for it; what is not billed counts as nothing.
    """

    quantity: Decimal
    amount: Decimal
    taxes: Sequence[Tax] = ()
    billable: bool = True


@dataclass(frozen=True)
class LineSums:
    """The sums of a line, in dollars; `taxes` are in the order of the line's."""

    sub_total: Decimal
    taxes: tuple[tuple[Tax, Decimal], ...]

    @property
    def tax_total(self) -> Decimal:
        """All its taxes."""
        return sum((total for _, total in self.taxes), Decimal("0.00"))

    @property
    def total(self) -> Decimal:
        """With its taxes."""
        return self.sub_total + self.tax_total


@dataclass(frozen=True)
class InvoiceSums:
    """The sums of an invoice, in dollars; `taxes` are in the order in which its lines name them."""

    lines: tuple[LineSums, ...]

    @property
    def sub_total(self) -> Decimal:
        """Before taxes."""
        return sum((line.sub_total for line in self.lines), Decimal("0.00"))

    @property
    def taxes(self) -> tuple[tuple[Tax, Decimal], ...]:
        """What each tax comes to."""
        found: dict[Tax, Decimal] = {}
        for line in self.lines:
            for tax, total in line.taxes:
                found[tax] = found.get(tax, Decimal("0.00")) + total
        return tuple(found.items())

    @property
    def tax_total(self) -> Decimal:
        """All taxes."""
        return sum((line.tax_total for line in self.lines), Decimal("0.00"))

    @property
    def total(self) -> Decimal:
        """With taxes."""
        return self.sub_total + self.tax_total


def half_up(value: Decimal) -> Decimal:
    """An amount to the cent; half a cent goes up (below zero, away from it)."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP, context=EXACT)


def sums_of(lines: Iterable[Line]) -> InvoiceSums:
    """The sums of an invoice."""
    return InvoiceSums(tuple(_line_sums(line) for line in lines))


def _line_sums(line: Line) -> LineSums:
    quantity = line.quantity if line.billable else Decimal(0)
    sub_total = half_up(EXACT.multiply(quantity, line.amount))
    taxes = ((tax, half_up(EXACT.divide(EXACT.multiply(sub_total, tax.rate), WHOLE_RATE))) for tax in line.taxes)
    return LineSums(sub_total, tuple(taxes))
