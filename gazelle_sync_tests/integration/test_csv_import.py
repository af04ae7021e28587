"""An import of an older system's files: what goes in, what does not and why, once and for all."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gazelle_sync.errors import DatabaseFull, GazelleSyncError
from gazelle_sync.pull.context import Mode
from gazelle_sync.shop.csv_import import chunks, files
from gazelle_sync.shop.csv_import.outcomes import FileOutcome, Outcome
from gazelle_sync.shop.csv_import.replay import replay_imports
from gazelle_sync.shop.csv_import.report import render_html, render_text
from gazelle_sync.shop.csv_import.session import (
    AnotherImportRunning,
    ImportLock,
    NothingToImport,
    Request,
    run_import,
)
from gazelle_sync_tests.support import old_files as old
from gazelle_sync_tests.support.old_files import table, write
from gazelle_sync_tests.support.processes import Person
from gazelle_sync_tests.support.shop import Shop

COUNTED = (
    "gazelle_clients", "gazelle_contacts", "gazelle_pianos", "gazelle_invoices", "gazelle_invoice_items",
    "gazelle_appointments", "gazelle_timeline_entries", "shop_products", "inventory_movements", "inventory_stock",
    "maintenance_alerts", "staging_import", "push_state",
)  # fmt: skip


def imported(shop: Shop, folder: Path, found: Mapping[str, bytes], **request: Any) -> dict[str, FileOutcome]:
    outcome = run_import(shop.settings, Request(write(folder, found), **request))
    check_sums(outcome)
    return {one.file: one for one in outcome.files}


def check_sums(outcome: Outcome) -> None:
    for one in outcome.files:
        told = one.as_json()
        assert told["rows"] == sum(told[name] for name in ("imported", "merged", "rejected", "skipped"))
        assert len(told["rejections"]) == told["rejected"]


def rejections(one: FileOutcome) -> dict[int, str]:
    return {line.line: line.reason for line in one.lines if line.outcome == "rejected"}


def everything(shop: Shop) -> dict[str, Any]:
    return {name: sorted(shop.query(f"SELECT to_jsonb(t)::text FROM {name} AS t")) for name in COUNTED}  # noqa: S608


def clients(*rows: Mapping[str, object]) -> bytes:
    return table(old.CLIENTS, rows)


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


def test_what_gazelle_knows_keeps_its_id_and_its_columns(shop: Shop, tmp_path: Path) -> None:
    known = next(row for row in shop.admin.dump("clients") if shop.row("gazelle_clients", row["id"])["email"])
    before = shop.row("gazelle_clients", known["id"])
    piano = next(row for row in shop.rows("gazelle_pianos", "length(serial_number) >= 5 AND make IS NOT NULL"))
    found = imported(
        shop,
        tmp_path / "a",
        {
            "c.csv": clients(
                {"Id": 1, "CompanyName": "Autre nom", "ExternalId": known["id"], "Phone": "1"},
                {"Id": 2, "CompanyName": "Autre", "Email": str(before["email"]).upper()},
                {"Id": 3, "CompanyName": "Inconnu de Gazelle", "ExternalId": "cli_nullepart"},
            ),
            "p.csv": table(
                old.PIANOS,
                [
                    {
                        "Id": 5,
                        "ClientId": 1,
                        "Make": str(piano["make"]).upper(),
                        "SerialNumber": piano["serial_number"],
                    },
                    {"Id": "pno_abc", "ClientId": 3, "Make": "Heintzman", "SerialNumber": "B-204"},
                ],
            ),
        },
    )
    assert [one.counts["merged"] for one in found.values()] == [2, 1]
    assert shop.row("gazelle_clients", known["id"]) == before
    assert shop.row("gazelle_pianos", piano["external_id"]) == piano
    assert shop.row("gazelle_pianos", "v4_pianos_pno_abc")["client_external_id"] == "v4_clients_3"
    merged = shop.query("SELECT external_id FROM staging_import WHERE outcome = 'merged' ORDER BY entity, line")
    assert merged == [(known["id"],), (known["id"],), (piano["external_id"],)]


def test_a_key_that_several_have_matches_none_and_says_so(shop: Shop, tmp_path: Path) -> None:
    shop.query("UPDATE gazelle_pianos SET make = 'Yamaha', serial_number = '778899' WHERE id IN (1, 2)")
    row = {
        "Id": 1,
        "ClientId": shop.rows("gazelle_clients")[0]["external_id"],
        "Make": "Yamaha",
        "SerialNumber": "778899",
    }
    (one,) = imported(shop, tmp_path / "a", {"p.csv": table(old.PIANOS, [row])}).values()
    assert one.counts["imported"] == 1
    assert "several" in one.lines[0].reason


def timeline_rows(shop: Shop) -> tuple[list[dict[str, object]], dict[str, Any]]:
    """Two entries of an export, and Gazelle's own entry that the first of them is the twin of."""
    own = shop.rows(
        "gazelle_timeline_entries",
        "external_id LIKE 'tme%' AND length(description) > 5 AND piano_external_id IS NOT NULL "
        "AND duplicate_of IS NULL AND client_external_id IS NOT NULL",
    )[0]
    same = {
        "Client ID": own["client_external_id"], "Type": "note", "Comment": f"  {own['description'].upper()}\n",
        "Timestamp": f"{own['occurred_at'] + timedelta(seconds=1):%Y-%m-%d %H:%M:%S} UTC",
        "Piano Token": own["piano_external_id"],
    }  # fmt: skip
    return [same, {**same, "Comment": "Autre chose"}, {**same, "Comment": "Autre chose", "Piano Token": ""}], own


