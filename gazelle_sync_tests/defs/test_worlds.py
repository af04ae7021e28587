"""A real account or the sandbox: which one answers is never a matter of where a command was started, nor unsaid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from gazelle_sync.definitions import build_defs
from gazelle_sync.defs.location import SHOP_TAG, SOURCE_TAG, own_records
from gazelle_sync.errors import SettingsError
from gazelle_sync.monitoring.report import render_report
from gazelle_sync.runtime.embedded import embedded_services
from gazelle_sync.settings import PROJECT_ROOT, Settings
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.shop import Shop

REAL = "https://gazelleapp.io"
SHOW = (
    "from gazelle_sync.settings import Settings; s = Settings.load(); "
    "print(s.api_url, s.database_url, s.token_file, s.home, sep='|')"
)
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project in a folder of its own, beside which a `.env` can lie."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("gazelle_sync", "sql"):
        (folder / name).symlink_to(PROJECT / name)
    return folder


def read_in(folder: Path, project: Path, **variables: str) -> list[str]:
    """What a process that is started in a folder reads: API, database, token file, home."""
    # The package's own place decides where the project is, so it is loaded from the copy: a link is not followed.
    program = f"import pathlib; pathlib.Path.resolve = pathlib.Path.absolute; {SHOW}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GAZELLE_", "PYTHON_DOTENV"))}
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=kept | {"PYTHONPATH": str(project)} | variables,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip().split("|")


def test_the_env_file_beside_the_project_is_read_from_any_folder_and_the_current_folders_comes_first(
    project: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (project / ".env").write_text(f"GAZELLE_API_URL={REAL}\nGAZELLE_SYNC_HOME=state\n", encoding="utf-8")
    (elsewhere / ".env").write_text("OTHER_PROGRAM=1\n", encoding="utf-8")
    found = [REAL, "None", str(project / "config/token.json"), str(project / "state")]
    assert read_in(elsewhere, project) == found, "a file that says nothing of ours is another program's"
    assert read_in(project, project) == found
    assert read_in(elsewhere, project, GAZELLE_SYNC_HOME="mine")[3] == str(elsewhere / "mine")
    (elsewhere / ".env").write_text("GAZELLE_API_URL=http://127.0.0.1:9\n", encoding="utf-8")
    assert read_in(elsewhere, project)[0] == "http://127.0.0.1:9"
    assert read_in(elsewhere, project)[3] == str(project / ".gazelle_sync"), "the two are not mixed"


def test_a_database_without_an_api_is_refused_unless_the_sandbox_is_asked_for_by_name(
    person: Person,
) -> None:
    for command in (("sync",), ("push",), ("push", "--dry-run"), ("check",), ("up",)):
        ended = person.runs(*command, GAZELLE_API_URL="", GAZELLE_API_TOKEN="")
        assert ended.returncode == 1
        assert "GAZELLE_DATABASE_URL is set and GAZELLE_API_URL is not" in ended.stderr
        assert "`sandbox`" in ended.stderr
    told = person.runs("doctor", GAZELLE_API_URL="", GAZELLE_API_TOKEN="")
    assert told.returncode == 1
    assert "✗ parts: GAZELLE_DATABASE_URL is set and GAZELLE_API_URL is not" in told.stdout
    assert "✓ rights" in told.stdout, "the rest is looked at all the same"
    assert not (person.shop.settings.home / "sandbox").exists(), "nothing was started"
    told = person.runs_alone("doctor", GAZELLE_API_URL="Sandbox", GAZELLE_API_TOKEN="")
    assert told.returncode == 0, told.stdout
    assert "the SANDBOX, a Gazelle with invented clients" in told.stdout
    ended = person.runs_alone("push", "--dry-run", GAZELLE_API_URL="sandbox", GAZELLE_API_TOKEN="")
    assert (ended.returncode, ended.stdout.splitlines()[0][:8]) == (0, "SANDBOX:"), ended.stderr


def test_what_needs_no_api_goes_on_without_one(person: Person) -> None:
    assert person.runs("status", GAZELLE_API_URL="").returncode == 0
    with (
        pytest.raises(SettingsError, match="GAZELLE_API_URL"),
        embedded_services(Settings(database_url=person.shop.url, home=person.directory)),
    ):
        pass


def test_every_command_on_a_sandbox_says_so_and_what_machines_read_stays_theirs(person: Person, tmp_path: Path) -> None:
    for command in (("sync",), ("status",), ("push",), ("push", "--status"), ("push", "--dry-run"), ("conflicts",)):
        said = person.runs(*command).stdout
        assert said.startswith("SANDBOX: "), (command, said)
    assert person.runs("status", GAZELLE_LANG="fr").stdout.startswith("SANDBOX\N{NO-BREAK SPACE}: ")
    for command in (("status", "--json"), ("errors", "--json"), ("conflicts", "--json")):
        ended = person.runs(*command)
        json.loads(ended.stdout)
        assert ended.stderr.startswith("SANDBOX: ")
    found = json.loads(person.runs("status", "--json").stdout)
    assert {row["source"] for row in found} == {"sandbox"}
    page = tmp_path / "report.html"
    assert person.runs("report", "--html", str(page)).stdout.startswith("SANDBOX: ")
    assert "SANDBOX: " in page.read_text(encoding="utf-8")


def test_a_real_accounts_data_is_not_called_a_sandboxs(person: Person) -> None:
    person.shop.query("UPDATE system_settings SET value = 'account' WHERE key = 'source'")
    for command in (("status",), ("push", "--status")):
        ended = person.runs(*command, GAZELLE_API_URL="")
        assert "SANDBOX" not in ended.stdout + ended.stderr
    assert {row["source"] for row in json.loads(person.runs("status", "--json").stdout)} == {"account"}
    assert "SANDBOX" not in render_report(person.shop.settings)


def test_the_ui_says_that_it_is_a_sandboxs(shop: Shop, set_environment: pytest.MonkeyPatch) -> None:
    def described(url: str) -> tuple[set[bool], set[str | None]]:
        set_environment.setenv("GAZELLE_API_URL", url)
        found = build_defs()
        specs = found.resolve_all_asset_specs()
        jobs = [
            found.resolve_job_def(name)
            for name in ("tick", "nightly", "deep", "full", "replay", "check", "push_to_gazelle")
        ]
        return {(spec.description or "").startswith("SANDBOX: ") for spec in specs if spec.group_name != "default"}, {
            job.tags.get(SOURCE_TAG) for job in jobs
        }

    assert described(shop.sandbox.url) == ({True}, {"SANDBOX"})
    assert described(REAL) == ({False}, {None})


def test_a_run_on_a_sandbox_bears_the_tag(named_shop: Shop, instance: dg.DagsterInstance) -> None:
    from gazelle_sync.defs.push.jobs import PUSH_JOB, push_config

    job = build_defs().resolve_job_def(PUSH_JOB)
    ended = job.execute_in_process(instance=instance, run_config=push_config(at_once=True))
    run = instance.get_run_by_id(ended.run_id)
    assert run is not None
    assert run.tags[SOURCE_TAG] == "SANDBOX"
    assert named_shop.url


FROM_A_PAGE = (
    "staging_clients",
    "gazelle_pianos",
    "vincent_dindy_piano_updates",
    "inventory_stock",
    "v_agenda",
    "maintenance_alerts",
    "search_entries",
)


@pytest.mark.parametrize("asset", FROM_A_PAGE)
def test_a_run_from_an_assets_page_bears_the_tags_of_the_shops_jobs(
    named_shop: Shop, instance: dg.DagsterInstance, set_environment: pytest.MonkeyPatch, asset: str
) -> None:
    assert named_shop
    set_environment.setenv("GAZELLE_SHOP", "nord")
    ended = (
        build_defs()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(instance=instance, asset_selection=[dg.AssetKey(["nord", asset])])
    )
    run = instance.get_run_by_id(ended.run_id)
    assert run is not None
    assert (run.tags[SHOP_TAG], run.tags[SOURCE_TAG]) == ("nord", "SANDBOX")
    assert [found.dagster_run.run_id for found in own_records(instance)] == [ended.run_id]


def test_the_project_is_where_its_package_lies() -> None:
    assert PROJECT_ROOT == PROJECT
