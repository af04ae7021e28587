"""Drafts of invoices as the database holds them, and what the last pull knows of the records they name. Pure values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from gazelle_sync.shop.billing.sums import Tax


@dataclass(frozen=True)
class DraftLine:
    """A line of a draft, as whoever wrote it left it.

    Attributes:
        id: Its row.
        position: Its place on the invoice, from 1 on.
        description: Its text.
        product: Gazelle's id of what it sells (`mit_…`), or None.
        piano: Gazelle's id of the piano that it is about, or None.
        quantity: How many.
        amount: Price of one in dollars; None: nobody said.
        billable: Whether the client pays for it.
        taxable: Whether tax is added to it.
        taxes: Ids or names of its taxes; None: the account's default ones.
        type: Gazelle's kind of line; None: that of its product, or `OTHER`.
    """

    id: int
    position: int
    description: str | None
    product: str | None
    piano: str | None
    quantity: Decimal
    amount: Decimal | None
    billable: bool
    taxable: bool
    taxes: Any = None
    type: str | None = None


@dataclass(frozen=True)
class Draft:
    """A draft of an invoice.

    Attributes:
        id: Its number in `invoice_drafts`.
        client: Gazelle's id of the client.
        contact: Gazelle's id of whom it is sent to, or None.
        status: `draft`, `ready`, `sent`, `held` or `canceled`.
        invoice: Gazelle's id of the invoice that was made of it, or None.
        due_on: When it is to be paid; None: `net_days` after it is made, or the account's custom.
        net_days: See `due_on`.
        notes: Text below the lines.
        top_notes: Text above them.
        tags: Of the invoice.
        checked: Sub-total, taxes and total as a check last computed them; None: it was changed since.
        held: The same as Gazelle computed them, where that held the draft; else None.
        error: Why Gazelle does not have what was sent, or None.
        waits: Whether something of it is to go to Gazelle.
        emailed: `sent`, `in_doubt` or None.
        lines: In their order.
    """

    id: int
    client: str
    contact: str | None
    status: str
    invoice: str | None
    due_on: date | None
    net_days: int | None
    notes: str | None
    top_notes: str | None
    tags: Sequence[str]
    checked: tuple[Decimal, Decimal, Decimal] | None
    lines: Sequence[DraftLine] = ()
    held: tuple[Decimal, Decimal, Decimal] | None = None
    error: str | None = None
    waits: bool = False
    emailed: str | None = None

    @property
    def is_sent(self) -> bool:
        """Whether Gazelle has all of it."""
        return self.status == "sent" and not self.waits

    @property
    def fingerprint(self) -> str:
        """A hash of what people wrote into it, its lines included: it differs once somebody has changed the draft."""
        header = (self.client, self.contact, self.due_on, self.net_days, self.notes, self.top_notes, list(self.tags))
        said = repr((header, [astuple(line) for line in self.lines]))
        return hashlib.sha256(said.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Product:
    """What a pull knows of a product.

    Attributes:
        name: What people call it.
        is_archived: At Gazelle.
        is_gone: Whether Gazelle has it no more.
        is_taxable: As Gazelle's list says.
        type: Gazelle's kind of line.
        merged_into: Gazelle's id of the one that it turned out to be, by the shop's own list; None: it is itself.
    """

    name: str
    is_archived: bool
    is_gone: bool
    is_taxable: bool
    type: str | None = None
    merged_into: str | None = None


@dataclass(frozen=True)
class LastPull:
    """What the last pull knows of the records that a draft names.

    Attributes:
        client: Its name and whether it is there; None: the account has no such client.
        contacts: Ids of the client's contacts.
        pianos: Id → the client's id, of the pianos that are there.
        products: Id → product.
        taxes: The account's active taxes.
        default_taxes: Those that a line takes where nobody says otherwise.
    """

    client: tuple[str, bool] | None = None
    contacts: frozenset[str] = frozenset()
    pianos: Mapping[str, str | None] = field(default_factory=dict)
    products: Mapping[str, Product] = field(default_factory=dict)
    taxes: Sequence[Tax] = ()
    default_taxes: frozenset[str] = frozenset()

    def tax(self, said: str) -> Tax | None:
        """A tax by its id or its name."""
        return next((tax for tax in self.taxes if said in (tax.id, tax.name)), None)
