"""What invoices consume: a function of their present lines, and the movements that make the stock follow it.

Nothing here reads or writes. A line's quantity is in units (Gazelle sends hundredths; the reconciler of invoices has
converted them). What a line needs does not depend on what happened before, so a second pass, a replay or a backfill
finds nothing to move, and a line that was edited, moved to another technician or removed is one difference.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from gazelle_sync.i18n.folding import without_accents

MAIN = "main"
"""The location that invoices consume from."""
NOT_ISSUED = frozenset({"DRAFT", "DELETED", "CANCELED"})
"""Statuses of invoices that consume nothing. A status that was never seen before consumes like an open one."""
HUNDREDTH = Decimal("0.01")
MOST = Decimal(1_000_000)
"""More of one material on one line is a mistyped quantity: it is told, and no stock follows it."""
LEFT_OUT = frozenset({"sans", "pas", "aucun", "aucune", "ni", "no", "not", "without"})
"""Words that say, before a material, that it was not used."""
REACH = 2
"""So many words before the material such a word may stand: "pas de housse", "sans la housse"."""
_CLAUSE = re.compile(r"[,;:.!?()](?=\s|$)|\n")
_WORD = re.compile(r"[^\W_]+")


class Use(NamedTuple):
    """One material on one line of an invoice, and whose stock it comes from.

    Attributes:
        invoice: Its id at Gazelle.
        line_key: `Line.key`.
        product_id: The material's id in `shop_products`.
        technician: The user's id at Gazelle.
        location: Where the stock is.
    """

    invoice: str
    line_key: str
    product_id: int
    technician: str
    location: str = MAIN


@dataclass(frozen=True)
class Line:
    """One line of an invoice, as it is now.

    Attributes:
        invoice: The invoice's id at Gazelle.
        status: Of the invoice; None: nothing is known of the invoice but its id.
        day: The invoice's day in Montreal.
        technician: The user in charge of the invoice, or None.
        service: The product of Gazelle's that the line names, or None.
        piano: The piano that it names, or None.
        sequence: Its place on the invoice, or None.
        quantity: In units; None counts as nothing.
        description: Its text.
        is_gone: Whether the line or its invoice was deleted.
    """

    invoice: str
    status: str | None
    day: date | None
    technician: str | None
    service: str | None
    piano: str | None = None
    sequence: int | None = None
    quantity: Decimal | None = None
    description: str | None = None
    is_gone: bool = False

    @property
    def key(self) -> str:
        """Identifies the line within its invoice: the ids of lines are not stable, since an update replaces them."""
        return f"{self.service or '-'}/{self.piano or '-'}/{'-' if self.sequence is None else self.sequence}"

    @property
    def counts(self) -> bool:
        """Whether it may consume anything."""
        is_issued = self.status is not None and self.status not in NOT_ISSUED
        return is_issued and not self.is_gone and self.quantity is not None and self.quantity > 0


@dataclass(frozen=True)
class Rule:
    """A service uses so much of a material, on invoices from a day on.

    Attributes:
        service: The product of Gazelle's whose lines use it.
        product_id: The material's id in `shop_products`.
        quantity: In the material's unit, for one unit of the service.
        valid_from: First day, in Montreal, of the invoices that it applies to.
        valid_until: Last day of these; None: it has no end.
        is_optional: Whether it counts only where the line's text names the material.
        names: What the material is called: names in both languages and SKU.
    """

    service: str
    product_id: int
    quantity: Decimal
    valid_from: date
    valid_until: date | None = None
    is_optional: bool = False
    names: tuple[str, ...] = ()


@dataclass
class Needs:
    """What invoices need.

    Attributes:
        quantities: How much of each material each line needs; never 0 or less.
        without_technician: Invoices that need something and name nobody in charge.
        beyond_measure: Uses of more than `MOST`, which no stock follows.
    """

    quantities: dict[Use, Decimal] = field(default_factory=dict)
    without_technician: set[str] = field(default_factory=set)
    beyond_measure: dict[Use, Decimal] = field(default_factory=dict)


class Movement(NamedTuple):
    """A change of the stock that an invoice asks for; `delta` is negative for what was consumed."""

    use: Use
    delta: Decimal
    kind: str


def needs_of(lines: Iterable[Line], rules: Iterable[Rule]) -> Needs:
    """What invoices need by the rules.

    Args:
        lines: All lines of each of the invoices.
        rules: Of several for one service and material, the newest that the invoice's day has reached counts.
    """
    by_service: dict[str, dict[int, list[Rule]]] = defaultdict(lambda: defaultdict(list))
    for rule in sorted(rules, key=lambda rule: rule.valid_from, reverse=True):
        by_service[rule.service][rule.product_id].append(rule)
    found = Needs()
    sums: dict[Use, Decimal] = defaultdict(Decimal)
    for line in lines:
        if not line.counts or line.service not in by_service or line.day is None:
            continue
        for product_id, versions in by_service[line.service].items():
            quantity = _needed(line, versions)
            if not quantity:
                continue
            if line.technician is None:
                found.without_technician.add(line.invoice)
            else:
                sums[Use(line.invoice, line.key, product_id, line.technician)] += quantity
    for use, quantity in sums.items():
        rounded = quantity.quantize(HUNDREDTH, ROUND_HALF_UP)
        if rounded > MOST:
            found.beyond_measure[use] = rounded
        elif rounded:
            found.quantities[use] = rounded
    return found


def movements(needed: Mapping[Use, Decimal], consumed: Mapping[Use, Decimal]) -> list[Movement]:
    """What has to be moved so that the stock follows the invoices.

    Args:
        needed: `Needs.quantities` of some invoices.
        consumed: What was taken for these invoices so far, what came back being subtracted.

    Returns:
        In the order of the stock's rows, in which all who write many take their locks.
    """
    found = []
    for use in needed.keys() | consumed.keys():
        more = needed.get(use, Decimal(0)) - consumed.get(use, Decimal(0))
        if more:
            found.append(Movement(use, -more, "consumption" if more > 0 else "return"))
    return sorted(found, key=lambda one: (one.use[2:], one.use[:2]))


def _needed(line: Line, versions: list[Rule]) -> Decimal:
    """How much a line uses by the rules for one material, the newest first."""
    day, quantity = line.day, line.quantity
    rule = next((one for one in versions if day is not None and one.valid_from <= day), None)
    if rule is None or day is None or quantity is None or (rule.valid_until is not None and rule.valid_until < day):
        return Decimal(0)
    if rule.is_optional and not mentions(line.description, rule.names):
        return Decimal(0)
    return quantity * rule.quantity


def mentions(text: str | None, names: Iterable[str]) -> bool:
    """Whether a text names something by one of its names, and does not say that it was left out.

    Case, accents, punctuation and a plural's last letter make no difference.

    Args:
        text: Of an invoice's line.
        names: In both languages, and the SKU.
    """
    clauses = [_words(clause) for clause in _CLAUSE.split(text or "")]
    return any(_is_named(clause, _words(name)) for clause in clauses for name in names)


def _is_named(clause: list[str], name: list[str]) -> bool:
    places = range(len(clause) - len(name) + 1) if name else ()
    return any(
        clause[place : place + len(name)] == name and not LEFT_OUT & set(clause[max(place - REACH, 0) : place])
        for place in places
    )


def _words(text: str) -> list[str]:
    return [word if word in LEFT_OUT else _singular(word) for word in _WORD.findall(without_accents(text))]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] in "sx" else word
