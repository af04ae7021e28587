"""A run of the command line in the UI: under its job, and in the job's timeline."""

from __future__ import annotations

import re

import dagster as dg

from gazelle_sync.definitions import build_defs
from gazelle_sync.defs.in_process import CODE_LOCATION
from gazelle_sync.defs.sync.jobs import asset_keys
from gazelle_sync.settings import PROJECT_ROOT
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.dagster_storage import dagster_on

LABEL = ".dagster/repository"
"""By this tag the UI finds the runs of a job."""


def listed_runs(instance: dg.DagsterInstance, job: str) -> list[dg.DagsterRun]:
    """The runs that the page of a job lists, by the filter of Dagster's GraphQL."""
    return list(instance.get_runs(dg.RunsFilter(job_name=job, tags={LABEL: CODE_LOCATION.get_label()})))


def test_the_code_location_is_the_one_of_the_workspace() -> None:
    (name,) = re.findall(r"location_name: (\S+)", (PROJECT_ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    assert CODE_LOCATION.get_label() == f"__repository__@{name}"
    assert build_defs().get_repository_def().name == CODE_LOCATION.repository_name


def test_runs_of_the_command_line_are_listed_under_their_jobs(person: Person) -> None:
    assert person.runs("sync", "--only", "users").returncode == 0
    assert person.runs("push").returncode == 0
    with dagster_on(person.dagster_database) as instance:
        tick = listed_runs(instance, "tick")[0]
        push = listed_runs(instance, "push_to_gazelle")[0]
    assert tick.status is push.status is dg.DagsterRunStatus.SUCCESS
    assert tick.asset_selection == set(asset_keys(["users"], with_staging=True))
    assert tick.run_id == person.shop.value("SELECT run_id FROM sync_logs WHERE mode = 'tick' ORDER BY id DESC LIMIT 1")
    assert tick.tags["dagster/max_retries"] == "0"
    assert str(PROJECT_ROOT) not in str(tick.remote_job_origin)
