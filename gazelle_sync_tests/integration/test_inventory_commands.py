"""`gazelle-sync inventory` as a person uses it: what it says, in which language, and what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gazelle_sync_tests.support.commands import Said, run_command
from gazelle_sync_tests.support.stocking import ANNE, BEN, VISIT, Stockroom

Says = Callable[..., Said]


@pytest.fixture
def says(stockroom: Stockroom) -> Says:
    """Runs `gazelle-sync inventory …`."""
    return partial(run_command, stockroom.shop, "inventory")


def listed(says: Says, *arguments: str) -> Any:
    ended = says("list", "--json", *arguments)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_what_is_counted_bought_lost_and_transferred_is_listed(stockroom: Stockroom, says: Says) -> None:
    stockroom.product("FEUTRE", name_fr="Feutre", name_en="Felt", unit="m")
    assert "Nothing was ever counted" in says("list").stdout
    assert says("count", "FEUTRE", "--technician", "Anne", "--quantity", "10", "--reorder-at", "4").returncode == 0
    assert says("purchase", "felt", "--technician", ANNE, "--quantity", "2,5").stdout == "Felt — Anne Côté: 10 → 12.5\n"
    assert says("move", "Feutre", "--technician", "anne cote", "--quantity", "1", "--kind", "loss").returncode == 0
    moved = says("transfer", "FEUTRE", "--from", "Anne", "--to", "Roy", "--quantity", "8", "--reason", "tournée")
    assert moved.stdout.splitlines() == ["Felt — Anne Côté: 11.5 → 3.5", "Felt — Ben Roy: 0 → 8"]
    assert listed(says) == [
        {"sku": "FEUTRE", "product_external_id": None, "technician": ANNE, "location": "main", "quantity": 3.5,
         "reorder_threshold": 4},
        {"sku": "FEUTRE", "product_external_id": None, "technician": BEN, "location": "main", "quantity": 8,
         "reorder_threshold": None},
    ]  # fmt: skip
    assert [row["technician"] for row in listed(says, "--low")] == [ANNE]
    assert [row["technician"] for row in listed(says, "--technician", "Ben")] == [BEN]
    told = says("list", GAZELLE_LANG="fr").stdout
    assert "⚠ Feutre (FEUTRE) — Anne Côté: 3,5 m (commander à 4)" in told.replace("\u00a0", " ")
    assert "tournée" in says("history").stdout
    assert len(json.loads(says("history", "--json", "--product", "FEUTRE").stdout)) == 5
    stockroom.assert_stock_is_the_sum()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["purchase", "FEUTRE", "--technician", "Anne", "--quantity", "0"], "too little"),
        (["purchase", "FEUTRE", "--technician", "Anne", "--quantity", "-2"], "too little"),
        (["purchase", "FEUTRE", "--technician", "Anne", "--quantity", "0.333"], "more than two decimals"),
        (["count", "FEUTRE", "--technician", "Anne", "--quantity", "NaN"], "is no quantity"),
        (["count", "FEUTRE", "--technician", "Anne", "--quantity", "1,234.5"], "is no quantity"),
        (["count", "FEUTRE", "--technician", "Anne", "--quantity", "10000000000"], "too much"),
        (["count", "FEUTRE", "--technician", "Zoé", "--quantity", "1"], "nobody called Zoé"),
        (["count", "FEUTRE", "--technician", "Benoît", "--quantity", "1"], "nobody called Benoît"),
        (["count", "CORDE", "--technician", "Anne", "--quantity", "1"], "No product goes by CORDE"),
        (["purchase", "mit_of_another", "--technician", "Anne", "--quantity", "1"], "this account's at Gazelle"),
        (["purchase", "Ancien feutre", "--technician", "Anne", "--quantity", "1"], "is archived"),
        (["move", "FEUTRE", "--technician", "Anne", "--quantity", "4", "--kind", "loss"], "not so much"),
        (["move", "FEUTRE", "--technician", "Anne", "--quantity", "1", "--kind", "correction"], "--reason"),
        (["move", "FEUTRE", "--technician", "Anne", "--quantity", "0", "--kind", "correction", "--reason", "x"],
         "movement of nothing"),
        (["transfer", "FEUTRE", "--from", "Anne", "--to", "Anne", "--quantity", "1"], "the same stock"),
        (["transfer", "FEUTRE", "--from", "Anne", "--to", "Ben", "--quantity", "4"], "not so much"),
        (["rules", "add", "Inconnu", "FEUTRE", "--quantity", "1"], "No product goes by Inconnu"),
        (["rules", "add", "FEUTRE", "FEUTRE", "--quantity", "1"], "no service on Gazelle's list"),
        (["rules", "add", "Accord", "FEUTRE", "--quantity", "0"], "too little"),
        (["rules", "end", "Accord", "FEUTRE"], "no such rule"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_a_sentence_and_changes_nothing(
    stockroom: Stockroom, says: Says, arguments: list[str], said: str
) -> None:
    felt = stockroom.product("FEUTRE")
    stockroom.product("VIEUX", name_fr="Ancien feutre", active=False)
    stockroom.move(felt, 3)
    ended = says(*arguments)
    assert ended.returncode in (1, 2)
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert stockroom.movements() == [("count", 3)]
    assert stockroom.shop.count("consumption_rules") == 0


def test_a_name_that_several_have_is_refused_with_all_of_them(stockroom: Stockroom, says: Says) -> None:
    stockroom.product("F-1", name_fr="Feutre")
    stockroom.product("F-2", name_fr="feutre")
    stockroom.shop.query(
        "INSERT INTO gazelle_users (external_id, first_name, last_name) VALUES ('usr_a2', 'Anne', 'Roy')"
    )
    assert "F-1 (Feutre), F-2 (feutre)" in says("count", "FEUTRE", "--technician", "Ben", "--quantity", "1").stderr
    ended = says("count", "F-1", "--technician", "Anne", "--quantity", "1")
    assert "usr_a2 (Anne Roy), usr_anne (Anne Côté)" in ended.stderr
    assert says("count", "F-1", "--technician", "Anne Roy", "--quantity", "1").returncode == 0
    stockroom.shop.query("UPDATE gazelle_users SET deleted_at = now() WHERE external_id = 'usr_a2'")
    assert says("count", "F-1", "--technician", "Anne", "--quantity", "2").stdout == "Feutre — Anne Côté: 0 → 2\n", (
        "who has left is meant only by the whole name or the id"
    )


def test_a_product_of_gazelles_comes_into_the_shops_list_when_it_is_first_counted(
    stockroom: Stockroom, says: Says
) -> None:
    assert says("count", "Visite", "--technician", "Ben", "--quantity", "3").stdout == "Visit — Ben Roy: 0 → 3\n"
    assert [row["product_external_id"] for row in listed(says)] == ["mit_visit"]
    stockroom.shop.query("UPDATE gazelle_products SET is_archived = true WHERE external_id = 'mit_visit'")
    assert "is archived" in says("purchase", "Visite", "--technician", "Ben", "--quantity", "1").stderr
    assert says("count", "Visite", "--technician", "Ben", "--quantity", "2").returncode == 0, (
        "what is left can be counted"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["rules", "add", "Accord", "Visite", "--quantity", "1", "--dry-run"],
        ["rules", "end", "Accord", "Visite"],
        ["purchase", "Visite archivée", "--technician", "Ben", "--quantity", "1"],
        ["transfer", "Visite", "--from", "Ben", "--to", "Ben", "--quantity", "1"],
    ],
    ids=" ".join,
)
def test_what_writes_nothing_takes_no_product_of_gazelles_into_the_shops_list(
    stockroom: Stockroom, says: Says, arguments: list[str]
) -> None:
    stockroom.shop.query(
        "INSERT INTO gazelle_products (external_id, name_fr, is_archived) VALUES ('mit_old', 'Visite archivée', true)"
    )
    says(*arguments)
    assert stockroom.shop.count("shop_products") == 0


@pytest.mark.parametrize("place", [" van ", "van\u00a0", "\ufeffvan"])
def test_a_place_with_blanks_around_it_is_counted_and_not_added_to(
    stockroom: Stockroom, says: Says, tmp_path: Path, place: str
) -> None:
    felt = stockroom.product("FEUTRE")
    count = ["count", "FEUTRE", "--technician", "Anne", "--quantity", "10", "--location"]
    for where in (place, "van", place, " ", "main", ""):
        assert says(*count, where).returncode == 0
    path = tmp_path / "stock.csv"
    path.write_text(f'sku,technician,location,quantity\nFEUTRE,Anne,"{place}",10\n', encoding="utf-8")
    assert "1 stock counted, 0 of them other than expected." in says("import", str(path)).stdout
    assert [(row["location"], row["quantity"]) for row in listed(says)] == [("main", 10), ("van", 10)]
    same = ["transfer", "FEUTRE", "--from", "Anne", "--to", "Anne", "--quantity", "1", "--from-location", "van"]
    assert "the same stock" in says(*same, "--to-location", place).stderr
    assert stockroom.stock(felt, location="van") == 10


def test_a_product_that_turned_out_to_be_another_stands_for_that_one(stockroom: Stockroom, says: Says) -> None:
    old, felt = stockroom.product("F-OLD", name_en="Old felt"), stockroom.product("FEUTRE", name_en="Felt")
    stockroom.move(old, 2)
    stockroom.shop.query("UPDATE shop_products SET merged_into = %s WHERE id = %s", felt, old)
    assert says("purchase", "F-OLD", "--technician", "Anne", "--quantity", "1").stdout == "Felt — Anne Côté: 2 → 3\n"
    assert says("count", "Old felt", "--technician", "Anne", "--quantity", "5").returncode == 0
    assert [(row["sku"], row["quantity"]) for row in listed(says)] == [("FEUTRE", 5)]


def test_a_file_that_was_exported_and_counted_comes_back_after_a_preview(
    stockroom: Stockroom, says: Says, tmp_path: Path
) -> None:
    felt, string = stockroom.product("FEUTRE", name_fr="Feutre"), stockroom.product("CORDE")
    stockroom.move(felt, 10)
    stockroom.move(string, "2.5", technician=BEN)
    path = tmp_path / "stock.csv"
    assert "2 stocks written" in says("export", str(path)).stdout
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    path.write_bytes(content.replace(b",10,", b",8,"))
    assert "Feutre — Anne Côté: 10 → 8" in says("import", str(path), "--dry-run").stdout
    assert stockroom.stock(felt) == 10
    ended = says("import", str(path), "--by", "Marie")
    assert (ended.returncode, "2 stocks counted, 1 of them other than expected." in ended.stdout) == (0, True)
    assert (stockroom.stock(felt), stockroom.stock(string, BEN)) == (8, Decimal("2.5"))
    assert {(row["kind"], row["reason"], row["made_by"]) for row in stockroom.rows()[2:]} == {
        ("count", "stock.csv", "Marie")
    }


def test_what_is_below_zero_can_be_exported_and_left_uncounted(
    stockroom: Stockroom, says: Says, tmp_path: Path
) -> None:
    felt, string = stockroom.product("FEUTRE"), stockroom.product("CORDE")
    stockroom.move(felt, -3, "consumption")
    stockroom.move(string, 2)
    path = tmp_path / "stock.csv"
    says("export", str(path))
    path.write_bytes(path.read_bytes().replace(b",2,", b",1,"))
    assert says("import", str(path)).returncode == 0
    assert (stockroom.stock(felt), stockroom.stock(string)) == (-3, 1)
    path.write_bytes(path.read_bytes().replace(b",-3,", b",-2,"))
    ended = says("import", str(path))
    assert (ended.returncode, "less than nothing: -2" in ended.stdout) == (1, True)


def test_what_is_low_is_what_a_person_has_in_all_places_as_the_shop_is_told(stockroom: Stockroom, says: Says) -> None:
    felt = stockroom.product("FEUTRE")
    stockroom.move(felt, 10, location="van")
    says("count", "FEUTRE", "--technician", "Anne", "--quantity", "1", "--reorder-at", "4")
    assert listed(says, "--low") == []
    stockroom.move(felt, -8, "loss", location="van")
    assert [(row["location"], row["quantity"]) for row in listed(says, "--low")] == [("main", 1)]


def test_one_wrong_line_of_a_file_keeps_all_of_it_out_and_every_wrong_one_is_told(
    stockroom: Stockroom, says: Says, tmp_path: Path
) -> None:
    stockroom.product("FEUTRE")
    path = tmp_path / "comptes.csv"
    path.write_text(
        "SKU;technician;quantity\nFEUTRE;Anne;3,5\nFEUTRE;Ben;\nCORDE;Ben;1\n\nFEUTRE;usr_anne;4\nFEUTRE;Ben;-1\n;Ben;2\n",
        encoding="cp1252",
    )
    ended = says("import", str(path))
    assert ended.returncode == 1
    told = [line.split(":")[0] for line in ended.stdout.splitlines() if line.startswith("✗")]
    assert told == ["✗ Line 4", "✗ Line 6", "✗ Line 7", "✗ Line 8"]
    assert "Nothing was imported" in ended.stdout
    assert stockroom.movements() == []
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    assert "no file of counts" in says("import", str(path)).stderr
    assert "cannot be read" in says("import", str(tmp_path / "nowhere.csv")).stderr


@pytest.mark.parametrize(
    "content",
    [b'sku,technician,quantity\nFEUTRE,Anne,"' + b"1" * 200_000, b"sku,technician,quantity\nFEUTRE\0,Anne,1\n"],
    ids=["endless", "nul"],
)
def test_a_file_that_is_none_is_refused_in_a_sentence(
    stockroom: Stockroom, says: Says, tmp_path: Path, content: bytes
) -> None:
    stockroom.product("FEUTRE")
    path = tmp_path / "stock.csv"
    path.write_bytes(content)
    ended = says("import", str(path))
    assert (ended.returncode, "Traceback" in ended.text, len(ended.text) < 1000) == (1, False, True)
    assert "stock.csv" in ended.stderr or "Line 2" in ended.stdout
    assert stockroom.movements() == []


def test_a_name_with_a_line_separator_stays_in_its_row(stockroom: Stockroom, says: Says, tmp_path: Path) -> None:
    felt = stockroom.product("FEUTRE")
    path = tmp_path / "stock.csv"
    path.write_bytes("sku,name,technician,quantity\rFEUTRE,Feutre\u2028vert,Anne,4\r".encode())
    assert says("import", str(path)).returncode == 0
    assert stockroom.stock(felt) == 4


def test_a_dry_run_tells_of_its_own_rule_alone_and_knows_a_material_by_gazelles_name_too(
    stockroom: Stockroom, says: Says
) -> None:
    stockroom.rule(stockroom.product("CORDE"), service=VISIT)
    stockroom.line(stockroom.invoice(1, assigned_to_external_id=None), product_external_id=VISIT)
    stockroom.shop.query("INSERT INTO gazelle_products (external_id, name_fr) VALUES ('mit_felt', 'Bande verte')")
    stockroom.product("FEUTRE", product_external_id="mit_felt", name_fr="Feutre")
    stockroom.line(stockroom.invoice(2), description="Accord, bande verte neuve")
    rule = ["rules", "add", "Accord", "FEUTRE", "--quantity", "1", "--optional", "--from", "2026-01-01"]
    told = says(*rule, "--dry-run").stdout.splitlines()
    assert told == ["2026-03  Anne Côté: 1", "1 in all, of 1 invoice.", "Nothing was written: this was a preview."]
    assert "2 movements" not in says(*rule).stdout
    assert [row["delta"] for row in stockroom.rows()] == [-1]


def test_a_rule_is_tried_over_history_before_it_goes_live_and_then_takes_just_that(
    stockroom: Stockroom, says: Says
) -> None:
    felt = stockroom.product("FEUTRE", name_en="Felt")
    for number, day in enumerate(("2026-01-31", "2026-02-01", "2026-02-28", "2026-03-01")):
        stockroom.invoiced(number, invoice_date=day)
    stockroom.invoiced(9, assigned_to_external_id=None)
    rule = ["rules", "add", "Tuning", "FEUTRE", "--quantity", "1,5", "--from", "2026-02-01"]
    told = says(*rule, "--dry-run").stdout.splitlines()
    assert told[:3] == ["2026-02  Anne Côté: 3", "2026-03  Anne Côté: 1.5", "4.5 in all, of 3 invoices."]
    assert "nobody in charge" in told[3]
    assert stockroom.shop.count("consumption_rules") == 0
    assert "The stock follows the invoices: 3 movements." in says(*rule).stdout
    assert stockroom.stock(felt) == Decimal("-4.5")
    assert "0 in all, of 0 invoice" in says(*rule, "--dry-run").stdout
    assert "Tuning: 1.5 of Felt, from 2026-02-01" in says("rules").stdout
    assert says("rules", "apply").stdout.startswith("⚠ 1 invoice uses")
    assert says("rules", "end", "Tuning", "Felt", "--on", "2026-02-28").returncode == 0
    assert stockroom.stock(felt) == -3
    assert json.loads(says("rules", "--json").stdout)[0]["valid_until"] == "2026-02-28"
