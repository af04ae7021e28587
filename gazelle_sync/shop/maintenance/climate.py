"""What readings of humidity in a note say: `20C, 74%`, `humidité 28 %`. Pure.

A reading has thresholds of its own and never cancels words. In Montreal 33 % is an ordinary winter reading, so that
"low" counts only where the words say so, or where a client asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gazelle_sync.shop.maintenance.lexicon import plain

_PERCENT = re.compile(
    r"(?<!\w)(?<!\d[.,])(\d{1,3})(?:[.,]\d+)?\s*(?:%|pour ?cent|percent)"
    r"(?!\s*(?:(?:de |du |des |d\W|of )(?!h)|off|use|worn|wear|done|fini|complet|satisf|discount|plus|more|less|moins))"
)
_NAMED = re.compile(
    r"(?<![a-z])(?:humidite|humidity|hum|hr|rh|hygrometrie)(?![a-z])\W*"
    r"(?:(?:relative|ambiante|mesuree|level|est|etait|is|was|at|now|maintenant|de|a|of|environ|about|entre)\W+){0,3}?"
    r"(\d{1,3})(?:[.,]\d+)?(?!\d|\s*(?:hz|°|c\b|f\b))"
)
_TEMPERATURE = re.compile(r"(?<![\w.,])-?\d{1,2}(?:[.,]\d+)?\s*(?:°|º|degres|degrees|c(?!\w)|f(?!\w))")
_HUMIDITY = re.compile(
    r"(?<![a-z])(?:humid|hum(?![a-z])|hr(?![a-z])|rh(?![a-z])|hygro|taux(?![a-z])|h\W{0,2}(?=\d{1,3}\s*%))"
)
_OF_SOMETHING_ELSE = re.compile(
    r"(?:usee?s?|usure|worn|wear|batterie|battery|charge|fini|complete|rabais|escompte|remise|taxe|taxes|tps|tvq|hausse|augmentation|acompte|depot|pourboire|discount|tax|off|increase|deposit|tip)\W+(?:\w+\W+){0,2}$"
)
NEAR = 40
"""How many characters from a temperature or from the word a percentage is still a humidity."""
LEAST, MOST = 10, 100
"""A percentage below or above is no humidity of a room."""


@dataclass(frozen=True)
class Thresholds:
    """Relative humidity in percent.

    Attributes:
        high: From here on a reading alone says that it is too humid.
        critical_low: Down from here a reading alone says that it is too dry.
        low: Down from here it does for clients who ask for it.
    """

    high: int = 70
    critical_low: int = 29
    low: int = 35

    def says(self, humidity: int, *, asks_for_low: bool = False) -> bool | None:
        """Whether a humidity is out of bounds; None where it is none of a room."""
        if not LEAST <= humidity <= MOST:
            return None
        lowest = self.low if asks_for_low else self.critical_low
        return humidity >= self.high or humidity <= lowest


@dataclass(frozen=True)
class Humidity:
    """A reading, and where it stands in the note."""

    percent: int
    start: int
    end: int


def last_humidity(text: str, places: Iterable[tuple[slice, slice]] | None = None) -> Humidity | None:
    """The last reading of humidity in a note: what holds at its end.

    Args:
        text: The note.
        places: What `places_of_readings` gives for it, where that is known.
    """
    for number, whole in places_of_readings(text) if places is None else places:
        if LEAST <= (percent := int(text[number].translate(_COMPARED))) <= MOST:
            return Humidity(percent, whole.start, whole.stop)
    return None


def places_of_readings(text: str) -> tuple[tuple[slice, slice], ...]:
    """Where numbers stand that may be humidities, the last one first: the number, and all that belongs to it.

    A percentage alone may be a rebate: it counts beside a temperature or the word, and not beside a word of money or
    wear. Which digits the numbers have makes no difference.
    """
    if not any(map(str.isdigit, text)):
        return ()
    said = text.translate(_COMPARED)
    context = [match.start() for match in _TEMPERATURE.finditer(said)] + [m.start() for m in _HUMIDITY.finditer(said)]
    found = list(_NAMED.finditer(said))
    found += [
        match
        for match in _PERCENT.finditer(said)
        if any(abs(place - match.start()) <= NEAR for place in context)
        and not _OF_SOMETHING_ELSE.search(said[: match.start()])
    ]
    found.sort(key=lambda match: match.end(1), reverse=True)
    return tuple((slice(*match.span(1)), slice(*match.span())) for match in found)


class _Compared(dict[int, str]):
    """Character → how it is compared, as `plain` says; one for one, so that what is found stands there in the text."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        self[code] = next(one for one in (plain(letter), letter.lower(), letter) if len(one) == 1)
        return self[code]


_COMPARED = _Compared()
