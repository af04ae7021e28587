"""The jobs: a tick, a full run, a replay. Each is a selection of the same assets with another mode."""

from __future__ import annotations

from typing import Any

import dagster as dg

from gazelle_sync.assets import normalized, staging
from gazelle_sync.entities import ENTITIES
from gazelle_sync.pull.context import Mode
from gazelle_sync.resources import FULL, REPLAY, REPLAY_JOB, TICK

STAGING = dg.AssetSelection.groups(staging.GROUP)
NORMALIZED = dg.AssetSelection.groups(normalized.GROUP)


def run_config(mode: str, **more: Any) -> dict[str, Any]:
    """The run config of a mode; Dagster's own lines stay out of the terminal (they are in the UI)."""
    return {
        "resources": {"pull": {"config": {"mode": mode, **more}}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }


def asset_keys(entities: list[str], *, with_staging: bool) -> list[dg.AssetKey]:
    """The asset keys of some entities: their tables, and their staging table where it is wanted."""
    chosen = [entity for entity in ENTITIES if entity.name in entities]
    names = [table.name for entity in chosen for table in entity.tables]
    if with_staging:
        names += [entity.staging_table for entity in chosen]
    return [dg.AssetKey(name) for name in names]


def jobs() -> list[dg.UnresolvedAssetJobDefinition]:
    """All jobs."""
    return [
        dg.define_asset_job(
            TICK,
            selection=STAGING | NORMALIZED,
            description="What changed since the last run. Every 15 minutes.",
            config=run_config(Mode.TICK.value),
        ),
        dg.define_asset_job(
            FULL,
            selection=STAGING | NORMALIZED,
            description="Every body with a stamp and 45 days of the timeline (nightly), or every body of everything "
            "(deep, weekly); then the proof that production is what staging says.",
            config=run_config(Mode.NIGHTLY.value),
        ),
        dg.define_asset_job(
            REPLAY_JOB,
            selection=NORMALIZED,
            description="Production again from staging, without one call to Gazelle.",
            config=run_config(REPLAY),
        ),
    ]
