"""What an alert's text says and does not say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync.incidents.causes import cause_of
from gazelle_sync.incidents.facts import EndedRun, Facts, Failure
from gazelle_sync.incidents.messages import CAUSES, MESSAGES, describe
from gazelle_sync.incidents.rules import RULES, assess
from gazelle_sync.incidents.trouble import Assessment, Trouble
from gazelle_sync.notifications.redaction import redact
from gazelle_sync.settings import Settings, secrets_of_alert_url

NOW = datetime(2026, 3, 8, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("message", "kind", "number"),
    [
        ("ClientsStamps: Gazelle refuses the credentials (HTTP 401: 'x')", "credentials", ""),
        ("pianos: at least 25 records are gone at Gazelle, more than the 20", "mass_deletion", "25"),
        ("clients: Gazelle sent an empty list for 31 records that had tags", "mass_emptying", "31"),
        ("pianos: Gazelle leaves out 31 rows of gazelle_piano_measurements that we hold", "mass_vanishing", "31"),
        ("TimelinePage: HTTP 503: 'busy'", "http", "503"),
        ("PostgreSQL has no room left (x)", "disk", ""),
        ("PostgreSQL cannot be reached or went away (x)", "database", ""),
        ("Another pull is running and did not end within 60 s.", "another_run", ""),
        ("The process ended without a word: it was killed", "stopped", ""),
        ("KeyError: 'x'. This is a fault of gazelle_sync", "unknown", ""),
    ],
)
def test_a_failure_is_known_by_its_kind_and_number(message: str, kind: str, number: str) -> None:
    cause = cause_of(message)
    assert (cause.kind, cause.number) == (kind, number)
    assert kind in CAUSES


def test_every_rule_has_a_message() -> None:
    assert {rule.name for rule in RULES} <= MESSAGES.keys()


@given(st.text(min_size=1))
def test_nothing_of_a_failures_own_words_gets_into_the_text_but_a_number(words: str) -> None:
    cause = cause_of(words)
    trouble = Trouble("clients", details={"cause": cause.kind, "number": cause.number}, run_id="r")
    said = describe("failed_run", [trouble], Settings(), NOW).text
    assert CAUSES[cause.kind].format(number=cause.number) == said.splitlines()[0]
    assert cause.number == "" or cause.number.isdecimal()


def test_the_text_has_montreals_time_and_the_runs_page() -> None:
    settings = Settings(language="fr", ui_url="https://dagster.atelier.example")
    said = describe("failed_run", [Trouble("clients", details={"cause": "unreachable"}, run_id="abc")], settings, NOW)
    assert said.title == "✗ Gazelle: La synchro a échoué : Clients"
    assert "2026-03-08 03:30 à Montréal" in said.text
    assert "https://dagster.atelier.example/runs/abc" in said.text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("3 rows shifted by +5 h: evt_1a2b, evt_77", "3 rows shifted by +5 h: evt_1a2b, evt_77"),
        ("write to marie.cote@exemple.ca", "write to •••"),
        ("call (514) 555-0199 or 555 0199", "call ••• or •••"),
        ('invalid input: "Marie Côté"', "invalid input: •••"),
        ("l'accord de 'Marie Côté' est pris", "l'accord de ••• est pris"),
        ("Key (email)=(m@x.ca) exists. DETAIL: Failing row contains (Marie)", "Key (email)=••• exists. •••"),
        ("since 2026-03-08 07:30, 11460 of 282669 rows", "since 2026-03-08 07:30, 11460 of 282669 rows"),
        ("lives at H2X 1Y4", "lives at •••"),
    ],
)
def test_particulars_are_taken_out_and_counts_dates_and_ids_stay(text: str, left: str) -> None:
    assert redact(text) == left


@given(st.text(), st.text(alphabet="abcdefgh0123456789", min_size=6))
def test_a_secret_never_stays_in_a_text(before: str, secret: str) -> None:
    assert secret not in redact(f"{before[:50]} {secret} x", [secret])


def test_the_secrets_of_an_address_are_its_password_and_its_tokens() -> None:
    slack = secrets_of_alert_url("slack://T12345678/B12345678/abcd1234efgh5678/#ops")
    assert {"T12345678", "B12345678", "abcd1234efgh5678"} <= set(slack)
    mail = secrets_of_alert_url("mailtos://robot:p%40ss@smtp.atelier.example?to=a@b.example")
    assert {"p%40ss", "p@ss"} <= set(mail)
    assert "smtp.atelier.example" not in mail


def test_a_run_that_a_newer_one_has_overtaken_says_nothing() -> None:
    facts = Facts(ended=EndedRun("r", "tick", succeeded=False, is_overtaken=True))
    assert all(found.rule != "failed_job" for found in assess(facts))


def test_not_having_looked_is_no_recovery() -> None:
    assert not Assessment("failed_check", judged=frozenset({"a:x"})).is_well("b:y")
    assert Assessment("failed_check", judged=frozenset({"a:x"})).is_well("a:x")
    assert not Assessment("stale_data", (Trouble("clients"),)).is_well("clients")


def test_entities_that_fail_for_different_causes_are_told_apart() -> None:
    facts = Facts(failures={"clients": Failure("HTTP 503: x", "r"), "pianos": Failure("HTTP 404: x", "r"),
                            "users": Failure("did not answer in time", "r")})  # fmt: skip
    troubles = next(found for found in assess(facts) if found.rule == "failed_run").troubles
    assert len({trouble.cause for trouble in troubles}) == 2
