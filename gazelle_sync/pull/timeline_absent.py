"""Whether timeline entries that a complete read lacks are gone, or have moved to another day.

An entry has no by-id query, and a day lacks an entry that was moved as well as one that was deleted. So each is looked
for twice more: in its day, and in the timelines of its client and its piano.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime

from gazelle_sync.errors import OperationFailed, RequestRefused
from gazelle_sync.i18n import gettext
from gazelle_sync.montreal import day_window, montreal_day
from gazelle_sync.pull.context import EntityPull
from gazelle_sync.pull.deletions import DeletionGuard
from gazelle_sync.pull.paths import ids_at
from gazelle_sync.pull.timeline_counts import Segment, ask_counts
from gazelle_sync.pull.timeline_held import TimelineHeld
from gazelle_sync.pull.timeline_pages import ids_of, note_partial, read_segment, write_page
from gazelle_sync.runtime.logs import get_logger

SAMPLE = 10
"""Of more missing entries than pass, so many are looked for before the others: a day, a client, a piano each."""
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
        unread: How many more are missing, by their count, of days that were not read yet.

    Returns:
        Whether some were moved, and are staged where they are now.
    """
    known = pull.staging.held_among(sorted(missing))
    # Gone already, by a run that ended before it could apply its tombstones: they wait in staging.
    missing = {i: at for i, at in missing.items() if i not in known or known[i].is_living}
    fence = DeletionGuard(pull, ours.count(), sorted(missing), sample=SAMPLE, unread=unread)
    timelines = _OwnTimelines(pull)
    crowds = Counter(montreal_day(missing[i]) for i in fence.asked_first)
    first = sorted(fence.asked_first, key=lambda i: (-crowds[montreal_day(missing[i])], missing[i]))
    sample = SAMPLE if fence.is_over else len(first)
    for part in (first[:sample], [*first[sample:], *fence.asked_then]):
        _look_for(pull, fence, timelines, {i: missing[i] for i in part}, read_all=read_all)
    fence.tombstone()
    return timelines.stage_moved()


def _look_for(
    pull: EntityPull, fence: DeletionGuard, timelines: _OwnTimelines, missing: dict[str, datetime], *, read_all: bool
) -> None:
    """Look for missing entries in their days and in their owners' timelines, and tell the fence."""
    absent = _absent_from_their_days(pull, missing)
    fence.add([], looked_for=sorted(missing.keys() - set(absent)))
    by_owners: dict[tuple[Owner, ...], list[str]] = {}
    for external_id, owners in _owners_of(pull, absent).items():
        by_owners.setdefault(owners, []).append(external_id)
    for owners, ids in sorted(by_owners.items()):
        answering = timelines.answering(owners)
        if answering or read_all:
            fence.add(sorted(set(ids) - timelines.having(answering, ids)), looked_for=ids)
        else:
            pull.report.notes.append(
                gettext("{count} missing entries are in no client's timeline: the deep run will tell", count=len(ids))
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


def _owners_of(pull: EntityPull, ids: list[str]) -> dict[str, tuple[Owner, ...]]:
    """Id → the client and the piano that an entry's last body names."""
    found: dict[str, tuple[Owner, ...]] = dict.fromkeys(ids, ())
    for external_id, body in pull.staging.last_bodies(ids):
        named = {"clientId": ids_at([body], ("client", "id")), "pianoId": ids_at([body], ("piano", "id"))}
        found[external_id] = tuple((argument, owner) for argument, owners in named.items() for owner in owners)
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
