"""A fleet under Dagster: real shops in real processes, of which some are in trouble, and nobody else is moved."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from gazelle_sync.defs.fleet.assets import own_config, shard_config
from gazelle_sync.defs.fleet.definitions import build_fleet_defs
from gazelle_sync.defs.fleet.schedules import follow_folder
from gazelle_sync.defs.fleet.states import OWN_JOB, SHARD_JOB, SHARD_OP, SHOPS, read_states, under_way, write_states
from gazelle_sync.fleet.children import Limits, run_children, task_of
from gazelle_sync.fleet.turns import ShopState
from gazelle_sync.montreal import montreal_day
from gazelle_sync.settings import Settings
from gazelle_sync_tests.conftest import MIGRATED, Databases
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.fleets import DISK_IS_FULL, Fleet, silent_server
from gazelle_sync_tests.support.receivers import Webhook, webhook
from gazelle_sync_tests.support.sandbox import RunningSandbox
from gazelle_sync_tests.support.shop import Shop

WORKS = "gazelle_sync_tests.support.fleet_work"
NAMES = ["north", "south", "wrong", "full", "gone", "hung", "removed", *(f"shop-{number}" for number in range(30))]


@pytest.fixture(scope="module")
def fleet_definitions() -> dg.Definitions:
    return build_fleet_defs()


@pytest.fixture
def instance(findable_instance: dg.DagsterInstance) -> dg.DagsterInstance:
    # What an instance remembers in this way is not wiped between tests.
    write_states(findable_instance, dict.fromkeys(NAMES, ShopState()))
    return findable_instance


@pytest.fixture
def fleet(sandbox: RunningSandbox, tmp_path: Path, set_environment: pytest.MonkeyPatch) -> Fleet:
    found = Fleet.under(tmp_path, sandbox)
    for name, value in found.environment.items():
        set_environment.setenv(name, value)
    return found


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as receiver:
        yield receiver


def shard(
    definitions: dg.Definitions, instance: dg.DagsterInstance, *shops: str, **config: Any
) -> tuple[dg.ExecuteInProcessResult, dict[str, dict[str, Any]]]:
    """A shard's run; and shop → metadata of what Dagster was told of it."""
    ended = definitions.resolve_job_def(SHARD_JOB).execute_in_process(
        instance=instance, run_config=shard_config(shops, **config)
    )
    events = instance.all_logs(ended.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    told = [entry.dagster_event.step_materialization_data.materialization for entry in events if entry.dagster_event]
    return ended, {str(one.partition): {key: value.value for key, value in one.metadata.items()} for one in told}


def evaluate_schedule(definitions: dg.Definitions, instance: dg.DagsterInstance, now: datetime) -> list[dg.RunRequest]:
    """What the schedule starts, as the daemon asks it."""
    repository = definitions.get_repository_def()
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=now, repository_def=repository
    ) as context:
        return list(repository.get_schedule_def("turns_every_minute").evaluate_tick(context).run_requests or ())


