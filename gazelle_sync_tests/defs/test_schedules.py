"""When a schedule asks for a run, and when it says why not."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from gazelle_sync.defs.incidents.sensors import PROCESS_TAG
from gazelle_sync.defs.push.jobs import PUSH_JOB
from gazelle_sync.defs.sync.jobs import run_config
from gazelle_sync.defs.sync.partitions import PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG
from gazelle_sync.defs.sync.resources import DEEP, FULL, MODE_TAG, NIGHTLY, TICK
from gazelle_sync.defs.sync.schedules import SCHEDULED_TAG
from gazelle_sync.defs.sync.sensors import AGAIN_TAG, CODE_SERVER_TAG, broken_off, end_lost_runs, lost_runs
from gazelle_sync.montreal import montreal_day
from gazelle_sync.warehouse.lock import PullLock, PushLock
from gazelle_sync_tests.support.installed import until
from gazelle_sync_tests.support.shop import Shop

MODES = {"tick_every_15_minutes": "tick", "full_at_night": "nightly", "deep_on_sunday": "deep"}
"""Schedule → the mode of its run, which is also the name of its job."""


@pytest.fixture
def instance(findable_instance: dg.DagsterInstance) -> dg.DagsterInstance:
    return findable_instance


def evaluate(
    definitions: dg.Definitions, instance: dg.DagsterInstance, name: str, at: datetime | None = None
) -> dg.RunRequest | dg.SkipReason:
    schedule = next(s for s in definitions.schedules or () if isinstance(s, dg.ScheduleDefinition) and s.name == name)
    with dg.build_schedule_context(  # left behind open, it would keep its dead instance current for the next test
        instance=instance,
        scheduled_execution_time=at or datetime.now(UTC),
        repository_def=definitions.get_repository_def(),
    ) as context:
        data = schedule.evaluate_tick(context)
    if data.skip_message:
        return dg.SkipReason(data.skip_message)
    assert data.run_requests is not None
    (request,) = data.run_requests
    return request


def today() -> str:
    return montreal_day(datetime.now(UTC)).isoformat()


@pytest.mark.parametrize("name", MODES)
@pytest.mark.usefixtures("named_shop")
def test_each_schedule_asks_for_a_run_in_its_mode_on_todays_partition(
    definitions: dg.Definitions, instance: dg.DagsterInstance, name: str
) -> None:
    request = evaluate(definitions, instance, name)
    assert isinstance(request, dg.RunRequest)
    assert request.run_config["resources"]["pull"]["config"]["mode"] == MODES[name]
    schedule = next(s for s in definitions.schedules or () if isinstance(s, dg.ScheduleDefinition) and s.name == name)
    assert schedule.job_name == MODES[name]
    assert definitions.resolve_job_def(schedule.job_name).tags[MODE_TAG] == MODES[name]
    days = request.partition_key or request.tags[RANGE_END_TAG]
    assert days == today()


def test_after_an_outage_one_run_covers_the_days_since_the_last(
    definitions: dg.Definitions, instance: dg.DagsterInstance, named_shop: Shop
) -> None:
    since = datetime.now(UTC) - timedelta(days=3)
    named_shop.query("UPDATE system_settings SET value = %s WHERE key = 'last_sync_date'", since.isoformat())
    request = evaluate(definitions, instance, "tick_every_15_minutes")
    assert isinstance(request, dg.RunRequest)
    assert request.tags[RANGE_START_TAG] == montreal_day(since).isoformat()
    assert request.tags[RANGE_END_TAG] == today()


@pytest.mark.usefixtures("named_shop")
def test_a_schedule_that_is_late_asks_for_the_day_that_it_was_due_on(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    due = datetime.now(UTC) - timedelta(days=2)
    request = evaluate(definitions, instance, "full_at_night", at=due)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == montreal_day(due).isoformat()


def test_while_a_pull_holds_the_lock_the_tick_is_skipped_with_a_reason(
    definitions: dg.Definitions, instance: dg.DagsterInstance, named_shop: Shop
) -> None:
    with PullLock(named_shop.url, wait_s=0):
        skipped = evaluate(definitions, instance, "tick_every_15_minutes")
    assert isinstance(skipped, dg.SkipReason)
    assert "still running" in str(skipped.skip_message)
    assert isinstance(evaluate(definitions, instance, "tick_every_15_minutes"), dg.RunRequest)


@pytest.mark.parametrize("name", ["full_at_night", "deep_on_sunday"])
def test_a_full_run_that_is_due_while_a_tick_works_waits_in_the_queue(
    definitions: dg.Definitions, instance: dg.DagsterInstance, named_shop: Shop, name: str
) -> None:
    with PullLock(named_shop.url, wait_s=0):
        assert isinstance(evaluate(definitions, instance, name), dg.RunRequest)


@pytest.mark.usefixtures("named_shop")
def test_while_a_run_is_about_to_start_the_tick_is_skipped_with_a_reason(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    run = instance.create_run_for_job(
        definitions.resolve_job_def(TICK), status=dg.DagsterRunStatus.NOT_STARTED, tags={"dagster/partition": today()}
    )
    skipped = evaluate(definitions, instance, "tick_every_15_minutes")
    assert isinstance(skipped, dg.SkipReason)
    assert run.run_id[:8] in str(skipped.skip_message)


@pytest.mark.usefixtures("named_shop")
def test_a_tick_that_a_daemon_made_before_it_was_killed_is_started_by_the_next_daemon(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    """It asks the schedule again, and would find its own run in the way."""
    due = datetime.now(UTC).replace(second=0, microsecond=0)
    instance.create_run_for_job(
        definitions.resolve_job_def(TICK), status=dg.DagsterRunStatus.NOT_STARTED, tags={SCHEDULED_TAG: due.isoformat()}
    )
    assert isinstance(evaluate(definitions, instance, "tick_every_15_minutes", due), dg.RunRequest)
    later = due + timedelta(minutes=15)
    assert isinstance(evaluate(definitions, instance, "tick_every_15_minutes", later), dg.SkipReason)


def started(
    definitions: dg.Definitions, instance: dg.DagsterInstance, job: str, tags: dict[str, str] | None = None
) -> dg.DagsterRun:
    run = instance.create_run_for_job(
        definitions.resolve_job_def(job),
        status=dg.DagsterRunStatus.STARTING,
        tags={"gazelle_sync/test": job, **(tags or {})},
    )
    begins = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, job, message="begun")
    instance.report_dagster_event(begins, run_id=run.run_id)
    return run


def test_a_run_whose_process_was_killed_is_ended_so_that_none_waits_for_it(
    definitions: dg.Definitions, instance: dg.DagsterInstance, named_shop: Shop
) -> None:
    """With a killed code server its runs die; the launcher does not notice, and a tick held its pool for hours."""
    runs = {job: started(definitions, instance, job) for job in (TICK, PUSH_JOB, NIGHTLY)}
    of_a_command = started(definitions, instance, TICK, {PROCESS_TAG: "elsewhere:1"})

    def ended(after: timedelta) -> set[str]:
        end_lost_runs(instance, named_shop.settings, datetime.now(UTC) + after)
        return {job for job, run in runs.items() if instance.get_run_by_id(run.run_id).status.value == "FAILURE"}  # type: ignore[union-attr]

    assert ended(timedelta(minutes=2)) == set(), "it may be silent for a while"
    with PullLock(named_shop.url, wait_s=0), PushLock(named_shop.url, wait_s=0):
        assert ended(timedelta(hours=1)) == set(), "somebody is at work"
    assert ended(timedelta(minutes=5)) == {TICK, PUSH_JOB}
    assert ended(timedelta(minutes=40)) == {TICK, PUSH_JOB, NIGHTLY}
    command = instance.get_run_by_id(of_a_command.run_id)
    assert command is not None
    assert command.status is dg.DagsterRunStatus.STARTED, "the command line ends its own"
    gone = named_shop.settings.replace(database_url="postgresql://127.0.0.1:1/gone")
    another = started(definitions, instance, TICK)
    end_lost_runs(instance, gone, datetime.now(UTC) + timedelta(hours=1))
    found = instance.get_run_by_id(another.run_id)
    assert found is not None
    assert found.status is dg.DagsterRunStatus.STARTED, "nobody can say whether it works"


def runs_in_process(instance: dg.DagsterInstance, run: dg.DagsterRun, pid: int) -> None:
    """As Dagster notes it."""
    metadata = {"pid": dg.MetadataValue.text(str(pid))}
    instance.report_engine_event("Started process for run", run, EngineEventData(metadata=metadata))


def test_a_run_whose_process_is_not_to_be_found_is_ended_at_once(
    definitions: dg.Definitions, instance: dg.DagsterInstance, named_shop: Shop
) -> None:
    """Edits and ticks waited for three minutes behind the runs of a code server that was killed."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    with subprocess.Popen(["true"]) as unasked:  # ended, but still in the list of processes
        until(lambda: Path(f"/proc/{unasked.pid}/stat").read_text().split()[2] == "Z", "it has ended")
        here = {CODE_SERVER_TAG: "{}"}
        runs = {name: started(definitions, instance, TICK, here) for name in ("gone", "unasked", "alive")}
        runs["of nobody here"] = started(definitions, instance, TICK)
        pids = {"gone": gone.pid, "unasked": unasked.pid, "alive": os.getpid(), "of nobody here": gone.pid}
        for name, pid in pids.items():
            runs_in_process(instance, runs[name], pid)

        def lost(after: timedelta) -> set[str]:
            found = lost_runs(instance, named_shop.settings, datetime.now(UTC) + after)
            return {name for name, run in runs.items() if run.run_id in {one.run_id for one in found}}

        assert lost(timedelta(seconds=5)) == set(), "it may have said its last words just now"
        assert lost(timedelta(seconds=40)) == {"gone", "unasked"}
        with PullLock(named_shop.url, wait_s=0):
            assert lost(timedelta(seconds=40)) == set(), "on another machine, somebody is at work"
        assert lost(timedelta(minutes=5)) == set(runs)


