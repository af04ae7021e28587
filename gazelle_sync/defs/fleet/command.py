"""Runs some shops in this process, for `gazelle-sync fleet run`, as a run that the UI shows."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from gazelle_sync.defs.fleet.assets import REPORTS, shard_config, shard_job
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.fleet.fork_server import Ended
from gazelle_sync.runtime.signals import interrupts_reraised
from gazelle_sync.settings import Settings


def fleet_instance() -> dg.DagsterInstance:
    """Dagster's instance, as the environment names it: a context manager."""
    return dg.DagsterInstance.get()


def run_shops(settings: Settings, instance: dg.DagsterInstance, shops: Sequence[str], mode: str) -> list[Ended]:
    """Give some shops their turn, in a run of this process.

    Args:
        settings: Of the fleet.
        instance: That shows the run, and remembers the shops.
        shops: Names.
        mode: `tick`, `nightly` or `deep`.

    Raises:
        GazelleSyncError: The run itself failed.
        KeyboardInterrupt: It was stopped.
    """
    # Whoever typed the command waits for it, and it may be a first import: the longer limit holds.
    config = shard_config(shops, mode=mode, seconds=settings.fleet_full_s)
    with interrupts_reraised():
        result = shard_job().execute_in_process(
            instance=instance, run_config=config, raise_on_error=False, tags={"dagster/max_retries": "0"}
        )
    if not result.success:
        failures = [event.step_failure_data for event in result.get_step_failure_events()]
        raise GazelleSyncError("\n".join(one.error_display_string for one in failures))
    return REPORTS.pop(result.run_id, [])
