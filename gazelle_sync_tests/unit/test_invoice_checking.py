"""What keeps a draft from becoming an invoice."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.shop.billing.checking import Checked, check
from gazelle_sync.shop.billing.drafts import Draft, DraftLine, LastPull, Product
from gazelle_sync.shop.billing.sums import Tax

TPS, TVQ, OLD = Tax("tax_1", "TPS", 5000), Tax("tax_2", "TVQ", 9975), Tax("tax_3", "PST", 7000)
KNOWN = LastPull(
    client=("École des Trois-Érables", True),
    contacts=frozenset({"con_1"}),
    pianos={"ins_1": "cli_1", "ins_2": "cli_2"},
    products={
        "mit_1": Product("Accord", is_archived=False, is_gone=False, is_taxable=True),
        "mit_2": Product("Vieux", is_archived=True, is_gone=False, is_taxable=True),
        "mit_3": Product("Fusionné", is_archived=False, is_gone=True, is_taxable=True),
    },
    taxes=(TPS, TVQ, OLD),
    default_taxes=frozenset({"tax_1", "tax_2"}),
)
LINE = DraftLine(1, 1, "Accord", "mit_1", "ins_1", Decimal("1.25"), Decimal("99.00"), billable=True, taxable=True)
DRAFT = Draft(7, "cli_1", "con_1", "draft", None, None, 30, None, None, (), None, (LINE,))


def checked(known: LastPull = KNOWN, /, **changes: Any) -> Checked:
    """The check of a draft of one line, with some fields of it changed."""
    return check(replace(DRAFT, lines=(replace(LINE, **changes),)), known)


def test_a_draft_of_which_nothing_is_missing_has_its_sums() -> None:
    assert checked().as_json() == {
        "sub_total": "123.75",
        "taxes": [{"name": "TPS", "total": "6.19"}, {"name": "TVQ", "total": "12.34"}],
        "tax_total": "18.53",
        "total": "142.28",
        "problems": [],
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"amount": None}, "Line 1 has no price."),
        ({"amount": Decimal(0)}, "Line 1 comes to 0.00 $. Give it a price, or take it off."),
        ({"amount": Decimal("0.004")}, "Line 1: 0.004 $ is not a price in whole cents."),
        ({"amount": Decimal("0.01"), "quantity": Decimal("0.01")}, "Line 1 comes to 0.00 $. Give it a price, or"),
        ({"amount": Decimal("1e10")}, "Line 1 comes to more than 9999999999.99 $."),
        ({"amount": Decimal("9999999999.99"), "quantity": Decimal(2)}, "Line 1 comes to more than"),
        ({"amount": Decimal("NaN")}, "Line 1: NaN $ is not a price"),
        ({"amount": Decimal(-5)}, "The invoice comes to -7.18 $; it has to be above 0."),
        ({"quantity": Decimal(0)}, "Line 1: the quantity has to be above 0, not 0."),
        ({"quantity": Decimal(-1)}, "Line 1: the quantity has to be above 0, not -1."),
        ({"quantity": Decimal("0.333")}, "Line 1: Gazelle counts in hundredths, and 0.333 has more decimals."),
        ({"quantity": Decimal("1e40")}, "Line 1 comes to more than"),
        ({"description": " "}, "Line 1 has no description."),
        ({"product": "mit_9"}, "Line 1: the account has no product mit_9."),
        ({"product": "mit_2"}, "Line 1: the product Vieux is archived"),
        ({"product": "mit_3"}, "Line 1: the product Fusionné is no longer at Gazelle. It may have been merged"),
        ({"piano": "ins_9"}, "Line 1: the account has no piano ins_9."),
        ({"piano": "ins_2"}, "Line 1: the piano ins_2 belongs to another client."),
        ({"taxes": ["GST"]}, "Line 1: the account has no tax GST. It was renamed or removed; name another one."),
        ({"taxes": {"TPS": 5}}, "Line 1: its taxes are not a list of ids or names."),
    ],
    ids=str,
)
def test_what_is_missing_is_said_of_its_line(changes: dict[str, Any], says: str) -> None:
    (problem,) = checked(**changes).problems
    assert problem.startswith(says)


def test_a_line_takes_the_default_taxes_those_that_it_names_or_none() -> None:
    assert [tax for tax, _ in checked().sums.taxes] == [TPS, TVQ]
    assert [tax for tax, _ in checked(taxes=["PST", "tax_1", "TPS"]).sums.taxes] == [OLD, TPS]
    assert checked(taxable=False, taxes=["TPS"]).sums.taxes == ()
    (remark,) = checked(taxable=False).remarks
    assert remark.startswith("Line 1 is not taxed, and its product is")


def test_a_rate_is_the_accounts_as_it_is_now() -> None:
    dearer = replace(KNOWN, taxes=(replace(TPS, rate=6000), TVQ))
    assert checked(dearer).sums.taxes[0][1] == Decimal("7.43")
    (problem,) = checked(replace(KNOWN, taxes=(), default_taxes=frozenset())).problems
    assert problem == "Line 1 is to be taxed, and the account has no default tax. Name one, or sync."


@pytest.mark.parametrize(
    ("client", "says"),
    [(None, "The account has no client cli_1."), (("École", False), "The client École was deleted at Gazelle.")],
)
def test_a_client_who_is_not_there_gets_no_invoice(client: tuple[str, bool] | None, says: str) -> None:
    (problem,) = check(DRAFT, replace(KNOWN, client=client)).problems
    assert problem.startswith(says)


def test_a_contact_of_another_client_and_a_draft_without_lines_are_said() -> None:
    stranger, empty = check(replace(DRAFT, contact="con_9", lines=()), KNOWN).problems
    assert stranger.startswith("The client has no contact con_9.")
    assert empty.startswith("It has no line. Add one: `gazelle-sync invoices add 7")


NUMBERS = st.decimals(allow_nan=True, allow_infinity=True)


@given(st.lists(st.tuples(NUMBERS, st.none() | NUMBERS), max_size=5))
def test_whatever_numbers_a_program_wrote_are_judged_and_never_raise(
    numbers: list[tuple[Decimal, Decimal | None]],
) -> None:
    lines = tuple(replace(LINE, position=n, quantity=q, amount=a) for n, (q, a) in enumerate(numbers, start=1))
    found = check(replace(DRAFT, lines=lines), KNOWN)
    assert found.problems or found.sums.total > 0
