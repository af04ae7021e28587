"""The fence before deletions: a bad day at the API must not empty a shop.

More than max(10, 2 %) tombstones of one entity in one run stop that entity, unless a person lets them through. What
goes with one deleted client (its pianos, visits, notes) counts as one.
"""

from __future__ import annotations

from collections.abc import Iterable

from gazelle_sync.errors import MassDeletion
from gazelle_sync.pull.context import EntityPull
from gazelle_sync.pull.paths import ids_at

LEAST = 10
SHARE = 0.02


def fence_limit(held: int) -> int:
    """How many deletions of one entity pass in one run."""
    return max(LEAST, int(held * SHARE))


class Fence:
    """Collects the records of one entity that Gazelle says are gone.

    Args:
        pull: The entity's pull.
        held: How many living records are held.
    """

    def __init__(self, pull: EntityPull, held: int) -> None:
        self._pull = pull
        self._limit = fence_limit(held)
        self._gone: list[str] = []
        self._alone = 0
        self._owners: set[str] = set()

    def add(self, ids: Iterable[str]) -> None:
        """Count more records as gone.

        Raises:
            MassDeletion: They are too many by now; nothing was marked deleted.
        """
        ids = list(ids)
        if not ids:
            return
        self._gone += ids
        self._count(ids)
        if self._alone + len(self._owners) > self._limit and not self._pull.allow_deletes:
            raise MassDeletion(
                f"{self._pull.entity.name}: at least {len(self._gone)} records are gone at Gazelle, more than the "
                f"{self._limit} that pass in one run. Nothing of them was marked deleted here; what is new or changed "
                "is kept. If they really were deleted, run: gazelle-sync sync --full --allow-deletes "
                f"--only {self._pull.entity.name}"
            )

    def tombstone(self) -> None:
        """Stage the tombstones."""
        if self._gone:
            self._pull.staging.write_tombstones(self._gone)

    def _count(self, ids: list[str]) -> None:
        path, deleted = self._pull.deleted_owners()
        if not deleted:
            self._alone += len(ids)
            return
        for _, body in self._pull.staging.last_bodies(ids):
            owners = ids_at([body], path)
            if owners and owners <= deleted:
                self._owners |= owners
            else:
                self._alone += 1
