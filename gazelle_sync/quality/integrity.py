"""Whether production holds together: ids, references, values, what people entered here, twins of notes."""

from __future__ import annotations

from typing import Any

from gazelle_sync.entities import ENTITIES
from gazelle_sync.pull.guard import LEAST_EMPTIED, SHARE
from gazelle_sync.quality.context import Check, CheckContext, empty, warning
from gazelle_sync.quality.counts import evaluate_counts
from gazelle_sync.quality.finding import Finding, Text, some
from gazelle_sync.quality.production import evaluate_production
from gazelle_sync.quality.published import COLUMNS, ENUMS
from gazelle_sync.warehouse.schema_repair import lacking

TABLES = [table for entity in ENTITIES for table in entity.tables]
ALL = [entity.name for entity in ENTITIES]

UNIQUE = Text(
    "{checked} rows of {tables} tables: every id stands there once.",
    "{checked} lignes dans {tables} tables : chaque identifiant y figure une seule fois.",
)
DROPPED = Text("Tables or views that are not there: {what}.", "Tables ou vues qui n'existent pas : {what}.")
MAKE_AGAIN = Text(
    "`gazelle-sync migrate` makes them again and says what to do then.",
    "`gazelle-sync migrate` les recrée et dit quoi faire ensuite.",
)
NOT_UNIQUE = Text(
    "{count:# id stands|# ids stand} more than once in {tables}.",
    "{count:# identifiant figure|# identifiants figurent} plusieurs fois dans {tables}.",
)
NO_INDEX = Text(
    "Nothing keeps the ids of {tables} unique: the unique index on external_id is gone.",
    "Rien ne garantit l'unicité des identifiants de {tables} : l'index unique sur external_id a disparu.",
)
MEND_UNIQUE = Text(
    "Remove the rows that are too many, make the index again (sql/migrations/003_production.sql says on which "
    "columns), then `gazelle-sync replay`.",
    "Supprimez les lignes en trop, recréez l'index (sql/migrations/003_production.sql dit sur quelles colonnes), puis "
    "`gazelle-sync replay`.",
)
NOTHING_DANGLES = Text(
    "{checked} kinds of reference: each names a record that is there.",
    "{checked} sortes de références : chacune désigne une fiche présente.",
)
DANGLES = Text(
    "{count:# row names|# rows name} a record that is not there: {columns}.",
    "{count:# ligne désigne|# lignes désignent} une fiche absente : {columns}.",
)
MEND_REFERENCES = Text(
    "`gazelle-sync replay` brings the named records back, as stubs where Gazelle has them no more. Rows were removed "
    "by hand, or foreign keys switched off.",
    "`gazelle-sync replay` fait revenir les fiches désignées, réduites à leur identifiant si Gazelle ne les a plus. "
    "Des lignes ont été effacées à la main, ou des clés étrangères désactivées.",
)
KNOWN_VALUES = Text(
    "{checked} columns with a fixed list of values: no value that was not known.",
    "{checked} colonnes à liste de valeurs fixe : aucune valeur inconnue.",
)
UNKNOWN_VALUES = Text(
    "Gazelle sent values that were never seen before: {what}. They are stored as they came.",
    "Gazelle a envoyé des valeurs jamais vues : {what}. Elles sont enregistrées telles quelles.",
)
DECIDE = Text(
    "Decide what the shop's programs make of them, then add them to gazelle_sync/quality/published.py.",
    "Décidez ce que les programmes de l'atelier en font, puis ajoutez-les à gazelle_sync/quality/published.py.",
)
KEPT = Text(
    "{checked} records of which Gazelle says tags: {count:# has|# have} none here, no more than people remove.",
    "{checked} fiches auxquelles Gazelle donne des tags : {count:# n'en a|# n'en ont} pas ici, pas plus que ce que des "
    "personnes retirent.",
)
EMPTIED = Text(
    "{column} was emptied on {count} of {checked} rows that had something: more than {limit}, more than people remove.",
    "{column} a été vidée sur {count} des {checked} lignes qui contenaient quelque chose : plus de {limit}, plus que "
    "ce que des personnes retirent.",
)
RESTORE = Text(
    "Stop what empties it. Restore the column from a backup; without one, set tags = gazelle_tags for these rows (what "
    "was added here is then lost) and run `gazelle-sync replay`.",
    "Arrêtez ce qui la vide. Restaurez la colonne depuis une sauvegarde ; à défaut, mettez tags = gazelle_tags sur ces "
    "lignes (ce qui a été ajouté ici est alors perdu) et lancez `gazelle-sync replay`.",
)
NO_TAGS = Text(
    "No record has tags at Gazelle, so none can have lost them.",
    "Aucune fiche n'a de tags chez Gazelle : aucune n'a pu en perdre.",
)
NO_TWINS = Text(
    "{checked} notes: none that was imported stands there twice.",
    "{checked} notes : aucune note importée n'y figure en double.",
)
TWINS = Text(
    "{count:# imported note (tle_) is|# imported notes (tle_) are} shown twice: the API's own (tme_) says the same. "
    "{astray:# names|# name} a twin that is not there.",
    "{count:# note importée (tle_) apparaît|# notes importées (tle_) apparaissent} deux fois : celle de l'API (tme_) "
    "dit la même chose. {astray:# désigne|# désignent} un double qui n'existe pas.",
)
FIND_TWINS = Text(
    "`gazelle-sync replay --only timeline` finds the twins again.",
    "`gazelle-sync replay --only timeline` retrouve les doubles.",
)


