"""Two shops in one instance of Dagster, a code location each: what happens to one does not reach the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from gazelle_sync.definitions import build_defs
from gazelle_sync.defs.incidents.sensors import ended_run
from gazelle_sync.defs.location import SHOP_TAG
from gazelle_sync.defs.push.jobs import PUSH_JOB
from gazelle_sync.defs.push.sensors import evaluate as evaluate_push
from gazelle_sync.defs.shop.following import evaluate as evaluate_followers
from gazelle_sync.defs.sync.jobs import run_config
from gazelle_sync.defs.sync.partitions import PARTITION_TAG
from gazelle_sync.defs.sync.resources import DEEP, TICK
from gazelle_sync.defs.sync.sensors import REASON_TAG, WILL_RETRY_TAG, broken_off
from gazelle_sync.errors import Cause
from gazelle_sync.incidents import outage
from gazelle_sync.incidents.watch import watch
from gazelle_sync.montreal import montreal_day
from gazelle_sync.notifications.delivery import Recipients
from gazelle_sync.settings import Settings
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.defs.test_services import services
from gazelle_sync_tests.defs.test_up import free_port, wait_for
from gazelle_sync_tests.support.fleets import silent_server
from gazelle_sync_tests.support.receivers import Webhook, webhook
from gazelle_sync_tests.support.shop import Shop


@pytest.fixture
def instance(findable_instance: dg.DagsterInstance) -> dg.DagsterInstance:
    return findable_instance


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as receiver:
        yield receiver


class Locations:
    """The environments of two shops, north and south, that share a home and an instance."""

    def __init__(self, shops: dict[str, Shop], environment: pytest.MonkeyPatch) -> None:
        self.shops = shops
        self._environment = environment

    def enter(self, name: str) -> Settings:
        """Be in one shop's location, as its code server's processes are."""
        for variable, value in (
            self.shops[name].environment(GAZELLE_SHOP=name, GAZELLE_DAGSTER_POSTGRES_URL=self.shops[name].url).items()
        ):
            if variable.startswith("GAZELLE_"):
                self._environment.setenv(variable, value)
        return Settings.load()

    def job(self, name: str, job: str) -> dg.JobDefinition:
        """A job of one shop's location."""
        self.enter(name)
        return build_defs().resolve_job_def(job)


@pytest.fixture
def locations(
    shop: Shop, databases: Databases, pulled_template: str, set_environment: pytest.MonkeyPatch
) -> Iterator[Locations]:
    with databases.temporary(pulled_template) as url:
        other = Shop.on(url, shop.sandbox, shop.settings.home)
        yield Locations({"north": shop, "south": other}, set_environment)


def left_running(instance: dg.DagsterInstance, job: dg.JobDefinition) -> dg.DagsterRun:
    """A run that hangs."""
    return instance.create_run_for_job(job, tags=dict(job.run_tags), status=dg.DagsterRunStatus.STARTED)


def schedules(instance: dg.DagsterInstance) -> dict[str, str | None]:
    """Schedule of pulls → why it starts nothing, or None where it does."""
    found: dict[str, str | None] = {}
    repository = build_defs().get_repository_def()
    for name in ("tick_every_15_minutes", "full_at_night"):
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=datetime.now(UTC), repository_def=repository
        ) as context:
            found[name] = repository.get_schedule_def(name).evaluate_tick(context).skip_message
    return found


