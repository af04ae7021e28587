"""Bad rows, files and folders: each is named, and the others go in."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.shop.csv_import.session import NothingToImport, Request, run_import
from gazelle_sync_tests.support import old_files as old
from gazelle_sync_tests.support.importing import clients, imported, rejections
from gazelle_sync_tests.support.old_files import table, write
from gazelle_sync_tests.support.shop import Shop

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


def test_a_row_that_the_database_refuses_is_rejected_alone(new_shop: Shop, tmp_path: Path) -> None:
    new_shop.sync(only=[])
    new_shop.query("ALTER TABLE gazelle_clients ADD CHECK (company_name <> 'Non')")
    rows = [{"Id": n, "CompanyName": "Non" if n == 3 else f"Client {n}"} for n in range(1, 6)]
    (one,) = imported(new_shop, tmp_path / "a", {"c.csv": clients(*rows)}).values()
    assert (list(rejections(one)), one.counts["imported"]) == ([4], 4)


def test_no_error_names_what_is_no_error_of_ours(new_shop: Shop, tmp_path: Path) -> None:
    path = write(tmp_path / "a", old.sqlite_set()) / "Clients.csv"
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises((GazelleSyncError, NothingToImport)):
        run_import(new_shop.settings, Request(tmp_path / "a" / "Clients.csv"))
