"""The job that sends edits to Gazelle, and then evaluates the checks of their tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from gazelle_sync.defs.location import asset_key
from gazelle_sync.defs.push.assets import LOG, OP
from gazelle_sync.defs.sync.jobs import MAX_RUNTIME_TAG, QUIET, checks_of
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.quality.registry import PUSH

PUSH_JOB = "push_to_gazelle"
LONGEST_PUSH_S = 2 * 3600
"""A push that takes longer hangs: Dagster ends it, so that the next may start."""


def push_config(**options: Any) -> dict[str, Any]:
    """The run config."""
    return {"ops": {OP: {"config": options}}, **QUIET}


def push_job(tags: Mapping[str, str]) -> dg.UnresolvedAssetJobDefinition:
    """The job.

    Args:
        tags: Of each of its runs.
    """
    return dg.define_asset_job(
        PUSH_JOB,
        selection=dg.AssetSelection.assets(
            *(asset_key(pushable.table) for pushable in PUSHABLES), asset_key(LOG)
        ).without_checks()
        | checks_of(PUSH),
        description="Sends what was edited in the shop's tables to Gazelle. A sensor starts it when a row is due.",
        config=push_config(at_once=True),
        tags={MAX_RUNTIME_TAG: str(LONGEST_PUSH_S), **tags},
    )
