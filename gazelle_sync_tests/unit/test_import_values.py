"""What stands in a cell becomes a value, or is refused: never guessed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from babel.dates import get_month_names
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.montreal import MONTREAL
from gazelle_sync.shop.csv_import import values
from gazelle_sync.shop.csv_import.values import Unreadable

money = st.decimals(-(10**9), 10**9, places=2)
days = st.dates(date(1927, 6, 1), date(2099, 12, 31))


def parted(digits: str, separator: str) -> str:
    return f"{int(digits):,}".replace(",", separator)


@given(money, st.sampled_from([(",", "."), (".", ","), (" ", ","), ("\u00a0", ","), ("'", "."), ("", "."), ("", ",")]))
def test_an_amount_is_read_however_it_is_written(value: Decimal, signs: tuple[str, str]) -> None:
    thousands, decimal = signs
    whole, _, cents = f"{abs(value):.2f}".partition(".")
    sign = "-" if value < 0 else ""
    written = f"{sign}{parted(whole, thousands)}{decimal}{cents}"
    for text in (written, f" {written} $", f"${written.lstrip('-')}" if value >= 0 else written, f"{written} CAD"):
        assert values.amount(text) == value, text
    if value < 0:
        assert values.amount(f"({written[1:]})") == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!00$", "100"), ("!00", "100"), ("12,5", "12.50"), ("0,125", "0.13"), ("1,234", "1234"), ("1.5", "1.50"),
        ("1,234,567", "1234567"), ("1.234.567,8", "1234567.80"), ("12.345", "12.35"), (",5", "0.50"), ("+7", "7"),
        ("-0.00", "0"),
    ],
)  # fmt: skip
def test_amounts_that_were_met(text: str, expected: str) -> None:
    assert values.amount(text) == Decimal(expected)


@pytest.mark.parametrize(
    "text",
    ["cent dollars", "12 dollars", "1,23,4", "1.2.3", "12,34,56.7", "1,2.3,4", "NaN", "inf", "1e5", "٣", "$", "--5",
     "5-5", "!", "!!", "1.", "12345678901"],
)  # fmt: skip
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        values.amount(text)


@given(st.text())
def test_no_text_breaks_a_conversion(text: str) -> None:
    for convert in (values.amount, values.day, values.instant, values.whole, values.boolean):
        try:
            found = convert(text)
        except Unreadable:
            continue
        assert (found is None) == (not text.strip())


def format_months() -> list[str]:
    return [get_month_names("wide", locale="fr")[number] for number in range(1, 13)]


@given(days)
def test_a_day_is_read_however_it_is_written(day: date) -> None:
    months = format_months()
    for text in (
        day.isoformat(),
        f"{day:%d/%m/%Y}",
        f"{day:%d-%m-%Y}",
        f"{day:%Y/%m/%d}",
        f"{day:%B %d, %Y}",
        f"{day.day} {months[day.month - 1].upper()} {day.year}",
        str((day - date(1899, 12, 30)).days),
        f"{day.isoformat()} 10:30:00",
    ):
        assert values.day(text) == day, text


@pytest.mark.parametrize(
    "text",
    [
        "31/02/2020",
        "12/25/2020",
        "2020-13-01",
        "mars",
        "15 mars",
        "01/02/20",
        "hier",
        "2020",
        "0000-00-00",
        "9999",
        "3",
    ],
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        values.day(text)


def test_the_day_of_an_instant_is_montreals() -> None:
    assert values.day("2020-01-02T03:00:00Z") == date(2020, 1, 1)
    assert values.day("2020-01-02 03:00:00 UTC") == date(2020, 1, 1)


@given(st.integers(-(10**8), 4 * 10**9))
def test_an_instant_is_read_in_every_zone_and_without_one_by_montreals_clock(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert values.instant(f"{moment:%Y-%m-%dT%H:%M:%SZ}") == moment
    assert values.instant(f"{moment:%Y-%m-%d %H:%M:%S} UTC") == moment
    assert values.instant(moment.isoformat()) == moment
    wall = moment.astimezone(MONTREAL)
    if wall.replace(fold=0).utcoffset() == wall.replace(fold=1).utcoffset():
        assert values.instant(f"{wall:%Y-%m-%d %H:%M:%S}") == moment
        assert values.instant(f"{wall:%d/%m/%Y %H:%M:%S}") == moment


def test_an_excel_serial_number_is_an_instant_by_montreals_clock() -> None:
    assert values.instant("45000.5") == datetime(2023, 3, 15, 16, tzinfo=UTC)
    assert values.day("45000.5") == date(2023, 3, 15)


@pytest.mark.parametrize(
    "text", ["2021-03-14 02:30", "2021-11-07 01:30", "2021-01-01 25:00", "2021-01-01 10", "1899-12-31"]
)
def test_an_hour_that_does_not_exist_or_comes_twice_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        values.instant(text)


latin = st.text(
    st.characters(codec="cp1252", exclude_categories=["Cc"], exclude_characters="\u0192\u02c6\u02dc"), max_size=30
)


@given(latin)
def test_mojibake_of_a_text_is_mended(text: str) -> None:
    damaged = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in text.encode())
    assert values.mended(damaged) in (text, values.mended(text))


@pytest.mark.parametrize("text", ["JOÃO", "Québec", "Ã©tÃ© et été", "Â", "naïve Ã", "50 €", "SÃO PAULO"])
def test_what_is_not_certainly_mojibake_is_left_alone(text: str) -> None:
    assert values.mended(text) == text


def test_mojibake_that_happened_twice_is_mended() -> None:
    assert values.mended("QuÃ©bec") == "Québec"
    assert values.mended("QuÃƒÂ©bec") == "Québec"


def test_two_texts_are_compared_by_what_they_say() -> None:
    assert values.plain("  École  de\tMUSIQUE ") == values.plain("ecole de musique")


@given(st.integers(-(2**31) + 1, 2**31 - 1))
def test_whole_numbers_are_read(number: int) -> None:
    assert values.whole(f" {number} ") == values.whole(f"{number}.0") == number


def test_yes_and_no_are_read_in_both_languages() -> None:
    assert [values.boolean(text) for text in ("1", "Oui", "TRUE", "vrai", "0", "non", "False", "")] == [
        True, True, True, True, False, False, False, None,
    ]  # fmt: skip
    with pytest.raises(Unreadable):
        values.boolean("peut-être")


def test_a_long_value_is_not_quoted_in_full() -> None:
    with pytest.raises(Unreadable) as caught:
        values.amount("x" * 5_000_000)
    assert len(str(caught.value)) < 200
