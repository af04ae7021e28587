"""Programs that a test of the slow lane needs: where they are, or why the test is skipped; and waiting for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gazelle_sync.settings import PROJECT_ROOT

TOOLS = PROJECT_ROOT / ".venv-deploy" / "bin"
"""Python programs that `make deploy-tools` installs, apart from the project's own environment."""


def lacks(what: str) -> None:
    """Where something cannot be had: a reason to skip, but for continuous integration, which installs it."""
    why = f"{what} is not installed; as root on Debian, `make servers` installs it"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


def program(name: str) -> str:
    """The path of a program; skips the test where there is none."""
    found = shutil.which(name, path=f"{TOOLS}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        lacks(name)
    return str(found)


def needs_mounts(folder: Path) -> None:
    """Skip the test where this machine lets nobody mount anything, root included."""
    mounts = [program("unshare"), "--mount", "mount", "-t", "tmpfs", "none", str(folder)]
    done = subprocess.run(mounts, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")


def until(holds: Callable[[], bool], what: str, *, seconds: float = 120, every_s: float = 0.5) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: It did not within the time.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(every_s)
