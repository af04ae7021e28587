"""Conversions from what stands in a cell to a typed value: pure functions. An empty cell is None.

What is not certain is refused (`Unreadable`) and never guessed: the row is rejected, and a person reads why.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.folding import fold
from gazelle_sync.montreal import FIRST, LAST, MONTREAL

CENT: Final = Decimal("0.01")
LARGEST: Final = Decimal(10) ** 10
EXCEL_EPOCH: Final = date(1899, 12, 30)
"""Day 0 of Excel's serial numbers, as they count from March 1900 on."""
EXCEL_DAYS: Final = range(10_000, 73_051)
"""Serial numbers from 1927 to 2099: a shorter number is no date."""

_AMOUNT = re.compile(r"\d+|\d{1,3}(?:[ ']\d{3})+")
_SERIAL = re.compile(r"(\d{5})(\.\d+)?")
_YEAR_FIRST = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_DAY_FIRST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})")
_IN_WORDS = re.compile(r"(\d{1,2})(?:er)? ([a-z]+)\.? (\d{4})|([a-z]+)\.? (\d{1,2}),? (\d{4})")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?")
_DAMAGED = re.compile("[\u00c2\u00c3\u00c5\u00e2]")
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "janvier janv january jan", "fevrier fevr february feb", "mars march mar", "avril avr april apr",
            "mai may", "juin june jun", "juillet juil july jul", "aout august aug",
            "septembre sept september sep", "octobre oct october", "novembre nov november",
            "decembre dec december",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_YES = frozenset({"1", "true", "t", "yes", "y", "oui", "o", "vrai", "x"})
_NO = frozenset({"0", "false", "f", "no", "n", "non", "faux"})
_BYTES = {bytes([number]).decode("cp1252", "ignore") or chr(number): number for number in range(256)}
"""Character → byte of Windows-1252; the five bytes that it leaves open are read as Latin-1 reads them."""


class Unreadable(GazelleSyncError):
    """A cell holds what its column cannot be. The message names the value and what was expected."""

    cause = "unreadable"


def mended(text: str) -> str:
    """A text of which UTF-8 was read as Windows-1252, put right; any other as it is.

    It is put right only where that is certain: every character that is not ASCII takes part in a sequence that is
    UTF-8, as hardly any text is that was read rightly.
    """
    for _ in range(2):  # it may have happened twice
        if not _DAMAGED.search(text):
            return text
        try:
            better = bytes(_BYTES[letter] for letter in text).decode()
        except (KeyError, UnicodeDecodeError):
            return text
        if any(unicodedata.category(letter) == "Cc" and letter not in "\t\r\n" for letter in better):
            return text
        text = better
    return text


def plain(text: str) -> str:
    """A text by which two are compared: small letters, without accents, one blank between words."""
    return fold(text.replace("\u2019", "'"))


def amount(text: str) -> Decimal | None:
    """A sum of money or a quantity, with two places.

    `1,234.56`, `1.234,56`, `1 234,56 $`, `(5.00)` and `-5`. Of two kinds of separators the last is the decimal one; a
    comma before exactly three digits parts thousands, a lone point never does. `!00$` is 100: the older system's
    keyboard was shifted.

    Raises:
        Unreadable: It is none, or has too many digits.
    """
    bare = re.sub(
        r"(?i)\s*(?:ca|cad)?\s*\$\s*|\s*cad\s*", "", text.strip().replace("\u00a0", " ").replace("\u202f", " ")
    )
    bare = bare.strip()
    if not bare:
        if text.strip():
            raise _wrong(gettext("an amount such as 1234.56"), text)
        return None
    is_negative = bare[0] in "-\u2212" or (bare[0] == "(" and bare[-1] == ")")
    digits = bare[1:-1] if bare[0] == "(" and bare[-1] == ")" else bare
    digits = (digits[1:] if digits[:1] in ("+", "-", "\u2212") else digits).strip()
    if digits.startswith("!") and digits[1:].strip(" .,").replace(".", "").replace(",", "").isdigit():
        digits = "1" + digits[1:]
    number = _number(digits)
    if number is None or number >= LARGEST:
        raise _wrong(gettext("an amount such as 1234.56"), text)
    found = number.quantize(CENT, ROUND_HALF_UP)
    return -found if is_negative and found else found


def _number(digits: str) -> Decimal | None:
    whole, decimal_part = digits, ""
    separators = [letter for letter in digits if letter in ".,"]
    if separators:
        last = separators[-1]
        before, after = digits.rsplit(last, 1)
        if len(set(separators)) == 2:  # the last is the decimal one, and occurs once
            other = next(letter for letter in separators if letter != last)
            if separators.count(last) != 1 or not re.fullmatch(rf"\d{{1,3}}(?:\{other}\d{{3}})+", before):
                return None
            whole, decimal_part = before.replace(other, ""), after
        elif len(separators) > 1 or (last == "," and re.fullmatch(r"[1-9]\d{0,2},\d{3}", digits)):
            if not re.fullmatch(rf"\d{{1,3}}(?:\{last}\d{{3}})+", digits):
                return None
            whole = digits.replace(last, "")
        else:
            whole, decimal_part = before or "0", after
            if not after:
                return None
    if not (whole.isascii() and _AMOUNT.fullmatch(whole)) or (
        decimal_part and not re.fullmatch(r"[0-9]+", decimal_part)
    ):
        return None
    return Decimal(re.sub(r"[ ']", "", whole) + ("." + decimal_part if decimal_part else ""))


