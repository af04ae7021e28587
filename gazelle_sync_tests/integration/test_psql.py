"""`gazelle-sync psql` opens the shop's database with the password out of sight, or says the address without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gazelle_sync.cli.runs import write_example_edits
from gazelle_sync.runtime.psql import address_without_password, find_psql, open_psql
from gazelle_sync_tests.support.commands import run_command
from gazelle_sync_tests.support.shop import Shop

SECRET = "ouvre-toi"
URL = f"postgresql://anne:{SECRET}@db.example:6543/shop?sslmode=require&application_name=x"


def test_the_password_goes_by_the_environment_and_is_in_no_argument(tmp_path: Path) -> None:
    program, said = tmp_path / "psql", tmp_path / "said"
    program.write_text(f'#!/bin/sh\necho "$@" > {said}\necho "$PGPASSWORD $GAZELLE_DATABASE_URL" >> {said}\nexit 3\n')
    program.chmod(0o700)
    assert open_psql(program, URL, ["-c", "SELECT 1"]) == 3
    arguments, environment = said.read_text().splitlines()
    assert SECRET not in arguments
    assert "host=db.example" in arguments
    assert arguments.endswith("-c SELECT 1")
    assert environment.strip() == SECRET


def test_without_psql_the_address_is_said_without_the_password(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SECRET not in address_without_password(URL)
    monkeypatch.setattr("gazelle_sync.runtime.psql.find_psql", lambda: None)
    said = run_command(shop, "psql")
    assert said.returncode == 0
    assert said.stdout.strip() == address_without_password(shop.url)


def test_the_one_that_comes_with_the_embedded_server_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    program = find_psql()
    assert program is not None
    assert os.access(program, os.X_OK)


def test_a_sandbox_s_database_gets_edits_that_wait_once_and_only_where_there_are_none(shop: Shop) -> None:
    assert write_example_edits(shop.settings)
    assert shop.count("vincent_dindy_piano_updates", "needs_sync") == 3
    shop.query("DELETE FROM vincent_dindy_piano_updates")
    assert not write_example_edits(shop.settings)
    shop.query("DELETE FROM system_settings WHERE key = 'example_edits'")
    shop.query("INSERT INTO vincent_dindy_piano_updates (gazelle_id) VALUES ('pno_mine')")
    assert not write_example_edits(shop.settings)
