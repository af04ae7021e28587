"""The pods of runs that deploy/helm/values.yaml asks for: made by Dagster's own launcher, judged strictly, and run.

A small API stands in for Kubernetes. It takes a Job, has it judged by Kubernetes' schemas, and runs its container's
command as a process of this machine.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync_tests.support.installed import program, until
from gazelle_sync_tests.support.receivers import free_port
from gazelle_sync_tests.support.shop import Shop

pytestmark = pytest.mark.slow("starts a code server and runs a job in a process of its own")

BIN = Path(sys.executable).parent
VALUES: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "deploy/helm/values.yaml").read_text(encoding="utf-8"))
(DEPLOYMENT,) = VALUES["dagster-user-deployments"]["deployments"]
LAUNCHER: dict[str, Any] = VALUES["runLauncher"]["config"]["k8sRunLauncher"]


def snake(values: dict[str, Any]) -> dict[str, Any]:
    """Keys as Dagster's instance has them: what the chart does with its own."""
    return {re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", key).lower(): value for key, value in values.items()}


def launcher_config(kubeconfig: Path) -> dict[str, Any]:
    """What the chart writes into the instance's `dagster.yaml`, but for the cluster that it is in."""
    config = snake(LAUNCHER) | {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig)}
    config["run_k8s_config"] = snake(config["run_k8s_config"])
    config["env_secrets"] = [secret["name"] for secret in config["env_secrets"]]
    return config | {
        "service_account_name": "gazelle-sync-dagster",
        "instance_config_map": "gazelle-sync-dagster-instance",
        "postgres_password_secret": VALUES["global"]["postgresqlSecretName"],
        "dagster_home": "/opt/dagster/dagster_home",
        "job_namespace": "shop",
    }


@contextmanager
def kubernetes(jobs: list[dict[str, Any]]) -> Iterator[int]:
    """An API that takes Jobs; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path.partition("?")[0] == "/apis/batch/v1/namespaces/shop/jobs"
            jobs.append(json.loads(body))
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def code_server(folder: Path, environment: dict[str, str]) -> Iterator[Path]:
    """The code server as the chart starts it; gives a workspace that names it."""
    port = free_port()
    image = f"{DEPLOYMENT['image']['repository']}:{DEPLOYMENT['image']['tag']}"
    # With it, the chart would give the runs a token of the cluster, and a code server's memory.
    assert DEPLOYMENT["includeConfigInLaunchedRuns"] == {"enabled": False}
    command: list[str | Path] = [
        BIN / "dagster",
        "api",
        "grpc",
        *DEPLOYMENT["dagsterApiGrpcArgs"],
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--container-image", image]
    workspace = folder / "workspace.yaml"
    workspace.write_text(
        f"load_from: [{{grpc_server: {{host: 127.0.0.1, port: {port}, location_name: gazelle_sync}}}}]",
        encoding="utf-8",
    )
    health: list[str | Path] = [BIN / "dagster", "api", "grpc-health-check", "--port", str(port)]
    with (folder / "code.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            until(
                lambda: subprocess.run(health, capture_output=True, check=False).returncode == 0,
                "the code server is well",
            )
            yield workspace
        finally:
            process.terminate()
            process.wait(30)


def test_the_pod_of_a_run_is_strictly_right_has_no_rights_and_does_the_tick(
    new_shop: Shop, dagster_database: str, tmp_path: Path
) -> None:
    jobs: list[dict[str, Any]] = []
    home = tmp_path / "dagster"
    home.mkdir()
    own = new_shop.environment(
        GAZELLE_DAGSTER_POSTGRES_URL=dagster_database, DAGSTER_HOME=str(home), PYTHON_DOTENV_DISABLED="1"
    )
    with kubernetes(jobs) as port, code_server(tmp_path, own) as workspace:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(
            yaml.safe_dump({
                "apiVersion": "v1", "kind": "Config", "current-context": "here",
                "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "me", "user": {}}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            }),
            encoding="utf-8",
        )  # fmt: skip
        instance = {
            "storage": {"postgres": {"postgres_url": {"env": "GAZELLE_DAGSTER_POSTGRES_URL"}}},
            "run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": launcher_config(kubeconfig)},
            "run_coordinator": {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"},
            "telemetry": {"enabled": False},
        }
        (home / "dagster.yaml").write_text(yaml.safe_dump(instance), encoding="utf-8")
        launched = subprocess.run(
            [BIN / "dagster", "job", "launch", "--workspace", workspace, "--location", "gazelle_sync", "--job", "tick"],
            env=own, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert launched.returncode == 0, launched.stderr
    (job,) = jobs
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job), encoding="utf-8")
    judged = subprocess.run(
        [program("kubernetes-validate"), "--strict", tmp_path / "job.yaml"], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr

    spec = job["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert (spec["ttlSecondsAfterFinished"], spec["backoffLimit"]) == (3600, 0)
    assert container["image"] == "example.com/shop/gazelle_sync:0.1.0"
    assert container["securityContext"] == DEPLOYMENT["securityContext"]
    assert pod["securityContext"] == DEPLOYMENT["podSecurityContext"]
    assert pod["automountServiceAccountToken"] is False
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted >= {mount["mountPath"] for mount in DEPLOYMENT["volumeMounts"]}
    assert {"secretRef": {"name": "gazelle-sync"}} in container["envFrom"]
    assert {"name": "GAZELLE_TOKEN_STORE", "value": "database"} in container["env"]
    assert container["resources"] == LAUNCHER["runK8sConfig"]["containerConfig"]["resources"]

    # A pod is nothing but this command, with what the secret says; and it has no token of the cluster.
    command = [
        part.replace("load_incluster_config: false", "load_incluster_config: true").replace(
            f"kubeconfig_file: {kubeconfig}\\n", ""
        )
        for part in [*container.get("command", []), *container["args"]]
    ]
    assert "load_incluster_config: true" in " ".join(command)
    assert str(kubeconfig) not in " ".join(command)
    done = subprocess.run(
        command, env={**own, "PATH": f"{BIN}:{os.environ['PATH']}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    new_shop.assert_equals_api()
