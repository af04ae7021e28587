"""An API that refuses pages of 100 inside records is read with smaller ones, which are remembered for a day."""

from __future__ import annotations

import pytest

from gazelle_sync.pull.context import Mode
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Shop


def accepted(shop: Shop) -> str:
    """The sizes that are remembered, and when each was found."""
    return str(shop.value("SELECT value FROM system_settings WHERE key = 'api_page_sizes'"))


@pytest.mark.parametrize("limit", [60, 10])
def test_a_first_pull_from_an_api_that_refuses_large_pages_inside_records_reads_everything(
    new_shop: Shop, limit: int
) -> None:
    new_shop.admin.settings(page_size_limit=limit)
    new_shop.sync(page_size=1000)
    new_shop.admin.settings(page_size_limit=0)
    new_shop.assert_equals_api()
    new_shop.admin.settings(page_size_limit=limit)
    before = accepted(new_shop)
    assert '"nested":' in before
    new_shop.sync(Mode.NIGHTLY, page_size=1000)
    assert accepted(new_shop) == before, "what was accepted is not asked for anew"


def test_a_tick_that_meets_the_refusal_first_reads_what_changed(shop: Shop) -> None:
    for client in shop.admin.dump("clients")[:3]:
        shop.admin.edit("clients", client["id"], personalNotes="Encore")
    shop.admin.settings(page_size_limit=50)
    outcome = shop.sync()
    assert outcome["clients"].errors == 0
    assert shop.count("gazelle_clients", "personal_notes = 'Encore'") == 3
    shop.admin.settings(page_size_limit=0)
    shop.sync(Mode.DEEP)
    shop.assert_equals_api()


@pytest.mark.parametrize("service", ["comment", "event"])
def test_a_push_to_an_api_that_refuses_large_pages_arrives_and_the_size_is_remembered(shop: Shop, service: str) -> None:
    office = EditedShop(shop, service=service)
    shop.admin.settings(page_size_limit=20)
    for place, words in enumerate(("Accordé, 21°C 440 Hz", "Feutres changés")):
        office.edit(office.piano(place), notes=words)
        report = office.push()
        assert report.succeeded, [outcome.failed for outcome in report.outcomes]
        assert report.sent
        assert '"push":{"size":10' in accepted(shop)
