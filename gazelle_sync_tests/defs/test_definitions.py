"""What Dagster knows of the project: it loads with nothing set, and its graph is that of the snapshot."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import pytest

from gazelle_sync.definitions import build_defs
from gazelle_sync.defs.push.assets import LOG
from gazelle_sync.defs.push.jobs import PUSH_JOB
from gazelle_sync.defs.shop.calendar import AGENDA, NOTICES
from gazelle_sync.defs.shop.inventory import MOVEMENTS, STOCK
from gazelle_sync.defs.shop.maintenance import ALERTS
from gazelle_sync.defs.shop.search import ENTRIES
from gazelle_sync.defs.sync.assets import CALENDAR
from gazelle_sync.defs.sync.columns import DICTIONARY, TYPES, shared_section
from gazelle_sync.defs.sync.resources import CHECK, DEEP, FULL, NIGHTLY, REPLAY_JOB, TICK
from gazelle_sync.entities import ENTITIES
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.settings import PROJECT_ROOT, Settings
from gazelle_sync.warehouse.connect import connect
from gazelle_sync_tests.support.columns import PAGE, page, read_columns, tables_with_columns, written
from gazelle_sync_tests.support.graph import SNAPSHOT, drawn

EDITED = {*(pushable.table for pushable in PUSHABLES), LOG}
OF_THE_SHOP = {MOVEMENTS, STOCK, ALERTS, NOTICES, AGENDA, ENTRIES}
"""What the shop's own work makes, which has no days."""
CONTROL_TABLES = {"external_id_mapping", "sync_logs", "gazelle_api"}
"""What no asset of ours makes: checks are shown there."""


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_defs()


def made(definitions: dg.Definitions) -> list[dg.AssetsDefinition]:
    """The assets that our runs materialize."""
    return [assets for assets in definitions.assets or () if isinstance(assets, dg.AssetsDefinition)]


def test_the_definitions_load_in_a_fresh_interpreter_with_nothing_set(tmp_path: Path) -> None:
    program = "from gazelle_sync.definitions import defs; print(len(defs.resolve_all_asset_keys()))"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) == len(build_defs().resolve_all_asset_keys())
    assert list(tmp_path.iterdir()) == [], "loading writes nothing"


VARIABLES = sorted(Settings.variables().values())

LOADER = """
import gc, os, sys

read = set()

class Watched(type(os.environ)):
    def __getitem__(self, name):
        read.add(name)
        return super().__getitem__(name)

def load():
    from gazelle_sync.definitions import defs
    defs.get_repository_def().get_all_jobs()
    return len(defs.resolve_all_asset_keys()) == int(sys.argv[1])

os.environ.__class__ = Watched
assert load()
for name in [name for name in sys.modules if name.startswith("gazelle_sync")]:
    del sys.modules[name]  # what others made is imported once; each variable has a process that imports what is ours
gc.freeze()
for wrong in (sys.argv[2:], *([name] for name in sys.argv[2:] if name in read)):
    child = os.fork()
    if child == 0:
        os.environ.update(dict.fromkeys(wrong, "ceci n'est pas\u00a0une valeur"))
        os._exit(0 if load() else 1)
    print(*wrong if os.waitpid(child, 0)[1] == 0 else ["not with", *wrong])
"""


@pytest.mark.slow("a process for each variable; what is set wrongly is told by the run that needs it, below")
def test_the_definitions_load_with_any_variable_set_wrongly(tmp_path: Path) -> None:
    """All at once, and each alone that is read by its name while they load: no other can stop them."""
    assert len(VARIABLES) >= 20
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOADER, str(len(build_defs().resolve_all_asset_keys())), *VARIABLES],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    at_once, *alone = ended.stdout.splitlines()
    assert at_once.split() == VARIABLES, ended.stderr
    assert set(alone) <= set(VARIABLES), ended.stderr
    assert {"GAZELLE_LANG", "GAZELLE_SHOP", "GAZELLE_API_URL", "GAZELLE_TICK_SCHEDULE"} <= set(alone)


def test_the_definitions_load_with_an_env_file_that_nobody_can_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"GAZELLE_LANG=fran\xe7ais\n")
    program = "from gazelle_sync.definitions import defs; print(len(defs.resolve_all_asset_keys()))"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_what_is_set_wrongly_is_said_by_the_run_that_needs_it(
    definitions: dg.Definitions, set_environment: pytest.MonkeyPatch
) -> None:
    set_environment.setenv("GAZELLE_LANG", "de")
    assert set(build_defs().resolve_all_asset_keys()) == set(definitions.resolve_all_asset_keys())
    with dg.DagsterInstance.ephemeral() as instance:
        for job in (TICK, CHECK):
            result = definitions.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False)
            assert not result.success
            said = {str(e.step_failure_data.user_failure_data.description) for e in result.get_step_failure_events()
                    if e.step_failure_data.user_failure_data}  # fmt: skip
            assert said == {"GAZELLE_LANG should be one of en, fr, not 'de'"}


def test_the_columns_that_the_ui_shows_are_those_of_the_database(definitions: dg.Definitions, database: str) -> None:
    with connect(database) as connection:
        current = written(read_columns(connection, tables_with_columns(definitions)))
    assert TYPES.read_text(encoding="utf-8") == current, "run `make columns`"
    for assets in made(definitions):
        for spec in assets.specs:
            schema = spec.metadata["dagster/column_schema"]
            assert isinstance(schema, dg.TableSchema)
            assert {"external_id", "id", "gazelle_id"} & {column.name for column in schema.columns}, spec.key


