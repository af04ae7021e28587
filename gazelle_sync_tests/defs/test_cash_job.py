"""The digest of payments under Dagster: a run is asked for where something was paid, and tells it once."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg
import pytest

from gazelle_sync.definitions import build_defs
from gazelle_sync.defs.shop.billing import told_now
from gazelle_sync.notifications.notices import CASH_JOB
from gazelle_sync_tests.support.shop import Shop


def test_the_schedule_starts_the_job_where_something_was_paid_and_the_job_tells_it_once(
    shop: Shop, instance: dg.DagsterInstance, set_environment: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    shop.query("UPDATE gazelle_invoice_payments SET status = 'FAILED'")  # what the sandbox invented
    assert isinstance(told_now(shop.settings, now), dg.SkipReason)
    shop.query("UPDATE gazelle_invoice_payments SET status = 'SUCCEEDED', paid_at = %s WHERE id = 1", now)
    assert isinstance(told_now(shop.settings, now), dg.RunRequest)
    for name, value in shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=shop.url).items():
        if name.startswith("GAZELLE_"):
            set_environment.setenv(name, value)
    job = build_defs().resolve_job_def(CASH_JOB)
    assert job.execute_in_process(instance=instance).success
    assert shop.count("cash_told") == 1
    assert isinstance(told_now(shop.settings, now), dg.SkipReason)
    assert job.execute_in_process(instance=instance).success
    assert shop.count("alert_log", "kind = 'notice'") == 1
