"""The checks at what no asset of ours makes: integrity and flow of all tables, and Gazelle's schema.

They need no asset of the run, so they also look where one has failed, and they look last. One op for all: a step costs
Dagster more than most of the looking.
"""

from collections.abc import Iterator

import dagster as dg

from gazelle_sync.defs.sync.checks_evaluation import check_specs, evaluations
from gazelle_sync.defs.sync.resources import RunSession
from gazelle_sync.defs.sync.staging import POOL
from gazelle_sync.quality.registry import CONFORMANCE, FLOW, INTEGRITY

GROUPS = (INTEGRITY, FLOW, CONFORMANCE)
LAST = "-10"
"""In one process a step with this priority comes when everything else is done, or has failed."""


def table_checks() -> dg.AssetChecksDefinition:
    """The checks at `external_id_mapping`, `sync_logs` and `gazelle_api`."""

    @dg.multi_asset_check(
        name="checks",
        specs=[spec for group in GROUPS for spec in check_specs(group)],
        can_subset=True,
        required_resource_keys={"pull"},
        op_tags={"dagster/priority": LAST},
        pool=POOL,
    )
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        session: RunSession = context.resources.pull
        with session.failures():
            for group in GROUPS:
                yield from evaluations(context, session, group, {})

    return checks