def test_entries_are_known_by_all_their_columns_and_twins_are_linked(shop: Shop, tmp_path: Path) -> None:
    rows, own = timeline_rows(shop)
    days = shop.query("SELECT day, sum(entries) FROM sync_timeline_days GROUP BY day ORDER BY day")
    (one,) = imported(shop, tmp_path / "a", {"timelines.csv": table(old.TIMELINE, [*rows, rows[1]])}).values()
    assert one.counts == {"imported": 2, "merged": 2, "rejected": 0, "skipped": 0}, rejections(one)
    made = shop.rows("gazelle_timeline_entries", "external_id LIKE 'v4_%'")
    assert sorted((row["duplicate_of"] or "", row["piano_external_id"] or "") for row in made) == sorted(
        [(own["external_id"], own["piano_external_id"]), ("", own["piano_external_id"]), ("", "")]
    )
    assert shop.query("SELECT day, sum(entries) FROM sync_timeline_days GROUP BY day ORDER BY day") == days
    shop.admin.delete("timeline", own["external_id"])
    shop.sync(Mode.DEEP)
    assert shop.count("gazelle_timeline_entries", "external_id LIKE 'v4_%' AND duplicate_of IS NOT NULL") == 0


def test_a_twin_that_gazelle_has_later_is_linked_by_the_pull(shop: Shop, tmp_path: Path) -> None:
    rows, own = timeline_rows(shop)
    rows[0]["Comment"] = "Une note que Gazelle aura plus tard"
    (one,) = imported(shop, tmp_path / "a", {"timelines.csv": table(old.TIMELINE, rows[:1])}).values()
    assert one.counts["imported"] == 1, rejections(one)
    record = next(r for r in shop.admin.dump("timeline") if r["id"] == own["external_id"])
    shop.admin.create("timeline", **{**record, "id": "tme_plustard", "comment": "Une note que gazelle aura  plus tard"})
    shop.sync(Mode.DEEP)
    assert (
        shop.value("SELECT duplicate_of FROM gazelle_timeline_entries WHERE external_id LIKE 'v4_%'") == "tme_plustard"
    )
    shop.assert_equals_api()


def test_a_record_gives_way_when_gazelle_has_it_with_its_number_and_its_children(shop: Shop, tmp_path: Path) -> None:
    imported(shop, tmp_path / "a", old.sqlite_set())
    shop.query("INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes) VALUES ('v4_pianos_1', 'Reste ici')")
    numbers = {t: shop.row(f"gazelle_{t}", f"v4_{t}_1")["id"] for t in ("clients", "pianos", "contacts", "invoices")}
    taken = shop.admin.dump("clients")[0]
    contact = next(c for c in shop.admin.dump("contacts") if c["clientId"] == taken["id"] and c["isDefault"])
    piano = next(p for p in shop.admin.dump("pianos"))
    shop.admin.edit("pianos", piano["id"], make="YAMAHA", serialNumber="4455667", clientId=taken["id"])
    shop.query("UPDATE staging_import SET gazelle_id = %s WHERE external_id = 'v4_clients_1'", taken["id"])
    shop.sync()
    assert shop.row("gazelle_clients", taken["id"])["id"] == numbers["clients"]
    assert shop.row("gazelle_pianos", piano["id"])["id"] == numbers["pianos"]
    assert shop.count("gazelle_clients", "external_id = 'v4_clients_1'") == 0
    assert shop.row("gazelle_contacts", "v4_contacts_1")["client_external_id"] == taken["id"]
    assert shop.row("gazelle_appointments", "v4_appointments_1")["piano_external_id"] == piano["id"]
    assert shop.row("gazelle_invoice_items", "v4_invoice_items_1")["piano_external_id"] == piano["id"]
    assert shop.value("SELECT gazelle_id FROM vincent_dindy_piano_updates") == piano["id"]
    assert shop.value("SELECT external_id FROM push_state") == piano["id"]
    assert contact["id"] in {row["external_id"] for row in shop.rows("gazelle_contacts")}
    shop.assert_nothing_dangles()
    shop.assert_equals_api()
    before = everything(shop)
    again = imported(shop, tmp_path / "a", old.sqlite_set())
    assert everything(shop) == before
    assert all(one.counts["imported"] == 0 for one in again.values())


