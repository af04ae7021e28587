"""Records go by what people call them: make, serial number and client beside the id; and are found by it."""

from __future__ import annotations

import pytest

from gazelle_sync.errors import SettingsError
from gazelle_sync.push.conflicts import open_conflicts
from gazelle_sync.push.names import ids_of
from gazelle_sync.push.render import render_conflicts, render_preview, render_report, render_waiting
from gazelle_sync.push.session import preview
from gazelle_sync.push.status import read_waiting
from gazelle_sync.warehouse.names import read_names
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Shop

NAMED = {"make": "Yamaha", "model": "C3", "serialNumber": "J123456"}


@pytest.fixture
def office(new_shop: Shop) -> EditedShop:
    """On one transport: names know nothing of them."""
    return EditedShop(new_shop)


def pulled(office: EditedShop, *places: int) -> list[str]:
    """Pianos with a make and a serial number, as a pull has read them."""
    pianos = [office.piano(place, tags=["GRAND", "TOP"], **NAMED) for place in places]
    office.shop.sync(only=["users", "clients", "pianos"])
    return pianos


def test_a_piano_goes_by_its_make_serial_number_and_client_wherever_its_id_is_told(office: EditedShop) -> None:
    (piano,) = pulled(office, 0)
    settings = office.shop.settings
    client = office.shop.row("gazelle_clients", office.record(piano)["clientId"])["display_name"]
    called = f"{piano} (Yamaha C3 J123456, {client})"

    def names(keys: object) -> dict[str, str]:
        return read_names(settings, keys)  # type: ignore[arg-type]

    office.edit(piano, status="top")
    assert office.push().succeeded
    office.shop.admin.edit("pianos", piano, tags=["GRAND", "NORMAL"], touch="2026-01-02T00:00:00Z")
    office.edit(piano, status="problematic", notes="Accordé")
    assert called in render_preview("en", preview(settings, keys=None), names)[0]
    assert called in render_waiting("en", read_waiting(settings), names=names)
    assert called in render_report("en", office.push(), names)
    assert called in render_conflicts("en", open_conflicts(settings), names)
    assert read_names(settings, ["pno_nowhere"]) == {}


def test_a_record_is_meant_by_its_id_with_blanks_or_its_serial_number_and_several_are_named(office: EditedShop) -> None:
    (piano,) = pulled(office, 0)
    settings = office.shop.settings
    assert ids_of(settings, [f" {piano}\u00a0", "j123456 ", "pno_nowhere"]) == [piano, piano, "pno_nowhere"]
    assert ids_of(settings, []) is None
    twin = pulled(office, 1)[0]
    with pytest.raises(SettingsError, match="name the one that is meant by its id") as refused:
        ids_of(settings, ["J123456"])
    assert all(one in str(refused.value) for one in (piano, twin))
