"""Ctrl-C and SIGTERM in the middle of a command: one sentence, nothing held, and the next run takes up the rest."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gazelle_sync.i18n import STOPPED
from gazelle_sync.incidents.watch import watch
from gazelle_sync.runtime import signals
from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync.warehouse.lock import pull_is_running
from gazelle_sync_tests.faults.servers import new_home
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.pushing import EditedShop

SLOW_MS = 400
PATIENCE_S = 60


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_stopped(ended: subprocess.CompletedProcess[str], number: signal.Signals = signal.SIGINT) -> None:
    said = ended.stdout + ended.stderr
    assert STOPPED["en"] in said
    assert not any(word in said for word in ("Traceback", "Dagster", "Error", "✗")), said
    # Python itself may end so, where it was compiling a text at that moment; to a shell it is the same number.
    assert ended.returncode in (128 + number, -number)


def assert_nobody_is_told(person: Person) -> None:
    """Whoever stops a run knows it, now and at the next look of the daemon."""
    watch(person.shop.settings)
    assert person.shop.rows("alert_log") == []


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow("a second process to stop; both signals have one handler")),
        signal.SIGTERM,
    ],
)
def test_a_sync_that_is_stopped_while_it_stages(person: Person, number: signal.Signals) -> None:
    person.shop.admin.random_edits(clients=3, pianos=2, events=4, timeline=5)
    person.shop.admin.settings(latency_ms=SLOW_MS)
    person.shop.admin.reset_stats()
    pid = person.begins("sync")
    wait_until(lambda: person.shop.admin.stats()["arrivals"] > 4)
    assert_stopped(person.stops(pid, number), number)
    assert not pull_is_running(person.shop.url)
    assert person.shop.last_log()["status"] == "error"
    assert_nobody_is_told(person)
    person.shop.admin.settings(latency_ms=0)
    assert person.runs("sync").returncode == 0
    person.shop.assert_equals_api()


def test_a_push_that_is_stopped_while_it_sends(person: Person) -> None:
    office = EditedShop(person.shop)
    pianos = [office.piano(place) for place in range(5)]
    for piano in pianos:
        office.edit(piano, notes=f"Accord {piano}, 21°C")
    person.shop.admin.settings(latency_ms=SLOW_MS)
    pid = person.begins("push")
    wait_until(office.log)
    assert_stopped(person.stops(pid, signal.SIGINT))
    assert_nobody_is_told(person)
    person.shop.admin.settings(latency_ms=0)
    again = person.runs("push")
    assert again.returncode == 0, again.stdout + again.stderr
    for piano in pianos:
        assert office.comments(piano) == [f"Accord {piano}, 21°C"]
        office.assert_clean(piano)


@pytest.fixture
def open_home() -> Iterator[Path]:
    """Not pytest's own: whenever another session begins, that is closed to the user whom the server runs as."""
    home = new_home()
    yield home
    shutil.rmtree(home, ignore_errors=True)


def test_a_command_that_serves_takes_its_embedded_server_along(tmp_path: Path, open_home: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GAZELLE_", "DAGSTER_"))}
    with (tmp_path / "out").open("w") as out:
        serving = subprocess.Popen(
            [sys.executable, "-m", "gazelle_sync.cli", "metrics", "--port", "0"],
            env=kept | {"GAZELLE_SYNC_HOME": str(open_home)}, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        wait_until(lambda: "Ctrl-C stops it" in (tmp_path / "out").read_text() or serving.poll() is not None)
        assert (open_home / "postgres" / "postmaster.pid").exists()
        serving.terminate()
        ended = subprocess.CompletedProcess([], serving.wait(PATIENCE_S), (tmp_path / "out").read_text(), "")
    finally:
        serving.kill()
    assert_stopped(ended, signal.SIGTERM)
    assert not (open_home / "postgres" / "postmaster.pid").exists()


def test_a_signal_whose_exception_was_dropped_still_ends_what_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_raised", [signal.SIGTERM])  # it struck a destructor, where Python drops exceptions
    serving = threading.Thread(target=threading.Event().wait, daemon=True)
    serving.start()
    with pytest.raises(KeyboardInterrupt):
        signals.join_until_stopped(serving)


def test_a_command_that_is_stopped_at_any_moment_says_the_same(person: Person) -> None:
    person.shop.admin.settings(latency_ms=SLOW_MS)
    for arguments, after_s in ((("sync",), 0.3), (("sync",), 1.2), (("check",), 0.3)):
        pid = person.begins(*arguments)
        time.sleep(after_s)
        assert_stopped(person.stops(pid, signal.SIGINT))


CATCHES_SIGTERM = 1 << (signal.SIGTERM - 1)
"""In the mask of caught signals: Python itself leaves SIGTERM alone, so the first line of the program has run."""


def has_begun(pid: int) -> bool:
    mask = re.search(r"SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return mask is not None and bool(int(mask[1], 16) & CATCHES_SIGTERM)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells which signals a process catches")
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(
            signal.SIGTERM,
            marks=pytest.mark.slow("six more processes that import Dagster; both signals have one handler"),
        ),
    ],
)
def test_a_command_that_is_stopped_while_it_is_imported_prints_one_sentence(
    person: Person, number: signal.Signals
) -> None:
    environment = person.shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=person.dagster_database)
    for after_s in (0.0, 0.02, 0.1, 0.3, 0.7, 1.2):
        with (person.directory / "out").open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "gazelle_sync.cli", "sync"], env=environment, stdout=out, stderr=out,
                cwd=person.directory,
            )  # fmt: skip
        wait_until(lambda pid=process.pid: has_begun(pid))  # type: ignore[misc] # bound here
        time.sleep(after_s)
        process.send_signal(number)
        said = (process.wait(PATIENCE_S), (person.directory / "out").read_text())
        assert said[0] == 128 + number, said
        lines = said[1].splitlines()
        assert [line for line in lines if not line.startswith("SANDBOX")] == [STOPPED["en"]], (after_s, said)


def test_the_installed_program_begins_with_the_module_that_answers_signals() -> None:
    program = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert program["project"]["scripts"] == {"gazelle-sync": "gazelle_sync.cli:main"}
