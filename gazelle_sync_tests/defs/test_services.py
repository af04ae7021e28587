"""Dagster's own processes as services (docs/production.md): what a service manager's signals do to a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from gazelle_sync.defs.sync.sensors import AGAIN_TAG
from gazelle_sync.montreal import montreal_day
from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync_tests.defs.test_up import environment, free_port, processes_of, wait_for
from gazelle_sync_tests.support.shop import Shop

WORKSPACE = """
load_from:
  - grpc_server:
      host: 127.0.0.1
      port: {port}
      location_name: gazelle_sync
"""
DAGSTER = [sys.executable, "-m", "dagster"]


class Services:
    """A code server and a daemon, each in a process group of its own."""

    def __init__(self, shop: Shop, dagster_url: str, directory: Path) -> None:
        self.home = directory / "home"
        self.directory = directory
        self.port = free_port()
        self.workspace = directory / "workspace.yaml"
        self.workspace.write_text(WORKSPACE.format(port=self.port))
        self.processes: list[subprocess.Popen[str]] = []
        self.environment = environment(self.home) | {
            "GAZELLE_DATABASE_URL": shop.url,
            "GAZELLE_DAGSTER_POSTGRES_URL": dagster_url,
            "GAZELLE_API_URL": shop.sandbox.url,
            "GAZELLE_API_TOKEN": shop.sandbox.api_key,
            "GAZELLE_RATE_PER_S": "0",
            "DAGSTER_HOME": str(self.home / "dagster"),
        }
        self.run("-m", "gazelle_sync.cli.app", "migrate")

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], env=self.environment, cwd=PROJECT_ROOT, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def launch(self, job: str) -> None:
        """Put a run of today's partition into the queue."""
        tags = json.dumps({"dagster/partition": montreal_day(datetime.now(UTC)).isoformat()})
        self.run("-m", "dagster", "job", "launch", "-w", str(self.workspace), "-j", job, "--tags", tags)

    def said(self) -> str:
        """The ends of what the services said."""
        return "".join((self.directory / name).read_text()[-3000:] for name in ("code.log", "daemon.log"))

    def start(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        with (self.directory / name).open("a") as output:
            process = subprocess.Popen(
                arguments, env=self.environment, cwd=PROJECT_ROOT, stdout=output, stderr=output, text=True,
                start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def code_server(self) -> subprocess.Popen[str]:
        return self.code_server_at(self.port, "gazelle_sync")

    def code_server_at(self, port: int, location: str) -> subprocess.Popen[str]:
        place = ["--host", "127.0.0.1", "--port", str(port)]
        where = ["-m", "gazelle_sync.definitions", "--location-name", location]
        process = self.start("code.log", *DAGSTER, "code-server", "start", *where, *place)
        check = [*DAGSTER, "api", "grpc-health-check", *place]
        assert wait_for(lambda: subprocess.run(check, capture_output=True, check=False).returncode == 0, 90)
        return process

    def daemon(self) -> subprocess.Popen[str]:
        return self.start("daemon.log", sys.executable, "-m", "dagster._daemon", "run", "-w", str(self.workspace))


@contextmanager
def services(shop: Shop, dagster_url: str, directory: Path) -> Iterator[Services]:
    found = Services(shop, dagster_url, directory)
    try:
        yield found
    finally:
        for number in processes_of(found.home):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        for process in found.processes:
            process.wait()


@pytest.mark.slow("a code server and a daemon start, and start again")
def test_a_run_whose_whole_process_tree_gets_a_sigterm_is_run_again_when_the_code_server_is_back(
    shop: Shop, dagster_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What systemd does by default to a service that is restarted: the run's own process gets the signal too."""
    with services(shop, dagster_database, tmp_path) as parts:
        for name in ("GAZELLE_DAGSTER_POSTGRES_URL", "DAGSTER_HOME"):
            monkeypatch.setenv(name, parts.environment[name])
        code = parts.code_server()
        daemon = parts.daemon()
        shop.admin.settings(latency_ms=1000)
        with dg.DagsterInstance.get() as instance:
            before = {run.run_id for run in instance.get_runs()}

            def new_runs() -> list[dg.DagsterRun]:
                return [run for run in instance.get_runs() if run.run_id not in before and run.job_name == "full"]

            parts.launch("full")
            shop.admin.reset_stats()
            assert wait_for(lambda: shop.admin.stats()["arrivals"] > 3, 60), parts.said()
            os.killpg(code.pid, signal.SIGTERM)
            assert wait_for(lambda: code.poll() is not None, 60), parts.said()
            shop.admin.settings(latency_ms=0)
            code = parts.code_server()
            assert wait_for(lambda: len(new_runs()) == 2 and all(run.is_finished for run in new_runs()), 150), (
                parts.said()
            )
            again, first = new_runs()
            assert first.status is dg.DagsterRunStatus.FAILURE
            assert again.status is dg.DagsterRunStatus.SUCCESS
            assert again.tags[AGAIN_TAG] == first.run_id
        for process in (code, daemon):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
    shop.assert_equals_api()
