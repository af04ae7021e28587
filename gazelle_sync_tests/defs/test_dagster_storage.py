"""Dagster's own storage in PostgreSQL: what a tick leaves there, and what is removed at night."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.storage.dagster_run import DagsterRunStatus
from psycopg import sql

from gazelle_sync.defs.retention import PRUNE, Pruned, prune
from gazelle_sync.defs.sync.jobs import check_keys, run_config
from gazelle_sync.defs.sync.partitions import range_tags
from gazelle_sync.defs.sync.resources import TICK
from gazelle_sync.errors import GazelleSyncError
from gazelle_sync.montreal import montreal_day
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.defs.test_services import services
from gazelle_sync_tests.defs.test_up import wait_for
from gazelle_sync_tests.support.dagster_storage import dagster_on
from gazelle_sync_tests.support.shop import Shop

MOST_EVENTS = 120
MOST_BYTES = 180_000
MOST_STORED = 195_000
"""With the rows of checks, which Dagster keeps a second time, planned and evaluated."""
EVENTS_TO_LAUNCH, BYTES_TO_LAUNCH = 4, 4_000
"""What the queue, the daemon and a process of its own add to a run."""
DAYS = dg.StaticPartitionsDefinition(["monday", "tuesday", "wednesday"])
LONG_AGO = timedelta(days=40)


@pytest.fixture(scope="module")
def storage(databases: Databases, dagster_template: str) -> Iterator[str]:
    with databases.temporary(dagster_template) as url:
        yield url


@pytest.fixture
def instance(storage: str) -> Iterator[dg.DagsterInstance]:
    with dagster_on(storage) as instance:
        yield instance
        instance.wipe()


def value(storage: str, query: str, *parameters: object) -> Any:
    with psycopg.connect(storage) as connection:
        row = connection.execute(sql.SQL(query), parameters).fetchone()
        assert row is not None
        return row[0]


def stored(storage: str) -> int:
    """Bytes of all rows of all tables, as PostgreSQL keeps them."""
    with psycopg.connect(storage) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        sizes = [
            connection.execute(
                sql.SQL("SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM {} AS t").format(sql.Identifier(table))
            ).fetchone()
            for (table,) in tables
        ]
    return sum(int(size[0]) for size in sizes if size is not None)


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance) -> str:
    today = montreal_day(datetime.now(UTC))
    result = definitions.resolve_job_def(TICK).execute_in_process(
        run_config=run_config("tick"), instance=instance, tags=range_tags(today, today)
    )
    return result.run_id


def written(storage: str, run_id: str) -> tuple[int, int]:
    """How many events a run left, and their bytes and the run's, as text."""
    query = "SELECT count(*), sum(octet_length(event)) FROM event_logs WHERE run_id = %s"
    with psycopg.connect(storage) as connection:
        events, text = connection.execute(query, [run_id]).fetchone() or (0, 0)
    return events, text + value(storage, "SELECT octet_length(run_body) FROM runs WHERE run_id = %s", run_id)


def test_a_quiet_tick_leaves_little(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance, storage: str
) -> None:
    named_shop.quiet_down()
    named_shop.sync()
    tick(definitions, instance)
    before = stored(storage)
    events, text = written(storage, tick(definitions, instance))
    assert events <= MOST_EVENTS - EVENTS_TO_LAUNCH
    assert text <= MOST_BYTES - BYTES_TO_LAUNCH, "the events and the run as text"
    assert stored(storage) - before <= MOST_STORED - BYTES_TO_LAUNCH, "in any table, as PostgreSQL keeps it"


