"""What a person starts in the UI: one asset, a pair, a range of days, a job without a day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from gazelle_sync.defs.sync.assets import CALENDAR
from gazelle_sync.defs.sync.checks import finding_of
from gazelle_sync.defs.sync.jobs import check_keys
from gazelle_sync.defs.sync.partitions import range_tags
from gazelle_sync.defs.sync.resources import CHECK, DEEP, FULL, NIGHTLY, REPLAY_JOB, TICK
from gazelle_sync.entities import ENTITIES
from gazelle_sync.montreal import midnight, montreal_day
from gazelle_sync.quality.registry import CHECKS
from gazelle_sync_tests.defs.test_checks import MOVE
from gazelle_sync_tests.support.shop import Shop

STAGING = [entity.staging_table for entity in ENTITIES]
TABLES = {table.name: entity for entity in ENTITIES for table in entity.tables}
KEYS = [*STAGING, *TABLES, CALENDAR]
READ_NOTHING = "read nothing from Gazelle"


class Person:
    """Materializes assets as the UI does: in the implicit asset job."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self._definitions = definitions
        self.instance = instance

    def materializes(self, *names: str, first: datetime | None = None, last: datetime | None = None) -> Any:
        now = datetime.now(UTC)
        return self._definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            tags=range_tags(montreal_day(first or now), montreal_day(last or now)),
            asset_selection=[dg.AssetKey(name) for name in names],
        )

    def launches(self, job: str, config: Mapping[str, Any] | None = None) -> Any:
        """A job from the Launchpad, without a partition."""
        return self._definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            run_config={"resources": {"pull": {"config": dict(config or {})}}},
        )


@pytest.fixture
def person(definitions: dg.Definitions, instance: dg.DagsterInstance, set_environment: pytest.MonkeyPatch) -> Person:
    assert set_environment
    return Person(definitions, instance)


def said(result: Any) -> dict[str, str]:
    """Asset → what its materialization says was done."""
    return {
        event.asset_key.to_user_string(): str(event.step_materialization_data.materialization.metadata["did"].value)
        for event in result.get_asset_materialization_events()
    }


def errors(result: Any) -> str:
    return " ".join(
        str(event.step_failure_data.user_failure_data or event.step_failure_data.error)
        for event in result.get_step_failure_events()
    )


# ---- each alone


@pytest.mark.parametrize("name", KEYS)
def test_every_asset_can_be_made_alone_and_says_what_it_did(named_shop: Shop, person: Person, name: str) -> None:
    before = named_shop.fingerprint()
    marks = named_shop.watermarks()
    named_shop.admin.reset_stats()
    result = person.materializes(name)
    assert result.success, errors(result)
    did = said(result)
    assert set(did) == {name}
    asked = named_shop.admin.stats()["requests"]
    if name in STAGING:
        assert "from Gazelle: 0 new versions" in did[name]
        assert asked > 0
        assert named_shop.last_log()["mode"] == "tick"
    else:
        assert did[name].startswith(READ_NOTHING)
        assert asked == 0
    if name in TABLES:
        assert did[name] == f"{READ_NOTHING}; applied 0 waiting versions of staging"
        assert (named_shop.last_log()["mode"], named_shop.last_log()["status"]) == ("replay", "success")
    assert named_shop.watermarks() == marks, "only staging and tables together are a pull"
    assert named_shop.fingerprint() == before


def test_a_table_alone_applies_what_waits_and_says_how_much(named_shop: Shop, person: Person) -> None:
    client = named_shop.admin.dump("clients")[0]["id"]
    named_shop.admin.edit("clients", client, personalNotes="après")
    assert said(person.materializes("staging_clients"))["staging_clients"].endswith("1 new versions")
    assert named_shop.row("gazelle_clients", client)["personal_notes"] != "après"
    assert said(person.materializes("gazelle_contacts")) == {
        "gazelle_contacts": f"{READ_NOTHING}; applied 1 waiting versions of staging"
    }
    assert named_shop.row("gazelle_clients", client)["personal_notes"] == "après"


def test_a_table_alone_needs_neither_gazelle_nor_a_key(
    named_shop: Shop, person: Person, set_environment: pytest.MonkeyPatch
) -> None:
    assert named_shop
    set_environment.setenv("GAZELLE_API_URL", "http://127.0.0.1:9")
    set_environment.delenv("GAZELLE_API_TOKEN")
    result = person.materializes("gazelle_pianos")
    assert result.success, errors(result)


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_a_staging_table_and_one_table_of_its_can_be_made_together(
    named_shop: Shop, person: Person, entity: Any
) -> None:
    result = person.materializes(entity.staging_table, entity.tables[-1].name)
    assert result.success, errors(result)
    assert said(result)[entity.tables[-1].name] == "applied 0 versions"
    assert named_shop.last_log()["mode"] == "tick"


