"""What people bill and what it comes to: invoices with their lines and payments, in whole cents."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Line:
    """A line: `quantity` in hundredths, `amount` in cents."""

    description: str
    quantity: int
    amount: int
    taxable: bool


@dataclass
class Paid:
    """A payment that was entered here: cents, the tip included."""

    id: int
    amount: int
    tip: int
    type: str


@dataclass
class Bill:
    """An invoice that somebody prepared here.

    Attributes:
        word: How its notes begin.
        draft: The draft's number.
        client: Whose.
        lines: What it is about.
        payments: What was paid on it, and entered here.
        is_sent: Whether somebody sent it.
        is_off: Whether Gazelle computes other sums: then it is held, and nothing else is sent for it.
        is_refused: Whether what was last changed here cannot be taken.
        may_be_mailed: Whether somebody asked for an e-mail to the client.
        paid_there: Cents that people entered at Gazelle.
        said: Column → what was last said of it here.
    """

    word: str
    draft: int
    client: str
    lines: list[Line]
    payments: list[Paid] = field(default_factory=list)
    is_sent: bool = False
    is_off: bool = False
    is_refused: bool = False
    may_be_mailed: bool = False
    paid_there: list[int] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)


def said(notes: str | None) -> str | None:
    """What people wrote into the notes of an invoice, above our mark."""
    return (notes or "").partition("\n\n[gazelle_sync")[0] or None


def sums_of(lines: list[Line], rates: list[int]) -> tuple[int, int]:
    """Sub-total and taxes in cents: each line, and each tax of it, is rounded half up by itself.

    Args:
        lines: Of an invoice.
        rates: Of the account's default taxes, in thousandths of a percent.
    """
    subs = [(line.quantity * line.amount + 50) // 100 for line in lines]
    taxed = [sub for sub, line in zip(subs, lines, strict=True) if line.taxable]
    taxes = [(sub * rate + 50_000) // 100_000 for sub in taxed for rate in rates]
    return sum(subs), sum(taxes)
