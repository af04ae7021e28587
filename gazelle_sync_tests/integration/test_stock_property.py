"""Whatever happens in whichever order: the stock is the sum, and nothing is taken twice."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazelle_sync.errors import SettingsError
from gazelle_sync.shop.inventory.consumption import MAIN
from gazelle_sync.shop.inventory.naming import Material, Person
from gazelle_sync.shop.inventory.stock import Count, Selection
from gazelle_sync.shop.inventory.stock import Stockroom as Room
from gazelle_sync_tests.support.distance import COUNTED_S, far_away
from gazelle_sync_tests.support.stocking import ANNE, BEN, Stockroom

PEOPLE = (ANNE, BEN)
_numbers: Iterator[int] = itertools.count(1)

QUANTITY = st.decimals("0.01", 9, places=2)
STEP = st.one_of(
    st.tuples(st.just("invoice"), st.integers(0, 2), st.sampled_from(["OPEN", "DRAFT", "PAID", "CANCELED"]),
              st.sampled_from([*PEOPLE, None])),
    st.tuples(st.just("line"), st.integers(0, 2), st.integers(0, 1),
              st.one_of(st.none(), st.decimals(-1, 5, places=2))),
    st.tuples(st.just("count"), st.sampled_from(PEOPLE), st.decimals(0, 9, places=2)),
    st.tuples(st.just("purchase"), st.sampled_from(PEOPLE), QUANTITY),
    st.tuples(st.just("loss"), st.sampled_from(PEOPLE), QUANTITY),
    st.tuples(st.just("transfer"), st.sampled_from(PEOPLE), QUANTITY),
    st.tuples(st.just("follow"), st.booleans()),
)  # fmt: skip


class Model:
    """What the stock has to be: by hand, for one material of which a tuning uses two."""

    def __init__(self, stockroom: Stockroom) -> None:
        self.stockroom = stockroom
        self.room = Room(stockroom.shop.settings)
        number = next(_numbers)
        self.product = stockroom.product(f"F{number}")
        self.service = f"mit_{number}"
        stockroom.shop.query("INSERT INTO gazelle_products (external_id) VALUES (%s)", self.service)
        stockroom.rule(self.product, 2, self.service)
        self.first_invoice = number * 10
        self.stock: dict[str, Decimal] = defaultdict(Decimal)
        self.taken: dict[tuple[int, int, str], Decimal] = {}
        self.invoices: dict[int, tuple[str, str | None]] = {}
        self.lines: dict[tuple[int, int], Decimal | None] = {}

    def do(self, step: tuple[Any, ...]) -> None:
        """One step, here and in the database."""
        getattr(self, step[0])(*step[1:])

    def invoice(self, place: int, status: str, technician: str | None) -> None:
        self.stockroom.invoice(self.first_invoice + place, status=status, assigned_to_external_id=technician)
        self.invoices[place] = (status, technician)

    def line(self, place: int, sequence: int, quantity: Decimal | None) -> None:
        if place in self.invoices:
            invoice = f"inv_{self.first_invoice + place}"
            self.stockroom.line(invoice, sequence, product_external_id=self.service, quantity=quantity)
            self.lines[place, sequence] = quantity

    def count(self, technician: str, quantity: Decimal) -> None:
        self.room.count([Count(self.product, technician, MAIN, quantity)])
        self.stock[technician] = quantity

    def purchase(self, technician: str, quantity: Decimal) -> None:
        self.room.purchase(self.asked(technician), quantity)
        self.stock[technician] += quantity

    def loss(self, technician: str, quantity: Decimal) -> None:
        if self.tries(technician, quantity, lambda: self.room.move(self.asked(technician), "loss", quantity)):
            self.stock[technician] -= quantity

    def transfer(self, technician: str, quantity: Decimal) -> None:
        other = BEN if technician == ANNE else ANNE
        if self.tries(technician, quantity, lambda: self.room.transfer(self.asked(technician, other), quantity)):
            self.stock[technician] -= quantity
            self.stock[other] += quantity

    def follow(self, everything: bool) -> None:
        needed = {
            (place, sequence, technician): quantity * 2
            for (place, sequence), quantity in self.lines.items()
            for status, technician in [self.invoices[place]]
            if status in {"OPEN", "PAID"} and technician and quantity and quantity > 0
        }
        for use in needed.keys() | self.taken.keys():
            self.stock[use[2]] -= needed.get(use, Decimal(0)) - self.taken.get(use, Decimal(0))
        self.taken = needed
        self.stockroom.follow(everything=everything)
        assert self.stockroom.follow(everything=True).movements == (), "a second consumption moves nothing"

    def tries(self, technician: str, quantity: Decimal, move: Any) -> bool:
        """Whether there was enough; the database must think so too."""
        if quantity <= self.stock[technician]:
            move()
            return True
        with pytest.raises(SettingsError):
            move()
        return False

    def asked(self, *technicians: str) -> Selection:
        material = Material(self.product, None, None, "Feutre", None, None, True, False, None, True, ())
        return Selection(material, tuple(Person(one, one, "", True) for one in technicians))


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=5, max_size=20))
def test_any_sequence_of_edits_returns_counts_and_transfers(stockroom: Stockroom, steps: list[tuple[Any, ...]]) -> None:
    model = Model(stockroom)
    for step in [*steps, ("follow", False)]:
        model.do(step)
    for technician in PEOPLE:
        assert (stockroom.stock(model.product, technician) or 0) == model.stock[technician]
    stockroom.assert_stock_is_the_sum()


def test_two_consumptions_and_counts_at_once_take_nothing_twice(stockroom: Stockroom) -> None:
    product = stockroom.product("FEUTRE")
    stockroom.rule(product, 1)
    room = Room(stockroom.shop.settings)
    for number in range(12):
        stockroom.invoiced(number, assigned_to_external_id=PEOPLE[number % 2])
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def at_once(work: Any) -> None:
        try:
            start.wait()
            work()
        except BaseException as error:
            failures.append(error)

    def count() -> None:
        for quantity in range(5):
            room.count([Count(product, technician, MAIN, Decimal(quantity)) for technician in reversed(PEOPLE)])

    works = [lambda: stockroom.follow(everything=True), lambda: stockroom.follow(everything=True), count, count]
    threads = [threading.Thread(target=at_once, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    taken = stockroom.shop.query(
        "SELECT invoice_external_id, count(*) FROM inventory_movements WHERE kind = 'consumption' GROUP BY 1"
    )
    assert sorted(taken) == sorted((f"inv_{number}", 1) for number in range(12))
    stockroom.assert_stock_is_the_sum()
    assert stockroom.follow(everything=True).movements == ()


def test_a_count_that_meets_a_merge_counts_what_the_product_turned_out_to_be(stockroom: Stockroom) -> None:
    old, felt = stockroom.product("F-OLD"), stockroom.product("FEUTRE")
    stockroom.move(old, 3)
    stockroom.move(felt, 2)
    room, waits = (
        Room(stockroom.shop.settings),
        ("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"),
    )
    count = threading.Thread(target=lambda: room.count([Count(old, ANNE, MAIN, Decimal(4))]))
    with psycopg.connect(stockroom.shop.url) as merging:
        merging.execute("UPDATE shop_products SET merged_into = %s WHERE id = %s", [felt, old])
        count.start()
        while not stockroom.shop.value(waits):
            assert count.is_alive()
    count.join()
    assert (stockroom.stock(old), stockroom.stock(felt)) == (0, 4)
    stockroom.assert_stock_is_the_sum()


def test_five_thousand_at_once_cost_no_more_round_trips_than_one(stockroom: Stockroom) -> None:
    shop = stockroom.shop
    product = stockroom.product("FEUTRE")
    stockroom.rule(product, 1)
    shop.query(
        "INSERT INTO gazelle_invoices (external_id, number, status, invoice_date, assigned_to_external_id) "
        "SELECT 'inv_' || n, n, 'OPEN', '2026-03-02', CASE WHEN n %% 2 = 0 THEN 'usr_anne' ELSE 'usr_ben' END "
        "FROM generate_series(1, %s) AS n",
        5000,
    )
    shop.query(
        "INSERT INTO gazelle_invoice_items (external_id, invoice_external_id, product_external_id, quantity) "
        "SELECT external_id || ':0', external_id, 'mit_tuning', 1 FROM gazelle_invoices"
    )
    counts = [Count(product, f"usr_{number}", MAIN, Decimal(number)) for number in range(5000)]
    with far_away(shop.url, COUNTED_S) as far:
        distant = shop.settings.replace(database_url=far.url)
        Room(distant).count(counts[:1])
        far.round_trips()
        Room(distant).count(counts)
        counted = far.round_trips()
        stockroom.shop.settings = distant
        assert stockroom.follow().invoices == 5000
        followed = far.round_trips()
    assert sum(map(len, counted)) <= 12, counted
    assert sum(map(len, followed)) <= 14, followed
    assert stockroom.stock(product) == stockroom.stock(product, BEN) == -2500
    stockroom.assert_stock_is_the_sum()
