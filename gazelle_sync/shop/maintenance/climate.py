"""What readings of humidity in a note say: `20C, 74%`, `humidité 28 %`. Pure.

A reading has thresholds of its own and never cancels words. In Montreal 33 % is an ordinary winter reading, so that
"low" counts only where the words say so, or where a client asks for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gazelle_sync.shop.maintenance.lexicon import plain

_PERCENT = re.compile(r"(?<![\w.,])(\d{1,3})(?:[.,]\d+)?\s*%")
_NAMED = re.compile(
    r"(?<![a-z])(?:humidite|humidity|hum|hr|rh|hygrometrie)(?![a-z])\W*(?:\w+\W+){0,3}?(\d{1,3})(?:[.,]\d+)?(?!\d|\s*(?:hz|°|c\b|f\b))"
)
_TEMPERATURE = re.compile(r"(?<![\w.,])-?\d{1,2}(?:[.,]\d+)?\s*(?:°|º|degres|degrees|c(?!\w)|f(?!\w))")
_HUMIDITY = re.compile(r"(?<![a-z])(?:humid|hum(?![a-z])|hr(?![a-z])|rh(?![a-z])|hygro)")
_MONEY = re.compile(
    r"(?:rabais|escompte|remise|taxe|taxes|tps|tvq|hausse|augmentation|acompte|depot|pourboire|discount|tax|off|increase|deposit|tip)\W+(?:\w+\W+){0,2}$"
)
NEAR = 40
"""How many characters from a temperature or from the word a percentage is still a humidity."""
LEAST = 10
"""A percentage below it is no humidity of a room."""


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
        if not LEAST <= humidity <= 100:
            return None
        lowest = self.low if asks_for_low else self.critical_low
        return humidity >= self.high or humidity <= lowest


@dataclass(frozen=True)
class Humidity:
    """A reading, and where it stands in the note."""

    percent: int
    start: int
    end: int


def last_humidity(text: str) -> Humidity | None:
    """The last reading of humidity in a note: what holds at its end.

    A percentage alone may be a rebate: it counts beside a temperature or the word, and not behind a word of money.
    """
    if not any(map(str.isdigit, text)):
        return None
    said = plain(text)
    if len(said) != len(text):
        said = text.lower()
    context = [match.start() for match in _TEMPERATURE.finditer(said)] + [m.start() for m in _HUMIDITY.finditer(said)]
    found = list(_NAMED.finditer(said))
    found += [
        match
        for match in _PERCENT.finditer(said)
        if any(abs(place - match.start()) <= NEAR for place in context) and not _MONEY.search(said[: match.start()])
    ]
    likely = [match for match in found if LEAST <= int(match[1]) <= 100]
    if not likely:
        return None
    last = max(likely, key=lambda match: match.end(1))
    return Humidity(int(last[1]), last.start(), last.end())
