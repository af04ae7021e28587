"""What a note says of covers, power, tanks and climate. Pure: a note in, findings out.

A thing and its state must belong together: they stand in one clause, or the state stands in a clause that names nothing
of its own and takes up the thing before it. The last word on a thing counts. What is uncertain is a suggestion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from gazelle_sync.shop.maintenance.clauses import clauses
from gazelle_sync.shop.maintenance.climate import Thresholds, last_humidity
from gazelle_sync.shop.maintenance.lexicon import KINDS
from gazelle_sync.shop.maintenance.saying import ANYTHING, CLIMATE, SURE_FROM, ClauseReader, Said, Topic

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
    if not text:
        return []
    said = list(_all_said(text))
    found = {}
    for kind in KINDS:
        of_kind = [one for one in said if one.thing.kind == kind]
        if (last := _at_the_end(of_kind)) is not None:
            found[kind] = Finding(
                kind,
                last.effect,
                text[last.start : last.end].strip(),
                text[last.clause.start : last.clause.end],
                round(last.confidence, 2),
            )
    _add_reading(found, text, said, thresholds or Thresholds(), asks_for_low_humidity)
    return [found[kind] for kind in KINDS if kind in found]


def _at_the_end(said: Sequence[Said]) -> Said | None:
    """What holds of a kind at the note's end: the last certain word on each thing; what is wrong comes first."""
    last: dict[str, Said] = {}
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
    found: dict[str, Finding], text: str, said: Iterable[Said], thresholds: Thresholds, asks_for_low: bool
) -> None:
    """The last reading of humidity, where no words speak of humidity and none says that the climate is wrong."""
    reading = last_humidity(text)
    if reading is None or any(one.thing.kind == CLIMATE and one.thing.name in ("humidite", "air", "*") for one in said):
        return
    out_of_bounds = thresholds.says(reading.percent, asks_for_low=asks_for_low)
    held = found.get(CLIMATE)
    if out_of_bounds is None or (held is not None and (held.effect == "opens" or not out_of_bounds)):
        return
    words = text[reading.start : reading.end].strip()
    effect: Literal["opens", "normal"] = "opens" if out_of_bounds else "normal"
    found[CLIMATE] = Finding(CLIMATE, effect, words, words, READING, is_reading=True)


def _all_said(text: str) -> Iterable[Said]:
    topic = Topic()
    for clause in clauses(text):
        yield from ClauseReader(clause, topic).read()
