"""Dagster's processes around a fleet, and what they take: code server, daemon, webserver, runs and shops' children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from gazelle_sync.runtime.embedded import dagster_home
from gazelle_sync.settings import PROJECT_ROOT, Settings
from gazelle_sync_tests.benchmarks.servers import BIN, Server
from gazelle_sync_tests.support.receivers import free_port

MEGABYTE = 2**20
CLOCK = os.sysconf("SC_CLK_TCK")
WORKSPACE = """
load_from:
  - grpc_server:
      host: 127.0.0.1
      port: {port}
      location_name: fleet
"""


@dataclass
class FleetServices:
    """A running fleet.

    Attributes:
        environment: Of its processes.
        settings: The fleet's.
        code: The code server, of which runs are children.
        others: Daemon and webserver.
        peak_mb: The most memory that all of them had together (proportional set size).
    """

    environment: Mapping[str, str]
    settings: Settings
    code: subprocess.Popen[bytes]
    others: dict[str, subprocess.Popen[bytes]]
    peak_mb: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    def processor_s(self, name: str) -> float:
        """Processor seconds of a service so far, without its children."""
        process = self.code if name == "code" else self.others[name]
        return sum(_times(process.pid)[:2]) / CLOCK

    def runs_s(self) -> float:
        """Processor seconds of the runs that have ended, with their fork servers and children."""
        return sum(_times(self.code.pid)[2:]) / CLOCK

    def watch_memory(self) -> None:
        """Look at the memory every second, until the fleet ends."""
        while not self._ended.wait(1):
            self.peak_mb = max(self.peak_mb, self.memory_mb())

    def memory_mb(self) -> float:
        """Memory of all of them now; what processes share counts once."""
        return sum(_pss(pid) for pid in self.all_processes()) / MEGABYTE

    def all_processes(self) -> set[int]:
        """Ids of the services and of all that they started."""
        parents = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                parents[int(path.parent.name)] = int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        found = {self.code.pid, *(process.pid for process in self.others.values())}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return found

    def stop(self) -> None:
        """End all of them."""
        self._ended.set()
        started = self.all_processes()
        for process in (*self.others.values(), self.code):
            process.send_signal(signal.SIGTERM)
        for process in (*self.others.values(), self.code):
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
        for pid in started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in (*self.others.values(), self.code):
            process.wait()


@contextmanager
def fleet_services(server: Server, folder: Path, *, work: str | None = None, **more: str) -> Iterator[FleetServices]:
    """A fleet under Dagster for the length of a block.

    Args:
        server: Where Dagster's database is made.
        folder: Of the shops.
        work: What shops do; None: a turn.
        more: Variables of the fleet.
    """
    home = server.home / f"fleet_{folder.name}"
    own = {
        "GAZELLE_SYNC_HOME": str(home),
        "GAZELLE_FLEET_DIR": str(folder),
        "GAZELLE_DAGSTER_POSTGRES_URL": server.url(server.new_database("dagster")),
        **more,
    }
    home.mkdir(exist_ok=True)
    settings = Settings.load(own)
    port, web_port = free_port(), free_port()
    workspace = home / "workspace.yaml"
    workspace.write_text(WORKSPACE.format(port=port), encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GAZELLE_", "DAGSTER_"))}
    instance = dagster_home(settings)
    config = instance / "dagster.yaml"  # as docs/fleet.md says
    config.write_text(config.read_text(encoding="utf-8").replace("max_concurrent_runs: 4", "max_concurrent_runs: 10"))
    environment = {
        **inherited, **own, "DAGSTER_HOME": str(instance), "PYTHON_DOTENV_DISABLED": "1",
        **({"FLEET_WORK": work} if work else {}),
    }  # fmt: skip
    module = "gazelle_sync_tests.benchmarks.fleet_works" if work else "gazelle_sync.defs.fleet.definitions"
    place = ["-h", "127.0.0.1", "-p"]
    log = (home / "services.log").open("ab")

    def start(*command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, env=environment, cwd=PROJECT_ROOT, stdout=log, stderr=log, start_new_session=True
        )

    with log:
        code = start(
            sys.executable, "-m", "dagster", "api", "grpc", "-m", module, *place, str(port), "--location-name", "fleet"
        )
        check = [
            sys.executable,
            "-m",
            "dagster",
            "api",
            "grpc-health-check",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        while subprocess.run(check, capture_output=True, check=False, env=environment).returncode != 0:
            if code.poll() is not None:
                raise RuntimeError((home / "services.log").read_text(encoding="utf-8")[-3000:])
        daemon = start(str(BIN / "dagster-daemon"), "run", "-w", str(workspace))
        web = start(str(BIN / "dagster-webserver"), "-w", str(workspace), *place, str(web_port))
        found = FleetServices(environment, settings, code, {"daemon": daemon, "webserver": web})
        threading.Thread(target=found.watch_memory, daemon=True).start()
        try:
            _wait_for_the_ui(web_port)
            yield found
        finally:
            found.stop()


def _wait_for_the_ui(port: int) -> None:
    for _ in range(600):
        with suppress(httpx.HTTPError):
            if httpx.get(f"http://127.0.0.1:{port}/server_info", timeout=2).is_success:
                return
        time.sleep(0.2)
    raise RuntimeError("the UI does not answer")


def _times(pid: int) -> list[int]:
    """User, system, children's user, children's system time of a process, in ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return [int(value) for value in fields[11:15]]


def _pss(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
