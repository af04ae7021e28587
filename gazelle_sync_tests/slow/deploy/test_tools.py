"""What the tools of each platform say of the files of deploy/: systemd, Compose, promtool, Prometheus itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gazelle_sync.monitoring.metrics import serve_metrics
from gazelle_sync.pull.context import Mode
from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync_tests.support.installed import program, until
from gazelle_sync_tests.support.receivers import free_port
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("needs programs of Debian and of an environment of its own")

DEPLOY = PROJECT_ROOT / "deploy"


def said_by(*command: str | Path, **options: Any) -> str:
    """What a program says that must end well."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (done.stdout + done.stderr).strip()


# ---- systemd


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they are, with a program where they look for ours: systemd warns of one that is missing."""
    root = tmp_path / "root"
    folder = root / "etc/systemd/system"
    shutil.copytree(DEPLOY / "systemd", folder)
    return folder


def test_systemd_says_nothing_of_the_units(units: Path) -> None:
    """It exits with 0 on warnings: any output is a failure."""
    verify = [program("systemd-analyze"), "verify", "--man=no", "--recursive-errors=yes"]
    assert said_by(*verify, *sorted(units.iterdir())) == ""


def test_systemd_would_say_what_is_wrong(units: Path) -> None:
    unit = units / "gazelle-sync-code.service"
    unit.write_text(unit.read_text(encoding="utf-8").replace("MemoryMax=2G", "MemoryMost=2G"), encoding="utf-8")
    assert "MemoryMost" in said_by(program("systemd-analyze"), "verify", "--man=no", unit)


def test_the_units_leave_a_service_little_to_break(units: Path) -> None:
    """systemd's own score, from 0 (closed) to 10 (open)."""
    for name in ("code", "daemon", "webserver"):
        rated = said_by(
            program("systemd-analyze"), "security", "--offline=yes", "--threshold=35", "--no-pager",
            units / f"gazelle-sync-{name}.service",
        )  # fmt: skip
        assert "Overall exposure level" in rated


# ---- Compose


def test_the_compose_file_is_one_by_its_schema() -> None:
    said_by(
        program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml",
    )  # fmt: skip


def test_podman_compose_reads_it(tmp_path: Path) -> None:
    """It fills in variables and merges; what it would run is what a person reads in the file."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=secret\nGAZELLE_API_URL=sandbox\n", encoding="utf-8")
    # It asks podman for its version and runs nothing.
    fake = tmp_path / "bin" / "podman"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 5.0.0\n", encoding="utf-8")
    fake.chmod(0o755)
    text = said_by(
        program("podman-compose"), "--env-file", tmp_path / ".env", "-f", tmp_path / "deploy/compose.yaml", "config",
        env=os.environ | {"PATH": f"{fake.parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    services = yaml.safe_load(text[text.index("name:") :])["services"]
    assert (
        services["code"]["environment"]["GAZELLE_DATABASE_URL"] == "postgresql://gazelle:secret@postgres:5432/gazelle"
    )
    assert services["daemon"]["depends_on"]["code"]["condition"] == "service_healthy"
    assert services["webserver"]["read_only"] is True


# ---- Prometheus


def test_the_rules_alert_on_what_they_should_and_on_nothing_else() -> None:
    promtool = program("promtool")
    said_by(promtool, "check", "rules", DEPLOY / "prometheus/rules.yaml")
    said_by(promtool, "check", "config", "--syntax-only", DEPLOY / "prometheus/prometheus.yaml")
    assert "SUCCESS" in said_by(promtool, "test", "rules", DEPLOY / "prometheus/rules.test.yaml")


@contextmanager
def prometheus(config: Path, port: int) -> Iterator[str]:
    """A real one, with its data beside its configuration; gives its address."""
    url = f"http://127.0.0.1:{port}"
    command = [
        program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={config.parent / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (config.parent / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            until(lambda: ready(url), "Prometheus to be ready", every_s=0.2)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def ready(url: str) -> bool:
    """While it starts, it refuses connections, then answers 503 in plain text."""
    try:
        return httpx.get(f"{url}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def queries() -> list[tuple[str, str]]:
    """Panel and query of the dashboard, with the variables that Grafana fills in."""
    dashboard = json.loads((DEPLOY / "grafana/dashboard.json").read_text(encoding="utf-8"))
    return [
        (panel["title"], target["expr"].replace("$instance", ".*"))
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]


def test_a_prometheus_that_scrapes_a_shop_answers_every_query_of_the_dashboard(shop: Shop, tmp_path: Path) -> None:
    shop.change_something()
    shop.sync(Mode.NIGHTLY)
    server, thread = serve_metrics(shop.settings, "127.0.0.1", 0)
    port = free_port()
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yaml").read_text(encoding="utf-8"))
    (scraped,) = config["scrape_configs"]
    scraped["scrape_interval"] = config.setdefault("global", {})["evaluation_interval"] = "1s"
    scraped["static_configs"] = [{"targets": [f"127.0.0.1:{server.server_port}"]}]
    shutil.copy(DEPLOY / "prometheus/rules.yaml", tmp_path)
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    try:
        with prometheus(tmp_path / "prometheus.yaml", port) as url:
            for title, expr in queries():
                until(partial(answers, url, expr), f"an answer for the panel {title}")
            # What was looked at before the first scrape misses the shop: a second later it does no more.
            until(lambda: {rule["state"] for rule in rules(url)} == {"inactive"}, "every rule to be at rest")
            assert {rule["health"] for rule in rules(url)} == {"ok"}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def rules(url: str) -> list[dict[str, Any]]:
    """The alerting rules as Prometheus holds them, each with its state and health."""
    groups: list[dict[str, Any]] = httpx.get(f"{url}/api/v1/rules").json()["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def answers(url: str, query: str) -> bool:
    answer = httpx.get(f"{url}/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", (query, answer)
    return bool(answer["data"]["result"])
