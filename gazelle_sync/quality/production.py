"""The check that production is what staging says: all of it, or a sample in a tick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gazelle_sync.entities import ENTITIES
from gazelle_sync.i18n.translator import Message, Plural
from gazelle_sync.pull.comparison import Comparison, Difference, compare, compare_sample, newest_of_sample
from gazelle_sync.quality.context import CheckContext, empty
from gazelle_sync.quality.finding import Finding, first_few
from gazelle_sync.warehouse.pool import together

ALL = [entity.name for entity in ENTITIES]
SAMPLE = 25
"""Records of each entity that a tick compares; a few milliseconds each table."""

RIGHT = Message("{records} records compared: production is what Gazelle last said of them.")
OFF = Plural(
    "{count} row is not what Gazelle last said, of {records} records compared: {tables}.",
    "{count} rows are not what Gazelle last said, of {records} records compared: {tables}.",
)
NOTHING_STAGED = Message("{what}: nothing is staged, so production cannot be compared with anything.")
REPLAY = Message(
    "`gazelle-sync replay` puts every row right. Then find out who writes these tables: only `tags` may be."
)
READ_AGAIN = Message(
    "`gazelle-sync sync --full` reads what was changed in staging, or is missing there, again. Then find out who "
    "writes these tables, and whether a trigger of theirs does."
)


def evaluate_production(context: CheckContext, check: str) -> Finding:
    """Production = reconcile(newest staged), of every record or of a sample; what the run has proven is shown."""
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
    """Entity → what a comparison of it has found."""
    if not context.thorough:
        return _sampled(context)
    comparisons = {name: report.comparison for name, report in context.reports.items() if report.comparison is not None}
    if missing := [entity for entity in ENTITIES if entity.name not in comparisons]:
        with context.reading() as (connection, _):
            comparisons |= {entity.name: compare(connection, entity) for entity in missing}
    return {entity.name: comparisons[entity.name] for entity in ENTITIES}


def _sampled(context: CheckContext) -> dict[str, Comparison]:
    with context.reading(*(newest_of_sample(entity, SAMPLE) for entity in ENTITIES)) as (connection, answers):
        drawn = dict(zip(ALL, answers, strict=True))
        if bare := [entity for entity in ENTITIES if not drawn[entity.name]]:
            again = together(connection, *(newest_of_sample(entity, SAMPLE, everywhere=True) for entity in bare))
            drawn.update(zip((entity.name for entity in bare), again, strict=True))
        return compare_sample(connection, drawn)


def _nothing_staged(context: CheckContext, check: str, entities: Sequence[str]) -> Finding | None:
    """Nothing was compared of some entities: right only where their tables are empty and Gazelle has none either."""
    nothing = empty(context, check, entities)
    if nothing is not None and not nothing.passed:
        return nothing
    told = context.last_reported_totals()
    bare = [name for name in entities if name not in told or told[name].total > 0]
    if not bare:
        return None
    what = ", ".join(map(context.name, bare))
    summary, advice = context.say(NOTHING_STAGED, what=what), "`gazelle-sync sync --full`"
    return Finding(check, passed=False, summary=summary, advice=advice, numbers={"checked": 0})
