"""The sums of an invoice, against a calculation of its own kind: whole numbers only, and no decimals."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.shop.billing.sums import Line, Tax, half_up, sums_of

TPS, TVQ = Tax("tax_1", "TPS", 5000), Tax("tax_2", "TVQ", 9975)

TAXES = st.lists(
    st.builds(Tax, st.sampled_from(["tax_1", "tax_2", "tax_3"]), st.just("T"), st.integers(0, 100_000)),
    max_size=3,
    unique_by=lambda tax: tax.id,
)
CENTS = st.integers(-5_000_000, 99_999_999)
HUNDREDTHS = st.integers(1, 1_000_000)


def rounded(numerator: int, denominator: int) -> int:
    """To the nearest whole number, a half away from zero; whole numbers only."""
    whole, rest = divmod(abs(numerator), denominator)
    whole += 1 if rest * 2 >= denominator else 0
    return whole if numerator >= 0 else -whole


def dollars(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


@given(st.lists(st.tuples(HUNDREDTHS, CENTS, TAXES, st.booleans()), max_size=40))
def test_any_invoice_of_up_to_40_lines_equals_a_calculation_in_whole_cents(
    lines: list[tuple[int, int, list[Tax], bool]],
) -> None:
    sums = sums_of(
        Line(dollars(quantity), dollars(amount), tuple(taxes), billable) for quantity, amount, taxes, billable in lines
    )
    sub_totals = [rounded(q * a, 100) if billable else 0 for q, a, _, billable in lines]
    taxes = [
        [rounded(sub_total * tax.rate, 100_000) for tax in taxes]
        for sub_total, (_, _, taxes, _) in zip(sub_totals, lines, strict=True)
    ]
    assert [line.sub_total for line in sums.lines] == list(map(dollars, sub_totals))
    assert sums.sub_total == dollars(sum(sub_totals))
    assert sums.tax_total == dollars(sum(map(sum, taxes)))
    assert sums.total == sums.sub_total + sums.tax_total
    assert sum((total for _, total in sums.taxes), Decimal(0)) == sums.tax_total


def test_taxes_are_rounded_a_line_at_a_time_and_not_once_for_the_invoice() -> None:
    three = [Line(Decimal(1), Decimal("9.99"), (TPS, TVQ))] * 3
    sums = sums_of(three)
    assert sums.taxes == ((TPS, Decimal("1.50")), (TVQ, Decimal("3.00")))
    assert half_up(sums.sub_total * TVQ.rate / 100_000) == Decimal("2.99")


def test_half_a_cent_goes_up_and_below_zero_away_from_it() -> None:
    (line,) = sums_of([Line(Decimal("0.50"), Decimal("0.01"))]).lines
    assert line.sub_total == Decimal("0.01")
    (line,) = sums_of([Line(Decimal("0.50"), Decimal("-0.01"))]).lines
    assert line.sub_total == Decimal("-0.01")


def test_a_line_of_a_quarter_of_an_hour_more_is_taxed_with_the_rates_of_quebec() -> None:
    sums = sums_of([Line(Decimal("1.25"), Decimal("99.00"), (TPS, TVQ))])
    assert (sums.sub_total, sums.tax_total, sums.total) == (Decimal("123.75"), Decimal("18.53"), Decimal("142.28"))


def test_what_is_not_billed_counts_as_nothing() -> None:
    sums = sums_of([Line(Decimal(1), Decimal(100), (TPS,)), Line(Decimal(2), Decimal(50), (TPS,), billable=False)])
    assert (sums.sub_total, sums.tax_total) == (Decimal("100.00"), Decimal("5.00"))