def test_a_backfill_of_a_staging_table_and_one_of_its_tables_reads_those_days_again(
    named_shop: Shop, person: Person
) -> None:
    day = montreal_day(datetime.now(UTC) - timedelta(days=20))
    client = named_shop.admin.dump("clients")[0]["id"]
    noon = midnight(day) + timedelta(hours=12)
    named_shop.admin.edit("clients", client, touch=noon.strftime("%Y-%m-%dT%H:%M:%SZ"), personalNotes="avant")
    named_shop.sync()
    named_shop.admin.edit("clients", client, touch=False, personalNotes="après")
    marks = named_shop.watermarks()
    result = person.materializes("staging_clients", "gazelle_clients", first=noon, last=noon + timedelta(days=2))
    assert result.success, errors(result)
    assert named_shop.row("gazelle_clients", client)["personal_notes"] == "après"
    assert named_shop.last_log()["mode"] == "backfill"
    assert named_shop.watermarks() == marks
    for name in ("staging_clients", "gazelle_clients"):
        assert len(person.instance.get_materialized_partitions(dg.AssetKey(name))) == 3


def test_a_backfill_of_a_table_alone_makes_those_days_again_from_staging(named_shop: Shop, person: Person) -> None:
    newest = max(e["occurredAt"] for e in named_shop.admin.dump("timeline"))
    at = min(datetime.fromisoformat(newest), datetime.now(UTC) - timedelta(days=1))
    named_shop.query("UPDATE gazelle_timeline_entries SET title = 'abîmé'")
    named_shop.admin.reset_stats()
    result = person.materializes("gazelle_timeline_entries", first=at - timedelta(days=30), last=at)
    assert result.success, errors(result)
    assert said(result)["gazelle_timeline_entries"].startswith(f"{READ_NOTHING}; made again from ")
    mended = named_shop.count("gazelle_timeline_entries", "title <> 'abîmé'")
    assert 0 < mended < named_shop.count("gazelle_timeline_entries", "true")
    assert named_shop.admin.stats()["requests"] == 0


def test_a_range_that_includes_today_is_an_ordinary_tick(named_shop: Shop, person: Person) -> None:
    named_shop.admin.edit("clients", named_shop.admin.dump("clients")[0]["id"], personalNotes="après")
    marks = named_shop.watermarks()
    result = person.materializes("staging_clients", "gazelle_clients", first=datetime.now(UTC) - timedelta(days=3))
    assert result.success, errors(result)
    assert named_shop.last_log()["mode"] == "tick"
    assert named_shop.watermarks()["clients"] > marks["clients"]


def test_a_range_tells_no_partition_the_count_of_all(named_shop: Shop, person: Person) -> None:
    assert named_shop
    result = person.materializes(*KEYS, first=datetime.now(UTC) - timedelta(days=3))
    assert result.success, errors(result)
    for event in result.get_asset_materialization_events():
        assert "dagster/partition_row_count" not in event.step_materialization_data.materialization.metadata


# ---- the gate before the calendar


def test_the_calendar_alone_judges_the_hours_itself(named_shop: Shop, person: Person) -> None:
    assert person.materializes(*KEYS).success, "the last verdict is a good one"
    named_shop.query(MOVE)
    result = person.materializes(CALENDAR)
    assert not result.success
    assert said(result) == {}
    assert "UTC read as local time" in errors(result)
    named_shop.replay(only=["appointments"])
    assert person.materializes(CALENDAR).success


def test_the_calendar_with_its_checks_is_stopped_by_the_check_itself(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    named_shop.query(MOVE)
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection=frozenset({dg.AssetKey(CALENDAR)}),
        asset_check_selection=set(check_keys(["timezone_instants"])),
    )
    today = montreal_day(datetime.now(UTC))
    result = job.execute_in_process(instance=instance, raise_on_error=False, tags=range_tags(today, today))
    assert not result.success
    assert said(result) == {}
    (evaluated,) = result.get_asset_check_evaluations()
    assert finding_of(evaluated).is_failure


def test_the_calendar_is_stopped_by_a_check_that_this_run_did_not_choose(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    named_shop.query(MOVE)
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection=frozenset({dg.AssetKey(CALENDAR)}),
        asset_check_selection=set(check_keys(["timezone_schema"])),
    )
    today = montreal_day(datetime.now(UTC))
    result = job.execute_in_process(instance=instance, raise_on_error=False, tags=range_tags(today, today))
    assert not result.success
    assert "UTC read as local time" in errors(result)


# ---- fresh is what was read


def test_a_replay_and_a_table_alone_make_nothing_fresh(named_shop: Shop, person: Person) -> None:
    assert named_shop
    replayed = person.launches(REPLAY_JOB)
    assert replayed.success, errors(replayed)
    alone = person.materializes("gazelle_clients", CALENDAR)
    assert alone.success, errors(alone)
    for name in STAGING:
        assert person.instance.get_latest_materialization_event(dg.AssetKey(name)) is None


