"""Whether data flows: what waits, what fails and why, how old everything is, and whether as much comes as usual."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import median

from gazelle_sync.entities import ENTITIES, LATE, LOST
from gazelle_sync.montreal import parse_instant
from gazelle_sync.quality.context import Check, CheckContext, warning
from gazelle_sync.quality.finding import Finding, Severity, Text, some

ALL = [entity.name for entity in ENTITIES]
LATE_MINUTES, LOST_MINUTES = LATE.total_seconds() / 60, LOST.total_seconds() / 60
ERRORS_AN_HOUR = 10
"""More is told at once (seeds of 2025-12-29: "> 10 erreurs/heure")."""
ERROR_RATE = 0.02
LEAST_DAYS = 5
MANY_TIMES = 4
LEAST_UNUSUAL = 50
LEAST_USUAL = 10
RUNS_WITHOUT_MOVE = 2
AHEAD = timedelta(hours=2)

NO_RUN = Text("No run has ended yet.", "Aucun passage n'est encore terminé.")
RUN_IT = Text("Run `gazelle-sync sync`.", "Lancez `gazelle-sync sync`.")
NOTHING_WAITS = Text("Nothing waits to be applied.", "Rien n'attend d'être appliqué.")
WAITS = Text(
    "{count:# record waits|# records wait} to be applied ({what}), the oldest for {minutes} min.",
    "{count:# fiche attend d'être appliquée|# fiches attendent d'être appliquées} ({what}), "
    "la plus ancienne depuis {minutes} min.",
)
APPLY = Text(
    "The next run applies them, or `gazelle-sync replay` now. If they stay, `gazelle-sync status` says what fails.",
    "Le prochain passage s'en charge, ou `gazelle-sync replay` maintenant. Si elles restent, `gazelle-sync status` dit "
    "ce qui échoue.",
)  # fmt: skip
NO_ERRORS = Text("No record is in error.", "Aucune fiche n'est en erreur.")
ERRORS = Text(
    "{count:# record is|# records are} in error ({rate} of those that Gazelle has), "
    "{fresh} of them within the last hour: {reasons}.",
    "{count:# fiche est|# fiches sont} en erreur ({rate} de celles de Gazelle), "
    "dont {fresh} depuis moins d'une heure : {reasons}.",
)
MEND_ERRORS = Text(
    "v_sync_errors says which and why. A newer version from Gazelle replaces them; after a mended reconciler, "
    "`gazelle-sync replay` applies them.",
    "La vue v_sync_errors dit lesquelles et pourquoi. Une version plus récente de Gazelle les remplace ; après "
    "correction d'un réconciliateur, `gazelle-sync replay` les applique.",
)
FRESH = Text(
    "Every kind of record was read within the last {minutes} min.",
    "Chaque sorte de fiche a été lue depuis moins de {minutes} min.",
)
STALE = Text("Not read for too long: {what}.", "Pas lues depuis trop longtemps : {what}.")
NEVER = Text("{name} never", "{name} jamais")
MINUTES = Text("{name} {minutes} min", "{name} {minutes} min")
START_IT = Text(
    "A tick comes every 15 minutes: is `gazelle-sync up` running? `gazelle-sync status` says what fails, "
    "`gazelle-sync doctor` why.",
    "Un passage a lieu toutes les 15 minutes : `gazelle-sync up` est-il en marche ? `gazelle-sync status` dit ce qui "
    "échoue, `gazelle-sync doctor` pourquoi.",
)
MOVING = Text(
    "Every watermark moved with its last successful run.", "Chaque repère a avancé avec son dernier passage réussi."
)
STUCK = Text(
    "Watermarks that do not move though runs succeed: {what}.",
    "Repères qui n'avancent pas alors que les passages réussissent : {what}.",
)
UNREADABLE_MARK = Text("{name} is not readable", "{name} illisible")
FUTURE_MARK = Text("{name} lies ahead of the clock ({value})", "{name} en avance sur l'horloge ({value})")
STUCK_MARK = Text("{name} stands at {value} after {runs} runs", "{name} reste à {value} après {runs} passages")
MEND_MARK = Text(
    "Look whether Gazelle's clock (its Date header) stands still: `gazelle-sync doctor`. `gazelle-sync sync --full` "
    "reads everything, whatever the watermark says.",
    "Vérifiez si l'horloge de Gazelle (en-tête Date) est arrêtée : `gazelle-sync doctor`. `gazelle-sync sync --full` "
    "lit tout, quel que soit le repère.",
)
USUAL = Text(
    "{count:# record|# records} came within the last hour; usual for it are {low} to {high}.",
    "{count:# fiche est arrivée|# fiches sont arrivées} depuis une heure ; d'habitude, de {low} à {high}.",
)
LEARNING = Text(
    "{count:# record|# records} came within the last hour. What is usual for it is not known yet: "
    "{days} of {needed} days.",
    "{count:# fiche est arrivée|# fiches sont arrivées} depuis une heure. "
    "L'habitude n'est pas encore connue : {days:# jour|# jours} sur {needed}.",
)
NO_TICK = Text("No tick ended within the last hour.", "Aucun passage ne s'est terminé depuis une heure.")
FLOOD = Text(
    "{count} records came within the last hour, far more than the usual {low} to {high}.",
    "{count} fiches sont arrivées depuis une heure, bien plus que les {low} à {high} habituelles.",
)
DROUGHT = Text(
    "Nothing came within the last hour, where {low} to {high} records are usual.",
    "Rien n'est arrivé depuis une heure, alors que {low} à {high} fiches sont habituelles.",
)
ASK_GAZELLE = Text(
    "Look at Gazelle: an import or a bulk edit explains a flood, a holiday a drought. If neither, compare with "
    "`gazelle-sync check --only integrity_counts`.",
    "Regardez dans Gazelle : une importation ou une modification en masse explique un afflux, un congé un silence. "
    "Sinon, comparez avec `gazelle-sync check --only integrity_counts`.",
)


_RECORD = re.compile(rf"^(?:{'|'.join(ALL)}) \S+: ")
"""How an error's message begins: the entity and the id of the record."""


