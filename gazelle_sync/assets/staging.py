"""`staging_*`: what Gazelle sent, raw. One asset an entity; the entities are read side by side by the run's pull."""

import dagster as dg

from gazelle_sync.assets.metadata import staging_metadata
from gazelle_sync.entities import ENTITIES, Entity

GROUP = "staging"
OWNERS = ["team:shop"]
POOL = "gazelle_api"


def staging_assets(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """One asset for each staging table."""
    return [_staging_asset(entity, partitions) for entity in ENTITIES]


def _staging_asset(entity: Entity, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.asset(
        name=entity.staging_table,
        description=f"{entity.description}\n\nThe bodies as Gazelle sent them, one row a version. Nothing is "
        "transformed here; production can be made again from these rows alone.",
        group_name=GROUP,
        kinds={"graphql", "postgres"},
        owners=OWNERS,
        pool=POOL,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={"pull"},
        metadata={"dagster/table_name": f"public.{entity.staging_table}"},
    )
    def staging(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        session = context.resources.pull
        report = session.stage(context, entity.name)
        with session.connection() as connection:
            return dg.MaterializeResult(metadata=staging_metadata(connection, entity, report))

    return staging