def test_staging_that_could_not_be_read_is_not_materialized(named_shop: Shop, person: Person) -> None:
    named_shop.admin.fault("status", code=404, times=0, operation="allClients")
    failed = person.materializes("staging_clients")
    assert not failed.success
    assert person.instance.get_latest_materialization_event(dg.AssetKey("staging_clients")) is None


# ---- jobs without a partition


@pytest.mark.parametrize(
    ("job", "config", "mode"),
    [
        (TICK, {}, "tick"),
        (NIGHTLY, {}, "nightly"),
        (DEEP, {}, "deep"),
        (FULL, {}, "nightly"),
        (FULL, {"mode": "deep"}, "deep"),
        (REPLAY_JOB, {}, "replay"),
    ],
)
def test_a_job_without_a_partition_is_todays_and_has_its_own_mode(
    named_shop: Shop, person: Person, job: str, config: dict[str, str], mode: str
) -> None:
    result = person.launches(job, config)
    assert result.success, errors(result)
    assert named_shop.last_log()["mode"] == mode
    today = montreal_day(datetime.now(UTC)).isoformat()
    assert person.instance.get_materialized_partitions(dg.AssetKey("gazelle_clients")) == {today}
    run = person.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["dagster/partition"] == today
    assert run.tags["gazelle_sync/mode"] == mode


def test_a_run_of_the_daemons_without_a_partition_is_todays(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """A run's worker is given a run that was stored before, and not what this process made of it."""
    job = definitions.resolve_job_def(TICK)
    created = instance.create_run_for_job(job)
    stored = instance.get_run_by_id(created.run_id)
    assert stored is not None
    assert "dagster/partition" not in stored.tags
    execute_run(InMemoryJob(job), stored, instance)
    ended = instance.get_run_by_id(created.run_id)
    assert ended is not None
    assert ended.status is dg.DagsterRunStatus.SUCCESS
    today = montreal_day(datetime.now(UTC)).isoformat()
    assert ended.tags["dagster/partition"] == today
    assert instance.get_materialized_partitions(dg.AssetKey("gazelle_clients")) == {today}
    assert named_shop.last_log()["mode"] == "tick"


def test_the_checks_need_no_partition(named_shop: Shop, person: Person) -> None:
    named_shop.sync()
    result = person.launches(CHECK)
    assert result.success, errors(result)
    assert {found.check_name for found in result.get_asset_check_evaluations()} == set(CHECKS)


@pytest.mark.parametrize(
    ("job", "mode", "modes"),
    [(FULL, "tick", "nightly, deep"), (TICK, "deep", "tick"), (REPLAY_JOB, "tick", "replay")],
)
def test_a_mode_that_is_not_the_jobs_is_refused_with_what_it_has(
    named_shop: Shop, person: Person, job: str, mode: str, modes: str
) -> None:
    before = named_shop.count("sync_logs")
    result = person.launches(job, {"mode": mode})
    assert not result.success
    assert f"The job {job} has no mode {mode}; it has: {modes}." in errors(result)
    assert named_shop.count("sync_logs") == before


def test_a_day_that_is_none_is_refused_in_words(named_shop: Shop, person: Person) -> None:
    assert named_shop
    result = person.launches(REPLAY_JOB, {"from_day": "hier"})
    assert not result.success
    assert "from_day should be a day such as 2026-11-01, not 'hier'." in errors(result)


# ---- a replay that fails says so


def test_a_replay_that_a_step_broke_off_is_logged_as_failed(
    named_shop: Shop, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("something nobody thought of")

    monkeypatch.setattr("gazelle_sync.defs.sync.assets.table_metadata", broken)
    assert not person.launches(REPLAY_JOB).success
    log = named_shop.last_log()
    assert (log["mode"], log["status"]) == ("replay", "error")
    assert "something nobody thought of" in log["error_message"]


def test_a_replay_that_was_stopped_is_logged_as_failed(
    named_shop: Shop, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gazelle_sync.pull.replay.Applier.apply", stopped)
    assert not person.launches(REPLAY_JOB).success
    log = named_shop.last_log()
    assert (log["mode"], log["status"]) == ("replay", "error")
    assert "stopped before it had applied" in log["error_message"]


def test_a_replay_that_was_asked_to_stage_is_logged_as_failed(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    today = montreal_day(datetime.now(UTC))
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={"resources": {"pull": {"config": {"mode": "replay"}}}},
        tags=range_tags(today, today),
        asset_selection=[dg.AssetKey("staging_clients")],
    )
    assert not result.success
    assert instance.get_latest_materialization_event(dg.AssetKey("staging_clients")) is None
    assert "A replay reads nothing from Gazelle" in errors(result)
    assert named_shop.last_log()["status"] == "error"
