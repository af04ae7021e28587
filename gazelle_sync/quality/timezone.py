"""The timezone invariant: an appointment's instant is the same at Gazelle, in the table and on Montreal's wall clock.

From the shop's own history ("Tire le Coyote"): store UTC as it comes, convert only to show, and watch it, since a whole
calendar was once moved by five hours and nobody noticed before the clients did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from gazelle_sync.entities import ENTITIES
from gazelle_sync.montreal import MONTREAL, parse_instant
from gazelle_sync.quality import timezone_texts as texts
from gazelle_sync.quality.context import Check, CheckContext, empty, warning
from gazelle_sync.quality.finding import Finding, Text, some
from gazelle_sync.quality.shift import (
    Diagnosis,
    Pair,
    Pattern,
    clock_changes,
    diagnose,
    montreal_offset,
    signed_hours,
)
from gazelle_sync.quality.titles import announced, reference_hour
from gazelle_sync.warehouse.calendar_ends import is_end

APPOINTMENTS = ["appointments"]
LEAST_SYSTEMATIC = 3
YEARS_AROUND = 30
"""An appointment of the year 1 or 9999 is somebody's mistyping, and no reason to reckon all years between."""
AROUND_A_CHANGE = [timedelta(minutes=n) for n in (-61, -60, -31, -1, 0, 1, 29, 59, 60, 61)]


def evaluate_instants(context: CheckContext, check: str) -> Finding:
    """`start_at` = `raw_data.start` = (`appointment_date`, `appointment_time` as UTC), on every row."""
    if (nothing := empty(context, check, APPOINTMENTS)) is not None:
        return nothing
    ((total,),) = context.rows("quality/appointment_count")
    suspects = _instants(context, only_suspects=True)
    by_column = _pairs(suspects)
    unstaged = [i for i, *_, said, status in suspects if status in (None, "processed") and parse_instant(said) is None]
    if not unstaged and not any(pair.is_off for pairs in by_column.values() for pair in pairs):
        return Finding(check, True, context.say(texts.RIGHT, total=total), numbers={"checked": total, "off": 0})
    everything = _pairs(_instants(context, only_suspects=False))
    diagnoses = {column: diagnose(pairs) for column, pairs in everything.items()}
    parts = [
        context.say(texts.OFF, column=column, what=describe(context, diagnosis))
        for column, diagnosis in _told_once(diagnoses).items()
    ]
    if unstaged:
        parts.append(context.say(texts.UNSTAGED, count=len(unstaged)))
    examples = [str(pair) for d in diagnoses.values() for pattern in d.patterns for pair in pattern.pairs[:3]]
    return Finding(
        check,
        passed=False,
        summary=" ".join(parts),
        advice=context.say(texts.MEND),
        examples=some([*dict.fromkeys(examples), *unstaged]),
        numbers={
            "checked": total,
            "off": max(diagnosis.off for diagnosis in diagnoses.values()),
            "without body": len(unstaged),
        },
    )


def evaluate_view(context: CheckContext, check: str) -> Finding:
    """`v_appointments_montreal` = the same instant computed in Python with `zoneinfo`, on every living row."""
    if (nothing := empty(context, check, APPOINTMENTS)) is not None:
        return nothing
    ((total, shown_rows, first, last),) = context.rows("quality/calendar_count")
    changes = _changes(first, last)
    suspects = _calendar(context, changes, everything=context.thorough)
    if not context.thorough and any(map(_is_wrong, suspects)):
        suspects = _calendar(context, changes, everything=True)
    rows = suspects if any(map(_is_wrong, suspects)) else []
    pairs = [Pair(i, at, _wall_clock(at), shown) for i, at, _, is_there, shown, _, _ in rows if is_there]
    dates = [
        Pair(i, at, _wall_clock(at), None if day is None else datetime.combine(day, _wall_clock(at).time()))
        for i, at, _, is_there, _, day, _ in rows
        if is_there
    ]
    times = [
        Pair(i, at, _wall_clock(at), None if at_time is None else _nearest(_wall_clock(at), at_time))
        for i, at, all_day, is_there, _, _, at_time in rows
        if is_there and not all_day
    ]
    astray = max(len(rows) - len({row[0] for row in rows if row[3]}), abs(shown_rows - total))
    all_day = sum(lasts != (at_time is None) for _, _, lasts, is_there, _, _, at_time in rows if is_there)
    edges = _edges(context, changes)
    foreign = [Pair("tzdata", at, _wall_clock(at), shown) for at, shown in edges if shown != _wall_clock(at)]
    worst = max((diagnose(found) for found in (pairs, dates, times)), key=lambda diagnosis: diagnosis.off)
    parts = [describe(context, worst)] if worst.off else []
    parts += [context.say(texts.VIEW_ROWS, count=astray)] if astray else []
    parts += [context.say(texts.ALL_DAY, count=all_day)] if all_day else []
    parts += [context.say(texts.ZONE_DATA, count=len(foreign))] if foreign else []
    numbers = {"checked": total, "off": max(worst.off, astray, all_day), "clock changes": len(edges)}
    if not parts:
        summary = context.say(texts.VIEW_RIGHT, total=total, edges=len(edges))
        return Finding(check, True, summary, numbers=numbers)
    shown = [str(pair) for pattern in worst.patterns for pair in pattern.pairs[:5]] + [str(pair) for pair in foreign]
    return Finding(
        check,
        passed=False,
        summary=context.say(texts.VIEW_OFF, what="; ".join(parts)),
        advice=context.say(texts.MEND_VIEW),
        examples=some(shown),
        numbers=numbers,
    )


