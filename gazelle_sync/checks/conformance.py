"""Conformance: Gazelle's schema against what we send.

It needs no asset of the run, so it also looks where one has failed.
"""

import dagster as dg

from gazelle_sync.checks.evaluation import LAST, group_op
from gazelle_sync.trust.catalogue import CONFORMANCE


def conformance_checks() -> dg.AssetChecksDefinition:
    """The checks at `gazelle_api`."""
    return group_op(CONFORMANCE, priority=LAST)
