"""Quantities as people write them: `2`, `2.5`, `2,5`; never more than two decimals, as Gazelle keeps them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from gazelle_sync.errors import SettingsError
from gazelle_sync.i18n import gettext
from gazelle_sync.shop.inventory.consumption import HUNDREDTH

BOUND = Decimal(100_000_000)
"""Of one movement or count. The tables hold a hundred times as much, so that no sum of them overflows."""
SHOWN = 40
"""Characters of a text that is none which a message quotes."""
_BLANKS = str.maketrans("", "", " \u00a0\u202f")


def quantity_of(text: str, *, least: Decimal | None = None) -> Decimal:
    """The quantity that a text says.

    Args:
        text: With a decimal point or a decimal comma.
        least: The smallest that is accepted; None: any, negative ones included.

    Raises:
        SettingsError: It is no number, has more than two decimals, or lies outside what is accepted.
    """
    bare, text = text.translate(_BLANKS), text[:SHOWN]
    try:
        found = Decimal(bare.replace(",", ".")) if bare.count(",") + bare.count(".") <= 1 else Decimal("NaN")
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise SettingsError(gettext("{text} is no quantity: write 2, 2.5 or 2,5.", text=text or "—"))
    if abs(found) >= BOUND:
        raise SettingsError(gettext("{text} is too much to be a quantity.", text=text))
    if found != found.quantize(HUNDREDTH):
        raise SettingsError(
            gettext("{text} has more than two decimals: Gazelle and the stock keep hundredths.", text=text)
        )
    if least is not None and found < least:
        raise SettingsError(gettext("{text} is too little: at least {least}.", text=text, least=least))
    return found.quantize(HUNDREDTH)
