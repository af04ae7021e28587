"""Dagster's own command line, `dg`, on this project: as processes, since it reads pyproject.toml."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync_tests.support.commands import Person

DG = str(Path(sys.executable).with_name("dg"))


def dg(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DG, *arguments], env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )


def empty_environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHON_DOTENV_DISABLED": "1"}


@pytest.mark.slow("dg is a program of its own; the default lane loads the same definitions in a fresh interpreter")
def test_dg_lists_the_definitions_with_nothing_set(tmp_path: Path) -> None:
    listed = dg("list", "defs", "--json", environment=empty_environment(tmp_path))
    assert listed.returncode == 0, listed.stdout + listed.stderr
    found = json.loads(listed.stdout)
    assert {"tick", "replay", "check", "push_to_gazelle"} <= {job["name"] for job in found["jobs"]}
    assert {"staging_pianos", "gazelle_pianos"} <= {asset["asset_key"] for asset in found["assets"]}
    assert {"tick_every_15_minutes", "full_at_night"} <= {schedule["name"] for schedule in found["schedules"]}
    assert "virtual environment" not in listed.stderr


@pytest.mark.slow("a second process of dg; the default lane loads the same definitions in a fresh interpreter")
def test_dg_finds_nothing_wrong_with_the_definitions(tmp_path: Path) -> None:
    checked = dg("check", "defs", environment=empty_environment(tmp_path))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "All definitions loaded successfully." in checked.stdout


@pytest.mark.slow("dg starts a code server of its own for the run, which takes ten seconds and more")
def test_dg_launches_a_job(person: Person) -> None:
    person.shop.query("UPDATE gazelle_products SET name_fr = 'abîmé'")
    own = person.shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=person.dagster_database)
    launched = dg("launch", "--job", "replay", environment=own | {"HOME": str(person.directory)})
    assert launched.returncode == 0, launched.stdout + launched.stderr
    assert person.shop.last_log()["mode"] == "replay"
    assert person.shop.count("gazelle_products", "name_fr = 'abîmé'") == 0
