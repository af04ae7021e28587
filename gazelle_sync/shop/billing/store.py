"""Drafts of invoices in the database: creates, changes, reads and checks them, and stores the result of a check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, LiteralString

from psycopg import errors
from psycopg.types.json import Jsonb

from gazelle_sync.errors import CommandRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.shop.billing.checking import Checked, check
from gazelle_sync.shop.billing.drafts import Draft, DraftLine, LastPull, Product
from gazelle_sync.shop.billing.sums import Tax
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import Question, Rows, borrow, change, together

HEADER = ("id", "client", "contact", "status", "invoice", "due_on", "net_days", "notes", "top_notes", "tags")
"""The first columns of `draft_read.sql`."""
MOST_DIGITS = 30
"""Of a number that people type: what is longer is none."""
TRIES = 3
"""So often a draft is read again that somebody changed while it was checked."""


class DraftRefused(CommandRefused):
    """A draft, a line or a payment cannot be what was asked for; the message says why and what to do."""


class DraftChanged(DraftRefused):
    """Somebody changed a draft since the person who sends it saw it. Nothing was sent."""


@dataclass(frozen=True)
class Payment:
    """A payment that arrived; amounts in dollars, the tip a part of the amount, `paid_at` aware UTC."""

    id: str
    invoice: str
    number: int | None
    client: str | None
    type: str | None
    amount: Decimal
    tip: Decimal
    paid_at: datetime
    notes: str | None


@dataclass(frozen=True)
class GazelleInvoice:
    """What Gazelle has of an invoice that was made here, as the last pull brought it; amounts in dollars."""

    id: str
    number: int | None
    status: str | None
    sub_total: Decimal | None
    tax_total: Decimal | None
    total: Decimal | None
    paid_total: Decimal | None
    due_total: Decimal | None
    due_on: date | None
    payments: Sequence[Payment] = ()


@dataclass(frozen=True)
class ListEntry:
    """A line of the list of invoices.

    Attributes:
        invoice: Gazelle's id, or None.
        draft: Our number, or None.
        number: Of the invoice, or None.
        client: Its name.
        status: Of the draft in our words, or of the invoice in Gazelle's.
        due_on: Or None.
        total: In dollars, or None where nothing was checked.
        due: Still to pay, or None.
    """

    invoice: str | None
    draft: int | None
    number: int | None
    client: str
    status: str
    due_on: date | None
    total: Decimal | None
    due: Decimal | None


class Drafts:
    """The drafts of a shop's database.

    Args:
        url: `postgresql://…`, migrated.
        who: Who writes; None: the database's login.
    """

    def __init__(self, url: str, who: str | None = None) -> None:
        self._url = url
        self._who = who

    def new(self, **header: Any) -> int:
        """Make a draft; gives its number.

        Args:
            header: client, contact, assigned_to, due_on, net_days, notes, top_notes, tags.

        Raises:
            DraftRefused: The last pull knows no such client.
        """
        client = {"client": header["client"]}
        with borrow(self._url) as connection:
            found = together(connection, ask("known_client", client))[0]
            if not found or not found[0][1]:
                raise DraftRefused(
                    gettext(
                        "No client {client} is known. Look it up in gazelle_clients, or run `gazelle-sync sync` first.",
                        client=header["client"],
                    )
                )
            [[(made,)]] = together(connection, ask("draft_new", {**header, "who": self._who}))
        return int(made)

    def add(self, draft: int, *, language: str = "en", taxes: Sequence[str] | None = None, **line: Any) -> int:
        """Add a line at the end of a draft; gives its place.

        Args:
            draft: Its number.
            language: In which a product gives its name, where the line has no description.
            taxes: Ids or names; None: the account's default ones.
            line: description, product, piano, quantity, amount, billable, taxable.

        Raises:
            DraftRefused: There is no such draft, or it takes no line.
        """
        given = {**line, "draft": draft, "language": language, "who": self._who}
        given["taxes"] = None if taxes is None else Jsonb(list(taxes))
        with borrow(self._url) as connection:
            try:
                [rows] = together(connection, ask("draft_add", given))
            except errors.CheckViolation as error:
                raise DraftRefused(str(error.diag.message_primary)) from error
        if not rows:
            raise _no_draft(draft)
        return int(rows[0][0])

    def remove(self, draft: int, position: int, *, line: int | None = None) -> None:
        """Take a line off a draft.

        Args:
            draft: Its number.
            position: The line's place.
            line: The line's row: another one that stands at that place by now stays.

        Raises:
            DraftRefused: There is no such line, or the draft takes no change.
        """
        with borrow(self._url) as connection:
            try:
                removed = change(connection, ask("draft_remove", {"draft": draft, "position": position, "line": line}))
            except errors.CheckViolation as error:
                raise DraftRefused(str(error.diag.message_primary)) from error
        if removed == [0]:
            raise DraftRefused(gettext("Draft {draft} has no line {line}.", draft=draft, line=position))

    def read(self, draft: int) -> Draft:
        """A draft.

        Raises:
            DraftRefused: There is none.
        """
        with borrow(self._url) as connection:
            return _draft(_one(connection, draft))

    def preview(self, draft: int) -> tuple[Draft, Checked]:
        """Compute a draft and say what is missing; nothing is kept.

        Raises:
            DraftRefused: There is none.
        """
        with borrow(self._url) as connection:
            found = _draft(_one(connection, draft))
            return found, check(found, _last_pull(connection, found))

    def check(self, draft: int, *, to_send: bool = False, seen: str | None = None) -> tuple[Draft, Checked]:
        """Compute a draft, say what is missing, and keep both.

        A draft that somebody changes meanwhile is read again.

        Args:
            draft: Its number.
            to_send: Whether it is to go to Gazelle with that, where nothing is missing.
            seen: Its fingerprint when the person saw it; None: it goes as it is now.

        Raises:
            DraftChanged: It says something else than what the person saw. Nothing was done.
            DraftRefused: There is none, or it changes all the time.
        """
        with borrow(self._url) as connection:
            for _ in range(TRIES):
                row = _one(connection, draft)
                found = _draft(row)
                if seen is not None and found.fingerprint != seen:
                    raise DraftChanged(
                        gettext(
                            "Somebody changed draft {draft} in the meantime. Nothing was sent: look at it again.",
                            draft=draft,
                        )
                    )
                checked = check(found, _last_pull(connection, found))
                if found.status == "sent" and not to_send:
                    return found, checked  # what was sent stays as it was sent
                name: LiteralString = "draft_send" if to_send and not checked.problems else "draft_checked"
                if change(connection, ask(name, self._kept(draft, row[14], checked))) == [1]:
                    return found, checked
                if found.status in ("sent", "canceled"):
                    return found, checked
        raise DraftRefused(gettext("Draft {draft} was changed while it was checked. Check it again.", draft=draft))

    def _kept(self, draft: int, version: str, checked: Checked) -> dict[str, Any]:
        sums = None if checked.problems else checked.sums
        return {
            "draft": draft, "version": version, "status": "draft" if checked.problems else "ready",
            "sub_total": sums and sums.sub_total, "tax_total": sums and sums.tax_total, "total": sums and sums.total,
            "lines": None if checked.problems else Jsonb(list(checked.lines)), "who": self._who,
        }  # fmt: skip

    def draft_of(self, said: str) -> int | None:
        """The number of a draft by what a person calls it; None: no draft is of that invoice.

        Args:
            said: The number itself, or the id of the invoice that was made of it.

        Raises:
            DraftRefused: It is neither.
        """
        bare = said.strip()
        if bare.isascii() and bare.isdigit():
            return int(bare)
        if not bare.startswith("inv_"):
            raise DraftRefused(
                gettext("{text!r} is no draft's number and no invoice's id: `gazelle-sync invoices list`.", text=said)
            )
        with borrow(self._url) as connection:
            [rows] = together(connection, ask("draft_of", {"invoice": bare}))
        return int(rows[0][0]) if rows else None

    def draft(self, said: str) -> int:
        """The same, of an invoice that has a draft.

        Raises:
            DraftRefused: There is no draft of it.
        """
        found = self.draft_of(said)
        if found is None:
            raise self.unknown(said)
        return found

    def unknown(self, said: str) -> DraftRefused:
        """That there is no such draft."""
        return _no_draft(said)

    def followed(self, invoice: str) -> GazelleInvoice | None:
        """What the last pull brought of an invoice."""
        with borrow(self._url) as connection:
            rows, payments = together(
                connection, ask("draft_followed", {"invoices": [invoice]}), ask("payments_of", {"invoice": invoice})
            )
        if not rows:
            return None
        found = GazelleInvoice(*rows[0])
        return replace(found, payments=tuple(Payment(*row) for row in payments))

    def listed(self, today: date, *, overdue: bool) -> list[ListEntry]:
        """Drafts, and Gazelle's invoices that are not paid.

        Args:
            today: In Montreal.
            overdue: Only what should have been paid before today.
        """
        with borrow(self._url) as connection:
            [rows] = together(connection, ask("invoices", {"today": today, "overdue": overdue}))
        return [ListEntry(*row) for row in rows]

    def payments(self, first: datetime, until: datetime) -> list[Payment]:
        """What arrived in a span of time: `first` included, `until` not."""
        with borrow(self._url) as connection:
            [rows] = together(connection, ask("payments", {"from": first, "until": until}))
        return [Payment(*row) for row in rows]


def number_of(text: str) -> Decimal:
    """A number as people write it: `1.25` or `1,25`, also with blanks between thousands.

    Raises:
        DraftRefused: It is none.
    """
    bare = "".join(text.split()).replace("$", "")
    if "," in bare and "." not in bare:
        bare = bare.replace(",", ".")
    try:
        value = Decimal(bare)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value.adjusted()) > MOST_DIGITS or len(bare) > MOST_DIGITS:
        raise DraftRefused(gettext("{text!r} is not a number. Write it as 1.25 or 1,25.", text=text))
    return value


def ask(name: LiteralString, parameters: dict[str, Any]) -> Question:
    """A statement of `sql/queries/billing`."""
    return statement(f"billing/{name}"), parameters


def _no_draft(draft: int | str) -> DraftRefused:
    return DraftRefused(gettext("There is no draft {draft}. `gazelle-sync invoices list` shows them.", draft=draft))


def _one(connection: Any, draft: int) -> tuple[Any, ...]:
    [rows] = together(connection, ask("draft_read", {"drafts": [draft]}))
    if not rows:
        raise _no_draft(draft)
    return rows[0]


def _last_pull(connection: Any, draft: Draft) -> LastPull:
    """What the last pull knows of what a draft names, in one round trip."""
    clients, contacts, pianos, products, taxes = together(
        connection,
        ask("known_client", {"client": draft.client}),
        ask("known_contacts", {"client": draft.client}),
        ask("known_pianos", {"pianos": [line.piano for line in draft.lines if line.piano]}),
        ask("known_products", {"products": [line.product for line in draft.lines if line.product]}),
        (statement("billing/known_taxes"), None),
    )
    return LastPull(
        client=(clients[0][0], clients[0][1]) if clients else None,
        contacts=frozenset(contact for (contact,) in contacts),
        pianos=dict(pianos),
        products={row[0]: Product(*row[1:]) for row in products},
        taxes=_taxes(taxes),
        default_taxes=frozenset(tax_id for tax_id, _, _, is_default in taxes if is_default),
    )


def _taxes(rows: Rows) -> tuple[Tax, ...]:
    return tuple(Tax(tax_id, name, rate) for tax_id, name, rate, _ in rows)


def _draft(row: tuple[Any, ...]) -> Draft:
    header = dict(zip(HEADER, row, strict=False))
    sums, lines, held = row[10:13], row[13], row[15:18]
    return Draft(
        **header,
        checked=None if None in sums else sums,
        lines=tuple(map(_line, lines)),
        held=None if None in held else held,
        error=row[18],
        waits=row[19],
        emailed=row[20],
    )


def _line(said: dict[str, Any]) -> DraftLine:
    amount = said["amount"]
    return DraftLine(
        id=said["id"],
        position=said["position"],
        description=said["description"],
        product=said["product"],
        piano=said["piano"],
        quantity=Decimal(said["quantity"]),
        amount=None if amount is None else Decimal(amount),
        billable=said["billable"],
        taxable=said["taxable"],
        taxes=said["taxes"],
        type=said["type"],
    )
