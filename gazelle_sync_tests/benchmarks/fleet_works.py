"""Fleets whose shops do something else than a turn: that work, and definitions with it, as a code location."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gazelle_sync.fleet.work import begin
from gazelle_sync.fleet.work import preload as preload  # by this name the fork server asks for it
from gazelle_sync.fleet.work import work as real_work
from gazelle_sync.pull.session import Pull
from gazelle_sync.settings import Settings
from gazelle_sync.warehouse.pool import keep_connections
from gazelle_sync_tests.support.fleet_work import eat

TURNS = "turns.txt"
WORK = f"{__name__}:"


def nothing(settings: Settings, _options: Mapping[str, Any]) -> dict[str, Any]:
    """A pull that does nothing; a line of the home's file says when."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / TURNS).open("a", encoding="ascii") as turns:
        turns.write(f"{time.time()}\n")
    return {}


def trouble(settings: Settings, options: Mapping[str, Any]) -> dict[str, Any]:
    """A turn, but for the shop that eats memory."""
    return eat(settings, options) if settings.shop == "eats" else real_work(settings, options)


def pull_alone(settings: Settings, options: Mapping[str, Any]) -> dict[str, Any]:
    """A tick's pull and nothing else; its processor seconds, as a warm process has them."""
    begin(settings)
    begun = time.process_time()
    with keep_connections(), Pull(settings, run_id=str(options["run_id"]), lock_wait_s=60) as pull:
        for entity in pull.entities:
            pull.stage(entity.name)
            pull.apply(entity.name)
    return {"cpu_s": time.process_time() - begun}


def times_in(home: Path) -> list[float]:
    """When a shop of `nothing` had its turns, in seconds of the epoch."""
    path = home / TURNS
    return [float(line) for line in path.read_text(encoding="ascii").splitlines()] if path.exists() else []


if work := os.environ.get("FLEET_WORK"):  # a child imports this module as well, and has no use for Dagster
    from gazelle_sync.defs.fleet.definitions import build_fleet_defs

    defs = build_fleet_defs(work)
