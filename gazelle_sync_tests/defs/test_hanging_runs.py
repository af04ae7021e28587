"""A run that hangs: it is ended, and its pool is free for the next."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import dagster as dg
import psycopg
import pytest
from dagster._core.instance.config import PoolGranularity
from dagster._core.op_concurrency_limits_counter import GlobalOpConcurrencyLimitsCounter
from dagster._core.storage.dagster_run import DagsterRunStatus
from dagster._daemon.monitoring.run_monitoring import monitor_started_run
from psycopg import sql

from gazelle_sync.defs.sync.jobs import MAX_RUNTIME_TAG
from gazelle_sync.defs.sync.resources import POOL, TICK
from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.defs.test_up import wait_for


@pytest.fixture
def storage(databases: Databases, dagster_template: str) -> Iterator[str]:
    with databases.temporary(dagster_template) as url:
        yield url


def value(storage: str, query: str, *parameters: object) -> Any:
    with psycopg.connect(storage) as connection:
        row = connection.execute(sql.SQL(query), parameters).fetchone()
        assert row is not None
        return row[0]


HANGING = f"""
import signal, time
import dagster as dg

@dg.op(pool={POOL!r})
def hangs():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass

@dg.op(pool={POOL!r})
def works():
    pass

@dg.job(tags={{"dagster/max_runtime": "1"}})
def hang():
    hangs()

@dg.job
def work():
    works()

defs = dg.Definitions(jobs=[hang, work], executor=dg.in_process_executor)
"""


def test_a_run_that_hangs_is_called_failed_and_the_next_of_its_pool_may_begin(
    definitions: dg.Definitions, storage: str, tmp_path: Path
) -> None:
    """What the daemon does in each of its rounds, by the project's dagster.yaml and the tags of a tick."""
    ours = (PROJECT_ROOT / "dagster.yaml").read_text(encoding="utf-8")
    (tmp_path / "dagster.yaml").write_text(f"{ours}\nstorage:\n  postgres:\n    postgres_url: {storage}\n")
    job = definitions.resolve_job_def(TICK)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        instance.event_log_storage.initialize_concurrency_limit_to_default(POOL)
        hangs = instance.create_run_for_job(job, tags=dict(job.run_tags), status=DagsterRunStatus.STARTED)
        waits = instance.create_run_for_job(job, tags=dict(job.run_tags), status=DagsterRunStatus.NOT_STARTED)

        def look_at_it() -> tuple[DagsterRunStatus, bool]:
            (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[hangs.run_id]))
            if record.dagster_run.status == DagsterRunStatus.STARTED:
                monitor_started_run(instance, MagicMock(), record, logging.getLogger(__name__))
                (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[hangs.run_id]))
            at_work = instance.get_run_records(dg.RunsFilter(statuses=[DagsterRunStatus.STARTED]))
            counter = GlobalOpConcurrencyLimitsCounter(
                instance, [waits], at_work, instance.event_log_storage.get_concurrency_keys(),
                instance.event_log_storage.get_pool_limits(), pool_granularity=PoolGranularity.RUN,
            )  # fmt: skip
            return record.dagster_run.status, counter.is_blocked(waits)

        began = "UPDATE runs SET start_time = extract(epoch FROM now()) - %s WHERE run_id = %s RETURNING 1"
        limit_s = int(job.run_tags[MAX_RUNTIME_TAG])
        try:
            value(storage, began, limit_s - 60, hangs.run_id)
            assert look_at_it() == (DagsterRunStatus.STARTED, True), "one run of the pool at a time: the second waits"
            value(storage, began, limit_s + 60, hangs.run_id)
            assert look_at_it() == (DagsterRunStatus.FAILURE, False)
        finally:
            instance.wipe()


@pytest.mark.slow("a daemon, a code server and two runs start; the test above is what the daemon does in a round")
def test_a_run_that_hangs_is_ended_and_lets_go_of_the_pool(storage: str, tmp_path: Path) -> None:
    """With a real daemon, the project's dagster.yaml and a process that ignores signals."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "hanging.py").write_text(HANGING)
    ours = (PROJECT_ROOT / "dagster.yaml").read_text(encoding="utf-8")
    quick = ours.replace("run_monitoring:\n", "run_monitoring:\n  poll_interval_seconds: 1\n")
    assert quick != ours
    (home / "dagster.yaml").write_text(quick + f"\nstorage:\n  postgres:\n    postgres_url: {storage}\n")
    # A pool is limited from the second look at the queue on, since the first makes its limit: both may wait by then.
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.event_log_storage.initialize_concurrency_limit_to_default(POOL)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GAZELLE_", "DAGSTER_"))}
    environment |= {"DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    tools = Path(sys.executable).parent

    def launch(job: str) -> None:
        command = [str(tools / "dagster"), "job", "launch", "-f", "hanging.py", "-j", job]
        subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True)

    with (tmp_path / "daemon.log").open("w") as log:
        daemon = subprocess.Popen(
            [tools / "dagster-daemon", "run", "-f", "hanging.py"],
            env=environment,
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        launch("hang")
        launch("work")
        assert wait_for(lambda: ended(storage, "work"), 120), (tmp_path / "daemon.log").read_text()
        assert ended(storage, "hang") == "FAILURE", (tmp_path / "daemon.log").read_text()
        assert ended(storage, "work") == "SUCCESS"
        order = "SELECT h.end_time <= w.start_time FROM runs AS h, runs AS w"
        where = " WHERE h.pipeline_name = 'hang' AND w.pipeline_name = 'work'"
        assert value(storage, order + where), "one run of the pool at a time: the second had waited"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(daemon.pid, signal.SIGKILL)
        for number in processes_of(home):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        daemon.wait()


def ended(storage: str, job: str) -> str | None:
    """How the run of a job ended; None: it has not."""
    query = "SELECT max(status) FROM runs WHERE pipeline_name = %s AND status IN ('SUCCESS', 'FAILURE', 'CANCELED')"
    status: str | None = value(storage, query, job)
    return status


def processes_of(home: Path) -> list[int]:
    """Living processes whose Dagster home this is."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and f"DAGSTER_HOME={home}".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found
