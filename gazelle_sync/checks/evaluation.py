"""A group of checks as one Dagster op, and a finding as an evaluation."""

from collections.abc import Iterator

import dagster as dg

from gazelle_sync.assets.metadata import Metadata
from gazelle_sync.assets.staging import POOL
from gazelle_sync.resources import CHECK, TICK, RunSession
from gazelle_sync.settings import Settings
from gazelle_sync.trust.catalogue import CHECKS, Group, look
from gazelle_sync.trust.circumstances import Circumstances
from gazelle_sync.trust.finding import Finding, Severity

FINDING = "finding"
"""Metadata key: the whole finding for machines, the other keys being for people."""
LAST = -10
"""Priority of a group that looks at all tables: in one process it comes when everything else is done, or has failed."""
SEVERITIES = {Severity.ERROR: dg.AssetCheckSeverity.ERROR, Severity.WARNING: dg.AssetCheckSeverity.WARN}


def group_op(group: Group, *, priority: int = 0) -> dg.AssetChecksDefinition:
    """One op for a group: a step of Dagster's costs more than most of the looking.

    Args:
        group: Which.
        priority: A low one lets every other step that is ready go first.
    """
    language = Settings.load().language

    @dg.multi_asset_check(
        name=group.name,
        specs=[
            dg.AssetCheckSpec(
                check.name, asset=group.asset, description=check.title.say(language), blocking=check.blocking
            )
            for check in group.checks
        ],
        can_subset=True,
        required_resource_keys={"pull"},
        op_tags={"dagster/priority": str(priority)},
        pool=POOL,
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        session: RunSession = context.resources.pull
        is_tick = context.run.job_name == TICK
        with Circumstances(
            session.standing(api=not is_tick),
            thorough=not is_tick,
            asks_gazelle=not is_tick,
            is_fresh=context.run.job_name == CHECK,
            reports=session.reports,
        ) as circumstances:
            for check in group.checks:
                key = dg.AssetCheckKey(dg.AssetKey(group.asset), check.name)
                if key in context.selected_asset_check_keys:
                    yield evaluation(key, look(CHECKS[check.name], circumstances))

    return checks


def finding_of(evaluated: dg.AssetCheckEvaluation) -> Finding:
    """The finding that an evaluation was made of."""
    said = evaluated.metadata[FINDING].value
    if not isinstance(said, dict):
        raise TypeError(f"the evaluation of {evaluated.check_name} carries no finding")
    return Finding.from_json(said)


def evaluation(key: dg.AssetCheckKey, finding: Finding) -> dg.AssetCheckResult:
    """A finding for the UI, and for whoever reads the event log."""
    metadata: Metadata = {**finding.numbers, FINDING: dg.MetadataValue.json(finding.as_json())}
    if finding.examples:
        metadata["examples"] = dg.MetadataValue.md("\n".join(f"- {example}" for example in finding.examples))
    if finding.advice:
        metadata["what to do"] = finding.advice
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=finding.passed,
        severity=SEVERITIES[finding.severity],
        description=finding.description,
        metadata=metadata,
    )
