"""Makes the stock follow the invoices: reads what changed, and writes the movements that it asks for.

All of it is one transaction of three round trips under a lock of its own, so that a killed process leaves either
everything or nothing, and two at once do not take the same difference twice. What the triggers of the invoices noted
(`inventory_unread`) goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from gazelle_sync.settings import Settings
from gazelle_sync.shop.inventory.consumption import Line, Movement, Needs, Rule, Use, movements, needs_of
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import Question, Rows, borrow, together

LOCK = 0x6761_7A10
COMMIT: Question = ("COMMIT", None)


@dataclass(frozen=True)
class Followed:
    """What became of the stock.

    Attributes:
        movements: That were written.
        needs: Of the invoices that were looked at.
    """

    movements: tuple[Movement, ...] = ()
    needs: Needs | None = None

    @property
    def invoices(self) -> int:
        """Of how many invoices something was moved."""
        return len({one.use.invoice for one in self.movements})


def follow_invoices(settings: Settings, *, everything: bool = False) -> Followed:
    """Move what the invoices that were written since the last time ask for.

    Args:
        settings: For the database, which is up to date.
        everything: Whether all invoices are looked at, whatever was noted.

    Raises:
        DatabaseError: The database cannot be reached, or refuses. Nothing was moved.
    """
    with borrow(str(settings.database_url)) as connection:
        _, noted, found = together(
            connection,
            (statement("inventory/lock"), {"lock": LOCK}),
            (statement("inventory/take_unread"), None),
            rules_question(),
            ends=False,
        )
        if not noted and not everything:
            connection.rollback()
            return Followed()
        rules = rules_in(found)
        ids = [invoice for (invoice,) in noted]
        invoices = None if everything or None in ids else ids
        lines, consumed = together(connection, lines_question(rules, invoices), consumed_question(invoices))
        needs = needs_of(lines_in(lines), rules)
        made = movements(needs.quantities, consumed_in(consumed))
        together(connection, *_writes(made, needs, invoices), COMMIT)
        return Followed(tuple(made), needs)


def rules_question() -> Question:
    """The statement whose rows `rules_in` reads."""
    return statement("inventory/rules"), None


def rules_in(rows: Rows) -> list[Rule]:
    """The rules of the database."""
    return [
        Rule(service, product, quantity, first, last, is_optional, tuple(names))
        for service, product, quantity, first, last, is_optional, names in rows
    ]


def lines_question(rules: Sequence[Rule], invoices: Sequence[str] | None = None) -> Question:
    """The statement that reads the lines which rules may concern; `lines_in` reads its rows.

    Args:
        rules: Whose services and first day.
        invoices: Of which invoices; None: of all.
    """
    return statement("inventory/lines"), {
        "services": sorted({rule.service for rule in rules}),
        "first_day": min((rule.valid_from for rule in rules), default=date.max),
        "invoices": invoices,
    }


ALL_LINES = {"services": None, "first_day": None, "invoices": None}
"""The parameters of the same statement for the lines that the rules of the database may concern, of all invoices."""


def lines_in(rows: Iterable[tuple[Any, ...]]) -> list[Line]:
    """The lines."""
    return [Line(*row) for row in rows]


def consumed_question(invoices: Sequence[str] | None = None) -> Question:
    """The statement that reads what invoices (None: all) have consumed; `consumed_in` reads its rows."""
    return statement("inventory/consumed"), {"invoices": invoices}


def consumed_in(rows: Rows) -> dict[Use, Any]:
    """What was consumed: use → quantity."""
    return {Use(*use): quantity for *use, quantity in rows}


def _writes(made: Sequence[Movement], needs: Needs, invoices: Sequence[str] | None) -> list[Question]:
    found = [(invoice, "unassigned") for invoice in sorted(needs.without_technician)]
    found += [(invoice, "beyond_measure") for invoice in sorted({use.invoice for use in needs.beyond_measure})]
    problems = {
        "found": [invoice for invoice, _ in found],
        "problems": [problem for _, problem in found],
        "invoices": invoices,
    }
    moves = {
        "products": [one.use.product_id for one in made],
        "technicians": [one.use.technician for one in made],
        "locations": [one.use.location for one in made],
        "deltas": [one.delta for one in made],
        "kinds": [one.kind for one in made],
        "invoices": [one.use.invoice for one in made],
        "line_keys": [one.use.line_key for one in made],
    }
    writes: list[Question] = [(statement("inventory/problems"), problems)]
    if made:
        writes[:0] = [(statement("inventory/hold_products"), moves), (statement("inventory/consume"), moves)]
    return writes
