"""What the fleet remembers of its shops, in Dagster's own database: every host and pod that runs shards sees it.

A shop's own database may be what is gone, so it cannot hold this. A row a shop, which is overwritten: it does not grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import msgspec

from gazelle_sync.fleet.turns import ShopState, busy_shops
from gazelle_sync.settings import Settings

PREFIX = "gazelle_sync/fleet/"
SHOPS = "shops"
"""Name of the partitions."""
SHARD_JOB, SHARD_OP, OWN_JOB = "tick_shops", "give_turns", "sync_shop"
PARTITION_TAG = "dagster/partition"
UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
LONGEST_RUN = timedelta(hours=12)
"""A run that has been waiting for longer was left behind by a process that died."""
SPARE_S = 120.0
"""What a shop may take beyond its time, to roll back and to be told of, and a run to begin."""


def read_states(instance: dg.DagsterInstance, shops: Iterable[str]) -> dict[str, ShopState]:
    """The state of each of some shops; one that has none is new."""
    keys = {f"{PREFIX}{shop}": shop for shop in shops}
    stored = instance.daemon_cursor_storage.get_cursor_values(set(keys)) if keys else {}
    return {shop: _state(stored.get(key)) for key, shop in keys.items()}


def write_states(instance: dg.DagsterInstance, states: Mapping[str, ShopState]) -> None:
    """Remember the states of some shops, in one statement."""
    if states:
        pairs = {f"{PREFIX}{shop}": msgspec.json.encode(state).decode() for shop, state in states.items()}
        instance.daemon_cursor_storage.set_cursor_values(pairs)


def _state(stored: str | None) -> ShopState:
    try:
        return msgspec.json.decode(stored, type=ShopState) if stored else ShopState()
    except msgspec.MsgspecError:
        return ShopState()  # of another version: the shop counts as new, and its next run finds everything held


def shops_of(run: dg.DagsterRun) -> list[str]:
    """The shops that a run was given."""
    if run.job_name == SHARD_JOB:
        return [str(shop) for shop in _config_of(run).get("shops", [])]
    shop = run.tags.get(PARTITION_TAG)
    return [shop] if shop else []


def _config_of(run: dg.DagsterRun) -> Mapping[str, Any]:
    """What a shard was asked for."""
    ops: Mapping[str, Any] = dict(run.run_config).get("ops", {})  # type: ignore[assignment] # JSON
    config: Mapping[str, Any] = ops.get(SHARD_OP, {}).get("config", {})
    return config


def under_way(instance: dg.DagsterInstance, states: Mapping[str, ShopState], now: datetime) -> tuple[set[str], int]:
    """The shops of which a run is under way, and how many runs of one shop there are."""
    runs = [
        record.dagster_run
        for job in (SHARD_JOB, OWN_JOB)
        for record in instance.get_run_records(
            dg.RunsFilter(job_name=job, statuses=UNDER_WAY, created_after=now - LONGEST_RUN)
        )
        if not _is_lost(record, states, now)
    ]
    own = sum(run.job_name == OWN_JOB for run in runs)
    return busy_shops([(run.run_id, shops_of(run)) for run in runs], states), own


def _is_lost(record: dg.RunRecord, states: Mapping[str, ShopState], now: datetime) -> bool:
    """Whether a run's process is gone: no shop of it has ended for longer than any may take."""
    if record.start_time is None:
        return False
    run = record.dagster_run
    ended = [states[shop].ended_at for shop in shops_of(run) if shop in states and states[shop].run_id == run.run_id]
    newest = max([at.timestamp() for at in ended if at is not None] + [record.start_time])
    return now.timestamp() - newest > _longest_s(run) + SPARE_S


def _longest_s(run: dg.DagsterRun) -> float:
    """How long one shop of a run may take, in seconds."""
    settings = Settings.load()
    if run.job_name == OWN_JOB:
        return settings.fleet_full_s
    return float(_config_of(run).get("seconds") or settings.fleet_tick_s)