def test_assets_checks_pools_and_tags_of_a_named_shop_are_its_own(locations: Locations) -> None:
    def keys(name: str) -> tuple[set[str], set[str], set[str | None], set[str]]:
        locations.enter(name)
        repository = build_defs().get_repository_def()
        graph = repository.asset_graph
        assets = {key.to_user_string() for key in graph.get_all_asset_keys()}
        assets |= {key.asset_key.to_user_string() for key in graph.asset_check_keys}
        computed = [assets.computation for assets in repository.assets_defs_by_key.values() if assets.computation]
        pools = {pool for one in computed for pool in one.node_def.pools}
        jobs = [job for job in repository.get_all_jobs() if job.name in (TICK, DEEP, PUSH_JOB, "follow_invoices")]
        return assets, pools, {job.tags.get(SHOP_TAG) for job in jobs}, {job.name for job in jobs}

    north, pools, tags, jobs = keys("north")
    south, other_pools, _, _ = keys("south")
    assert all(key.startswith("north/") for key in north)
    assert {key.partition("/")[2] for key in north} == {key.partition("/")[2] for key in south}
    assert north.isdisjoint(south)
    assert pools == {"gazelle_api_north", "gazelle_push_north"}
    assert pools.isdisjoint(other_pools)
    assert tags == {"north"}
    assert len(jobs) == 4


def test_a_shop_that_hangs_holds_up_no_schedule_and_no_sensor_of_the_other(
    locations: Locations, instance: dg.DagsterInstance
) -> None:
    for job in (TICK, DEEP, PUSH_JOB, "follow_invoices"):
        left_running(instance, locations.job("north", job))
    waiting = instance.create_run_for_job(
        locations.job("north", TICK), tags={SHOP_TAG: "north"}, status=dg.DagsterRunStatus.NOT_STARTED
    )
    for name in ("north", "south"):
        shop = locations.shops[name]
        piano = shop.admin.dump("pianos")[0]["id"]
        shop.query("INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes) VALUES (%s, 'local')", piano)
        shop.query("INSERT INTO inventory_unread (invoice_external_id) VALUES (NULL)")
    settings = locations.enter("south")
    assert schedules(instance) == {"tick_every_15_minutes": None, "full_at_night": None}
    assert isinstance(evaluate_push(instance, settings), dg.RunRequest)
    assert "follow_invoices" in {
        one.job_name for one in evaluate_followers(instance, settings) if isinstance(one, dg.RunRequest)
    }
    settings = locations.enter("north")
    assert waiting.run_id[:8] in str(schedules(instance)["tick_every_15_minutes"])
    assert isinstance(evaluate_push(instance, settings), dg.SkipReason)


def test_a_full_run_that_a_signal_broke_off_is_run_again_by_its_own_shop_only(
    locations: Locations, instance: dg.DagsterInstance
) -> None:
    job = locations.job("north", DEEP)
    tags = {**job.run_tags, REASON_TAG: "UNEXPECTED_TERMINATION", WILL_RETRY_TAG: "false"}
    broken = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.FAILURE)
    locations.enter("south")
    assert broken_off(instance) is None
    instance.create_run_for_job(
        locations.job("south", DEEP), tags={SHOP_TAG: "south"}, status=dg.DagsterRunStatus.SUCCESS
    )
    locations.enter("north")
    found = broken_off(instance)
    assert found is not None
    assert found.run_id == broken.run_id, "the other's newer run does not overtake it"


def test_one_fails_and_the_other_succeeds_and_each_alerts_for_itself(
    locations: Locations, instance: dg.DagsterInstance, hook: Webhook
) -> None:
    today = {PARTITION_TAG: montreal_day(datetime.now(UTC)).isoformat()}
    ended: dict[str, dg.ExecuteInProcessResult] = {}
    locations.shops["north"].admin.fault("status", code=404, times=1, operation="allInvoices")
    for name in ("north", "south"):
        job = locations.job(name, TICK)
        ended[name] = job.execute_in_process(
            instance=instance, run_config=run_config("tick"), tags=today, raise_on_error=False
        )
    assert {name: one.success for name, one in ended.items()} == {"north": False, "south": True}
    locations.enter("north")
    failed = ended_run(instance, ended["north"].dagster_run)
    assert not failed.is_superseded, "the other's newer tick says nothing of this one"
    assert {check.asset for check in failed.checks} == {"external_id_mapping", "sync_logs", "gazelle_appointments"}
    watch(Settings.load().replace(alert_urls=(hook.url,)), failed)
    locations.enter("south")
    watch(Settings.load().replace(alert_urls=(hook.url,)), ended_run(instance, ended["south"].dagster_run))
    (title,) = hook.titles
    assert title.startswith("✗ Gazelle (north): ")
    with psycopg.connect(locations.shops["south"].url) as connection:
        assert connection.execute("SELECT count(*) FROM alert_log").fetchone() == (0,)


