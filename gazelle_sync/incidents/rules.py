"""The rules: facts → incidents. Pure functions.

Each also names the subjects that it evaluated. An incident of another subject stays open: it has not recovered, it is
unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from gazelle_sync.errors import Cause
from gazelle_sync.incidents.facts import Facts, LowStock
from gazelle_sync.quality.finding import Severity

STALE = timedelta(minutes=60)
"""A tick comes every 15 minutes: four of them brought nothing. A rarer tick adds what it leaves between two."""
ERRORS_AN_HOUR = 10
"""More errors than this in an hour, or in one push, are an incident: the shop asked for ten."""
SLOW_FACTOR = 3
SLOW_LEAST_S = 120.0
"""A run is slow when it takes two minutes more than three times the usual: a tick of 2 s may take 20."""
FULL = ("nightly", "deep", "full")
"""Each reads what the others read: when one succeeds, the incidents of all end."""
PULLED = ("tick", *FULL)
ONE_OFF = ("replay", "__ASSET_JOB")
"""Runs that a person starts and need not start again: the next successful pull ends their incidents."""


@dataclass(frozen=True)
class Incident:
    """Something that is wrong now.

    Attributes:
        subject: What it is wrong with: an entity, a check, a job. Same rule and subject: same incident.
        severity: `error` or `warning`.
        cause: Incidents of one rule with the same cause share one message.
        details: Numbers and names for the text; never personal data.
        run_id: The Dagster run that shows it, or None.
    """

    subject: str
    severity: Severity = "error"
    cause: str = ""
    details: Mapping[str, str | int | float] = field(default_factory=dict)
    run_id: str | None = None


@dataclass(frozen=True)
class Assessment:
    """What one rule found.

    Attributes:
        rule: Its name.
        incidents: What is wrong.
        evaluated: The subjects that were evaluated; None: all there are.
    """

    rule: str
    incidents: tuple[Incident, ...] = ()
    evaluated: frozenset[str] | None = None

    def has_recovered(self, subject: str) -> bool:
        """Whether a subject was evaluated and nothing is wrong with it."""
        was_evaluated = self.evaluated is None or subject in self.evaluated
        return was_evaluated and all(incident.subject != subject for incident in self.incidents)


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        name: As `alert_log` holds it.
        cool_down: An incident that comes back within this time of its alert is alerted only when the time is over.
        assess: Facts → what it found; None: these facts do not concern it.
    """

    name: str
    cool_down: timedelta
    assess: Callable[[Facts], Assessment | None]


def cause_details(cause: Cause) -> dict[str, str | int | float]:
    """The details of an incident that an error caused."""
    return {"cause": cause.code, "number": "" if cause.number is None else cause.number}


def failed_entities(facts: Facts) -> Assessment:
    """An entity that could not be pulled; entities with the same cause share one alert."""
    incidents = []
    for entity, failure in facts.failures.items():
        cause, run_id = f"{failure.cause.code} {failure.run_id}", failure.run_id
        incidents.append(Incident(entity, cause=cause, details=cause_details(failure.cause), run_id=run_id))
    return Assessment("failed_run", tuple(incidents))


def failed_job(facts: Facts) -> Assessment | None:
    """A run that failed and that `failed_run` does not cover: it was killed, could not begin, or is no pull."""
    run = facts.ended
    if run is None or run.is_superseded:
        return None
    if run.succeeded:
        return Assessment(
            "failed_job",
            evaluated=frozenset({run.job, *(FULL if run.job in FULL else ()), *(ONE_OFF if run.job in PULLED else ())}),
        )
    if run.only_checks_failed or run.run_id in facts.failed_pulls:
        return None
    incident = Incident(run.job, details=cause_details(run.cause), run_id=run.run_id)
    return Assessment("failed_job", (incident,), frozenset({run.job}))


def failed_checks(facts: Facts) -> Assessment | None:
    """An asset check that failed, whatever its severity and whether or not the run did."""
    run = facts.ended
    if run is None or not run.checks:
        return None
    incidents = tuple(
        Incident(
            check.subject,
            severity=check.severity,
            cause=f"{run.run_id} {check.severity}",  # a warning that lasts must not keep an error open
            details={"check": check.name, "asset": check.asset, "said": check.description},
            run_id=run.run_id,
        )
        for check in run.checks
        if not check.passed
    )
    return Assessment("failed_check", incidents, frozenset(check.subject for check in run.checks))


