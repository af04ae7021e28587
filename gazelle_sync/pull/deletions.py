"""How a deletion is decided: what is no longer listed is asked for by id, and too many that are gone stop the entity.

A bad day at the API must not empty a shop. More than max(10, 2 %) tombstones of one entity in one run stop that entity,
unless a person lets them through. What is deleted with a client (its pianos, visits, notes) is
not counted. While the guard stops clients, absent records of other entities wait, so that one cause is reported once
and let through by one command.

An entry of the timeline has no query by id: `gazelle_sync.pull.timeline_absent` looks for those, behind the same guard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from gazelle_sync.entities import NAMELESS
from gazelle_sync.errors import MassDeletion
from gazelle_sync.i18n import gettext
from gazelle_sync.i18n.translator import Message
from gazelle_sync.pull.context import EntityPull, Mode, Owners
from gazelle_sync.pull.held import Held
from gazelle_sync.pull.paths import ids_at
from gazelle_sync.pull.read import IDS_PER_REQUEST
from gazelle_sync.pull.stamps import StampScan, window_of

LEAST = 10
SHARE = 0.02
CONTROLS = 3
"""So many listed records can be asked for beside absent ones: an answer that denies a listed one proves nothing."""
CANCELED = "CANCELED"
"""The status of visits that Gazelle keeps and no longer lists."""

TAKEN_ALONG = Message("(what belongs to them goes with the next full run)")


def look_for_absent(pull: EntityPull, held: dict[str, Held], seen: StampScan, candidates: set[str]) -> None:
    """Ask by id for what a complete scan did not list; only a definite "not there" becomes a tombstone.

    Args:
        pull: The entity's pull.
        held: What staging holds of the entity.
        seen: What the scan listed.
        candidates: Ids of those that the scan had to list.

    Raises:
        ApiError: Gazelle cannot be asked.
        MassDeletion: Too many are gone.
    """
    if not seen.is_complete:
        return
    absent = sorted(i for i in candidates if i not in seen.stamps and held[i].is_living)
    absent = put_away_nameless(pull, absent)
    if not absent:
        return
    living = sum(h.is_living for h in held.values())
    guard = DeletionGuard(pull, living, absent, sample=IDS_PER_REQUEST - 1)
    unexplained: list[str] = []
    controls = list(islice((i for i in seen.stamps if i in held and i not in pull.failed), CONTROLS))
    for part in pull.reader.by_ids([*guard.asked_first, *guard.asked_then], controls):
        if part.answer is not None:
            _note_left_out(pull, part.bodies)
            known: list[Any] = []
            others: list[Any] = []
            for body in part.bodies:
                is_known = body.get("status") == CANCELED or held[body["id"]].is_unlisted
                (known if is_known else others).append(body)
            changed = set(pull.staging.write(known, part.answer, held, unlisted=True))
            pull.staging.mark_listed([b["id"] for b in known if b["id"] not in changed], unlisted=True)
            pull.staging.write(others, part.answer, held)
            unexplained += [b["id"] for b in others]
        pull.failed.update(part.failed)
        read = [body["id"] for body in part.bodies]
        guard.add(part.gone, looked_for=[*part.gone, *read, *part.failed])
    # The next ticks do not ask for what is unlisted. So much without a reason is the list's fault, which will pass.
    if len(unexplained) <= deletion_limit(living):
        pull.staging.mark_listed(unexplained, unlisted=True)
    guard.tombstone()


def put_away_nameless(pull: EntityPull, absent: list[str]) -> list[str]:
    """The ids without those that we gave to records without one: these are deleted, since they cannot be read by id."""
    nameless = [i for i in absent if i.startswith(NAMELESS)]
    if nameless:
        pull.staging.write_tombstones(nameless)
    return [i for i in absent if not i.startswith(NAMELESS)]


def _note_left_out(pull: EntityPull, unlisted: list[Any]) -> None:
    """A list of everything that leaves out records which are there by id may leave out new ones as well."""
    is_whole = pull.mode is not Mode.TICK or window_of(pull)[1] is None
    left_out = [body["id"] for body in unlisted if body.get("status") != CANCELED]
    if is_whole and left_out:
        pull.report.partial = True
        pull.report.notes.append(
            gettext(
                "the list leaves out {count} records that are there by id, {example} for example",
                count=len(left_out),
                example=left_out[0],
            )
        )


def deletion_limit(held: int) -> int:
    """How many deletions of one entity pass in one run."""
    return max(LEAST, int(held * SHARE))


class DeletionGuard:
    """Decides about the records of one entity that Gazelle no longer lists.

    Args:
        pull: The entity's pull.
        held: How many living records are held.
        absent: Those that are no longer listed.
        unread: How many more are, by their count; these are counted where others must be that no client takes along.
        sample: If so many were looked for and all are gone, the others count as gone too, where they are very many.

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
                    "guard keeps",
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
        """Those that count, those of deleted clients, and how many wait for a decision about their clients."""
        owners = self._pull.owners() if absent else Owners()
        if owners.kept:
            return [], [], len(absent)
        if not owners.deleted:
            return list(absent), [], 0
        staging = self._pull.staging
        named = staging.named_in(owners.column, absent)
        named |= {i: ids_at([body], owners.path) for i, body in staging.last_bodies(absent)}
        theirs = [i for i in absent if named.get(i) and named[i] <= owners.deleted]
        return sorted(set(absent).difference(theirs)), theirs, 0
