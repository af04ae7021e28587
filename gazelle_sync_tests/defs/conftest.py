"""What the tests of Dagster stand on: our definitions, an instance, and an environment that names the shop."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from gazelle_sync.definitions import build_defs
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.commands import log_plainly
from gazelle_sync_tests.support.dagster_storage import dagster_on
from gazelle_sync_tests.support.shop import Shop


@pytest.fixture(scope="session")
def definitions() -> dg.Definitions:
    return build_defs()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(scope="module")
def _reused_instance(databases: Databases, dagster_template: str) -> Iterator[dg.DagsterInstance]:
    with databases.temporary(dagster_template) as url, dagster_on(url) as instance:
        yield instance


@pytest.fixture
def findable_instance(_reused_instance: dg.DagsterInstance) -> Iterator[dg.DagsterInstance]:
    """One that schedules and sensors find again by its reference, without a run: making one takes seconds."""
    yield _reused_instance
    _reused_instance.wipe()


@pytest.fixture
def set_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """A clean place to read settings from; the log that a run configures ends with the test."""
    monkeypatch.chdir(tmp_path)
    yield monkeypatch
    logger = logging.getLogger("gazelle_sync")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    log_plainly()


@pytest.fixture
def named_shop(shop: Shop, set_environment: pytest.MonkeyPatch) -> Shop:
    """A shop that was pulled once, named by the environment."""
    return _named(shop, set_environment)


@pytest.fixture
def named_new_shop(new_shop: Shop, set_environment: pytest.MonkeyPatch) -> Shop:
    """A shop that was never pulled, named by the environment."""
    return _named(new_shop, set_environment)


def _named(shop: Shop, set_environment: pytest.MonkeyPatch) -> Shop:
    for variable, value in shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=shop.url).items():
        if variable.startswith("GAZELLE_"):
            set_environment.setenv(variable, value)
    return shop
