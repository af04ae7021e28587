"""`gazelle_*`: the tables that people and their tools read."""

import dagster as dg

from gazelle_sync.defs.sync.columns import metadata_of
from gazelle_sync.defs.sync.staging import OWNERS
from gazelle_sync.entities import Entity, Table

GROUP = "normalized"


def table_spec(entity: Entity, table: Table, partitions: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    """The asset of a production table."""
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
        metadata={
            **metadata_of(table.name),
            "refers to": ", ".join(sorted(set(table.references.values()))) or "—",
        },
    )
