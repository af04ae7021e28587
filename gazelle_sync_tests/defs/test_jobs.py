"""Each job in process, on an instance of its own, a real database and the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from gazelle_sync.defs.sync.assets import LISTS
from gazelle_sync.defs.sync.jobs import asset_keys, run_config
from gazelle_sync.defs.sync.partitions import range_tags
from gazelle_sync.defs.sync.resources import FULL, REPLAY_JOB, SCHEDULE_TAG, TICK
from gazelle_sync.entities import ENTITIES
from gazelle_sync.montreal import midnight, montreal_day
from gazelle_sync_tests.support.shop import Shop


class Runner:
    """Runs jobs for one shop."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self._definitions = definitions
        self.instance = instance

    def run(
        self,
        job: str = TICK,
        mode: str = "tick",
        *,
        first: datetime | None = None,
        last: datetime | None = None,
        entities: list[str] | None = None,
        tags: Mapping[str, str] | None = None,
        **config: Any,
    ) -> dg.ExecuteInProcessResult:
        now = datetime.now(UTC)
        return self._definitions.resolve_job_def(job).execute_in_process(
            run_config=run_config(mode, **config),
            instance=self.instance,
            raise_on_error=False,
            tags={**range_tags(montreal_day(first or now), montreal_day(last or now)), **(tags or {})},
            asset_selection=asset_keys(entities, with_staging=job != REPLAY_JOB) if entities else None,
        )


@pytest.fixture
def runner(definitions: dg.Definitions, instance: dg.DagsterInstance, set_environment: pytest.MonkeyPatch) -> Runner:
    assert set_environment
    return Runner(definitions, instance)


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {
        str(event.asset_key.to_user_string()) for event in result.get_asset_materialization_events() if event.asset_key
    }


def metadata_of(result: dg.ExecuteInProcessResult) -> dict[str, Mapping[str, dg.MetadataValue[Any]]]:
    return {
        event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }


def tables_of(*entities: str) -> set[str]:
    return {key.to_user_string() for key in asset_keys(list(entities), with_staging=False)}


def test_a_first_tick_makes_production_equal_to_the_api(named_new_shop: Shop, runner: Runner) -> None:
    result = runner.run()
    assert result.success
    assert len(materialized(result)) == 23
    named_new_shop.assert_equals_api()
    log = named_new_shop.last_log()
    assert (log["run_id"], log["mode"], log["status"]) == (result.run_id, "tick", "success")


@pytest.mark.parametrize("mode", ["nightly", "deep"])
def test_the_full_job_in_both_its_modes(named_shop: Shop, runner: Runner, mode: str) -> None:
    named_shop.admin.random_edits(clients=2, pianos=2, events=2, timeline=2)
    assert runner.run(FULL, mode).success
    assert named_shop.last_log()["mode"] == mode
    named_shop.assert_equals_api()


def test_the_replay_job_asks_gazelle_for_nothing(named_shop: Shop, runner: Runner) -> None:
    before = named_shop.fingerprint()
    named_shop.query("UPDATE gazelle_products SET name_fr = 'abîmé'")
    named_shop.admin.reset_stats()
    assert runner.run(REPLAY_JOB, "replay").success
    assert named_shop.fingerprint() == before
    assert named_shop.admin.stats()["arrivals"] == 0


def test_the_replay_job_needs_no_address_of_gazelle(
    named_shop: Shop, runner: Runner, set_environment: pytest.MonkeyPatch
) -> None:
    set_environment.delenv("GAZELLE_API_URL")
    result = runner.run(REPLAY_JOB, "replay")
    assert result.success
    assert named_shop.last_log()["status"] == "success"
    assert {one.check_name for one in result.get_asset_check_evaluations()} >= {"timezone_instants", "timezone_view"}


def test_the_replay_job_refuses_to_delete_what_staging_lost_unless_somebody_insists(
    named_shop: Shop, runner: Runner
) -> None:
    named_shop.query("TRUNCATE staging_timeline")
    before = named_shop.physical()
    refused = runner.run(REPLAY_JOB, "replay")
    assert not refused.success
    assert named_shop.physical() == before
    errors = " ".join(str(event.step_failure_data.error) for event in refused.get_step_failure_events())
    assert "--without-staging" in errors
    assert runner.run(REPLAY_JOB, "replay", entities=["pianos"]).success, "staging has all of these"
    assert runner.run(REPLAY_JOB, "replay", without_staging="keep").success
    assert named_shop.physical() == before
    assert runner.run(REPLAY_JOB, "replay", without_staging="delete").success
    assert named_shop.count("gazelle_timeline_entries", "deleted_at IS NULL") == 0
    assert named_shop.count("gazelle_timeline_entries") > 0


def test_materializations_carry_counts_and_a_preview_without_particulars(named_shop: Shop, runner: Runner) -> None:
    client = named_shop.admin.dump("clients")[0]["id"]
    named_shop.admin.edit("clients", client, personalNotes="appeler après 17 h")
    found = metadata_of(runner.run())
    clients = found["gazelle_clients"]
    assert clients["dagster/row_count"].value == len(named_shop.admin.dump("clients"))
    assert clients["did"].value == "applied 1 versions"
    phones = {row["phone"] for row in named_shop.rows("gazelle_clients") if row["phone"]}
    preview = str(clients["preview"].value)
    assert "cli_" in preview
    assert not any(phone in preview for phone in phones)
    assert "preview" not in found["gazelle_pianos"], "nothing was written there"
    assert found["staging_clients"]["stamps read"].value == len(named_shop.admin.dump("clients"))
    assert not any("dagster/partition_row_count" in metadata for metadata in found.values())
    assert not any("dagster/column_schema" in metadata for metadata in found.values()), "they are on the spec"