def test_an_unreachable_database_does_not_break_the_schedule(
    definitions: dg.Definitions, instance: dg.DagsterInstance, named_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert named_shop
    monkeypatch.setenv("GAZELLE_DATABASE_URL", "postgresql://nobody:secret-word@127.0.0.1:9/none")
    answer = evaluate(definitions, instance, "tick_every_15_minutes")
    words = str(answer)
    assert "secret-word" not in words
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)


BROKEN_OFF = {"dagster/failure_reason": "UNEXPECTED_TERMINATION", "dagster/will_retry": "false"}


@pytest.mark.parametrize("job", [DEEP, FULL])
@pytest.mark.parametrize(
    ("status", "tags", "is_run_again"),
    [
        (dg.DagsterRunStatus.FAILURE, BROKEN_OFF, True),
        (dg.DagsterRunStatus.FAILURE, BROKEN_OFF | {"dagster/will_retry": "true"}, False),
        (dg.DagsterRunStatus.FAILURE, BROKEN_OFF | {"dagster/failure_reason": "STEP_FAILURE"}, False),
        (dg.DagsterRunStatus.FAILURE, BROKEN_OFF | {AGAIN_TAG: "the first"}, False),
        (dg.DagsterRunStatus.CANCELED, {}, False),
        (dg.DagsterRunStatus.SUCCESS, {}, False),
    ],
)
def test_a_full_run_that_a_signal_broke_off_is_run_again_once_on_todays_partition(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    status: dg.DagsterRunStatus,
    tags: dict[str, str],
    is_run_again: bool,
    job: str,
) -> None:
    config = run_config("deep")
    run = instance.create_run_for_job(
        definitions.resolve_job_def(job), run_config=config, tags={PARTITION_TAG: "2026-01-05", **tags}, status=status
    )
    sensor = next(one for one in definitions.sensors or () if one.name == "again_after_a_signal")
    with dg.build_sensor_context(instance=instance, repository_def=definitions.get_repository_def()) as context:
        asked = sensor.evaluate_tick(context)
    requests = list(asked.run_requests or ())
    assert len(requests) == is_run_again
    for request in requests:
        assert request.run_key == run.run_id
        assert request.job_name == job
        assert request.run_config == config
        assert request.partition_key == today()


def test_a_full_run_that_a_newer_one_has_overtaken_is_not_run_again(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    nightly, deep = (definitions.resolve_job_def(name) for name in (NIGHTLY, DEEP))
    instance.create_run_for_job(nightly, tags=BROKEN_OFF, status=dg.DagsterRunStatus.FAILURE)
    instance.create_run_for_job(deep, status=dg.DagsterRunStatus.STARTED)
    assert broken_off(instance) is None