def test_every_column_is_described_once_and_nothing_else_is(definitions: dg.Definitions) -> None:
    used: set[tuple[str, str]] = set()
    sections = tomllib.loads(DICTIONARY.read_text(encoding="utf-8"))
    for spec in definitions.resolve_all_asset_specs():
        schema = spec.metadata.get("dagster/column_schema")
        table = spec.key.to_user_string()
        if not isinstance(schema, dg.TableSchema):
            assert table == "gazelle_api", "the one asset that is no table"
            continue
        for column in schema.columns:
            assert column.description, f"{table}.{column.name} has no sentence in {DICTIONARY.name}"
            assert column.description.endswith("."), f"{table}.{column.name}"
            section = table if column.name in sections.get(table, {}) else shared_section(table)
            used.add((section, column.name))
    assert used == {(section, name) for section, columns in sections.items() for name in columns}


def test_the_page_of_the_data_dictionary_says_the_same() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make columns`"


def test_each_asset_can_be_made_alone(definitions: dg.Definitions) -> None:
    assert all(assets.can_subset for assets in made(definitions))


def test_the_asset_graph_and_what_starts_it_are_those_of_the_snapshot(definitions: dg.Definitions) -> None:
    """An asset depends on what it is computed of: foreign keys tie tables, not computations."""
    assert drawn(definitions) == SNAPSHOT.read_text(encoding="utf-8"), "python -m gazelle_sync_tests.support.graph"


def test_every_table_of_every_entity_has_an_asset(definitions: dg.Definitions) -> None:
    tables = {table.name for entity in ENTITIES for table in entity.tables}
    found = {spec.key.to_user_string() for assets in made(definitions) for spec in assets.specs}
    assert tables | {entity.staging_table for entity in ENTITIES} | {CALENDAR} | EDITED | OF_THE_SHOP == found


def test_every_asset_names_its_code_by_a_path_in_the_project(definitions: dg.Definitions) -> None:
    versions: dict[str, set[str | None]] = {}
    for assets in made(definitions):
        for spec in assets.specs:
            value = spec.metadata["dagster/code_references"]
            assert isinstance(value, dg.CodeReferencesMetadataValue)
            (source,) = value.code_references
            assert isinstance(source, dg.LocalFileCodeReference)
            assert (PROJECT_ROOT / source.file_path).is_file()
            versions.setdefault(source.file_path, set()).add(spec.code_version)
            assert str(PROJECT_ROOT) not in str(spec.metadata)
    assert all(len(found) == 1 and None not in found for found in versions.values())
    assert len({str(found) for found in versions.values()}) == len(versions), "each file has a version of its own"


def test_what_checks_are_shown_at_explains_itself_and_is_materialized_by_nobody(definitions: dg.Definitions) -> None:
    books = [spec for spec in definitions.assets or () if isinstance(spec, dg.AssetSpec)]
    assert {spec.key.to_user_string() for spec in books} == CONTROL_TABLES
    assert all(spec.description and spec.owners and spec.group_name for spec in books)


def test_every_asset_explains_itself(definitions: dg.Definitions) -> None:
    for assets in made(definitions):
        for spec in assets.specs:
            assert spec.description, spec.key
            assert spec.group_name, spec.key
            assert spec.kinds, spec.key
            assert spec.owners, spec.key
            assert str(spec.metadata["dagster/table_name"]).startswith("public.")
            has_no_days = spec.key.to_user_string() in EDITED | OF_THE_SHOP
            assert isinstance(spec.partitions_def, dg.DailyPartitionsDefinition) != has_no_days
        has_no_days = assets.keys <= set(map(dg.AssetKey, EDITED | OF_THE_SHOP))
        assert (assets.backfill_policy == dg.BackfillPolicy.single_run()) != has_no_days


def test_the_days_are_montreals_and_today_is_one_of_them(definitions: dg.Definitions) -> None:
    partitions = definitions.resolve_assets_def("staging_clients").partitions_def
    assert isinstance(partitions, dg.DailyPartitionsDefinition)
    assert partitions.timezone == "America/Toronto"
    assert partitions.end_offset == 1


@pytest.mark.parametrize("name", [TICK, NIGHTLY, DEEP, FULL, REPLAY_JOB, CHECK, PUSH_JOB])
def test_each_job_runs_in_one_process(definitions: dg.Definitions, name: str) -> None:
    job = definitions.resolve_job_def(name)
    assert job.executor_def is dg.in_process_executor
    assert job.description


def test_the_schedules_are_on_and_speak_montreal_time(definitions: dg.Definitions) -> None:
    crons = {}
    for schedule in definitions.schedules or ():
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert schedule.execution_timezone == "America/Toronto"
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        crons[schedule.name] = schedule.cron_schedule
    assert crons["tick_every_15_minutes"] == "*/15 * * * *"
    assert crons["full_at_night"] == "0 3 * * 1-6"
    assert crons["deep_on_sunday"] == "0 3 * * 0"


def test_a_resource_can_be_replaced_without_patching() -> None:
    resource = dg.ResourceDefinition.hardcoded_resource("another")
    assert (build_defs({"pull": resource}).resources or {})["pull"] is resource
