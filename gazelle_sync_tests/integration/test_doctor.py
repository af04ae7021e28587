"""`doctor` finds what is wrong, says what to do, goes on, and gives no secret away."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import psycopg
import pytest

from gazelle_sync.cli.doctor import examine, line
from gazelle_sync.quality.finding import Finding
from gazelle_sync.sandbox import SANDBOX_CLIENT_ID, SANDBOX_CLIENT_SECRET
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.shop import Shop

SECRET = "a-key-that-nobody-may-read"


@pytest.fixture
def environment(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A healthy shop's environment, to be spoiled."""
    for name in [name for name in os.environ if name.startswith("GAZELLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    values = {
        "GAZELLE_API_URL": shop.sandbox.url,
        "GAZELLE_API_TOKEN": shop.sandbox.api_key,
        "GAZELLE_DATABASE_URL": shop.url,
        "GAZELLE_DAGSTER_POSTGRES_URL": shop.url,
        "GAZELLE_SYNC_HOME": str(tmp_path / "home"),
        "GAZELLE_TOKEN_FILE": str(tmp_path / "token.json"),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def found() -> list[Finding]:
    return list(examine())


def trouble(findings: list[Finding] | None = None) -> dict[str, str]:
    return {finding.check: finding.summary for finding in findings or found() if not finding.passed}


def write_token(shop: Shop, path: Path, **changes: object) -> None:
    path.write_text(json.dumps(shop.admin.tokens() | changes))
    path.chmod(0o600)


def use_oauth(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("GAZELLE_API_TOKEN")
    environment.setenv("GAZELLE_CLIENT_ID", SANDBOX_CLIENT_ID)
    environment.setenv("GAZELLE_CLIENT_SECRET", SANDBOX_CLIENT_SECRET)


def test_a_doctor_of_a_french_shop_speaks_french(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GAZELLE_LANG", "fr")
    environment.setenv("GAZELLE_RATE_PERS", "2")
    said = {finding.check: finding.summary for finding in found()}
    assert "GAZELLE_RATE_PERS est inconnue. Une faute de frappe\N{NARROW NO-BREAK SPACE}?" in said["settings"]
    assert "s'accordent à" in said["clock"]
    assert said["Dagster's storage"] == "répond"


@pytest.mark.usefixtures("environment")
def test_a_healthy_shop_has_every_check_pass_in_order() -> None:
    findings = found()
    assert trouble(findings) == {}
    names = list(dict.fromkeys(finding.check for finding in findings))
    assert names == [
        "settings", "parts", "home", "credentials", "database", "row-level security", "migrations", "rights",
        "public doors", "old trigger", "edits", "Dagster's storage", "API", "schema", "clock",
    ]  # fmt: skip
    assert all(line(finding).startswith("✓ ") for finding in findings)


def test_each_variable_that_makes_no_sense_is_named_and_the_rest_is_still_examined(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("GAZELLE_PAGE_SIZE", "many")
    environment.setenv("GAZELLE_LANG", "latin")
    environment.setenv("GAZELLE_APIURL", "http://mistyped")
    findings = found()
    said = " ".join(finding.summary for finding in findings if finding.check == "settings")
    assert {finding.check for finding in findings if not finding.passed} == {"settings"}
    for name in ("GAZELLE_PAGE_SIZE", "GAZELLE_LANG", "GAZELLE_APIURL is not known"):
        assert name in said
    assert any(finding.check == "API" and finding.passed for finding in findings)


def test_refused_credentials_are_the_apis_finding_and_the_key_is_not_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GAZELLE_API_TOKEN", SECRET)
    findings = found()
    assert "refuses the credentials" in trouble(findings)["API"]
    assert SECRET not in "".join(line(finding) for finding in findings)
    assert any(finding.check == "database" and finding.passed for finding in findings)


def test_missing_credentials_say_what_to_set(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("GAZELLE_API_TOKEN")
    assert "GAZELLE_API_TOKEN" in trouble()["credentials"]


def test_an_expired_token_that_can_be_refreshed_passes_and_one_that_cannot_does_not(
    environment: pytest.MonkeyPatch, shop: Shop, tmp_path: Path
) -> None:
    use_oauth(environment)
    write_token(shop, tmp_path / "token.json", created_at=int(time.time()) - 7200, expires_in=60)
    assert trouble() == {}
    write_token(shop, tmp_path / "token.json", created_at=int(time.time()) - 40 * 86_400, expires_in=60)
    assert "Authorize the application again" in trouble()["credentials"]


def test_a_token_file_that_others_can_read_is_found_with_the_command_that_closes_it(
    environment: pytest.MonkeyPatch, shop: Shop, tmp_path: Path
) -> None:
    use_oauth(environment)
    write_token(shop, tmp_path / "token.json")
    (tmp_path / "token.json").chmod(0o644)
    assert f"chmod 600 {tmp_path / 'token.json'}" in trouble()["credentials"]


def test_an_unreachable_database_does_not_stop_the_api_check_nor_show_its_password(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("GAZELLE_DATABASE_URL", f"postgresql://me:{SECRET}@127.0.0.1:1/gazelle")
    findings = found()
    assert "cannot be reached" in trouble(findings)["database"]
    assert any(finding.check == "schema" and finding.passed for finding in findings)
    assert SECRET not in "".join(line(finding) for finding in findings)


def test_an_address_that_makes_no_sense_is_not_said_to_be_a_sandboxs(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GAZELLE_API_URL", "ftp://gazelleapp.io")
    findings = found()
    assert "GAZELLE_API_URL" in trouble(findings)["settings"]
    assert not any("SANDBOX" in finding.summary or finding.check == "parts" for finding in findings)


def test_an_unreachable_api_does_not_stop_the_database_check(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GAZELLE_API_URL", "http://127.0.0.1:1")
    findings = found()
    assert "GAZELLE_API_URL" in trouble(findings)["API"]
    assert any(finding.check == "rights" and finding.passed for finding in findings)


def test_an_empty_database_passes_since_the_next_sync_sets_it_up(
    environment: pytest.MonkeyPatch, databases: Databases
) -> None:
    with databases.temporary("template0") as url:
        environment.setenv("GAZELLE_DATABASE_URL", url)
        findings = found()
        assert trouble(findings) == {}
        assert any("the next sync does it" in finding.summary for finding in findings)


@pytest.mark.usefixtures("environment")
def test_the_old_timezone_trigger_is_found(shop: Shop) -> None:
    with psycopg.connect(shop.url) as connection:
        connection.execute(
            "CREATE FUNCTION fn_fix_gazelle_api_time() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
        )
        connection.execute(
            "CREATE TRIGGER tr_fix_api_import BEFORE INSERT ON gazelle_appointments "
            "FOR EACH ROW EXECUTE FUNCTION fn_fix_gazelle_api_time()"
        )
    assert "tr_fix_api_import" in trouble()["old trigger"]


@pytest.mark.usefixtures("environment")
def test_a_role_that_may_not_write_is_found_with_the_tables(shop: Shop, environment: pytest.MonkeyPatch) -> None:
    role = f"reader_{os.getpid()}"
    with psycopg.connect(shop.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT gazelle_reader TO {role}")
        connection.execute(f"GRANT SELECT ON schema_migrations TO {role}")
        try:
            environment.setenv("GAZELLE_DATABASE_URL", shop.url.replace("postgres:@", f"{role}:@"))
            said = trouble()["rights"]
            for table in ("staging_clients", "gazelle_pianos", "vincent_dindy_piano_updates", "sync_conflicts"):
                assert table in said
        finally:
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")


@pytest.mark.usefixtures("environment")
def test_a_schema_that_lost_a_field_is_found_with_the_operation_that_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from gazelle_sync.gazelle import documents

    monkeypatch.setattr(documents, "TIMELINE_COUNT", "query TimelineCount { allTimelineEntries { countOfOld } }")
    text = trouble()["schema"]
    assert "the timeline's count" in text
    assert "countOfOld" in text


@pytest.mark.usefixtures("environment")
def test_clocks_that_disagree_by_an_hour_are_found_and_the_odd_one_is_named(shop: Shop) -> None:
    shop.admin.settings(clock_skew_s=3600)
    text = trouble()["clock"]
    assert "Gazelle's is 60 min ahead of this machine's" in text
    assert "Nothing has to be set here" in text


@pytest.mark.usefixtures("environment")
def test_a_page_of_html_from_the_api_is_a_finding_and_no_traceback(shop: Shop) -> None:
    shop.admin.fault("html_200", times=0)
    assert "not JSON" in trouble()["API"]
