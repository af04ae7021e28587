"""Flow: whether data comes, is applied, and is not too old.

It needs no asset of the run, so it also looks where one has failed.
"""

import dagster as dg

from gazelle_sync.checks.evaluation import LAST, group_op
from gazelle_sync.trust.catalogue import FLOW


def flow_checks() -> dg.AssetChecksDefinition:
    """The checks at `sync_logs`."""
    return group_op(FLOW, priority=LAST)
