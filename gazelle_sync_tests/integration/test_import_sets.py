"""The sets of files that an older system left, as they are: what goes in, once and for all."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from gazelle_sync.shop.csv_import.replay import replay_imports
from gazelle_sync_tests.support import old_files as old
from gazelle_sync_tests.support.importing import clients, everything, imported, rejections
from gazelle_sync_tests.support.old_files import table
from gazelle_sync_tests.support.shop import Shop


def test_the_set_of_the_sqlite_system_goes_in_with_its_traps(shop: Shop, tmp_path: Path) -> None:
    found = imported(shop, tmp_path / "a", old.sqlite_set())
    assert {name: one.counts["imported"] for name, one in found.items()} == {
        "Clients.csv": 2, "Contacts.csv": 1, "Pianos.csv": 1, "Products.csv": 2, "Inventory.csv": 2, "Invoices.csv": 1,
        "InvoiceItems.csv": 1, "Appointments.csv": 1, "TimelineEntries.csv": 1,
    }  # fmt: skip
    assert list(rejections(found["Clients.csv"])) == [4], "nobody gets an invented name"
    assert "clients 99" in rejections(found["Pianos.csv"])[3]
    client = shop.row("gazelle_clients", "v4_clients_1")
    assert (client["company_name"], client["tags"], client["gazelle_tags"]) == ("Salle Wilfrid", ["salle", "vip"], None)
    assert shop.row("gazelle_pianos", "v4_pianos_1")["client_external_id"] == "v4_clients_1"
    invoice = shop.row("gazelle_invoices", "v4_invoices_1")
    assert (invoice["total"], invoice["number"], invoice["invoice_date"]) == (Decimal("1114.98"), 101, date(2021, 5, 6))
    assert shop.row("gazelle_invoice_items", "v4_invoice_items_1")["amount"] == 100
    visit = shop.row("gazelle_appointments", "v4_appointments_1")
    assert visit["start_at"] == datetime(2021, 7, 1, 13, tzinfo=UTC), "the wall clock of Montreal"
    entry = shop.row("gazelle_timeline_entries", "v4_timeline_entries_1")
    assert (entry["occurred_at"], entry["description"]) == (datetime(2020, 6, 18, 16, tzinfo=UTC), "Usé")
    rows = {row["name_fr"]: row for row in shop.rows("shop_products")}
    assert (rows["Corde no 12"]["sku"], rows["Corde no 12"]["unit_cost"]) == ("CO-12", Decimal("1.25"))
    assert (rows["Feutre"]["sku"], rows["Feutre"]["retail_price"], rows["Feutre"]["active"]) == (
        "v4_products_2", 100, False,
    )  # fmt: skip
    assert not any(row["needs_sync"] for row in rows.values())
    assert shop.count("push_state") == 0
    stock = shop.query("SELECT quantity, reorder_threshold FROM inventory_stock ORDER BY shop_product_id")
    assert stock == [(7, 2), (0, None)]


def test_the_set_of_the_server_system_meets_the_products_that_are_there(shop: Shop, tmp_path: Path) -> None:
    imported(shop, tmp_path / "a", old.sqlite_set())
    found = imported(shop, tmp_path / "b", old.sqlserver_set())
    assert found["products.csv"].counts["merged"] == 1
    (row,) = shop.rows("shop_products", "name_en IS NOT NULL")
    assert (row["name_fr"], row["name_en"], row["category"]) == ("Cheville", "Tuning pin 2", "Chevilles")
    assert (row["has_commission"], row["commission_rate"]) == (True, 15)
    quantity = "SELECT quantity FROM inventory_stock WHERE shop_product_id = %s"
    assert shop.value(quantity, row["id"]) == 9, "history first, then what was counted"
    moves = shop.query("SELECT kind, delta FROM inventory_movements WHERE shop_product_id = %s ORDER BY id", row["id"])
    assert moves == [("consumption", -2), ("purchase", 12), ("count", -1)]


def test_a_second_import_of_the_same_files_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    for name, files_of in (("a", old.sqlite_set()), ("b", old.sqlserver_set())):
        first = imported(shop, tmp_path / name, files_of)
        before = everything(shop)
        again = imported(shop, tmp_path / name, files_of)
        assert everything(shop) == before
        for file, one in again.items():
            assert one.counts["imported"] == 0
            assert one.counts["rejected"] == first[file].counts["rejected"]
    renamed = {f"copie de {name}": data for name, data in old.sqlite_set().items()}
    imported(shop, tmp_path / "c", renamed)
    assert everything(shop) == before, "a row is known by what it says, not by its place"


def test_a_dry_run_says_the_same_and_keeps_nothing(shop: Shop, tmp_path: Path) -> None:
    before = everything(shop), shop.count("import_runs")
    told = imported(shop, tmp_path / "a", old.sqlite_set(), is_dry_run=True)
    assert (everything(shop), shop.count("import_runs")) == before
    done = imported(shop, tmp_path / "a", old.sqlite_set())
    assert [one.as_json() for one in told.values()] == [one.as_json() for one in done.values()]


def test_a_row_that_is_put_right_goes_in_and_a_changed_one_changes_its_record(new_shop: Shop, tmp_path: Path) -> None:
    first = clients({"Id": 1, "CompanyName": "Ecole"}, {"Id": 2, "CompanyName": ""})
    imported(new_shop, tmp_path / "a", {"c.csv": first})
    (one,) = imported(
        new_shop, tmp_path / "a", {"c.csv": clients({"Id": 1, "CompanyName": "École"}, {"Id": 2, "CompanyName": "B"})}
    ).values()
    assert one.counts == {"imported": 1, "merged": 1, "rejected": 0, "skipped": 0}
    assert [row["company_name"] for row in new_shop.rows("gazelle_clients")] == ["École", "B"]


def test_alerts_are_those_of_the_client_that_the_mapping_names(shop: Shop, tmp_path: Path) -> None:
    name = "Conservatoire du Nord"
    found = imported(
        shop,
        tmp_path / "a",
        {
            "Clients.csv": clients({"Id": 1, "CompanyName": "Premier"}, {"Id": 2, "CompanyName": name}),
            "MaintenanceAlerts.csv": table(
                old.ALERTS,
                [
                    {
                        "Id": 8,
                        "ClientId": 1,
                        "DateObservation": "15/03/2024",
                        "AlertType": "Réservoir",
                        "IsResolved": 1,
                    },
                    {"Id": 9, "ClientId": 1, "DateObservation": "2024-04-01", "AlertType": "housse", "Archived": 0},
                    {"Id": 10, "ClientId": 1, "DateObservation": "2024-04-01", "AlertType": "mystère"},
                ],
            ),
            "MaintenanceAlerts_ClientMapping.csv": table(
                old.ALERT_CLIENTS,
                [
                    {"AlertId_Original": 8, "ClientCompanyName": f"{name}, son historique"},
                    {"AlertId_Original": 9, "ClientCompanyName": "Conservatoire du Norde"},
                ],
            ),
        },
    )
    assert found["MaintenanceAlerts_ClientMapping.csv"].counts["merged"] == 1
    rows = {row["external_id"]: row for row in shop.rows("maintenance_alerts")}
    resolved, cover = rows["v4_maintenance_alerts_8"], rows["v4_maintenance_alerts_9"]
    assert (resolved["client_external_id"], resolved["alert_type"]) == ("v4_clients_2", "reservoir")
    assert (resolved["status"], resolved["date_observation"]) == ("resolved", date(2024, 3, 15))
    assert (cover["client_external_id"], cover["status"]) == ("v4_clients_1", "open")
    assert "mystère" in rejections(found["MaintenanceAlerts.csv"])[4]


def test_columns_that_only_refer_to_a_client_name_it(shop: Shop, tmp_path: Path) -> None:
    found = imported(
        shop,
        tmp_path / "a",
        {
            "Clients.csv": clients(
                {"Id": 1, "CompanyName": "Salle du Lac"}, {"Id": 2, "CompanyName": "Deux fois"},
                {"Id": 3, "CompanyName": "Deux fois"},
            ),
            "MaintenanceAlerts.csv": table(
                old.ALERTS.replace(" ClientId ", " ClientId_Reference "),
                [{"Id": 1, "ClientId_Reference": 1, "DateObservation": "2024-04-01", "AlertType": "housse"}],
            ),
            "Invoices.csv": table(
                old.INVOICES.replace(" ClientId ", " ClientCompanyName_Reference "),
                [
                    {"Id": 1, "ClientCompanyName_Reference": "SALLE DU LAC, son historique", "Number": "9"},
                    {"Id": 2, "ClientCompanyName_Reference": "Deux fois", "Number": "10"},
                    {"Id": 3, "ClientCompanyName_Reference": "Personne", "Number": "11"},
                    {"Id": 4, "Number": "12"},
                ],
            ),
        },
    )  # fmt: skip
    assert shop.row("maintenance_alerts", "v4_maintenance_alerts_1")["client_external_id"] == "v4_clients_1"
    assert shop.row("gazelle_invoices", "v4_invoices_1")["client_external_id"] == "v4_clients_1"
    why = rejections(found["Invoices.csv"])
    assert ("v4_clients_2, v4_clients_3" in why[3], "Personne" in why[4], list(why)) == (True, True, [3, 4, 5])
    shop.query("DELETE FROM gazelle_invoices WHERE external_id LIKE 'v4_%'")
    replay_imports(shop.settings)
    assert shop.row("gazelle_invoices", "v4_invoices_1")["client_external_id"] == "v4_clients_1"


def test_a_schools_sheet_matches_the_pianos_of_a_client(shop: Shop, tmp_path: Path) -> None:
    piano = shop.rows("gazelle_pianos", "serial_number IS NOT NULL AND deleted_at IS NULL")[0]
    sheet = table(
        old.SCHOOL,
        [
            {
                "Local": "B-204",
                "Marque": piano["make"],
                "Numéro de série": f" {piano['serial_number']} ",
                "Notes": "ok",
            },
            {"Local": "B-205", "Marque": "", "Numéro de série": "B-205"},
            {"Local": "B-206", "Marque": piano["make"], "Numéro de série": piano["serial_number"]},
            {},
        ],
        encoding="utf-8-sig",
        newline="\r\n",
    )
    found = imported(shop, tmp_path / "a", {"ecole.csv": sheet}, client=piano["client_external_id"])["ecole.csv"]
    assert (found.source, found.counts) == ("school", {"imported": 0, "merged": 1, "rejected": 2, "skipped": 1})
    assert list(rejections(found)) == [3, 4]
    assert shop.value("SELECT raw_data ->> 'Notes' FROM staging_import WHERE outcome = 'merged'") == "ok"
    (nobodys,) = imported(shop, tmp_path / "a", {"ecole.csv": sheet}).values()
    assert "--client" in rejections(nobodys)[2]
