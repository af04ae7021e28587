"""The rules: facts → what is wrong. Pure. Each also names what it evaluated: the rest is unknown, not well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from gazelle_sync.incidents.facts import Facts
from gazelle_sync.incidents.trouble import Assessment, Trouble, cause_details

STALE = timedelta(minutes=60)
"""A tick comes every 15 minutes: four of them brought nothing."""
ERRORS_AN_HOUR = 10
"""More errors than this in an hour, or rows in a push, are an incident: the shop asked for ten."""
SLOW_FACTOR = 3
SLOW_LEAST_S = 120.0
"""A run is slow when it takes three times the usual, and two minutes more than that: a tick of 2 s may take 20."""
FULL = ("nightly", "deep", "full")
"""Each reads what the others read, or what was missed: the success of one ends the trouble of all."""
PULLED = ("tick", *FULL)
ONE_OFF = ("replay", "__ASSET_JOB")
"""Runs that a person starts and need not start again: the next successful tick or full run ends their trouble."""


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        name: As `alert_log` holds it.
        cool_down: A trouble that comes back so soon after it was told waits until then before it is told again.
        assess: Facts → what it found; None: these facts say nothing of it.
    """

    name: str
    cool_down: timedelta
    assess: Callable[[Facts], Assessment | None]


def failed_entities(facts: Facts) -> Assessment:
    """An entity that could not be pulled; entities with the same cause share one alert."""
    troubles = []
    for entity, failure in facts.failures.items():
        cause, run_id = f"{failure.cause.code} {failure.run_id}", failure.run_id
        troubles.append(Trouble(entity, cause=cause, details=cause_details(failure.cause), run_id=run_id))
    return Assessment("failed_run", tuple(troubles))


def failed_job(facts: Facts) -> Assessment | None:
    """A run that failed and of which `failed_run` says nothing: it died, could not begin, or is no pull."""
    run = facts.ended
    if run is None or run.is_superseded:
        return None
    if run.succeeded:
        return Assessment(
            "failed_job",
            judged=frozenset({run.job, *(FULL if run.job in FULL else ()), *(ONE_OFF if run.job in PULLED else ())}),
        )
    if run.only_checks_failed or run.run_id in facts.failed_pulls:
        return None
    trouble = Trouble(run.job, details=cause_details(run.cause), run_id=run.run_id)
    return Assessment("failed_job", (trouble,), frozenset({run.job}))


def failed_checks(facts: Facts) -> Assessment | None:
    """An asset check that failed, whatever its severity and whether or not the run did."""
    run = facts.ended
    if run is None or not run.checks:
        return None
    troubles = tuple(
        Trouble(
            check.subject,
            severity=check.severity,
            cause=f"{run.run_id} {check.severity}",  # a warning that stays must not keep an error open
            details={"check": check.name, "asset": check.asset, "said": check.description},
            run_id=run.run_id,
        )
        for check in run.checks
        if not check.passed
    )
    return Assessment("failed_check", troubles, frozenset(check.subject for check in run.checks))


def stale_data(facts: Facts) -> Assessment:
    """An entity that no pull brought up to date for an hour; not one with a failure, which has its own alert."""
    troubles = []
    for entity, health in facts.health.items():
        age = health.age if health.age is not None else facts.synced_for
        if age is not None and age > STALE and entity not in facts.failures:
            troubles.append(Trouble(entity, details={"minutes": int(age.total_seconds() // 60)}))
    return Assessment("stale_data", tuple(troubles))


def many_errors(facts: Facts) -> Assessment:
    """More than ten records came into error within an hour."""
    recent = {entity: health.errors_last_hour for entity, health in facts.health.items() if health.errors_last_hour}
    if sum(recent.values()) <= ERRORS_AN_HOUR:
        return Assessment("many_errors")
    details: dict[str, str | int | float] = {"count": sum(recent.values()), **recent}
    return Assessment("many_errors", (Trouble("records", details=details),))


def failed_push(facts: Facts) -> Assessment | None:
    """More than ten push actions failed within an hour, or in one run."""
    if facts.push is None:
        return None
    count = max(facts.push.last_hour, facts.push.worst_run)
    if count <= ERRORS_AN_HOUR:
        return Assessment("failed_push")
    return Assessment(
        "failed_push",
        (Trouble("push", details={"count": facts.push.changes, "tries": count}, run_id=facts.push.run_id),),
    )


def slow_run(facts: Facts) -> Assessment:
    """A run that takes far longer than those before it, also while it still goes on."""
    troubles = []
    for run in facts.run_times:
        if run.usual_s is not None and run.seconds > run.usual_s * SLOW_FACTOR + SLOW_LEAST_S:
            details = {"seconds": round(run.seconds), "usual": round(run.usual_s, 1)}
            troubles.append(Trouble(run.mode, "warning", cause=run.run_id, details=details, run_id=run.run_id))
    return Assessment("slow_run", tuple(troubles))


def database_is_back(_: Facts) -> Assessment:
    """That there are facts at all is the proof; `gazelle_sync.incidents.outage` opens this one."""
    return Assessment("database")


RULES: tuple[Rule, ...] = (
    Rule("failed_run", timedelta(hours=2), failed_entities),
    Rule("failed_job", timedelta(hours=2), failed_job),
    Rule("failed_check", timedelta(hours=6), failed_checks),
    Rule("stale_data", timedelta(hours=2), stale_data),
    Rule("many_errors", timedelta(hours=6), many_errors),
    Rule("failed_push", timedelta(hours=2), failed_push),
    Rule("slow_run", timedelta(hours=24), slow_run),
    Rule("database", timedelta(hours=1), database_is_back),
)
COOL_DOWN = {rule.name: rule.cool_down for rule in RULES}


def assess(facts: Facts) -> list[Assessment]:
    """What every rule finds."""
    return [found for rule in RULES if (found := rule.assess(facts)) is not None]
