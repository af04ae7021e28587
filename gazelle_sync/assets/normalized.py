"""`gazelle_*`: the tables that people and their tools read. One multi-asset an entity: one body fills its tables."""

from collections.abc import Iterator

import dagster as dg

from gazelle_sync.assets.freshness import READ_BY_PEOPLE
from gazelle_sync.assets.metadata import table_metadata
from gazelle_sync.assets.staging import OWNERS, POOL
from gazelle_sync.entities import ENTITIES, Entity, Table

GROUP = "normalized"


def normalized_assets(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """One multi-asset for each entity, one asset for each of its tables."""
    return [_normalized_asset(entity, partitions) for entity in ENTITIES]


def _spec(entity: Entity, table: Table, partitions: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name,
        description=table.description,
        # Of what it is computed, and no more: foreign keys tie tables, not computations. A record whose parent is
        # unknown brings it along or gets a stub, so when the clients cannot be read the pianos go on. (With a
        # dependency for each foreign key a backfill over several days failed as well: Dagster 1.13 takes equal
        # partition subsets of sibling tables for different ones when they are reached over different paths.)
        deps=[entity.staging_table],
        group_name=GROUP,
        kinds={"python", "postgres"},
        owners=OWNERS,
        partitions_def=partitions,
        freshness_policy=READ_BY_PEOPLE,
        metadata={
            "dagster/table_name": f"public.{table.name}",
            "refers to": ", ".join(sorted(set(table.references.values()))) or "—",
        },
    )


def _normalized_asset(entity: Entity, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"reconcile_{entity.name}",
        specs=[_spec(entity, table, partitions) for table in entity.tables],
        pool=POOL,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={"pull"},
        # The entities are staged on threads of their own: what is staged is applied while the others still arrive.
        op_tags={"dagster/priority": "1"},
    )
    def reconcile(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        session = context.resources.pull
        report = session.apply(context, entity.name)
        with session.connection() as connection:
            for table in entity.tables:
                yield dg.MaterializeResult(
                    asset_key=table.name, metadata=table_metadata(connection, entity, table, report)
                )

    return reconcile