@pytest.mark.slow("a code server and a daemon start, and the daemon launches a run by its schedule")
def test_a_quiet_tick_that_the_daemon_launches_leaves_little(
    shop: Shop, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.quiet_down()
    shop.sync()
    with services(shop, dagster_database, tmp_path) as parts:
        for name in ("GAZELLE_DAGSTER_POSTGRES_URL", "DAGSTER_HOME"):
            monkeypatch.setenv(name, parts.environment[name])
        parts.code_server()
        parts.daemon()
        with dg.DagsterInstance.get() as instance:

            def ended() -> list[str]:
                ticks = instance.get_runs(dg.RunsFilter(job_name=TICK, statuses=[DagsterRunStatus.SUCCESS]))
                return [run.run_id for run in ticks]

            before = len(ended())
            for number in (1, 2):
                parts.launch(TICK)
                assert wait_for(lambda count=before + number: len(ended()) == count, 180), parts.said()  # type: ignore[misc] # bound here
            last = ended()[0]
    events, text = written(dagster_database, last)
    assert events <= MOST_EVENTS
    assert text <= MOST_BYTES


# ---- what is removed at night


@dg.asset(partitions_def=DAYS)
def table(context: dg.AssetExecutionContext) -> None:
    if context.run.tags.get("fails"):
        raise dg.Failure(description="not today", allow_retries=False)


@dg.asset
def view() -> None:
    """Without partitions."""


@dg.asset_check(asset=view)
def hours(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed="bad" not in context.run.tags)


WORK = dg.Definitions(assets=[table, view], asset_checks=[hours])


def work(instance: dg.DagsterInstance, *names: str, day: str | None = None, **tags: str) -> str:
    result = WORK.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        partition_key=day,
        asset_selection=[dg.AssetKey(name) for name in names],
        tags=tags,
        raise_on_error=False,
    )
    return result.run_id


def make_old(storage: str, *run_ids: str) -> None:
    """Put runs, and all that hangs on them, into the past."""
    by, ids = LONG_AGO, list(run_ids)
    with psycopg.connect(storage) as connection:
        connection.execute(
            "UPDATE asset_event_tags SET event_timestamp = event_timestamp - %s "
            "WHERE event_id IN (SELECT id FROM event_logs WHERE run_id = ANY(%s))", [by, ids])  # fmt: skip
        connection.execute("UPDATE event_logs SET timestamp = timestamp - %s WHERE run_id = ANY(%s)", [by, ids])
        connection.execute(
            "UPDATE asset_check_executions SET evaluation_event_timestamp = evaluation_event_timestamp - %s, "
            "create_timestamp = create_timestamp - %s WHERE run_id = ANY(%s)", [by, by, ids])  # fmt: skip
        connection.execute(
            "UPDATE runs SET create_timestamp = create_timestamp - %s, update_timestamp = update_timestamp - %s, "
            "start_time = start_time - %s, end_time = end_time - %s WHERE run_id = ANY(%s)",
            [by, by, by.total_seconds(), by.total_seconds(), ids])  # fmt: skip


def status(instance: dg.DagsterInstance, keys: list[dg.AssetKey], checks: list[dg.AssetCheckKey]) -> dict[str, Any]:
    """What the UI says of assets and checks."""
    storage = instance.event_log_storage
    materialization = dg.DagsterEventType.ASSET_MATERIALIZATION
    return {
        "latest": {key: instance.get_latest_materialization_event(key) for key in keys},
        "records": {key: instance.fetch_materializations(key, limit=1).records for key in keys},
        "partitions": {key: instance.get_materialized_partitions(key) for key in keys},
        "newest": {key: storage.get_latest_storage_id_by_partition(key, materialization) for key in keys},
        "failed": {key: storage.get_latest_asset_partition_materialization_attempts_without_materializations(key)
                   for key in keys},
        "checks": storage.get_latest_asset_check_execution_by_key(checks),
    }  # fmt: skip


def before_a_month() -> datetime:
    return datetime.now(UTC) - timedelta(days=30)


