"""`gazelle-sync calendar` with its database far away, and behind a transaction pooler."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gazelle_sync.cli.app import main
from gazelle_sync.montreal import MONTREAL
from gazelle_sync_tests.support.diary import ANNE, BEN, SCHOOL, Diary
from gazelle_sync_tests.support.distance import COUNTED_S, far_away
from gazelle_sync_tests.support.pooler import pgbouncer, pooler

TOMORROW = (datetime.now(MONTREAL) + timedelta(days=1)).date()
NEW = ("new", "--client", SCHOOL, "--technician", ANNE, "--start", f"{TOMORROW} 14:00", "--piano", "pno_school")
JOINT = (*NEW, "--with", BEN, "--force", "--json")
Command = Callable[..., Result]


def command_of(home: Path) -> Command:
    """Runs `gazelle-sync calendar` on a database, in this process."""

    def command(url: str, *arguments: str) -> Result:
        environment = {
            "GAZELLE_DATABASE_URL": url, "GAZELLE_API_URL": "https://gazelle.example", "GAZELLE_LANG": "en",
            "GAZELLE_SYNC_HOME": str(home), "GAZELLE_DAGSTER_POSTGRES_URL": url,
        }  # fmt: skip
        with ThreadPoolExecutor(1) as thread:  # where a command leaves the process's signals alone
            return thread.submit(CliRunner().invoke, main, ["calendar", *arguments], env=environment).result()

    return command


def commands_of(diary: Diary, home: Path) -> list[tuple[tuple[str, ...], int]]:
    """What is asked, and the exit status."""
    event = diary.event(f"{TOMORROW} 09:00")
    for hour in (10, 11, 12):
        diary.event(f"{TOMORROW} {hour}:00", BEN)
    return [
        (NEW, 0),
        (JOINT, 0),
        (("move", event, "--start", f"{TOMORROW} 08:00"), 0),
        (("confirm", event), 0),
        (("cancel", event), 0),
        (("check", "--json"), 0),
        (("agenda", "--json"), 0),
        (("conflicts", "--json"), 0),
        (("notices", "--json"), 0),
        (("export", "--technician", ANNE, "--out", str(home / "anne.ics")), 0),
        (("feed", "--technician", ANNE), 0),
    ]


def test_each_command_makes_a_few_round_trips(diary: Diary, tmp_path: Path) -> None:
    """Of 60 ms each, with those of the connection: a command takes less than a second of them."""
    command, asked = command_of(tmp_path), commands_of(diary, tmp_path)
    counted = {}
    with far_away(diary.url, COUNTED_S) as proxy:
        for arguments, status in asked:
            proxy.round_trips()
            ran = command(proxy.url, *arguments)
            assert ran.exit_code == status, ran.output
            counted[arguments[0]] = sum(map(len, proxy.round_trips()))
    assert max(counted.values()) <= 13, counted


@pytest.mark.skipif(pgbouncer() is None, reason="there is no pgbouncer")
def test_each_command_works_behind_a_transaction_pooler(diary: Diary, tmp_path: Path) -> None:
    command, asked = command_of(tmp_path), commands_of(diary, tmp_path)
    with pooler(diary.url, tmp_path) as url:
        for arguments, status in asked:
            ran = command(url, *arguments)
            assert ran.exit_code == status, ran.output
        drafts = [one["draft_id"] for one in json.loads(command(url, "check", "--json").stdout)]
    assert len(drafts) == 4
