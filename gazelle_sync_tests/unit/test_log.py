"""The log files: each process writes to its own, and old ones are removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from gazelle_sync.runtime.logs import KEPT_DAYS, KEPT_FILES, configure
from gazelle_sync.settings import Settings

PROCESSES, LINES = 3, 50
DEAD = 2**22 + 1
"""No process has this id: Linux gives none above 2**22."""
WRITER = """
import sys
from pathlib import Path
from gazelle_sync.runtime.logs import configure, get_logger
from gazelle_sync.settings import Settings
configure(Settings(home=Path(sys.argv[1])), terminal_level=100)
for number in range(int(sys.argv[3])):
    get_logger("gazelle_sync.writer").info("wrote", process=sys.argv[2], number=number)
"""


def aged(path: Path, days: float) -> Path:
    path.write_text("{}\n", encoding="utf-8")
    then = path.stat().st_mtime - days * 86_400
    os.utime(path, (then, then))
    return path


def test_processes_that_write_at_once_have_a_file_each_and_lose_no_line(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(number), str(LINES)])
        for number in range(PROCESSES)
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0] * PROCESSES
    files = list((tmp_path / "logs").glob("gazelle_sync-*.log"))
    assert {int(path.stem.rpartition("-")[2]) for path in files} == {writer.pid for writer in writers}
    lines = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    expected = [(str(process), number) for process in range(PROCESSES) for number in range(LINES)]
    assert sorted((line["process"], line["number"]) for line in lines) == sorted(expected)


def test_old_files_are_removed_but_for_those_of_processes_that_live(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    old = aged(logs / f"gazelle_sync-20260101T000000-{DEAD}.log", KEPT_DAYS + 1)
    of_an_older_version = aged(logs / "gazelle_sync.log.3", KEPT_DAYS + 1)
    alive = aged(logs / f"gazelle_sync-20260101T000000-{os.getppid()}.log", KEPT_DAYS + 1)
    recent = aged(logs / f"gazelle_sync-20260201T000000-{DEAD}.log", 1)
    another = aged(logs / "dagster.log", KEPT_DAYS + 1)
    configure(Settings(home=tmp_path))
    assert not old.exists()
    assert not of_an_older_version.exists()
    assert alive.exists()
    assert recent.exists()
    assert another.exists()


def test_no_more_files_are_kept_than_the_newest(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    files = [aged(logs / f"gazelle_sync-{n}-{DEAD}.log", n / 1000) for n in range(KEPT_FILES + 3)]
    configure(Settings(home=tmp_path))
    assert [path for path in files if not path.exists()] == files[KEPT_FILES:]
