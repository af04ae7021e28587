"""All Dagster definitions of this project, in one list."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from gazelle_sync.defs.incidents.sensors import alert_sensors
from gazelle_sync.defs.location import SOURCE_TAG, run_tags
from gazelle_sync.defs.push.assets import edits_assets, push_checks
from gazelle_sync.defs.push.jobs import push_job
from gazelle_sync.defs.push.sensors import push_every_hour, push_when_edited
from gazelle_sync.defs.retention import prune_job, prune_schedule
from gazelle_sync.defs.shop.billing import cash_job, tell_cash_in_the_evening
from gazelle_sync.defs.shop.calendar import calendar_assets, calendar_checks, calendar_job, daily_lists
from gazelle_sync.defs.shop.csv_import import import_job
from gazelle_sync.defs.shop.following import follows_the_pull
from gazelle_sync.defs.shop.inventory import inventory_assets, inventory_checks, inventory_job
from gazelle_sync.defs.shop.maintenance import (
    digest_job,
    maintenance_asset,
    maintenance_checks,
    scan_job,
    tell_in_the_morning,
)
from gazelle_sync.defs.shop.search import search_asset, search_job
from gazelle_sync.defs.sync.assets import control_tables, entity_assets
from gazelle_sync.defs.sync.checks import table_checks
from gazelle_sync.defs.sync.jobs import jobs
from gazelle_sync.defs.sync.partitions import daily_partitions
from gazelle_sync.defs.sync.resources import PullResource
from gazelle_sync.defs.sync.schedules import schedules
from gazelle_sync.defs.sync.sensors import again_after_a_signal
from gazelle_sync.pull.report import Progress


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The definitions.

    Args:
        resource_overrides: Resources that replace ours, by name.
    """
    partitions = daily_partitions()
    with warnings.catch_warnings():
        # Dagster warns, once for each asset, that single-run backfills and code references are beta features.
        warnings.filterwarnings("ignore", category=dg.BetaWarning)
        assets: list[dg.AssetsDefinition | dg.AssetSpec] = [
            *entity_assets(partitions),
            *control_tables(),
            edits_assets(),
            inventory_assets(),
            calendar_assets(),
            maintenance_asset(),
            search_asset(),
        ]
    tags = run_tags()
    if SOURCE_TAG in tags:
        assets = [*dg.map_asset_specs(_of_a_sandbox, assets)]
    sync_jobs = jobs(tags)
    shop_jobs = [inventory_job(tags), scan_job(tags), calendar_job(tags), search_job(tags)]
    return dg.Definitions(
        assets=assets,
        asset_checks=[table_checks(), push_checks(), inventory_checks(), maintenance_checks(), calendar_checks()],
        jobs=[*sync_jobs, push_job(tags), *shop_jobs, digest_job(tags), cash_job(tags), import_job(), prune_job()],
        schedules=[
            *schedules(),
            push_every_hour,
            tell_in_the_morning,
            daily_lists,
            tell_cash_in_the_evening,
            prune_schedule(),
        ],
        sensors=[push_when_edited, follows_the_pull(shop_jobs), again_after_a_signal(sync_jobs), *alert_sensors()],
        resources={"pull": PullResource(progress=Progress()), **(resource_overrides or {})},
        # A run must be one process. UI launches and backfills run the implicit asset job, which ignores a job's own
        # executor, so it is set for all.
        executor=dg.in_process_executor,
    )


def _of_a_sandbox(spec: dg.AssetSpec) -> dg.AssetSpec:
    return spec.replace_attributes(description=f"SANDBOX: invented data.\n\n{spec.description or ''}")


defs = build_defs()