def test_before_a_first_pull_gazelles_ids_are_taken_as_they_are(new_shop: Shop, tmp_path: Path) -> None:
    known = new_shop.admin.dump("clients")[0]
    rows = [{"Id": 1, "CompanyName": "A", "ExternalId": known["id"]}, {"Id": 2, "CompanyName": "B"}]
    imported(new_shop, tmp_path / "a", {"c.csv": clients(*rows)})
    numbers = {row["external_id"]: row["id"] for row in new_shop.rows("gazelle_clients")}
    assert set(numbers) == {known["id"], "v4_clients_2"}
    new_shop.sync()
    new_shop.assert_equals_api()
    assert {i: new_shop.row("gazelle_clients", i)["id"] for i in numbers} == numbers


def test_a_replay_makes_again_what_was_imported_and_leaves_what_is_there(shop: Shop, tmp_path: Path) -> None:
    for name, found in (("a", old.sqlite_set()), ("b", old.sqlserver_set())):
        imported(shop, tmp_path / name, found)
    changed = clients({"Id": 2, "CompanyName": "École du Sud"}, {"Id": 4, "CompanyName": "Quatre"})
    imported(shop, tmp_path / "c", {"c.csv": changed})
    shop.query("INSERT INTO vincent_dindy_piano_updates (gazelle_id) VALUES ('v4_pianos_1')")
    before = everything(shop)
    replay_imports(shop.settings)
    assert everything(shop) == before
    forget = {"id": 0, "synced_at": None}
    wanted = {
        name: [row | forget for row in shop.rows(name, "external_id LIKE 'v4_%'")]
        for name in COUNTED
        if name.startswith("gazelle")
    }
    for name in reversed(list(wanted)):
        shop.query(f"DELETE FROM {name} WHERE external_id LIKE 'v4_%'")  # noqa: S608
    replay_imports(shop.settings, ["pianos"])
    assert shop.count("gazelle_pianos", "external_id LIKE 'v4_%'") == 0, "its client is not there"
    replay_imports(shop.settings)
    for name, rows in wanted.items():
        assert [row | forget for row in shop.rows(name, "external_id LIKE 'v4_%'")] == rows, name
    shop.assert_equals_api()


def test_the_command_replay_makes_imported_records_again(person: Person, tmp_path: Path) -> None:
    imported(person.shop, tmp_path / "a", {"c.csv": clients({"Id": 1, "CompanyName": "A"})})
    person.shop.query("DELETE FROM gazelle_clients WHERE external_id LIKE 'v4_%'")
    assert person.runs("replay").returncode == 0
    assert person.shop.row("gazelle_clients", "v4_clients_1")["company_name"] == "A"
    person.shop.assert_equals_api()


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