def test_a_range_of_partitions_is_one_run(named_shop: Shop, runner: Runner) -> None:
    first = datetime.now(UTC) - timedelta(days=3)
    result = runner.run(first=first)
    assert result.success
    partitions = runner.instance.get_materialized_partitions(dg.AssetKey("gazelle_clients"))
    assert len(partitions) == 4
    logs = named_shop.rows("sync_logs")
    assert [log["run_id"] for log in logs].count(result.run_id) == 1


def test_a_backfill_reads_the_records_of_those_days_again_and_moves_no_watermark(
    named_shop: Shop, runner: Runner
) -> None:
    day = montreal_day(datetime.now(UTC) - timedelta(days=20))
    inside, outside, dated = (client["id"] for client in named_shop.admin.dump("clients")[:3])
    noon = (midnight(day) + timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    named_shop.admin.edit("clients", inside, touch=noon, personalNotes="avant")
    entry = named_shop.admin.create("timeline", occurredAt=noon, clientId=dated, summary="avant")["id"]
    named_shop.sync()
    named_shop.admin.edit("clients", inside, touch=False, personalNotes="après")
    named_shop.admin.edit("clients", outside, touch=False, personalNotes="après")
    named_shop.admin.edit("timeline", entry, summary="après")
    named_shop.admin.reset_stats()
    marks = named_shop.watermarks()

    in_day = midnight(day) + timedelta(hours=1)
    result = runner.run(first=in_day, last=in_day + timedelta(days=1))

    assert result.success
    assert named_shop.last_log()["mode"] == "backfill"
    assert named_shop.row("gazelle_clients", inside)["personal_notes"] == "après"
    assert named_shop.row("gazelle_clients", outside)["personal_notes"] != "après"
    assert named_shop.row("gazelle_timeline_entries", entry)["title"] == "après"
    assert named_shop.watermarks() == marks
    assert named_shop.admin.stats()["bodies"]["clients"] == 1


def test_a_run_that_a_schedule_asked_for_late_is_no_backfill_of_the_day_that_it_was_due_on(
    named_shop: Shop, runner: Runner
) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    named_shop.admin.random_edits(clients=2)
    assert runner.run(first=yesterday, last=yesterday, tags={SCHEDULE_TAG: "tick_every_15_minutes"}).success
    assert named_shop.last_log()["mode"] == "tick"
    named_shop.assert_equals_api()


def test_a_backfill_puts_damaged_rows_of_its_days_right(named_shop: Shop, runner: Runner) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    entry = max(
        (e for e in named_shop.admin.dump("timeline") if e["occurredAt"] < yesterday),
        key=lambda e: str(e["occurredAt"]),
    )
    at = datetime.fromisoformat(entry["occurredAt"])
    named_shop.query("UPDATE gazelle_timeline_entries SET title = 'abîmé'")
    assert runner.run(first=at, last=at, entities=["timeline"]).success
    assert named_shop.row("gazelle_timeline_entries", entry["id"])["title"] == entry["summary"]
    assert named_shop.value("SELECT count(*) FROM gazelle_timeline_entries WHERE title = 'abîmé'") > 0


def test_a_failed_staging_asset_fails_what_hangs_on_it_and_nothing_else(named_shop: Shop, runner: Runner) -> None:
    named_shop.admin.random_edits(clients=2, pianos=2, events=2, timeline=2)
    named_shop.admin.fault("status", code=404, times=0, operation="allInvoices")
    result = runner.run()
    assert not result.success
    failed = {event.step_key for event in result.get_step_failure_events() if event.step_key}
    assert failed == {"invoices"}
    done = materialized(result)
    assert {e.staging_table for e in ENTITIES} - done == {"staging_invoices"}
    assert tables_of("users", "products", "clients", "pianos", "appointments") <= done
    assert not tables_of("invoices") & done
    message = next(event for event in result.get_step_failure_events()).step_failure_data.error
    assert message is not None
    assert "InvoicesStamps" in str(message)
    named_shop.admin.clear_faults()
    assert runner.run().success
    named_shop.assert_equals_api()


def test_lists_that_share_a_step_fail_each_for_itself(named_shop: Shop, runner: Runner) -> None:
    for operation in ("allUsers", "allTaxes"):
        named_shop.admin.fault("status", code=404, times=0, operation=operation)
    result = runner.run()
    [failed] = result.get_step_failure_events()
    assert failed.step_key == LISTS
    said = str(failed.step_failure_data.error)
    assert "UsersStamps" in said
    assert "TaxesPage" in said
    assert {e.staging_table for e in ENTITIES} - materialized(result) == {"staging_users", "staging_taxes"}
    assert tables_of("products", "clients") <= materialized(result)
    named_shop.admin.clear_faults()


def test_a_mass_deletion_fails_the_entity_with_the_flag_in_its_message(named_shop: Shop, runner: Runner) -> None:
    for piano in named_shop.admin.dump("pianos")[:12]:
        named_shop.admin.delete("pianos", piano["id"])
    result = runner.run()
    assert not result.success
    errors = " ".join(str(event.step_failure_data.error) for event in result.get_step_failure_events())
    assert "--allow-deletes" in errors
    assert runner.run(allow_deletes=True).success


def test_wrong_credentials_fail_the_run_with_the_reason(
    named_shop: Shop, runner: Runner, set_environment: pytest.MonkeyPatch
) -> None:
    set_environment.setenv("GAZELLE_API_TOKEN", "a-key-that-nobody-may-read")
    result = runner.run()
    assert not result.success
    errors = " ".join(str(event.step_failure_data.error) for event in result.get_step_failure_events())
    assert "GAZELLE_API_TOKEN" in errors
    assert "a-key-that-nobody-may-read" not in errors
    assert named_shop.last_log()["status"] == "error"
