"""Whether timeline entries that a complete read lacks are gone, or have moved to another day.

An entry has no by-id query, and a day lacks an entry that was moved as well as one that was deleted. So each is looked
for twice more: in its day, and in the timelines of every client and piano that a body we hold of it names. (The newest
may be another record's, of an answer that gave two records under one id: its day and its client know nothing of this
one.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date, datetime

from gazelle_sync.errors import OperationFailed, RequestRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import day_window, montreal_day
from gazelle_sync.pull.context import EntityPull
from gazelle_sync.pull.deletions import DeletionGuard
from gazelle_sync.pull.timeline_counts import Segment, ask_counts
from gazelle_sync.pull.timeline_held import TimelineHeld
from gazelle_sync.pull.timeline_pages import ids_of, note_partial, read_segment, write_page
from gazelle_sync.runtime.logs import get_logger

SAMPLE = 10
"""Of more missing entries than pass, so many are looked for before the others: a day, a client, a piano each."""
ARGUMENTS = ("clientId", "pianoId")
Owner = tuple[str, str]
"""An argument of the list of entries, and its value: a client or a piano."""

log = get_logger("gazelle_sync.pull")


def confirm_gone(
    pull: EntityPull, ours: TimelineHeld, missing: dict[str, datetime], *, read_all: bool, unread: int = 0
) -> bool:
    """Tombstone the missing entries that neither their day nor their client's or piano's own timeline has.

    A day lacks an entry that was moved to another day as well, and no count tells where to: where another entry of that
    day was deleted, the day has as many as before.

    Args:
        pull: The timeline's pull.
        ours: Our side.
        missing: Id → instant of entries that a complete read lacks.
        read_all: Whether that was a read of everything. Only then is an entry gone that names no client and no piano.
        unread: How many more are missing, by their count, of days that were not read yet: then nothing is tombstoned.

    Returns:
        Whether some were moved, and are staged where they are now.
    """
    known = pull.staging.held_among(sorted(missing))
    # Gone already, by a run that ended before it could apply its tombstones: they wait in staging.
    missing = {i: at for i, at in missing.items() if i not in known or known[i].is_living}
    doubted = pull.reader.invalid.keys() | {i for i, held in known.items() if held.is_unsettled}
    guard = DeletionGuard(pull, ours.count(), sorted(missing), sample=SAMPLE, unread=unread)
    timelines = _OwnTimelines(pull)
    crowds = Counter(montreal_day(missing[i]) for i in guard.asked_first)
    first = sorted(guard.asked_first, key=lambda i: (-crowds[montreal_day(missing[i])], missing[i]))
    sample = SAMPLE if guard.is_over else len(first)
    for part in (first[:sample], [*first[sample:], *guard.asked_then]):
        looked_for = {i: missing[i] for i in part}
        _look_for(pull, ours, guard, timelines, looked_for, doubted=doubted, read_all=read_all)
    if not unread:  # else these are a sample of what is missing, and show nothing unless all of them are gone
        guard.tombstone()
    return timelines.stage_moved()


def _look_for(
    pull: EntityPull,
    ours: TimelineHeld,
    guard: DeletionGuard,
    timelines: _OwnTimelines,
    missing: dict[str, datetime],
    *,
    doubted: Collection[str],
    read_all: bool,
) -> None:
    """Look for missing entries in their days and in their owners' timelines, and count the result in the guard.

    Only a list of the owners that its newest body names can show that an entry is gone, and none where that body is
    doubted: it was not what was asked for.
    """
    absent = _absent_from_their_days(pull, missing)
    guard.add([], looked_for=sorted(missing.keys() - set(absent)))
    groups: dict[tuple[bool, tuple[Owner, ...], tuple[Owner, ...]], list[str]] = {}
    for external_id, (newest, all_named) in _owners_of(ours, absent).items():
        groups.setdefault((external_id in doubted, newest, all_named), []).append(external_id)
    for (is_doubted, newest, all_named), ids in sorted(groups.items()):
        found = timelines.having(timelines.answering(all_named), ids)
        can_show = bool(timelines.answering(newest)) and not is_doubted
        if can_show or read_all:
            guard.add(sorted(set(ids) - found), looked_for=ids)
        elif unfound := set(ids) - found:
            pull.report.notes.append(
                gettext(
                    "{count} missing entries are in no client's timeline: the deep run will decide", count=len(unfound)
                )
            )


def _absent_from_their_days(pull: EntityPull, missing: dict[str, datetime]) -> list[str]:
    """Read the days of missing entries once more; gives the ids that these lack as well."""
    if not missing:
        return []
    by_day: dict[date, set[str]] = {}
    for external_id, at in missing.items():
        by_day.setdefault(montreal_day(at), set()).add(external_id)
    windows = {day: day_window(day) for day in by_day}
    counts = ask_counts(pull, sorted({bound for window in windows.values() for bound in window}))
    absent: list[str] = []
    for day, ids in sorted(by_day.items()):
        start, end = windows[day]
        segment = Segment(start, end, counts[start] - counts[end])
        listed = read_segment(pull, segment)
        if len(listed) == segment.count:
            absent += sorted(ids - listed)
    return absent


def _owners_of(ours: TimelineHeld, ids: list[str]) -> dict[str, tuple[tuple[Owner, ...], tuple[Owner, ...]]]:
    """Id → the client and the piano that an entry's newest body names, and all that its bodies name."""
    found: dict[str, tuple[tuple[Owner, ...], tuple[Owner, ...]]] = dict.fromkeys(ids, ((), ()))
    for external_id, named in ours.owners(ids).items():
        by_body = [
            [(argument, owner) for argument, owner in zip(ARGUMENTS, one, strict=True) if owner] for one in named
        ]
        found[external_id] = (tuple(by_body[0]), tuple(sorted({owner for owners in by_body for owner in owners})))
    return found


