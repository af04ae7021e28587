"""What a note says of covers, power, tanks and climate. Pure: a note in, findings out.

A thing and its state must belong together: they stand in one clause, or the state stands in a clause that names nothing
of its own and takes up the thing before it. The last word on a thing counts. What is uncertain is a suggestion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from gazelle_sync.shop.maintenance.clauses import clauses, may_say_something
from gazelle_sync.shop.maintenance.climate import Humidity, Thresholds, last_humidity, places_of_readings
from gazelle_sync.shop.maintenance.context import CLIMATE, Topic
from gazelle_sync.shop.maintenance.lexicon import KINDS
from gazelle_sync.shop.maintenance.statements import ANYTHING, SURE_FROM, ClauseReader, Statement

READING = 0.9
"""The confidence of a reading."""


@dataclass(frozen=True)
class Finding:
    """What a note says of one kind, at its end.

    Attributes:
        kind: `housse`, `alimentation`, `reservoir`, `environnement`.
        effect: `opens` or `resolves` an alert; `normal`: a reading within bounds, which ends what a reading opened.
        words: Those that say so, as they stand in the note.
        clause: The clause that they stand in.
        confidence: Between 0 and 1.
        is_reading: Whether a reading says so, and no word.
    """

    kind: str
    effect: Literal["opens", "resolves", "normal"]
    words: str
    clause: str
    confidence: float
    is_reading: bool = False

    @property
    def status(self) -> Literal["open", "suggested"]:
        """Whether it is certain (`open`) or a suggestion."""
        return "open" if self.confidence >= SURE_FROM else "suggested"


def findings_in(
    text: str | None, thresholds: Thresholds | None = None, *, asks_for_low_humidity: bool = False
) -> list[Finding]:
    """What a note says, at most one finding a kind, in the order of `KINDS`.

    Args:
        text: The note; in French or English, with or without accents.
        thresholds: Of readings; None: the defaults.
        asks_for_low_humidity: Whether its client wants to know of a low humidity that is not critical.
    """
    return list(_findings_in(text, thresholds or Thresholds(), asks_for_low_humidity)) if text else []


@dataclass(frozen=True, slots=True)
class Outline:
    """What notes say that differ in their digits alone, and where.

    Attributes:
        said: Of each kind, what holds at the end: kind, effect, where its words and its clause stand, confidence.
        speaks_of_humidity: Whether words do, so that no reading counts.
        readings: Where numbers stand that may be humidities (`climate.places_of_readings`).
    """

    said: tuple[tuple[str, Literal["opens", "resolves"], slice, slice, float], ...]
    speaks_of_humidity: bool
    readings: tuple[tuple[slice, slice], ...]


ONE_DIGIT = bytes.maketrans(b"123456789", b"000000000")


@lru_cache(maxsize=8_192)
def outline_of(note: bytes) -> Outline:
    """Cached: half of a history are texts that a program wrote again and again, or that differ in a reading."""
    text = note.decode("utf-8", "surrogatepass")
    said = list(statements_in(text)) if may_say_something(text) else []
    of_kinds = ((kind, _at_the_end([one for one in said if one.thing.kind == kind])) for kind in KINDS)
    return Outline(
        tuple(
            (kind, last.effect, slice(last.start, last.end), slice(last.clause.start, last.clause.end), last.confidence)
            for kind, last in of_kinds
            if last is not None
        ),
        any(one.thing.kind == CLIMATE and one.thing.name in ("humidite", "air", "*") for one in said),
        places_of_readings(text),
    )


def _findings_in(text: str, thresholds: Thresholds, asks_for_low_humidity: bool) -> Iterator[Finding]:
    outline = outline_of(text.encode("utf-8", "surrogatepass").translate(ONE_DIGIT))
    found = {
        kind: Finding(kind, effect, text[words].strip(), text[clause], round(confidence, 2))
        for kind, effect, words, clause, confidence in outline.said
    }
    if outline.readings and not outline.speaks_of_humidity:
        _add_reading(found, last_humidity(text, outline.readings), text, thresholds, asks_for_low_humidity)
    return (found[kind] for kind in KINDS if kind in found)


def _at_the_end(said: Sequence[Statement]) -> Statement | None:
    """What holds of a kind at the note's end: the last certain word on each thing; what is wrong comes first."""
    last: dict[str, Statement] = {}
    for one in said:
        name = one.thing.name if one.thing.kind == CLIMATE else ""
        before = last.get(name)
        if one.thing is ANYTHING:
            last.clear()
        elif (
            before is not None
            and before.is_sure
            and (not one.is_sure or (one.of_the_other and before.effect == "opens" and one.effect == "resolves"))
        ):
            continue
        last[name] = one
    for effect in ("opens", "resolves"):
        sure = [one for one in last.values() if one.is_sure and one.effect == effect]
        if sure:
            return sure[-1]
    return list(last.values())[-1] if last else None


def _add_reading(
    found: dict[str, Finding], reading: Humidity | None, text: str, thresholds: Thresholds, asks_for_low: bool
) -> None:
    """The last reading of humidity, where none of the words says that the climate is wrong."""
    if reading is None or (out_of_bounds := thresholds.says(reading.percent, asks_for_low=asks_for_low)) is None:
        return
    held = found.get(CLIMATE)
    if held is not None and (held.effect == "opens" or not out_of_bounds):
        return
    words = text[reading.start : reading.end].strip()
    effect: Literal["opens", "normal"] = "opens" if out_of_bounds else "normal"
    found[CLIMATE] = Finding(CLIMATE, effect, words, words, READING, is_reading=True)


def statements_in(text: str) -> Iterable[Statement]:
    """What the words of a note say, in order."""
    topic = Topic()
    for clause in clauses(text):
        yield from ClauseReader(clause, topic).read()
