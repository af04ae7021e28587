"""Whether data flows: what waits, what fails and why, how old each entity is, and whether volumes are usual."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import median

from gazelle_sync.entities import ENTITIES, LATE, LOST
from gazelle_sync.i18n.translator import Message, Plural, translator
from gazelle_sync.montreal import parse_instant
from gazelle_sync.quality.context import Check, CheckContext, lookup, warning
from gazelle_sync.quality.finding import Finding, Severity, first_few

ALL = [entity.name for entity in ENTITIES]
ERRORS_AN_HOUR = 10
"""More errors an hour than this are an incident: the shop asked for it (2025-12-29)."""
ERROR_RATE = 0.02
LEAST_DAYS = 5
MANY_TIMES = 4
LEAST_UNUSUAL = 50
LEAST_USUAL = 10
RUNS_WITHOUT_MOVE = 2
AHEAD = timedelta(hours=2)

NO_RUN = Message("No run has ended yet.")
RUN_IT = Message("Run `gazelle-sync sync`.")
NOTHING_WAITS = Message("Nothing waits to be applied.")
WAITS = Plural(
    "{count} record waits to be applied ({what}), the oldest for {minutes} min.",
    "{count} records wait to be applied ({what}), the oldest for {minutes} min.",
)
APPLY = Message(
    "The next run applies them, or `gazelle-sync replay` now. If they stay, `gazelle-sync status` says what fails."
)  # fmt: skip
NO_ERRORS = Message("No record is in error.")
ERRORS = Plural(
    "{count} record is in error ({rate} of those that Gazelle has), {fresh} of them within the last hour: {reasons}.",
    "{count} records are in error ({rate} of those that Gazelle has), {fresh} of them within the last hour: {reasons}.",
)
FIX_ERRORS = Message(
    "v_sync_errors says which and why. A newer version from Gazelle replaces them; once the reconciler is "
    "corrected, `gazelle-sync replay` applies them."
)
FRESH = Message("Every kind of record was read within the last {minutes} min.")
STALE = Message("Not read for too long: {what}.")
NEVER = Message("{name} never")
MINUTES = Message("{name} {minutes} min")
START_IT = Message(
    "Ticks come by GAZELLE_TICK_SCHEDULE: is `gazelle-sync up` running? `gazelle-sync status` says what fails, "
    "`gazelle-sync doctor` why."
)
MOVING = Message("Every watermark moved with its last successful run.")
STUCK = Message("Watermarks that do not move though runs succeed: {what}.")
UNREADABLE_MARK = Message("{name} is not readable")
FUTURE_MARK = Message("{name} is in the future ({value})")
STUCK_MARK = Message("{name} is still {value} after {runs} runs")
FIX_WATERMARK = Message(
    "Look whether Gazelle's clock (its Date header) has stopped: `gazelle-sync doctor`. `gazelle-sync sync "
    "--full` reads everything, whatever the watermark is."
)
USUAL = Plural(
    "{count} record came within the last hour; usual for it are {low} to {high}.",
    "{count} records came within the last hour; usual for it are {low} to {high}.",
)
LAST_HOUR = Plural("{count} record came within the last hour.", "{count} records came within the last hour.")
LEARNING = Plural(
    "What is usual for it is not known yet: {count} of {needed} days.",
    "What is usual for it is not known yet: {count} of {needed} days.",
)
NO_TICK = Message("No tick ended within the last hour.")
TOO_MANY = Message("{count} records came within the last hour, far more than the usual {low} to {high}.")
TOO_FEW = Message("Nothing came within the last hour, where {low} to {high} records are usual.")
ASK_GAZELLE = Message(
    "Look at Gazelle: an import or a bulk edit explains many records, a holiday none. If neither, compare with "
    "`gazelle-sync check --only integrity_counts`."
)


_RECORD = re.compile(rf"^(?:{'|'.join(ALL)}) \S+: ")
"""How an error's message begins: the entity and the id of the record."""


def _limits(context: CheckContext) -> tuple[float, float]:
    """From how many minutes on something is late, and lost: a rarer tick adds what it leaves between two."""
    pause = context.settings.pause
    return (LATE + pause).total_seconds() / 60, (LOST + pause).total_seconds() / 60


