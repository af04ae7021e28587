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
from gazelle_sync.i18n.translator import Message, Plural, translator
from gazelle_sync.montreal import MONTREAL, clock_changes, montreal_offset, parse_instant, wall_clock
from gazelle_sync.quality.context import (
    Check,
    CheckContext,
    emptiness_lookups,
    finding_if_empty,
    lookup,
    warning,
)
from gazelle_sync.quality.finding import Finding, first_few
from gazelle_sync.quality.shift import STANDARD, Pair, Pattern, diagnose, rows_off, signed_hours
from gazelle_sync.quality.titles import announced, reference_hour
from gazelle_sync.warehouse.calendar_ends import is_calendar_end

APPOINTMENTS = ["appointments"]
OURS = [name for entity in ENTITIES for name in (entity.staging_table, *(table.name for table in entity.tables))]
LEAST_SYSTEMATIC = 3
YEARS_AROUND = 30
"""An appointment of the year 1900 or 2199 is a mistyped one; the years between need not be computed for it."""
AROUND_A_CHANGE = [timedelta(minutes=n) for n in (-61, -60, -31, -1, 0, 1, 29, 59, 60, 61)]

ALL_ROWS = Message("all {total} rows")
SOME_ROWS = Message("{count} of {total} rows")
SINCE_ROWS = Message("rows after {day} only ({count} of {total})")
SHIFTED = Message("{rows} shifted by {shift}: {cause}")
UNEVEN = Message("{rows}: {cause}")
MIXTURE = Message("a mixture: {parts}")
RIGHT = Message("{total} appointments: the instant of Gazelle, start_at and the UTC date and time agree on every row.")
OFF = Message("{column} is not what Gazelle sent: {what}.")
UNSTAGED = Plural(
    "{count} appointment has no body in staging to compare with.",
    "{count} appointments have no body in staging to compare with.",
)
FIX = Message(
    "Look for a trigger, a script or a program that writes gazelle_appointments and stop it; then `gazelle-sync "
    "replay --only appointments` corrects every row."
)
VIEW_RIGHT = Message(
    "{total} appointments: v_appointments_montreal shows the time of Montreal's clock on every row; PostgreSQL and "
    "Python agree on {edges} instants around clock changes."
)
VIEW_OFF = Message("v_appointments_montreal does not show the time of Montreal's clock: {what}.")
VIEW_ROWS = Plural(
    "{count} appointment is missing from it, or shown twice",
    "{count} appointments are missing from it, or shown twice",
)
ALL_DAY = Message("{count} show a time though they last all day, or none though they do not")
ZONE_DATA = Message("PostgreSQL's time zone database and Python's differ on {count} instants around clock changes")
FIX_VIEW = Message(
    "Make the view again from sql/migrations/005_views.sql; if the zone databases differ, update the server's tzdata."
)
REFERENCE_RIGHT = Message(
    "{total} reference appointments (Tire le Coyote) show 07:00 and 18:00 in Montreal, {winter} of them in winter and "
    "{summer} in summer."
)
REFERENCE_OFF = Message(
    "{count} of {total} reference appointments (Tire le Coyote) do not show the hour that they announce: {what}."
)
REFERENCE_NONE = Message(
    "The calendar holds no reference appointment, so it is not known whether Gazelle itself sends the right hours."
)
MAKE_REFERENCE = Message(
    'Make two appointments in Gazelle, "Tire le Coyote avant 8h" at 07:00 and "Tire le Coyote à 18h" at 18:00, one '
    "pair in winter and one in summer."
)
LOOK_IN_GAZELLE = Message(
    "Look at them in Gazelle. If it shows the announced hour there, the sync or the view is at fault: see the other "
    "timezone checks."
)
TITLES_RIGHT = Message("{total} titles looked at, {announcing} announce an hour: all agree with the time shown.")
TITLES_OFF = Message("{count} of {announcing} titles that announce an hour do not agree with the time shown.")
TITLES_SYSTEMATIC = Message(
    "{count} of {announcing} titles that announce an hour are off by the same {shift}: that is no mistyping."
)
ASK_WHO_TYPED = Message("People mistype: correct the title or the hour in Gazelle.")
ANNOUNCED_SHOWN = Message("{id}: announces {said}, shows {shown}")
SCHEMA_RIGHT = Message("Nothing moves hours: no trigger on gazelle_appointments, no local time in any table.")
SCHEMA_NONE = Message("Tables that are not there: {what}.")
MIGRATE = Message("`gazelle-sync migrate` makes them again and says what to do then.")
SCHEMA_OFF = Message("Something may move hours: {what}.")
DROP = Message(
    "Drop it (sql/migrations/004_remove_timezone_trigger.sql has the statements for the old trigger): tables "
    "hold UTC, only views show local time."
)


