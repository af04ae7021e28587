"""The check that production is what staging says: all of it, or a sample in a tick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from psycopg import sql

from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.i18n.translator import Message, Plural
from gazelle_sync.pull.proof import Difference, Proof, prove
from gazelle_sync.quality.context import CheckContext, empty
from gazelle_sync.quality.finding import Finding, first_few
from gazelle_sync.warehouse.connect import Connection, statement

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
    proof = Proof()
    unstaged = []
    for entity in ENTITIES:
        part = _proof_of(context, entity)
        proof.add(part)
        if part.records + part.waiting == 0:
            unstaged.append(entity.name)
    if unstaged and (nothing := _nothing_staged(context, check, unstaged)) is not None:
        return nothing
    numbers = {"checked": proof.records, "off": len(proof.wrong), "not applied yet": proof.waiting}
    if not proof.wrong:
        return Finding(check, True, context.say(RIGHT, records=proof.records), numbers=numbers)
    counts = Counter(table for table, _ in proof.wrong)
    return Finding(
        check,
        passed=False,
        summary=context.say(
            OFF,
            count=len(proof.wrong),
            records=proof.records,
            tables=", ".join(f"{table} {count}" for table, count in counts.items()),
        ),
        advice=context.say(
            READ_AGAIN if {Difference.CHANGED, Difference.UNSTAGED} & set(proof.wrong.values()) else REPLAY
        ),
        examples=first_few(
            context.say(what.value, table=key[0], id=key[1], columns=", ".join(proof.columns[key]))
            for key, what in proof.wrong.items()
        ),
        numbers=numbers,
    )


def _proof_of(context: CheckContext, entity: Entity) -> Proof:
    report = context.reports.get(entity.name)
    if context.thorough and report is not None and report.proof is not None:
        return report.proof
    with context.reading() as connection:
        return prove(connection, entity, None if context.thorough else _sample(connection, entity))


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


def _sample(connection: Connection, entity: Entity) -> list[str]:
    """Ids of some records, drawn by blocks: a table of millions is not read for them."""
    staging = sql.Identifier(entity.staging_table)
    row = connection.execute(statement("quality/size"), {"table": f"public.{entity.staging_table}"}).fetchone()
    size = row[0] if row else 0
    share = 100.0 if size < 100 * SAMPLE else 100.0 * 20 * SAMPLE / size
    query = sql.SQL(statement("quality/sample")).format(staging=staging)
    for percent in (share, 100.0):
        ids = [i for (i,) in connection.execute(query, {"percent": percent, "count": SAMPLE})]
        if ids:
            return ids
    return []