def whole(text: str) -> int | None:
    """A whole number that fits PostgreSQL's `integer`.

    Raises:
        Unreadable: It is none.
    """
    bare = text.strip()
    if not bare:
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,10}(?:\.0+)?", bare) or abs(number := int(bare.partition(".")[0])) >= 2**31:
        raise _wrong(gettext("a whole number"), text)
    return number


def boolean(text: str) -> bool | None:
    """Yes or no, as programs write it in English and French.

    Raises:
        Unreadable: It is neither.
    """
    bare = text.strip().casefold()
    if not bare:
        return None
    if bare in _YES:
        return True
    if bare in _NO:
        return False
    raise _wrong(gettext("yes or no"), text)


def day(text: str) -> date | None:
    """A calendar day; of an instant that names its zone, the day in Montreal.

    `2020-02-01`, `01/02/2020` (the day comes first), `1 février 2020`, or Excel's serial number.

    Raises:
        Unreadable: There is no such day, or its year is missing.
    """
    if not (bare := text.strip()):
        return None
    if (found := _zoned(bare)) is not None:
        return _within(found, text).astimezone(MONTREAL).date()
    first, _, clock = _parts(bare)
    found_day = _calendar_day(first, text)
    if clock and not _CLOCK.fullmatch(clock):
        raise _wrong(gettext("a day such as 2026-01-09"), text)
    return found_day


def instant(text: str) -> datetime | None:
    """An instant, in UTC. One that names no zone is Montreal's wall clock, a day its beginning.

    Raises:
        Unreadable: There is no such day or hour, or two of them: the hour that a clock change repeats.
    """
    if not (bare := text.strip()):
        return None
    if (found := _zoned(bare)) is not None:
        return _within(found, text)
    first, serial, clock = _parts(bare)
    on = _calendar_day(first, text)
    if serial:
        seconds = round(float(serial) * 86_400)
    elif clock:
        told = _CLOCK.fullmatch(clock)
        if told is None or int(told[1]) > 23 or int(told[2]) > 59 or int(told[3] or 0) > 59:
            raise _wrong(gettext("an instant such as 2026-01-09 12:00"), text)
        seconds = int(told[1]) * 3600 + int(told[2]) * 60 + int(told[3] or 0)
    else:
        seconds = 0
    wall = datetime(on.year, on.month, on.day, tzinfo=MONTREAL) + timedelta(seconds=seconds)
    found = wall.astimezone(UTC)
    if found.astimezone(MONTREAL).replace(tzinfo=None) != wall.replace(tzinfo=None):
        raise Unreadable(gettext("there is no such hour on that day in Montreal: {value}", value=_shown(text)))
    if wall.replace(fold=1).astimezone(UTC) != found:
        raise Unreadable(gettext("this hour comes twice on that day in Montreal: {value}", value=_shown(text)))
    return _within(found, text)


def _zoned(text: str) -> datetime | None:
    """An ISO instant that names its zone; `UTC` at its end does too."""
    if len(text) < 16 or not (text[-1] in "zZC" or text[-6] in "+-" or text[-5] in "+-" or text[-3] in "+-"):
        return None
    try:
        found = datetime.fromisoformat(text.removesuffix("UTC").rstrip() + ("Z" if text.endswith("UTC") else ""))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else None


def _within(found: datetime, text: str) -> datetime:
    if not FIRST <= found < LAST:
        raise Unreadable(gettext("it must be in the years 1900 to 2199: {value}", value=_shown(text)))
    return found


def _parts(text: str) -> tuple[str, str, str]:
    """The day, the fraction of an Excel day, and the clock of a text."""
    if (serial := _SERIAL.fullmatch(text)) is not None:
        return serial[1], serial[2] or "", ""
    before, separator, clock = text.replace("T", " ", 1).rpartition(" ") if ":" in text else (text, "", "")
    return (before.strip(), "", clock) if separator else (text, "", "")


def _calendar_day(text: str, shown: str) -> date:
    numbers: tuple[int, int, int] | None = None
    if text.isdecimal() and len(text) == 5 and int(text) in EXCEL_DAYS:
        return EXCEL_EPOCH + timedelta(days=int(text))
    if (found := _YEAR_FIRST.fullmatch(text)) is not None:
        numbers = int(found[1]), int(found[2]), int(found[3])
    elif (found := _DAY_FIRST.fullmatch(text)) is not None:
        numbers = int(found[3]), int(found[2]), int(found[1])
    elif (found := _IN_WORDS.fullmatch(plain(text))) is not None:
        month = _MONTHS.get(found[2] or found[4])
        numbers = (int(found[3] or found[6]), month, int(found[1] or found[5])) if month else None
    elif plain(text).strip(". ").split(" ")[-1] in _MONTHS:
        raise Unreadable(gettext("the year is missing: {value}", value=_shown(shown)))
    try:
        if numbers is not None and FIRST.year <= numbers[0] < LAST.year:
            return date(*numbers)
    except ValueError:
        raise Unreadable(gettext("there is no such day: {value}", value=_shown(shown))) from None
    raise _wrong(gettext("a day such as 2026-01-09"), shown)


def _wrong(expected: str, value: str) -> Unreadable:
    return Unreadable(gettext("expected {expected}, got {value}", expected=expected, value=_shown(value)))


def _shown(value: str) -> str:
    text = value.strip()
    return repr(text if len(text) <= 60 else text[:57] + "…")
