"""Drafts of invoices in the database, whoever writes them, and the commands that make, compute and list them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import psycopg
import pytest

from gazelle_sync.montreal import montreal_day, parse_instant
from gazelle_sync.shop.billing.store import DraftRefused
from gazelle_sync_tests.support.commands import run_command
from gazelle_sync_tests.support.invoicing import Counter, Desk


def test_a_draft_is_made_added_to_checked_and_shown(counter: Counter) -> None:
    draft = str(counter.json("new", "--client", counter.desk.client())["id"])
    assert counter.says("check", draft)[0] == 1
    line = ("--description", "Accord", "--quantity", "1,25", "--amount", "99.00", "--taxable")
    assert counter.json("add", draft, *line) == {"id": int(draft), "line": 1}
    assert counter.json("check", draft) == {
        "sub_total": "123.75",
        "taxes": [{"name": "TPS", "total": "6.19"}, {"name": "TVQ", "total": "12.34"}],
        "tax_total": "18.53",
        "total": "142.28",
        "problems": [],
    }
    shown = counter.json("show", draft)
    assert (shown["status"], shown["total"], shown["lines"][0]["quantity"]) == ("ready", "142.28", "1.25")
    assert "142.28" in counter.says("show", draft)[1]
    listed = next(one for one in counter.json("list") if one["draft"] == int(draft))
    assert (listed["status"], listed["total"], listed["invoice"]) == ("ready", "142.28", None)
    counter.json("add", draft, "--description", "Pédale", "--amount", "10")
    assert counter.json("show", draft)["status"] == "draft", "what was checked was changed"
    assert counter.says("remove", draft, "2")[0] == 0
    assert counter.json("check", draft)["total"] == "142.28"


def test_a_product_gives_its_name_and_price_and_a_tax_that_is_gone_is_said(counter: Counter) -> None:
    [(product, name, price)] = counter.shop.query(
        "SELECT external_id, name_fr, amount FROM gazelle_products "
        "WHERE NOT is_archived AND is_taxable ORDER BY id LIMIT 1"
    )
    draft = counter.desk.new()
    counter.desk.drafts.add(
        draft, language="fr", description=None, product=product, piano=None, quantity=Decimal(2), amount=None,
        billable=True, taxable=True, taxes=["TVQ"],
    )  # fmt: skip
    found, checked = counter.desk.drafts.check(draft)
    assert (found.lines[0].description, found.lines[0].amount) == (name, price)
    assert (checked.problems, checked.sums.sub_total) == ((), 2 * price)
    _, tvq = counter.shop.admin.dump("taxes")
    counter.shop.admin.edit("taxes", tvq["id"], touch=False, name="QST")
    counter.shop.sync()
    (problem,) = counter.desk.drafts.check(draft)[1].problems
    assert problem.startswith("Line 1: the account has no tax TVQ. It was renamed or removed")


def test_a_client_who_is_deleted_meanwhile_gets_no_invoice_and_an_unknown_one_no_draft(counter: Counter) -> None:
    draft = counter.desk.new()
    counter.shop.admin.delete("clients", counter.desk.client())
    counter.shop.sync(allow_deletes=True)
    assert "was deleted at Gazelle" in counter.desk.drafts.check(draft)[1].problems[0]
    status, said = counter.says("new", "--client", "cli_nobody")
    assert (status, "No client cli_nobody is known" in said) == (1, True)


def test_twenty_people_who_add_lines_at_once_leave_twenty_lines_in_order(counter: Counter) -> None:
    draft = counter.desk.new()

    def add(number: int) -> int:
        return counter.desk.drafts.add(
            draft, description=f"Ligne {number}", product=None, piano=None, quantity=Decimal(1),
            amount=Decimal(number), billable=True, taxable=False,
        )  # fmt: skip

    with ThreadPoolExecutor(8) as people:
        assert sorted(people.map(add, range(1, 21))) == list(range(1, 21))
    found, checked = counter.desk.drafts.check(draft)
    assert [line.position for line in found.lines] == list(range(1, 21))
    assert checked.sums.total == Decimal(210)


def test_other_programs_may_write_and_what_they_write_is_judged_and_not_rounded(counter: Counter) -> None:
    add = "INSERT INTO invoice_draft_items (draft_id, description, quantity, amount) VALUES (%s, %s, %s, %s)"
    [(draft,)] = counter.shop.query(
        "INSERT INTO invoice_drafts (client_external_id) VALUES (%s) RETURNING id", counter.desk.client()
    )
    counter.shop.query(add, draft, "Un tiers", Decimal("0.333"), 30)
    counter.shop.query(add, draft, "Sans prix", 1, None)
    assert counter.desk.drafts.check(draft)[1].problems == (
        "Line 1: Gazelle counts in hundredths, and 0.333 has more decimals.",
        "Line 2 has no price.",
    )
    counter.shop.query("UPDATE invoice_draft_items SET quantity = 0.33 WHERE position = 1")
    counter.shop.query("DELETE FROM invoice_draft_items WHERE position = 2")
    assert counter.desk.drafts.check(draft)[1].sums.total == Decimal("9.90")
    counter.shop.query("UPDATE invoice_drafts SET notes = 'Merci'")
    assert counter.desk.drafts.read(draft).checked is None
    counter.shop.query("UPDATE invoice_drafts SET status = 'canceled'")
    with pytest.raises(DraftRefused, match="was canceled"):
        counter.desk.drafts.remove(draft, 1)
    counter.shop.query("DELETE FROM invoice_drafts")
    assert counter.shop.value("SELECT count(*) FROM invoice_draft_items") == 0


def test_a_product_that_the_shops_list_merged_into_another_of_gazelles_is_told_with_that_one(desk: Desk) -> None:
    [(old,), (new,)] = desk.shop.query(
        "SELECT external_id FROM gazelle_products WHERE NOT is_archived ORDER BY id LIMIT 2"
    )
    draft = desk.new()
    desk.add(draft, product=old)
    insert = "INSERT INTO shop_products (product_external_id, sku) VALUES (%s, %s) RETURNING id"
    [(row,)], [(other,)] = (desk.shop.query(insert, *one) for one in ((old, "OLD"), (None, "NEW")))
    desk.shop.query("UPDATE shop_products SET merged_into = %s WHERE id = %s", other, row)
    assert desk.drafts.check(draft)[1].problems == (), "what Gazelle does not know cannot stand in its place"
    desk.shop.query("UPDATE shop_products SET product_external_id = %s WHERE id = %s", new, other)
    (problem,) = desk.drafts.check(draft)[1].problems
    assert f"turned out to be {new}" in problem


@pytest.mark.parametrize("number", ["1e30", "1e-30", "'NaN'", "'Infinity'"])
@pytest.mark.parametrize("column", ["amount", "quantity"])
def test_whatever_number_a_program_wrote_a_draft_can_be_shown_and_checked(
    counter: Counter, column: str, number: str
) -> None:
    draft = str(counter.desk.draft())
    counter.shop.query(f"UPDATE invoice_draft_items SET {column} = {number}")  # noqa: S608 - the test's own
    for language in ("fr", "en"):
        said = run_command(counter.shop, "invoices", "show", draft, GAZELLE_LANG=language)
        assert (said.returncode, "Traceback" in said.text) == (0, False)
    assert counter.json("check", draft, status=1)["problems"]
    counter.json("show", draft)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO invoice_drafts (client_external_id, status) VALUES ('cli_1', 'payed')",
        "INSERT INTO invoice_draft_items (draft_id, description) VALUES (0, 'Accord')",
        "INSERT INTO invoice_drafts (client_external_id, net_days) VALUES ('cli_1', -1)",
    ],
)
def test_the_database_refuses_what_cannot_be(counter: Counter, statement: str) -> None:
    with pytest.raises(psycopg.IntegrityError):
        counter.shop.query(statement)


def test_a_day_of_payments_is_montreals(counter: Counter) -> None:
    paid = next(invoice for invoice in counter.shop.admin.dump("invoices") if invoice["payments"])
    (payment,) = paid["payments"]
    late = payment | {
        "id": "pay_tard",
        "amount": 1250,
        "tipTotal": 250,
        "type": "CASH",
        "paidAt": "2025-01-16T04:59:59Z",
    }
    next_day = late | {"id": "pay_apres", "paidAt": "2025-01-16T05:00:00Z"}
    failed = late | {"id": "pay_refuse", "status": "FAILED"}
    counter.shop.admin.edit("invoices", paid["id"], payments=[payment, late, next_day, failed])
    counter.shop.sync()
    found = counter.json("cash", "--day", "2025-01-15")
    mine = [one for one in found["payments"] if one["invoice"] == paid["id"]]
    assert [(one["id"], one["amount"], one["tip"]) for one in mine] == [("pay_tard", "12.50", "2.50")]
    assert sum(Decimal(kind["amount"]) for kind in found["by_type"]) == Decimal(found["total"])
    assert "Paid on Wednesday, January 15, 2025" in counter.says("cash", "--day", "2025-01-15")[1]
    instant = parse_instant(payment["paidAt"])
    assert instant is not None
    day = montreal_day(instant).isoformat()
    if day not in ("2025-01-15", "2025-01-16"):
        assert payment["id"] in {one["id"] for one in counter.json("cash", "--day", day)["payments"]}


def test_overdue_is_what_is_open_after_its_day(counter: Counter) -> None:
    opened = next(invoice for invoice in counter.shop.admin.dump("invoices") if invoice["status"] == "PAID")
    counter.shop.admin.edit("invoices", opened["id"], status="OPEN", dueOn="2024-01-01", archived=False)
    counter.shop.sync()
    listed = counter.json("list", "--overdue")
    assert opened["id"] in {one["invoice"] for one in listed}
    assert {one["status"] for one in listed} <= {"OPEN", "OVERDUE"}


@pytest.mark.parametrize(("text", "value"), [("1,25", "1.25"), ("1 234.50", "1234.50"), ("99.00$", "99.00")])
def test_numbers_are_read_as_people_write_them(text: str, value: str) -> None:
    from gazelle_sync.shop.billing.store import number_of

    assert number_of(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "abc", "NaN", "1,2,3", "inf"])
def test_what_is_no_number_is_refused(text: str) -> None:
    from gazelle_sync.shop.billing.store import number_of

    with pytest.raises(DraftRefused):
        number_of(text)
