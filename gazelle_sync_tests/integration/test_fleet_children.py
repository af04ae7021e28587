"""Children of the fork server: each has its own variables and limits, and what happens to one moves no other."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gazelle_sync.fleet.children import START, run_children
from gazelle_sync.fleet.fork_server import MEMORY, REMOVED, STOPPED, TIME, Ended, Request, Task, inherited

WORKS = "gazelle_sync_tests.support.fleet_work"
LONG_S = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shops.d").mkdir()
    return tmp_path / "shops.d"


@pytest.fixture
def task(folder: Path, tmp_path: Path) -> Callable[..., Task]:
    """A task of a shop whose file is made with it."""

    def make(shop: str, work: str, *, seconds: float = LONG_S, memory_mb: int = 256, **more: Any) -> Task:
        path = folder / f"{shop}.env"
        path.write_text(
            f"GAZELLE_API_URL=https://gazelleapp.io\nGAZELLE_API_TOKEN=secret0of0{shop}\n"
            f"GAZELLE_DATABASE_URL=postgresql://shop:password0of0{shop}@db/{shop}\n"
        )
        path.chmod(0o600)
        when_killed = more.pop("when_killed", None)
        return Task(
            shop=shop, path=str(path), homes=str(tmp_path / "homes"), work=f"{WORKS}:{work}", options=more,
            seconds=seconds, memory_mb=memory_mb, when_killed=when_killed and f"{WORKS}:{when_killed}",
        )  # fmt: skip

    return make


def ended(tasks: list[Task], at_once: int = 4) -> dict[str, Ended]:
    return {one.shop: one for one in run_children(tasks, at_once, grace_s=1)}


def words_in_memory(pid: int, words: Sequence[str]) -> set[str]:
    """Which words are anywhere in the writable memory of a process."""
    found: set[str] = set()
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for place, rights, *_ in map(str.split, maps):
            if rights.startswith("rw"):
                begin, end = (int(part, 16) for part in place.split("-"))
                memory.seek(begin)
                with suppress(OSError):
                    part = memory.read(end - begin)
                    found |= {word for word in words if word.encode() in part}
    return found


def test_no_child_sees_anothers_secrets_or_the_fleets(
    task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GAZELLE_DAGSTER_POSTGRES_URL", "postgresql://dagster:fleet0password@db/dagster")
    monkeypatch.setenv("GAZELLE_API_TOKEN", "fleet0token")
    monkeypatch.setenv("CLOUD_ACCESS_KEY", "fleet0key")
    secrets = [f"{kind}0of0{shop}" for shop in ("north", "south") for kind in ("secret", "password")]
    words = [*secrets, "fleet0password", "fleet0token", "fleet0key"]
    began, until = {shop: tmp_path / f"{shop}.pid" for shop in ("north", "south")}, tmp_path / "seen"
    tasks = [task(shop, "look_around", began=str(path), until=str(until)) for shop, path in began.items()]
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(ended, tasks)
        while not all(path.exists() for path in began.values()):
            time.sleep(0.01)
        memory = {shop: words_in_memory(int(path.read_text()), words) for shop, path in began.items()}
        until.touch()
        found = running.result()
    for shop, other in (("north", "south"), ("south", "north")):
        result = found[shop].result
        assert result is not None, found[shop]
        assert result["token"] == f"secret0of0{shop}"
        assert memory[shop] == {f"secret0of0{shop}", f"password0of0{shop}"}
        assert result["variables"]["GAZELLE_SHOP"] == shop
        assert "GAZELLE_DAGSTER_POSTGRES_URL" not in result["variables"]
        assert "CLOUD_ACCESS_KEY" not in result["variables"]
        assert other not in result["inherited"]
        assert "fleet0" not in result["inherited"]


def test_one_that_hangs_eats_memory_dies_or_fails_moves_no_other(task: Callable[..., Task], tmp_path: Path) -> None:
    notes = {shop: tmp_path / f"{shop}.txt" for shop in ("hangs", "eats", "dies")}
    tasks = [
        task("hangs", "hang", seconds=1, when_killed="note", note=str(notes["hangs"])),
        task("eats", "eat", memory_mb=64, when_killed="note", note=str(notes["eats"])),
        task("dies", "die", when_killed="note", note=str(notes["dies"])),
        task("fails", "fail", when_killed="note", note=str(tmp_path / "never.txt")),
        task("north", "nothing"),
        task("south", "nothing"),
    ]
    found = ended(tasks)
    assert {shop: one.cause for shop, one in found.items()} == {
        "hangs": TIME, "eats": MEMORY, "dies": STOPPED, "fails": "fault", "north": None, "south": None,
    }  # fmt: skip
    assert found["eats"].peak_mb < 400
    assert {shop: path.read_text() for shop, path in notes.items()} == {"hangs": TIME, "eats": MEMORY, "dies": STOPPED}
    assert not (tmp_path / "never.txt").exists(), "a child that can tell it itself did"


def test_a_shop_whose_file_is_removed_is_stopped(task: Callable[..., Task], tmp_path: Path, folder: Path) -> None:
    began = tmp_path / "began"

    def remove() -> None:
        while not began.exists():
            time.sleep(0.01)
        (folder / "north.env").unlink()

    thread = threading.Thread(target=remove)
    thread.start()
    found = ended([task("north", "wait", began=str(began), until=str(tmp_path / "never"))])
    thread.join()
    assert found["north"].cause == REMOVED


def test_children_end_with_whoever_started_them(task: Callable[..., Task], tmp_path: Path) -> None:
    began = tmp_path / "began"
    tasks = [task("north", "wait", began=str(began), until=str(tmp_path / "never"))]
    server = subprocess.Popen(
        [sys.executable, "-c", START],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=inherited(os.environ),
    )  # fmt: skip
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(msgspec.json.encode(Request(tasks, 1, 1)) + b"\n")
    server.stdin.flush()
    while not began.exists():
        time.sleep(0.01)
    server.stdin.close()
    (line,) = server.stdout.readlines()
    server.stdout.close()
    assert server.wait(30) == 0
    assert msgspec.json.decode(line, type=Ended).cause == STOPPED


def test_no_more_than_asked_for_are_there_at_once(task: Callable[..., Task], tmp_path: Path) -> None:
    """The second begins when the first, which waits for it in vain, is over its limit."""
    first, second = tmp_path / "first", tmp_path / "second"
    tasks = [
        task("first", "wait", began=str(first), until=str(second), seconds=2),
        task("second", "wait", began=str(second), until=str(first)),
    ]
    found = ended(tasks, at_once=1)
    assert (found["first"].cause, found["second"].cause) == (TIME, None)
    first.unlink()
    second.unlink()
    assert [one.cause for one in ended(tasks, at_once=2).values()] == [None, None]
