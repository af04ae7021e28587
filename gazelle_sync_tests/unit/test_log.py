"""The log file: several processes write to it, one of them rotates it, and no line is lost."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from gazelle_sync.runtime.logs import SharedRotatingFile

PROCESSES, LINES = 3, 150
WRITER = """
import logging, sys
from gazelle_sync.runtime.logs import SharedRotatingFile
handler = SharedRotatingFile(sys.argv[1], maxBytes=2_000, backupCount=99, encoding="utf-8")
logger = logging.getLogger("writer")
logger.addHandler(handler)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    logger.warning("process %s, line %d, words to fill it up", sys.argv[2], number)
"""


def lines_of(directory: Path) -> list[str]:
    return [line for path in directory.glob("shared.log*") for line in path.read_text(encoding="utf-8").splitlines()]


def test_processes_that_write_and_rotate_at_once_lose_no_line(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "shared.log"), str(number), str(LINES)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    expected = [f"process {n}, line {line}, words to fill it up" for n in range(PROCESSES) for line in range(LINES)]
    assert sorted(lines_of(tmp_path)) == sorted(expected)
    sizes = [path.stat().st_size for path in tmp_path.glob("shared.log.*")]
    assert len(sizes) > 5, "it was rotated many times"
    assert all(1_900 < size <= 2_000 for size in sizes), "and only when it was full: put aside early, lines go early"


def test_a_file_that_was_put_aside_or_removed_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "shared.log"
    handler = SharedRotatingFile(path, maxBytes=1_000, backupCount=2, encoding="utf-8")

    def write(words: str) -> None:
        handler.handle(logging.LogRecord("x", logging.WARNING, __file__, 1, words, None, None))

    write("one")
    path.rename(tmp_path / "aside")
    write("two")
    path.unlink()
    write("three")
    handler.close()
    assert (tmp_path / "aside").read_text(encoding="utf-8") == "one\n"
    assert path.read_text(encoding="utf-8") == "three\n"
