"""Stage 1, the finding half, for everything with `updatedAt`: which records are new, changed or gone.

The API cannot sort by update time nor filter by it, so the stamps of all records are read and compared with those held
by *inequality*: new, changed and vanished ids fall out whatever the clocks, the gaps between runs or the order of the
list. Where a schema does sort by `UPDATED_AT_DESC`, the reading of stamps stops early, and every doubt about the order
or the count falls back on reading them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gazelle_sync.entities import Entity, Strategy
from gazelle_sync.errors import ApiError, CredentialsRefused
from gazelle_sync.gazelle.client import Answer
from gazelle_sync.i18n import gettext
from gazelle_sync.pull.context import EntityPull, Mode
from gazelle_sync.pull.deletions import DeletionGuard, look_for_absent, put_away_nameless
from gazelle_sync.pull.early_exit import early_exit
from gazelle_sync.pull.held import Held
from gazelle_sync.pull.prefetch import prefetch
from gazelle_sync.pull.read import IDS_PER_REQUEST, MOVED
from gazelle_sync.pull.stamps import StampScan, sort_by, stamps_of, window_of
from gazelle_sync.pull.validation import TRIES
from gazelle_sync.pull.versions import versions_of
from gazelle_sync.runtime.logs import get_logger

BODIES_PER_PAGE = 250
"""A client with its contacts is 2 kB of JSON and ten times that in memory, and several entities are read at once."""

log = get_logger("gazelle_sync.pull")


def scan(pull: EntityPull) -> None:
    """Find and stage what changed of one entity, and tombstone what is gone.

    Raises:
        ApiError: Nothing could be read.
        EntityFailed: The guard stopped mass deletion.
    """
    if pull.entity.strategy is Strategy.WHOLE_LIST:
        _scan_whole_list(pull)
        return
    held = {} if pull.staging.is_empty else pull.staging.held()
    if pull.window is not None:
        _read_window_again(pull, held, pull.window)
    elif pull.mode is not Mode.TICK or not held or pull.watermark is None:
        _scan_bodies(pull, held | _unstaged(pull))
    else:
        _scan_stamps(pull, held)


def _unstaged(pull: EntityPull) -> dict[str, Held]:
    """What production holds and staging does not (it lost rows): only here is it noticed that Gazelle lost it too."""
    return dict.fromkeys(pull.staging.unstaged(), Held(None, None, is_living=True, is_unsettled=True))


def _scan_bodies(pull: EntityPull, held: dict[str, Held]) -> None:
    """A full run, or the first one: bodies by full pages are the scan."""
    pull.report.strategy = "full pages"
    pull.verify(held.keys())
    seen = StampScan()
    fresh: set[str] = set()
    try:
        _read_body_pages(pull, held, seen, fresh)
    except CredentialsRefused:
        raise
    except ApiError as error:
        # One record that breaks its page must not hide the others: find them by their stamps, read them by id.
        log.warning("full pages failed, reading stamps", entity=pull.entity.name, reason=str(error))
        seen.is_complete = False
    if not seen.is_complete:
        again = _all_stamps(pull, {}, TRIES - 1)
        again.stamps = {**seen.stamps, **again.stamps}
        missing = [i for i, stamp in again.stamps.items() if i not in fresh or held[i].stamp != stamp]
        _note_listed_but_gone(pull, _hydrate(pull, held, missing, unlisted=False), again)
        seen = again
    look_for_absent(pull, held, seen, set(held))


def _scan_stamps(pull: EntityPull, held: dict[str, Held]) -> None:
    filters, window = window_of(pull)
    # A start that cannot be read says not whether the visit is in the window: one that is not listed is asked for.
    candidates = {i for i, h in held.items() if window is None or h.start is None or window[0] <= h.start < window[1]}
    again = pull.staging.set_aside()
    seen = None if again else early_exit(pull, held)
    if seen is None:
        pull.report.strategy = "stamps"
        seen = _all_stamps(pull, filters, TRIES)
        complete_scan = True
    else:
        complete_scan = False
    again |= pull.staging.unreadable()
    changed = [i for i, stamp in seen.stamps.items() if _differs(held.get(i), stamp) or i in again]
    doubtful = again & held.keys() | {i for i in candidates if held[i].is_unsettled}
    unseen = [i for i in doubtful if held[i].is_living and i not in seen.stamps]
    unlisted = [i for i in unseen if held[i].is_unlisted]
    # The shortcut does not come to records that must be read again, but were changed before its watermark; nor does a
    # window to those outside it.
    changed += [i for i in unseen if not held[i].is_unlisted and (i in again or not seen.is_complete)]
    back = [i for i in seen.stamps if i in held and held[i].is_unlisted and i not in changed]
    pull.staging.mark_listed(back, unlisted=False)
    pages = -(-max(len(seen.stamps), 1) // min(BODIES_PER_PAGE, pull.reader.page_size))
    if complete_scan and -(-len(changed) // IDS_PER_REQUEST) > pages:
        gone = _hydrate_by_pages(pull, held, changed, filters)
    else:
        gone = _hydrate(pull, held, changed, unlisted=False)
    _note_listed_but_gone(pull, gone, seen)
    _hydrate(pull, held, unlisted, unlisted=True)
    if complete_scan:
        look_for_absent(pull, held, seen, {i for i in candidates if not held[i].is_unlisted})


def _read_window_again(pull: EntityPull, held: dict[str, Held], window: tuple[datetime, datetime]) -> None:
    """A backfill: the records that last changed in a window, by what Gazelle says or we hold, are read again."""
    pull.report.strategy = "backfill"
    stamps = {i: h.stamp for i, h in held.items() if h.is_living} | _all_stamps(pull, {}, TRIES).stamps
    _hydrate(pull, held, [i for i, at in stamps.items() if at and window[0] <= at < window[1]], unlisted=False)


def _differs(held: Held | None, stamp: datetime | None) -> bool:
    return held is None or not held.is_living or held.is_unsettled or held.stamp != stamp


def _all_stamps(pull: EntityPull, filters: dict[str, Any], tries: int) -> StampScan:
    """Read every stamp, again while the list moves under the cursor; the union of all tries where none was complete."""
    union = StampScan()
    for attempt in range(tries):
        one = _one_stamp_scan(pull, filters)
        union.stamps.update(one.stamps)
        if one.is_complete:
            return one
        if one.has_holes:
            break  # a record that cannot be given will not be there at a second try either
        log.warning("the list moved while it was read", entity=pull.entity.name, attempt=attempt + 1)
    pull.report.partial = True
    pull.report.notes.append(gettext(MOVED))
    return union


def _one_stamp_scan(pull: EntityPull, filters: dict[str, Any]) -> StampScan:
    seen = StampScan()
    totals: set[int] = set()
    holes = False
    nodes = 0
    assert pull.entity.stamp_operation is not None  # noqa: S101 - a strategy by stamps has one
    for page in pull.reader.pages(pull.entity.stamp_operation, {**filters, **sort_by(pull, pull.entity.stable_sort)}):
        totals.add(page.total)
        holes = holes or page.holes > 0
        nodes += len(page.nodes)
        seen.stamps.update(stamps_of(page.nodes))
        pull.report.stamped += len(page.nodes)
        pull.show_progress(nodes, page.total)
    pull.report.total = max(totals, default=0)
    seen.has_holes = holes
    seen.is_complete = not holes and totals == {len(seen.stamps)}
    return seen


def _read_body_pages(pull: EntityPull, held: dict[str, Held], seen: StampScan, fresh: set[str]) -> None:
    """Read and stage every body; `fresh` becomes the ids of which one body came, and no other that differs."""
    totals: set[int] = set()
    holes = False
    hashes: dict[str, bytes | None] = {}
    # Two records came under one id, perhaps on two pages: with equal stamps, nothing else shows which is right.
    torn: set[str] = set()
    variables = {**sort_by(pull, pull.entity.stable_sort), "first": min(BODIES_PER_PAGE, pull.reader.page_size)}
    pages = pull.reader.completed_pages(pull.entity.page_operation, variables)
    for page, prepared in prefetch((page, pull.staging.prepare(page.nodes, page.answer)) for page in pages):
        totals.add(page.total)
        holes = holes or page.holes > 0
        stamps = stamps_of(page.nodes)
        holes = holes or len(stamps) != len(page.nodes)
        seen.stamps.update(stamps)
        pull.staging.store(prepared, page.answer, held)
        torn.update(
            v.external_id
            for v in prepared.versions
            if hashes.setdefault(v.external_id, v.content_hash) != v.content_hash
        )
        fresh.update(stamps)
        fresh.difference_update(torn)
        pull.show_progress(len(fresh), page.total)
    pull.report.total = max(totals, default=0)
    seen.is_complete = not holes and totals == {len(seen.stamps)}


def _hydrate(pull: EntityPull, held: dict[str, Held], ids: list[str], *, unlisted: bool) -> list[str]:
    """Read just these records by id and stage what differs; gives the ids that Gazelle says are not there."""
    gone: list[str] = []
    done = 0
    for part in prefetch(pull.reader.by_ids(ids)):
        if part.answer is not None:
            pull.staging.write(part.bodies, part.answer, held, unlisted=unlisted)
        gone += part.gone
        pull.failed.update(part.failed)
        done += len(part.bodies) + len(part.gone) + len(part.failed)
        pull.show_progress(done, len(ids))
    return gone


def _note_listed_but_gone(pull: EntityPull, gone: list[str], seen: StampScan) -> None:
    """A record that is listed and not there by id was deleted in between, or Gazelle fails: the next run asks."""
    why = gettext("is listed, and by its id Gazelle says that it is not there")
    pull.failed.update({i: why for i in gone if i in seen.stamps})


def _hydrate_by_pages(
    pull: EntityPull, held: dict[str, Held], changed: list[str], filters: dict[str, Any]
) -> list[str]:
    """So much changed that full pages take fewer requests; gives the ids that Gazelle says are not there."""
    wanted = set(changed)
    given: Counter[str] = Counter()
    variables = {**filters, **sort_by(pull, pull.entity.stable_sort), "first": BODIES_PER_PAGE}
    try:
        for page in prefetch(pull.reader.pages(pull.entity.page_operation, variables)):
            bodies = [n for n in page.nodes if isinstance(n, dict) and n.get("id") in wanted]
            given.update(n["id"] for n in bodies)
            pull.staging.write(pull.reader.completed(bodies), page.answer, held)
    except CredentialsRefused:
        raise
    except ApiError as error:
        log.warning("full pages failed, reading by id", entity=pull.entity.name, reason=str(error))
    # What came twice was moved under the cursor, or is two records under one id.
    return _hydrate(pull, held, sorted(i for i in wanted if given[i] != 1), unlisted=False)


def _scan_whole_list(pull: EntityPull) -> None:
    """Lists without pages and by-id query: they are read whole, and an empty one is taken for a fault."""
    pull.report.strategy = "whole list"
    held = pull.staging.held()
    living = {i for i, h in held.items() if h.is_living}
    found = None
    if pull.mode is Mode.TICK and held and pull.watermark is not None:
        found = records, answer, _ = pull.reader.whole_list(pull.entity.shortest_operation)
        pull.report.stamped += len(records)
        pull.report.total = len(records)
        if _is_as_held(pull.entity, held, living, records, answer):
            return
    else:
        held |= _unstaged(pull)
        living = {i for i, h in held.items() if h.is_living}
        pull.verify(held.keys())
    if found is None or pull.entity.stamp_operation is not None:
        found = pull.reader.whole_list(pull.entity.page_operation)
    records, answer, is_complete = found
    pull.report.total = len(records)
    pull.staging.write(records, answer, held)
    seen = stamps_of(records)
    gone = put_away_nameless(pull, sorted(living - seen.keys()))
    if not is_complete:
        pull.report.partial = True
        pull.report.notes.append(
            gettext("the list has nulls or an id twice: it was read, deletions were not looked for")
        )
        return
    if not gone:
        return
    if not records:
        pull.report.notes.append(
            gettext("Gazelle sent an empty list, which is taken for a fault: nothing was marked deleted")
        )
        return
    guard = DeletionGuard(pull, len(living), gone, sample=len(gone))
    guard.add(gone, looked_for=gone)
    guard.tombstone()


def _is_as_held(
    entity: Entity, held: dict[str, Held], living: set[str], records: Sequence[Any], answer: Answer
) -> bool:
    """Whether a list says what is held: by its stamps, or by its bodies where it has none."""
    if entity.stamp_operation is None:
        read = {version.external_id: version.content_hash for version in versions_of(records, answer)}
        return read == {i: held[i].content_hash for i in living} and not any(held[i].is_missing for i in living)
    stamps = stamps_of(records)
    return stamps.keys() == living and not any(_differs(held[i], stamp) for i, stamp in stamps.items())