def evaluate_backlog(context: CheckContext, check: str) -> Finding:
    """Nothing waits longer than a tick, which applies what it stages."""
    if (nothing := _no_run(context, check)) is not None:
        return nothing
    rows = context.rows("quality/backlog")
    count = sum(row[1] for row in rows)
    oldest = max((float(row[2]) for row in rows), default=0.0)
    numbers = {"checked": len(ENTITIES), "backlog": count, "oldest pending (min)": round(oldest, 1)}
    if not rows:
        return Finding(check, True, context.say(NOTHING_WAITS), numbers=numbers)
    what = ", ".join(f"{context.name(entity)} {waiting}" for entity, waiting, _ in rows)
    summary = context.say(WAITS, count=count, what=what, minutes=round(oldest))
    late, lost = _limits(context)
    if oldest <= late:
        return Finding(check, True, summary, numbers=numbers)
    severity: Severity = "error" if oldest > lost else "warning"
    advice = context.say(APPLY)
    return Finding(check, passed=False, severity=severity, summary=summary, advice=advice, numbers=numbers)


def evaluate_errors(context: CheckContext, check: str) -> Finding:
    """Records in error, by reason; many in an hour, or a large share of all, are an error, a few a warning."""
    if (nothing := _no_run(context, check)) is not None:
        return nothing
    rows = context.rows("quality/errors")
    fresh = sum(is_fresh for *_, is_fresh in rows)
    held = sum(told.total for told in context.last_reported_totals().values())
    rate = len(rows) / max(held, len(rows), 1)
    numbers = {"checked": held, "errors": len(rows), "errors in the last hour": fresh, "error rate": round(rate, 5)}
    if not rows:
        return Finding(check, True, context.say(NO_ERRORS), numbers=numbers)
    reasons = Counter(error_kind(message) for _, _, message, _ in rows)
    most = [f"{reason} ({count})" for reason, count in reasons.most_common(3)]
    is_bad = fresh > ERRORS_AN_HOUR or (rate > ERROR_RATE and len(rows) > ERRORS_AN_HOUR)
    return Finding(
        check,
        passed=False,
        severity="error" if is_bad else "warning",
        summary=context.say(
            ERRORS,
            count=len(rows),
            fresh=fresh,
            rate=translator(context.language).percentage(rate),
            reasons="; ".join(most),
        ),
        advice=context.say(FIX_ERRORS),
        examples=first_few(f"{entity} {i}: {error_kind(message)}" for entity, i, message, _ in rows),
        numbers=numbers,
    )


def evaluate_age(context: CheckContext, check: str) -> Finding:
    """Every entity was read successfully not long ago."""
    if (nothing := _no_run(context, check)) is not None:
        return nothing
    ages = dict(context.rows("quality/polls", {"entities": ALL}))
    for name, report in context.reports.items():
        if report.failure is None and report.total is not None:
            ages[name] = 0
    late, lost = _limits(context)
    old = {name: ages[name] for name in ALL if ages[name] is None or ages[name] > late}
    oldest = max((float(age) for age in ages.values() if age is not None), default=0.0)
    numbers = {"checked": len(ALL), "late": len(old), "oldest poll (min)": round(oldest, 1)}
    if not old:
        return Finding(check, True, context.say(FRESH, minutes=round(late)), numbers=numbers)
    what = [
        context.say(NEVER if age is None else MINUTES, name=context.name(name), minutes=round(age or 0))
        for name, age in old.items()
    ]
    is_lost = any(age is None or age > lost for age in old.values())
    return Finding(
        check,
        passed=False,
        severity="error" if is_lost else "warning",
        summary=context.say(STALE, what=", ".join(what)),
        advice=context.say(START_IT),
        numbers=numbers,
    )