def test_an_outage_of_ones_database_is_not_closed_by_the_other_with_whom_it_shares_a_home(
    locations: Locations, hook: Webhook
) -> None:
    north = locations.enter("north").replace(alert_urls=(hook.url,))
    south = locations.enter("south").replace(alert_urls=(hook.url,))
    outage.alert(north, Cause("database"), Recipients(north), at_once=True)
    watch(south)
    outage.alert(north, Cause("database"), Recipients(north), at_once=True)
    assert [title.partition(":")[0] for title in hook.titles] == ["✗ Gazelle (north)"], "told once, and not forgotten"
    watch(north)
    assert hook.titles[-1].startswith("✓ Gazelle (north): ")


def test_an_unnamed_shop_leaves_the_runs_of_named_ones_alone(
    locations: Locations, instance: dg.DagsterInstance, set_environment: pytest.MonkeyPatch
) -> None:
    instance.create_run_for_job(
        locations.job("north", TICK), tags={SHOP_TAG: "north"}, status=dg.DagsterRunStatus.NOT_STARTED
    )
    locations.enter("south")
    set_environment.delenv("GAZELLE_SHOP")
    assert schedules(instance)["tick_every_15_minutes"] is None
    keys = {key.to_user_string() for key in build_defs().resolve_all_asset_keys()}
    assert "gazelle_clients" in keys


@pytest.mark.slow("two code servers and a daemon start")
def test_under_one_daemon_a_shop_that_hangs_keeps_no_run_of_the_other_waiting(
    locations: Locations, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = json.dumps({PARTITION_TAG: montreal_day(datetime.now(UTC)).isoformat()})
    with silent_server() as silence, services(locations.shops["south"], dagster_database, tmp_path) as parts:
        ports = {"north": free_port(), "south": free_port()}
        parts.workspace.write_text(
            "load_from:\n"
            + "".join(f"  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: {name}}}\n"
                      for name, port in ports.items())
        )  # fmt: skip
        own = {
            "north": {"GAZELLE_API_URL": silence, "GAZELLE_TIMEOUT_S": "600",
                      "GAZELLE_DATABASE_URL": locations.shops["north"].url},
            "south": {},
        }  # fmt: skip
        common = dict(parts.environment)
        for name, port in ports.items():
            parts.environment = {**common, **own[name], "GAZELLE_SHOP": name}
            parts.code_server_at(port, name)
        parts.environment = common
        parts.daemon()
        for variable in ("GAZELLE_DAGSTER_POSTGRES_URL", "DAGSTER_HOME"):
            monkeypatch.setenv(variable, common[variable])
        with dg.DagsterInstance.get() as instance:
            before = {run.run_id for run in instance.get_runs()}

            def statuses(name: str) -> list[dg.DagsterRunStatus]:
                # The sensors start runs of their own, such as a list of visits that is late at this hour.
                runs = [run for run in instance.get_runs() if run.job_name in (TICK, "nightly")]
                return [r.status for r in runs if r.tags.get(SHOP_TAG) == name and r.run_id not in before]

            where = ("-m", "dagster", "job", "launch", "-w", str(parts.workspace), "--tags", day)
            parts.run(*where, "-l", "north", "-j", TICK)
            assert wait_for(lambda: statuses("north") == [dg.DagsterRunStatus.STARTED], 60), parts.said()
            for job in (TICK, "nightly"):
                parts.run(*where, "-l", "south", "-j", job)
            done = [dg.DagsterRunStatus.SUCCESS] * 2
            assert wait_for(lambda: statuses("south") == done, 150), parts.said()
            assert statuses("north") == [dg.DagsterRunStatus.STARTED], "it hangs still"
