"""Our counts against Gazelle's: what it says now, and what it said when it was last read.

Gazelle goes on while we count. A count that differs now and agreed when the last run ended is news for the next run;
one that agrees with neither is looked into by id: only what Gazelle had before that run began is lost.
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
from gazelle_sync.montreal import parse_instant
from gazelle_sync.pull.read import Reader
from gazelle_sync.quality.context import Circumstances, Told, empty, warning
from gazelle_sync.quality.finding import Finding, Text, some
from gazelle_sync.warehouse.settings_table import read_watermarks

ALL = [entity.name for entity in ENTITIES]

EQUAL = Text(
    "{checked} kinds of record, {records} records: as many here as at Gazelle.",
    "{checked} sortes de fiches, {records} fiches : autant ici que chez Gazelle.",
)
NEWS = Text(
    "Gazelle went on since: {what}. The next run brings it.",
    "Gazelle a bougé depuis : {what}. Le prochain passage suivra.",
)
UNEQUAL = Text("{what} here, {told} at Gazelle", "{what} ici, {told} chez Gazelle")
OFF = Text("The counts differ: {what}.", "Les nombres diffèrent : {what}.")
UNREADABLE_RECORDS = Text(
    "{what}: Gazelle has {count:# record|# records} that it cannot give, or that could not be read.",
    "{what} : Gazelle a {count:# fiche qu'elle ne peut pas donner, ou qui n'a pas pu être lue|"
    "# fiches qu'elle ne peut pas donner, ou "
    "qui n'ont pas pu être lues}.",
)
CANNOT_ASK = Text(
    "Gazelle cannot be asked how much it has ({reason}).",
    "Impossible de demander à Gazelle combien elle en a ({reason}).",
)
AS_LAST_TIME = Text("Our counts are those of the last run.", "Nos nombres sont ceux du dernier passage.")
SYNC = Text(
    "Run `gazelle-sync sync --full`, then `gazelle-sync check --only integrity_counts`. Rows that were removed by hand "
    "come back with `gazelle-sync replay`.",
    "Lancez `gazelle-sync sync --full`, puis `gazelle-sync check --only integrity_counts`. Les lignes effacées à la "
    "main reviennent avec `gazelle-sync replay`.",
)
AGAIN = Text(
    "Look again when Gazelle answers: `gazelle-sync doctor`.", "Regardez de nouveau quand Gazelle répond : "
    "`gazelle-sync doctor`.",
)  # fmt: skip


@dataclass
class _Counts:
    """What the comparison came to.

    Attributes:
        records: How many we hold.
        off: Sentences on what is wrong.
        news: … on what the next run will bring.
        unread: … on what Gazelle cannot give.
        examples: Ids.
        lost: How many records are concerned.
        refusal: Why Gazelle could not be asked, or None.
    """

    records: int = 0
    off: list[str] = field(default_factory=list)
    news: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    lost: int = 0
    refusal: str | None = None


def judge_counts(circumstances: Circumstances, check: str) -> Finding:
    """As many living records here as Gazelle says it has, for every entity."""
    if (nothing := empty(circumstances, check, ALL)) is not None:
        return nothing
    then = circumstances.told()
    counts = _Counts()
    try:
        with circumstances.client() as client:
            now = {entity.name: _total(client, entity) for entity in ENTITIES}
            for entity in ENTITIES:
                _compare(circumstances, entity, now[entity.name], then.get(entity.name), counts, client)
    except GazelleSyncError as error:
        counts = _Counts(refusal=first_line(error))
        for entity in ENTITIES:
            _compare(circumstances, entity, None, then.get(entity.name), counts, None)
    return _finding(circumstances, check, counts, knows_all=len(then) == len(ENTITIES))


def _finding(circumstances: Circumstances, check: str, counts: _Counts, *, knows_all: bool) -> Finding:
    numbers = {"checked": len(ENTITIES), "records": counts.records, "off": counts.lost}
    if counts.off:
        summary, advice = circumstances.say(OFF, what="; ".join(counts.off)), circumstances.say(SYNC)
        examples = some(counts.examples)
        return Finding(check, passed=False, summary=summary, advice=advice, examples=examples, numbers=numbers)
    if counts.refusal is not None:
        summary = circumstances.say(CANNOT_ASK, reason=counts.refusal)
        summary += " " + circumstances.say(AS_LAST_TIME) if knows_all else ""
        return warning(check, summary, advice=circumstances.say(AGAIN), numbers=numbers)
    if counts.unread:
        return warning(check, " ".join(counts.unread), advice=circumstances.say(SYNC), numbers=numbers)
    summary = circumstances.say(EQUAL, checked=len(ENTITIES), records=counts.records)
    if counts.news:
        summary += " " + circumstances.say(NEWS, what=", ".join(counts.news))
    return Finding(check, True, summary, numbers=numbers)


def _compare(
    circumstances: Circumstances,
    entity: Entity,
    now: int | None,
    then: Told | None,
    counts: _Counts,
    client: GazelleClient | None,
) -> None:
    ((living, unlisted, waiting),) = circumstances.rows(
        "quality/living", table=entity.table.name, staging=entity.staging_table
    )
    ours = living - unlisted + waiting
    counts.records += ours
    name = circumstances.name(entity.name)
    if ours == now or (now is None and then is None):
        return
    if then is not None and ours == then.total:
        if now is not None:
            counts.news.append(f"{name} {now - ours:+}")
        return
    told = then if now is None else Told(now, then.errors if then else 0)
    assert told is not None  # noqa: S101 - where neither is known it has returned above
    short = told.total - ours
    if 0 < short <= told.errors:
        counts.unread.append(circumstances.say(UNREADABLE_RECORDS, what=name, count=short))
        return
    lost = _lost(circumstances, client, entity) if client is not None else None
    was_too_many = then is not None and ours > then.total
    if lost == [] and not was_too_many:
        counts.news.append(f"{name} {short:+}")
        return
    counts.lost += len(lost) if lost else abs(short)
    counts.examples += [f"{entity.table.name} {external_id}" for external_id in lost or ()]
    counts.off.append(circumstances.say(UNEQUAL, what=f"{name} {ours}", told=told.total))


def _total(client: GazelleClient, entity: Entity) -> int:
    """How many records of an entity Gazelle says it has."""
    if entity.strategy is Strategy.WINDOWED:
        answer = client.execute("TimelineCount", documents.TIMELINE_COUNT)
        return int(answer.data[entity.root]["totalCount"])
    reader = Reader(client, entity, 1)
    assert entity.stamp_operation is not None  # noqa: S101 - whatever is not windowed has stamps
    if entity.strategy is Strategy.WHOLE_LIST:
        return len(reader.whole_list(entity.stamp_operation)[0])
    return reader.page(entity.stamp_operation, _sorted(entity)).total


def _lost(circumstances: Circumstances, client: GazelleClient, entity: Entity) -> list[str] | None:
    """Ids on one side only that no run still to come explains; None where they cannot be told.

    What changed at Gazelle since our last run is news. So is, until the night, what a tick does not look at: a visit
    outside its window that came or went.
    """
    if entity.strategy is Strategy.WINDOWED:
        return None
    unread_since = _unread_since(circumstances, entity)
    if unread_since is None:
        return None
    rows = circumstances.rows("quality/living_ids", table=entity.table.name, staging=entity.staging_table)
    held = {external_id for (external_id,) in rows}
    stamps = _stamps(circumstances, client, entity)
    return [i for i, stamp in stamps if i not in held and (stamp is None or stamp < unread_since)]


def _stamps(
    circumstances: Circumstances, client: GazelleClient, entity: Entity
) -> Iterator[tuple[str, datetime | None]]:
    reader = Reader(client, entity, circumstances.settings.page_size)
    assert entity.stamp_operation is not None  # noqa: S101 - whatever is not windowed has stamps
    nodes: list[Any] = []
    if entity.strategy is Strategy.WHOLE_LIST:
        nodes = reader.whole_list(entity.stamp_operation)[0]
    else:
        for page in reader.pages(entity.stamp_operation, _sorted(entity)):
            nodes += page.nodes
    for node in nodes:
        if isinstance(node, dict) and isinstance(node.get("id"), str):
            yield node["id"], parse_instant(node.get("updatedAt"))


def _sorted(entity: Entity) -> dict[str, Any]:
    return {"sortBy": [entity.stable_sort]} if entity.sort_enum and entity.stable_sort else {}


def _unread_since(circumstances: Circumstances, entity: Entity) -> datetime | None:
    """Since when changes at Gazelle may be unread, by its own clock where a run says so; None where no run ended."""
    if not entity.has_window:
        with circumstances.reading() as connection:
            return read_watermarks(connection).get(entity.name)
    told = circumstances.told().get(entity.name)  # a tick looks at a window: only a full run has seen them all
    return told.at if told is not None else None