def test_pruning_leaves_what_the_ui_says_of_assets_and_checks_as_it_was(
    instance: dg.DagsterInstance, storage: str
) -> None:
    replaced = work(instance, "table", day="monday")
    newest = work(instance, "table", day="monday")
    tuesday = work(instance, "table", day="tuesday")
    failed = work(instance, "table", day="tuesday", fails="yes")
    overtaken = work(instance, "table", day="wednesday", fails="yes")
    wednesday = work(instance, "table", day="wednesday")
    viewed = work(instance, "view", bad="yes")
    checked = work(instance, "view")
    job = WORK.resolve_implicit_global_asset_job_def()
    going = instance.create_run_for_job(job, status=DagsterRunStatus.STARTED, tags={"dagster/partition": "monday"})
    instance.report_engine_event("still at work", going)
    old = [replaced, newest, tuesday, failed, overtaken, wednesday, viewed, checked, going.run_id]
    make_old(storage, *old)
    recent = work(instance, "table", day="monday", fails="yes")
    keys = [dg.AssetKey("table"), dg.AssetKey("view")]
    checks = [dg.AssetCheckKey(dg.AssetKey("view"), "hours")]
    before = status(instance, keys, checks)
    assert before["failed"][keys[0]].keys() == {"monday", "tuesday"}
    logs = {run_id: len(instance.all_logs(run_id)) for run_id in (going.run_id, recent)}

    pruned = prune(instance, before_a_month())

    assert status(instance, keys, checks) == before
    left = {run.run_id for run in instance.get_runs()}
    assert left == {newest, tuesday, failed, wednesday, checked, going.run_id, recent}
    assert pruned.runs == 3
    assert {run_id: len(instance.all_logs(run_id)) for run_id in logs} == logs, "unfinished and recent runs are whole"
    kinds = {entry.dagster_event.event_type_value for entry in instance.all_logs(newest) if entry.dagster_event}
    assert kinds == {"ASSET_MATERIALIZATION"}
    assert instance.all_logs(replaced) == []
    assert (
        value(storage, "SELECT count(*) FROM asset_event_tags WHERE event_id NOT IN (SELECT id FROM event_logs)") == 0
    )
    assert value(storage, "SELECT count(*) FROM asset_check_executions WHERE run_id = %s", viewed) == 0
    assert prune(instance, before_a_month()) == Pruned(0, 0, 0), "there is nothing left to remove"


def test_a_kill_between_a_run_and_its_events_leaves_them_to_the_next_night(
    instance: dg.DagsterInstance, storage: str
) -> None:
    replaced, newest = work(instance, "view"), work(instance, "view")
    make_old(storage, replaced, newest)
    instance.run_storage.delete_run(replaced)
    prune(instance, before_a_month())
    assert instance.all_logs(replaced) == []
    assert instance.get_run_by_id(newest) is not None


def test_the_nightly_job_prunes_ticks_by_the_setting(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance, storage: str,
    set_environment: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    named_shop.quiet_down()
    old, newest = tick(definitions, instance), tick(definitions, instance)
    make_old(storage, old, newest)
    keys = list(definitions.resolve_all_asset_keys())
    before = status(instance, keys, check_keys())
    job = definitions.resolve_job_def(PRUNE)
    set_environment.setenv("GAZELLE_DAGSTER_RETENTION_DAYS", "50")
    assert job.execute_in_process(instance=instance).success
    assert instance.get_run_by_id(old) is not None
    set_environment.delenv("GAZELLE_DAGSTER_RETENTION_DAYS")
    assert job.execute_in_process(instance=instance).success
    assert instance.get_run_by_id(old) is None
    assert instance.get_run_by_id(newest) is not None
    assert status(instance, keys, check_keys()) == before
    assert value(storage, "SELECT count(*) FROM event_logs WHERE run_id = %s", newest) == 23 + 11


def test_it_is_pruned_every_night(definitions: dg.Definitions) -> None:
    (schedule,) = (s for s in definitions.schedules or () if s.name == "prune_at_night")
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("40 4 * * *", "America/Toronto")


def test_a_storage_that_is_not_in_postgresql_is_told() -> None:
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(GazelleSyncError, match="not in PostgreSQL"):
        prune(instance, before_a_month())
