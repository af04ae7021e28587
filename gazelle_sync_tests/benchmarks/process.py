"""Whole processes, measured from outside: seconds, processor seconds, peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True)
class Took:
    """What a process took.

    Attributes:
        seconds: From its start to its end.
        cpu_s: Processor time, its own and that of children it waited for.
        peak_mb: Largest resident memory, in MB.
        output: What it printed.
    """

    seconds: float
    cpu_s: float
    peak_mb: float
    output: str


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Took:
    """Run a program to its end.

    Raises:
        RuntimeError: It failed; the message is what it printed.
    """
    with tempfile.NamedTemporaryFile(mode="r", encoding="ascii", prefix="took-") as result:
        launched = [sys.executable, "-I", "-S", str(LAUNCHER), result.name, *command]
        ended = subprocess.run(
            launched,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: status {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
        seconds, kilobytes, cpu_s = map(float, result.read().split())
    return Took(seconds, cpu_s, kilobytes / 1000, ended.stdout)
