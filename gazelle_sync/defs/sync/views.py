"""The calendar as people read it: what is made of the appointments, and waits until their hours are believed."""

import dagster as dg

from gazelle_sync.defs.sync.columns import metadata_of
from gazelle_sync.defs.sync.staging import OWNERS
from gazelle_sync.entities import Entity

GROUP = "views"
CALENDAR = "v_appointments_montreal"
ENTITIES_SHOWN = {CALENDAR: "appointments"}
"""View → the entity that it shows."""


def view_spec(entity: Entity, view: str, partitions: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    """The asset of a view."""
    return dg.AssetSpec(
        view,
        description="The calendar as the wall clock in Montreal shows it. It judges the appointments' hours itself and "
        "is not vouched for while a check of them fails.",
        deps=[entity.table.name],
        group_name=GROUP,
        kinds={"postgres", "view"},
        owners=OWNERS,
        partitions_def=partitions,
        metadata=metadata_of(view),
    )
