"""The import of an older system's files as Dagster runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from gazelle_sync.defs.shop.csv_import import CSV_IMPORT
from gazelle_sync_tests.support import old_files as old
from gazelle_sync_tests.support.old_files import write
from gazelle_sync_tests.support.shop import Shop


def run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, folder: Path, **config: Any
) -> dg.ExecuteInProcessResult:
    given = {"ops": {"import_files": {"config": {"folder": str(folder), **config}}}}
    job = definitions.resolve_job_def(CSV_IMPORT)
    return job.execute_in_process(run_config=given, instance=instance, raise_on_error=False)


def test_the_job_imports_the_folder_of_its_configuration_and_says_what_became_of_it(
    definitions: dg.Definitions, instance: dg.DagsterInstance, named_shop: Shop, tmp_path: Path
) -> None:
    folder = write(tmp_path / "a", old.sqlite_set())
    assert run(definitions, instance, folder, dry_run=True).success
    assert named_shop.count("staging_import") == 0
    ended = run(definitions, instance, folder)
    assert ended.success, "rows that are rejected fail no run"
    [output] = [event for event in ended.events_for_node("import_files") if event.is_successful_output]
    told = output.step_output_data.metadata
    assert [told[name].value for name in ("imported", "merged", "rejected", "skipped")] == [12, 0, 2, 0]
    assert "Clients.csv:4: " in str(told["what became of it"].value)
    [row] = named_shop.rows("import_runs")
    assert (row["run_id"], row["status"]) == (ended.run_id, "warning")
    assert named_shop.row("gazelle_clients", "v4_clients_1")["company_name"] == "Salle Wilfrid"


@pytest.mark.usefixtures("named_shop")
def test_a_folder_that_holds_nothing_known_fails_the_run_and_says_why(
    definitions: dg.Definitions, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    ended = run(definitions, instance, tmp_path / "nowhere")
    assert not ended.success
    [failure] = [event for event in ended.all_events if event.is_step_failure]
    assert "nowhere" in str(failure.step_failure_data.user_failure_data or failure.step_failure_data.error)
