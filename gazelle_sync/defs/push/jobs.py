"""The job that sends edits to Gazelle, and then judges the tables of edits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from gazelle_sync.defs.push.assets import LOG, OP
from gazelle_sync.defs.sync.jobs import MAX_RUNTIME_TAG, OF_THE_PUSH
from gazelle_sync.push.pushables import PUSHABLES

PUSH_JOB = "push_to_gazelle"
LONGEST_PUSH_S = 2 * 3600
"""A push that takes longer hangs: Dagster ends it, so that the next may start."""


def push_config(**options: Any) -> dict[str, Any]:
    """The run config; Dagster's own lines stay out of the terminal (they are in the UI)."""
    return {
        "ops": {OP: {"config": options}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
    }


def push_job(tags: Mapping[str, str]) -> dg.UnresolvedAssetJobDefinition:
    """The job.

    Args:
        tags: Of each of its runs.
    """
    return dg.define_asset_job(
        PUSH_JOB,
        selection=dg.AssetSelection.assets(*(pushable.table for pushable in PUSHABLES), LOG).without_checks()
        | OF_THE_PUSH,
        description="Sends what was edited in the shop's tables to Gazelle. A sensor starts it when a row is due.",
        config=push_config(at_once=True),
        tags={MAX_RUNTIME_TAG: str(LONGEST_PUSH_S), **tags},
    )
