"""An import that is killed, meets another, a full disk, a file that grows, or a database far away."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gazelle_sync.errors import DatabaseFull
from gazelle_sync.shop.csv_import import chunks, files
from gazelle_sync.shop.csv_import.outcomes import Outcome
from gazelle_sync.shop.csv_import.session import AnotherImportRunning, ImportLock, Request, run_import
from gazelle_sync_tests.support import old_files as old
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.distance import COUNTED_S, far_away
from gazelle_sync_tests.support.holding import held, wait_for_the_lock
from gazelle_sync_tests.support.importing import clients
from gazelle_sync_tests.support.old_files import table, write
from gazelle_sync_tests.support.shop import Shop

MOST_TRIPS = 60
"""Round trips of an import of one chunk: 60 ms away they take less than 4 s."""


def test_an_import_that_is_killed_is_ended_by_the_next(
    new_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK", 10)
    folder = write(tmp_path / "a", {"c.csv": clients(*({"Id": n, "CompanyName": f"Client {n}"} for n in range(1, 96)))})
    taken = chunks.Chunks.take
    calls = iter(range(100))

    def killed(self: chunks.Chunks, connection: psycopg.Connection[Any], *rest: Any) -> None:
        taken(self, connection, *rest)
        if next(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(chunks.Chunks, "take", killed)
    with pytest.raises(KeyboardInterrupt):
        run_import(new_shop.settings, Request(folder))
    assert new_shop.count("gazelle_clients") == new_shop.count("staging_import") == 40, "whole chunks"
    new_shop.query("UPDATE import_runs SET status = 'running'")
    monkeypatch.undo()
    outcome = run_import(new_shop.settings, Request(folder))
    assert outcome.totals == {"imported": 55, "merged": 40, "rejected": 0, "skipped": 0}
    assert new_shop.count("gazelle_clients") == 95
    assert [row["status"] for row in new_shop.rows("import_runs")] == ["error", "success"]


def test_two_imports_at_once_follow_each_other_or_the_second_is_refused(new_shop: Shop, tmp_path: Path) -> None:
    request = Request(write(tmp_path / "a", old.sqlite_set()))
    with ImportLock(new_shop.url, wait_s=0), pytest.raises(AnotherImportRunning):
        run_import(new_shop.settings, request, lock_wait_s=0)
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(run_import(new_shop.settings, request))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.totals["imported"] for one in outcomes) == [0, 12]


def test_a_full_disk_keeps_what_went_in_and_says_so(
    new_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = Request(write(tmp_path / "a", old.sqlite_set()))
    taken = chunks.Chunks.take
    calls = iter(range(100))

    def full(self: chunks.Chunks, *rest: Any) -> None:
        if next(calls) == 2:
            raise psycopg.errors.DiskFull("no space left on device")
        taken(self, *rest)

    monkeypatch.setattr(chunks.Chunks, "take", full)
    with pytest.raises(DatabaseFull, match="Free space"):
        run_import(new_shop.settings, request)
    assert new_shop.count("gazelle_clients") == 2
    assert new_shop.value("SELECT status FROM import_runs") == "error"
    monkeypatch.undo()
    assert run_import(new_shop.settings, request).totals["imported"] == 9


def two_files(folder: Path) -> Path:
    """Clients and a piano of one of them: two transactions."""
    return write(
        folder,
        {
            "Clients.csv": clients(*({"Id": n, "CompanyName": f"Client {n}"} for n in range(1, 31))),
            "Pianos.csv": table(old.PIANOS, [{"Id": 1, "ClientId": 3, "Make": "Heintzman", "SerialNumber": "B-204"}]),
        },
    )


def test_the_command_killed_in_the_middle_is_ended_by_the_next(person: Person, tmp_path: Path) -> None:
    folder, shop = two_files(tmp_path / "a"), person.shop
    with held(shop, "gazelle_pianos"):
        pid = person.begins("import", str(folder))
        wait_for_the_lock(shop)
        assert person.stops(pid, signal.SIGKILL).returncode == -signal.SIGKILL
        assert shop.count("gazelle_clients", "external_id LIKE 'v4_%'") == 30
    assert [row["status"] for row in shop.rows("import_runs")] == ["running"]
    ended = person.runs("import", str(folder), "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = {one["file"]: (one["imported"], one["merged"]) for one in json.loads(ended.stdout)["files"]}
    assert told == {"Clients.csv": (0, 30), "Pianos.csv": (1, 0)}
    assert shop.count("gazelle_pianos", "external_id LIKE 'v4_%'") == 1
    assert sorted(row["status"] for row in shop.rows("import_runs")) == ["error", "success"]


def test_two_commands_at_once_both_end_and_every_row_goes_in_once(person: Person, tmp_path: Path) -> None:
    folder = two_files(tmp_path / "a")
    people = [replace(person, directory=tmp_path / name) for name in ("one", "two")]
    for one in people:
        one.directory.mkdir()
    pids = [one.begins("import", str(folder), "--json") for one in people]
    ended = [one.processes.ended(pid, one.directory) for pid, one in zip(pids, people, strict=True)]
    assert [one.returncode for one in ended] == [0, 0], [one.stderr for one in ended]
    made = sorted(sum(one["imported"] for one in json.loads(said.stdout)["files"]) for said in ended)
    assert made == [0, 31]
    assert person.shop.count("gazelle_clients", "external_id LIKE 'v4_%'") == 30


def test_what_is_appended_while_a_file_goes_in_is_left_for_the_next_import(person: Person, tmp_path: Path) -> None:
    folder, shop = two_files(tmp_path / "a"), person.shop
    with held(shop, "gazelle_clients"):
        pid = person.begins("import", str(folder), "--json")
        wait_for_the_lock(shop)
        with (folder / "Clients.csv").open("ab") as file:
            file.write(b"31,Client 31,,,,,,,,,,,\n32,Cli")
    first = person.processes.ended(pid, person.directory)
    assert first.returncode == 0, first.stdout + first.stderr
    assert {one["file"]: one["rows"] for one in json.loads(first.stdout)["files"]} == {
        "Clients.csv": 30, "Pianos.csv": 1,
    }  # fmt: skip
    with (folder / "Clients.csv").open("ab") as file:
        file.write(b"ent 32,,,,,,,,,,,\n")
    second = json.loads(person.runs("import", str(folder), "--json").stdout)["files"]
    assert {one["file"]: one["imported"] for one in second} == {"Clients.csv": 2, "Pianos.csv": 0}


def test_a_distant_database_is_asked_no_more_often_for_more_rows(shop: Shop, tmp_path: Path) -> None:
    def trips(name: str, rows: range) -> int:
        folder = write(tmp_path / name, {"c.csv": clients(*({"Id": n, "CompanyName": f"Client {n}"} for n in rows))})
        far.round_trips()
        outcome = run_import(shop.settings.replace(database_url=far.url), Request(folder))
        assert outcome.totals["imported"] == len(rows)
        return sum(map(len, far.round_trips()))

    with far_away(shop.url, COUNTED_S) as far:
        few, many = trips("few", range(1, 11)), trips("many", range(11, 1011))
    assert many <= few + 2
    assert many <= MOST_TRIPS
