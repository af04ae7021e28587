"""Sentences in the language of the shop's staff.

The English sentence is in the code and is the key of its translation. The French ones are in
`locale/fr/LC_MESSAGES/gazelle_sync.po`. `make messages` adds new sentences to that catalogue, and a test fails on a
sentence that is not translated.

The catalogue is read as text and compiled in memory, once a process, so there is no `.mo` file to build.
Babel takes a tenth of a second to import, so it is imported by the first sentence that is not
English, or the first number.
"""

from __future__ import annotations

import gettext
import re
from datetime import date, time
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, NewType

LOCALES = Path(__file__).with_name("locale")
DOMAIN = "gazelle_sync"

NO_BREAK, NARROW = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"
_BESIDE_COLONS_AND_QUOTES = re.compile(r" (?=[:»])|(?<=«) ")
_BEFORE_HIGH_SIGNS = re.compile(r" (?=[;!?])")

Message = NewType("Message", str)
"""Marks a sentence that is declared at import and translated later: `make messages` finds it by this name."""


DAY, DAY_OF_A_YEAR = Message("EEEE, MMMM d"), Message("EEEE, MMMM d, y")
_NAMES = frozenset(
    {
        "draft",
        "error",
        "id",
        "invoice",
        "line",
        "next",
        "number",
        "other",
        "payment",
        "port",
        "process",
        "status",
        "value",
    }
)
"""Places whose number is a name, or somebody's own text, and no count: it is written as it is."""
_LEAST_GROUPED = 1000


class Plural(NamedTuple):
    """A sentence about a number, which it names as `{count}`."""

    one: str
    many: str


class Translator:
    """Says things in one language: `say("Written: {path}", path=path)`.

    The catalogue is collected from literal sentences: one that is chosen at run time is marked where it is declared, as
    a `Message` or a `Plural`.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._catalogue = _read_catalogue(language)

    def __call__(self, message: str | Plural, /, **values: object) -> str:
        """A sentence with its places filled.

        Args:
            message: In English, with places as for `str.format`.
            values: For the places; `count`, an int, chooses the form of a `Plural`.
        """
        if isinstance(message, str):
            return self.text(message).format(**self._written(values))
        count = values["count"]
        if not isinstance(count, int):
            raise TypeError(f"count is {count!r}, not a whole number")
        return self.text_of_count(message.one, message.many, count).format(**self._written(values))

    def text(self, message: str) -> str:
        """The translation of a sentence, with its places unfilled."""
        return self._catalogue.gettext(message)

    def text_of_count(self, one: str, many: str, count: int) -> str:
        """The form of a sentence for a number, its places open."""
        return self._catalogue.ngettext(one, many, count)

    def _written(self, values: dict[str, object]) -> dict[str, object]:
        """Values for places, whole numbers among them in groups of three digits where they count something."""
        return {
            name: self.number(value) if type(value) is int and name not in _NAMES and value >= _LEAST_GROUPED else value
            for name, value in values.items()
        }

    def number(self, value: int) -> str:
        """A whole number: `1,344`; in French `1 344`, with narrow no-break spaces."""
        from babel.numbers import format_decimal

        return format_decimal(value, locale=self.language)

    def decimal(self, value: float) -> str:
        """A number with one decimal: `0.7`, `0,7`."""
        from babel.numbers import format_decimal

        return format_decimal(value, format="#,##0.0", locale=self.language)

    def exact(self, value: float | Decimal) -> str:
        """A number with the decimals that it has: `12.50`, `12,50`."""
        from babel.numbers import format_decimal

        exponent = value.as_tuple().exponent if isinstance(value, Decimal) else None
        if isinstance(exponent, int) and exponent < 0:
            return format_decimal(value, format=f"#,##0.{'0' * -exponent}", locale=self.language)
        return format_decimal(value, locale=self.language, decimal_quantization=False)

    def percentage(self, value: float) -> str:
        """A share with two decimals: `0.07%`, `0,07 %`."""
        from babel import Locale
        from babel.numbers import format_percent

        pattern = Locale.parse(self.language).percent_formats[None].pattern.replace("##0", "##0.00")
        return format_percent(value, format=pattern, locale=self.language)

    def day(self, day: date, pattern: str) -> str:
        """A day in words: `Tuesday, December 1`, `mardi 1er décembre`.

        Args:
            day: A calendar day.
            pattern: Its parts and their order as Babel writes them (`MMMM d`), already in the translator's language.
        """
        from babel.dates import format_date

        if self.language == "fr" and day.day == 1:  # Babel's patterns have no ordinals
            pattern = pattern.replace("d", "d'er'")
        return format_date(day, pattern, locale=self.language)

    def date(self, day: date, *, year: bool) -> str:
        """A day with its weekday: `Tuesday, December 1`, `mardi 1er décembre 2026`.

        Args:
            day: A calendar day.
            year: Whether the year is said as well.
        """
        return self.day(day, self.text(DAY_OF_A_YEAR if year else DAY))

    def time(self, at: time) -> str:
        """A time of day: `7:00`, `13:30`; in French `7 h`, `13 h 30`."""
        if self.language != "fr":
            return f"{at.hour}:{at.minute:02}"
        return f"{at.hour}{NO_BREAK}h" + (f"{NO_BREAK}{at.minute:02}" if at.minute else "")


@cache
def translator(language: str) -> Translator:
    """The translator of a language (`en` or `fr`)."""
    return Translator(language)


def spaced(text: str) -> str:
    """A French text with the spaces that must not break a line, where it has ordinary ones.

    Narrow ones before `;`, `!` and `?`, full ones before `:` and inside « »: the Office québécois de la langue
    française asks for these. The values of a sentence's places stay as they are.
    """
    return _BEFORE_HIGH_SIGNS.sub(NARROW, _BESIDE_COLONS_AND_QUOTES.sub(NO_BREAK, text))


def _read_catalogue(language: str) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with (LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as text:
        catalogue = read_po(text, locale=language, abort_invalid=True)
    for message in catalogue:
        said = message.string or ""
        message.string = spaced(said) if isinstance(said, str) else tuple(spaced(form) for form in said)
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
