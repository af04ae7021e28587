"""The files of deploy/ agree with each other, with the project's `dagster.yaml` and with what the settings read.

What needs other programs (the image, systemd, promtool, Kubernetes' schemas) is in the slow lane: `make deploy-check`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.workspace.config_schema import process_workspace_config

from gazelle_sync.cli.app import main
from gazelle_sync.defs.location import UNNAMED_LOCATION
from gazelle_sync.monitoring.metrics import PREFIX
from gazelle_sync.settings import PROJECT_ROOT, Settings

DEPLOY = PROJECT_ROOT / "deploy"
NOT_OURS = {"GAZELLE_SYNC"}
TEXTS = sorted(path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".lock")
OWN_PLACES = {"storage", "local_artifact_storage", "compute_logs"}
UNPROVEN = {
    "compose.yaml": "Not started by Docker's own Compose",
    "helm/values.yaml": "Not installed",
    "render.yaml": "Never run",
    "systemd/gazelle-sync.target": "Never started",
    "systemd/gazelle-sync-code.service": "Never started",
    "systemd/gazelle-sync-daemon.service": "Never started",
    "systemd/gazelle-sync-webserver.service": "Never started",
}
"""Files that nobody has run, each with the words that begin it."""

KNOWN_TO_THE_CHART = {
    "concurrency": "enabled pools runs",
    "concurrency/pools": "defaultLimit granularity opGranularityRunBuffer",
    "concurrency/runs": "maxConcurrentRuns tagConcurrencyLimits",
    "dagsterDaemon": "enabled image runCoordinator heartbeatTolerance env envConfigMaps envSecrets deploymentLabels "
    "labels nodeSelector affinity tolerations podSecurityContext securityContext resources livenessProbe "
    "readinessProbe startupProbe annotations runMonitoring runRetries sensors schedules schedulerName volumeMounts "
    "volumes",
    "dagsterDaemon/runCoordinator": "enabled type config",
    "dagsterDaemon/runCoordinator/config/queuedRunCoordinator": "maxConcurrentRuns tagConcurrencyLimits "
    "dequeueIntervalSeconds dequeueNumWorkers dequeueUseThreads",
    "runLauncher": "type config",
    "scheduler": "type config",
    "scheduler/config": "daemonScheduler customScheduler",
    "runLauncher/config/k8sRunLauncher": "image imagePullPolicy jobNamespace loadInclusterConfig kubeconfigFile "
    "envConfigMaps envSecrets envVars volumeMounts volumes labels failPodOnRunFailure resources schedulerName "
    "securityContext runK8sConfig",
    "runLauncher/config/k8sRunLauncher/runK8sConfig": "containerConfig podSpecConfig podTemplateSpecMetadata "
    "jobSpecConfig jobMetadata",
}
"""Where the schema of Dagster's chart forbids other names → those that it has (its sources, helm/dagster/schema)."""


