"""The jobs: a tick, two full runs, a replay, the checks. Each is a selection of the same assets with another mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from gazelle_sync.defs.location import asset_key
from gazelle_sync.defs.sync.assets import ENTITIES_SHOWN, NORMALIZED, STAGING, VIEWS
from gazelle_sync.defs.sync.resources import CHECK, DEEP, FULL, MODE_TAG, NIGHTLY, REPLAY, REPLAY_JOB, TICK
from gazelle_sync.entities import ENTITIES
from gazelle_sync.pull.context import Mode
from gazelle_sync.quality.registry import GROUPS, PUSH, SHOP, Group

MAX_RUNTIME_TAG = "dagster/max_runtime"
LONGEST_TICK_S = 2 * 3600
"""A run that takes longer hangs. Dagster ends it, so that the next may start; the others of its pool wait for it."""

QUIET: Mapping[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Run config that keeps Dagster's own lines out of the terminal; they are in the UI."""

STAGED = dg.AssetSelection.groups(STAGING)
PRODUCED = dg.AssetSelection.groups(NORMALIZED, VIEWS)


def checks_of(groups: Sequence[Group]) -> dg.AssetSelection:
    """The checks of some groups."""
    return dg.AssetSelection.checks_for_assets(*(asset_key(group.asset) for group in groups))


def run_config(mode: str, **more: Any) -> dict[str, Any]:
    """The run config of a mode."""
    return {"resources": {"pull": {"config": {"mode": mode, **more}}}, **QUIET}


def asset_keys(entities: list[str], *, with_staging: bool) -> list[dg.AssetKey]:
    """The asset keys of some entities: their tables, and their staging table where it is wanted."""
    chosen = [entity for entity in ENTITIES if entity.name in entities]
    names = [table.name for entity in chosen for table in entity.tables]
    if with_staging:
        names += [entity.staging_table for entity in chosen]
    names += [view for view, entity in ENTITIES_SHOWN.items() if entity in entities]
    return [asset_key(name) for name in names]


def check_keys(names: list[str] | None = None, *, only_in_tick: bool = False) -> list[dg.AssetCheckKey]:
    """The keys of checks.

    Args:
        names: Which; None: all.
        only_in_tick: Only those that a tick can pay for.
    """
    return [
        dg.AssetCheckKey(asset_key(group.asset), check.name)
        for group in GROUPS
        for check in group.checks
        if (names is None or check.name in names) and (check.in_tick or not only_in_tick)
    ]


def jobs(tags: Mapping[str, str]) -> list[dg.UnresolvedAssetJobDefinition]:
    """All jobs.

    Args:
        tags: Of each of their runs.
    """
    # Edits that did not go fail no pull, nor does what follows it.
    everything = STAGED | PRODUCED | (dg.AssetSelection.all_asset_checks() - checks_of(PUSH) - checks_of(SHOP))
    return [
        dg.define_asset_job(
            TICK,
            selection=(STAGED | PRODUCED).without_checks() | dg.AssetSelection.checks(*check_keys(only_in_tick=True)),
            description="What changed since the last run. Every 15 minutes.",
            config=run_config(Mode.TICK.value),
            tags={MAX_RUNTIME_TAG: str(LONGEST_TICK_S), MODE_TAG: Mode.TICK.value, **tags},
        ),
        dg.define_asset_job(
            NIGHTLY,
            selection=everything,
            description="Every body with a stamp and 45 days of the timeline; then production is compared with "
            "staging. At 03:00, Monday to Saturday.",
            config=run_config(Mode.NIGHTLY.value),
            tags={MODE_TAG: Mode.NIGHTLY.value, **tags},
        ),
        dg.define_asset_job(
            DEEP,
            selection=everything,
            description="Every body of everything; then production is compared with staging. On Sundays at 03:00.",
            config=run_config(Mode.DEEP.value),
            tags={MODE_TAG: Mode.DEEP.value, **tags},
        ),
        dg.define_asset_job(
            FULL,
            selection=everything,
            description="The older name of `nightly`, and of `deep` where its config says `mode: deep`. It stays for "
            "those who know it; no schedule starts it.",
            config=run_config(Mode.NIGHTLY.value),
            tags=tags,
        ),
        dg.define_asset_job(
            REPLAY_JOB,
            selection=PRODUCED,
            description="Production again from staging, without one call to Gazelle.",
            config=run_config(REPLAY),
            tags={MODE_TAG: REPLAY, **tags},
        ),
        dg.define_asset_job(
            CHECK,
            selection=dg.AssetSelection.all_asset_checks(),
            description="Every check, over every row: may the shop believe its tables? Reads; changes nothing.",
            tags=tags,
            # No config: one that is bound here names all ops, and a choice of checks (--only) would be refused.
        ),
    ]
