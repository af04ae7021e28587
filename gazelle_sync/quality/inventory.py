"""Whether the stock is what its movements add up to, and what invoices consumed is what the rules say of them."""

from __future__ import annotations

from gazelle_sync.entities import LATE
from gazelle_sync.i18n.translator import Message, Plural
from gazelle_sync.quality.context import Check, CheckContext, lookup, warning
from gazelle_sync.quality.finding import Finding, first_few
from gazelle_sync.shop.inventory.consumption import movements, needs_of
from gazelle_sync.shop.inventory.follow import ALL_LINES, consumed_in, lines_in, rules_in

ALL = {"invoices": None}
LATE_MINUTES = LATE.total_seconds() / 60

IS_THE_SUM = Plural("{count} stock is the sum of its movements.", "{count} stocks are the sums of their movements.")
IS_NOT_THE_SUM = Plural(
    "{count} stock is not the sum of its movements.", "{count} stocks are not the sums of their movements."
)
FIND_THE_WRITER = Message(
    "Somebody switched a trigger of inventory_movements or inventory_stock off: `gazelle-sync migrate` makes it again. "
    "Then count these stocks: `gazelle-sync inventory count`."
)
FOLLOWS = Plural(
    "What {count} line of invoices consumed is what the rules say of it.",
    "What {count} lines of invoices consumed is what the rules say of them.",
)
DOES_NOT_FOLLOW = Plural(
    "{count} line of invoices consumed something else than the rules say of it.",
    "{count} lines of invoices consumed something else than the rules say of them.",
)
WAIT = Message("Invoices have waited for {minutes} min for the stock to follow them.")
FOLLOW = Message("Is `gazelle-sync up` running? `gazelle-sync inventory rules apply` makes the stock follow.")


def evaluate_sum(context: CheckContext, check: str) -> Finding:
    """The stock is the sum of its movements."""
    [(stocks,)] = context.rows("inventory/stock_count")
    rows = context.rows("inventory/sum_differs")
    numbers = {"checked": stocks, "differ": len(rows)}
    if not rows:
        return Finding(check, True, context.say(IS_THE_SUM, count=stocks), numbers=numbers)
    return Finding(
        check,
        passed=False,
        summary=context.say(IS_NOT_THE_SUM, count=len(rows)),
        advice=context.say(FIND_THE_WRITER),
        examples=first_few(
            f"shop_products {product} {technician} {location}: {held}, {summed}"
            for product, technician, location, held, summed in rows
        ),
        numbers=numbers,
    )


def evaluate_consumption(context: CheckContext, check: str) -> Finding:
    """What was consumed is the rules applied to the invoices as they are; those that wait are left out."""
    rules = rules_in(context.rows("inventory/rules"))
    minutes: dict[str | None, float] = dict(context.rows("inventory/waiting"))
    needed = needs_of(lines_in(context.rows("inventory/lines", ALL_LINES)), rules).quantities
    consumed = consumed_in(context.rows("inventory/consumed", ALL))
    differing = [one for one in movements(needed, consumed) if None not in minutes and one.use.invoice not in minutes]
    oldest = max(minutes.values(), default=0.0)
    numbers = {"checked": len(needed), "differ": len(differing), "oldest waiting (min)": round(oldest, 1)}
    if differing:
        return Finding(
            check,
            passed=False,
            summary=context.say(DOES_NOT_FOLLOW, count=len(differing)),
            advice=context.say(FOLLOW),
            examples=first_few(f"{one.use.invoice} {one.use.line_key}: {one.delta}" for one in differing),
            numbers=numbers,
        )
    if oldest > LATE_MINUTES:
        summary = context.say(WAIT, minutes=round(oldest))
        return warning(check, summary, advice=context.say(FOLLOW), numbers=numbers)
    return Finding(check, True, context.say(FOLLOWS, count=len(needed)), numbers=numbers)


CHECKS = (
    Check(
        "inventory_sum",
        Message("The stock is the sum of its movements."),
        evaluate_sum,
        lookups=lambda _: [lookup("inventory/stock_count"), lookup("inventory/sum_differs")],
    ),
    Check(
        "inventory_consumption",
        Message("What invoices consumed is what the rules say of them as they are."),
        evaluate_consumption,
        # Of one state of the database, since all are read in one transaction.
        lookups=lambda _: [
            lookup("inventory/rules"),
            lookup("inventory/waiting"),
            lookup("inventory/lines", ALL_LINES),
            lookup("inventory/consumed", ALL),
        ],
    ),
)
