"""The wheel, installed into an empty environment as a person installs it, works from any folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync_tests.support.installed import until
from gazelle_sync_tests.support.receivers import free_port
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("installs some ninety packages into a new environment")


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel and what it depends on.

    Attributes:
        folder: The environment.
        wheel: The file.
        constraints: The versions of requirements.lock, for pip.
    """

    folder: Path
    wheel: Path
    constraints: Path

    def install(self, extras: str = "") -> None:
        """As a person does, but with the versions that are tested."""
        command: list[str | Path] = [self.folder / "bin/python", "-m", "pip", "install", "--quiet"]
        command += ["--constraint", self.constraints]
        subprocess.run([*command, f"{self.wheel}{extras}"], check=True)

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """Of a person whose home is this folder."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GAZELLE_", "PYTHON"))}
        return kept | {"HOME": str(home), **more}

    def run(self, home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A command of `gazelle-sync`, started in an empty folder."""
        folder = home / "elsewhere"
        folder.mkdir(exist_ok=True)
        return subprocess.run(
            [self.folder / "bin/gazelle-sync", *arguments], cwd=folder, env=self.environment(home, **more),
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=PROJECT_ROOT, check=True,
        capture_output=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    constraints = folder / "constraints.txt"
    lock = (PROJECT_ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^[\w.-]+==[^\n\\]+", lock, re.M)  # with the versions of Python that each pin is for
    constraints.write_text("\n".join(pinned), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    found = Installed(folder / "venv", wheel, constraints)
    found.install()
    return found


def test_the_wheel_carries_what_the_program_reads_and_nothing_of_the_tests(installed: Installed) -> None:
    names = set(ZipFile(installed.wheel).namelist())
    for folder in ("sql", "deploy"):
        for path in (PROJECT_ROOT / folder).rglob("*"):
            if path.is_file():
                assert f"gazelle_sync/files/{path.relative_to(PROJECT_ROOT)}" in names
    assert {"gazelle_sync/files/dagster.yaml", "gazelle_sync/files/workspace.yaml"} <= names
    assert {name.split("/")[0] for name in names} == {"gazelle_sync", "gazelle_sync-0.1.0.dist-info"}


def test_without_the_extras_it_works_on_a_database_of_ones_own_and_says_what_is_lacking(
    installed: Installed, new_shop: Shop, dagster_database: str, tmp_path: Path
) -> None:
    lacking = installed.run(tmp_path, "sync")
    assert lacking.returncode == 1
    assert "pip install 'gazelle-sync[embedded]'" in lacking.stderr
    own = {
        "GAZELLE_API_URL": new_shop.sandbox.url, "GAZELLE_API_TOKEN": new_shop.sandbox.api_key,
        "GAZELLE_DATABASE_URL": new_shop.url, "GAZELLE_DAGSTER_POSTGRES_URL": dagster_database,
    }  # fmt: skip
    ended = installed.run(tmp_path, "sync", **own)
    assert ended.returncode == 0, ended.stderr
    new_shop.assert_equals_api()
    report = installed.run(tmp_path, "report", "--html", str(tmp_path / "report.html"), **own)
    assert report.returncode == 1
    assert "pip install 'gazelle-sync[report]'" in report.stderr


def test_with_them_it_needs_nothing_and_keeps_its_state_in_ones_home(installed: Installed, tmp_path: Path) -> None:
    installed.install("[embedded,report]")
    ended = installed.run(tmp_path, "sync")
    assert ended.returncode == 0, ended.stderr
    assert "SANDBOX" in ended.stdout
    assert (tmp_path / ".gazelle_sync" / "dagster" / "dagster.yaml").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert installed.run(tmp_path, "report", "--html", str(tmp_path / "report.html")).returncode == 0

    port = free_port()
    command: list[str | Path] = [installed.folder / "bin/gazelle-sync", "up", "--port", str(port), "--desk-port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path / "elsewhere",
        env=installed.environment(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            until(lambda: process.poll() is not None or loads(port), "the UI shows the project", seconds=180)
            assert process.poll() is None, process.stderr and process.stderr.read()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def loads(port: int) -> bool:
    """Whether the UI has loaded the project's definitions."""
    query = "{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }"
    try:
        answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": query}, timeout=10).json()
        entries = answer["data"]["workspaceOrError"]["locationEntries"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return False
    return [entry["locationOrLoadError"]["__typename"] for entry in entries] == ["RepositoryLocation"]
