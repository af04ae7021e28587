"""The report in a real browser: on a phone and a screen, in both languages, light and dark; where its links lead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gazelle_sync.monitoring.report import write_report
from gazelle_sync_tests.slow.test_desk_in_a_browser import piano_of, technician_of
from gazelle_sync_tests.support.browsing import WAYS, Visitor, Way
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("a browser has to be installed, and starts")

LONG = "Une note très longue, sans fin : " + "accord" * 60


@pytest.fixture(scope="module")
def shop(open_shop: Shop) -> Shop:
    """A shop in which something is wrong, in each part of the report, with words that are too long for a phone."""
    shop, piano = open_shop, piano_of(open_shop)
    shop.query(
        "INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes, sync_error) VALUES (%s, 'x', %s)", piano, LONG
    )
    shop.query(
        "INSERT INTO sync_conflicts (entity, external_id, field, base, ours, theirs, winner) "
        "VALUES ('pianos', %s, 'notes', 'avant', %s, '<b>là-bas</b>', 'ours')", piano, LONG,
    )  # fmt: skip
    product = shop.value("INSERT INTO shop_products (sku, name_fr) VALUES ('FEUTRE', 'Feutre') RETURNING id")
    shop.query("INSERT INTO inventory_movements (shop_product_id, technician_external_id, delta, kind) "
               "VALUES (%s, %s, 3, 'count')", product, technician_of(shop))  # fmt: skip
    shop.query("UPDATE inventory_stock SET reorder_threshold = 4")
    shop.query("UPDATE gazelle_appointments SET title = %s WHERE start_at > now()", LONG)
    shop.query(
        "INSERT INTO alert_log (occurrence, kind, rule, subjects, severity, title, text, run_id, recipient, status) "
        "VALUES (gen_random_uuid(), 'alert', 'failed_check', '{timezone_instants}', 'error', 'x', 'x', 'r', 'log', "
        "'logged')"
    )
    shop.query("INSERT INTO system_settings (key, value) VALUES ('verified', %s)",
               '{"clients": {"held_at": "2026-01-02T03:04:05Z", "wrong": 3}}')  # fmt: skip
    return shop


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_report_is_accessible_fits_the_window_and_its_links_lead_somewhere(
    browser: Any, shop: Shop, tmp_path: Path, way: Way
) -> None:
    path = tmp_path / "report.html"
    write_report(shop.settings.replace(language=way.language), path)
    context = browser.new_context(viewport=way.viewport, color_scheme=way.scheme)
    try:
        visitor = Visitor(context.new_page(), way)
        page = visitor.page
        page.goto(path.as_uri())
        visitor.assert_fine()
        assert page.evaluate("document.documentElement.lang") == way.language
        anchors = page.locator("nav a")
        assert anchors.count() >= 7
        for place in range(anchors.count()):
            anchors.nth(place).click()
            target = page.url.partition("#")[2]
            assert page.locator(f"#{target} h2").is_visible()
        links = page.locator("a:not([href^='#'])").all()
        assert [link.get_attribute("href") for link in links] == [f"{shop.settings.ui_url}/runs/r"]
        assert "<b>là-bas</b>" in page.inner_text("#conflicts")
    finally:
        context.close()
