"""Whether production is consistent: ids, references, values, what people entered here, duplicate notes."""

from __future__ import annotations

from gazelle_sync.entities import ENTITIES, Entity
from gazelle_sync.i18n.translator import Message, Plural, translator
from gazelle_sync.pull.guard import LEAST_EMPTIED, SHARE
from gazelle_sync.quality.context import (
    Check,
    CheckContext,
    Lookup,
    emptiness_lookups,
    finding_if_empty,
    lookup,
    warning,
)
from gazelle_sync.quality.counts import evaluate_counts
from gazelle_sync.quality.enums import COLUMNS, ENUMS
from gazelle_sync.quality.finding import Finding, first_few
from gazelle_sync.quality.production import evaluate_production
from gazelle_sync.warehouse.schema_repair import describe_object, missing_objects

TABLES = [table for entity in ENTITIES for table in entity.tables]
EACH_TABLE = [{"table": table.name} for table in TABLES]
MERGING = [entity for entity in ENTITIES if entity.table.merged]
ALL = [entity.name for entity in ENTITIES]

UNIQUE = Message("{checked} rows of {tables} tables: every id is there once.")
DROPPED = Message("Tables or views that are not there: {what}.")
MAKE_AGAIN = Message("`gazelle-sync migrate` makes them again and says what to do then.")
NOT_UNIQUE = Plural("{count} id is more than once in {tables}.", "{count} ids are more than once in {tables}.")
NO_INDEX = Message("Nothing keeps the ids of {tables} unique: the unique index on external_id is gone.")
FIX_IDS = Message(
    "Remove the rows that are too many, make the index again (sql/migrations/003_production.sql says on which "
    "columns), then `gazelle-sync replay`."
)
NOTHING_DANGLES = Message("{checked} kinds of reference: each names a record that is there.")
DANGLES = Plural(
    "{count} row names a record that is not there: {columns}.",
    "{count} rows name a record that is not there: {columns}.",
)
FIX_REFERENCES = Message(
    "`gazelle-sync replay` brings the named records back, as stubs where Gazelle has them no more. Rows were removed "
    "by hand, or foreign keys switched off."
)
KNOWN_VALUES = Message("{checked} columns with a fixed list of values: no value that was not known.")
UNKNOWN_VALUES = Message("Gazelle sent values that were never seen before: {what}. They are stored as they came.")
DECIDE = Message("Decide what the shop's programs make of them, then add them to gazelle_sync/quality/enums.py.")
KEPT = Plural(
    "{checked} records have tags at Gazelle: {count} has none here, no more than people remove.",
    "{checked} records have tags at Gazelle: {count} have none here, no more than people remove.",
)
EMPTIED = Message(
    "{column} was emptied on {count} of {checked} rows that had something: more than {limit}, more than people remove."
)
RESTORE = Message(
    "Stop what empties it. Restore the column from a backup; without one, set tags = gazelle_tags for these rows "
    "(what was added here is then lost) and run `gazelle-sync replay`."
)
NO_TAGS = Message("No record has tags at Gazelle, so none can have lost them.")
NO_DUPLICATES = Message("{checked} notes: none that was imported is there twice.")
DUPLICATES = Plural(
    "{count} imported note (tle_) is shown twice: the API's own (tme_) has the same content.",
    "{count} imported notes (tle_) are shown twice: the API's own (tme_) have the same content.",
)
ORIGINAL_MISSING = Plural(
    "{count} is marked as the duplicate of a note that is not there.",
    "{count} are marked as duplicates of notes that are not there.",
)
MARK_DUPLICATES = Message("`gazelle-sync replay --only timeline` marks the duplicates again.")