def evaluate_instants(context: CheckContext, check: str) -> Finding:
    """`start_at` = `raw_data.start` = (`appointment_date`, `appointment_time` as UTC), on every row."""
    if (nothing := finding_if_empty(context, check, APPOINTMENTS)) is not None:
        return nothing
    ((total,),) = context.rows("quality/appointment_count")
    suspects = context.rows("quality/appointments")
    unstaged = [i for i, *_, said, status in suspects if status in (None, "processed") and parse_instant(said) is None]
    columns = _columns(suspects)
    compared = total - len(suspects) + len(columns["start_at"])
    diagnoses = {column: diagnose(pairs, compared) for column, pairs in columns.items()}
    if not unstaged and not any(diagnoses.values()):
        return Finding(check, True, context.say(RIGHT, total=total), numbers={"checked": total, "off": 0})
    parts = [
        context.say(OFF, column=column, what=_describe(context, patterns, compared))
        for column, patterns in _equal_together(diagnoses).items()
    ]
    if unstaged:
        parts.append(context.say(UNSTAGED, count=len(unstaged)))
    say = translator(context.language)
    lines = [pair.shown(say) for patterns in diagnoses.values() for pattern in patterns for pair in pattern.pairs[:3]]
    off = max(map(rows_off, diagnoses.values()))
    numbers = {"checked": total, "off": off, "without body": len(unstaged)}
    examples = first_few([*dict.fromkeys(lines), *unstaged])
    return Finding(check, False, " ".join(parts), "error", context.say(FIX), examples, numbers)


def evaluate_view(context: CheckContext, check: str) -> Finding:
    """`v_appointments_montreal` = the same instant computed in Python with `zoneinfo`, on every living row.

    PostgreSQL gets the offsets of `zoneinfo` and returns the rows that do not agree with them, for Python to look at.
    Those beyond the calendar are left to `timezone_instants`.
    """
    if (nothing := finding_if_empty(context, check, APPOINTMENTS)) is not None:
        return nothing
    ((total, timed, shown_rows, first, last),) = context.rows("quality/calendar_count")
    changes = _changes(first, last)
    offsets = [round(montreal_offset(change).total_seconds()) for change in changes]
    instants = [change + span for change in changes for span in AROUND_A_CHANGE]
    wanted = (
        lookup("quality/calendar", {"since": changes, "offsets": offsets}),
        lookup("quality/wall_clock", {"instants": instants}),
    )
    context.look_up(*wanted)
    suspects, edges = (context.rows(name, parameters) for name, parameters, _ in wanted)
    suspects = [row for row in suspects if not is_calendar_end(row[1])]
    shown = [row for row in suspects if row[3]]
    columns: dict[str, list[Pair]] = {"start": [], "day": [], "time": []}
    for external_id, at, lasts_all_day, _, start, day, at_time in shown:
        local = wall_clock(at)
        columns["start"].append(Pair(external_id, at, local, start))
        columns["day"].append(Pair(external_id, at, local, day and datetime.combine(day, local.time())))
        if not lasts_all_day:
            columns["time"].append(Pair(external_id, at, local, None if at_time is None else _nearest(local, at_time)))
    rows = {column: timed if column == "time" else total for column in columns}
    column, worst = max(
        ((column, diagnose(pairs, rows[column])) for column, pairs in columns.items()),
        key=lambda named: rows_off(named[1]),
    )
    astray = max(len(suspects) - len({row[0] for row in shown}), abs(shown_rows - total))
    all_day = sum(lasts_all_day != (at_time is None) for _, _, lasts_all_day, *_, at_time in shown)
    foreign = [
        pair for at, local in edges if (pair := Pair("tzdata", at.astimezone(UTC), wall_clock(at), local)).is_off
    ]
    numbers = {"checked": total, "off": max(rows_off(worst), astray, all_day), "clock changes": len(edges)}
    parts = [_describe(context, worst, rows[column])] if worst else []
    for text, count in ((VIEW_ROWS, astray), (ALL_DAY, all_day), (ZONE_DATA, len(foreign))):
        parts += [context.say(text, count=count)] if count else []
    if not parts:
        summary = context.say(VIEW_RIGHT, total=total, edges=len(edges))
        return Finding(check, True, summary, numbers=numbers)
    summary = context.say(VIEW_OFF, what="; ".join(parts))
    told = [*(pair for pattern in worst for pair in pattern.pairs[:5]), *foreign]
    examples = first_few(pair.shown(translator(context.language)) for pair in told)
    return Finding(check, False, summary, "error", context.say(FIX_VIEW), examples, numbers)


