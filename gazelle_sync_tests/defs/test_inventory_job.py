"""The stock follows a pull under Dagster: the sensor, the job, `gazelle-sync sync`, and the checks."""

from __future__ import annotations

from decimal import Decimal

import dagster as dg
import pytest

from gazelle_sync.definitions import build_defs
from gazelle_sync.defs.shop import following
from gazelle_sync.defs.shop.inventory import JOB
from gazelle_sync.shop.followers import FOLLOWERS
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.evaluating import assert_passes, look_at
from gazelle_sync_tests.support.shop import Shop
from gazelle_sync_tests.support.stocking import Stockroom


def asked(shop: Shop, instance: dg.DagsterInstance) -> list[str]:
    """The job, where the sensor asks for it."""
    found = list(following.evaluate(instance, shop.settings))
    assert len({type(one) for one in found}) == 1, "Dagster takes runs, or one reason"
    assert isinstance(found[0], dg.RunRequest) or len(found) == 1
    return [JOB for one in found if isinstance(one, dg.RunRequest) and one.job_name == JOB]


@pytest.fixture
def felt(stockroom: Stockroom) -> int:
    product = stockroom.product("FEUTRE")
    stockroom.rule(product, 2)
    return product


def test_the_sensor_asks_for_a_run_only_when_invoices_wait(
    stockroom: Stockroom, felt: int, instance: dg.DagsterInstance
) -> None:
    shop = stockroom.shop
    assert asked(shop, instance) == [JOB], "the rule is new"
    stockroom.follow()
    assert asked(shop, instance) == []
    stockroom.invoiced(1)
    assert asked(shop, instance) == [JOB]
    job = build_defs().resolve_job_def(JOB)
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert asked(shop, instance) == []
    assert "is about to do it" in str(following.held_back(instance, JOB))
    for follower in FOLLOWERS:
        busy = build_defs().resolve_job_def(follower.job)
        instance.create_run_for_job(busy, status=dg.DagsterRunStatus.STARTED)
    assert asked(shop, instance) == [], "all are under way: one reason that names each"


def test_a_run_that_failed_is_tried_again_after_some_minutes(
    stockroom: Stockroom, felt: int, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.create_run_for_job(build_defs().resolve_job_def(JOB), status=dg.DagsterRunStatus.FAILURE)
    assert asked(stockroom.shop, instance) == []
    assert "failed" in str(following.held_back(instance, JOB))
    monkeypatch.setattr(following, "AFTER_A_FAILURE", following.AFTER_A_FAILURE * 0)
    assert asked(stockroom.shop, instance) == [JOB]


def test_a_sync_waits_for_the_stock_and_one_that_brings_no_invoice_starts_nothing(person: Person) -> None:
    shop = person.shop
    product = shop.value("INSERT INTO shop_products (sku) VALUES ('FEUTRE') RETURNING id")
    found = (record for record in shop.admin.dump("invoices") if record["status"] == "PAID" and record["items"])
    invoice = next(found)
    service = invoice["items"][0]["masterServiceItemId"]
    shop.query(
        "INSERT INTO consumption_rules (service_external_id, shop_product_id, quantity, valid_from) "
        "VALUES (%s, %s, 2, '2000-01-01')",
        service, product,
    )  # fmt: skip
    first = person.runs("sync")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "The stock follows the invoices: " in first.stdout
    assert_passes(shop, "inventory_consumption")
    taken = "SELECT -sum(delta) FROM inventory_movements WHERE invoice_external_id = %s"
    lines = [item for item in invoice["items"] if item["masterServiceItemId"] == service]
    assert shop.value(taken, invoice["id"]) == 2 * sum(Decimal(item["quantity"]) for item in lines) / 100
    shop.admin.edit("invoices", invoice["id"], status="CANCELED")
    second = person.runs("sync")
    assert shop.value(taken, invoice["id"]) == 0
    assert "The stock follows the invoices: " in second.stdout
    shop.admin.edit("pianos", shop.admin.dump("pianos")[0]["id"], notes="rien pour le stock")
    third = person.runs("sync")
    assert third.returncode == 0
    assert "stock" not in third.stdout
    assert_passes(shop, "inventory_sum")


def test_the_checks_see_stock_that_is_no_sum_and_consumption_that_is_not_the_rules(
    stockroom: Stockroom, felt: int
) -> None:
    shop = stockroom.shop
    stockroom.invoiced(1)
    assert_passes(shop, "inventory_consumption")
    stockroom.follow()
    assert_passes(shop, "inventory_consumption")
    assert_passes(shop, "inventory_sum")
    shop.query("ALTER TABLE gazelle_invoices DISABLE TRIGGER USER")
    stockroom.invoice(1, status="CANCELED")
    shop.query("ALTER TABLE inventory_stock DISABLE TRIGGER USER")
    shop.query("UPDATE inventory_stock SET quantity = 7")
    found = look_at(shop, "inventory_consumption")
    assert (found.is_failure, found.examples) == (True, ("inv_1 mit_tuning/-/0: 2.00",))
    found = look_at(shop, "inventory_sum", language="fr")
    assert found.is_failure
    assert "n'est pas la somme" in found.summary
    assert "usr_anne main: 7.00, -2.00" in found.examples[0]
    shop.query("UPDATE inventory_stock SET quantity = -2")
    stockroom.follow(everything=True)
    assert stockroom.movements() == [("consumption", -2), ("return", 2)]


def test_invoices_that_nobody_looks_at_are_a_warning(stockroom: Stockroom, felt: int) -> None:
    stockroom.invoiced(1)
    stockroom.shop.query("UPDATE inventory_unread SET changed_at = now() - interval '1 hour'")
    found = look_at(stockroom.shop, "inventory_consumption")
    assert (found.passed, found.severity) == (False, "warning")
    assert "60 min" in found.summary