BAD = {
    "a quote that never closes": b'5,"Ecole',
    "too many fields": b"5,E,,,,,,,,,,,,x",
    "NUL": b"5,E\0,,,,,,,,,,,",
    "a 5 MB field": b"5," + b"x" * 5_000_000 + b",,,,,,,,,,,",
    "31/02/2020": b"5,E,,,,,,,,,31/02/2020,,",
    "an id used twice with other values": b"1,Autre,,,,,,,,,,,",
    "without name, e-mail or telephone": b"5,,,,,,,,,,,,",
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_row_is_rejected_with_its_line_and_the_others_go_in(new_shop: Shop, tmp_path: Path, bad: str) -> None:
    head = old.CLIENTS.replace(" ", ",").encode()
    data = b"\n".join(
        [head, b"1,Un,,,,,,,,,,,", BAD[bad], "2,École,,,,,,,,,,,".encode("cp1252"), "3,Été,,,,,,,,,,,".encode()]
    )
    (one,) = imported(new_shop, tmp_path / "a", {"Clients.csv": data}).values()
    assert (list(rejections(one)), one.counts["imported"]) == ([3], 3)
    names = {row["external_id"]: row["company_name"] for row in new_shop.rows("gazelle_clients")}
    assert names == {"v4_clients_1": "Un", "v4_clients_2": "École", "v4_clients_3": "Été"}
    (kept,) = new_shop.rows("staging_import", "outcome = 'rejected'")
    assert (kept["file"], kept["line"]) == ("Clients.csv", 3)
    assert len(kept["reason"]) > 10


def test_other_bad_rows_are_rejected_by_what_they_say(new_shop: Shop, tmp_path: Path) -> None:
    found = imported(
        new_shop,
        tmp_path / "a",
        {
            "Products.csv": table(
                old.PRODUCTS, [{"Id": 1, "Name": "Corde", "UnitCost": "douze dollars"}, {"Id": 2, "Name": "B"}]
            ),
            "Pianos.csv": table(old.PIANOS, [{"Id": 1, "ClientId": 7, "Make": "Yamaha"}]),
            "Invoices.csv": table(old.INVOICES, [{"Id": 1, "ClientId": 7, "Number": "9", "Total": "1"}]),
            "notes.txt": b"bonjour\nrien\n",
            "logo.png": b"\x89PNG",
        },
    )
    assert "unitcost" in rejections(found["Products.csv"])[2]
    assert found["Products.csv"].counts["imported"] == 1
    assert "clients 7" in rejections(found["Pianos.csv"])[2]
    assert list(rejections(found["Invoices.csv"])) == [2]
    for name in ("notes.txt", "logo.png"):
        assert (found[name].source, found[name].rows) == (None, 0)
        assert found[name].note


def test_a_missing_or_doubled_column_is_named(new_shop: Shop, tmp_path: Path) -> None:
    lacks = table(old.CLIENTS.replace("CompanyName ", ""), [{"Id": 1, "FirstName": "Zoé"}])
    doubled = table("Id,CompanyName,Email,Email,Phone,Status", [{"Id": 1, "CompanyName": "A"}]).replace(
        b"1,A,,,,", b"1,A,a@x,b@x,,"
    )
    doubled += b"2,B,a@x,a@x,,\n"
    found = imported(new_shop, tmp_path / "a", {"1.csv": lacks, "2.csv": doubled})
    assert "companyname" in rejections(found["1.csv"])[2]
    assert "email" in rejections(found["2.csv"])[2]
    assert found["2.csv"].counts["imported"] == 1


@pytest.mark.parametrize("data", [b"", b"Id,CompanyName,Email\n"])
def test_a_file_without_rows_brings_none(new_shop: Shop, tmp_path: Path, data: bytes) -> None:
    found = imported(new_shop, tmp_path / "a", {"1.csv": data, "2.csv": clients({"Id": 1, "CompanyName": "A"})})
    assert (found["1.csv"].rows, found["2.csv"].rows) == (0, 1)


def test_a_folder_without_a_known_file_is_refused(new_shop: Shop, tmp_path: Path) -> None:
    for folder in (
        tmp_path / "missing",
        write(tmp_path / "empty", {}),
        write(tmp_path / "other", {"a.csv": b"x,y\n1,2\n"}),
    ):
        with pytest.raises(NothingToImport, match=folder.name):
            run_import(new_shop.settings, Request(folder))
    with pytest.raises(NothingToImport):
        run_import(new_shop.settings, Request(write(tmp_path / "a", old.sqlserver_set()), source="school"))


def test_an_import_that_is_killed_is_ended_by_the_next(
    new_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK", 10)
    folder = write(tmp_path / "a", {"c.csv": clients(*({"Id": n, "CompanyName": f"Client {n}"} for n in range(1, 96)))})
    taken = chunks.Chunks.take
    calls = iter(range(100))

    def killed(self: chunks.Chunks, connection: psycopg.Connection[Any], *rest: Any) -> None:
        taken(self, connection, *rest)
        if next(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(chunks.Chunks, "take", killed)
    with pytest.raises(KeyboardInterrupt):
        run_import(new_shop.settings, Request(folder))
    assert new_shop.count("gazelle_clients") == new_shop.count("staging_import") == 40, "whole chunks"
    new_shop.query("UPDATE import_runs SET status = 'running'")
    monkeypatch.undo()
    outcome = run_import(new_shop.settings, Request(folder))
    assert outcome.totals == {"imported": 55, "merged": 40, "rejected": 0, "skipped": 0}
    assert new_shop.count("gazelle_clients") == 95
    assert [row["status"] for row in new_shop.rows("import_runs")] == ["error", "success"]


def test_two_imports_at_once_follow_each_other_or_the_second_is_refused(new_shop: Shop, tmp_path: Path) -> None:
    request = Request(write(tmp_path / "a", old.sqlite_set()))
    with ImportLock(new_shop.url, wait_s=0), pytest.raises(AnotherImportRunning):
        run_import(new_shop.settings, request, lock_wait_s=0)
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(run_import(new_shop.settings, request))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.totals["imported"] for one in outcomes) == [0, 12]


def test_a_full_disk_keeps_what_went_in_and_says_so(
    new_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request(write(tmp_path / "a", old.sqlite_set()))
    taken = chunks.Chunks.take
    calls = iter(range(100))

    def full(self: chunks.Chunks, *rest: Any) -> None:
        if next(calls) == 2:
            raise psycopg.errors.DiskFull("no space left on device")
        taken(self, *rest)

    monkeypatch.setattr(chunks.Chunks, "take", full)
    with pytest.raises(DatabaseFull, match="Free space"):
        run_import(new_shop.settings, request)
    assert new_shop.count("gazelle_clients") == 2
    assert new_shop.value("SELECT status FROM import_runs") == "error"
    monkeypatch.undo()
    assert run_import(new_shop.settings, request).totals["imported"] == 9


def test_a_row_that_the_database_refuses_is_rejected_alone(new_shop: Shop, tmp_path: Path) -> None:
    new_shop.sync(only=[])
    new_shop.query("ALTER TABLE gazelle_clients ADD CHECK (company_name <> 'Non')")
    rows = [{"Id": n, "CompanyName": "Non" if n == 3 else f"Client {n}"} for n in range(1, 6)]
    (one,) = imported(new_shop, tmp_path / "a", {"c.csv": clients(*rows)}).values()
    assert (list(rejections(one)), one.counts["imported"]) == ([4], 4)


def test_a_row_that_is_put_right_goes_in_and_a_changed_one_changes_its_record(new_shop: Shop, tmp_path: Path) -> None:
    first = clients({"Id": 1, "CompanyName": "Ecole"}, {"Id": 2, "CompanyName": ""})
    imported(new_shop, tmp_path / "a", {"c.csv": first})
    (one,) = imported(
        new_shop, tmp_path / "a", {"c.csv": clients({"Id": 1, "CompanyName": "École"}, {"Id": 2, "CompanyName": "B"})}
    ).values()
    assert one.counts == {"imported": 1, "merged": 1, "rejected": 0, "skipped": 0}
    assert [row["company_name"] for row in new_shop.rows("gazelle_clients")] == ["École", "B"]


def test_the_command_says_what_became_of_every_row(person: Person, tmp_path: Path) -> None:
    folder = write(tmp_path / "a", {**old.sqlite_set(), "autre.csv": b"x,y\n1,2\n"})
    page = tmp_path / "rapport.html"
    ended = person.runs("import", str(folder), "--json", "--report", str(page))
    assert ended.returncode == 2
    told = json.loads(ended.stdout)["files"]
    assert {one["file"] for one in told} == {*old.sqlite_set(), "autre.csv"}
    (client,) = [one for one in told if one["file"] == "Clients.csv"]
    assert list(client) == [
        "file", "source", "entity", "rows", "imported", "merged", "rejected", "skipped", "rejections",
    ]  # fmt: skip
    assert client["rejections"][0]["line"] == 4
    assert "Clients.csv" in page.read_text(encoding="utf-8")
    assert person.runs("import", str(tmp_path)).returncode == 1
    good = write(tmp_path / "b", {"c.csv": clients({"Id": 1, "CompanyName": "A"})})
    assert person.runs("import", str(good)).returncode == 0


def test_likely_matches_are_proposed_and_not_made_in_both_languages(shop: Shop, tmp_path: Path) -> None:
    shop.query("UPDATE gazelle_clients SET company_name = 'École de musique du Nord' WHERE id = 1")
    request = Request(
        write(tmp_path / "a", {"c.csv": clients({"Id": 1, "CompanyName": "Ecole musique du nord"}, {"Id": 2})})
    )
    outcome = run_import(shop.settings, request)
    (proposal,) = outcome.proposals
    assert (proposal.what, proposal.other) == ("v4_clients_1", "École de musique du Nord")
    assert "École de musique du Nord" in render_text(outcome, "en")
    french = render_html(outcome, "fr")
    assert "Importation des fichiers" in french
    assert "<script" not in render_html(outcome, "en")


def test_no_error_names_what_is_no_error_of_ours(new_shop: Shop, tmp_path: Path) -> None:
    path = write(tmp_path / "a", old.sqlite_set()) / "Clients.csv"
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises((GazelleSyncError, NothingToImport)):
        run_import(new_shop.settings, Request(tmp_path / "a" / "Clients.csv"))
