"""Rules of consumption, and what one would have consumed before it goes live."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from gazelle_sync.errors import SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.settings import Settings
from gazelle_sync.shop.inventory.consumption import Movement, Rule, movements, needs_of
from gazelle_sync.shop.inventory.follow import (
    consumed_in,
    consumed_question,
    lines_in,
    lines_question,
    rules_in,
    rules_question,
)
from gazelle_sync.shop.inventory.naming import Material, Names
from gazelle_sync.warehouse.connect import statement
from gazelle_sync.warehouse.pool import borrow, together


@dataclass(frozen=True)
class DryRun:
    """What would be moved if a rule went live now.

    Attributes:
        by_month: Month (`2026-03`) and technician → quantity that would be taken; below zero: given back.
        invoices: Of how many invoices.
        without_technician: How many of them name nobody in charge.
        movements: What the job would write.
    """

    by_month: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    invoices: int = 0
    without_technician: int = 0
    movements: tuple[Movement, ...] = ()


class Rules:
    """The rules of a shop, for one command.

    Args:
        settings: For the database, which is up to date.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = str(settings.database_url)
        self._language = settings.language

    def read(self) -> tuple[list[Rule], Names]:
        """All rules, and what they name."""
        with borrow(self._url) as connection:
            found, *names = together(
                connection,
                rules_question(),
                (statement("inventory/people"), None),
                (statement("inventory/materials"), None),
            )
        return rules_in(found), Names.of(*names)

    def service(self, names: Names, text: str) -> Material:
        """Which service of Gazelle's a text means.

        Raises:
            SettingsError: It is not on Gazelle's list.
        """
        found = names.material(text, self._language)
        if found.external_id is None or not found.is_known:
            raise SettingsError(
                gettext(
                    "{service} is no service on Gazelle's list of this account: no line of an invoice can name it.",
                    service=text,
                )
            )
        return found

    def add(self, rule: Rule) -> None:
        """Add a rule. The next run applies it to the invoices since its first day."""
        given = {
            "service": rule.service, "product": rule.product_id, "quantity": rule.quantity,
            "is_optional": rule.is_optional, "valid_from": rule.valid_from,
        }  # fmt: skip
        with borrow(self._url) as connection:
            connection.execute(statement("inventory/add_rule"), given)

    def end(self, service: str, product_id: int, last: date) -> None:
        """Let the rules of a service for a material end with a day.

        Raises:
            SettingsError: There is none.
        """
        given = {"service": service, "product": product_id, "valid_until": last}
        with borrow(self._url) as connection:
            if connection.execute(statement("inventory/end_rules"), given).fetchone() == (0,):
                raise SettingsError(
                    gettext("There is no such rule that still holds. `gazelle-sync inventory rules` lists them.")
                )

    def dry_run(self, new: Rule) -> DryRun:
        """What would be moved if a rule went live now, over all invoices since its first day; nothing is written."""
        with borrow(self._url) as connection:
            found, consumed = together(connection, rules_question(), consumed_question())
            replaced = (new.service, new.product_id, new.valid_from)
            rules = [rule for rule in rules_in(found) if (rule.service, rule.product_id, rule.valid_from) != replaced]
            rules.append(new)
            [rows] = together(connection, lines_question(rules))
        lines = lines_in(rows)
        needs = needs_of(lines, [rule for rule in rules if rule.product_id == new.product_id])
        made = [
            one for one in movements(needs.quantities, consumed_in(consumed)) if one.use.product_id == new.product_id
        ]
        days = {line.invoice: line.day for line in lines}
        return DryRun(
            _by_month(made, days), len({one.use.invoice for one in made}), len(needs.without_technician), tuple(made)
        )


def _by_month(made: Sequence[Movement], days: dict[str, date | None]) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for one in made:
        day = days.get(one.use.invoice)
        sums[f"{day:%Y-%m}" if day else "—", one.use.technician] -= one.delta
    return dict(sorted(sums.items()))