def test_shops_in_trouble_move_no_other_and_each_is_told_once_to_its_own_people(
    fleet_definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    fleet: Fleet,
    databases: Databases,
    pulled_template: str,
    hook: Webhook,
) -> None:
    with (
        databases.temporary(pulled_template) as north,
        databases.temporary(pulled_template) as south,
        databases.temporary(pulled_template) as wrong,
        databases.temporary(pulled_template) as full,
        webhook() as others,
    ):
        with psycopg.connect(full) as connection:
            connection.execute(DISK_IS_FULL)
        fleet.add("north", north, GAZELLE_ALERT_URLS=others.url)
        fleet.add("south", south, GAZELLE_ALERT_URLS=others.url)
        fleet.add("wrong", wrong, GAZELLE_API_TOKEN="wrong0key0of0this0shop", GAZELLE_ALERT_URLS=hook.url)
        fleet.add("full", full, GAZELLE_ALERT_URLS=hook.url)
        fleet.add("gone", "postgresql://shop:password0of0gone@127.0.0.1:1/gone", GAZELLE_ALERT_URLS=hook.url)
        shops = ["north", "south", "wrong", "full", "gone", "removed"]
        ended, told = shard(fleet_definitions, instance, *shops)
        assert ended.success, "a shop's failure marks that shop, never the shard"
        assert set(told) == {"north", "south"}
        _, told = shard(fleet_definitions, instance, *shops)
        assert told == {}, "nothing changed, and Dagster was told of it within the hour"
        fleet.sandbox.admin.random_edits(clients=2, seed=1)
        _, told = shard(fleet_definitions, instance, *shops)
        assert {shop: one["changed"] > 0 for shop, one in told.items()} == {"north": True, "south": True}
        for url in (north, south):
            Shop.on(url, fleet.sandbox, fleet.home).assert_equals_api()
        states = read_states(instance, shops)
        assert {shop: (state.failures, state.cause) for shop, state in states.items()} == {
            "north": (0, None), "south": (0, None), "wrong": (3, "credentials"), "full": (3, "disk"),
            "gone": (3, "database"), "removed": (0, None),
        }  # fmt: skip
        assert [title for title in others.titles if title[0] in "✗⚠"] == []
        begins = Counter(title.partition(":")[0] for title in hook.titles if title[0] in "✗⚠")
        assert begins == {f"✗ Gazelle ({shop})": 1 for shop in ("wrong", "full", "gone")}
        fleet.add("wrong", wrong, GAZELLE_ALERT_URLS=hook.url)
        shard(fleet_definitions, instance, "wrong")
        assert hook.titles[-1].startswith("✓ Gazelle (wrong): ")
        assert read_states(instance, ["wrong"])["wrong"].failures == 0


def test_a_shop_that_hangs_is_ended_and_told_by_another_process(
    fleet_definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    fleet: Fleet,
    databases: Databases,
    pulled_template: str,
    hook: Webhook,
) -> None:
    with databases.temporary(pulled_template) as url, silent_server() as address:
        fleet.add("hung", url, GAZELLE_API_URL=address, GAZELLE_TIMEOUT_S="600", GAZELLE_ALERT_URLS=hook.url)
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE system_settings SET value = 'sandbox' WHERE key = 'source'")
        for _ in range(2):
            ended, told = shard(fleet_definitions, instance, "hung", seconds=2.0)
            assert (ended.success, told) == (True, {})
        state = read_states(instance, ["hung"])["hung"]
        assert (state.failures, state.cause) == (2, "time_limit")
        alerts = [title.partition(":")[0] for title in hook.titles if title[0] in "✗⚠"]
        assert alerts == ["✗ Gazelle (hung)"], hook.titles
        with psycopg.connect(url) as connection:
            statuses = connection.execute("SELECT status FROM sync_logs ORDER BY id DESC LIMIT 2").fetchall()
        assert statuses == [("error",), ("error",)], "what it had begun is written down as broken off"


def test_a_turn_imports_nothing_that_the_process_which_forks_could_not_have_imported_before(
    fleet: Fleet, databases: Databases, pulled_template: str
) -> None:
    """Twenty children that import the same are half of what a run of them costs."""
    with databases.temporary(pulled_template) as url:
        path = fleet.add("north", url)
        options = {"run_id": "turn", "mode": "tick"}
        task = task_of(Settings.load(), "north", path, Limits(60, 256), options, work=f"{WORKS}:imports")
        (ended,) = run_children([task], 1)
    assert ended.cause is None
    assert ended.result is not None
    assert ended.result["imported"] == []


def test_a_first_import_is_a_run_of_its_own_and_a_shop_that_fails_fails_that_run(
    fleet_definitions: dg.Definitions, instance: dg.DagsterInstance, fleet: Fleet, databases: Databases
) -> None:
    job = fleet_definitions.resolve_job_def(OWN_JOB)
    with databases.temporary(MIGRATED) as url:
        fleet.add("north", url)
        fleet.add("gone", "postgresql://shop:password0of0gone@127.0.0.1:1/gone")
        instance.add_dynamic_partitions(SHOPS, ["north", "gone"])
        ended = job.execute_in_process(
            instance=instance, run_config=own_config("tick"), partition_key="north", raise_on_error=False
        )
        assert ended.success, [str(event.step_failure_data.error) for event in ended.get_step_failure_events()]
        Shop.on(url, fleet.sandbox, fleet.home).assert_equals_api()
        assert read_states(instance, ["north"])["north"].is_imported
        failed = job.execute_in_process(
            instance=instance, run_config=own_config("tick"), partition_key="gone", raise_on_error=False
        )
        assert not failed.success
        assert failed.get_asset_materialization_events() == []