def evaluate_ids(context: CheckContext, check: str) -> Finding:
    """What the migrations created is there, and every external id is in its table once."""
    with context.snapshot() as (connection, _):
        missing = missing_objects(connection)
    if missing:
        what = ", ".join(describe_object(name, translator(context.language)) for name in missing)
        summary, advice = context.say(DROPPED, what=what), context.say(MAKE_AGAIN)
        return Finding(check, passed=False, summary=summary, advice=advice, numbers={"checked": 0})
    if (nothing := finding_if_empty(context, check, ALL)) is not None:
        return nothing
    unguarded = [name for (name,) in context.rows("quality/unique", {"tables": [table.name for table in TABLES]})]
    looked_at = [table.name for table in TABLES if context.thorough or table.name in unguarded]
    found = dict(
        zip(looked_at, context.rows_of_each("quality/duplicates", [{"table": n} for n in looked_at]), strict=True)
    )
    doubled = {name: rows for name, rows in found.items() if rows}
    checked = sum(rows[0][0] for rows in context.rows_of_each("quality/row_count", EACH_TABLE))
    count = sum(map(len, doubled.values()))
    numbers = {"checked": checked, "doubled": count, "tables without index": len(unguarded)}
    parts = [context.say(NOT_UNIQUE, count=count, tables=", ".join(doubled))] if doubled else []
    parts += [context.say(NO_INDEX, tables=", ".join(unguarded))] if unguarded else []
    if not parts:
        return Finding(check, True, context.say(UNIQUE, checked=checked, tables=len(TABLES)), numbers=numbers)
    return Finding(
        check,
        passed=False,
        summary=" ".join(parts),
        advice=context.say(FIX_IDS),
        examples=first_few(f"{name} {i}: {times} ×" for name, rows in doubled.items() for i, times in rows),  # noqa: RUF001
        numbers=numbers,
    )


def evaluate_references(context: CheckContext, check: str) -> Finding:
    """Every record that a row names has a row of its own."""
    if (nothing := finding_if_empty(context, check, ALL)) is not None:
        return nothing
    references = [(table.name, column, parent) for table in TABLES for column, parent in table.references.items()]
    each = [{"table": table, "column": column, "parent": parent} for table, column, parent in references]
    dangling = {
        f"{names['table']}.{names['column']}": rows
        for names, rows in zip(each, context.rows_of_each("quality/dangling", each), strict=True)
        if rows
    }
    count = sum(map(len, dangling.values()))
    numbers = {"checked": len(references), "dangling": count}
    if not dangling:
        return Finding(check, True, context.say(NOTHING_DANGLES, checked=len(references)), numbers=numbers)
    columns = ", ".join(f"{column} {len(rows)}" for column, rows in dangling.items())
    return Finding(
        check,
        passed=False,
        summary=context.say(DANGLES, count=count, columns=columns),
        advice=context.say(FIX_REFERENCES),
        examples=first_few(
            f"{column}: {naming} → {named}" for column, rows in dangling.items() for naming, named in rows
        ),
        numbers=numbers,
    )


def evaluate_values(context: CheckContext, check: str) -> Finding:
    """No unknown enum value; a warning only, since such a value is stored as it came."""
    if (nothing := finding_if_empty(context, check, ALL)) is not None:
        return nothing
    unknown: list[str] = []
    examples: list[str] = []
    rows_concerned = 0
    each = [{"table": table, "column": column} for table, column in COLUMNS]
    for ((table, column), enum), rows in zip(
        COLUMNS.items(), context.rows_of_each("quality/values", each), strict=True
    ):
        for value, count, example in rows:
            if value not in ENUMS[enum]:
                unknown.append(f"{table}.{column} {value} ({count})")
                examples.append(f"{table} {example}: {column} {value}")
                rows_concerned += count
    numbers = {"checked": len(COLUMNS), "unknown values": len(unknown), "rows": rows_concerned}
    if not unknown:
        return Finding(check, True, context.say(KNOWN_VALUES, checked=len(COLUMNS)), numbers=numbers)
    summary = context.say(UNKNOWN_VALUES, what=", ".join(unknown))
    return warning(check, summary, advice=context.say(DECIDE), examples=first_few(examples), numbers=numbers)


