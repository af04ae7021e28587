"""Containers without an engine: buildah and podman in a mount namespace of their own. Root alone may do this.

They share the network namespace of a host (`support/network.py`). All of it is gone when the block ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazelle_sync_tests.support.installed import program
from gazelle_sync_tests.support.network import Host, Network, network

SECONDS = 1200
CONFIG = "containers.conf"
HOLDER = """
if [ "$(stat --file-system --format=%T /sys/fs/cgroup)" != cgroup2fs ]; then
    umount --recursive /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
exec sleep infinity
"""
"""Keeps the mount namespace. Where both versions of cgroups are mounted, the runtime starts nothing: there, one is."""


@dataclass(frozen=True)
class Containers:
    """Where containers run.

    Attributes:
        folder: Images, containers and volumes.
        holder: The process that keeps the mount namespace.
        driver: How images are stored.
        net: This machine, the host that all containers are on that `run` starts, and the one of podman-compose.
    """

    folder: Path
    holder: subprocess.Popen[bytes]
    driver: str
    net: Network

    @property
    def host(self) -> Host:
        """Where their ports are."""
        return self.net["containers"]

    def buildah(self, *arguments: str | Path, cwd: Path | None = None) -> str:
        """What buildah says."""
        return self._run("buildah", arguments, cwd=cwd).stdout

    def podman(self, *arguments: str | Path) -> str:
        """What podman says."""
        return self._run("podman", arguments).stdout.strip()

    def tried(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """What podman says and how it ends, well or not."""
        return self._run("podman", arguments, check=False)

    def command(self, name: str) -> list[str]:
        """buildah or podman, with the options that say where all of it is."""
        found = [
            program(name),
            f"--root={self.folder / 'storage'}",
            f"--runroot={self.folder / 'run'}",
            f"--storage-driver={self.driver}",
        ]
        return found + ([] if name == "buildah" else ["--cgroup-manager=cgroupfs", "--events-backend=file"])

    def _run(
        self, name: str, arguments: Sequence[str | Path], *, check: bool = True, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", f"--wdns={cwd or self.folder}"]
        done = subprocess.run(
            [*enter, *self.command(name), *map(str, arguments)],
            env=os.environ | {"CONTAINERS_CONF": str(self.folder / CONFIG)},
            capture_output=True, text=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{name} {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}")
        return done

    def run(self, name: str, image: str, service: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        """Start a container as a service of compose.yaml says.

        Args:
            name: Of the container.
            image: What it is made of.
            service: The service.
            environment: Its variables.
        """
        options = [
            "run",
            "--detach",
            f"--name={name}",
            "--cgroups=disabled",
            "--ulimit=host",
            f"--network=ns:/run/netns/{self.host.namespace}",
        ]
        options += [f"--cap-drop={one.lower()}" for one in service["cap_drop"]]
        options += [f"--security-opt={one.partition(':')[0]}" for one in service["security_opt"]]
        options += ["--read-only"] if service["read_only"] else []
        options += [f"--volume={one}" for one in service["volumes"]]
        options += [f"--tmpfs={one}" for one in service["tmpfs"]]
        options += [f"--env={key}={value}" for key, value in environment.items()]
        self.podman(*options, image, *service["command"])


@contextmanager
def containers() -> Iterator[Containers]:
    """Room for containers, for the length of a block."""
    folder = Path(tempfile.mkdtemp(prefix="gazelle_sync_containers_"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        net = stack.enter_context(network(["containers", "compose"], folder))
        # Whoever may not raise a limit may start no container with the limits that podman would set.
        (folder / CONFIG).write_text("[containers]\ndefault_ulimits = []\n", encoding="ascii")
        holder = subprocess.Popen([program("unshare"), "--mount", "--propagation=private", "sh", "-c", HOLDER])
        stack.callback(holder.wait)
        stack.callback(holder.kill)
        where = Containers(folder, holder, "overlay" if can_overlay(folder) else "vfs", net)
        stack.callback(where.tried, "rm", "--all", "--force", "--time=0")
        yield where


def can_overlay(folder: Path) -> bool:
    """Whether folders may be laid over each other there: not where the folder is itself in a container."""
    places = [folder / f"overlay/{name}" for name in ("lower", "upper", "work", "merged")]
    for place in places:
        place.mkdir(parents=True)
    lower, upper, work, merged = map(str, places)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    command = [program("unshare"), "--mount", "mount", "-t", "overlay", "overlay", "-o", options, merged]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