def evaluate_ids(context: CheckContext, check: str) -> Finding:
    """What the migrations made is there, and every external id stands in its table once."""
    with context.reading() as connection:
        missing = lacking(connection)
    if missing:
        summary, advice = context.say(DROPPED, what=", ".join(missing)), context.say(MAKE_AGAIN)
        return Finding(check, passed=False, summary=summary, advice=advice, numbers={"checked": 0})
    if (nothing := empty(context, check, ALL)) is not None:
        return nothing
    unguarded = [name for (name,) in context.rows("quality/unique", {"tables": [table.name for table in TABLES]})]
    looked_at = [table.name for table in TABLES if context.thorough or table.name in unguarded]
    found = {name: context.rows("quality/duplicates", table=name) for name in looked_at}
    doubled = {name: rows for name, rows in found.items() if rows}
    checked = sum(context.rows("quality/row_count", table=table.name)[0][0] for table in TABLES)
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
        advice=context.say(MEND_UNIQUE),
        examples=some(f"{name} {i}: {times} ×" for name, rows in doubled.items() for i, times in rows),  # noqa: RUF001
        numbers=numbers,
    )


def evaluate_references(context: CheckContext, check: str) -> Finding:
    """Every record that a row names has a row of its own."""
    if (nothing := empty(context, check, ALL)) is not None:
        return nothing
    references = [(table.name, column, parent) for table in TABLES for column, parent in table.references.items()]
    dangling: dict[str, list[tuple[Any, ...]]] = {}
    for table, column, parent in references:
        rows = context.rows("quality/dangling", table=table, column=column, parent=parent)
        if rows:
            dangling[f"{table}.{column}"] = rows
    count = sum(map(len, dangling.values()))
    numbers = {"checked": len(references), "dangling": count}
    if not dangling:
        return Finding(check, True, context.say(NOTHING_DANGLES, checked=len(references)), numbers=numbers)
    columns = ", ".join(f"{column} {len(rows)}" for column, rows in dangling.items())
    return Finding(
        check,
        passed=False,
        summary=context.say(DANGLES, count=count, columns=columns),
        advice=context.say(MEND_REFERENCES),
        examples=some(f"{column}: {naming} → {named}" for column, rows in dangling.items() for naming, named in rows),
        numbers=numbers,
    )


