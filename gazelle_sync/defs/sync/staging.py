"""`staging_*`: what Gazelle sent, raw."""

import dagster as dg

from gazelle_sync.defs.sync.columns import metadata_of
from gazelle_sync.entities import Entity
from gazelle_sync.monitoring.status import LATE, LOST

GROUP = "staging"
OWNERS = ["team:shop"]
POOL = "gazelle_api"

READ_FROM_GAZELLE = dg.FreshnessPolicy.time_window(fail_window=LOST, warn_window=LATE)
"""How old what was read may be: a tick comes every 15 minutes. Only these assets have a policy, since only making them
reads from Gazelle: production can be made again from staging all day, and is not the fresher for it."""


def staging_spec(entity: Entity, partitions: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    """The asset of an entity's staging table."""
    return dg.AssetSpec(
        entity.staging_table,
        description=f"{entity.description}\n\nThe bodies as Gazelle sent them, one row a version. Nothing is "
        "transformed here; production can be made again from these rows alone.",
        group_name=GROUP,
        kinds={"graphql", "postgres"},
        owners=OWNERS,
        partitions_def=partitions,
        freshness_policy=READ_FROM_GAZELLE,
        metadata=metadata_of(entity.staging_table),
    )