def evaluate_reference(context: CheckContext, check: str) -> Finding:
    """The reference appointments show the hour that they announce, in winter and in summer."""
    if (nothing := empty(context, check, APPOINTMENTS)) is not None:
        return nothing
    pairs = []
    for external_id, title, day, shown in context.rows("quality/titles"):
        hour = reference_hour(title)
        if hour is not None:
            expected = datetime.combine(day, hour, tzinfo=MONTREAL)
            pairs.append(
                Pair(external_id, expected.astimezone(UTC), expected.replace(tzinfo=None), datetime.combine(day, shown))
            )
    if not pairs:
        advice = context.say(texts.MAKE_REFERENCE)
        return warning(check, context.say(texts.REFERENCE_NONE), advice=advice, numbers={"checked": 0})
    diagnosis = diagnose(pairs)
    summer = sum(montreal_offset(pair.instant) == timedelta(hours=-4) for pair in pairs)
    numbers = {"checked": len(pairs), "off": diagnosis.off, "winter": len(pairs) - summer, "summer": summer}
    if not diagnosis.off:
        summary = context.say(texts.REFERENCE_RIGHT, total=len(pairs), winter=len(pairs) - summer, summer=summer)
        return Finding(check, True, summary, numbers=numbers)
    return Finding(
        check,
        passed=False,
        summary=context.say(
            texts.REFERENCE_OFF, count=diagnosis.off, total=len(pairs), what=describe(context, diagnosis)
        ),
        advice=context.say(texts.LOOK_IN_GAZELLE),
        examples=some(str(pair) for pair in pairs if pair.is_off),
        numbers=numbers,
    )


def evaluate_titles(context: CheckContext, check: str) -> Finding:
    """An hour that a title announces agrees with the time shown; people mistype, so a few are a warning."""
    if (nothing := empty(context, check, APPOINTMENTS)) is not None:
        return nothing
    ((total,),) = context.rows("quality/appointment_count")
    announcing = 0
    off: list[tuple[str, timedelta]] = []
    for external_id, title, _, shown in context.rows("quality/titles"):
        said = announced(title)
        if said is None:
            continue
        announcing += 1
        if not said.agrees(shown):
            line = context.say(texts.ANNOUNCED_SHOWN, id=external_id, said=said, shown=f"{shown:%H:%M}")
            off.append((line, said.off_by(shown)))
    numbers = {"checked": total, "announcing": announcing, "off": len(off)}
    if not off:
        summary = context.say(texts.TITLES_RIGHT, total=total, announcing=announcing)
        return Finding(check, True, summary, numbers=numbers)
    examples = some(shown for shown, _ in off)
    ((shift, alike),) = Counter(shift for _, shift in off).most_common(1)
    if alike >= LEAST_SYSTEMATIC and alike * 2 > announcing:
        summary = context.say(texts.TITLES_SYSTEMATIC, count=alike, announcing=announcing, shift=signed_hours(shift))
        advice = context.say(texts.LOOK_IN_GAZELLE)
        return Finding(check, passed=False, summary=summary, advice=advice, examples=examples, numbers=numbers)
    summary = context.say(texts.TITLES_OFF, count=len(off), announcing=announcing)
    return warning(check, summary, advice=context.say(texts.ASK_WHO_TYPED), examples=examples, numbers=numbers)


