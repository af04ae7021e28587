"""How little a push of many rows asks: requests to Gazelle, and round trips to the database."""

from __future__ import annotations

import pytest

from gazelle_sync_tests.support.distance import COUNTED_S, DelayProxy, far_away
from gazelle_sync_tests.support.pushing import TABLE, EditedShop
from gazelle_sync_tests.support.shop import Shop

ONE, MANY = 25, 150
"""Round trips to the database for a push of one row, and of 200."""
REQUESTS_PER_THOUSAND = 200
LEASE = "Return tokens of the request budget"
WORK = ("status", "notes", "travail", "completed_at")


@pytest.fixture
def office(new_shop: Shop) -> EditedShop:
    """On the transport that takes many at once."""
    return EditedShop(new_shop)


def edited(office: EditedShop, count: int) -> list[str]:
    """So many rows that say everything."""
    client = office.record(office.piano())["clientId"]
    values = {"clientId": client, "status": "ACTIVE", "tags": ["GRAND"]}
    pianos = [str(office.shop.admin.create("pianos", **values)["id"]) for _ in range(count)]
    office.shop.query(
        f"INSERT INTO {TABLE} (gazelle_id, {', '.join(WORK)}) "  # noqa: S608 - names of ours
        "SELECT piano, 'top', 'Note de ' || piano, 'Fait sur ' || piano, '2026-07-01 16:00+00' "
        "FROM unnest(%s::text[]) AS piano",
        pianos,
    )
    return pianos


def own_trips(far: DelayProxy) -> list[str]:
    """The round trips of a push itself: what was said in each.

    A lease of the request budget is renewed by the clock, on a thread and a connection of its own: how often, depends
    on how slow the machine is. That it is taken and given back counts.
    """
    trips = [text for of_one in far.round_trips() for text in of_one]
    leases = [text for text in trips if LEASE in text]
    return [text for text in trips if LEASE not in text] + leases[:2]


@pytest.mark.parametrize(("rows", "most"), [(1, ONE), (200, MANY)])
def test_a_push_makes_few_round_trips_to_the_database(office: EditedShop, rows: int, most: int) -> None:
    edited(office, rows)
    with far_away(office.shop.url, COUNTED_S) as far:
        report = office.push(database_url=far.url, rate_per_s=10)
        trips = own_trips(far)
    assert report.succeeded
    assert report.sent == 4 * rows
    assert [text for text in trips if LEASE in text], "the statement is known by its comment"
    assert len(trips) <= most, "\n".join(trips)


def test_a_push_of_many_rows_asks_gazelle_for_a_fifth_of_a_request_each_at_most(office: EditedShop) -> None:
    """Two hundred stand for the thousand of which the bound speaks: both grow by the wave."""
    pianos = edited(office, 200)
    report = office.push()
    assert report.succeeded
    assert report.requests <= REQUESTS_PER_THOUSAND / 1000 * 200
    for piano in pianos[::50]:
        assert office.comments(piano) == [f"Note de {piano}", f"Fait sur {piano}"]
        assert office.record(piano)["tags"] == ["GRAND", "TOP"]
        assert office.record(piano)["manualLastService"] == "2026-07-01"


@pytest.mark.slow("five thousand records are made at Gazelle, and edited")
def test_five_thousand_dirty_rows_of_two_tables_all_arrive_in_few_requests(office: EditedShop) -> None:
    pianos = edited(office, 2500)
    admin = office.shop.admin
    first = next(one for one in admin.dump("products") if not one["isArchived"])
    values = {name: value for name, value in first.items() if name not in ("id", "createdAt", "updatedAt")}
    products = [str(admin.create("products", **values)["id"]) for _ in range(2500)]
    office.shop.query(
        "INSERT INTO shop_products (product_external_id, retail_price) SELECT product, 12.5 "
        "FROM unnest(%s::text[]) AS product",
        products,
    )
    report = office.push()
    assert (report.sent, report.failed) == (4 * 2500 + 2500, 0)
    assert report.requests <= REQUESTS_PER_THOUSAND / 1000 * 5000
    assert not office.shop.count(TABLE, "needs_sync")
    assert not office.shop.count("shop_products", "needs_sync")
    assert {one["amount"] for one in admin.dump("products") if one["id"] in products} == {1250}
    assert office.comments(pianos[-1]) == [f"Note de {pianos[-1]}", f"Fait sur {pianos[-1]}"]


def test_an_api_that_takes_few_fields_is_asked_in_smaller_documents_from_then_on(office: EditedShop) -> None:
    office.shop.admin.settings(max_root_fields=12)
    first = edited(office, 40)
    assert office.push().succeeded
    refused = office.shop.admin.stats()["requests"]
    edited(office, 40)
    office.shop.admin.reset_stats()
    assert office.push().succeeded
    assert office.shop.admin.stats()["requests"] < refused, "the size is remembered"
    assert [len(office.comments(piano)) for piano in first] == [2] * 40


def test_an_undo_takes_as_few_requests_and_round_trips_as_the_push(office: EditedShop) -> None:
    pianos = edited(office, 100)
    assert office.push().sent == 400
    run_id = office.shop.last_log()["run_id"]
    with far_away(office.shop.url, COUNTED_S) as far:
        report = office.undo(run_id, database_url=far.url)
        trips = len(own_trips(far))
    assert (report.sent, report.failed) == (400, 0)
    assert report.requests <= REQUESTS_PER_THOUSAND / 1000 * 200
    assert trips <= MANY
    for piano in pianos[::50]:
        assert not office.comments(piano)
        assert office.record(piano)["tags"] == ["GRAND"]