def stale_data(facts: Facts) -> Assessment:
    """An entity that no pull brought up to date for an hour; not one with a failure, which has its own alert."""
    stale = STALE + facts.pause
    incidents = []
    for entity, health in facts.health.items():
        age = health.age if health.age is not None else facts.synced_for
        if age is not None and age > stale and entity not in facts.failures:
            incidents.append(Incident(entity, details={"minutes": int(age.total_seconds() // 60)}))
    return Assessment("stale_data", tuple(incidents))


def many_errors(facts: Facts) -> Assessment:
    """More than ten records came into error within an hour."""
    recent = {entity: health.errors_last_hour for entity, health in facts.health.items() if health.errors_last_hour}
    if sum(recent.values()) <= ERRORS_AN_HOUR:
        return Assessment("many_errors")
    details: dict[str, str | int | float] = {"count": sum(recent.values()), **recent}
    return Assessment("many_errors", (Incident("records", details=details),))


def failed_push(facts: Facts) -> Assessment | None:
    """More than ten push actions failed within an hour, or in one run."""
    if facts.push is None:
        return None
    count = max(facts.push.last_hour, facts.push.worst_run)
    if count <= ERRORS_AN_HOUR:
        return Assessment("failed_push")
    return Assessment(
        "failed_push",
        (Incident("push", details={"count": facts.push.changes, "tries": count}, run_id=facts.push.run_id),),
    )


def low_stock(facts: Facts) -> Assessment | None:
    """A material that a technician is to order, each told by itself; over when there is more of it again."""
    if facts.stock is None:
        return None
    incidents = [
        Incident(
            one.subject,
            "warning",
            cause=one.subject,
            details={**_of_stock(one), "threshold": str(one.threshold)},
        )
        for one in facts.stock.low
        if one.threshold and one.quantity <= one.threshold
    ]
    return Assessment("low_stock", tuple(incidents))


def stock_below_zero(facts: Facts) -> Assessment | None:
    """Invoices say that more was used than there was: the stock was not counted, or what was bought not entered."""
    if facts.stock is None:
        return None
    incidents = [
        Incident(one.subject, "warning", cause=one.subject, details={**_of_stock(one), "quantity": str(one.least)})
        for one in facts.stock.low
        if one.least < 0
    ]
    return Assessment("stock_below_zero", tuple(incidents))


def unfollowed_invoices(facts: Facts) -> Assessment | None:
    """Invoices that use materials, and no stock follows them: those of one evaluation share one alert."""
    if facts.stock is None:
        return None
    incidents = [
        Incident(f"{problem}:{invoice}", "warning", cause=problem, details={"invoice": number, "problem": problem})
        for (invoice, number), problem in facts.stock.problems.items()
    ]
    return Assessment("unfollowed_invoices", tuple(incidents))


def _of_stock(one: LowStock) -> dict[str, str | int | float]:
    return {
        "product_fr": one.name_fr, "product_en": one.name_en, "technician": one.technician_name,
        "quantity": str(one.quantity),
    }  # fmt: skip


def slow_run(facts: Facts) -> Assessment:
    """A run that takes far longer than those before it, also while it still goes on."""
    incidents = []
    for run in facts.run_times:
        if run.usual_s is not None and run.seconds > run.usual_s * SLOW_FACTOR + SLOW_LEAST_S:
            details = {"seconds": round(run.seconds), "usual": round(run.usual_s, 1)}
            incidents.append(Incident(run.mode, "warning", cause=run.run_id, details=details, run_id=run.run_id))
    return Assessment("slow_run", tuple(incidents))


def database_is_back(_: Facts) -> Assessment:
    """There are facts, so the database answers; `gazelle_sync.incidents.outage` opens this incident."""
    return Assessment("database")


RULES: tuple[Rule, ...] = (
    Rule("failed_run", timedelta(hours=2), failed_entities),
    Rule("failed_job", timedelta(hours=2), failed_job),
    Rule("failed_check", timedelta(hours=6), failed_checks),
    Rule("stale_data", timedelta(hours=2), stale_data),
    Rule("many_errors", timedelta(hours=6), many_errors),
    Rule("failed_push", timedelta(hours=2), failed_push),
    Rule("slow_run", timedelta(hours=24), slow_run),
    Rule("low_stock", timedelta(hours=6), low_stock),
    Rule("stock_below_zero", timedelta(hours=6), stock_below_zero),
    Rule("unfollowed_invoices", timedelta(hours=6), unfollowed_invoices),
    Rule("database", timedelta(hours=1), database_is_back),
)
COOL_DOWN = {rule.name: rule.cool_down for rule in RULES}


def assess(facts: Facts) -> list[Assessment]:
    """What every rule found."""
    return [found for rule in RULES if (found := rule.assess(facts)) is not None]
