"""What an alert's text says and does not say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazelle_sync import errors
from gazelle_sync.errors import UNKNOWN, Cause, GazelleSyncError, cause_of
from gazelle_sync.i18n.translator import translator
from gazelle_sync.incidents.causes import CAUSES
from gazelle_sync.incidents.facts import EndedRun, Facts, Failure
from gazelle_sync.incidents.messages import MESSAGES, describe
from gazelle_sync.incidents.rules import RULES, Assessment, Incident, assess, cause_details
from gazelle_sync.montreal import spoken_day
from gazelle_sync.notifications.redaction import redact
from gazelle_sync.reconcile.rows import ReconcileError
from gazelle_sync.settings import Settings, secrets_of_alert_url

NOW = datetime(2026, 3, 8, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (errors.CredentialsRefused("ClientsStamps", "HTTP 401"), Cause("credentials")),
        (errors.CredentialsUnusable("no token file"), Cause("credentials")),
        (errors.MassDeletion("pianos", number=25), Cause("mass_deletion", 25)),
        (errors.MassEmptying("clients", number=31), Cause("mass_emptying", 31)),
        (errors.MassVanishing("pianos", number=31), Cause("mass_vanishing", 31)),
        (errors.ApiUnavailable("TimelinePage", "busy", status=503), Cause("http", 503)),
        (errors.RequestStopped("TimelinePage"), Cause("stopped")),
        (errors.DatabaseFull("x"), Cause("disk")),
        (OSError(28, "No space left on device"), Cause("disk")),
        (errors.DatabaseError("x"), Cause("database")),
        (errors.RowsHidden(["gazelle_pianos"], "robot"), Cause("rights")),
        (errors.AnotherPullRunning("x"), Cause("another_run")),
        (errors.EntityFailed("x", cause=Cause("mass_deletion", 3)), Cause("mass_deletion", 3)),
        (KeyError("x"), Cause("fault")),
        (KeyboardInterrupt(2), Cause("stopped")),
    ],
)
def test_a_failure_is_known_by_its_code_and_number(error: BaseException, cause: Cause) -> None:
    assert cause_of(error) == cause


def kinds_of_error(root: type[GazelleSyncError] = GazelleSyncError) -> Iterator[type[GazelleSyncError]]:
    yield root
    for kind in root.__subclasses__():
        yield from kinds_of_error(kind)


def test_every_kind_of_error_has_a_cause_that_alerts_have_words_for() -> None:
    for kind in kinds_of_error():
        assert kind.cause in CAUSES, kind
    assert ReconcileError in kinds_of_error()
    general = {GazelleSyncError, errors.ApiError, errors.EntityFailed}
    assert {kind for kind in kinds_of_error() if kind.cause == UNKNOWN.code} == general


def test_every_rule_has_a_message() -> None:
    assert {rule.name for rule in RULES} <= MESSAGES.keys()


@given(st.text(min_size=1))
def test_nothing_of_a_failures_own_words_gets_into_the_text_but_a_number(words: str) -> None:
    for error in (
        errors.ApiUnavailable("op", words, status=503),
        errors.MassDeletion(words, number=25),
        ValueError(words),
    ):
        cause = cause_of(error)
        said = describe("failed_run", [Incident("clients", details=cause_details(cause), run_id="r")], Settings(), NOW)
        assert CAUSES[cause.code].format(number=cause.number) == said.text.splitlines()[0]


def test_a_cause_that_was_not_stored_or_that_only_a_newer_version_knows_is_an_unknown_one() -> None:
    for details in ({}, {"cause": "comet"}):
        said = describe("failed_run", [Incident("clients", details=details)], Settings(), NOW)
        assert said.text.startswith("The cause is not known.")


def test_the_text_has_montreals_time_and_the_runs_page() -> None:
    settings = Settings(language="fr", ui_url="https://dagster.atelier.example")
    said = describe("failed_run", [Incident("clients", details={"cause": "unreachable"}, run_id="abc")], settings, NOW)
    assert said.title == "✗ Gazelle: La synchro a échoué\N{NO-BREAK SPACE}: Clients"
    assert (
        f"{spoken_day(translator('fr'), NOW.date())}, 3\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}30 à Montréal" in said.text
    )
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
    facts = Facts(ended=EndedRun("r", "tick", succeeded=False, is_superseded=True))
    assert all(found.rule != "failed_job" for found in assess(facts))


def test_not_having_looked_is_no_recovery() -> None:
    assert not Assessment("failed_check", evaluated=frozenset({"a:x"})).has_recovered("b:y")
    assert Assessment("failed_check", evaluated=frozenset({"a:x"})).has_recovered("a:x")
    assert not Assessment("stale_data", (Incident("clients"),)).has_recovered("clients")


def test_entities_that_fail_for_different_causes_are_told_apart() -> None:
    facts = Facts(failures={"clients": Failure("r", Cause("http", 503)), "pianos": Failure("r", Cause("http", 404)),
                            "users": Failure("r", Cause("unreachable"))})  # fmt: skip
    incidents = next(found for found in assess(facts) if found.rule == "failed_run").incidents
    assert len({incident.cause for incident in incidents}) == 2
