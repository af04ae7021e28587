"""The flow checks: each fault is made to happen in the real tables, and found; healthy data passes."""

from __future__ import annotations

import re

import pytest

from gazelle_sync.pull.report import EntityReport
from gazelle_sync.quality.flow import LEAST_DAYS, error_kind
from gazelle_sync_tests.support.evaluating import assert_passes, look_at
from gazelle_sync_tests.support.shop import Shop

NAMES = ("flow_age", "flow_backlog", "flow_errors", "flow_watermark", "flow_volume")
BREAK = """
    UPDATE staging_clients SET sync_status = 'error',
        error_message = 'clients cli_x: tags: expected text, got ''Unetelle'''
    WHERE id IN (SELECT id FROM staging_clients WHERE jsonb_typeof(raw_data) = 'object' ORDER BY external_id LIMIT {0})
"""
AGE_RUNS = "UPDATE sync_logs SET started_at = started_at - interval '{0}'"
LIVED = """
    INSERT INTO sync_logs (run_id, task_type, mode, status, started_at, stats)
    SELECT 'past', 'pull', 'tick', 'success', now() - make_interval(days => day, mins => 10),
        jsonb_build_object('clients', jsonb_build_object('staged', {0}, 'total', 5))
    FROM generate_series(1, 28) AS day
"""


def tick_now(shop: Shop, staged: int) -> None:
    """A tick of this moment, as the log tells it."""
    shop.query(
        """INSERT INTO sync_logs (run_id, task_type, mode, status, started_at, stats)
        VALUES ('now', 'pull', 'tick', 'success', now(),
            jsonb_build_object('clients', jsonb_build_object('staged', %s::int)))""",
        staged,
    )


def test_a_healthy_shop_passes(shop: Shop) -> None:
    shop.sync()
    for name in NAMES:
        assert_passes(shop, name)
        assert_passes(shop, name, thorough=False)


def test_a_database_without_a_run_passes_nowhere(new_shop: Shop) -> None:
    for name in NAMES:
        found = look_at(new_shop, name)
        assert found.is_failure
        assert "No run has ended yet" in found.summary


def test_a_database_that_cannot_be_read_passes_nowhere(shop: Shop) -> None:
    shop.query("ALTER TABLE sync_logs RENAME TO somewhere_else")
    for name in NAMES:
        assert look_at(shop, name).is_failure, name


def test_a_poll_that_is_too_old_is_told_even_without_any_error(shop: Shop) -> None:
    shop.query(AGE_RUNS.format("30 minutes"))
    late = look_at(shop, "flow_age")
    assert (late.passed, late.is_failure) == (False, False)
    shop.query(AGE_RUNS.format("1 hour"))
    lost = look_at(shop, "flow_age", language="fr")
    assert lost.is_failure
    (minutes,) = re.findall(r"Rendez-vous (\d+) min", lost.summary)
    assert int(minutes) >= 90, "older than that by what the suite has taken since the runs were made"


def test_a_poll_that_fails_is_none(shop: Shop) -> None:
    shop.query(AGE_RUNS.format("2 hours"))
    shop.admin.fault("status", code=404, times=0, operation="allInvoices")
    shop.sync(check=False)
    found = look_at(shop, "flow_age")
    assert found.is_failure
    assert "Invoices" in found.summary
    assert "Clients" not in found.summary


def test_a_poll_of_the_run_that_is_going_counts(shop: Shop) -> None:
    shop.query(AGE_RUNS.format("2 hours"))
    reports = {name: EntityReport(total=1) for name in shop.watermarks() if name}
    assert_passes(shop, "flow_age", reports=reports)
    reports["pianos"].failure = "broken"
    assert "Pianos" in look_at(shop, "flow_age", reports=reports).summary


