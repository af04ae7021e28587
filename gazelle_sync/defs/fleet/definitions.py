"""All that Dagster knows of a fleet: `dagster code-server start -m gazelle_sync.defs.fleet.definitions`.

A location of its own, beside or in place of `gazelle_sync.definitions`, which is one shop's.
"""

from __future__ import annotations

import dagster as dg

from gazelle_sync.defs.fleet.assets import own_job, shard_job, shop_asset
from gazelle_sync.defs.fleet.schedules import folder_sensor, shards_schedule
from gazelle_sync.defs.retention import prune_job, prune_schedule
from gazelle_sync.fleet.children import WORK
from gazelle_sync.runtime.memory import leave_at_once, tune_gc


def build_fleet_defs(work: str = WORK) -> dg.Definitions:
    """The definitions.

    Args:
        work: What a shop's process does, as `module:function`; a benchmark has one that does nothing.
    """
    asset = shop_asset(work)
    own = own_job(asset)
    return dg.Definitions(
        assets=[asset],
        jobs=[shard_job(work), own, prune_job()],
        schedules=[shards_schedule(), prune_schedule()],
        sensors=[folder_sensor(own)],
        executor=dg.in_process_executor,
    )


# Each run is a process, and its shops are in others: most of what it does itself is to import Dagster, and to end.
tune_gc()
leave_at_once()
defs = build_fleet_defs()
