"""The calendar as people read it: what is made of the appointments, and waits until their hours are believed."""

import dagster as dg

from gazelle_sync.assets.freshness import READ_BY_PEOPLE
from gazelle_sync.assets.metadata import view_metadata
from gazelle_sync.assets.staging import OWNERS, POOL
from gazelle_sync.warehouse.connect import connect, database_errors

GROUP = "views"
CALENDAR = "v_appointments_montreal"
ENTITIES_SHOWN = {CALENDAR: "appointments"}
"""View → the entity that it shows."""


def view_assets(partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """The views that have an asset of their own."""

    @dg.asset(
        name=CALENDAR,
        description="The calendar as the wall clock in Montreal shows it. It is not vouched for while a check of the "
        "appointments' hours fails.",
        deps=["gazelle_appointments"],
        group_name=GROUP,
        kinds={"postgres", "view"},
        owners=OWNERS,
        pool=POOL,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={"pull"},
        metadata={"dagster/table_name": f"public.{CALENDAR}"},
        freshness_policy=READ_BY_PEOPLE,
    )
    def calendar(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        settings = context.resources.pull.standing(api=False)
        with database_errors(), connect(str(settings.database_url)) as connection:
            return dg.MaterializeResult(metadata=view_metadata(connection, CALENDAR))

    return [calendar]
