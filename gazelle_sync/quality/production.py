"""The check that production equals what staging says: every record, or a sample in a tick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gazelle_sync.entities import ENTITIES
from gazelle_sync.i18n.translator import Message, Plural
from gazelle_sync.pull.comparison import Comparison, Difference, compare, compare_sample, newest_of_sample
from gazelle_sync.quality.context import CheckContext, finding_if_empty
from gazelle_sync.quality.finding import Finding, first_few
from gazelle_sync.warehouse.pool import together

ALL = [entity.name for entity in ENTITIES]
SAMPLE = 25
"""Records of each entity that a tick compares; a few milliseconds each table."""

RIGHT = Message("{records} records compared: production equals what Gazelle last sent.")
OFF = Plural(
    "{count} row differs from what Gazelle last sent, of {records} records compared: {tables}.",
    "{count} rows differ from what Gazelle last sent, of {records} records compared: {tables}.",
)
NOTHING_STAGED = Message("{what}: nothing is staged, so production cannot be compared with anything.")
REPLAY = Message(
    "`gazelle-sync replay` corrects every row. Then find out who writes these tables: only `tags` may be written."
)
READ_AGAIN = Message(
    "`gazelle-sync sync --full` reads what was changed in staging, or is missing there, again. Then find out who "
    "writes these tables, and whether a trigger of theirs does."
)


def evaluate_production(context: CheckContext, check: str) -> Finding:
    """Production = reconcile(newest staged body), for every record or a sample; the run's own comparison is used."""
    found = Comparison()
    unstaged = []
    for name, part in _comparisons(context).items():
        found.add(part)
        if part.records + part.waiting == 0:
            unstaged.append(name)
    if unstaged and (nothing := _nothing_staged(context, check, unstaged)) is not None:
        return nothing
    numbers = {"checked": found.records, "off": len(found.wrong), "not applied yet": found.waiting}
    if not found.wrong:
        return Finding(check, True, context.say(RIGHT, records=found.records), numbers=numbers)
    counts = Counter(table for table, _ in found.wrong)
    return Finding(
        check,
        passed=False,
        summary=context.say(
            OFF,
            count=len(found.wrong),
            records=found.records,
            tables=", ".join(f"{table} {count}" for table, count in counts.items()),
        ),
        advice=context.say(
            READ_AGAIN if {Difference.CHANGED, Difference.UNSTAGED} & set(found.wrong.values()) else REPLAY
        ),
        examples=first_few(
            context.say(what.value, table=key[0], id=key[1], columns=", ".join(found.columns[key]))
            for key, what in found.wrong.items()
        ),
        numbers=numbers,
    )


def _comparisons(context: CheckContext) -> dict[str, Comparison]:
    """Entity → its comparison."""
    if not context.thorough:
        return _sampled(context)
    comparisons = {name: report.comparison for name, report in context.reports.items() if report.comparison is not None}
    if missing := [entity for entity in ENTITIES if entity.name not in comparisons]:
        with context.snapshot() as (connection, _):
            comparisons |= {entity.name: compare(connection, entity) for entity in missing}
    return {entity.name: comparisons[entity.name] for entity in ENTITIES}


def _sampled(context: CheckContext) -> dict[str, Comparison]:
    with context.snapshot(*(newest_of_sample(entity, SAMPLE) for entity in ENTITIES)) as (connection, answers):
        drawn = dict(zip(ALL, answers, strict=True))
        if empty := [entity for entity in ENTITIES if not drawn[entity.name]]:
            again = together(connection, *(newest_of_sample(entity, SAMPLE, everywhere=True) for entity in empty))
            drawn.update(zip((entity.name for entity in empty), again, strict=True))
        return compare_sample(connection, drawn)


def _nothing_staged(context: CheckContext, check: str, entities: Sequence[str]) -> Finding | None:
    """The finding where nothing is staged of some entities: right only where Gazelle has none of them either."""
    nothing = finding_if_empty(context, check, entities)
    if nothing is not None and not nothing.passed:
        return nothing
    reported = context.last_reported_totals()
    empty = [name for name in entities if name not in reported or reported[name].total > 0]
    if not empty:
        return None
    what = ", ".join(map(context.name, empty))
    summary, advice = context.say(NOTHING_STAGED, what=what), "`gazelle-sync sync --full`"
    return Finding(check, passed=False, summary=summary, advice=advice, numbers={"checked": 0})