def evaluate_schema(context: CheckContext, check: str) -> Finding:
    """No trigger on the appointments, neither the old one nor its function; no local time in any table.

    A column of another program's table is a warning: it is not what the shop's staff read.
    """
    ours = [name for entity in ENTITIES for name in (entity.staging_table, *(table.name for table in entity.tables))]
    if missing := [name for (name,) in context.rows("quality/missing_tables", {"tables": ours})]:
        summary, advice = (
            context.say(texts.SCHEMA_NONE, what=", ".join(missing)),
            context.say(texts.MIGRATE),
        )
        return Finding(check, passed=False, summary=summary, advice=advice, numbers={"checked": 0})
    columns = context.rows("quality/local_columns", {"ours": ours})
    movers = [f"{kind} {name} ({place})" for kind, name, place in context.rows("quality/triggers")]
    wrong = movers + [f"{table}.{column} ({kind})" for table, column, kind, is_ours in columns if is_ours]
    foreign = [f"{table}.{column} ({kind})" for table, column, kind, is_ours in columns if not is_ours]
    numbers = {"checked": len(ours), "triggers": len(movers), "columns": len(columns)}
    if not wrong and not foreign:
        return Finding(check, True, context.say(texts.SCHEMA_RIGHT), numbers=numbers)
    summary = context.say(texts.SCHEMA_OFF, what=", ".join(some(wrong or foreign)))
    examples = some(wrong + foreign)
    if not wrong:
        return warning(check, summary, advice=context.say(texts.DROP), examples=examples, numbers=numbers)
    advice = context.say(texts.DROP)
    return Finding(check, passed=False, summary=summary, advice=advice, examples=examples, numbers=numbers)


def describe(context: CheckContext, diagnosis: Diagnosis) -> str:
    """A diagnosis in a person's words: "all 267 rows shifted by +5 h: UTC read as local time"."""
    parts = [_describe(context, pattern, diagnosis.total) for pattern in diagnosis.patterns]
    return parts[0] if len(parts) == 1 else context.say(texts.MIXTURE, parts="; ".join(parts))


CHECKS = (
    Check(
        "timezone_instants",
        Text(
            "The start of every appointment is, in all its columns, the instant that Gazelle sent.",
            "Le début de chaque rendez-vous est, dans toutes ses colonnes, l'instant envoyé par Gazelle.",
        ),
        evaluate_instants,
        blocking=True,
        in_tick=True,
    ),
    Check(
        "timezone_view",
        Text(
            "The calendar shows every appointment at the hour of Montreal's clock, also around clock changes.",
            "Le calendrier montre chaque rendez-vous à l'heure de Montréal, même autour des changements d'heure.",
        ),
        evaluate_view,
        blocking=True,
        in_tick=True,
    ),
    Check(
        "timezone_reference",
        Text(
            '"Tire le Coyote avant 8h" shows 07:00 and "Tire le Coyote à 18h" shows 18:00, in winter and in summer.',
            "« Tire le Coyote avant 8h » affiche 07:00 et « Tire le Coyote à 18h » affiche 18:00, hiver comme été.",
        ),
        evaluate_reference,
        blocking=True,
        in_tick=True,
    ),
    Check(
        "timezone_titles",
        Text(
            'An hour that a title announces ("à 18h", "9h15") agrees with the time shown.',
            "L'heure annoncée par un titre (« à 18h », « 9h15 ») concorde avec l'heure affichée.",
        ),
        evaluate_titles,
    ),
    Check(
        "timezone_schema",
        Text(
            "No trigger moves the hours of appointments, and no table holds local time.",
            "Aucun déclencheur ne déplace les heures des rendez-vous, et aucune table ne contient d'heure locale.",
        ),
        evaluate_schema,
        blocking=True,
        in_tick=True,
    ),
)


def _instants(context: CheckContext, *, only_suspects: bool) -> list[tuple[Any, ...]]:
    return context.rows("quality/appointments", {"all": not only_suspects})


