"""What a verification finds: records that differ, and records that are newer at Gazelle than our last pull."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from gazelle_sync.i18n.translator import Message

MOST_KEPT = 1000
"""Of an entity: so many are named; of the others only the number is told."""


class Why(enum.Enum):
    """How a record here is not the one at Gazelle, as a sentence."""

    COLUMN = Message("is another value here than at Gazelle")
    MISSING = Message("is at Gazelle and not here")
    SURPLUS = Message("is here, and Gazelle does not have it")
    DELETED = Message("is marked deleted here, and Gazelle has it")
    LIVING = Message("is gone at Gazelle, which we know, and not marked deleted here")
    UNAPPLIED = Message("was read, and could not be applied: `gazelle-sync errors` says why")
    MISSED = Message("changed at Gazelle before our last pull, which did not read it")
    CHANGED_THERE = Message("changed at Gazelle since it was read")
    NEW_THERE = Message("is new at Gazelle")
    GONE_THERE = Message("was deleted at Gazelle since it was read")
    WAITS = Message("was read, and waits to be applied")

    @property
    def is_news(self) -> bool:
        """Whether nothing is wrong here: the next run that reads the record brings it."""
        return self in (Why.CHANGED_THERE, Why.NEW_THERE, Why.GONE_THERE, Why.WAITS)

    @property
    def needs_reading(self) -> bool:
        """Whether staging does not hold what is right, so that a replay could not correct it."""
        return self in (Why.SURPLUS, Why.MISSED)


@dataclass(frozen=True)
class Difference:
    """One field that differs, or one row that does as a whole.

    Attributes:
        entity: Name of the kind of record.
        table: The table of production.
        external_id: Of the row.
        why: How it differs.
        field: Column; None: the row as a whole.
        here: What production says.
        there: What Gazelle says, as the reconciler makes it.
        name: What its body calls it, where production may hold no row of it.
    """

    entity: str
    table: str
    external_id: str
    why: Why
    field: str | None = None
    here: Any = None
    there: Any = None
    name: str | None = None

    def as_json(self, names: dict[str, str]) -> dict[str, Any]:
        """For machines."""
        name = names.get(self.external_id) or self.name
        return {
            "entity": self.entity, "table": self.table, "id": self.external_id, "name": name,
            "why": self.why.name.lower(), "field": self.field, "here": written(self.here),
            "at_gazelle": written(self.there),
        }  # fmt: skip


@dataclass
class Findings:
    """What was found of one entity.

    Attributes:
        entity: Its name.
        listed: How many records Gazelle lists.
        bodies: How many of them were compared field by field.
        days: How many Montreal days were counted (of the timeline).
        differences: What differs, and what is newer there: of `MOST_KEPT` records at most.
        beyond: How many more records differ.
        unproven: Why something of it could not be compared.
    """

    entity: str
    listed: int = 0
    bodies: int = 0
    days: int = 0
    differences: list[Difference] = field(default_factory=list)
    beyond: int = 0
    unproven: list[str] = field(default_factory=list)

    def add(self, found: Iterable[Difference]) -> None:
        """Note differences; the same one may come twice."""
        known = {(one.table, one.external_id, one.field) for one in self.differences}
        ids = {(table, external_id) for table, external_id, _ in known}
        for one in found:
            key = (one.table, one.external_id)
            if (*key, one.field) in known:
                continue
            if key not in ids and len(ids) >= MOST_KEPT:
                self.beyond += 1
                continue
            known.add((*key, one.field))
            ids.add(key)
            self.differences.append(one)

    @property
    def wrong(self) -> list[Difference]:
        """What is wrong here."""
        return [one for one in self.differences if not one.why.is_news]

    @property
    def news(self) -> list[Difference]:
        """What the next run brings."""
        return [one for one in self.differences if one.why.is_news]

    @property
    def holds(self) -> bool:
        """Whether production equals the account, but for what the next run brings."""
        return not (self.wrong or self.beyond or self.unproven)


NAMING = ("display_name", "make", "model", "serial_number", "title", "first_name", "last_name", "name_fr", "number")


def called(row: Mapping[str, Any]) -> str | None:
    """What a row calls its record."""
    return " ".join(str(row[column]) for column in NAMING if row.get(column))[:60] or None


def written(value: Any) -> Any:
    """A value of a column as JSON has it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value if isinstance(value, (str, int, float, bool, list, dict, type(None))) else str(value)
