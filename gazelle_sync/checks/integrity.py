"""Integrity, at the view over all tables: it needs no asset of the run, so it also looks where one has failed."""

import dagster as dg

from gazelle_sync.checks.evaluation import LAST, group_op
from gazelle_sync.trust.catalogue import INTEGRITY


def integrity_checks() -> dg.AssetChecksDefinition:
    """The checks at `external_id_mapping`."""
    return group_op(INTEGRITY, priority=LAST)