def _pairs(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Pair]]:
    """Column → what should stand there and what does; rows whose newest version is not applied say nothing."""
    pairs: dict[str, list[Pair]] = {"start_at": [], "appointment_date, appointment_time": []}
    for external_id, start_at, stored, said, status in rows:
        instant = parse_instant(said)
        if status != "processed" or instant is None:
            continue
        found = start_at.astimezone(UTC) if start_at is not None else None
        pairs["start_at"].append(Pair(external_id, instant, instant, found))
        stored = stored.replace(tzinfo=UTC) if stored is not None else None
        pairs["appointment_date, appointment_time"].append(Pair(external_id, instant, instant, stored))
    return pairs


def _told_once(diagnoses: dict[str, Diagnosis]) -> dict[str, Diagnosis]:
    """The columns that are off; two that are off alike together, as one."""
    off = {column: diagnosis for column, diagnosis in diagnoses.items() if diagnosis.off}
    shapes = {tuple((p.cause, p.shift, len(p.pairs)) for p in diagnosis.patterns) for diagnosis in off.values()}
    if len(off) > 1 and len(shapes) == 1:
        return {", ".join(off): next(iter(off.values()))}
    return off


def _describe(context: CheckContext, pattern: Pattern, total: int) -> str:
    count = len(pattern.pairs)
    if pattern.since is not None:
        day = texts.written_day(context.language, pattern.since)
        rows = context.say(texts.SINCE_ROWS, day=day, count=count, total=total)
    else:
        rows = context.say(texts.ALL_ROWS if count == total else texts.SOME_ROWS, count=count, total=total)
    cause = context.say(texts.CAUSES[pattern.cause])
    if pattern.shift is None:
        return context.say(texts.UNEVEN, rows=rows, cause=cause)
    if pattern.since is not None:
        return context.say(texts.UNEVEN, rows=rows, cause=f"{cause} ({signed_hours(pattern.shift)})")
    return context.say(texts.SHIFTED, rows=rows, shift=signed_hours(pattern.shift), cause=cause)


def _calendar(context: CheckContext, changes: Sequence[datetime], *, everything: bool) -> list[tuple[Any, ...]]:
    """Living appointments beside what the view shows: all of them, or those that PostgreSQL itself finds wrong.

    It is given the offsets that Python's `zoneinfo` knows; what lies beyond those clock changes comes along, but for
    instants that Python cannot hold: `timezone_instants` tells of those.
    """
    offsets = [round(montreal_offset(change).total_seconds()) for change in changes]
    rows = context.rows("quality/calendar", {"since": list(changes), "offsets": offsets, "all": everything})
    return [row for row in rows if not is_end(row[1])]


def _is_wrong(row: tuple[Any, ...]) -> bool:
    """Whether the view does not show an appointment as Montreal's clock does."""
    _, at, lasts_all_day, is_there, shown, day, at_time = row
    local = _wall_clock(at)
    return not is_there or (shown, day, at_time) != (local, local.date(), None if lasts_all_day else local.time())


def _changes(first: datetime, last: datetime) -> list[datetime]:
    """The clock changes of the years that the calendar spans, and of those around them."""
    now = datetime.now(UTC).year
    years = range(max(first.year, now - YEARS_AROUND) - 1, min(max(last.year, now), now + YEARS_AROUND) + 2)
    return [change for year in years for change in clock_changes(year)]


def _edges(context: CheckContext, changes: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """What PostgreSQL makes of the instants around clock changes."""
    around = [change + span for change in changes for span in AROUND_A_CHANGE]
    return [(at.astimezone(UTC), shown) for at, shown in context.rows("quality/wall_clock", {"instants": around})]


def _nearest(expected: datetime, shown: time) -> datetime:
    """A bare time as the instant nearest to the one that it should show: it names no day that could be wrong."""
    found = datetime.combine(expected.date(), shown)
    return min((found + n * timedelta(days=1) for n in (-1, 0, 1)), key=lambda instant: abs(instant - expected))


def _wall_clock(instant: datetime) -> datetime:
    """The date and time of Montreal's clock, without a zone."""
    try:
        return instant.astimezone(MONTREAL).replace(tzinfo=None, fold=0)
    except OverflowError:
        return (instant + montreal_offset(instant)).replace(tzinfo=None)