def test_the_folder_and_the_partitions_are_one_and_new_shops_are_imported(
    instance: dg.DagsterInstance, fleet: Fleet
) -> None:
    now = datetime.now(UTC)
    north = fleet.add("north", "postgresql://127.0.0.1/north")
    fleet.add("south", "postgresql://127.0.0.1/south").chmod(0o644)
    instance.add_dynamic_partitions(SHOPS, ["south", "gone"])
    found = follow_folder(instance, now)
    assert [(type(one), one.partition_keys) for one in found.dynamic_partitions_requests or ()] == [
        (dg.AddDynamicPartitionsRequest, ["north"]), (dg.DeleteDynamicPartitionsRequest, ["gone"]),
    ]  # fmt: skip
    assert [one.partition_key for one in found.run_requests or ()] == ["north"]
    write_states(instance, {"north": ShopState(is_imported=True, began_at=now, full_on=montreal_day(now))})
    instance.add_dynamic_partitions(SHOPS, ["north"])
    instance.delete_dynamic_partition(SHOPS, "gone")
    north.unlink()
    found = follow_folder(instance, now)
    (request,) = found.dynamic_partitions_requests or ()
    assert request.partition_keys == ["north"]
    assert "Left out: south: others may read it" in str(found.skip_reason)


def test_the_schedule_starts_whoever_is_due_and_leaves_alone_whose_run_is_under_way(
    instance: dg.DagsterInstance, fleet: Fleet, fleet_definitions: dg.Definitions
) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    late = ShopState(is_imported=True, began_at=now - timedelta(minutes=20))
    shops = [f"shop-{number}" for number in range(30)]
    for shop in shops:
        fleet.add(shop, f"postgresql://127.0.0.1/{shop}")
    instance.add_dynamic_partitions(SHOPS, [*shops, "whose-file-is-gone"])
    write_states(instance, dict.fromkeys(shops, late))
    requests = evaluate_schedule(fleet_definitions, instance, now)
    named = [request.run_config["ops"][SHARD_OP]["config"]["shops"] for request in requests]
    assert sorted(map(len, named)) == [15, 15]
    assert sorted(shop for part in named for shop in part) == sorted(shops)
    assert len({request.run_key for request in requests}) == 2
    job = fleet_definitions.resolve_job_def(SHARD_JOB)
    instance.create_run_for_job(job, run_config=requests[0].run_config, status=dg.DagsterRunStatus.STARTED)
    again = evaluate_schedule(fleet_definitions, instance, now)
    assert [one.run_config["ops"][SHARD_OP]["config"]["shops"] for one in again] == [sorted(named[1])]
    (fleet.folder / f"{shops[0]}.env").unlink()
    left = evaluate_schedule(fleet_definitions, instance, now)
    assert shops[0] not in [shop for one in left for shop in one.run_config["ops"][SHARD_OP]["config"]["shops"]]
    schedule = fleet_definitions.get_repository_def().get_schedule_def("turns_every_minute")
    assert (schedule.cron_schedule, schedule.default_status) == ("* * * * *", dg.DefaultScheduleStatus.RUNNING)


def test_a_shard_whose_process_was_killed_keeps_no_shop_from_its_turn(
    instance: dg.DagsterInstance, fleet: Fleet, fleet_definitions: dg.Definitions
) -> None:
    now = datetime.now(UTC)
    fleet.add("north", "postgresql://127.0.0.1/north")
    job = fleet_definitions.resolve_job_def(SHARD_JOB)
    run = instance.create_run_for_job(
        job, run_config=shard_config(["north", "south"], seconds=30.0), status=dg.DagsterRunStatus.STARTING
    )
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, SHARD_JOB), run_id=run.run_id)
    states = {"north": ShopState(is_imported=True), "south": ShopState(is_imported=True)}
    assert under_way(instance, states, now)[0] == {"north", "south"}
    assert under_way(instance, states, now + timedelta(minutes=3))[0] == set()
    states["south"] = ShopState(is_imported=True, ended_at=now + timedelta(minutes=2), run_id=run.run_id)
    assert under_way(instance, states, now + timedelta(minutes=3))[0] == {"north"}, "a moment ago it ended another"


