"""The browser of the slow lane: Debian's Chromium, driven by Playwright, and a shop for the length of a module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gazelle_sync_tests.conftest import Databases, as_invented
from gazelle_sync_tests.support.browsing import AXE, CHROMIUM
from gazelle_sync_tests.support.sandbox import RunningSandbox
from gazelle_sync_tests.support.shop import Shop


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a window; where none can be had, the tests that need one are skipped with the reason."""
    from gazelle_sync_tests.slow.test_servers import lacks  # a test module: this one is read before any

    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        lacks("Playwright")
    if CHROMIUM is None:
        lacks("Chromium")
    if not AXE.exists():
        lacks("axe-core")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def open_shop(
    pulled_template: str, databases: Databases, worker_sandbox: RunningSandbox, tmp_path_factory: Any
) -> Iterator[Shop]:
    """A shop that was pulled once, for the length of the module."""
    with databases.temporary(pulled_template) as url:
        yield Shop.on(url, as_invented(worker_sandbox), tmp_path_factory.mktemp("shop"))
