"""The timezone invariant, blocking: nothing is made of appointments whose hours may be wrong."""

import dagster as dg

from gazelle_sync.checks.evaluation import group_op
from gazelle_sync.trust.catalogue import TIMEZONE


def timezone_checks() -> dg.AssetChecksDefinition:
    """The checks at `gazelle_appointments`."""
    return group_op(TIMEZONE)
