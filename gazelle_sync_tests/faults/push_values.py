"""What both sides of a push held, value by value: one that gave way to the other side's must have been told.

A case makes each value once, so that where one is found says who wrote it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterator

Place = tuple[object, str]
"""A record or a row, and a column."""


class Values:
    """What was held, in order.

    Attributes:
        here: Place → every value that the local row ever held.
        there: The same of Gazelle's record.
        by_us: Values that were entered here.
        by_them: Values that were entered at Gazelle in the place of what both sides had agreed on.
    """

    def __init__(self) -> None:
        self.here: dict[Place, list[str]] = defaultdict(list)
        self.there: dict[Place, list[str]] = defaultdict(list)
        self.by_us: set[str] = set()
        self.by_them: set[str] = set()

    def look(self, place: Place, ours: str | None, theirs: str | None) -> None:
        """Record what both sides hold now."""
        for value, seen in ((ours, self.here[place]), (theirs, self.there[place])):
            if value and seen[-1:] != [value]:
                seen.append(value)

    def untold(self, lost: Collection[str | None]) -> Iterator[str]:
        """What one side wrote over with the other's, without the other ever having seen it.

        Args:
            lost: The values that stand in `sync_conflicts`.
        """
        for place in sorted({*self.here, *self.there}, key=str):
            here, there = self.here[place], self.there[place]
            for mine, others, own, makers in (
                (here, there, self.by_us, self.by_them), (there, here, self.by_them, self.by_us)
            ):  # fmt: skip
                for value, after in itertools.pairwise(mine):
                    if value in own and after in makers and value not in others and value not in lost:
                        yield f"{place[0]}: {place[1]} {value!r} gave way to {after!r}"
