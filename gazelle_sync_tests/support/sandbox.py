"""A sandbox for the length of a test or a measurement, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx

from gazelle_sync.sandbox import SANDBOX_API_KEY
from gazelle_sync.sandbox.admin import SandboxAdmin, plain_client
from gazelle_sync.sandbox.encoding import Record

READY = "listening on "


@dataclass
class RunningSandbox:
    """A sandbox that listens.

    Attributes:
        url: Its base URL.
        process: Its process.
        api_key: The key that it lets in.
        admin: The client of its control routes.
        http: A client of its public side, without credentials.
    """

    url: str
    process: subprocess.Popen[str]
    api_key: str = SANDBOX_API_KEY
    admin: SandboxAdmin = field(init=False)
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.admin = SandboxAdmin(self.url)
        self.http = plain_client(self.url)

    def ask(self, query: str, **variables: object) -> Record:
        """Send a GraphQL request with the key; the whole answer."""
        answer = self.http.post(
            "/graphql/private/",
            content=json.dumps({"query": query, "variables": variables}).encode("ascii"),
            headers={"x-gazelle-api-key": self.api_key},
        )
        answer.raise_for_status()
        found: Record = json.loads(answer.content)
        return found

    def stop(self) -> int:
        """Ask it to end, and wait; its exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End it as `kill -9` does."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        self.admin.close()
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(timeout=10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status


def start_sandbox(
    database_path: Path,
    *,
    scale: str | float = "seed",
    timeline: int | None = None,
    now: datetime | None = None,
    extra: tuple[str, ...] = (),
) -> RunningSandbox:
    """Start a sandbox and return once it listens; `admin.settings` changes the rest.

    Raises:
        RuntimeError: The process ended before it listened.
    """
    command = [sys.executable, "-m", "gazelle_sync.sandbox", "--database", str(database_path), "--port", "0"]
    command += ["--scale", str(scale), *extra]
    if timeline is not None:
        command += ["--timeline", str(timeline)]
    if now is not None:
        command += ["--now", now.isoformat()]
    package_root = Path(__file__).parents[2]
    paths = [str(package_root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    line = process.stdout.readline() if process.stdout else ""
    if not line.startswith(READY):
        process.wait(timeout=10)
        raise RuntimeError(f"the sandbox ended with status {process.returncode} before it listened")
    return RunningSandbox(url=line.removeprefix(READY).strip(), process=process, api_key=SANDBOX_API_KEY)


@contextmanager
def running_sandbox(
    database_path: Path, *, scale: str | float = "seed", timeline: int | None = None, now: datetime | None = None
) -> Iterator[RunningSandbox]:
    """A sandbox that ends with the block."""
    sandbox = start_sandbox(database_path, scale=scale, timeline=timeline, now=now)
    try:
        yield sandbox
    finally:
        sandbox.stop()