class _OwnTimelines:
    """The timelines of single clients and pianos, each read at most once.

    Args:
        pull: The timeline's pull.
    """

    def __init__(self, pull: EntityPull) -> None:
        self._pull = pull
        self._read: dict[Owner, set[str] | None] = {}
        self._refused: set[Owner] = set()
        self._moved: set[Owner] = set()

    def answering(self, owners: Iterable[Owner]) -> list[Owner]:
        """Those of whom Gazelle gives a list: it may refuse to give a deleted client's."""
        for owner in owners:
            if owner not in self._read:
                self._read[owner] = self._ids(*owner)
        return [owner for owner in owners if owner not in self._refused]

    def having(self, owners: Iterable[Owner], ids: list[str]) -> set[str]:
        """Which entries are in one of these owners' lists, or may be: a list that was not whole has them all."""
        found: set[str] = set()
        for owner in owners:
            listed = self._read[owner]
            if listed is None:
                return set(ids)
            if here := listed & set(ids):
                self._moved.add(owner)
                found |= here
        return found

    def stage_moved(self) -> bool:
        """Stage what the lists hold in which an entry was found; gives whether there are any."""
        for argument, owner in sorted(self._moved):
            for page in self._pull.reader.pages(self._pull.entity.page_operation, {argument: owner}):
                write_page(self._pull, page.nodes, page.answer)
        return bool(self._moved)

    def _ids(self, argument: str, owner: str) -> set[str] | None:
        """The ids of one owner's list; None where it was not whole."""
        ids: set[str] = set()
        totals: set[int] = set()
        try:
            for page in self._pull.reader.pages("TimelineIds", {argument: owner}):
                ids |= ids_of(page.nodes)
                totals.add(page.total)
        except (OperationFailed, RequestRefused) as error:
            log.warning("a timeline is refused", owner=owner, reason=str(error))
            self._refused.add((argument, owner))
            return None
        if totals == {len(ids)}:
            return ids
        note_partial(
            self._pull,
            gettext("the timeline of {owner} and its count never agreed: nothing was concluded from it", owner=owner),
        )
        return None