def evaluate_watermark(context: CheckContext, check: str) -> Finding:
    """Each successful run moves its watermark: a stuck one makes ticks read ever more, one in the future too little."""
    if (nothing := _no_run(context, check)) is not None:
        return nothing
    wrong: list[str] = []
    for entity, value, age, runs in context.rows("quality/watermarks", {"entities": ALL}):
        name = context.name(entity)
        instant = parse_instant(value)
        if value is not None and instant is None:
            wrong.append(context.say(UNREADABLE_MARK, name=name))
        elif instant is not None and instant > datetime.now(UTC) + AHEAD:
            wrong.append(context.say(FUTURE_MARK, name=name, value=value))
        elif runs >= RUNS_WITHOUT_MOVE and (age is None or age > _limits(context)[0]):
            wrong.append(context.say(STUCK_MARK, name=name, value=value or "—", runs=runs))
    numbers = {"checked": len(ALL), "stuck": len(wrong)}
    if not wrong:
        return Finding(check, True, context.say(MOVING), numbers=numbers)
    summary, advice = context.say(STUCK, what=", ".join(wrong)), context.say(FIX_WATERMARK)
    return Finding(check, passed=False, summary=summary, advice=advice, numbers=numbers)


def evaluate_volume(context: CheckContext, check: str) -> Finding:
    """As many records come as is usual for the hour, on working days and on weekends."""
    if (nothing := _no_run(context, check)) is not None:
        return nothing
    days: dict[int, int] = dict(context.rows("quality/volumes"))
    now = days.pop(0, None)
    count = (now or 0) + sum(report.staged for report in context.reports.values())
    low, high = min(days.values(), default=0), max(days.values(), default=0)
    numbers = {"checked": len(days), "records in the last hour": count, "usual least": low, "usual most": high}
    if now is None and not context.reports:
        return Finding(check, True, context.say(NO_TICK), numbers=numbers)
    if len(days) < LEAST_DAYS:
        learning = context.say(LEARNING, count=len(days), needed=LEAST_DAYS)
        return Finding(check, True, f"{context.say(LAST_HOUR, count=count)} {learning}", numbers=numbers)
    is_too_many = count > max(MANY_TIMES * high, LEAST_UNUSUAL)
    is_too_few = count == 0 and low > 0 and median(days.values()) >= LEAST_USUAL
    text = TOO_MANY if is_too_many else TOO_FEW if is_too_few else USUAL
    summary = context.say(text, count=count, low=low, high=high)
    if text is USUAL:
        return Finding(check, True, summary, numbers=numbers)
    return warning(check, summary, advice=context.say(ASK_GAZELLE), numbers=numbers)


def error_kind(message: str) -> str:
    """The first line of an error without ids, quoted values and numbers, which differ between records.

    Values of bodies are personal data and stay in the database.
    """
    line = message.strip().splitlines()[0] if message.strip() else "no reason given"
    line = _RECORD.sub("", line)
    line = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", "…", line)
    return re.sub(r"\b\w{3}_\w+\b|\d+(?:\.\d+)?", "…", line)[:120]


CHECKS = (
    Check(
        "flow_age",
        Message("Every kind of record was read from Gazelle lately."),
        evaluate_age,
        in_tick=True,
        lookups=lambda _: [lookup("quality/polls", {"entities": ALL})],
    ),
    Check(
        "flow_backlog",
        Message("What was read is applied at once."),
        evaluate_backlog,
        in_tick=True,
        lookups=lambda _: [lookup("quality/backlog")],
    ),
    Check(
        "flow_errors",
        Message("No record is in error."),
        evaluate_errors,
        in_tick=True,
        lookups=lambda _: [lookup("quality/errors"), lookup("quality/runs")],
    ),
    Check(
        "flow_watermark",
        Message("Each successful run moves its watermark."),
        evaluate_watermark,
        in_tick=True,
        lookups=lambda _: [lookup("quality/watermarks", {"entities": ALL})],
    ),
    Check(
        "flow_volume",
        Message("As many records come as is usual for the hour."),
        evaluate_volume,
        in_tick=True,
        lookups=lambda _: [lookup("quality/volumes")],
    ),
)


def _no_run(context: CheckContext, check: str) -> Finding | None:
    """The finding where no run has ended: then nothing has passed."""
    if context.reports or context.rows("quality/runs"):
        return None
    summary, advice = context.say(NO_RUN), context.say(RUN_IT)
    return Finding(check, passed=False, summary=summary, advice=advice, numbers={"checked": 0})
