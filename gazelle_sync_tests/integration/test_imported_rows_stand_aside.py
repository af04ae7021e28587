"""Rows that only an older system knows (`v4_…`) are outside everything that speaks of Gazelle, in every table."""

from __future__ import annotations

import pytest

from gazelle_sync.entities import ENTITIES
from gazelle_sync.monitoring.status import read_status
from gazelle_sync.pull.context import Mode
from gazelle_sync.pull.replay import WithoutStaging
from gazelle_sync.quality.registry import CHECKS
from gazelle_sync_tests.support.evaluating import look_at
from gazelle_sync_tests.support.pushing import EditedShop
from gazelle_sync_tests.support.shop import Row, Shop

TABLES = [table.name for entity in ENTITIES for table in entity.tables]
OF_NOBODY = """
INSERT INTO gazelle_clients (external_id, company_name, status, tags) VALUES ('v4_clients_1', 'École', 'UNPAID', '{V}');
INSERT INTO gazelle_contacts (external_id, client_external_id) VALUES ('v4_contacts_1', 'v4_clients_1');
INSERT INTO gazelle_locations (external_id, client_external_id, contact_external_id)
VALUES ('v4_locations_1', 'v4_clients_1', 'v4_contacts_1');
INSERT INTO gazelle_pianos (external_id, client_external_id, status) VALUES ('v4_pianos_1', 'v4_clients_1', 'OLD');
INSERT INTO gazelle_piano_measurements (external_id, piano_external_id) VALUES ('v4_measurements_1', 'v4_pianos_1');
INSERT INTO gazelle_invoices (external_id, client_external_id, status)
VALUES ('v4_invoices_1', 'v4_clients_1', 'UNPAID');
INSERT INTO gazelle_invoice_items (external_id, invoice_external_id, sub_total)
VALUES ('v4_invoice_items_1', 'v4_invoices_1', 5);
INSERT INTO gazelle_invoice_payments (external_id, invoice_external_id, amount, status, paid_at)
VALUES ('v4_invoice_payments_1', 'v4_invoices_1', 5, 'SUCCEEDED', now());
INSERT INTO gazelle_taxes (external_id, name, rate, is_active) VALUES ('v4_taxes_1', 'TPS', 7000, true);
INSERT INTO gazelle_appointments (external_id, client_external_id, start_at, title, event_type)
VALUES ('v4_appointments_1', 'v4_clients_1', '2019-01-09T12:00Z', 'à 18h', 'OLD');
INSERT INTO gazelle_appointment_pianos (external_id, appointment_external_id, piano_external_id)
VALUES ('v4_appointments_1:v4_pianos_1', 'v4_appointments_1', 'v4_pianos_1');
INSERT INTO gazelle_timeline_entries (external_id, client_external_id, occurred_at, entry_type)
VALUES ('v4_timeline_entries_1', 'v4_clients_1', now(), 'OLD');
"""
OF_GAZELLES = """
INSERT INTO gazelle_contacts (external_id, client_external_id)
SELECT 'v4_of_' || external_id, external_id FROM gazelle_clients WHERE external_id LIKE 'cli%';
INSERT INTO gazelle_locations (external_id, client_external_id, contact_external_id)
SELECT 'v4_at_' || external_id, external_id, 'v4_of_' || external_id FROM gazelle_clients WHERE external_id LIKE 'cli%';
INSERT INTO gazelle_pianos (external_id, client_external_id)
SELECT 'v4_of_' || external_id, external_id FROM gazelle_clients WHERE external_id LIKE 'cli%';
INSERT INTO gazelle_piano_measurements (external_id, piano_external_id)
SELECT 'v4_of_' || external_id, external_id FROM gazelle_pianos;
INSERT INTO gazelle_invoice_items (external_id, invoice_external_id)
SELECT 'v4_of_' || external_id, external_id FROM gazelle_invoices;
INSERT INTO gazelle_invoice_payments (external_id, invoice_external_id, amount, status, paid_at)
SELECT 'v4_of_' || external_id, external_id, 5, 'SUCCEEDED', now() FROM gazelle_invoices;
INSERT INTO gazelle_timeline_entries (external_id, client_external_id, piano_external_id, occurred_at)
SELECT 'v4_of_' || external_id, client_external_id, external_id, now() - interval '1 day' FROM gazelle_pianos;
"""


def imported(shop: Shop) -> dict[str, list[Row]]:
    return {table: shop.rows(table, "starts_with(external_id, 'v4_')") for table in TABLES}


@pytest.fixture
def mixed(shop: Shop) -> Shop:
    shop.query(OF_NOBODY + OF_GAZELLES)
    return shop


def test_no_pull_and_no_replay_touches_them_counts_them_or_takes_them_for_deleted(mixed: Shop) -> None:
    before = imported(mixed)
    assert all(before[table] for table in TABLES if table not in ("gazelle_users", "gazelle_products"))
    for mode in (Mode.TICK, Mode.NIGHTLY, Mode.DEEP):
        mixed.change_something()
        for record in mixed.admin.dump("clients")[:3]:
            mixed.admin.edit("clients", record["id"], personalNotes=f"Lu de nouveau {mode}")
        outcome = mixed.sync(mode)
        for name, report in outcome.reports.items():
            assert (report.failure, report.deleted, report.errors) == (None, 0, 0), (mode, name)
        assert imported(mixed) == before, mode
        mixed.assert_equals_api()
    for decision in (None, WithoutStaging.DELETE):
        mixed.replay(without_staging=decision)
        assert imported(mixed) == before
    mixed.assert_equals_api()
    mixed.assert_nothing_dangles()


def test_every_check_and_the_status_say_the_same_as_without_them(shop: Shop) -> None:
    shop.sync(Mode.DEEP)
    names = [name for name in CHECKS if name != "timezone_calendar"]
    before = {name: look_at(shop, name) for name in names}
    rows = {row.entity: row for row in read_status(shop.settings)}
    shop.query(OF_NOBODY + OF_GAZELLES)
    for name in names:
        found = look_at(shop, name)
        assert (found.passed, found.examples) == (before[name].passed, before[name].examples), found
    after = {row.entity: row for row in read_status(shop.settings)}
    assert {name: row.light for name, row in after.items()} == {name: row.light for name, row in rows.items()}
    assert {name: row.rows for name, row in after.items()} == {name: row.rows for name, row in rows.items()}


def test_no_edit_of_one_is_pushed_until_gazelle_has_it(new_shop: Shop) -> None:
    office = EditedShop(new_shop)
    piano = office.piano()
    office.edit("v4_pianos_1", notes="Reste ici")
    assert office.push().succeeded
    assert not [request for request in office.shop.rows("sync_gazelle_logs") if request["piano_id"] != piano]
    row = office.row("v4_pianos_1")
    assert (row["needs_sync"], row["sync_error"]) == (True, None)
