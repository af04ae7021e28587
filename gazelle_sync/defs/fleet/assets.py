"""The asset of a shop, made by runs of its own, and the job that gives some shops their turn."""

# Without annotations from __future__: Dagster resolves an op's config by its class, not by that class's name.
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import dagster as dg
import msgspec
from pydantic import Field

from gazelle_sync.defs.failures import failure_of
from gazelle_sync.defs.fleet.states import OWN_JOB, SHARD_JOB, SHARD_OP, SHOPS, read_states, write_states
from gazelle_sync.errors import Cause, GazelleSyncError
from gazelle_sync.fleet.children import WORK, Limits, run_children, task_of
from gazelle_sync.fleet.folder import paths_of
from gazelle_sync.fleet.fork_server import REMOVED, Ended
from gazelle_sync.fleet.turns import FIRST, ShopState, after, is_to_be_told
from gazelle_sync.incidents.causes import describe_cause
from gazelle_sync.runtime import logs as log
from gazelle_sync.settings import Settings

ASSET = "shop"
MAX_RUNTIME_TAG = "dagster/max_runtime"
LONGEST_SHARD_S = 3600
WRITE_EVERY_S = 3.0
QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
"""Dagster's own lines stay out of the terminal: they are in the UI."""
COUNTS = ("changed", "errors", "requests", "sent")

REPORTS: dict[str, list[Ended]] = {}
"""Run id → what became of each shop, for the command line, which prints that of the run that it started."""

shop_partitions = dg.DynamicPartitionsDefinition(name=SHOPS)


class ShardConfig(dg.Config):
    """Whose turn it is."""

    shops: list[str] = Field(description="Names, as the folder has them; those that may take long come last.")
    mode: str = Field(default=FIRST, description="tick, nightly or deep.")
    seconds: float | None = Field(default=None, description="How long each may take; unset: GAZELLE_FLEET_TICK_S.")


class ShopConfig(dg.Config):
    """How much is read of a shop."""

    mode: str = Field(default=FIRST, description="tick: what changed, all where nothing is held. nightly. deep.")


def shard_config(shops: Sequence[str], **more: Any) -> dict[str, Any]:
    """The run config of a shard."""
    return {"ops": {SHARD_OP: {"config": {"shops": list(shops), **more}}}, "loggers": QUIET}


def own_config(mode: str) -> dict[str, Any]:
    """The run config of a run of one shop."""
    return {"ops": {ASSET: {"config": {"mode": mode}}}, "loggers": QUIET}


def shop_asset(work: str = WORK) -> dg.AssetsDefinition:
    """The asset; a partition is a shop.

    Args:
        work: What a shop's process does.
    """

    @dg.asset(
        name=ASSET,
        partitions_def=shop_partitions,
        group_name="fleet",
        kinds={"graphql", "postgres"},
        owners=["team:shop"],
        description="A shop's tables, made equal with its account at Gazelle, and its edits sent. It is materialized "
        "when a run changed something, and every hour; each run stands in the shop's own `sync_logs`.",
    )
    def shop(context: dg.AssetExecutionContext, config: ShopConfig) -> None:
        settings = _begun()
        limits = Limits(settings.fleet_full_s, settings.fleet_memory_mb)
        shops = context.partition_keys
        ended_turns = list(turns(context.instance, settings, shops, context.run.run_id, config.mode, limits, work))
        for name, ended, _ in ended_turns:  # all are remembered before the first that failed ends this
            if ended.cause is not None:
                cause = Cause(ended.cause, ended.number)
                raise failure_of(GazelleSyncError(f"{name}: {describe_cause(cause)}", cause=cause))
            context.add_asset_metadata(numbers_of(ended), partition_key=name)

    return shop


def own_job(asset: dg.AssetsDefinition) -> "dg.UnresolvedAssetJobDefinition":
    """First imports and full runs, each a run of its own."""
    return dg.define_asset_job(
        OWN_JOB,
        selection=dg.AssetSelection.assets(*asset.keys),
        description="A shop's first import, or a full run: one shop a run.",
    )


