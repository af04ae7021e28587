"""The Dagster UI in a real browser, as a person uses it: buttons, dialogs, and what its pages then say of the shop."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gazelle_sync.defs.push.jobs import PUSH_JOB
from gazelle_sync.montreal import montreal_day
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.defs.test_up import Up
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("a browser has to be installed, and all of Dagster starts")

SCREEN = {"width": 1280, "height": 900}
LONGEST_MS = 120_000
"""A page and a run take seconds; a busy machine takes its time."""
ONCE_A_YEAR = "0 0 1 1 *"
"""A tick that began between two clicks would do what the second one is for."""
ENDED = re.compile("^(Success|Failure|Canceled)$")


@pytest.fixture(scope="module")
def shop(open_shop: Shop) -> Shop:
    """One for all: its `up` takes longer to start than any of these tests."""
    return open_shop


@pytest.fixture(scope="module")
def up(browser: Any, shop: Shop, databases: Databases, tmp_path_factory: Any) -> Iterator[Up]:
    """One `gazelle-sync up` for all; it is not started where there is no browser."""
    place = tmp_path_factory.mktemp("up")
    with databases.temporary("template1") as storage:
        running = Up(
            place / "home",
            place / "up.out",
            GAZELLE_DATABASE_URL=shop.url,
            GAZELLE_DAGSTER_POSTGRES_URL=storage,
            GAZELLE_API_URL=shop.sandbox.url,
            GAZELLE_API_TOKEN=shop.sandbox.api_key,
            GAZELLE_TICK_SCHEDULE=ONCE_A_YEAR,
        )
        try:
            yield running
        finally:
            running.end()


@pytest.fixture
def page(browser: Any, up: Up) -> Iterator[Any]:
    """A window on the UI; what its scripts could not do fails the test."""
    context = browser.new_context(base_url=f"http://127.0.0.1:{up.port}", viewport=SCREEN)
    context.set_default_timeout(LONGEST_MS)
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert broken == []


def button(place: Any, name: str) -> Any:
    """A button by the whole of its text: its icon has a name too, which Playwright counts as part of the button's."""
    return place.locator("button").filter(has_text=re.compile(f"^{name}$")).first


@contextmanager
def partitions_dialog(page: Any, asset: str) -> Iterator[Any]:
    """The dialog that Materialize opens on an asset's page; what was chosen in it is launched, and then looked at."""
    page.goto(f"/assets/{asset}")
    button(page, "Materialize…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").first.wait_for()
    yield dialog
    button(dialog, "Launch .*").click()
    view_what_was_launched(page)


def view_what_was_launched(page: Any) -> None:
    """Follow the notice of a launch to the run, or to the backfill."""
    page.get_by_text(re.compile("^View( details)?$")).last.click()
    page.wait_for_url("**/runs/**")


def end_of_the_run(page: Any) -> str:
    """What the page of a run says when it has ended."""
    said = page.get_by_text(ENDED).first
    said.wait_for()
    return str(said.inner_text())


def materialize_today(page: Any, asset: str) -> str:
    with partitions_dialog(page, asset) as dialog:
        button(dialog, "Latest").click()
        dialog.get_by_text("1 partition", exact=True).wait_for()
    return end_of_the_run(page)


def test_one_table_is_materialized_from_its_own_page(page: Any, shop: Shop) -> None:
    piano = shop.admin.dump("pianos")[0]["id"]
    shop.admin.edit("pianos", piano, notes="Lu d'un clic")
    assert materialize_today(page, "staging_pianos") == "Success"
    held = "SELECT notes FROM gazelle_pianos WHERE external_id = %s"
    assert shop.value(held, piano) != "Lu d'un clic", "what is only staged waits"
    assert materialize_today(page, "gazelle_pianos") == "Success"
    assert shop.value(held, piano) == "Lu d'un clic"


def test_five_days_are_backfilled_in_one_run(page: Any, shop: Shop) -> None:
    last = montreal_day(datetime.now(UTC)) - timedelta(days=1)
    first = last - timedelta(days=4)
    with partitions_dialog(page, "staging_appointments") as dialog:
        dialog.get_by_role("textbox").first.fill(f"[{first}...{last}]")
        dialog.get_by_role("textbox").first.press("Enter")
        dialog.get_by_text("5 partitions", exact=True).wait_for()
        dialog.get_by_text("Backfills all partitions in a single run.").wait_for()
    page.wait_for_url("**/runs/b/**")
    page.get_by_text("100% completed").wait_for()
    page.get_by_text("Succeeded", exact=True).first.wait_for()
    said = page.inner_text("body")
    assert re.search(r"100% completed\s+5\s+0\s+5\s+0", said), "targeted, in progress, succeeded, failed"
    assert shop.query("SELECT status FROM sync_logs WHERE mode = 'backfill'") == [("success",)], "one run for all five"


def test_a_failed_check_says_on_its_page_what_is_wrong_with_which_rows_and_what_to_do(page: Any, shop: Shop) -> None:
    (appointment,) = shop.query(
        "SELECT external_id, start_at FROM gazelle_appointments WHERE deleted_at IS NULL ORDER BY 1 LIMIT 1"
    )
    shop.query("UPDATE gazelle_appointments SET start_at = start_at + interval '5 hours' WHERE external_id = %s",
               appointment[0])  # fmt: skip
    try:
        page.goto("/assets/gazelle_appointments?view=checks")
        page.get_by_text("timezone_instants").first.click()
        button(page, "Execute").click()
        view_what_was_launched(page)
        assert end_of_the_run(page) == "Failure", "it blocks"
        page.goto("/assets/gazelle_appointments?view=checks")
        page.get_by_text("timezone_instants").first.click()
        page.get_by_text("1 of 120 rows shifted by +5 h: UTC read as local time").wait_for()
        said = page.inner_text("body")
        assert "The start of every appointment is, in all its columns, the instant that Gazelle sent." in said
        assert "start_at is not what Gazelle sent" in said
        assert "gazelle-sync replay --only appointments" in said
        page.get_by_text(re.compile("Show Markdown")).first.click()
        assert appointment[0] in page.get_by_role("dialog").inner_text()
    finally:
        shop.query("UPDATE gazelle_appointments SET start_at = %s WHERE external_id = %s", *reversed(appointment))


def test_the_push_job_sends_an_edit_while_its_sensor_is_off(page: Any, shop: Shop) -> None:
    office = EditedShop(shop)
    piano = office.piano()
    page.goto("/locations/gazelle_sync/sensors/push_when_edited")
    switch = page.get_by_role("checkbox")
    switch.first.wait_for(state="attached")
    assert switch.is_checked(), "on by default"
    page.locator("label", has=switch).click()
    page.locator("input[type=checkbox]:not(:checked)").first.wait_for(state="attached")
    office.edit(piano, observations="Envoyé d'un clic")
    page.goto(f"/locations/gazelle_sync/jobs/{PUSH_JOB}")
    button(page, "Materialize all").click()
    # This shop was pulled outside of Dagster, which warns that it knows nothing of the tables that come before.
    button(page.get_by_role("dialog"), "Confirm").click()
    view_what_was_launched(page)
    assert end_of_the_run(page) == "Success"
    (sent,) = [record["notes"] for record in shop.admin.dump("pianos") if record["id"] == piano]
    assert "Envoyé d'un clic" in sent
    assert office.row(piano)["needs_sync"] is False
