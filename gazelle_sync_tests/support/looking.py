"""Lets checks look at a shop of the tests, without Dagster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gazelle_sync.quality.context import Circumstances
from gazelle_sync.quality.finding import Finding
from gazelle_sync.quality.registry import CHECKS, look
from gazelle_sync_tests.support.shop import Shop


def look_at(shop: Shop, name: str, *, language: str = "en", **circumstances: Any) -> Finding:
    """What one check finds."""
    with Circumstances(replace(shop.settings, language=language), **circumstances) as given:
        return look(CHECKS[name], given)


def assert_passes(shop: Shop, name: str, **circumstances: Any) -> Finding:
    """The finding of a check that must pass, and that looked at something."""
    found = look_at(shop, name, **circumstances)
    assert found.passed, found
    return found
