"""What was paid, told once a day at 18:00 Montreal: every payment since the digest before, each once.

A digest belongs to the last 18:00 that has passed. One that comes late is still that of its day, and a second one of a
day tells nothing; what arrives here later, whenever it was paid, stands in the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from gazelle_sync.i18n.translator import Message, Plural, translator
from gazelle_sync.montreal import MONTREAL, montreal_day
from gazelle_sync.shop.billing.cash import Cash
from gazelle_sync.shop.billing.render import money, render_payments
from gazelle_sync.shop.billing.store import Payment
from gazelle_sync.warehouse.connect import Connection, statement

HOUR = 18
OLD = timedelta(days=31)
"""A payment that was made longer ago and comes only now is listed, and told no more."""
TITLE = Plural("{count} payment: {total}", "{count} payments: {total}")
SINCE = Message("Since the digest before. `gazelle-sync invoices cash --day {day}` shows a day.")


@dataclass(frozen=True)
class CashDigest:
    """A message.

    Attributes:
        title: One line.
        text: The rest.
        payments: How many it tells of.
    """

    title: str
    text: str
    payments: int


def day_of_digest(now: datetime) -> date:
    """The Montreal day whose 18:00 was the last that has passed."""
    today = montreal_day(now)
    return today if now.astimezone(MONTREAL).hour >= HOUR else today - timedelta(days=1)


def is_due(connection: Connection, now: datetime) -> bool:
    """Whether there is something to tell now.

    Args:
        connection: To a database that is up to date.
        now: Aware.
    """
    given = {"day": day_of_digest(now), "since": now - OLD}
    row = connection.execute(statement("billing/cash_due"), given).fetchone()
    return row is not None and bool(row[0])


def take_cash(connection: Connection, language: str, now: datetime | None = None) -> CashDigest | None:
    """What is to be told now, marked as told in the caller's transaction; None: nothing is.

    Args:
        connection: In a transaction, which also stores the message.
        language: `en` or `fr`.
        now: Aware; None: now.
    """
    now = now or datetime.now(UTC)
    day = day_of_digest(now)
    began = datetime.combine(day - timedelta(days=1), datetime.min.time(), MONTREAL).replace(hour=HOUR)
    connection.execute(statement("billing/hold_cash"))
    given = {"day": day, "since": now - OLD, "first": began.astimezone(UTC)}
    found = [Payment(*row) for row in connection.execute(statement("billing/cash_take"), given)]
    if not found:
        return None
    cash = Cash(found)
    say = translator(language)
    title = say(TITLE, count=len(found), total=money(language, cash.total))
    text = "\n".join([*render_payments(language, cash), "", say(SINCE, day=day.isoformat())])
    return CashDigest(title, text, len(found))