def evaluate_ownership(context: CheckContext, check: str) -> Finding:
    """No merged column was emptied in bulk: what people entered here is never overwritten by emptiness."""
    if (nothing := finding_if_empty(context, check, [entity.name for entity in MERGING])) is not None:
        return nothing
    parts: list[str] = []
    examples: list[str] = []
    checked = emptied = 0
    for entity in MERGING:
        for merged, base in entity.table.merged.items():
            name, parameters, names = _emptied_lookup(context, entity, merged, base)
            ((count, total, ids),) = context.rows(name, parameters, **names)
            checked, emptied = checked + total, emptied + count
            limit = max(LEAST_EMPTIED, int(total * SHARE))
            if count > limit:
                column = f"{entity.table.name}.{merged}"
                parts.append(context.say(EMPTIED, column=column, count=count, checked=total, limit=limit))
                examples += [f"{entity.table.name} {external_id}" for external_id in ids or ()]
    numbers = {"checked": checked, "empty here": emptied}
    if parts:
        advice = context.say(RESTORE)
        return Finding(
            check, passed=False, summary=" ".join(parts), advice=advice, examples=first_few(examples), numbers=numbers
        )
    summary = context.say(KEPT if checked else NO_TAGS, checked=checked, count=emptied)
    return Finding(check, True, summary, numbers=numbers)


def evaluate_duplicates(context: CheckContext, check: str) -> Finding:
    """A note that exists under `tle_` and under `tme_` is shown once: the imported one names the other."""
    if (nothing := finding_if_empty(context, check, ["timeline"])) is not None:
        return nothing
    rows = context.rows("quality/timeline_duplicates")
    ((checked,),) = context.rows("quality/row_count", table="gazelle_timeline_entries")
    astray = sum(not is_twin for *_, is_twin in rows)
    numbers = {"checked": checked, "twins": len(rows) - astray, "astray": astray}
    if not rows:
        return Finding(check, True, context.say(NO_DUPLICATES, checked=checked), numbers=numbers)
    return Finding(
        check,
        passed=False,
        summary=" ".join(
            [context.say(DUPLICATES, count=len(rows) - astray), context.say(ORIGINAL_MISSING, count=astray)]
        ),
        advice=context.say(MARK_DUPLICATES),
        examples=first_few(f"{imported} = {own}" for imported, own, _ in rows),
        numbers=numbers,
    )


def _ownership_lookups(context: CheckContext) -> list[Lookup]:
    emptied = [
        _emptied_lookup(context, entity, *merged) for entity in MERGING for merged in entity.table.merged.items()
    ]
    return [*emptiness_lookups(*(entity.name for entity in MERGING)), *emptied]


def _emptied_lookup(context: CheckContext, entity: Entity, merged: str, base: str) -> Lookup:
    return lookup(
        "quality/emptied",
        {"field": merged, "staged": context.thorough},
        table=entity.table.name,
        staging=entity.staging_table,
        merged=merged,
        base=base,
    )


CHECKS = (
    Check(
        "integrity_production",
        Message("Production equals the newest body of every record: all rows at night, a sample at each tick."),
        evaluate_production,
        in_tick=True,
    ),
    Check(
        "integrity_ownership",
        Message("What people entered here (tags) was not emptied in bulk."),
        evaluate_ownership,
        in_tick=True,
        lookups=_ownership_lookups,
    ),
    Check(
        "integrity_ids",
        Message("Every table and view is there, and every record is in its table once."),
        evaluate_ids,
        lookups=lambda _: [
            *emptiness_lookups(*ALL),
            lookup("quality/unique", {"tables": [table.name for table in TABLES]}),
            *(lookup(name, **names) for name in ("quality/duplicates", "quality/row_count") for names in EACH_TABLE),
        ],
    ),
    Check(
        "integrity_references",
        Message("Every record that a row names is there."),
        evaluate_references,
    ),
    Check(
        "integrity_counts",
        Message("There are as many records here as Gazelle says it has."),
        evaluate_counts,
    ),
    Check(
        "integrity_values",
        Message("Gazelle sends no value (type, status) that was never seen before."),
        evaluate_values,
    ),
    Check(
        "integrity_twins",
        Message("No note is shown twice, as tle_ and as tme_."),
        evaluate_duplicates,
        lookups=lambda _: [
            lookup("quality/timeline_duplicates"),
            lookup("quality/row_count", table="gazelle_timeline_entries"),
        ],
    ),
)
