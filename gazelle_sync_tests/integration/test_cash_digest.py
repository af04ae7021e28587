"""What was paid is told at 18:00 Montreal: one digest a day, each payment once, late rather than never."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from gazelle_sync.notifications.notices import post
from gazelle_sync.shop.billing.digest import CashDigest, day_of_digest, take_cash
from gazelle_sync.warehouse.connect import Connection
from gazelle_sync_tests.support.shop import Shop

SIX = datetime(2026, 7, 2, 22, 0, tzinfo=UTC)
"""18:00 in Montreal, in summer."""


class Till:
    """Payments that arrive with pulls, and digests at instants that are chosen."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        shop.query("UPDATE gazelle_invoice_payments SET status = 'FAILED'")  # what the sandbox invented
        self._invoice = shop.value("SELECT external_id FROM gazelle_invoices WHERE status = 'PAID' LIMIT 1")

    def paid(self, name: str, at: datetime, amount: str = "10.00", tip: str = "0") -> None:
        """A payment arrives."""
        self.shop.query(
            "INSERT INTO gazelle_invoice_payments "
            "(external_id, invoice_external_id, amount, tip, type, status, paid_at) "
            "VALUES (%s, %s, %s, %s, 'CASH', 'SUCCEEDED', %s)",
            name, self._invoice, amount, tip, at,
        )  # fmt: skip

    def tell(self, now: datetime, language: str = "fr") -> CashDigest | None:
        """A run of the job."""
        return post(self.shop.settings, "cash_digest", (), partial(take_cash, language=language, now=now))

    def told(self) -> list[str]:
        """Payments that a digest stands for, in order."""
        found = self.shop.query("SELECT payment_external_id FROM cash_told ORDER BY 1")
        return [name for (name,) in found]


@pytest.fixture
def till(shop: Shop) -> Till:
    return Till(shop)


def test_what_was_paid_since_the_digest_before_is_told_once(till: Till) -> None:
    till.paid("pay_1", SIX - timedelta(hours=8))
    till.paid("pay_2", SIX - timedelta(hours=7), "25.50", "5.50")
    first = till.tell(SIX)
    assert first is not None
    plain = "\n".join((first.title, first.text)).replace("\N{NO-BREAK SPACE}", " ")
    assert plain.startswith("2 paiements : 35,50 $\n")
    assert ("dont pourboires : 5,50 $" in plain, first.payments) == (True, 2)
    assert till.tell(SIX + timedelta(minutes=5)) is None, "the scheduler ran twice"
    till.paid("pay_3", SIX + timedelta(minutes=10))
    assert till.tell(SIX + timedelta(minutes=20)) is None, "one a day"
    second = till.tell(SIX + timedelta(days=1))
    assert second is not None
    assert second.payments == 1
    assert till.told() == ["pay_1", "pay_2", "pay_3"]


def test_a_digest_that_is_late_is_still_that_of_its_day_and_keeps_none_of_the_next_day_back(till: Till) -> None:
    till.paid("pay_1", SIX - timedelta(hours=1))
    morning = SIX + timedelta(hours=15)
    assert day_of_digest(morning) == day_of_digest(SIX)
    assert (till.tell(morning) or CashDigest("", "", 0)).payments == 1
    till.paid("pay_2", morning + timedelta(hours=1))
    assert till.tell(morning + timedelta(hours=2)) is None
    assert (till.tell(SIX + timedelta(days=1)) or CashDigest("", "", 0)).payments == 1


def test_a_payment_that_arrives_late_is_told_with_the_next_digest_and_an_old_one_is_not(till: Till) -> None:
    till.paid("pay_1", SIX - timedelta(hours=1))
    assert till.tell(SIX)
    till.paid("pay_late", SIX - timedelta(days=9))
    till.paid("pay_old", SIX - timedelta(days=40))
    second = till.tell(SIX + timedelta(days=1))
    assert second is not None
    assert second.payments == 1
    assert till.told() == ["pay_1", "pay_late", "pay_old"]


def test_the_first_digest_tells_of_one_day_and_not_of_all_that_was_ever_paid(till: Till) -> None:
    till.paid("pay_1", SIX - timedelta(days=3))
    till.paid("pay_2", SIX - timedelta(hours=23))
    first = till.tell(SIX, "en")
    assert first is not None
    assert first.title == "1 payment: $10.00"
    assert till.told() == ["pay_1", "pay_2"]


def test_what_was_refunded_or_failed_is_no_payment_and_a_day_without_any_has_no_digest(till: Till) -> None:
    assert till.tell(SIX) is None
    till.paid("pay_1", SIX - timedelta(hours=1))
    till.shop.query("UPDATE gazelle_invoice_payments SET status = 'REFUNDED' WHERE external_id = 'pay_1'")
    assert till.tell(SIX) is None
    assert till.told() == []


def test_two_digests_at_once_tell_once(till: Till) -> None:
    till.paid("pay_1", SIX - timedelta(hours=1))
    with ThreadPoolExecutor(4) as runs:
        found = list(runs.map(lambda _: till.tell(SIX), range(4)))
    assert sum(one is not None for one in found) == 1


def test_a_digest_whose_process_dies_is_told_by_the_next(till: Till) -> None:
    till.paid("pay_1", SIX - timedelta(hours=1))

    def die(connection: Connection) -> CashDigest:
        take_cash(connection, language="fr", now=SIX)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        post(till.shop.settings, "cash_digest", (), die)
    assert till.told() == []
    assert till.tell(SIX)


def test_eighteen_is_montreals_on_both_sides_of_a_clock_change() -> None:
    assert day_of_digest(datetime(2026, 3, 8, 21, 59, tzinfo=UTC)).isoformat() == "2026-03-07"
    assert day_of_digest(datetime(2026, 3, 8, 22, 0, tzinfo=UTC)).isoformat() == "2026-03-08"
    assert day_of_digest(datetime(2026, 11, 1, 22, 59, tzinfo=UTC)).isoformat() == "2026-10-31"
    assert day_of_digest(datetime(2026, 11, 1, 23, 0, tzinfo=UTC)).isoformat() == "2026-11-01"