def shard_job(work: str = WORK) -> dg.JobDefinition:
    """The job that gives up to 25 shops their turn. What goes wrong with a shop is marked there, and fails no run.

    Args:
        work: What a shop's process does.
    """

    @dg.op(name=SHARD_OP, out={})
    def give_turns(context: dg.OpExecutionContext, config: ShardConfig) -> Iterator[dg.AssetMaterialization]:
        settings = _begun()
        limits = Limits(config.seconds or settings.fleet_tick_s, settings.fleet_memory_mb)
        for name, ended, told in turns(
            context.instance, settings, config.shops, context.run_id, config.mode, limits, work
        ):
            REPORTS.setdefault(context.run_id, []).append(ended)
            if ended.cause is not None:
                context.log.warning(f"{name}: {describe_cause(Cause(ended.cause, ended.number))}")
            elif told:
                yield dg.AssetMaterialization(asset_key=ASSET, partition=name, metadata=numbers_of(ended))

    @dg.job(
        name=SHARD_JOB,
        executor_def=dg.in_process_executor,
        description="The turn of some shops, a process each. A shop that fails stops no other and fails no run.",
        tags={MAX_RUNTIME_TAG: str(LONGEST_SHARD_S)},
    )
    def tick_shops() -> None:
        give_turns()

    return tick_shops


def turns(
    instance: dg.DagsterInstance,
    settings: Settings,
    shops: Sequence[str],
    run_id: str,
    mode: str,
    limits: Limits,
    work: str = WORK,
) -> Iterator[tuple[str, Ended, bool]]:
    """Run some shops, and remember what became of each.

    Args:
        instance: That remembers it.
        settings: Of the fleet.
        shops: Names. One whose file is gone is left out.
        run_id: Of the Dagster run.
        mode: `tick`, `nightly` or `deep`.
        limits: Of each.
        work: What a shop's process does.

    Yields:
        Shop, what became of it, and whether Dagster is to be told of it.
    """
    states = read_states(instance, shops)
    options = {"run_id": run_id, "mode": mode}
    paths = paths_of(settings.fleet_dir, shops)
    tasks = [task_of(settings, shop, path, limits, options, work=work) for shop, path in paths.items()]
    new: dict[str, ShopState] = {}
    written_at = monotonic()
    try:
        for ended in run_children(tasks, settings.fleet_at_once):
            if ended.cause == REMOVED:
                continue
            now = datetime.now(UTC)
            result = ended.result or {}
            ended.cause, ended.number = ended.cause or result.get("cause"), ended.number or result.get("number")
            cause = Cause(ended.cause, ended.number) if ended.cause else None
            began_at = now - timedelta(seconds=ended.seconds)
            if result.get("is_skipped"):  # another pull of it is running, which will say how it ended
                new[ended.shop] = msgspec.structs.replace(states[ended.shop], began_at=began_at, run_id=run_id)
                yield ended.shop, ended, False
                continue
            state = after(states[ended.shop], run_id, mode, began_at, now, cause)
            told = cause is None and is_to_be_told(state, int(result.get("changed", 0)), now)
            new[ended.shop] = msgspec.structs.replace(state, materialized_at=now) if told else state
            yield ended.shop, ended, told
            if monotonic() - written_at >= WRITE_EVERY_S:
                write_states(instance, new)
                new, written_at = {}, monotonic()
    finally:
        write_states(instance, new)


def numbers_of(ended: Ended) -> Mapping[str, int | float]:
    """What Dagster is told of a shop's run."""
    result = ended.result or {}
    return {"seconds": ended.seconds, **{name: result[name] for name in COUNTS if result.get(name)}}


def _begun() -> Settings:
    settings = Settings.load()
    log.configure_once(settings)
    return settings
