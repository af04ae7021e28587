"""The fence before deletions: a bad day at the API must not empty a shop.

More than max(10, 2 %) tombstones of one entity in one run stop that entity, unless a person lets them through. What
goes with a deleted client (its pianos, visits, notes) is its client's affair: it is not counted. Where the fence stops
the clients, the absence of anything else proves nothing and waits, so that one cause is told once and let through by
one command.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gazelle_sync.errors import MassDeletion
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.pull.context import EntityPull, Owners
from gazelle_sync.pull.paths import ids_at

LEAST = 10
SHARE = 0.02

TAKEN_ALONG = Message("(what belongs to them goes with the next full run)")


def deletion_limit(held: int) -> int:
    """How many deletions of one entity pass in one run."""
    return max(LEAST, int(held * SHARE))


class DeletionGuard:
    """Judges the records of one entity that Gazelle no longer lists.

    Args:
        pull: The entity's pull.
        held: How many living records are held.
        absent: Those that are no longer listed.
        unread: How many more are, by their count; these are counted where others must be that no client takes along.
        sample: So many that were looked for and are all gone speak for the others, where the others are too many.

    Attributes:
        asked_first: Of these, those that count, the ones to look for first.
        asked_then: Those of deleted clients. Both together are what must be looked for; the others wait.
    """

    def __init__(self, pull: EntityPull, held: int, absent: Sequence[str], *, sample: int, unread: int = 0) -> None:
        self._pull = pull
        self._limit = deletion_limit(held)
        self._sample = sample
        self._gone: list[str] = []
        self._looked_for = self._found_gone = 0
        self.asked_first, self.asked_then, waiting = self._by_owner(absent)
        self._alone = frozenset(self.asked_first)
        self._absent = len(self._alone) + (unread if self._alone else 0)
        if waiting:
            pull.report.notes.append(
                gettext(
                    "{waiting} records are no longer listed: they wait, since clients are no longer listed that the "
                    "fence keeps",
                    waiting=waiting,
                )
            )

    @property
    def is_over(self) -> bool:
        """Whether more are absent than pass."""
        return self._absent > self._limit and not self._pull.allow_deletes

    def add(self, gone: Iterable[str], *, looked_for: Iterable[str]) -> None:
        """Count some that were looked for, and those of them that are gone.

        Raises:
            MassDeletion: They are too many by now; nothing was marked deleted.
        """
        gone = list(gone)
        self._gone += gone
        self._found_gone += len(self._alone.intersection(gone))
        self._looked_for += len(self._alone.intersection(looked_for))
        if self._pull.allow_deletes:
            return
        is_sure = self._looked_for >= self._sample and self._found_gone == self._looked_for
        if self._found_gone > self._limit or (self.is_over and is_sure):
            name = self._pull.entity.name
            raise MassDeletion(
                f"{name}: "
                + gettext(
                    "{absent} records are no longer listed at Gazelle, more than the {limit} that pass in one "
                    "run; {gone} of {looked_for} that were looked for are gone. Nothing of them was marked deleted "
                    "here; what is new or changed is kept. If they really were deleted, run: "
                    "gazelle-sync sync --full --allow-deletes --only {name}",
                    name=name,
                    absent=self._absent,
                    limit=self._limit,
                    gone=self._found_gone,
                    looked_for=self._looked_for,
                )
                + (" " + gettext(TAKEN_ALONG) if self._pull.entity.takes_along else ""),
                self._alone,
                number=self._absent,
            )

    def tombstone(self) -> None:
        """Stage the tombstones."""
        if self._gone:
            self._pull.staging.write_tombstones(self._gone)

    def _by_owner(self, absent: Sequence[str]) -> tuple[list[str], list[str], int]:
        """Those that count, those of deleted clients, and how many wait until a person has judged the clients."""
        owners = self._pull.owners() if absent else Owners()
        if owners.kept:
            return [], [], len(absent)
        if not owners.deleted:
            return list(absent), [], 0
        named = {i: ids_at([body], owners.path) for i, body in self._pull.staging.last_bodies(absent)}
        theirs = [i for i in absent if named.get(i) and named[i] <= owners.deleted]
        return sorted(set(absent).difference(theirs)), theirs, 0
