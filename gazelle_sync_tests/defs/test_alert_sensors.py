"""Alerts under Dagster: what the sensors see of a run, and what the command line tells without any daemon."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from gazelle_sync.definitions import build_defs
from gazelle_sync.defs.failures import failure_of
from gazelle_sync.defs.incidents.sensors import alert_sensors, ended_run
from gazelle_sync.errors import Cause, DatabaseFull
from gazelle_sync_tests.support.commands import Person
from gazelle_sync_tests.support.receivers import HOOK_TOKEN, PASSWORD, Webhook, mail_server, webhook
from gazelle_sync_tests.support.shop import Shop

OAUTH = ("access0token0of0this0shop0that0is0longer0than0fifty0characters", "client0secret0of0this0shop",
         "refresh0token0of0this0shop")  # fmt: skip


@dg.asset
def table() -> None:
    """Something to check."""


@dg.asset_check(asset=table)
def hours(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    passed = context.run.tags.get("well") == "yes"
    return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN, description="3 rows are off")


@dg.op
def fails() -> None:
    raise failure_of(DatabaseFull("PostgreSQL has no room left (x)"))


@dg.job
def failing() -> None:
    fails()


@dg.asset_check(asset=table, blocking=True)
def blocking_hours() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False)


@pytest.fixture
def instance(findable_instance: dg.DagsterInstance) -> dg.DagsterInstance:
    return findable_instance


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as receiver:
        yield receiver


def checked(instance: dg.DagsterInstance, *, well: bool) -> dg.DagsterRun:
    tags = {"well": "yes" if well else "no"}
    job = dg.Definitions(assets=[table], asset_checks=[hours]).resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=instance, tags=tags).dagster_run


def test_a_failed_check_is_seen_in_a_run_that_succeeded(instance: dg.DagsterInstance) -> None:
    seen = ended_run(instance, checked(instance, well=False))
    assert seen.succeeded
    (check,) = seen.checks
    assert (check.subject, check.passed, check.severity) == ("table:hours", False, "warning")
    assert check.description == "3 rows are off"


def test_a_failure_that_a_newer_run_has_overtaken_is_old_news(instance: dg.DagsterInstance) -> None:
    old = checked(instance, well=False)
    checked(instance, well=True)
    seen = ended_run(instance, old)
    assert seen.checks == ()
    assert seen.is_superseded


def test_a_failed_run_says_why_and_one_that_only_a_check_blocked_says_so(instance: dg.DagsterInstance) -> None:
    failed = failing.execute_in_process(instance=instance, raise_on_error=False).dagster_run
    seen = ended_run(instance, failed)
    assert (seen.succeeded, seen.only_checks_failed) == (False, False)
    assert seen.cause == Cause("disk")
    job = dg.Definitions(assets=[table], asset_checks=[blocking_hours]).resolve_implicit_global_asset_job_def()
    blocked = job.execute_in_process(instance=instance, raise_on_error=False).dagster_run
    assert ended_run(instance, blocked).only_checks_failed


def test_the_sensors_are_on_and_both_ends_of_a_run_are_watched() -> None:
    sensors = {sensor.name: sensor for sensor in alert_sensors()}
    assert set(sensors) == {"alert_on_failed_run", "alert_on_failed_check", "alert_watch"}
    assert all(sensor.default_status is dg.DefaultSensorStatus.RUNNING for sensor in sensors.values())
    assert {sensor.name for sensor in build_defs().sensors or ()} >= set(sensors)


def test_the_sensors_tell_what_they_see(
    shop: Shop, hook: Webhook, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable, value in shop.environment(GAZELLE_ALERT_URLS=hook.url).items():
        if variable.startswith("GAZELLE_"):
            monkeypatch.setenv(variable, value)
    failed, succeeded, every_minute = alert_sensors()
    run = failing.execute_in_process(instance=instance, raise_on_error=False).dagster_run
    event = next(iter(instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE))).dagster_event
    assert event is not None
    failed(dg.build_run_status_sensor_context("f", event, instance, run).for_run_failure())
    assert "A run of failing failed" in hook.titles[0]
    run = checked(instance, well=False)
    event = next(iter(instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_SUCCESS))).dagster_event
    assert event is not None
    succeeded(dg.build_run_status_sensor_context("s", event, instance, run))
    assert "Check failed: hours" in hook.titles[1]
    shop.query("UPDATE system_settings SET updated_at = '2020-01-01T00:00:00Z' WHERE key = 'last_sync_date.pianos'")
    with dg.build_sensor_context(instance=instance) as context:
        every_minute.evaluate_tick(context)
    assert "Data is stale: Pianos" in hook.titles[2]


def with_password(url: str, password: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}password={password}"


def everything_in(url: str) -> str:
    """Every row of every table of a database, as text."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        found = []
        for (name,) in tables:
            found += [text for (text,) in connection.execute(f"SELECT t::text FROM {name} AS t".encode())]  # noqa: S608
        return "\n".join(found)


