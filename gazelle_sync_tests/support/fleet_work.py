"""Work of shops that tests and benchmarks give a fork server."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gazelle_sync.fleet.work import preload as preload  # by this name the fork server asks for it
from gazelle_sync.fleet.work import work
from gazelle_sync.settings import Settings


def nothing(_settings: Settings, _options: Mapping[str, Any]) -> dict[str, Any]:
    """A pull that does nothing."""
    return {}


def imports(settings: Settings, options: Mapping[str, Any]) -> dict[str, Any]:
    """A turn, and what it imported."""
    before = set(sys.modules)
    return {**work(settings, options), "imported": sorted(sys.modules.keys() - before)}


def look_around(settings: Settings, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a child can see; it ends when somebody has looked at it."""
    wait(settings, options)
    return {
        "token": settings.api_token,
        "variables": dict(os.environ),
        "inherited": Path("/proc/self/environ").read_bytes().decode(errors="replace"),
    }


def hang(_settings: Settings, _options: Mapping[str, Any]) -> dict[str, Any]:
    """Never end, and hear no signal."""
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            continue


def wait(_settings: Settings, options: Mapping[str, Any]) -> dict[str, Any]:
    """End when a file is there."""
    began = Path(options["began"])
    began.with_suffix(".part").write_text(str(os.getpid()), encoding="ascii")
    began.with_suffix(".part").replace(began)
    while not Path(options["until"]).exists():
        time.sleep(0.01)
    return {}


def eat(_settings: Settings, _options: Mapping[str, Any]) -> dict[str, Any]:
    """Take memory until there is no more."""
    held = []
    while True:
        held.append(bytearray(os.urandom(1)) * 1_000_000)


def die(_settings: Settings, _options: Mapping[str, Any]) -> dict[str, Any]:
    """End without a word."""
    os._exit(3)


def fail(_settings: Settings, _options: Mapping[str, Any]) -> dict[str, Any]:
    """A fault of ours."""
    raise RuntimeError("a client's name")


def note(_settings: Settings, options: Mapping[str, Any]) -> dict[str, Any]:
    """Write down why the child before this one was killed."""
    Path(options["note"]).write_text(f"{options['cause']}", encoding="utf-8")
    return {}
