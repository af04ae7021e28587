"""What invoices consume: a function of their present lines, whatever happened before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.shop.inventory.consumption import MOST, Line, Needs, Rule, Use, mentions, movements, needs_of

DAY = date(2026, 3, 2)
TUNING = Line("inv_1", "OPEN", DAY, "usr_a", "mit_tuning", "ins_1", 0, Decimal(1), "Accord")
FELT = Rule("mit_tuning", 7, Decimal(2), date(2026, 1, 1))
COVER = Rule(
    "mit_tuning", 8, Decimal(1), date(2026, 1, 1), is_optional=True, names=("Housse d'étude", "Cover", "HS-12")
)


def needed(*lines: Line, rules: Iterable[Rule] = (FELT,)) -> dict[Use, Decimal]:
    return needs_of(lines, rules).quantities


def moved(before: Iterable[Line], after: Iterable[Line], *rules: Rule) -> list[tuple[str, str, Decimal]]:
    found = movements(needed(*after, rules=rules or (FELT,)), needed(*before, rules=rules or (FELT,)))
    return [(one.use.technician, one.kind, one.delta) for one in found]


def test_a_line_takes_what_its_service_uses_from_the_stock_of_the_one_in_charge() -> None:
    line = replace(TUNING, quantity=Decimal("1.50"))
    assert needed(line) == {Use("inv_1", "mit_tuning/ins_1/0", 7, "usr_a", "main"): Decimal("3.00")}
    assert moved([], [line]) == [("usr_a", "consumption", Decimal("-3.00"))]


@pytest.mark.parametrize("status", ["OPEN", "OVERDUE", "PAID", "SENT_BY_CARRIER_PIGEON"])
def test_an_invoice_that_was_issued_consumes(status: str) -> None:
    assert needed(replace(TUNING, status=status))


@pytest.mark.parametrize(
    "change",
    [{"status": "DRAFT"}, {"status": "DELETED"}, {"status": "CANCELED"}, {"status": None}, {"is_gone": True}],
    ids=str,
)
def test_what_is_no_invoice_or_no_line_any_more_gives_back(change: dict[str, Any]) -> None:
    assert moved([TUNING], [replace(TUNING, **change)]) == [("usr_a", "return", Decimal(2))]


def test_a_line_that_is_added_later_or_goes_is_one_difference() -> None:
    second = replace(TUNING, piano="ins_2", sequence=1)
    assert moved([TUNING], [TUNING, second]) == [("usr_a", "consumption", Decimal(-2))]
    assert moved([TUNING, second], [TUNING]) == [("usr_a", "return", Decimal(2))]


def test_an_invoice_that_changes_hands_comes_from_the_other_stock() -> None:
    assert moved([TUNING], [replace(TUNING, technician="usr_b")]) == [
        ("usr_a", "return", Decimal(2)),
        ("usr_b", "consumption", Decimal(-2)),
    ]


def test_an_invoice_without_anybody_in_charge_is_told_only_where_it_needs_something() -> None:
    nobody = replace(TUNING, technician=None)
    found = needs_of([nobody, replace(nobody, invoice="inv_2", service="mit_visit")], [FELT])
    assert found == Needs(without_technician={"inv_1"})


def test_two_lines_in_one_place_are_both_counted() -> None:
    assert set(needed(TUNING, TUNING).values()) == {Decimal(4)}


@pytest.mark.parametrize("quantity", [None, Decimal(0), Decimal(-1), Decimal("-0.01")])
def test_a_line_of_nothing_or_less_takes_nothing_and_brings_nothing(quantity: Decimal | None) -> None:
    assert needed(replace(TUNING, quantity=quantity)) == {}


def test_a_third_is_rounded_once_on_the_whole_line() -> None:
    third = Rule("mit_tuning", 7, Decimal("0.5"), DAY)
    assert set(needed(replace(TUNING, quantity=Decimal("0.33")), rules=[third]).values()) == {Decimal("0.17")}


def test_a_mistyped_quantity_is_told_and_stops_no_other_line() -> None:
    absurd = replace(TUNING, invoice="inv_9", quantity=Decimal("9999999999.99"))
    found = needs_of([absurd, TUNING], [FELT])
    assert [use.invoice for use in found.beyond_measure] == ["inv_9"]
    assert [use.invoice for use in found.quantities] == ["inv_1"]
    assert all(quantity > MOST for quantity in found.beyond_measure.values())


def test_a_rule_counts_from_its_day_on_and_the_newest_one_that_the_day_has_reached() -> None:
    more = replace(FELT, quantity=Decimal(3), valid_from=DAY, valid_until=date(2026, 3, 31))
    rules = [more, FELT]
    days = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 3, 1), DAY, date(2026, 3, 31), date(2026, 4, 1)]
    found = [sum(needed(replace(TUNING, day=day), rules=rules).values()) for day in days]
    assert found == [0, 2, 2, 3, 3, 0]
    assert needed(replace(TUNING, day=None), rules=rules) == {}


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("Accord", False),
        ("Accord avec housse d'étude neuve", True),
        ("ACCORD, HOUSSES D'ETUDE (2)", True),
        ("Tuning, cover replaced", True),
        ("posé: HS-12", True),
        ("HS-123", False),
        ("Accord sans housse d'étude", False),
        ("Pas de housse d'étude", False),
        ("no cover needed", False),
        ("sans frais, cover installed", True),
        ("Recover the bench", False),
        (None, False),
        ("", False),
    ],
)
def test_an_optional_material_counts_only_where_the_line_names_it(text: str | None, used: bool) -> None:
    assert bool(needed(replace(TUNING, description=text), rules=[COVER])) == used


def test_a_material_without_a_name_is_named_nowhere() -> None:
    assert not mentions("Accord", ("", "  ", "—"))


RULES = st.lists(
    st.builds(
        Rule,
        st.sampled_from(["mit_1", "mit_2"]),
        st.integers(1, 2),
        st.decimals("0.01", 5, places=2),
        st.dates(date(2026, 1, 1), date(2026, 1, 4)),
        st.one_of(st.none(), st.dates(date(2026, 1, 1), date(2026, 1, 5))),
        st.booleans(),
        st.just(("Housse",)),
    ),
    max_size=6,
    unique_by=lambda rule: (rule.service, rule.product_id, rule.valid_from),
)
LINES = st.lists(
    st.builds(
        Line,
        st.sampled_from(["inv_1", "inv_2"]),
        st.sampled_from(["DRAFT", "OPEN", "PAID", "CANCELED"]),
        st.dates(date(2026, 1, 1), date(2026, 1, 5)),
        st.sampled_from(["usr_1", "usr_2", None]),
        st.sampled_from(["mit_1", "mit_2", "mit_3", None]),
        st.sampled_from(["ins_1", None]),
        st.sampled_from([0, 1, None]),
        st.one_of(st.none(), st.decimals(-2, 5, places=2)),
        st.sampled_from(["Accord", "Housse", None]),
        st.booleans(),
    ),
    max_size=8,
)


def calculated(lines: list[Line], rules: list[Rule]) -> Counter[Use]:
    """The same by other means, in hundredths: each line, each material, the rules one by one."""
    exact: dict[Use, Fraction] = {}
    for line in lines:
        issued = line.status in {"OPEN", "PAID"} and not line.is_gone
        if not issued or line.technician is None or line.day is None or (line.quantity or 0) <= 0:
            continue
        for product in (1, 2):
            counting = [
                r for r in rules if r.service == line.service and r.product_id == product and r.valid_from <= line.day
            ]
            if not counting:
                continue
            rule = max(counting, key=lambda rule: rule.valid_from)
            is_over = rule.valid_until is not None and rule.valid_until < line.day
            if is_over or (rule.is_optional and line.description != "Housse"):
                continue
            use = Use(line.invoice, line.key, product, line.technician)
            exact[use] = exact.get(use, Fraction(0)) + Fraction(line.quantity or 0) * Fraction(rule.quantity)
    rounded = Counter({use: int(quantity * 100 + Fraction(1, 2)) for use, quantity in exact.items()})
    return +rounded


@given(st.lists(st.tuples(LINES, RULES), max_size=6))
def test_whatever_is_edited_the_stock_follows_the_invoices_as_they_are(
    states: list[tuple[list[Line], list[Rule]]],
) -> None:
    consumed: dict[Use, Decimal] = {}
    for lines, rules in states:
        target = needs_of(lines, rules).quantities
        made = movements(target, consumed)
        assert all((one.delta < 0) == (one.kind == "consumption") for one in made)
        for one in made:
            consumed[one.use] = consumed.get(one.use, Decimal(0)) - one.delta
        assert Counter({use: int(quantity * 100) for use, quantity in consumed.items() if quantity}) == calculated(
            lines, rules
        )
        assert all(quantity >= 0 for quantity in consumed.values()), "an invoice gives back no more than it took"
        assert movements(target, consumed) == [], "a second pass moves nothing"


@given(LINES, RULES, st.randoms())
def test_the_order_of_lines_and_rules_makes_no_difference(lines: list[Line], rules: list[Rule], random: Random) -> None:
    shuffled, other = list(lines), list(rules)
    random.shuffle(shuffled)
    random.shuffle(other)
    assert needs_of(shuffled, other) == needs_of(lines, rules)
