"""Hosts of one machine: network namespaces on a bridge, each with a cable that can be cut. Root alone may do this.

All of it is gone when the block ends.
"""

from __future__ import annotations

import os
import pwd
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gazelle_sync_tests.support.installed import program

STOP_S = 60


@dataclass
class Host:
    """A host, and the process that runs on it.

    Attributes:
        address: Where the others reach it.
        namespace: Its network namespace.
        cable: This machine's end of its cable.
        bridge: What the cable is plugged into.
        log: What its process says.
        process: The process, once there is one.
    """

    address: str
    namespace: str
    cable: str
    bridge: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    _command: list[str] = field(default_factory=list)
    _environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, *command: str | Path, environment: Mapping[str, str], user: str = "root") -> None:
        """Start its process.

        Args:
            command: What it runs.
            environment: Of the process.
            user: Whose the process is.
        """
        self._command, self._environment = [*as_user(user), *map(str, command)], environment
        self.restart()

    def restart(self) -> None:
        """Start its process again, as whatever supervises it does."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [program("ip"), "netns", "exec", self.namespace, *self._command], env=self._environment,
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def succeeds(self, *command: str | Path, environment: Mapping[str, str]) -> bool:
        """Whether a command ends well there."""
        done = subprocess.run(
            [program("ip"), "netns", "exec", self.namespace, *command], env=environment, check=False,
            stdin=subprocess.DEVNULL, capture_output=True,
        )  # fmt: skip
        return done.returncode == 0

    def kill(self) -> None:
        """End all that runs there, and all of it at once, as a loss of power does."""
        here = Path("/run/netns", self.namespace).stat().st_ino
        while pids := ip("netns", "pids", self.namespace).split():
            for pid in map(int, pids):
                with suppress(ProcessLookupError, FileNotFoundError), _held(pid) as process:
                    if Path(f"/proc/{pid}/ns/net").stat().st_ino == here:  # nobody else has got its number since
                        signal.pidfd_send_signal(process, signal.SIGKILL)
            time.sleep(0.05)
        if self.process is not None:
            self.process.wait(STOP_S)

    def cut(self) -> None:
        """Pull its cable somewhere on the way: nothing goes through any more, and nobody is told."""
        ip("link", "set", self.cable, "nomaster")

    def mend(self) -> None:
        """Plug it in again."""
        ip("link", "set", self.cable, "master", self.bridge)


@dataclass(frozen=True)
class Network:
    """Hosts that reach each other, and this machine.

    Attributes:
        here: This machine's address.
        hosts: By name.
    """

    here: str
    hosts: Mapping[str, Host]

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]


@contextmanager
def network(names: Sequence[str], folder: Path) -> Iterator[Network]:
    """Hosts for the length of a block.

    Args:
        names: Of the hosts.
        folder: For what their processes say.
    """
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces")
    mark = os.getpid()
    # The range is reserved for tests of networks; processes side by side take different parts of it.
    prefix, bridge = f"198.18.{mark % 254 + 1}", f"gs{mark}"
    with ExitStack() as stack:
        ip("link", "add", bridge, "type", "bridge")
        stack.callback(ip, "link", "delete", bridge)
        ip("address", "add", f"{prefix}.1/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        found = {}
        for number, name in enumerate(names, start=2):
            host = Host(f"{prefix}.{number}", f"{bridge}_{name}", f"{bridge}h{number}", bridge, folder / f"{name}.log")
            ip("netns", "add", host.namespace)
            stack.callback(ip, "netns", "delete", host.namespace)
            ip("link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
            ip("link", "set", host.cable, "master", bridge, "up")
            ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
            for device in ("eth0", "lo"):
                ip("-n", host.namespace, "link", "set", device, "up")
            stack.callback(host.kill)
            found[name] = host
        yield Network(f"{prefix}.1", found)


@contextmanager
def _held(pid: int) -> Iterator[int]:
    """A descriptor of a process, which goes on meaning this one."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def as_user(user: str) -> list[str]:
    """What stands before a command so that it runs as another user."""
    known = pwd.getpwnam(user)
    return [program("setpriv"), f"--reuid={known.pw_uid}", f"--regid={known.pw_gid}", "--clear-groups"]


def ip(*arguments: str) -> str:
    """Run iproute2's command, and give what it says; skips the test where this machine's kernel lets nobody do that."""
    done = subprocess.run([program("ip"), *arguments], capture_output=True, text=True, check=False)
    if "not permitted" in done.stderr or "Unknown device type" in done.stderr:
        pytest.skip(f"this machine has no network namespaces or bridges: {done.stderr.strip()}")
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
    return done.stdout


@contextmanager
def forwarded(here: tuple[str, int], target: Path | tuple[str, int]) -> Iterator[None]:
    """What arrives at a port of this machine goes on to a socket of it.

    Args:
        here: Address and port.
        target: A path or a port where a server listens.
    """
    listener = socket.create_server(here)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with suppress(OSError):
                near, _ = listener.accept()
                threading.Thread(target=_pump, args=(near, target), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _pump(near: socket.socket, target: Path | tuple[str, int]) -> None:
    far = socket.socket(socket.AF_UNIX if isinstance(target, Path) else socket.AF_INET)
    with near, far, suppress(OSError):
        far.connect(str(target) if isinstance(target, Path) else target)
        other = {near: far, far: near}
        while True:
            for one in select.select([near, far], [], [])[0]:
                data = one.recv(65_536)
                if not data:
                    return
                other[one].sendall(data)
