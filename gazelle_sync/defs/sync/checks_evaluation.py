"""Groups of checks under Dagster, and a finding as an evaluation."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from gazelle_sync.defs.sync.metadata import Metadata
from gazelle_sync.defs.sync.resources import CHECK, TICK, RunSession
from gazelle_sync.quality.context import Circumstances
from gazelle_sync.quality.finding import Finding, Severity
from gazelle_sync.quality.registry import Group, look
from gazelle_sync.settings import Settings

EXAMPLES, ADVICE = "examples", "what to do"
"""Metadata keys; all others are a finding's numbers. A finding is stored once, and made again of its evaluation."""
SEVERITIES = {Severity.ERROR: dg.AssetCheckSeverity.ERROR, Severity.WARNING: dg.AssetCheckSeverity.WARN}


def check_specs(group: Group) -> list[dg.AssetCheckSpec]:
    """The specs of a group's checks, for the op that makes its asset or for one of their own."""
    language = Settings.for_definitions().language
    return [
        dg.AssetCheckSpec(check.name, asset=group.asset, description=check.title.say(language), blocking=check.blocking)
        for check in group.checks
    ]


def evaluations(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
    session: RunSession,
    group: Group,
    found: dict[str, Finding],
) -> Iterator[dg.AssetCheckResult]:
    """Let those checks of a group look that the run selected.

    Args:
        context: Of the op.
        session: Of the run.
        group: Whose checks.
        found: Filled with what each found, by its name.
    """
    keys = {check: dg.AssetCheckKey(dg.AssetKey(group.asset), check.name) for check in group.checks}
    selected = [check for check, key in keys.items() if key in context.selected_asset_check_keys]
    if not selected:
        return
    is_tick = context.run.job_name == TICK
    with Circumstances(
        session.standing(api=not is_tick),
        thorough=not is_tick,
        asks_gazelle=not is_tick,
        is_fresh=context.run.job_name == CHECK,
        reports=session.reports,
    ) as circumstances:
        for check in selected:
            found[check.name] = look(check, circumstances)
            yield evaluation(keys[check], found[check.name])


def refusals(session: RunSession, group: Group, found: Mapping[str, Finding]) -> list[Finding]:
    """What the blocking checks of a group hold against its asset now.

    Args:
        session: Of the run.
        group: Whose checks.
        found: What has been found in this very step; the others look now.
    """
    blocking = [check for check in group.checks if check.blocking and check.name not in found]
    if not blocking:
        return []
    with Circumstances(session.standing(api=False), asks_gazelle=False, reports=session.reports) as circumstances:
        findings = [look(check, circumstances) for check in blocking]
    return [finding for finding in findings if finding.is_failure]


def finding_of(evaluated: dg.AssetCheckEvaluation) -> Finding:
    """The finding that an evaluation was made of."""
    said: dict[str, Any] = {key: value.value for key, value in evaluated.metadata.items()}
    examples, advice = said.pop(EXAMPLES, None), said.pop(ADVICE, None)
    description = evaluated.description or ""
    return Finding(
        evaluated.check_name,
        passed=evaluated.passed,
        severity=next(severity for severity, theirs in SEVERITIES.items() if theirs is evaluated.severity),
        summary=description.removesuffix(f" {advice}") if advice else description,
        advice=advice,
        examples=tuple(examples.removeprefix("- ").split("\n- ")) if examples else (),
        numbers=said,
    )


def evaluation(key: dg.AssetCheckKey, finding: Finding) -> dg.AssetCheckResult:
    """A finding for the UI, and for whoever reads the event log."""
    metadata: Metadata = {**finding.numbers}
    if finding.examples:
        metadata[EXAMPLES] = dg.MetadataValue.md("\n".join(f"- {example}" for example in finding.examples))
    if finding.advice:
        metadata[ADVICE] = finding.advice
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=finding.passed,
        severity=SEVERITIES[finding.severity],
        description=finding.description,
        metadata=metadata,
    )
