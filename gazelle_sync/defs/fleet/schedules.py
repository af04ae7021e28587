"""When shops run: a schedule every minute for shards, a sensor for the folder and for first and full runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from gazelle_sync.defs.fleet.assets import own_config, shard_config, shop_partitions
from gazelle_sync.defs.fleet.states import OWN_JOB, SHARD_JOB, SHOPS, read_states, under_way
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.fleet.folder import Folder, compare, read_folder
from gazelle_sync.fleet.turns import due_runs, due_ticks
from gazelle_sync.runtime.logs import unexpected_errors_reported
from gazelle_sync.settings import Settings

FOLDER_EVERY_S = 30
MODE_TAG = "gazelle_sync/mode"


def request_shards(instance: dg.DagsterInstance, now: datetime) -> list[dg.RunRequest | dg.SkipReason]:
    """The runs of the shops whose turn it is.

    Args:
        instance: That remembers the shops.
        now: The minute, aware UTC.
    """
    settings = Settings.load()
    folder = read_folder(settings.fleet_dir)
    shops = [shop for shop in instance.get_dynamic_partitions(SHOPS) if shop in folder.shops]
    states = read_states(instance, shops)
    busy, _ = under_way(instance, states, now)
    shards = due_ticks(states, folder.changed_at, busy, now, settings.fleet_every_minutes)
    if not shards:
        return [dg.SkipReason(f"No turn of any of {len(shops)} shops is due.")]
    return [
        dg.RunRequest(run_key=f"{now:%Y-%m-%dT%H:%M}Z {number}", run_config=shard_config(shard))
        for number, shard in enumerate(shards, start=1)
    ]


def shards_schedule() -> dg.ScheduleDefinition:
    """The one schedule, every minute."""

    def evaluate(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        with unexpected_errors_reported():
            now = context.scheduled_execution_time.astimezone(UTC)
            try:
                yield from request_shards(context.instance, now)
            except GazelleSyncError as error:
                yield dg.SkipReason(str(error))

    return dg.ScheduleDefinition(
        name="turns_every_minute",
        cron_schedule="* * * * *",
        job_name=SHARD_JOB,
        execution_timezone="UTC",
        execution_fn=evaluate,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Starts the runs of the shops whose turn it is, up to 25 shops a run.",
    )


def follow_folder(instance: dg.DagsterInstance, now: datetime) -> dg.SensorResult:
    """Bring the partitions up to date with the folder, and start first imports and full runs.

    Args:
        instance: That has the partitions, and remembers the shops.
        now: Aware UTC.
    """
    settings = Settings.load()
    folder = read_folder(settings.fleet_dir)
    partitions = instance.get_dynamic_partitions(SHOPS)
    change = compare(folder, partitions)
    states = read_states(instance, folder.shops)
    busy, own = under_way(instance, states, now)
    runs = due_runs(states, folder.changed_at, busy, own, now, settings.fleet_every_minutes)
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if change.added:
        requests.append(shop_partitions.build_add_request(list(change.added)))
    if change.removed:
        requests.append(shop_partitions.build_delete_request(list(change.removed)))
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(partition_key=run.shop, run_config=own_config(run.mode), tags={MODE_TAG: run.mode})
            for run in runs
        ],
        dynamic_partitions_requests=requests,
        skip_reason=None if runs else dg.SkipReason(_said(folder)),
    )


def _said(folder: Folder) -> str:
    said = f"{len(folder.shops)} shops."
    return " ".join([said, *(f"Left out: {name}: {problem}" for name, problem in folder.problems.items())])


def folder_sensor(job: dg.UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """The sensor.

    Args:
        job: Of one shop's own run.
    """

    @dg.sensor(
        name="shops_folder",
        job=job,
        minimum_interval_seconds=FOLDER_EVERY_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Compares the folder of the shops with the partitions: a new file is a new shop, a removed one "
        f"stops it. Starts first imports and full runs ({OWN_JOB}).",
    )
    def shops_folder(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        with unexpected_errors_reported():
            try:
                return follow_folder(context.instance, datetime.now(UTC))
            except GazelleSyncError as error:
                return dg.SkipReason(str(error))

    return shops_folder