def evaluate_values(context: CheckContext, check: str) -> Finding:
    """No enum value that Gazelle had not published; one is stored all the same, so it is a warning."""
    if (nothing := empty(context, check, ALL)) is not None:
        return nothing
    unknown: list[str] = []
    examples: list[str] = []
    rows_concerned = 0
    for (table, column), enum in COLUMNS.items():
        for value, count, example in context.rows("quality/values", table=table, column=column):
            if value not in ENUMS[enum]:
                unknown.append(f"{table}.{column} {value} ({count})")
                examples.append(f"{table} {example}: {column} {value}")
                rows_concerned += count
    numbers = {"checked": len(COLUMNS), "unknown values": len(unknown), "rows": rows_concerned}
    if not unknown:
        return Finding(check, True, context.say(KNOWN_VALUES, checked=len(COLUMNS)), numbers=numbers)
    summary = context.say(UNKNOWN_VALUES, what=", ".join(unknown))
    return warning(check, summary, advice=context.say(DECIDE), examples=some(examples), numbers=numbers)


def evaluate_ownership(context: CheckContext, check: str) -> Finding:
    """No merged column was emptied in bulk: what people entered here is never overwritten by emptiness."""
    merging = [entity for entity in ENTITIES if entity.table.merged]
    if (nothing := empty(context, check, [entity.name for entity in merging])) is not None:
        return nothing
    parts: list[str] = []
    examples: list[str] = []
    checked = emptied = 0
    for entity in merging:
        for merged, base in entity.table.merged.items():
            ((count, total, ids),) = context.rows(
                "quality/emptied",
                {"field": merged, "staged": context.thorough},
                table=entity.table.name,
                staging=entity.staging_table,
                merged=merged,
                base=base,
            )
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
            check, passed=False, summary=" ".join(parts), advice=advice, examples=some(examples), numbers=numbers
        )
    summary = context.say(KEPT if checked else NO_TAGS, checked=checked, count=emptied)
    return Finding(check, True, summary, numbers=numbers)


def evaluate_twins(context: CheckContext, check: str) -> Finding:
    """A note that exists under `tle_` and under `tme_` is shown once: the imported one names the other."""
    if (nothing := empty(context, check, ["timeline"])) is not None:
        return nothing
    rows = context.rows("quality/twins")
    ((checked,),) = context.rows("quality/row_count", table="gazelle_timeline_entries")
    astray = sum(not is_twin for *_, is_twin in rows)
    numbers = {"checked": checked, "twins": len(rows) - astray, "astray": astray}
    if not rows:
        return Finding(check, True, context.say(NO_TWINS, checked=checked), numbers=numbers)
    return Finding(
        check,
        passed=False,
        summary=context.say(TWINS, count=len(rows) - astray, astray=astray),
        advice=context.say(FIND_TWINS),
        examples=some(f"{imported} = {own}" for imported, own, _ in rows),
        numbers=numbers,
    )


CHECKS = (
    Check(
        "integrity_production",
        Text(
            "Production is what the newest body of every record says: all rows at night, a sample at each tick.",
            "La production est ce que dit le dernier corps de chaque fiche : toutes les lignes la nuit, un échantillon "
            "à chaque passage.",
        ),
        evaluate_production,
        in_tick=True,
    ),
    Check(
        "integrity_ownership",
        Text(
            "What people entered here (tags) was not emptied in bulk.",
            "Ce que des personnes ont saisi ici (tags) n'a pas été vidé en masse.",
        ),
        evaluate_ownership,
        in_tick=True,
    ),
    Check(
        "integrity_ids",
        Text(
            "Every table and view is there, and every record stands in its table once.",
            "Toutes les tables et vues existent, et chaque fiche figure une seule fois dans sa table.",
        ),
        evaluate_ids,
    ),
    Check(
        "integrity_references",
        Text("Every record that a row names is there.", "Chaque fiche désignée par une ligne est présente."),
        evaluate_references,
    ),
    Check(
        "integrity_counts",
        Text(
            "There are as many records here as Gazelle says it has.",
            "Il y a ici autant de fiches que Gazelle dit en avoir.",
        ),
        evaluate_counts,
    ),
    Check(
        "integrity_values",
        Text(
            "Gazelle sends no value (type, status) that was never seen before.",
            "Gazelle n'envoie aucune valeur (type, statut) jamais vue.",
        ),
        evaluate_values,
    ),
    Check(
        "integrity_twins",
        Text("No note is shown twice, as tle_ and as tme_.", "Aucune note n'apparaît deux fois, en tle_ et en tme_."),
        evaluate_twins,
    ),
)