def evaluate_reference(context: CheckContext, check: str) -> Finding:
    """The reference appointments show the hour that they announce, in winter and in summer.

    One outside the calendar (the year 1, 9999) is left out: Montreal's clock had another offset then, or its instant
    cannot be computed, and `timezone_instants` reports the row.
    """
    if (nothing := finding_if_empty(context, check, APPOINTMENTS)) is not None:
        return nothing
    pairs = []
    for external_id, title, starts, shown in context.rows("quality/titles"):
        if (hour := reference_hour(title)) is not None and not is_calendar_end(starts):
            local = datetime.combine(starts, hour)
            instant = local.replace(tzinfo=MONTREAL).astimezone(UTC)
            pairs.append(Pair(external_id, instant, local, datetime.combine(starts, shown)))
    if not pairs:
        advice = context.say(MAKE_REFERENCE)
        return warning(check, context.say(REFERENCE_NONE), advice=advice, numbers={"checked": 0})
    patterns = diagnose(pairs, len(pairs))
    off = rows_off(patterns)
    winter = sum(montreal_offset(pair.instant) == STANDARD for pair in pairs)
    seasons = {"winter": winter, "summer": len(pairs) - winter}
    numbers = {"checked": len(pairs), "off": off, **seasons}
    if not off:
        return Finding(check, True, context.say(REFERENCE_RIGHT, total=len(pairs), **seasons), numbers=numbers)
    what = _describe(context, patterns, len(pairs))
    summary = context.say(REFERENCE_OFF, count=off, total=len(pairs), what=what)
    examples = first_few(pair.shown(translator(context.language)) for pair in pairs if pair.is_off)
    return Finding(check, False, summary, "error", context.say(LOOK_IN_GAZELLE), examples, numbers)


def evaluate_titles(context: CheckContext, check: str) -> Finding:
    """An hour that a title announces agrees with the time shown; people mistype, so a few are a warning."""
    if (nothing := finding_if_empty(context, check, APPOINTMENTS)) is not None:
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
            line = context.say(
                ANNOUNCED_SHOWN, id=external_id, said=said, shown=translator(context.language).time(shown)
            )
            off.append((line, said.off_by(shown)))
    numbers = {"checked": total, "announcing": announcing, "off": len(off)}
    if not off:
        summary = context.say(TITLES_RIGHT, total=total, announcing=announcing)
        return Finding(check, True, summary, numbers=numbers)
    examples = first_few(shown for shown, _ in off)
    ((shift, alike),) = Counter(shift for _, shift in off).most_common(1)
    if alike >= LEAST_SYSTEMATIC and alike * 2 > announcing:
        summary = context.say(TITLES_SYSTEMATIC, count=alike, announcing=announcing, shift=signed_hours(shift))
        advice = context.say(LOOK_IN_GAZELLE)
        return Finding(check, passed=False, summary=summary, advice=advice, examples=examples, numbers=numbers)
    summary = context.say(TITLES_OFF, count=len(off), announcing=announcing)
    return warning(check, summary, advice=context.say(ASK_WHO_TYPED), examples=examples, numbers=numbers)


def evaluate_schema(context: CheckContext, check: str) -> Finding:
    """No trigger on the appointments, neither the old one nor its function; no local time in any table.

    A column of another program's table is a warning: it is not what the shop's staff read.
    """
    if missing := [name for (name,) in context.rows("quality/missing_tables", {"tables": OURS})]:
        summary = context.say(SCHEMA_NONE, what=", ".join(missing))
        return Finding(check, False, summary, advice=context.say(MIGRATE), numbers={"checked": 0})
    movers = [f"{kind} {name} ({place})" for kind, name, place in context.rows("quality/triggers")]
    columns = context.rows("quality/local_columns", {"ours": OURS})
    wrong = movers + [f"{table}.{column} ({kind})" for table, column, kind, is_ours in columns if is_ours]
    foreign = [f"{table}.{column} ({kind})" for table, column, kind, is_ours in columns if not is_ours]
    numbers = {"checked": len(OURS), "triggers": len(movers), "columns": len(columns)}
    if not wrong and not foreign:
        return Finding(check, True, context.say(SCHEMA_RIGHT), numbers=numbers)
    return Finding(
        check,
        passed=False,
        severity="error" if wrong else "warning",
        summary=context.say(SCHEMA_OFF, what=", ".join(first_few(wrong or foreign))),
        advice=context.say(DROP),
        examples=first_few(wrong + foreign),
        numbers=numbers,
    )


