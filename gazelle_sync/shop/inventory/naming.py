"""Which material and which person somebody means: by an id, a SKU or a name, where it is certain.

A name is compared without regard to case, accents and blanks. What could be several is refused with all of them, so
that nobody counts the stock of another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gazelle_sync.errors import SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.folding import fold
from gazelle_sync.i18n.translator import Message
from gazelle_sync.warehouse.connect import Connection, statement
from gazelle_sync.warehouse.pool import Question, Rows, together

SEVERAL = Message("{text} may be {records}: say the id of the one that is meant.")
SHOWN = 10


@dataclass(frozen=True)
class Person:
    """Somebody of the shop.

    Attributes:
        id: At Gazelle, `usr_…`.
        first_name: First name.
        last_name: Last name.
        is_there: Whether Gazelle still has the person.
    """

    id: str
    first_name: str
    last_name: str
    is_there: bool

    @property
    def name(self) -> str:
        """First and last name; the id where there is none."""
        return f"{self.first_name} {self.last_name}".strip() or self.id


@dataclass(frozen=True)
class Material:
    """A product of the shop's own list, or of Gazelle's only.

    Attributes:
        id: In `shop_products`; None: only Gazelle's list has it.
        sku: The shop's own number.
        external_id: Gazelle's, `mit_…`.
        name_fr: French name.
        name_en: English name.
        unit: What one of it is.
        is_active: Whether the shop still has it in its list.
        is_archived: Whether Gazelle has archived or deleted it.
        merged_into: The one that it turned out to be.
        is_known: Whether Gazelle's list, as it was last pulled, has the id; true where it has none.
        names: All that it is called, here and at Gazelle, for `mentions`.
    """

    id: int | None
    sku: str | None
    external_id: str | None
    name_fr: str | None
    name_en: str | None
    unit: str | None
    is_active: bool
    is_archived: bool
    merged_into: int | None
    is_known: bool
    names: Sequence[str]

    def name(self, language: str) -> str:
        """What people call it."""
        names = (self.name_fr, self.name_en) if language == "fr" else (self.name_en, self.name_fr)
        return next((name for name in (*names, self.sku, self.external_id) if name), f"#{self.id}")

    @property
    def label(self) -> str:
        """The shortest that names it for certain: SKU, Gazelle's id, or its place in the shop's list."""
        return self.sku or self.external_id or f"#{self.id}"


class Names:
    """Everybody and everything that a command may name, read in one round trip.

    Args:
        people: Of the shop.
        materials: Of both lists.
    """

    def __init__(self, people: Iterable[Person], materials: Iterable[Material]) -> None:
        self.people = {person.id: person for person in people}
        self.materials = list(materials)
        self.by_id = {one.id: one for one in self.materials if one.id is not None}

    @classmethod
    def read(cls, connection: Connection) -> Names:
        """Read them.

        Args:
            connection: To a database that is up to date.
        """
        return cls.of(*together(connection, *names_questions()))

    @classmethod
    def of(cls, people: Rows, materials: Rows) -> Names:
        """From the answers to `names_questions`."""
        return cls((Person(*row) for row in people), (Material(*row) for row in materials))

    def person(self, text: str) -> Person:
        """Whom a text means: an id, a full name, or a first or last name that only one person has who is there.

        Raises:
            SettingsError: Nobody goes by it, or several do.
        """
        wanted = fold(text)
        if (known := self.people.get(text.strip())) is not None:
            return known
        whole = [one for one in self.people.values() if wanted and wanted == fold(one.name)]
        part = [one for one in self.people.values() if wanted in map(fold, (one.first_name, one.last_name))]
        found = _there(whole) or _there(part if wanted else [])
        if len(found) == 1:
            return found[0]
        if found:
            raise SettingsError(
                gettext(SEVERAL, text=text, records=_listed(sorted(f"{one.id} ({one.name})" for one in found)))
            )
        there = _listed(sorted(f"{one.name} ({one.id})" for one in self.people.values() if one.is_there))
        raise SettingsError(gettext("There is nobody called {text}. There are: {people}.", text=text, people=there))

    def material(self, text: str, language: str) -> Material:
        """Which product a text means: a SKU, Gazelle's id, `#` and the place in the shop's list, or a name.

        A product that turned out to be another stands for that one.

        Raises:
            SettingsError: None goes by it, or several do.
        """
        given, wanted = text.strip(), fold(text)
        exact = [one for one in self.materials if given and given in (one.sku, one.external_id, f"#{one.id}")]
        found = exact or [
            one
            for one in self.materials
            if wanted and wanted in {fold(name or "") for name in (one.sku, one.name_fr, one.name_en)}
        ]
        found = list({one.label: one for one in map(self._survivor, found)}.values())
        if not exact and len(found) > 1:
            found = [one for one in found if one.is_active and not one.is_archived] or found
            found = [one for one in found if one.id is not None] or found
        if len(found) == 1:
            return found[0]
        if found:
            records = _listed(sorted(f"{one.label} ({one.name(language)})" for one in found))
            raise SettingsError(gettext(SEVERAL, text=text, records=records))
        raise SettingsError(
            gettext(
                "No product goes by {text}: neither the shop's list (shop_products) nor this account's at Gazelle has "
                "such a SKU, id or name.",
                text=text,
            )
        )

    def _survivor(self, material: Material) -> Material:
        return self.by_id.get(material.merged_into, material) if material.merged_into is not None else material


def names_questions() -> tuple[Question, Question]:
    """The statements whose answers `Names.of` reads, to be asked with others."""
    return (statement("inventory/people"), None), (statement("inventory/materials"), None)


def _there(people: list[Person]) -> list[Person]:
    """Those who are still there, else all."""
    return [one for one in people if one.is_there] or people


def _listed(records: Iterable[str]) -> str:
    found = list(records)
    return ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "") or "—"
