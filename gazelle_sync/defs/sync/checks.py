"""Asset checks: each evaluates a rule of `gazelle_sync.quality` and reports what it found.

Checks at a table that we make belong to the op that writes it (`assets.py`). Those here are at what no asset of ours
makes: integrity and flow of all tables, and Gazelle's schema. They need no asset of the run, so they also evaluate
where one has failed, and they come last. One op for all: a step costs Dagster more than most of the evaluation.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import dagster as dg

from gazelle_sync.defs.location import asset_key, pool_name, tag_run
from gazelle_sync.defs.sync.metadata import Metadata
from gazelle_sync.defs.sync.resources import CHECK, POOL, TICK, RunSession
from gazelle_sync.i18n.translator import translator
from gazelle_sync.quality.context import CheckContext
from gazelle_sync.quality.finding import Finding, Severity
from gazelle_sync.quality.registry import CHECKS, CONFORMANCE, FLOW, INTEGRITY, Group, evaluate_all
from gazelle_sync.runtime import logs as log
from gazelle_sync.runtime.embedded import embedded_services
from gazelle_sync.settings import Settings

TABLE_GROUPS = (INTEGRITY, FLOW, CONFORMANCE)
LAST = "-10"
"""In one process a step with this priority comes when everything else is done, or has failed."""
EXAMPLES, ADVICE = "examples", "what to do"
"""Metadata keys; all others are a finding's numbers. A finding is stored once, and made again of its evaluation."""
SEVERITIES: Mapping[Severity, dg.AssetCheckSeverity] = {
    "error": dg.AssetCheckSeverity.ERROR,
    "warning": dg.AssetCheckSeverity.WARN,
}
OUR_SEVERITIES = {theirs: ours for ours, theirs in SEVERITIES.items()}
Evaluated = dg.AssetCheckResult | dg.AssetCheckEvaluation


def table_checks() -> dg.AssetChecksDefinition:
    """The checks at `external_id_mapping`, `sync_logs` and `gazelle_api`."""

    @dg.multi_asset_check(
        name="checks",
        specs=[spec for group in TABLE_GROUPS for spec in check_specs(group)],
        can_subset=True,
        op_tags={"dagster/priority": LAST},
        pool=pool_name(POOL),
    )
    def checks(context: dg.AssetCheckExecutionContext, pull: dg.ResourceParam[RunSession]) -> Iterator[Evaluated]:
        with pull.failures():
            yield from evaluations(context, pull, TABLE_GROUPS, {}, may_ask_gazelle=True)

    return checks


def local_checks(name: str, groups: Sequence[Group], *, thorough: bool = False) -> dg.AssetChecksDefinition:
    """Checks that ask the shop's database alone, and are no part of a pull: an op of their own, without a pool.

    Args:
        name: Of the op.
        groups: Which.
        thorough: Whether they read whole tables, and may take longer than the server lets a statement.
    """

    @dg.multi_asset_check(name=name, specs=[spec for group in groups for spec in check_specs(group)], can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        tag_run(context.instance, context.run)
        selected = {key.name: key for key in context.selected_asset_check_keys}
        named = Settings.load()
        # An embedded server starts once in a process, and the op before this one may have been where it did.
        needed = embedded_services(named, api=False) if named.database_url is None else nullcontext(named)
        with needed as settings:
            log.configure_once(settings)
            wanted = [CHECKS[name] for name in CHECKS if name in selected]
            asked = CheckContext(settings, thorough=thorough, may_ask_gazelle=False)
            for check, finding in evaluate_all(wanted, asked):
                yield evaluation(selected[check.name], finding)

    return checks


def check_specs(group: Group) -> list[dg.AssetCheckSpec]:
    """The specs of a group's checks, for the op that makes its asset or for one of their own."""
    say = translator(Settings.for_definitions().language)
    return [
        dg.AssetCheckSpec(
            check.name, asset=asset_key(group.asset), description=say(check.title), blocking=check.blocking
        )
        for check in group.checks
    ]


def evaluations(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
    session: RunSession,
    groups: Sequence[Group],
    found: dict[str, Finding],
    *,
    may_ask_gazelle: bool = False,
) -> Iterator[Evaluated]:
    """Evaluate the checks of some groups that the run selected.

    A result is an output of the step as well, which what waits for a blocking check needs. Of other checks Dagster
    gets the evaluation alone: one event less in its storage.

    Args:
        context: Of the op.
        session: Of the run.
        groups: Whose checks.
        found: Filled with what each found, by its name.
        may_ask_gazelle: Whether some of them ask Gazelle, but in a tick. A replay evaluates the others without its
            address.
    """
    keys = {
        check.name: dg.AssetCheckKey(asset_key(group.asset), check.name) for group in groups for check in group.checks
    }
    selected = [CHECKS[name] for name, key in keys.items() if key in context.selected_asset_check_keys]
    if not selected:
        return
    is_tick = context.run.job_name == TICK
    check_context = CheckContext(
        session.services(api=may_ask_gazelle and not is_tick),
        thorough=not is_tick,
        may_ask_gazelle=may_ask_gazelle and not is_tick,
        refreshes_schema=context.run.job_name == CHECK,
        reports=session.reports,
    )
    for check, finding in evaluate_all(selected, check_context):
        found[check.name] = finding
        result = evaluation(keys[check.name], finding)
        if check.blocking:
            yield result
        else:
            yield result.to_asset_check_evaluation(context.get_step_execution_context())


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
    check_context = CheckContext(session.services(api=False), may_ask_gazelle=False, reports=session.reports)
    findings = [finding for _, finding in evaluate_all(blocking, check_context)]
    return [finding for finding in findings if finding.is_failure]


def finding_of(evaluated: dg.AssetCheckEvaluation) -> Finding:
    """The finding that an evaluation was made of."""
    said: dict[str, Any] = {key: value.value for key, value in evaluated.metadata.items()}
    examples, advice = said.pop(EXAMPLES, None), said.pop(ADVICE, None)
    description = evaluated.description or ""
    return Finding(
        evaluated.check_name,
        passed=evaluated.passed,
        severity=OUR_SEVERITIES[evaluated.severity],
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
