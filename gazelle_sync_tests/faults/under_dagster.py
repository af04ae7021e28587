"""A few runs go through Dagster: what it makes of a failed run is part of what is told."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache

import dagster as dg
import structlog

from gazelle_sync.definitions import build_defs
from gazelle_sync.defs.incidents.sensors import ended_run
from gazelle_sync.defs.sync.jobs import run_config
from gazelle_sync.defs.sync.partitions import range_tags
from gazelle_sync.defs.sync.resources import TICK
from gazelle_sync.incidents.facts import EndedRun
from gazelle_sync.montreal import montreal_day
from gazelle_sync_tests.support.shop import Shop


@cache
def _definitions() -> dg.Definitions:
    return build_defs()


def run_tick(shop: Shop) -> EndedRun:
    """Run the tick's job on an instance of its own; what the sensors would know of it."""
    today = montreal_day(datetime.now(UTC))
    with _named(shop), dg.DagsterInstance.ephemeral() as instance:
        job = _definitions().resolve_job_def(TICK)
        tags = range_tags(today, today)
        result = job.execute_in_process(
            run_config=run_config("tick"), instance=instance, raise_on_error=False, tags=tags
        )
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        return ended_run(instance, run)


@contextmanager
def _named(shop: Shop) -> Iterator[None]:
    """Let the environment name the shop; take back what a run makes of the logs."""
    before, configuration = dict(os.environ), structlog.get_config()
    os.environ.update(shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=shop.url))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        logger = logging.getLogger("gazelle_sync")
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
        structlog.configure(**configuration)