def evaluate_backlog(context: CheckContext, check: str) -> Finding:
    """Nothing waits longer than a tick: it applies what it stages."""
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
    if oldest <= LATE_MINUTES:
        return Finding(check, True, summary, numbers=numbers)
    severity = Severity.ERROR if oldest > LOST_MINUTES else Severity.WARNING
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
    reasons = Counter(reason_of(message) for _, _, message, _ in rows)
    is_bad = fresh > ERRORS_AN_HOUR or (rate > ERROR_RATE and len(rows) > ERRORS_AN_HOUR)
    return Finding(
        check,
        passed=False,
        severity=Severity.ERROR if is_bad else Severity.WARNING,
        summary=context.say(
            ERRORS,
            count=len(rows),
            fresh=fresh,
            rate=f"{rate:.2%}",
            reasons="; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3)),
        ),
        advice=context.say(MEND_ERRORS),
        examples=some(f"{entity} {i}: {reason_of(message)}" for entity, i, message, _ in rows),
        numbers=numbers,
    )


def evaluate_age(context: CheckContext, check: str) -> Finding:
    """Every entity was polled with success lately: silence is no proof of health."""
    if (nothing := _no_run(context, check)) is not None:
        return nothing
    ages = dict(context.rows("quality/polls", {"entities": ALL}))
    for name, report in context.reports.items():
        if report.failure is None and report.total is not None:
            ages[name] = 0
    old = {name: ages[name] for name in ALL if ages[name] is None or ages[name] > LATE_MINUTES}
    oldest = max((float(age) for age in ages.values() if age is not None), default=0.0)
    numbers = {"checked": len(ALL), "late": len(old), "oldest poll (min)": round(oldest, 1)}
    if not old:
        return Finding(check, True, context.say(FRESH, minutes=round(LATE_MINUTES)), numbers=numbers)
    what = [
        context.say(NEVER if age is None else MINUTES, name=context.name(name), minutes=round(age or 0))
        for name, age in old.items()
    ]
    is_lost = any(age is None or age > LOST_MINUTES for age in old.values())
    return Finding(
        check,
        passed=False,
        severity=Severity.ERROR if is_lost else Severity.WARNING,
        summary=context.say(STALE, what=", ".join(what)),
        advice=context.say(START_IT),
        numbers=numbers,
    )


def evaluate_watermark(context: CheckContext, check: str) -> Finding:
    """A run that succeeds moves its watermark; one that stands still reads ever more, one ahead of time too little."""
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
        elif runs >= RUNS_WITHOUT_MOVE and (age is None or age > LATE_MINUTES):
            wrong.append(context.say(STUCK_MARK, name=name, value=value or "—", runs=runs))
    numbers = {"checked": len(ALL), "stuck": len(wrong)}
    if not wrong:
        return Finding(check, True, context.say(MOVING), numbers=numbers)
    summary, advice = context.say(STUCK, what=", ".join(wrong)), context.say(MEND_MARK)
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
        return Finding(
            check, True, context.say(LEARNING, count=count, days=len(days), needed=LEAST_DAYS), numbers=numbers
        )
    is_flood = count > max(MANY_TIMES * high, LEAST_UNUSUAL)
    is_drought = count == 0 and low > 0 and median(days.values()) >= LEAST_USUAL
    text = FLOOD if is_flood else DROUGHT if is_drought else USUAL
    summary = context.say(text, count=count, low=low, high=high)
    if text is USUAL:
        return Finding(check, True, summary, numbers=numbers)
    return warning(check, summary, advice=context.say(ASK_GAZELLE), numbers=numbers)


def reason_of(message: str) -> str:
    """The kind of an error: its first line without the record, what was quoted of it, and figures.

    What a body holds is a client's affair: it stays in the database.
    """
    line = message.strip().splitlines()[0] if message.strip() else "?"
    line = _RECORD.sub("", line)
    line = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", "…", line)
    return re.sub(r"\b\w{3}_\w+\b|\d+", "…", line)[:120]


CHECKS = (
    Check(
        "flow_age",
        Text(
            "Every kind of record was read from Gazelle lately.",
            "Chaque sorte de fiche a été lue récemment chez Gazelle.",
        ),
        evaluate_age,
        in_tick=True,
    ),
    Check(
        "flow_backlog",
        Text("What was read is applied at once.", "Ce qui est lu est appliqué aussitôt."),
        evaluate_backlog,
        in_tick=True,
    ),
    Check(
        "flow_errors",
        Text("No record is in error.", "Aucune fiche n'est en erreur."),
        evaluate_errors,
        in_tick=True,
    ),
    Check(
        "flow_watermark",
        Text("Each successful run moves its watermark.", "Chaque passage réussi fait avancer son repère."),
        evaluate_watermark,
        in_tick=True,
    ),
    Check(
        "flow_volume",
        Text(
            "As many records come as is usual for the hour.", "Il arrive autant de fiches que d'habitude à cette heure."
        ),
        evaluate_volume,
        in_tick=True,
    ),
)


def _no_run(context: CheckContext, check: str) -> Finding | None:
    """Where no run has ended there is nothing to judge by, and nothing has passed."""
    if context.reports or context.rows("quality/runs"):
        return None
    summary, advice = context.say(NO_RUN), context.say(RUN_IT)
    return Finding(check, passed=False, summary=summary, advice=advice, numbers={"checked": 0})