def test_records_that_wait_too_long_are_told(shop: Shop) -> None:
    shop.query("UPDATE staging_pianos SET sync_status = 'pending', fetched_at = now() - interval '5 minutes'")
    assert "wait to be applied" in assert_passes(shop, "flow_backlog").summary
    shop.query("UPDATE staging_pianos SET fetched_at = now() - interval '30 minutes'")
    late = look_at(shop, "flow_backlog")
    assert (late.passed, late.is_failure) == (False, False)
    shop.query("UPDATE staging_pianos SET fetched_at = now() - interval '2 hours'")
    found = look_at(shop, "flow_backlog")
    assert found.is_failure
    assert found.numbers["backlog"] == shop.count("staging_pianos")
    assert found.numbers["oldest pending (min)"] >= 119


def test_errors_are_told_by_reason_and_without_what_the_record_holds(shop: Shop) -> None:
    shop.query(BREAK.format(3))
    few = look_at(shop, "flow_errors")
    assert (few.passed, few.is_failure) == (False, False)
    assert "tags: expected text, got … (3)" in few.summary
    assert "Unetelle" not in str(few)
    shop.query(BREAK.format(12))
    many = look_at(shop, "flow_errors")
    assert many.is_failure
    assert many.numbers["errors in the last hour"] == 12


def test_an_error_that_a_newer_version_replaced_is_nobodys_concern(shop: Shop) -> None:
    client = shop.admin.dump("clients")[0]["id"]
    shop.query("UPDATE staging_clients SET sync_status = 'error' WHERE external_id = %s", client)
    shop.admin.edit("clients", client, region="x")
    shop.sync()
    assert_passes(shop, "flow_errors")


def test_a_watermark_that_does_not_move_though_runs_succeed_is_told(shop: Shop) -> None:
    shop.sync()
    shop.sync()
    shop.query("UPDATE system_settings SET updated_at = now() - interval '1 hour' WHERE key = 'last_sync_date.clients'")
    found = look_at(shop, "flow_watermark")
    assert found.is_failure
    assert "Clients is still" in found.summary
    assert "Pianos" not in found.summary


@pytest.mark.parametrize(("value", "words"), [("hier", "not readable"), ("2999-01-01T00:00:00+00:00", "in the future")])
def test_a_watermark_that_makes_no_sense_is_told(shop: Shop, value: str, words: str) -> None:
    shop.query("UPDATE system_settings SET value = %s WHERE key = 'last_sync_date.timeline'", value)
    found = look_at(shop, "flow_watermark")
    assert found.is_failure
    assert words in found.summary


def test_what_is_usual_for_the_hour_must_be_learned_first(shop: Shop) -> None:
    tick_now(shop, 9999)
    assert f"of {LEAST_DAYS} days" in assert_passes(shop, "flow_volume").summary


def test_a_flood_and_a_drought_are_told_and_an_ordinary_hour_passes(shop: Shop) -> None:
    shop.query(LIVED.format(20))
    tick_now(shop, 30)
    assert "usual for it are 20 to 20" in assert_passes(shop, "flow_volume").summary
    tick_now(shop, 500)
    flood = look_at(shop, "flow_volume")
    assert not flood.passed
    assert "530 records came within the last hour, far more" in flood.summary
    shop.query("DELETE FROM sync_logs WHERE run_id = 'now'")
    tick_now(shop, 0)
    drought = look_at(shop, "flow_volume")
    assert not drought.passed
    assert "Nothing came" in drought.summary


def test_days_off_are_no_drought(shop: Shop) -> None:
    shop.query(LIVED.format("CASE WHEN day % 2 = 0 THEN 0 ELSE 90 END"))
    tick_now(shop, 0)
    assert_passes(shop, "flow_volume")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("clients cli_abc: tags: expected text, got 'Mme Unetelle'", "tags: expected text, got …"),
        ('pianos ins_1: year: got "19\\"08", no number', "year: got …, no number"),
        ("appointments evt_9: start: is missing\nDETAIL: a row", "start: is missing"),
        (
            "set aside: one of 14 records whose tags would be emptied",
            "set aside: one of … records whose tags would be emptied",
        ),
        ("", "no reason given"),
    ],
)
def test_a_reason_holds_nothing_of_the_record(message: str, reason: str) -> None:
    assert error_kind(message) == reason
