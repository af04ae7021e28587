"""The alerts that follow from the notes of a piano, of one kind, in their order, and from what people decided. Pure.

A note that says something is wrong opens an alert; another that says so repeats it; one that says that it is as it
should be resolves it; after that another opens a new one. What a person decides stands from that moment on. It does not
matter in which order notes arrive: the alerts are made again of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from gazelle_sync.montreal import midnight, montreal_day

Status = Literal["open", "suggested", "resolved", "archived", "withdrawn"]


@dataclass(frozen=True)
class Remark:
    """What one note or reading says of a kind.

    Attributes:
        source: The timeline entry, or the measurement.
        effect: `opens`, `resolves`, or `normal`: a reading within bounds.
        is_sure: Whether it is more than a suggestion.
        is_reading: Whether a reading says so, and no word.
        at: When, aware UTC.
    """

    source: str
    effect: Literal["opens", "resolves", "normal"]
    is_sure: bool
    is_reading: bool
    at: datetime


@dataclass(frozen=True)
class Held:
    """An alert as the table has it.

    Attributes:
        id: Its key.
        source: The note that it came from; None: a person wrote it, or it was imported.
        status: As it stands.
        observed: The Montreal day.
        decided_status: What a person last set it to.
        decided_at: When, aware UTC.
    """

    id: int
    source: str | None
    status: Status
    observed: date
    decided_status: Status | None = None
    decided_at: datetime | None = None

    @property
    def is_left_alone(self) -> bool:
        """Whether it is a person's own alert that a person has ended."""
        return self.source is None and self.decided_status in ("resolved", "archived", "withdrawn")


@dataclass
class Episode:
    """One alert, from what opened it to what ended it.

    Attributes:
        source: The note that opened it, or None.
        held: The row that it has already, or None.
        status: What it comes to.
        resolved_by: The note that ended it; None where a person did, or nothing has.
        resolved_on: The Montreal day on which it ended.
        only_readings: Whether no word has said so.
    """

    source: str | None
    held: Held | None
    status: Status
    resolved_by: str | None = None
    resolved_on: date | None = None
    only_readings: bool = False


def episodes_of(remarks: Iterable[Remark], held: Sequence[Held]) -> list[Episode]:
    """The alerts of one piano and kind, oldest first; rows that have no note any more come as `withdrawn`.

    Args:
        remarks: Of the piano and kind, in any order.
        held: The rows of the piano and kind.
    """
    by_source = {one.source: one for one in held if one.source is not None}
    events: list[tuple[datetime, int, str, Remark | Held, bool]] = [
        (remark.at, 1, remark.source, remark, False) for remark in remarks
    ]
    for one in held:
        if one.source is None and not one.is_left_alone:
            events.append((midnight(one.observed), 0, str(one.id), one, False))
        if one.decided_at is not None and not one.is_left_alone:
            events.append((one.decided_at, 2, str(one.id), one, True))
    found: list[Episode] = []
    is_open: list[Episode] = []
    for at, _, _, event, is_decision in sorted(events, key=lambda one: one[:3]):
        if isinstance(event, Remark):
            _take_remark(event, at, found, is_open, by_source)
        elif is_decision:
            _take_decision(event, at, found, is_open)
        else:
            found.append(Episode(None, event, "open" if event.status != "suggested" else "suggested"))
            is_open.append(found[-1])
    kept = {episode.held.id for episode in found if episode.held is not None}
    # What a person has put away stays so, whatever becomes of its note.
    gone = [one for one in held if one.id not in kept and one.source is not None and one.status != "archived"]
    return found + [Episode(one.source, one, "withdrawn") for one in gone]


def _take_remark(
    remark: Remark, at: datetime, found: list[Episode], is_open: list[Episode], by_source: dict[str, Held]
) -> None:
    if remark.effect == "opens":
        certain = [episode for episode in is_open if episode.status == "open"]
        if certain:
            for episode in certain:
                episode.only_readings = episode.only_readings and remark.is_reading
        elif remark.is_sure or not is_open:
            if remark.is_sure:
                for episode in [one for one in is_open if one.source is not None]:  # it is certain now
                    is_open.remove(episode)
                    found.remove(episode)
            status: Status = "open" if remark.is_sure else "suggested"
            found.append(Episode(remark.source, by_source.get(remark.source), status, only_readings=remark.is_reading))
            is_open.append(found[-1])
        return
    if not remark.is_sure:
        return
    for episode in list(is_open):
        if remark.effect == "resolves" or episode.only_readings:
            episode.status, episode.resolved_by, episode.resolved_on = "resolved", remark.source, montreal_day(at)
            is_open.remove(episode)


def _take_decision(held: Held, at: datetime, found: list[Episode], is_open: list[Episode]) -> None:
    episode = next((one for one in found if one.held is held), None)
    if episode is None or held.decided_status is None:
        return
    if held.decided_status in ("open", "suggested"):
        episode.status, episode.resolved_by, episode.resolved_on = held.decided_status, None, None
        episode.only_readings = False
        if episode not in is_open:
            is_open.append(episode)
        return
    if held.decided_status == "resolved" and episode in is_open:
        episode.resolved_on = montreal_day(at)
    episode.status = held.decided_status
    if episode in is_open:
        is_open.remove(episode)
