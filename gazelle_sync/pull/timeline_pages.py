"""Pages of the timeline: what they hold, and the reading of a stretch of time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from gazelle_sync.gazelle.client import Answer
from gazelle_sync.montreal import parse_instant
from gazelle_sync.pull.context import EntityPull
from gazelle_sync.pull.read import Page
from gazelle_sync.pull.timeline_counts import Segment, zulu
from gazelle_sync.runtime.logs import get_logger

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


def read_segment(pull: EntityPull, segment: Segment) -> set[str]:
    """Read and stage the entries of a segment; gives their ids."""
    seen: set[str] = set()
    for page in _segment_pages(pull, segment):
        write_page(pull, page.nodes, page.answer)
        inside = (n for n in page.nodes if isinstance(n, dict) and segment.has(occurred_at(n)))
        seen.update(n["id"] for n in inside if isinstance(n.get("id"), str))
    return seen


def _segment_pages(pull: EntityPull, segment: Segment) -> Iterator[Page]:
    """The segment's pages, read backwards from the far end of the list (newest first, so the oldest come last)."""
    lower = {} if segment.start is None else {"occurredAtGet": zulu(segment.start)}
    left = segment.count
    before: str | None = None
    while left > 0:
        variables = {**lower, "last": min(left, pull.reader.page_size), **({"before": before} if before else {})}
        page = pull.reader.page(pull.entity.page_operation, variables, size_name="last")
        if any(not segment.has(occurred_at(node)) for node in page.nodes):
            # Not newest first, as every list of Gazelle's has been: read on from the lower bound instead.
            log.warning("the timeline is not newest first, reading it from the day on", day=str(segment.start))
            yield from pull.reader.pages(pull.entity.page_operation, lower)
            return
        yield page
        left -= len(page.nodes)
        before = page.info.get("startCursor")
        if not page.nodes or not before or not page.info.get("hasPreviousPage"):
            return


def occurred_at(node: object) -> datetime | None:
    """When an entry occurred, aware UTC."""
    return parse_instant(node.get("occurredAt")) if isinstance(node, dict) else None
