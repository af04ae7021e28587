"""The checks under Dagster and on the command line: shown, blocking, reported."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime

import dagster as dg
import psycopg
import pytest

from gazelle_sync.defs.push.jobs import PUSH_JOB
from gazelle_sync.defs.sync.assets import CALENDAR
from gazelle_sync.defs.sync.checks import evaluation, finding_of
from gazelle_sync.defs.sync.jobs import check_keys, run_config
from gazelle_sync.defs.sync.partitions import range_tags
from gazelle_sync.defs.sync.resources import CHECK, FULL, REPLAY_JOB, TICK
from gazelle_sync.entities import ENTITIES, LATE, LOST
from gazelle_sync.montreal import montreal_day
from gazelle_sync.push.pushables import PUSHABLES
from gazelle_sync.quality.finding import Finding
from gazelle_sync.quality.registry import CHECKS, GROUPS, PUSH, SHOP
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.shop import Shop

MOVE = """UPDATE gazelle_appointments SET start_at = start_at + interval '5 hours',
    appointment_date = ((start_at + interval '5 hours') AT TIME ZONE 'UTC')::date,
    appointment_time = ((start_at + interval '5 hours') AT TIME ZONE 'UTC')::time"""


def run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, job: str, mode: str = "tick"
) -> dg.ExecuteInProcessResult:
    today = montreal_day(datetime.now(UTC))
    tags = {} if job == CHECK else range_tags(today, today)
    return definitions.resolve_job_def(job).execute_in_process(
        run_config=run_config(mode), instance=instance, raise_on_error=False, tags=tags
    )


def evaluated(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}


def check_specs(definitions: dg.Definitions) -> list[dg.AssetCheckSpec]:
    return [
        spec
        for made in (*(definitions.assets or ()), *(definitions.asset_checks or ()))
        if isinstance(made, dg.AssetsDefinition)
        for spec in made.check_specs
    ]


# ---- what Dagster knows


def test_each_check_explains_itself_and_has_a_name_of_its_own(definitions: dg.Definitions) -> None:
    specs = check_specs(definitions)
    assert {spec.name for spec in specs} == set(CHECKS)
    assert len(specs) == len(CHECKS) == 22 + 2 * len(PUSHABLES) + sum(len(group.checks) for group in SHOP)
    assert all(spec.description for spec in specs)


def test_what_is_made_of_appointments_waits_for_the_timezone(definitions: dg.Definitions) -> None:
    specs = check_specs(definitions)
    blocking = {spec.name for spec in specs if spec.blocking}
    assert {name for name in blocking if not name.startswith("push_")} == {
        "timezone_instants", "timezone_view", "timezone_reference", "timezone_schema",
    }  # fmt: skip
    assert {spec.asset_key.to_user_string() for spec in specs if spec.blocking} == {
        "gazelle_appointments", *(pushable.table for pushable in PUSHABLES),
    }  # fmt: skip


def test_a_tick_runs_what_it_can_pay_for_and_the_others_run_all(definitions: dg.Definitions) -> None:
    def checks_of(job: str) -> set[str]:
        layer = definitions.resolve_job_def(job).asset_layer
        return {key.name for key in layer.asset_graph.asset_check_keys if key.name in CHECKS}

    cheap = {name for name, check in CHECKS.items() if check.in_tick}
    assert checks_of(TICK) == cheap
    of_the_push = {check.name for group in PUSH for check in group.checks}
    assert checks_of(CHECK) == set(CHECKS)
    of_the_shop = {check.name for group in SHOP for check in group.checks}
    assert checks_of(FULL) == set(CHECKS) - of_the_push - of_the_shop, "edits that did not go fail no pull"
    assert checks_of(PUSH_JOB) == of_the_push
    assert checks_of(REPLAY_JOB) == {check.name for check in GROUPS[0].checks}
    assert not any(name.startswith("conformance") for name in cheap), "a tick asks Gazelle for nothing more"


def test_only_what_comes_from_gazelle_has_a_freshness_policy(definitions: dg.Definitions) -> None:
    policies = {
        spec.key.to_user_string(): spec.freshness_policy
        for assets in definitions.assets or ()
        for spec in (assets.specs if isinstance(assets, dg.AssetsDefinition) else [assets])
        if isinstance(spec, dg.AssetSpec)
    }
    of_the_entities = sum(1 + len(entity.tables) for entity in ENTITIES)
    others = 5  # the calendar's view, three control tables, the log of the push
    of_the_shop = 6  # two of the stock, maintenance alerts, notices, the agenda, the search
    assert len(policies) == of_the_entities + others + len(PUSHABLES) + of_the_shop
    fresh = {name: policy for name, policy in policies.items() if policy is not None}
    assert set(fresh) == {entity.staging_table for entity in ENTITIES}
    assert set(fresh.values()) == {dg.FreshnessPolicy.time_window(fail_window=LOST, warn_window=LATE)}


# ---- what is stored of a finding


@pytest.mark.parametrize(
    "finding",
    [
        Finding("x", False, "summary", "warning", "advice", ("a - b", "- c"), {"checked": 2, "off": 0.5}),
        Finding("x", True, "All is well.", numbers={"checked": 3}),
    ],
)
def test_a_finding_survives_its_evaluation(finding: Finding) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("a"), finding.check)
    result = evaluation(key, finding)
    stored = dg.AssetCheckEvaluation(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
    )
    assert finding_of(stored) == finding


# ---- runs


def test_a_tick_evaluates_its_checks_and_materializes_the_calendar(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    named_shop.admin.random_edits(clients=2, pianos=2, events=2, timeline=2)
    result = run(definitions, instance, TICK)
    assert result.success
    found = evaluated(result)
    assert set(found) == {key.name for key in check_keys(only_in_tick=True)}
    assert all(evaluation.passed for evaluation in found.values()), found
    assert CALENDAR in materialized(result)
    assert named_shop.last_log()["stats"]["requests"] <= 60


def test_a_quiet_tick_with_its_checks_asks_no_more_and_writes_no_row(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    named_shop.quiet_down()
    named_shop.sync()
    before = named_shop.physical()
    named_shop.admin.reset_stats()
    assert run(definitions, instance, TICK).success
    assert named_shop.admin.stats()["requests"] <= 12
    assert named_shop.physical() == before


def test_a_moved_calendar_fails_the_run_and_stops_what_is_made_of_it(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    named_shop.query(MOVE)
    result = run(definitions, instance, TICK)
    assert not result.success
    assert CALENDAR not in materialized(result)
    assert {"gazelle_appointments", "gazelle_timeline_entries"} <= materialized(result)
    found = evaluated(result)
    instants = found["timezone_instants"]
    assert not instants.passed
    assert instants.blocking
    assert instants.severity is dg.AssetCheckSeverity.ERROR
    assert "UTC read as local time" in str(instants.description)
    assert instants.metadata["off"].value == named_shop.count("gazelle_appointments", "NOT is_stub")
    assert "evt_" in str(instants.metadata["examples"].value)
    assert "replay" in str(instants.metadata["what to do"].value)
    assert found["flow_age"].passed, "the other checks were looked at all the same"
    assert named_shop.last_log()["status"] == "success", "the pull itself went well"


def test_the_flow_is_looked_at_though_an_entity_could_not_be_read(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    named_shop.admin.fault("status", code=404, times=0, operation="allInvoices")
    named_shop.query("UPDATE sync_logs SET started_at = started_at - interval '2 hours'")
    result = run(definitions, instance, TICK)
    assert not result.success
    age = evaluated(result)["flow_age"]
    assert not age.passed
    assert "Invoices" in str(age.description)
    assert "Clients" not in str(age.description), "it looks when all that can be read has been read"


def test_a_failed_check_that_blocks_nothing_leaves_the_run_a_success(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    named_shop.query("UPDATE gazelle_clients SET city = 'abîmé'")
    result = run(definitions, instance, CHECK)
    assert result.success
    production = evaluated(result)["integrity_production"]
    assert finding_of(production).is_failure


def test_a_full_run_looks_at_every_row_and_passes(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    result = run(definitions, instance, FULL, "deep")
    assert result.success
    found = evaluated(result)
    assert set(found) == set(CHECKS) - {check.name for group in (*PUSH, *SHOP) for check in group.checks}
    assert all(evaluation.passed for evaluation in found.values()), found
    records = sum(named_shop.count(f"staging_{name}") for name in named_shop.watermarks() if name)
    assert found["integrity_production"].metadata["checked"].value == records


def test_the_checks_of_a_database_that_is_gone_do_not_pass(
    named_shop: Shop, definitions: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAZELLE_DATABASE_URL", "postgresql://nobody:geheim@127.0.0.1:9/none")
    found = evaluated(run(definitions, instance, CHECK))
    assert set(found) == set(CHECKS)
    assert not any(evaluation.passed for evaluation in found.values())
    assert "geheim" not in str(found)


# ---- the command


def test_check_prints_what_each_found_and_leaves_its_run_in_the_ui(person: Person) -> None:
    person.shop.sync()  # the worker's template may be old by now, and old is a finding
    began = time.time()
    ended = person.runs("check", "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    findings = json.loads(ended.stdout)
    assert [finding["check"] for finding in findings] == list(CHECKS)
    assert [finding for finding in findings if not finding["passed"]] == []
    assert all(finding["summary"] and finding["numbers"]["checked"] >= 0 for finding in findings)
    with psycopg.connect(person.dagster_database) as connection:
        runs = connection.execute("SELECT pipeline_name, status FROM runs WHERE start_time > %s", [began])
        assert runs.fetchall() == [(CHECK, "SUCCESS")]


def test_check_only_looks_at_what_it_names_and_fails_with_status_1(person: Person) -> None:
    person.shop.query(MOVE)
    ended = person.runs("check", "--only", "timezone_instants,flow_errors", GAZELLE_LANG="fr")
    assert ended.returncode == 1
    assert "✗ timezone_instants" in ended.stdout
    [shown, *_] = re.findall(r"(evt_\w+) \((.*)\): \w+ \d+", ended.stdout)
    visit = person.shop.row("gazelle_appointments", shown[0])
    assert (visit["title"] or "") in shown[1], "every id has its name beside it"
    assert not re.search(r"\d{4}-\d\d-\d\d", ended.stdout), "days are French words"
    assert "UTC pris pour l'heure locale" in " ".join(ended.stdout.split())
    assert "✓ flow_errors" in ended.stdout
    assert "integrity" not in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_check_that_nobody_knows_is_refused_with_the_names_that_there_are(person: Person) -> None:
    ended = person.runs("check", "--only", "timezone,flow_age")
    assert ended.returncode == 1
    assert "timezone is not known. There are: timezone_instants" in ended.stderr


def test_a_warning_alone_does_not_fail_the_command(person: Person) -> None:
    person.shop.query("UPDATE gazelle_appointments SET title = NULL")
    ended = person.runs("check", "--only", "timezone_reference")
    assert ended.returncode == 0
    assert "⚠ timezone_reference" in ended.stdout


def test_sync_tells_a_blocking_check_in_its_own_words(person: Person) -> None:
    person.shop.query(MOVE)
    ended = person.runs("sync")
    assert ended.returncode == 1
    assert "✗ timezone_instants" in ended.stdout
    assert "Dagster" not in ended.stdout
