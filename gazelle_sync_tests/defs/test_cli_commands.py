"""The commands as a person runs them: a process, its exit status, what it says."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import IO

import psycopg
import pytest

from gazelle_sync.warehouse.lock import PullLock
from gazelle_sync_tests.conftest import Databases
from gazelle_sync_tests.support.commands import Person

PROGRAM = str(Path(sys.executable).with_name("gazelle-sync"))
SECRET = "a-word-that-nobody-may-read"


def logs_of(person: Person) -> str:
    """What the commands of a shop have logged."""
    return "".join(path.read_text() for path in (person.shop.settings.home / "logs").glob("*.log"))


def test_help_names_the_commands_and_loads_nothing_heavy() -> None:
    """`make bench` measures the half second that it may take; this is what would break it."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, "--help"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "click" in loaded
    assert loaded.isdisjoint({"dagster", "psycopg", "sqlalchemy", "httpx", "starlette", "matplotlib", "apprise"})
    for command in ("sync", "replay", "status", "migrate", "up", "sandbox", "doctor"):
        assert command in ended.stdout


def test_sync_says_what_changed_and_then_that_nothing_did(person: Person) -> None:
    person.shop.admin.random_edits(clients=3, pianos=2, events=4, timeline=5)
    first = person.runs("sync")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "14 records changed" in first.stdout
    person.shop.quiet_down()
    second = person.runs("sync")
    assert second.returncode == 0
    assert "Nothing changed" in second.stdout
    person.shop.assert_equals_api()


def test_sync_full_only_reads_every_body_of_the_chosen_entities(person: Person) -> None:
    ended = person.runs("sync", "--full", "--only", "clients,users", GAZELLE_LANG="fr")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Techniciens" in ended.stdout
    assert "Pianos" not in ended.stdout
    assert person.shop.last_log()["mode"] == "deep"
    assert "allPianos" not in str(person.shop.admin.stats()["by_operation"])


def test_a_failed_sync_ends_with_status_1_and_the_reason(person: Person) -> None:
    person.shop.admin.fault("status", code=404, times=0, operation="allInvoices")
    ended = person.runs("sync")
    assert ended.returncode == 1
    said = ended.stdout + ended.stderr
    assert "Invoices. HTTP 404" in said
    assert "Traceback" not in said
    assert "InvoicesStamps" in person.shop.last_log()["error_message"]


def test_mass_deletion_ends_with_status_1_and_the_flag_lets_it_through(person: Person) -> None:
    for piano in person.shop.admin.dump("pianos")[:12]:
        person.shop.admin.delete("pianos", piano["id"])
    refused = person.runs("sync", "--only", "pianos")
    assert refused.returncode == 1
    assert "--allow-deletes" in refused.stdout + refused.stderr
    passed = person.runs("sync", "--full", "--only", "pianos", "--allow-deletes")
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert person.shop.value("SELECT count(*) FROM gazelle_pianos WHERE deleted_at IS NOT NULL") == 12


def test_a_refused_key_and_a_mass_deletion_are_told_in_french(person: Person) -> None:
    refused = person.runs("sync", GAZELLE_LANG="fr", GAZELLE_API_TOKEN="some-other-key")
    assert refused.returncode == 1
    assert "Gazelle refuse les identifiants" in refused.stdout + refused.stderr
    assert "Vérifiez GAZELLE_API_TOKEN, ou autorisez de nouveau l'application OAuth." in refused.stdout + refused.stderr
    for piano in person.shop.admin.dump("pianos")[:12]:
        person.shop.admin.delete("pianos", piano["id"])
    stopped = person.runs("sync", "--only", "pianos", GAZELLE_LANG="fr")
    assert stopped.returncode == 1
    said = " ".join((stopped.stdout + stopped.stderr).split())
    assert "fiches ne figurent plus chez Gazelle" in said
    assert "gazelle-sync sync --full --allow-deletes --only pianos" in said
    assert "records" not in said


