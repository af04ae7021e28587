"""Lets checks look at a shop of the tests, without Dagster."""

from __future__ import annotations

from typing import Any

from gazelle_sync.quality.context import CheckContext
from gazelle_sync.quality.finding import Finding
from gazelle_sync.quality.registry import CHECKS, evaluate
from gazelle_sync_tests.support.shop import Shop


def look_at(shop: Shop, name: str, *, language: str = "en", **check_context: Any) -> Finding:
    """What one check finds."""
    return evaluate(CHECKS[name], CheckContext(shop.settings.replace(language=language), **check_context))


def assert_passes(shop: Shop, name: str, **check_context: Any) -> Finding:
    """The finding of a check that must pass, and that looked at something."""
    found = look_at(shop, name, **check_context)
    assert found.passed, found
    return found