CHECKS = (
    Check(
        "timezone_instants",
        Message("The start of every appointment is, in all its columns, the instant that Gazelle sent."),
        evaluate_instants,
        blocking=True,
        in_tick=True,
        lookups=lambda _: [
            *emptiness_lookups(*APPOINTMENTS),
            lookup("quality/appointment_count"),
            lookup("quality/appointments"),
        ],
    ),
    Check(
        "timezone_view",
        Message("The calendar shows every appointment at the hour of Montreal's clock, also around clock changes."),
        evaluate_view,
        blocking=True,
        in_tick=True,
        lookups=lambda _: [*emptiness_lookups(*APPOINTMENTS), lookup("quality/calendar_count")],
    ),
    Check(
        "timezone_reference",
        Message(
            '"Tire le Coyote avant 8h" shows 07:00 and "Tire le Coyote à 18h" shows 18:00, in winter and in summer.'
        ),
        evaluate_reference,
        blocking=True,
        in_tick=True,
        lookups=lambda _: [*emptiness_lookups(*APPOINTMENTS), lookup("quality/titles")],
    ),
    Check(
        "timezone_titles",
        Message('An hour that a title announces ("à 18h", "9h15") agrees with the time shown.'),
        evaluate_titles,
        lookups=lambda _: [
            *emptiness_lookups(*APPOINTMENTS),
            lookup("quality/titles"),
            lookup("quality/appointment_count"),
        ],
    ),
    Check(
        "timezone_schema",
        Message("No trigger moves the hours of appointments, and no table holds local time."),
        evaluate_schema,
        blocking=True,
        in_tick=True,
        lookups=lambda _: [
            lookup("quality/missing_tables", {"tables": OURS}),
            lookup("quality/triggers"),
            lookup("quality/local_columns", {"ours": OURS}),
        ],
    ),
)


def _columns(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Pair]]:
    """Column → pairs of expected and found values; rows whose newest version is not applied are left out."""
    pairs: dict[str, list[Pair]] = {"start_at": [], "appointment_date, appointment_time": []}
    for external_id, start_at, stored, said, status in rows:
        instant = parse_instant(said)
        if status == "processed" and instant is not None:
            found = (start_at and start_at.astimezone(UTC), stored and stored.replace(tzinfo=UTC))
            for column, value in zip(pairs, found, strict=True):
                pairs[column].append(Pair(external_id, instant, instant, value))
    return pairs


def _equal_together(diagnoses: dict[str, list[Pattern]]) -> dict[str, list[Pattern]]:
    """The wrong columns; two that are wrong in the same way as one."""
    off = {column: patterns for column, patterns in diagnoses.items() if patterns}
    shapes = {tuple((p.cause, p.shift, len(p.pairs)) for p in patterns) for patterns in off.values()}
    return {", ".join(off): next(iter(off.values()))} if len(shapes) == 1 else off


def _describe(context: CheckContext, patterns: Sequence[Pattern], total: int) -> str:
    """What is wrong, as a sentence: "all 267 rows shifted by +5 h: UTC read as local time"."""
    parts = [_describe_one(context, pattern, total) for pattern in patterns]
    return parts[0] if len(parts) == 1 else context.say(MIXTURE, parts="; ".join(parts))


def _describe_one(context: CheckContext, pattern: Pattern, total: int) -> str:
    count = len(pattern.pairs)
    text = SINCE_ROWS if pattern.since else ALL_ROWS if count == total else SOME_ROWS
    day = translator(context.language).day(pattern.since, "d MMMM y") if pattern.since else ""
    rows = context.say(text, count=count, total=total, day=day)
    cause = context.say(pattern.cause.value)
    if pattern.shift is not None and pattern.since is None:
        return context.say(SHIFTED, rows=rows, shift=signed_hours(pattern.shift), cause=cause)
    if pattern.shift:
        cause += f" ({signed_hours(pattern.shift)})"
    return context.say(UNEVEN, rows=rows, cause=cause)


def _changes(first: datetime, last: datetime) -> list[datetime]:
    """The clock changes of the years that the calendar spans, and of those around them."""
    now = datetime.now(UTC).year
    years = range(max(first.year, now - YEARS_AROUND) - 1, min(max(last.year, now), now + YEARS_AROUND) + 2)
    return [change for year in years for change in clock_changes(year)]


def _nearest(expected: datetime, shown: time) -> datetime:
    """A time of day as the date and time nearest to the expected one: it has no date that could be wrong."""
    found = datetime.combine(expected.date(), shown)
    return min((found + n * timedelta(days=1) for n in (-1, 0, 1)), key=lambda instant: abs(instant - expected))
