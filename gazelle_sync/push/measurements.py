"""Measurements that technicians write into their notes: `23°, 47%, 440Hz`. Pure."""

from __future__ import annotations

import re

Readings = dict[str, int]
"""Field of a Gazelle measurement → value: `temperature` in °C, `humidity` in percent, `a4Pitch` in hertz."""

_NUMBER = r"(?<![\w.,])(-?\d{1,3}(?:[.,]\d+)?)\s*"
_TEMPERATURE = re.compile(_NUMBER + r"(?:°\s*([CF])?|([CF]))(?!\w)", re.IGNORECASE)
_HUMIDITY = re.compile(_NUMBER + r"%")
_PITCH = re.compile(_NUMBER + r"Hz(?!\w)", re.IGNORECASE)
_ANY = re.compile(r"\d\s*(?:[%°CFcf]|[Hh][Zz])")
_SAYS_HUMIDITY = re.compile(r"humid|\bH\.?R\b|\bRH\b", re.IGNORECASE)
_SAYS_TEMPERATURE = re.compile(r"temp", re.IGNORECASE)

LIKELY = {"temperature": (-30, 50), "humidity": (1, 100), "a4Pitch": (380, 480)}
"""What lies outside was something else (a price cut of 150 %, an angle)."""


def readings_in(text: str | None) -> Readings:
    """The first reading of each kind in a text.

    `47%` or `20C` alone may be a rebate or a model: they count beside a reading of another kind, or where the text
    names what they are. A pitch in hertz, and a temperature with its degree and its scale, speak for themselves.
    """
    if not text or not _ANY.search(text):
        return {}
    found: Readings = {}
    certain = False
    if (match := _PITCH.search(text)) and _keep(found, "a4Pitch", _number(match[1])):
        certain = True
    if match := _TEMPERATURE.search(text):
        degrees, scale = _number(match[1]), (match[2] or match[3] or "C").upper()
        if _keep(found, "temperature", (degrees - 32) / 1.8 if scale == "F" else degrees):
            certain = certain or match[2] is not None or _SAYS_TEMPERATURE.search(text) is not None
    if (match := _HUMIDITY.search(text)) and _keep(found, "humidity", _number(match[1])):
        certain = certain or _SAYS_HUMIDITY.search(text) is not None
    return found if certain or len(found) > 1 else {}


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _keep(found: Readings, name: str, value: float) -> bool:
    least, most = LIKELY[name]
    if least <= value <= most:
        found[name] = round(value)
        return True
    return False
