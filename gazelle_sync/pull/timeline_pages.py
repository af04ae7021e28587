"""Pages of the timeline: what they hold, and the reading of a stretch of time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gazelle_sync.gazelle.client import Answer
from gazelle_sync.montreal import parse_instant
from gazelle_sync.pull.context import EntityPull
from gazelle_sync.pull.read import Page, Source
from gazelle_sync.pull.timeline_counts import Segment, zulu
from gazelle_sync.runtime.logs import get_logger

log = get_logger("gazelle_sync.pull")


def write_page(pull: EntityPull, nodes: list[Any], answer: Answer) -> None:
    """Stage the bodies of a page."""
    pull.reader.examine(nodes)
    pull.staging.write(nodes, answer, pull.staging.held_among(sorted(ids_of(nodes))))


def ids_of(nodes: list[Any]) -> set[str]:
    """The ids of a page's records."""
    return {node["id"] for node in nodes if _has_id(node)}


def others_of(page: Page) -> int:
    """How many records of a page have no id, those that Gazelle could not give among them."""
    return page.holes + sum(not _has_id(node) for node in page.nodes)


def count_of(page: Page) -> int:
    """How many records a page is about: a row that comes twice counts once, one without an id for itself."""
    return len(ids_of(page.nodes)) + others_of(page)


def note_partial(pull: EntityPull, why: str) -> None:
    """Say that something of the timeline stays unread, and that nothing is concluded from it."""
    pull.report.partial = True
    pull.report.notes.append(why)


def read_segment(pull: EntityPull, segment: Segment) -> set[str]:
    """Read and stage the entries of a segment; gives their ids."""
    seen: set[str] = set()
    is_beyond = False
    for page, inside, has_others in pages_from_the_oldest(pull, segment):
        write_page(pull, page.nodes, page.answer)
        seen |= inside
        is_beyond = has_others
    if is_beyond:
        # Not newest first, as every list of Gazelle's has been.
        log.warning("the timeline is not newest first, reading it from the day on", day=str(segment.start))
        for page, inside, _ in pages_from_the_newest(pull, segment):
            write_page(pull, page.nodes, page.answer)
            seen |= inside
    return seen


def pages_from_the_oldest(pull: Source, segment: Segment) -> Iterator[tuple[Page, set[str], bool]]:
    """The pages of a segment, backwards from the far end of the list, which has the newest first.

    They end when the segment's count is reached, or with one that reaches beyond it. An entry that is added meanwhile
    shifts the places of the others: some come twice, and more is read.

    Yields:
        A page, the ids of its entries that lie in the segment, and whether it has others.
    """
    ids: set[str] = set()
    others = 0
    before: str | None = None
    while (left := segment.count - len(ids) - others) > 0:
        variables = {**since(segment.start), "last": min(left, pull.reader.page_size)}
        variables |= {"before": before} if before else {}
        page = pull.reader.page(pull.entity.page_operation, variables, size_name="last")
        inside, is_beyond = _place(page, segment)
        yield page, inside, is_beyond
        ids |= inside
        others += others_of(page)
        before = page.info.get("startCursor")
        if is_beyond or not page.nodes or not before or not page.info.get("hasPreviousPage"):
            return


def pages_from_the_newest(pull: Source, segment: Segment) -> Iterator[tuple[Page, set[str], bool]]:
    """The same from the newest entry on: whatever is newer than the segment is read too."""
    for page in pull.reader.pages(pull.entity.page_operation, since(segment.start)):
        yield page, *_place(page, segment)


def since(instant: datetime | None) -> dict[str, str]:
    """The variable that asks for the entries from an instant on; None: for all."""
    return {} if instant is None else {"occurredAtGet": zulu(instant)}


def _place(page: Page, segment: Segment) -> tuple[set[str], bool]:
    """The ids of a page's entries that lie in a segment, and whether it has others."""
    lie_in = [segment.has(occurred_at(node)) for node in page.nodes]
    return ids_of([node for node, lies_in in zip(page.nodes, lie_in, strict=True) if lies_in]), not all(lie_in)


def occurred_at(node: object) -> datetime | None:
    """When an entry occurred, aware UTC."""
    return parse_instant(node.get("occurredAt")) if isinstance(node, dict) else None


def _has_id(node: object) -> bool:
    return isinstance(node, dict) and isinstance(node.get("id"), str) and node["id"] != ""