def parsed(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def test_the_instance_is_the_projects_with_storage_and_places_of_its_own() -> None:
    ours, project = parsed("dagster.yaml"), yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    assert ours["run_coordinator"].pop("config") == {"dequeue_use_threads": True, "dequeue_num_workers": 4}
    assert {name: value for name, value in ours.items() if name not in OWN_PLACES} == project


def test_limits_of_the_chart_are_the_instances_and_stand_in_one_place() -> None:
    values, instance = parsed("helm/values.yaml"), parsed("dagster.yaml")
    concurrency = values["concurrency"]
    assert concurrency["pools"] == {
        "defaultLimit": instance["concurrency"]["pools"]["default_limit"],
        "granularity": instance["concurrency"]["pools"]["granularity"],
    }
    assert concurrency["runs"]["maxConcurrentRuns"] == instance["concurrency"]["runs"]["max_concurrent_runs"]
    assert "maxConcurrentRuns" not in values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"]
    assert values["retention"]["schedule"]["purgeAfterDays"] == instance["retention"]["schedule"]["purge_after_days"]


def test_the_chart_makes_the_same_instance_of_runs_that_fail_hang_or_are_late() -> None:
    values, instance = parsed("helm/values.yaml"), parsed("dagster.yaml")
    daemon = values["dagsterDaemon"]
    retries, monitoring = instance["run_retries"], instance["run_monitoring"]
    assert daemon["runRetries"] == {
        "enabled": retries["enabled"],
        "maxRetries": retries["max_retries"],
        "retryOnAssetOrOpFailure": retries["retry_on_asset_or_op_failure"],
    }
    assert daemon["runMonitoring"]["maxRuntimeSeconds"] == monitoring["max_runtime_seconds"]
    caught_up = values["scheduler"]["config"]["daemonScheduler"]
    assert caught_up == {"maxCatchupRuns": instance["scheduler"]["config"]["max_catchup_runs"]}
    assert values["additionalInstanceConfig"] == {"nux": instance["nux"]}


def test_runs_of_the_chart_get_what_their_code_server_gets_and_no_token_of_the_cluster() -> None:
    """By the launcher: what comes from the code server's own values mounts a token, whatever the launcher says."""
    values = parsed("helm/values.yaml")
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    assert deployment["includeConfigInLaunchedRuns"] == {"enabled": False}
    for name in ("envSecrets", "volumes", "volumeMounts"):
        assert launcher[name] == deployment[name], name
    assert launcher["envVars"] == [f"{name}={value}" for name, value in deployment["env"].items()]
    run = launcher["runK8sConfig"]
    assert run["podSpecConfig"]["securityContext"] == deployment["podSecurityContext"]
    assert run["podSpecConfig"]["automountServiceAccountToken"] is False
    assert run["containerConfig"]["securityContext"] == deployment["securityContext"]


def test_the_chart_calls_the_location_as_the_command_line_does() -> None:
    values = parsed("helm/values.yaml")
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    (server,) = values["dagsterWebserver"]["workspace"]["servers"]
    assert server == {"host": deployment["name"], "port": deployment["port"], "name": UNNAMED_LOCATION}
    assert deployment["dagsterApiGrpcArgs"][-2:] == ["--location-name", UNNAMED_LOCATION]


def test_the_chart_knows_every_name_where_it_refuses_others() -> None:
    values = parsed("helm/values.yaml")
    for path, names in KNOWN_TO_THE_CHART.items():
        found = values
        for part in path.split("/"):
            found = found[part]
        assert found.keys() <= set(names.split()), path
    assert {"name", "image", "port"} <= values["dagster-user-deployments"]["deployments"][0].keys()
    assert {"imagePullPolicy", "loadInclusterConfig", "envConfigMaps", "envSecrets", "envVars", "volumeMounts",
            "volumes"} <= values["runLauncher"]["config"]["k8sRunLauncher"].keys()  # fmt: skip


def test_dagster_reads_the_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_CODE_SERVER", "code")
    config = process_workspace_config(parsed("workspace.yaml"))
    assert config.success
    value: Any = config.value
    assert value["load_from"][0]["grpc_server"]["host"] == "code"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_variable_of_ours_is_one_that_the_settings_read(path: Path) -> None:
    named = set(re.findall(r"\bGAZELLE_[A-Z_]+\b", path.read_text(encoding="utf-8"))) - NOT_OURS
    assert named <= set(Settings.variables().values())


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_command_of_ours_is_one(path: Path) -> None:
    for command in re.findall(r"\bgazelle-sync ([a-z]+)\b", path.read_text(encoding="utf-8")):
        assert command in main.commands or command == "dagster"  # a release of the chart


@pytest.mark.parametrize(("name", "words"), UNPROVEN.items())
def test_what_nobody_has_run_says_so_in_its_first_line(name: str, words: str) -> None:
    assert (DEPLOY / name).read_text(encoding="utf-8").splitlines()[0].startswith(f"# {words}")


def test_containers_have_no_rights_write_one_folder_and_stop_in_peace() -> None:
    services = parsed("compose.yaml")["services"]
    assert set(services) == {"postgres", "migrate", "code", "daemon", "webserver", "metrics"}
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert "privileged" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert "docker.sock" not in json.dumps(service)
        if name != "postgres":
            assert service["read_only"] is True
            assert service["volumes"] == ["home:/var/lib/gazelle_sync"]
            assert service["stop_grace_period"] == "2m"
    assert all("healthcheck" in services[name] for name in ("postgres", "code", "daemon", "webserver"))


def test_the_ui_is_published_by_no_service_of_the_blueprint() -> None:
    assert {service["type"] for service in parsed("render.yaml")["services"]} == {"pserv", "worker"}


def metrics_in(text: str) -> set[str]:
    return set(re.findall(rf"\b({PREFIX}[a-z0-9_]+)", text))


def test_the_dashboard_shows_and_the_rules_watch_what_metrics_serves() -> None:
    source = (PROJECT_ROOT / "gazelle_sync/monitoring/metrics.py").read_text(encoding="utf-8")
    named = metrics_in((DEPLOY / "grafana/dashboard.json").read_text(encoding="utf-8"))
    named |= metrics_in((DEPLOY / "prometheus/rules.yaml").read_text(encoding="utf-8"))
    bare = {re.sub(r"_(total|sum|count)$", "", name.removeprefix(PREFIX)) for name in named}
    assert bare
    assert {name for name in bare if f'"{name}' not in source and f"{{PREFIX}}{name}" not in source} == set()


def test_every_rule_has_a_test_and_an_advice() -> None:
    rules = [rule for group in parsed("prometheus/rules.yaml")["groups"] for rule in group["rules"]]
    tests = parsed("prometheus/rules.test.yaml")["tests"]
    tested = {one["alertname"] for test in tests for one in test["alert_rule_test"]
              if one.get("exp_alerts")}  # fmt: skip
    assert {rule["alert"] for rule in rules} == tested
    assert all(rule["annotations"]["description"] for rule in rules)
