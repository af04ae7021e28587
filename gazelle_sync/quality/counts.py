"""Compares our counts with Gazelle's, as they are now and as they were in the last run.

Gazelle changes while we count. A count that differs now and agreed with the last run is a change for the next run. One
that agrees with neither is examined by id: a record is missing only if Gazelle had it before the last run began.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gazelle_sync.entities import ENTITIES, Entity, Strategy
from gazelle_sync.errors import GazelleSyncError, first_line
from gazelle_sync.gazelle import documents
from gazelle_sync.gazelle.client import GazelleClient
from gazelle_sync.i18n.translator import Message, Plural
from gazelle_sync.montreal import parse_instant
from gazelle_sync.pull.read import Reader
from gazelle_sync.quality.context import CheckContext, ReportedTotal, finding_if_empty, lookup, warning
from gazelle_sync.quality.finding import Finding, first_few
from gazelle_sync.warehouse.pool import borrow
from gazelle_sync.warehouse.settings_table import read_watermarks

ALL = [entity.name for entity in ENTITIES]

EQUAL = Message("{checked} kinds of record, {records} records: as many here as at Gazelle.")
CHANGED_SINCE = Message("Gazelle has changed since the last run: {what}. The next run reads it.")
UNEQUAL = Message("{what} here, {told} at Gazelle")
OFF = Message("The counts differ: {what}.")
UNREADABLE_RECORDS = Plural(
    "{what}: Gazelle has {count} record that it cannot give, or that could not be read.",
    "{what}: Gazelle has {count} records that it cannot give, or that could not be read.",
)
CANNOT_ASK = Message("Gazelle cannot be asked how much it has ({reason}).")
AS_LAST_TIME = Message("Our counts are those of the last run.")
SYNC = Message(
    "Run `gazelle-sync sync --full`, then `gazelle-sync check --only integrity_counts`. Rows that were removed by "
    "hand come back with `gazelle-sync replay`."
)
AGAIN = Message("Look again when Gazelle answers: `gazelle-sync doctor`.")  # fmt: skip


@dataclass
class _Counts:
    """The result of the comparison.

    Attributes:
        records: How many we hold.
        off: Sentences about what is wrong.
        changed: Sentences about what the next run will read.
        unread: Sentences about what Gazelle cannot give.
        examples: Ids of missing records.
        lost: How many records are missing.
        refusal: Why Gazelle could not be asked, or None.
    """

    records: int = 0
    off: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    lost: int = 0
    refusal: str | None = None


def evaluate_counts(context: CheckContext, check: str) -> Finding:
    """As many living records here as Gazelle says it has, for every entity."""
    if (nothing := finding_if_empty(context, check, ALL)) is not None:
        return nothing
    then = context.last_reported_totals()
    context.look_up(*(lookup("quality/living", **_tables_of(entity)) for entity in ENTITIES))
    counts = _Counts()
    try:
        with context.client() as client:
            now = {entity.name: _total(client, entity) for entity in ENTITIES}
            for entity in ENTITIES:
                _compare(context, entity, now[entity.name], then.get(entity.name), counts, client)
    except GazelleSyncError as error:
        counts = _Counts(refusal=first_line(error))
        for entity in ENTITIES:
            _compare(context, entity, None, then.get(entity.name), counts, None)
    return _finding(context, check, counts, knows_all=len(then) == len(ENTITIES))


def _finding(context: CheckContext, check: str, counts: _Counts, *, knows_all: bool) -> Finding:
    numbers = {"checked": len(ENTITIES), "records": counts.records, "off": counts.lost}
    if counts.off:
        summary, advice = context.say(OFF, what="; ".join(counts.off)), context.say(SYNC)
        examples = first_few(counts.examples)
        return Finding(check, passed=False, summary=summary, advice=advice, examples=examples, numbers=numbers)
    if counts.refusal is not None:
        summary = context.say(CANNOT_ASK, reason=counts.refusal)
        summary += " " + context.say(AS_LAST_TIME) if knows_all else ""
        return warning(check, summary, advice=context.say(AGAIN), numbers=numbers)
    if counts.unread:
        return warning(check, " ".join(counts.unread), advice=context.say(SYNC), numbers=numbers)
    summary = context.say(EQUAL, checked=len(ENTITIES), records=counts.records)
    if counts.changed:
        summary += " " + context.say(CHANGED_SINCE, what=", ".join(counts.changed))
    return Finding(check, True, summary, numbers=numbers)


def _compare(
    context: CheckContext,
    entity: Entity,
    now: int | None,
    then: ReportedTotal | None,
    counts: _Counts,
    client: GazelleClient | None,
) -> None:
    ((living, unlisted, waiting),) = context.rows("quality/living", **_tables_of(entity))
    ours = living - unlisted + waiting
    counts.records += ours
    name = context.name(entity.name)
    if ours == now or (now is None and then is None):
        return
    if then is not None and ours == then.total:
        if now is not None:
            counts.changed.append(f"{name} {now - ours:+}")
        return
    told = then if now is None else ReportedTotal(now, then.errors if then else 0)
    assert told is not None  # noqa: S101 - where neither is known it has returned above
    short = told.total - ours
    if 0 < short <= told.errors:
        counts.unread.append(context.say(UNREADABLE_RECORDS, what=name, count=short))
        return
    lost = _lost(context, client, entity) if client is not None else None
    was_too_many = then is not None and ours > then.total
    if lost == [] and not was_too_many:
        counts.changed.append(f"{name} {short:+}")
        return
    counts.lost += len(lost) if lost else abs(short)
    counts.examples += [f"{entity.table.name} {external_id}" for external_id in lost or ()]
    held = f"{name} {ours}"
    counts.off.append(context.say(UNEQUAL, what=held, told=told.total))


def _tables_of(entity: Entity) -> dict[str, str]:
    return {"table": entity.table.name, "staging": entity.staging_table}


def _total(client: GazelleClient, entity: Entity) -> int:
    """How many records of an entity Gazelle says it has."""
    if entity.strategy is Strategy.WINDOWED:
        answer = client.execute("TimelineCount", documents.TIMELINE_COUNT)
        return int(answer.data[entity.root]["totalCount"])
    reader = Reader(client, entity, 1)
    if entity.strategy is Strategy.WHOLE_LIST:
        return len(reader.whole_list(entity.shortest_operation)[0])
    return reader.page(entity.shortest_operation, _sorted(entity)).total


def _lost(context: CheckContext, client: GazelleClient, entity: Entity) -> list[str] | None:
    """Ids of Gazelle's records that should be here and are not; None where that cannot be determined.

    A record that changed at Gazelle since our last run is not missing yet. Nor is, until the nightly run, an
    appointment outside the window that ticks read.
    """
    if entity.strategy is Strategy.WINDOWED:
        return None
    unread_since = _unread_since(context, entity)
    if unread_since is None:
        return None
    rows = context.rows("quality/living_ids", **_tables_of(entity))
    held = {external_id for (external_id,) in rows}
    stamps = _stamps(context, client, entity)
    return [i for i, stamp in stamps if i not in held and (stamp is None or stamp < unread_since)]


def _stamps(context: CheckContext, client: GazelleClient, entity: Entity) -> Iterator[tuple[str, datetime | None]]:
    reader = Reader(client, entity, context.settings.page_size)
    nodes: list[Any] = []
    if entity.strategy is Strategy.WHOLE_LIST:
        nodes = reader.whole_list(entity.shortest_operation)[0]
    else:
        for page in reader.pages(entity.shortest_operation, _sorted(entity)):
            nodes += page.nodes
    for node in nodes:
        if isinstance(node, dict) and isinstance(node.get("id"), str):
            yield node["id"], parse_instant(node.get("updatedAt"))


def _sorted(entity: Entity) -> dict[str, Any]:
    return {"sortBy": [entity.stable_sort]} if entity.sort_enum and entity.stable_sort else {}


def _unread_since(context: CheckContext, entity: Entity) -> datetime | None:
    """The instant since which changes at Gazelle may be unread, by its clock; None: no run has ended."""
    if not entity.has_window:
        with borrow(context.url) as connection:
            return read_watermarks(connection).get(entity.name)
    told = context.last_reported_totals().get(
        entity.name
    )  # a tick looks at a window: only a full run has seen them all
    return told.at if told is not None else None