def test_a_folder_that_is_gone_removes_nobody(instance: dg.DagsterInstance, fleet: Fleet) -> None:
    instance.add_dynamic_partitions(SHOPS, ["north"])
    fleet.folder.rmdir()
    sensor = build_fleet_defs().get_repository_def().get_sensor_def("shops_folder")
    with dg.build_sensor_context(instance=instance) as context:
        data = sensor.evaluate_tick(context)
    assert "cannot be read" in str(data.skip_message)
    assert not data.dynamic_partitions_requests


def test_a_fleet_without_a_shop_and_with_anything_set_wrongly_loads(set_environment: pytest.MonkeyPatch) -> None:
    set_environment.setenv("GAZELLE_FLEET_AT_ONCE", "many")
    jobs = {job.name for job in build_fleet_defs().get_repository_def().get_all_jobs()}
    assert {SHARD_JOB, OWN_JOB, "prune_dagster"} <= jobs


@pytest.fixture
def other_database(databases: Databases, pulled_template: str) -> Iterator[str]:
    with databases.temporary(pulled_template) as url:
        yield url


def test_the_commands_run_examine_and_list_the_fleet(person: Person, other_database: str, tmp_path: Path) -> None:
    fleet = Fleet.under(tmp_path, person.shop.sandbox)
    fleet.add("north", person.shop.url)
    fleet.add("wrong", other_database, GAZELLE_API_TOKEN="wrong0key0of0this0shop")
    fleet.add("open", "postgresql://127.0.0.1/open").chmod(0o644)

    def runs(*arguments: str) -> tuple[int, Any]:
        ended = person.runs("fleet", *arguments, "--json", **fleet.environment)
        assert "wrong0key" not in ended.stdout + ended.stderr
        return ended.returncode, json.loads(ended.stdout)

    status, rows = runs("run")
    assert status == 1
    assert {row["shop"]: (row["succeeded"], row["cause"]) for row in rows} == {
        "north": (True, None), "wrong": (False, "credentials"),
    }  # fmt: skip
    status, rows = runs("status")
    assert status == 1
    assert {row["shop"]: row["light"] for row in rows} == {"north": "green", "open": "red", "wrong": "red"}
    assert all(
        {"last_sync_at", "age_s", "failures", "next_try_at", "cause", "failure", "run_id"} <= row.keys() for row in rows
    )
    status, rows = runs("doctor")
    assert status == 1
    wrong = [(row["shop"], row["check"]) for row in rows if not row["passed"]]
    assert ("open", "file") in wrong
    assert ("wrong", "API") in wrong
    assert {shop for shop, _ in wrong} == {"open", "wrong"}
    status, rows = runs("run", "north")
    assert (status, [row["shop"] for row in rows]) == (0, ["north"])
    refused = person.runs("fleet", "run", "nobody", **fleet.environment)
    assert (refused.returncode, "there is no such shop" in refused.stderr) == (1, True)
    shown = person.runs("fleet", "status", GAZELLE_LANG="fr", **fleet.environment)
    assert "✓ north" in shown.stdout
    assert "✗ wrong" in shown.stdout


def test_no_secret_of_a_shop_is_in_dagsters_database_or_in_a_log(
    person: Person, other_database: str, tmp_path: Path
) -> None:
    from gazelle_sync_tests.defs.test_alert_sensors import everything_in, with_password

    fleet = Fleet.under(tmp_path, person.shop.sandbox)
    secrets = ("database0password0of0north", "wrong0key0of0this0shop", "token0of0the0hook")
    fleet.add("north", with_password(person.shop.url, secrets[0]))
    fleet.add(
        "wrong", other_database, GAZELLE_API_TOKEN=secrets[1], GAZELLE_ALERT_URLS=f"json://127.0.0.1:1/{secrets[2]}"
    )
    ended = person.runs("fleet", "run", **fleet.environment)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    files = "".join(
        path.read_text(encoding="utf-8", errors="replace") for path in fleet.home.rglob("*") if path.is_file()
    )
    places = {
        "terminal": ended.stdout + ended.stderr, "files": files,
        "Dagster's": everything_in(person.dagster_database),
    }  # fmt: skip
    assert "tick_shops" in places["Dagster's"]
    assert [(place, secret) for place, text in places.items() for secret in secrets if secret in text] == []