def test_no_credential_of_a_run_is_in_any_log_event_metadata_alert_or_column(person: Person, hook: Webhook) -> None:
    """A run that fails in part and one whose tokens are refused, with an alert that is delivered and one that is not:
    every byte that they wrote is looked through.
    """
    password = "database0password0of0this0shop"
    shop, dagster_database = person.shop, person.dagster_database
    urls = {"GAZELLE_DATABASE_URL": with_password(shop.url, password)}
    person = replace(person, dagster_database=with_password(dagster_database, password))
    token = shop.environment()["GAZELLE_API_TOKEN"]
    access, client_secret, refresh = OAUTH
    shop.settings.token_file.parent.mkdir(parents=True, exist_ok=True)
    shop.settings.token_file.write_text(
        f'{{"access_token": "{access}", "refresh_token": "{refresh}", "expires_in": 1, "created_at": 1}}'
    )
    shop.admin.fault("status", code=404, times=0, operation="PianosStamps")
    with mail_server() as mail:
        mail.refuses = True
        own = {
            "GAZELLE_ALERT_URLS": f"{hook.url} {mail.url()}",
            "GAZELLE_CLIENT_ID": "this-shop",
            "GAZELLE_CLIENT_SECRET": client_secret,
            "GAZELLE_TOKEN_FILE": str(shop.settings.token_file),
        }
        ended = person.runs("sync", **own, **urls)
        assert ended.returncode == 1, ended.stdout
        # Once more with OAuth, whose tokens the API refuses.
        refused = person.runs("sync", **own, **urls, GAZELLE_API_TOKEN="")
        assert refused.returncode == 1, refused.stdout
    told = [str(one) for one in hook.received]
    assert len(told) >= 2, "an alert of each failure was delivered"
    files = [path for path in shop.settings.home.rglob("*") if path.is_file() and path != shop.settings.token_file]
    places = {
        "terminal": ended.stdout + ended.stderr + refused.stdout + refused.stderr,
        "files": "".join(path.read_text(encoding="utf-8", errors="replace") for path in files),
        "alerts": "".join(told),
        "shop's database": everything_in(shop.url),
        "Dagster's events, runs and metadata": everything_in(dagster_database),
    }
    assert "ASSET_MATERIALIZATION" in places["Dagster's events, runs and metadata"]
    assert "failed_run" in places["shop's database"]
    assert "E-Mail" in places["shop's database"]
    secrets = (token, password, access, client_secret, refresh, PASSWORD, HOOK_TOKEN)
    found = [(place, secret) for place, text in places.items() for secret in secrets if secret in text]
    assert found == []


def test_a_cron_job_tells_its_failure_and_its_recovery_without_a_daemon(person: Person, hook: Webhook) -> None:
    person.shop.admin.fault("status", code=404, times=0, operation="allInvoices")
    for _ in range(2):
        assert person.runs("sync", GAZELLE_ALERT_URLS=hook.url, GAZELLE_LANG="fr").returncode == 1
    (title,) = hook.titles
    assert title == "✗ Gazelle: La synchro a échoué\N{NO-BREAK SPACE}: Factures"
    person.shop.admin.clear_faults()
    assert person.runs("sync", GAZELLE_ALERT_URLS=hook.url, GAZELLE_LANG="fr").returncode == 0
    assert hook.titles[1].startswith("✓")


def test_errors_retry_applies_what_waits_without_gazelle(person: Person) -> None:
    shop = person.shop
    piano = shop.admin.dump("pianos")[0]["id"]
    shop.query("UPDATE staging_pianos SET sync_status = 'error', error_message = 'odd' WHERE external_id = %s", piano)
    listed = person.runs("errors")
    assert listed.returncode == 0
    assert "pianos: odd" in listed.stdout
    shop.admin.reset_stats()
    retried = person.runs("errors", "--retry")
    assert retried.returncode == 0, retried.stdout + retried.stderr
    assert "No record is in error" in retried.stdout
    assert shop.admin.stats()["arrivals"] == 0
    unknown = person.runs("errors", "--show", "ins_nobody")
    assert (unknown.returncode, "ins_nobody" in unknown.stderr) == (1, True)
