"""What pages of the timeline hold, and the timelines of single clients and pianos."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gazelle_sync.errors import OperationFailed, RequestRefused
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.i18n import gettext
from gazelle_sync.pull.context import EntityPull
from gazelle_sync.pull.paths import ids_at
from gazelle_sync.pull.read import Page
from gazelle_sync.runtime.logs import get_logger

Owner = tuple[str, str]
"""An argument of the list of entries, and its value: a client or a piano."""

log = get_logger("gazelle_sync.pull")


def write_page(pull: EntityPull, nodes: list[Any], answer: Answer) -> None:
    """Stage the bodies of a page."""
    pull.reader.examine(nodes)
    pull.staging.write(nodes, answer, pull.staging.held_among(sorted(ids_of(nodes))))


def ids_of(nodes: list[Any]) -> set[str]:
    """The ids of a page's records."""
    return {n["id"] for n in nodes if isinstance(n, dict) and isinstance(n.get("id"), str)}


def others_of(page: Page) -> int:
    """How many records of a page have no id, those that Gazelle could not give among them."""
    return page.holes + sum(not isinstance(n, dict) or not isinstance(n.get("id"), str) for n in page.nodes)


def count_of(page: Page) -> int:
    """How many records a page is about: a row that comes twice counts once, one without an id for itself."""
    return len(ids_of(page.nodes)) + others_of(page)


def note_partial(pull: EntityPull, why: str) -> None:
    """Say that something of the timeline stays unread, and that nothing is concluded from it."""
    pull.report.partial = True
    pull.report.notes.append(why)


def owners_of(pull: EntityPull, ids: list[str]) -> dict[str, tuple[Owner, ...]]:
    """Id → the client and the piano that an entry's last body names."""
    found: dict[str, tuple[Owner, ...]] = dict.fromkeys(ids, ())
    for external_id, body in pull.staging.last_bodies(ids):
        named = {"clientId": ids_at([body], ("client", "id")), "pianoId": ids_at([body], ("piano", "id"))}
        found[external_id] = tuple((argument, owner) for argument, owners in named.items() for owner in owners)
    return found


class OwnTimelines:
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
