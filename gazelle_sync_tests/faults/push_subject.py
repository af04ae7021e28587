"""What a campaign of the push is about: people who edit it, here and at Gazelle, and the judge of what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Shop

Found = tuple[str, str]
"""A figure, and what is wrong, for a person."""


class Editor(Protocol):
    """People who work on both sides of one case, and remember what must be found at the end."""

    @property
    def pulled(self) -> tuple[str, ...]:
        """The entities that a pull reads of what they edit."""
        ...

    @property
    def tables(self) -> tuple[str, ...]:
        """Those of the shop that they write."""
        ...

    @property
    def gone(self) -> Collection[str]:
        """Records that were deleted at Gazelle: what fails about them fails for good."""
        ...

    @property
    def in_trouble(self) -> bool:
        """Whether something that people entered cannot go, whatever happens: a push says so rightly."""
        ...

    @property
    def creates(self) -> Sequence[str]:
        """Texts that only the requests hold which make two where they come twice."""
        ...

    @property
    def writes(self) -> Sequence[str]:
        """Texts that only requests for one kind of change hold."""
        ...

    def knows(self, record: str) -> bool:
        """Whether a record that is read or written is one of theirs; a record that is to be made has no id yet."""
        ...

    def begin(self) -> None:
        """Enter what there is to be pushed from the first."""
        ...

    def go_on(self) -> None:
        """Enter more once that is at Gazelle, so that a fault has something to strike."""
        ...

    def work(self, deeds: int) -> list[str]:
        """Make some edits on both sides; gives their names."""
        ...

    def edit_here(self, record: str) -> None:
        """Edit what the shop's tables say of a record, or of any where it is none of theirs."""
        ...

    def edit_every(self) -> None:
        """Edit what they say of everything."""
        ...

    def edit_there(self, record: str) -> None:
        """Edit a record at Gazelle, or any."""
        ...

    def edit_all_there(self, record: str) -> None:
        """Edit everything of it that a push may have written."""
        ...

    def look(self) -> None:
        """Record what both sides hold now."""
        ...

    def agree(self) -> None:
        """Both sides are equal."""
        ...

    def settle(self) -> None:
        """What clashes by now must be told."""
        ...

    def due(self) -> list[str]:
        """What is to be pushed."""
        ...


@dataclass(frozen=True)
class Subject:
    """What a campaign is about.

    Attributes:
        editor: Makes the people of a case.
        at_any_time: What is wrong that must be right after every run.
        after_quiet: What is wrong that must be right once everything is healthy and nothing is left to push.
        ways: Transport, and what becomes of work that was done: one is drawn.
        around: What must hold for the length of a case.
        answer: People do what rows tell them that wait for a person.
    """

    editor: Callable[[EditedShop, random.Random], Editor]
    at_any_time: Callable[[EditedShop, Any], Iterator[Found]]
    after_quiet: Callable[[EditedShop, Any], Iterator[Found]]
    ways: Sequence[tuple[str, str]] = (("graphql", "comment"),)
    around: Callable[[Shop], AbstractContextManager[object]] = nullcontext
    answer: Callable[[Any], None] = lambda _: None