def test_a_second_up_is_told_in_french(person: Person) -> None:
    with (person.shop.settings.home / "up.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = person.runs("up", "--port", "39997", GAZELLE_LANG="fr")
    assert ended.returncode == 1
    assert f"`gazelle-sync up` est déjà en marche pour {person.shop.settings.home}." in ended.stderr


def test_replay_rebuilds_and_asks_gazelle_for_nothing(person: Person) -> None:
    before = person.shop.fingerprint()
    person.shop.query("UPDATE gazelle_clients SET city = 'abîmé' WHERE NOT is_stub")
    person.shop.admin.reset_stats()
    ended = person.runs("replay", "--only", "clients")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "without one call to Gazelle" in ended.stdout
    assert person.shop.fingerprint() == before
    assert person.shop.admin.stats()["arrivals"] == 0


def test_replay_from_a_staging_that_lost_rows_ends_with_status_1_and_the_flag_lets_it_through(person: Person) -> None:
    person.shop.query("TRUNCATE staging_products")
    before = person.shop.fingerprint()
    rows = person.shop.count("gazelle_products")
    refused = person.runs("replay")
    assert refused.returncode == 1
    assert f"{rows} of the {rows} living rows of gazelle_products" in refused.stdout + refused.stderr
    kept = person.runs("replay", "--without-staging", "keep")
    assert kept.returncode == 0, kept.stdout + kept.stderr
    assert f"{rows} living rows of gazelle_products were kept" in kept.stdout
    assert person.shop.fingerprint() == before


def test_wrong_credentials_end_with_status_1_and_are_not_repeated(person: Person) -> None:
    ended = person.runs("sync", GAZELLE_API_TOKEN=SECRET)
    assert ended.returncode == 1
    said = ended.stdout + ended.stderr
    assert "GAZELLE_API_TOKEN" in said
    assert SECRET not in said + logs_of(person) + str(person.shop.last_log())


def test_an_unreachable_api_ends_with_status_1(person: Person) -> None:
    ended = person.runs("sync", GAZELLE_API_URL="http://127.0.0.1:9")
    assert ended.returncode == 1
    assert "GAZELLE_API_URL" in ended.stdout + ended.stderr


@pytest.mark.parametrize("command", ["sync", "replay", "migrate"])
def test_an_unreachable_database_ends_with_status_1_and_no_password(person: Person, command: str) -> None:
    ended = person.runs(command, GAZELLE_DATABASE_URL=f"postgresql://nobody:{SECRET}@127.0.0.1:9/none")
    assert ended.returncode == 1
    said = ended.stdout + ended.stderr
    assert "GAZELLE_DATABASE_URL" in said
    assert SECRET not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        (("sync", "--only", "clients,cats"), {}, "cats is not known"),
        (("sync", "--only", " , "), {}, "names nothing"),
        (("replay", "--from", "2026-02-02", "--to", "2026-01-01"), {}, "is before"),
        (("sync",), {"GAZELLE_RATE_PER_S": "fast"}, "GAZELLE_RATE_PER_S"),
        (("sync",), {"GAZELLE_API_URL": "gazelleapp.io"}, "GAZELLE_API_URL"),
        (("migrate",), {"GAZELLE_DATABASE_URL": "mysql://x"}, "GAZELLE_DATABASE_URL"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(
    person: Person, arguments: tuple[str, ...], environment: dict[str, str], words: str
) -> None:
    ended = person.runs(*arguments, **environment)
    assert ended.returncode == 1
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) <= 2


def test_a_dagster_storage_that_takes_no_changes_ends_with_status_1_and_one_sentence(person: Person) -> None:
    read_only = f"{person.dagster_database}&options=-c%20default_transaction_read_only%3Don"
    ended = replace(person, dagster_database=read_only).runs("sync", "--only", "users")
    assert ended.returncode == 1
    assert "✗ Dagster's own database failed (cannot execute" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "INSERT INTO" not in ended.stderr
    assert person.shop.value("SELECT subjects FROM alert_log WHERE rule = 'failed_job'") == ["tick"]


@pytest.mark.parametrize("port", ["0", "70000"])
def test_a_port_that_there_is_none_of_is_refused(person: Person, port: str) -> None:
    ended = person.runs("up", "--port", port)
    assert ended.returncode == 2
    assert "1<=x<=65535" in ended.stderr


def writes_into(output: IO[bytes], person: Person, command: str) -> tuple[int, str]:
    """Exit status and complaint of a command whose output goes there."""
    own = person.shop.environment(GAZELLE_DAGSTER_POSTGRES_URL=person.dagster_database)
    ended = subprocess.run(
        [PROGRAM, command], env=own, cwd=person.directory, stdout=output, stderr=subprocess.PIPE, text=True, check=False
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("command", ["status", "--help"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_output_that_cannot_be_written_ends_with_status_1_and_one_sentence(person: Person, command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        said = "✗ The output cannot be written (No space left on device).\n"
        assert writes_into(full, person, command) == (1, said)


def test_a_reader_that_has_gone_is_no_fault_of_ours(person: Person) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        assert writes_into(pipe, person, "status") == (1, "")


def test_migrate_says_what_it_applied_and_then_that_all_is_up_to_date(person: Person, databases: Databases) -> None:
    with databases.temporary("template1") as url:
        first = person.runs("migrate", GAZELLE_DATABASE_URL=url)
        assert first.returncode == 0
        assert "applied 001_foundation.sql" in first.stdout
        second = person.runs("migrate", GAZELLE_DATABASE_URL=url)
        assert (second.returncode, second.stdout.strip()) == (0, "The database is up to date.")
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM schema_migrations").fetchone() == (
                first.stdout.count("applied"),
            )


def test_a_sync_beside_another_waits_and_then_does_its_work(person: Person) -> None:
    person.shop.admin.reset_stats()
    with PullLock(person.shop.url, wait_s=0):
        waiting = person.begins("sync")
        deadline = time.monotonic() + 60
        while "another pull is running" not in logs_of(person):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert person.shop.admin.stats()["arrivals"] == 0
    ended = person.processes.ended(waiting, person.directory)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert person.shop.admin.stats()["arrivals"] > 0


QUOTING = """
CREATE FUNCTION quote() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'no way to postgresql://postgres:s3cret-pw@db.example.com/gazelle' USING
        ERRCODE = 'XX000', DETAIL = 'Failing row contains ' || NEW.raw_data::text;
END $$;
CREATE TRIGGER quote BEFORE INSERT ON staging_clients FOR EACH ROW EXECUTE FUNCTION quote();
"""


def test_what_nobody_expected_is_told_without_secrets_clients_or_values_of_variables(person: Person) -> None:
    """In the terminal, the log file, `sync_logs` and Dagster's events."""
    shop = person.shop
    client = shop.admin.dump("clients")[0]["id"]
    shop.admin.edit("clients", client, personalNotes="Aime le thé vert")
    shop.query(QUOTING)
    url = shop.url.replace("postgres:@", "postgres:s3cret-pw@")
    assert url != shop.url
    ended = person.runs("sync", GAZELLE_DATABASE_URL=url)
    assert ended.returncode == 1
    assert "InternalError_: no way to postgresql://•••@" in ended.stdout
    log = "".join(path.read_text(encoding="utf-8") for path in (shop.settings.home / "logs").glob("gazelle_sync-*.log"))
    assert "Traceback (most recent call last)" in ended.stderr
    with psycopg.connect(person.dagster_database) as connection:
        events = "\n".join(event for (event,) in connection.execute("SELECT event FROM event_logs"))
    assert "no way to postgresql" in events
    noted = str(shop.last_log())
    assert "no way to postgresql" in noted
    for place in (ended.stdout, ended.stderr, log, events, noted):
        for secret in ("s3cret-pw", "thé vert", "th\\u00e9 vert", "Failing row", "personalNotes"):
            assert secret not in place
    assert len(ended.stderr) < 8_000


def test_a_command_that_meets_an_unexpected_database_error_says_it_without_secrets(person: Person) -> None:
    person.shop.query("ALTER TABLE sync_logs RENAME COLUMN status TO stand")
    ended = person.runs("status")
    assert ended.returncode == 1
    assert "UndefinedColumn: " in ended.stderr
    assert "│" not in ended.stderr
    assert len(ended.stderr) < 8_000


@pytest.mark.usefixtures("just_pulled")
def test_status_is_red_while_a_failed_check_lasts(person: Person) -> None:
    person.shop.query(
        "UPDATE gazelle_products SET name_fr = 'Autre chose' WHERE id = (SELECT min(id) FROM gazelle_products)"
    )
    only = ("check", "--only", "integrity_production")
    assert person.runs("status").returncode == 0
    assert person.runs(*only).returncode == 1
    told = person.runs("status")
    assert told.returncode == 1
    assert "✗ Check failed: integrity_production" in told.stdout
    assert f"`gazelle-sync {' '.join(only)}`" in told.stdout
    assert "All is well" not in told.stdout
    as_json = person.runs("status", "--json")
    assert as_json.returncode == 1
    *entities, alerts, push = json.loads(as_json.stdout)
    assert {row["light"] for row in (*entities, push)} == {"green"}
    assert (alerts["entity"], alerts["light"], alerts["errors"]) == ("alerts", "red", 1)
    assert alerts["failure"] == "✗ Gazelle: Check failed: integrity_production"
    person.shop.replay()
    assert person.runs(*only).returncode == 0
    assert person.runs("status").returncode == 0
